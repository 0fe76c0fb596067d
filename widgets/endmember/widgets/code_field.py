"""Code that a person takes along."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as tl

HERE = Path(__file__).parent


class CodeField(anywidget.AnyWidget):
    """Show code as it is, with a button that copies it.

    Parameters
    ----------
    value : str
        The code.

    Attributes
    ----------
    value : str
        The code; may be set.

    Examples
    --------
    >>> from endmember.widgets.code_field import CodeField
    >>> field = CodeField("import endmember as em")
    >>> field.value
    'import endmember as em'
    """

    _esm = HERE / "code_field.js"
    _css = HERE / "parts.css"

    value = tl.Unicode().tag(sync=True)

    def __init__(self, value="", **traits):
        super().__init__(value=value, **traits)
