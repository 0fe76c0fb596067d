"""How docstrings become the reference: only what is our own, under the names that people type.

A Sphinx extension of this book alone, upon autodoc and numpydoc. A page of the reference names
what it describes, ``.. autofunction:: endmember.rank_report``; everything else stands in the
docstrings.
"""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from functools import cached_property
from importlib import import_module
from urllib.parse import quote

import numpydoc.numpydoc
from docutils import nodes
from numpydoc.docscrape import ClassDoc
from numpydoc.docscrape_sphinx import SphinxDocString, get_doc_object
from sphinx import addnodes
from sphinx.util.nodes import make_refnode

PACKAGE = "endmember"
SHORT = "em"
PUBLIC = ("", "datasets", "metrics", "teaching")  # what stands behind `em.`; of the rest, names
KEPT = "widgets"  # which has to be imported by its full name
FOREIGN = re.compile(r"set_\w+_request")  # scikit-learn gives it to every estimator
STRAIGHT = str.maketrans("“”‘’", "\"\"''")
LABEL = re.compile(r"\bR[0-9a-f]{12}-")  # which numpydoc gives to the sources of a docstring
SOURCE = re.compile(r"\bdoi:(10\.\d{4,}/\S+[^\s.,;])")
LITERAL = re.compile(r"(``.*?``)")
MARKUP = re.compile(r"(?<=\()\*(?=\w)|(?<=[A-Za-z0-9])_(?!\w)")  # (*shape, n_iter_


def setup(app):
    """Register with Sphinx."""
    SphinxDocString._process_param = _as_written
    numpydoc.numpydoc.setup(app, get_doc_object)
    app.connect("autodoc-process-docstring", _escape, priority=100)  # numpydoc comes at 500
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-signature", _without_fields)
    app.connect("doctree-read", _shorten_names)
    app.connect("doctree-read", _straighten_quotes)
    app.connect("doctree-read", _number_sources)
    app.connect("doctree-read", _link_sources)
    app.connect("missing-reference", _find_by_short_name)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _as_written(self, param, desc, fake_autosummary):
    """Show an attribute by what its class says of it, which is more than a property does."""
    return f"**{self._escape_args_and_kwargs(param.strip())}**", desc


def _escape(app, what, name, thing, options, lines):
    """Take stars and underscores of names for what they are, where RST would see markup."""
    text = "\n".join(lines)
    prose, examples, rest = text.partition("\nExamples\n---")
    parts = LITERAL.split(prose)
    parts[::2] = [MARKUP.sub(r"\\\g<0>", part) for part in parts[::2]]
    lines[:] = ("".join(parts) + examples + rest).split("\n")


def _skip(app, what, name, member, skip, options):
    """Leave out what other packages bring, and properties that their class describes already."""
    getter = getattr(member, "fget", None) or (
        member.func if isinstance(member, cached_property) else None
    )
    maker = getter or member
    if not str(getattr(maker, "__module__", "")).startswith(PACKAGE) or FOREIGN.fullmatch(name):
        return True
    if getter is not None and name in _described(getter):
        return True
    return None


def _described(getter):
    """Return the attributes in the docstring of the class that a property belongs to."""
    owner = import_module(getter.__module__)
    for part in getter.__qualname__.split(".")[:-1]:
        owner = getattr(owner, part)
    listed = ClassDoc(owner, config={"show_class_members": False})["Attributes"]
    return {name.strip() for attribute in listed for name in attribute.name.split(",")}


def _without_fields(app, what, name, thing, options, signature, result):
    """Show no signature of results, which nobody makes by hand: it repeats their attributes."""
    is_result = what == "class" and is_dataclass(thing) and "Parameters\n" not in thing.__doc__
    return ("", None) if is_result else None


def _shorten_names(app, doctree):
    """Say ``em.`` as everybody types it, and no module of things that are only handed out."""
    for node in doctree.findall(addnodes.desc_addname):
        node.children = [nodes.Text(shown) for shown in [_prefix(node.astext())] if shown]


def _prefix(full):
    """Return what is shown before a name.

    Examples
    --------
    >>> [_prefix(f"endmember.{room}") for room in ("", "datasets.", "widgets.", "core.record.")]
    ['em.', 'em.datasets.', 'endmember.widgets.', '']
    """
    package, _, room = full.rstrip(".").partition(".")
    if package != PACKAGE:
        return full
    if room in PUBLIC:
        return ".".join(filter(None, [SHORT, room])) + "."
    return full if room == KEPT else ""


def _straighten_quotes(app, doctree):
    """Leave quotes in the types of parameters as Python writes them."""
    for description in doctree.findall(addnodes.desc_content):
        for line in description.findall(
            lambda node: isinstance(node, nodes.term | nodes.classifier)
        ):
            for text in list(line.findall(nodes.Text)):
                text.parent.replace(text, nodes.Text(text.translate(STRAIGHT)))


def _number_sources(app, doctree):
    """Call the sources of each docstring 1, 2, ... as it does; on a page they have longer names."""
    for text in list(doctree.findall(nodes.Text)):
        if LABEL.search(text):
            text.parent.replace(text, nodes.Text(LABEL.sub("", text)))


def _link_sources(app, doctree):
    """Make links of the DOIs in docstrings."""
    for description in doctree.findall(addnodes.desc_content):
        for text in list(description.findall(nodes.Text)):
            pieces = SOURCE.split(text)
            if len(pieces) > 1 and not isinstance(text.parent, nodes.reference | nodes.literal):
                pieces[1::2] = [_link(doi) for doi in pieces[1::2]]
                pieces[::2] = [nodes.Text(words) for words in pieces[::2]]
                text.parent.replace(text, pieces)


def _link(doi):
    return nodes.reference("", f"doi:{doi}", refuri=f"https://doi.org/{quote(doi, safe='/()')}")


def _find_by_short_name(app, env, node, content):
    """Find what a docstring calls by its last name, if only one thing is called so."""
    if node.get("refdomain") != "py":
        return None
    target, objects = node["reftarget"].lstrip("."), env.get_domain("py").objects
    found = [n for n, o in objects.items() if n.endswith(f".{target}") and not o.aliased]
    if len(found) != 1:
        return None
    place = objects[found[0]]
    return make_refnode(app.builder, node["refdoc"], place.docname, place.node_id, content)
