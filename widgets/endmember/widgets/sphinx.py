"""A Sphinx extension for books whose widgets stay alive without a kernel.

With ``extensions = ["myst_nb", "endmember.widgets.sphinx"]`` a book serves the scripts of widgets
from its own ``_static`` folder, and each page keeps what it needs of the state of its widgets.
Pages then ask for nothing outside the book, and open from ``file://`` as well.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from ipywidgets.embed import escape_script
from sphinx.util import logging

from endmember._version import __version__
from endmember.widgets.pages import (
    CDN_SCRIPTS,
    LIBRARIES,
    STATIC,
    VIEW_TYPE,
    freeze,
    integrity,
    script_files,
)

VIEW = re.compile(rf'<script type="{re.escape(VIEW_TYPE)}">(.*?)</script>', re.DOTALL)
WITHOUT_JAVASCRIPT = """\
<noscript><p class="endmember-notice">The widgets on this page need JavaScript.</p></noscript>
"""
BEFORE_MYST_NB = 400  # its own handler, at 500, writes what this one has made small
logger = logging.getLogger(__name__)


def setup(app):
    """Register with Sphinx."""
    app.add_config_value("endmember_scripts", "inside", "html", types=[str])
    app.connect("config-inited", _name_scripts)
    app.connect("builder-inited", _serve_scripts)
    app.connect("html-page-context", _prepare_page, priority=BEFORE_MYST_NB)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}


def _name_scripts(app, config):
    """Tell myst-nb which scripts a page with widgets asks for."""
    choice = config.endmember_scripts
    if choice not in ("inside", "cdn"):
        raise ValueError(f'endmember_scripts is {choice!r}; choose "inside" or "cdn".')
    # Not in the settings of the book: Jupyter Book would run every script it finds there by itself,
    # and modules are to be asked for by name.
    config.nb_ipywidgets_js = {
        **_script("require", choice),
        "widgets/book.js": {},
        **_script("embed-amd", choice),
    }


def _script(name, choice):
    """Name a script's place, and what it must be if it comes from outside."""
    if choice == "inside":
        return {f"widgets/{name}.js": {}}
    return {CDN_SCRIPTS[name]: {"integrity": integrity(name), "crossorigin": "anonymous"}}


def _serve_scripts(app):
    """Lay the scripts where pages find them."""
    if app.builder.format != "html":
        return
    scripts = script_files(app.config.endmember_scripts)
    # Not by `html_static_path`: that takes no folder inside the one of the pages, where Sphinx
    # keeps all of its own unless it is told otherwise.
    folder = Path(app.outdir, "_static", "widgets")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, path in scripts.items():
        shutil.copyfile(path, folder / f"{name}.js")
    for name in ("book.js", "pages.css"):
        shutil.copyfile(STATIC / name, folder / name)


def _prepare_page(app, pagename, templatename, context, doctree):
    """Keep of the state of widgets what a page shows."""
    kept = getattr(app.env, "nb_metadata", {}).get(pagename, {}).get("js_files", {})
    if "ipywidgets_state" not in kept:
        return
    context["body"] = WITHOUT_JAVASCRIPT + context["body"]
    app.add_css_file("widgets/pages.css")
    app.add_js_file(None, body=(STATIC / "missing.js").read_text(encoding="utf-8"), priority=0)
    uri, attributes = kept["ipywidgets_state"]
    shown = [json.loads(view)["model_id"] for view in VIEW.findall(context.get("body", ""))]
    manager = json.loads(attributes["body"])
    try:
        manager["state"] = freeze(manager["state"], shown)
    except ValueError as error:
        logger.warning("%s", error, location=pagename, type="endmember", subtype="state")
        return
    context["metatags"] = context.get("metatags", "") + _preloads(
        manager["state"], context["pathto"]
    )
    body = escape_script(json.dumps(manager, allow_nan=False))
    page = {"ipywidgets_state": (uri, {**attributes, "body": body})}
    app.env.nb_metadata[pagename]["js_files"] = {**kept, **page}


def _preloads(state, pathto):
    """Have a browser fetch at once what it would ask for when the first widget names it."""
    named = {model["model_module"] for model in state.values()}
    places = [pathto(f"_static/widgets/{name}.js", True) for name in LIBRARIES if name in named]
    return "".join(f'<link rel="preload" as="script" href="{place}" />\n' for place in places)
