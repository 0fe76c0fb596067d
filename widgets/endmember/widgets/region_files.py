"""A file that a person saves from the page."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as tl

HERE = Path(__file__).parent
TYPES = {".csv": "text/csv;charset=utf-8", ".npz": "application/zip"}


class FileButton(anywidget.AnyWidget):
    """Save a file from the page, made when it is asked for.

    Parameters
    ----------
    description : str
        What the button says.
    make : callable
        Returns the name of the file and its bytes or its text.
    say : callable
        Takes the words of what went wrong.

    Examples
    --------
    >>> from endmember.widgets.region_files import FileButton
    >>> button = FileButton("Table as CSV", lambda: ("table.csv", "region,pixels"), print)
    >>> button.file()
    ('table.csv', b'region,pixels')
    """

    _esm = HERE / "region_files.js"
    _css = HERE / "parts.css"

    description = tl.Unicode().tag(sync=True)
    disabled = tl.Bool(False).tag(sync=True)

    def __init__(self, description, make, say, **traits):
        super().__init__(description=description, **traits)
        self._make, self._say = make, say
        self.on_msg(lambda *_: self.press())

    def file(self):
        """Return name and bytes of the file."""
        name, held = self._make()
        return name, held.encode() if isinstance(held, str) else held

    def press(self):
        """Send the file to the page, or say why there is none."""
        try:
            name, held = self.file()
        except Exception as error:  # whatever it is, a person waits for an answer
            self._say(str(error) or type(error).__name__)
            name, held = "", b""
        self.send({"name": name, "type": TYPES.get(Path(name).suffix, "")}, [held])
