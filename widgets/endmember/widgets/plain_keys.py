"""Controls that the keyboard reaches inside a notebook."""

from __future__ import annotations

from pathlib import Path

import anywidget


class PlainKeys(anywidget.AnyWidget):
    """Nothing to see: it keeps plain keys from the notebook around the box that it lies in."""

    _esm = Path(__file__).parent / "plain_keys.js"
