"""How far slow work has come, and a button that stops it."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as tl

HERE = Path(__file__).parent


class WorkRow(anywidget.AnyWidget):
    """Show progress and the time that is left; cancel, or begin again.

    Parameters
    ----------
    state : traitlets.HasTraits
        Has the traits ``status`` ("idle", "running", "stale" or "error"), ``progress`` from 0 to 1
        and ``seconds_left``, None where it is not known; and the methods ``cancel()`` and
        ``compute()``.
    start : str, default="Compute"
        What the button says while nothing runs and something is left to do.

    Attributes
    ----------
    status, progress, seconds_left
        Those of the state.
    """

    _esm = HERE / "work_row.js"
    _css = HERE / "parts.css"

    status = tl.Unicode("idle").tag(sync=True)
    progress = tl.Float(0.0).tag(sync=True)
    seconds_left = tl.Float(allow_none=True, default_value=None).tag(sync=True)
    start = tl.Unicode("Compute").tag(sync=True)

    def __init__(self, state, start="Compute", **traits):
        super().__init__(start=start, **traits)
        self._state = state
        for name in ("status", "progress", "seconds_left"):
            tl.dlink((state, name), (self, name))
        self.on_msg(self._take)

    def _take(self, _, content, buffers):
        """Do what the button said when it was pressed, unless it no longer applies."""
        if content == {"kind": "cancel" if self._is_running else "compute"}:
            self.press()

    @property
    def _is_running(self):
        return self._state.status == "running"

    def press(self):
        """Do what a click on the button does: cancel what runs, or begin what is left."""
        if self._is_running:
            self._state.cancel()
        else:
            self._state.compute()
