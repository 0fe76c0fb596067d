"""What still figures share: the file that each is written to, and words that any font can draw."""

from __future__ import annotations

from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from endmember.widgets.pages import check_choice

SUFFIXES = (".png", ".svg", ".pdf")
DPI = 150  # of a .png, and of what a .svg or .pdf holds as an image


def write_figure(figure, path, title):
    """Write a figure to a file once it is drawn, and return the path.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write.
    path : str or path-like
        Ends in .png, .svg or .pdf. A file of that name is replaced.
    title : str
        Kept in the file beside the figure.
    """
    path = checked_path(path, "a figure", SUFFIXES)
    drawn = BytesIO()  # whole before the file is touched
    how = {"format": path.suffix.lower()[1:], "dpi": DPI, "facecolor": "white"}
    figure.savefig(drawn, **how, metadata={"Title": printable(title)})
    path.write_bytes(drawn.getvalue())
    return path


def checked_path(path, what, suffixes=(".html", *SUFFIXES), *, scripts="inside"):
    """Return where to write a page or a figure, or say what is wrong with it.

    Parameters
    ----------
    path : str or path-like
        Where to.
    what : str
        What is to be written there.
    suffixes : sequence of str
        How its name may end.
    scripts : {"inside", "cdn"}
        Where a page has its scripts.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(
            f"path is {str(path)!r}, which ends in {path.suffix!r}; save {what} as one of "
            f"{', '.join(suffixes)}."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} is no folder; make it, or choose another path.")
    check_choice(scripts)
    return path


@contextmanager
def nothing_hovered(state):
    """Show the chosen pixel: where a pointer rests now is of no use to a reader of the page."""
    hovered = state.hovered
    state.set_trait("hovered", None)
    try:
        yield
    finally:
        state.hovered = hovered


def printable(text):
    """Return a text without what no font shows and no .svg may hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
