"""What specimens there are: a line each, read before anything is simulated or loaded."""

from __future__ import annotations

from dataclasses import dataclass

OWN = "BSD-3-Clause"  # simulated here


@dataclass(frozen=True)
class Entry:
    """A line of the list of specimens.

    Attributes
    ----------
    name : str
        What :func:`endmember.datasets.load` takes.
    what : str
        What it is.
    shape : tuple of int
        Shape as loaded, without settings.
    lecture : str
        Where the source lectures have it; empty for none.
    licence : str
        Under which it may be passed on.
    sha256 : str
        Digest of the file of a measured specimen.
    simulator : str
        Module and function that make a simulated one.
    """

    name: str
    what: str
    shape: tuple[int, ...]
    lecture: str = ""
    licence: str = OWN
    sha256: str = ""
    simulator: str = ""


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry(
            name="mixture",
            what="the smallest linear mixture: rank and size at will",
            shape=(32, 32, 64),
            lecture="unmixing (S0, S2, S3)",
            simulator="mixture:simulate_mixture",
        ),
        Entry(
            name="diamond_anvil_71gpa",
            what="measured STEM-EDS map of three mantle minerals at 71 GPa",
            shape=(201, 201, 2048),
            licence="MIT",
            sha256="30a141c85278d50b6be48d6043f251d13f6f71724ec07553b6079ac08497af7c",
        ),
    )
}
