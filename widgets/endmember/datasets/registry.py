"""The list of specimens, and the one way to load them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from difflib import get_close_matches

from endmember.datasets.packed import unpack
from endmember.datasets.room import data_path


@dataclass(frozen=True)
class Entry:
    """A line of the list of specimens."""

    name: str
    what: str
    shape: tuple[int, ...]
    licence: str
    sha256: str


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry(
            name="diamond_anvil_71gpa",
            what="measured STEM-EDS map of three mantle minerals at 71 GPa",
            shape=(201, 201, 2048),
            licence="MIT",
            sha256="30a141c85278d50b6be48d6043f251d13f6f71724ec07553b6079ac08497af7c",
        ),
    )
}


def names():
    """Return the specimens that :func:`load` knows, by name.

    Returns
    -------
    dict of str to Entry
        What each is, its shape and its licence.

    Examples
    --------
    >>> import endmember as em
    >>> em.datasets.names()["diamond_anvil_71gpa"].shape
    (201, 201, 2048)
    """
    return dict(ENTRIES)


def load(name):
    """Load a specimen.

    Parameters
    ----------
    name : str
        One of :func:`names`.

    Returns
    -------
    SpectrumImage
        A measured map, its counts as a CSR array.

    Examples
    --------
    >>> import endmember as em
    >>> em.datasets.load("diamond_anvil_71gpa")
    <SpectrumImage '71 GPa diamond anvil cell', 201 × 201 pixels, 2048 channels, CSR uint8>
    """
    entry = _entry(name)
    path = data_path("files", f"{entry.name}.npz")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != entry.sha256:
        raise ValueError(
            f"the file of {name!r} has the checksum {found[:12]}..., expected "
            f"{entry.sha256[:12]}...; it was changed or cut short. Install endmember again."
        )
    image = unpack(path)
    image.code = f'em.datasets.load("{name}")'
    return image


def card(name):
    """Return the card of a specimen as Markdown: origin, licence, instrument, what is known."""
    return data_path("cards", f"{_entry(name).name}.md").read_text(encoding="utf-8")


def _entry(name):
    if name not in ENTRIES:
        near = get_close_matches(str(name), ENTRIES, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"no dataset is called {name!r}; choose one of {sorted(ENTRIES)}.{hint}")
    return ENTRIES[name]
