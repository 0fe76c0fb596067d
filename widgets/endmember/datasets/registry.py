"""The list of specimens, and the one way to load them."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from html import escape
from importlib import import_module

from endmember.core.image import SpectrumImage
from endmember.core.room import checked_path, data_path
from endmember.core.sources import open as as_image
from endmember.datasets.catalogue import ENTRIES, LECTURES
from endmember.datasets.online import fetch
from endmember.datasets.packed import unpack
from endmember.datasets.scene import Scene

HEADINGS = ("name", "what it is", "shape", "lecture", "licence")


class Names(dict):
    """Entries by name, shown as a table."""

    def __repr__(self):
        rows = [HEADINGS, *map(_cells, self.values())]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, "", *(f"{key}: {what}" for key, what in LECTURES.items())])

    def _repr_html_(self):
        rows = [_html_row(HEADINGS, "th"), *(_html_row(_cells(e), "td") for e in self.values())]
        lectures = "<br>".join(f"{key}: {escape(what)}" for key, what in LECTURES.items())
        return f"<table class='endmember-names'>{''.join(rows)}</table><p>{lectures}</p>"


def _cells(entry):
    size = " × ".join(map(str, entry.shape))
    return entry.name, entry.what, size, entry.lecture, entry.licence


def _html_row(cells, tag):
    style = " style='text-align:left'"
    return f"<tr>{''.join(f'<{tag}{style}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def names():
    """Return the specimens that :func:`load` knows, by name, shown as a table.

    Returns
    -------
    dict of str to Entry
        What each is, its shape, where the source lectures have it, and its licence.

    Examples
    --------
    >>> import endmember as em
    >>> em.datasets.names()["diamond_anvil_71gpa"].shape
    (201, 201, 2048)
    """
    return Names(ENTRIES)


def load(name, **settings):
    """Load a specimen.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    **settings
        Of a simulated specimen: its size, its dose, its seed and what else its card lists. A
        measured one takes none.

    Returns
    -------
    Scene or SpectrumImage
        A simulated specimen with its truth, or a measured map with its counts as a CSR array. A
        measured micrograph is a scene of which no truth is known.

    Examples
    --------
    >>> import endmember as em
    >>> em.datasets.load("diamond_anvil_71gpa")
    <SpectrumImage '71 GPa diamond anvil cell', 201 × 201 pixels, 2048 channels, CSR uint8>
    >>> em.datasets.load("mixture", dose=50, seed=1).image.navigation_shape
    (32, 32)
    """
    entry = _entry(name)
    if entry.simulator:
        return _simulate(entry, settings)
    if settings:
        raise TypeError(f"{name!r} is measured and takes no settings, got {sorted(settings)}.")
    return _measured(entry)


def card(name):
    """Return the card of a specimen as Markdown: origin, licence, facts, what is known."""
    return data_path("cards", f"{_entry(name).name}.md").read_text(encoding="utf-8")


def _measured(entry):
    if entry.url:
        image = as_image(fetch(entry))
    else:
        found = unpack(checked_path("files", f"{entry.name}.npz", sha256=entry.sha256))
        if not isinstance(found, SpectrumImage):
            values, axes = found
            return Scene(entry.name, values, settings={}, formula="measured", axes=axes)
        image = found
    image.code = f'em.datasets.load("{entry.name}")'
    return image


def _simulate(entry, settings):
    module, function = entry.simulator.split(":")
    simulate = getattr(import_module(f"endmember.datasets.simulators.{module}"), function)
    known = list(inspect.signature(simulate).parameters)
    for setting in settings:
        if setting not in known:
            raise TypeError(
                f"{entry.name!r} takes no {setting!r}; its settings are {known}."
                f"{_nearest(setting, known)}"
            )
    scene = simulate(**settings)
    scene.call_as(settings)
    return scene


def _entry(name):
    if name not in ENTRIES:
        raise ValueError(
            f"no dataset is called {name!r}; choose one of {sorted(ENTRIES)}."
            f"{_nearest(name, ENTRIES)}"
        )
    return ENTRIES[name]


def _nearest(name, known):
    near = get_close_matches(str(name), known, n=1, cutoff=0.4)
    return f" Did you mean {near[0]!r}?" if near else ""
