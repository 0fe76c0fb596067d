"""Words about what a widget does, shown and spoken."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as tl

HERE = Path(__file__).parent


class Message(anywidget.AnyWidget):
    """Show words in a place that screen readers listen to.

    Parameters
    ----------
    value : str
        The words, shown as they are; empty for none.
    kind : {"status", "warning", "error"}, default="status"
        What they are: warnings and errors begin with that word and have a bar beside them.

    Examples
    --------
    >>> from endmember.widgets.message import Message
    >>> message = Message()
    >>> message.say("The rules disagree.", kind="warning")
    >>> message.value, message.kind
    ('The rules disagree.', 'warning')
    """

    _esm = HERE / "message.js"
    _css = HERE / "parts.css"

    value = tl.Unicode().tag(sync=True)
    kind = tl.Enum(["status", "warning", "error"], "status").tag(sync=True)

    def __init__(self, value="", **traits):
        super().__init__(value=value, **traits)

    def say(self, value, *, kind="status"):
        """Say something else, in one message to the page."""
        with self.hold_sync():
            self.value, self.kind = value, kind
