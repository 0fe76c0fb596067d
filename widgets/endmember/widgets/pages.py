"""Pages on which widgets answer without a kernel: their scripts, and the state they start from."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
import sys
from html import escape
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from ipywidgets import Widget
from ipywidgets.embed import dependency_state, escape_script

from endmember._version import __version__
from endmember.widgets.factors import compact_factors, deflated_pins

STATIC = Path(__file__).parent / "static"
LIBRARIES = ("bqscales", "bqplot", "anywidget")
CDN = "https://cdn.jsdelivr.net/npm/"
CDN_SCRIPTS = {
    "require": f"{CDN}requirejs@2.3.8/require.js",
    "embed-amd": f"{CDN}@jupyter-widgets/html-manager@1.0.15/dist/embed-amd.js",
}
SHA256 = {  # of these scripts: a browser runs no other that a CDN may send
    "require": "c1fc6b1d53af7522f78d664922abb32acac64ed0ecccb8f907f1e6fc7262563a",
    "embed-amd": "ca87dff57c70ffb2658794fde0eab0e27e5f5472a1f5df7ab2b08e1039fc4b72",
}
STATE_TYPE = "application/vnd.jupyter.widget-state+json"
VIEW_TYPE = "application/vnd.jupyter.widget-view+json"
MAP_VIEW = "endmember.widgets.map_view.MapView"
REFERENCE = re.compile(r"IPY_MODEL_(\w+)")


def script_files(choice="inside"):
    """Return the scripts that pages with widgets hold.

    Parameters
    ----------
    choice : {"inside", "cdn"}, default="inside"
        Whether those that npm brings are among them, or are loaded from :data:`CDN_SCRIPTS`.

    Returns
    -------
    dict
        Paths by name.

    Raises
    ------
    FileNotFoundError
        Where the package was built without those that npm brings.
    """
    check_choice(choice)
    libraries = {name: _library(name) for name in LIBRARIES}
    return libraries | (_vendored() if choice == "inside" else {})


def integrity(name):
    """Return what a page says of a script from a CDN, so that a browser can check it."""
    return "sha256-" + base64.b64encode(bytes.fromhex(SHA256[name])).decode()


def check_choice(scripts):
    """Refuse what is neither of the two ways to bring scripts to a page."""
    if scripts not in ("inside", "cdn"):
        raise ValueError(f'scripts is {scripts!r}; choose "inside" or "cdn".')


def _vendored():
    found = {name: STATIC / "vendor" / f"{name}.js" for name in CDN_SCRIPTS}
    missing = [path.name for path in found.values() if not path.exists()]
    if missing:
        raise FileNotFoundError(
            f"{' and '.join(missing)} are missing in {STATIC / 'vendor'}: this installation was "
            "built without the scripts of static pages. Install it anew where npm reaches its "
            'registry, or ask for links to a CDN: scripts="cdn" when saving, '
            'endmember_scripts = "cdn" in the settings of a book.'
        )
    return found


def _library(name):
    """Where an installed widget library keeps its script for pages."""
    inside = f"share/jupyter/nbextensions/{name}/index.js"
    if (path := Path(sys.prefix, inside)).exists():
        return path
    try:
        recorded = [file for file in files(name) or [] if file.as_posix().endswith(inside)]
    except PackageNotFoundError:
        recorded = []
    if not recorded:
        raise FileNotFoundError(f"{inside} is missing; install {name} anew: pip install {name}.")
    return Path(recorded[0].locate())


def freeze(state, roots):
    """Return what a page without a kernel must hold of the state of widgets.

    Parameters
    ----------
    state : dict
        Model identifiers and their saved states, as notebooks keep them.
    roots : iterable of str
        Identifiers of the models that the page shows.

    Returns
    -------
    dict
        The models that can be reached from those shown, and the links between them. Factors of
        maps are made small. Nothing that was handed in is changed.

    Raises
    ------
    ValueError
        Where a number is NaN or infinite: the page could not read its state.
    """
    kept = reachable(state, roots)
    for identifier, model in kept.items():
        if place := _not_finite(model["state"]):
            raise ValueError(
                f"the state of {model['model_name']} {identifier} holds {place[1]} at "
                f"{place[0]!r}, and JSON has no such number: a page could not read it. Give the "
                "widget None or an array instead."
            )
    return {identifier: _compact(model) for identifier, model in kept.items()}


def reachable(state, roots):
    """Return the models that these lead to, and the links that join two of them."""
    kept, waiting = {}, [root for root in roots if root in state]
    while waiting:
        identifier = waiting.pop()
        if identifier not in kept:
            kept[identifier] = state[identifier]
            waiting += [found for found in _references(state[identifier]) if found in state]
    for identifier, model in state.items():
        if model["model_name"] in ("LinkModel", "DirectionalLinkModel"):
            ends = _references(model)
            if ends and all(end in kept for end in ends):
                kept[identifier] = model
    return kept


def _references(model):
    return REFERENCE.findall(json.dumps(model["state"]))


def _not_finite(value, place=""):
    """Find the first NaN or infinity: where it is, and which; None where there is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return place, value
    if isinstance(value, (list, tuple)):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return None
    places = (_not_finite(v, f"{place}.{key}" if place else str(key)) for key, v in value.items())
    return next(filter(None, places), None)


def _compact(model):
    """Make the factors of a map small; leave every other model as it is."""
    state = model["state"]
    if state.get("_anywidget_id") != MAP_VIEW or not state.get("factors"):
        return model
    buffers = {tuple(buffer["path"]): buffer for buffer in model["buffers"]}
    packed, pins = (_with_bytes(state, buffers, name) for name in ("factors", "pins"))
    small = {"factors": compact_factors(packed, state["shape"]), "pins": deflated_pins(pins)}
    state = {**state, **{name: _without_bytes(small[name]) for name in small}}
    others = [buffer for path, buffer in buffers.items() if path[0] not in small]
    held = [
        {"path": [name, key], "encoding": "base64", "data": base64.b64encode(value).decode()}
        for name in small
        for key, value in small[name].items()
        if isinstance(value, bytes)
    ]
    return {**model, "state": state, "buffers": others + held}


def _with_bytes(state, buffers, name):
    held = {path[1]: _decode(buffer) for path, buffer in buffers.items() if path[0] == name}
    return {**state[name], **held}


def _without_bytes(values):
    return {key: value for key, value in values.items() if not isinstance(value, bytes)}


def _decode(buffer):
    decode = {"base64": base64.b64decode, "hex": bytes.fromhex}[buffer["encoding"]]
    return decode(buffer["data"])


# a page of its own


def save_page(widget, path, *, title, scripts="inside"):
    """Write one page that shows a widget and answers without a kernel and without a network.

    Parameters
    ----------
    widget : ipywidgets.DOMWidget
        What to show.
    path : str or path-like
        File to write.
    title : str
        Shown as text, whatever it holds.
    scripts : {"inside", "cdn"}, default="inside"
        Whether the page holds its scripts, or loads those from npm over the network.
    """
    page = Path(path)
    if not page.parent.is_dir():
        raise FileNotFoundError(f"{page.parent} is no folder; make it, or choose another path.")
    page.write_text(page_text(widget, title=title, scripts=scripts), encoding="utf-8")


def page_text(widget, *, title, scripts="inside"):
    """Return the text of the page that :func:`save_page` writes."""
    state = freeze(dependency_state([widget], drop_defaults=False), [widget.model_id])
    manager = {**Widget.get_manager_state(widgets=[]), "state": state}
    parts = {
        "title": escape(title),
        "version": escape(__version__),
        "view": json.dumps(widget.get_view_spec()),
        "style": (STATIC / "pages.css").read_text(encoding="utf-8"),
        "state": pack(escape_script(json.dumps(manager, allow_nan=False))),
        "scripts": "\n".join(_script_tags(scripts)),
        "loader": (STATIC / "saved_page.js").read_text(encoding="utf-8"),
    }
    template = (STATIC / "saved_page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def pack(text):
    """Spell text compressed, in letters that a page may hold."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def _script_tags(choice):
    """Hold each script, packed, or say where it comes from."""
    held = script_files(choice)
    for name in held | CDN_SCRIPTS:
        packed = pack(held[name].read_text(encoding="utf-8")) if name in held else ""
        origin = ""
        if name not in held:
            origin = f' data-from="{CDN_SCRIPTS[name]}" data-integrity="{integrity(name)}"'
        yield f'<script type="text/plain" data-script="{name}"{origin}>{packed}</script>'
