"""Pages without a kernel: they hold what they show, nothing else, and no more than they must."""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import json
import re
import shutil
import struct
import sys
import zlib
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path

import bqplot as bq
import ipywidgets as ipw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipywidgets import Widget
from ipywidgets.embed import dependency_state

import endmember as em
from endmember.widgets import pages
from endmember.widgets.factors import STEP, pack_factors
from endmember.widgets.map_view import MapView
from endmember.widgets.pages import STATE_TYPE, VIEW_TYPE, freeze, page_text, reachable
from widgets.test_factors import SHAPE, read, simulate

ROOT = Path(__file__).parents[2]
MARKUP = "<script>alert(1)</script> {{state}} $x$ </title> \\1 &amp;"
LIBRARIES = ["anywidget", "bqplot", "bqscales"]


@pytest.fixture(scope="module", autouse=True)
def nothing_else():
    """Close what other files have left open: a page of everything would hold it too."""
    Widget.close_all()


@pytest.fixture
def selector():
    """A small map of two materials, whose title is markup."""
    rng = np.random.default_rng(4)
    share = rng.random((12, 14, 1))
    spectra = rng.gamma(1.0, 30.0, size=(2, 25))
    counts = rng.poisson(share * spectra[0] + (1 - share) * spectra[1])
    return em.RankSelector(em.SpectrumImage(counts, title=MARKUP), max_rank=4)


@pytest.fixture(scope="module")
def measured(diamond):
    """A selector on the measured map, and the page that it saves."""
    selector = em.RankSelector(diamond)
    return selector, Page(page_text(selector, title="measured"))


class Page(HTMLParser):
    """What a browser finds in a page: its title, its elements, its scripts by type and by name."""

    def __init__(self, text):
        super().__init__()
        self.text, self.title, self.tags, self.scripts = text, "", [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data):
        if self.tags[-1:] == ["title"]:
            self.title += data
        elif self.tags[-1:] == ["script"]:
            attributes, text = self.scripts.pop()
            self.scripts.append((attributes, text + data))

    def handle_endtag(self, tag):
        self.tags.append(f"/{tag}")

    def packed(self, attribute):
        """The packed scripts that bear an attribute, by its value."""
        return {a[attribute]: text for a, text in self.scripts if attribute in a}

    @property
    def manager(self):
        return json.loads(unpack(self.packed("data-state")[None]), parse_constant=refuse)

    @property
    def view(self):
        (text,) = (text for a, text in self.scripts if a.get("type") == VIEW_TYPE)
        return json.loads(text)


def unpack(text):
    return gzip.decompress(base64.b64decode(text, validate=True))


def refuse(name):
    raise AssertionError(f"{name} is no JSON")


def everything():
    """The state of all widgets that live, as notebooks keep it."""
    return Widget.get_manager_state(drop_defaults=False)["state"]


# what is kept


def in_boxes():
    shown, outside = [ipw.IntSlider(), ipw.FloatText()], ipw.IntText()
    return ipw.VBox([shown[0], ipw.HBox([shown[1], ipw.Tab([ipw.Label("a")])])]), outside


def linked():
    a, b, outside = ipw.IntSlider(), ipw.IntText(), ipw.IntText()
    ipw.jslink((a, "value"), (b, "value"))
    ipw.jsdlink((b, "value"), (a, "max"))
    ipw.jslink((a, "value"), (outside, "value"))
    ipw.jsdlink((outside, "value"), (b, "value"))
    return ipw.VBox([a, b]), outside


def drawn():
    scales = {"x": bq.LinearScale(), "y": bq.LogScale()}
    marks = [bq.Lines(x=[1, 2], y=[3, 4], scales=scales), bq.Scatter(x=[1], y=[2], scales=scales)]
    return bq.Figure(marks=marks, axes=[bq.Axis(scale=scales["x"])]), bq.Axis(scale=scales["x"])


def followed():
    label = ipw.Label()
    view = MapView(np.zeros((3, 4)), followers={"code": label, "counts": drawn()[0]})
    return view, MapView(np.zeros((3, 4)), followers={"code": label})


def selected():
    counts = np.random.default_rng(0).poisson(20.0, size=(6, 7, 9))
    return em.RankSelector(counts), em.RankSelector(counts)


@pytest.mark.parametrize("make", [in_boxes, linked, drawn, followed, selected])
def test_kept_is_what_ipywidgets_finds_on_its_living_widgets(make):
    shown, outside = make()
    state = everything()
    before = deepcopy(state)
    kept = reachable(state, [shown.model_id])
    assert set(kept) == set(dependency_state([shown], drop_defaults=False))
    assert outside.model_id in state
    assert outside.model_id not in kept
    assert kept == {identifier: before[identifier] for identifier in kept}
    assert state == before


def test_a_link_is_kept_with_both_its_ends_only():
    shown, outside = linked()
    state = everything()
    links = {"LinkModel", "DirectionalLinkModel"}

    def kept_links(*roots):
        kept = reachable(state, [root.model_id for root in roots]).values()
        return sorted(model["model_name"] for model in kept if model["model_name"] in links)

    assert kept_links(shown) == ["DirectionalLinkModel", "LinkModel"]
    assert kept_links(shown, outside) == ["DirectionalLinkModel"] * 2 + ["LinkModel"] * 2
    assert kept_links(outside) == []


@given(n=st.integers(1, 12), density=st.floats(0, 0.5), seed=st.integers(0, 2**32 - 1))
def test_kept_is_the_transitive_closure_of_any_graph_cycles_too(n, density, seed):
    rng = np.random.default_rng(seed)
    leads = rng.random((n, n)) < density
    state = {
        f"m{i}": {
            "model_name": "Box",
            "state": {"n": 1.5, "deep": [{"to": [f"IPY_MODEL_m{j}" for j in np.flatnonzero(row)]}]},
        }
        for i, row in enumerate(leads)
    }
    roots = rng.choice(n, size=rng.integers(1, n + 1), replace=False)
    closure = np.linalg.matrix_power((leads | np.eye(n, dtype=bool)).astype(float), n) > 0
    expected = {f"m{j}" for j in np.flatnonzero(closure[roots].any(axis=0))}
    assert set(reachable(state, [f"m{i}" for i in roots] + ["unknown"])) == expected


# numbers that JSON has not


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("place", "wrap"),
    [
        ("value", lambda bad: {"value": bad}),
        ("value.1", lambda bad: {"step": 0.1, "value": [0.5, bad]}),
        ("a.x.0.y", lambda bad: {"a": {"x": ({"y": bad}, None, "NaN")}}),
    ],
)
def test_a_number_without_json_is_named_with_its_model_and_place(place, wrap, bad):
    state = {
        "root": {"model_name": "BoxModel", "state": {"children": ["IPY_MODEL_ab12"]}},
        "ab12": {"model_name": "FloatTextModel", "state": wrap(float(bad))},
    }
    message = re.escape(f"the state of FloatTextModel ab12 holds {bad} at '{place}', and JSON")
    with pytest.raises(ValueError, match=message + ".*Give the widget None or an array instead"):
        freeze(state, ["root"])
    json.dumps(freeze({**state, "root": {**state["root"], "state": {}}}, ["root"]))


def test_a_page_of_a_living_widget_with_nan_is_refused():
    number = ipw.FloatText(np.nan)
    message = f"FloatTextModel {number.model_id} holds nan at 'value'"
    with pytest.raises(ValueError, match=message):
        page_text(ipw.VBox([number]), title="")


def test_nan_in_a_widget_that_is_not_shown_does_not_matter():
    outside, shown = ipw.FloatText(np.nan), ipw.FloatText(1.0)
    ipw.jslink((outside, "value"), (shown, "value"))
    state = everything()
    assert outside.model_id in state
    assert shown.model_id in freeze(state, [shown.model_id])


def test_an_array_may_hold_nan():
    """The way out that the error names."""
    scales = {"x": bq.LinearScale(), "y": bq.LinearScale()}
    lines = bq.Lines(x=np.arange(3.0), y=np.array([1, np.nan, np.inf]), scales=scales)
    state = Page(page_text(bq.Figure(marks=[lines]), title="")).manager["state"]
    (buffer,) = (b for b in state[lines.model_id]["buffers"] if b["path"][0] == "y")
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(buffer["data"])), lines.y)


# factors of maps


def factors_in(model):
    """The factors that a frozen map holds, as a page puts them together."""
    held = {b["path"][1]: b for b in model["buffers"] if b["path"][0] == "factors"}
    assert {b["encoding"] for b in held.values()} == {"base64"}
    arrays = {key: base64.b64decode(b["data"]) for key, b in held.items()}
    return model["state"]["factors"] | arrays


def make_map(**traits):
    factors = simulate()
    pins = {"pixels": [[0, 1]], "values": np.arange(40, dtype="f4").tobytes()}
    counts = {"pixel": [0, 0], "values": b"12345678"}
    traits = {"pins": pins, "counts": counts, **traits}
    return factors, MapView(shape=SHAPE, factors=pack_factors(factors), **traits)


def test_frozen_factors_give_back_the_scores_to_a_step():
    factors, view = make_map()
    found = read(factors_in(freeze(everything(), [view.model_id])[view.model_id]))
    rounding = STEP / 2 + np.abs(factors["scores"]).max() / 65534 * 1.01  # of the int16 before it
    assert np.abs(found["scores"] - factors["scores"]).max() <= rounding
    np.testing.assert_allclose(found["heights"], factors["heights"], rtol=2**-8)


def test_frozen_pins_are_those_of_the_map_and_other_buffers_stay():
    _, view = make_map()
    state = everything()
    frozen = freeze(state, [view.model_id])[view.model_id]
    held = {tuple(b["path"]): b for b in frozen["buffers"]}
    before = {tuple(b["path"]): b for b in state[view.model_id]["buffers"]}
    pins = zlib.decompress(base64.b64decode(held["pins", "values"]["data"]))
    assert pins == view.pins["values"]
    assert frozen["state"]["pins"] == {"pixels": [[0, 1]], "deflated": True}
    others = {path for path in before if path[0] not in ("factors", "pins")}
    assert others == {("counts", "values"), ("values",), ("labels",), ("highlight",)}
    assert {path: held[path] for path in others} == {path: before[path] for path in others}
    assert {k: v for k, v in frozen["state"].items() if k not in ("factors", "pins")} == {
        k: v for k, v in state[view.model_id]["state"].items() if k not in ("factors", "pins")
    }


def test_buffers_in_hex_freeze_as_those_in_base64_do():
    _, view = make_map()
    state = everything()
    spelled = deepcopy(state)
    for buffer in spelled[view.model_id]["buffers"]:
        if buffer["path"][0] in ("factors", "pins"):
            buffer["data"] = base64.b64decode(buffer["data"]).hex()
            buffer["encoding"] = "hex"
    assert freeze(spelled, [view.model_id]) == freeze(state, [view.model_id])


def test_freezing_changes_nothing_that_was_handed_in():
    _, view = make_map()
    state = everything()
    before = deepcopy(state)
    freeze(state, [view.model_id])
    assert state == before


def test_a_map_without_pins_has_a_page_too():
    _, view = make_map(pins={})
    frozen = freeze(everything(), [view.model_id])[view.model_id]
    assert frozen["state"]["pins"] == {}
    assert read(factors_in(frozen))["scores"].shape == (6, SHAPE[0] * SHAPE[1])


# the page


def test_a_page_holds_the_view_and_a_state_that_json_can_say(selector):
    page = Page(page_text(selector, title="x"))
    assert page.view["model_id"] == selector.model_id
    assert set(page.manager["state"]) == set(dependency_state([selector], drop_defaults=False))
    assert (page.manager["version_major"], page.manager["version_minor"]) == (2, 0)
    map_ = page.manager["state"][selector.map.model_id]
    assert "step" in factors_in(map_)  # compact
    assert map_["state"]["pixel"] == list(selector.pixel)


def test_a_page_holds_the_installed_scripts_byte_for_byte(selector):
    held = Page(page_text(selector, title="x")).packed("data-script")
    vendor = Path(pages.__file__).parent / "static" / "vendor"
    share = Path(sys.prefix, "share", "jupyter", "nbextensions")
    installed = {name: vendor / f"{name}.js" for name in ("require", "embed-amd")}
    installed |= {name: share / name / "index.js" for name in LIBRARIES}
    assert {name: unpack(text) for name, text in held.items()} == {
        name: path.read_bytes() for name, path in installed.items()
    }


def test_a_page_of_the_measured_map_is_small(measured):
    _, page = measured
    scripts = page.packed("data-script").values()
    assert sum(len(base64.b64decode(text)) for text in scripts) <= 1.3e6
    assert len(page.packed("data-state")[None]) <= 1.5e6


def test_the_page_of_the_measured_map_gives_back_what_stands_above_the_edge(measured):
    selector, page = measured
    factors = selector.state.factors()
    model = page.manager["state"][selector.map.model_id]
    found = read(factors_in(model), model["state"]["shape"])
    assert factors["n_above"] == 4
    rounding = STEP / 2 + np.abs(factors["scores"]).max() / 65534 * 1.01
    assert np.abs(found["scores"] - factors["scores"])[:6].max() <= rounding  # two more are whole


@pytest.mark.slow
def test_a_page_of_a_large_map_is_small():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(4), size=(512, 384))
    counts = rng.poisson(shares @ rng.gamma(0.5, 4.0, size=(4, 200)))
    page = Page(page_text(em.RankSelector(counts), title="large"))
    assert len(page.packed("data-state")[None]) <= 1.5e6


def test_a_page_opens_at_the_chosen_pixel_wherever_the_pointer_rests(selector, tmp_path):
    selector.pixel, selector.state.hovered = (3, 4), (7, 8)
    selector.save(tmp_path / "x.html")
    saved = Page((tmp_path / "x.html").read_text(encoding="utf-8"))
    model = saved.manager["state"][selector.map.model_id]
    (counts,) = (b["data"] for b in model["buffers"] if b["path"] == ["counts", "values"])
    assert model["state"]["hovered"] is None
    assert model["state"]["counts"]["pixel"] == [3, 4]
    expected = selector.state.image.spectrum(3, 4)
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(counts), "f4"), expected)
    assert selector.state.hovered == (7, 8)


def test_saving_leaves_the_living_widget_as_it_was(selector, tmp_path):
    held = selector.map.factors
    before = deepcopy(dependency_state([selector], drop_defaults=False))
    selector.save(tmp_path / "x.html")
    assert selector.map.factors is held
    assert "step" not in held  # not the compact ones
    assert dependency_state([selector], drop_defaults=False) == before


def test_a_page_holds_label_sets_frames_and_images_as_they_are():
    sets = [np.zeros(SHAPE, dtype=int), np.random.default_rng(0).integers(0, 2, size=SHAPE)]
    _, view = make_map(beneath=np.random.default_rng(1).random(SHAPE))
    view.set_label_sets(sets, spectra=([1.0, 2.0], [np.ones((1, 2)), np.ones((2, 2))]))
    other = MapView(frames=np.random.default_rng(2).random((3, *SHAPE)), compared=[view])
    kept = freeze(everything(), [other.model_id])
    assert view.model_id in kept
    for shown, name in [(view, "label_sets"), (view, "beneath"), (other, "frames")]:
        model = kept[shown.model_id]
        held = {b["path"][1]: b["data"] for b in model["buffers"] if b["path"][0] == name}
        found = model["state"][name] | {key: base64.b64decode(data) for key, data in held.items()}
        expected = getattr(shown, name)
        assert held and json.loads(json.dumps(expected, default=list)) == json.loads(
            json.dumps(found, default=list)
        )


def test_a_title_of_markup_stays_text(selector, tmp_path):
    selector.save(tmp_path / "x.HTML")
    page = Page((tmp_path / "x.HTML").read_text(encoding="utf-8"))
    plain = Page(page_text(selector, title="plain"))
    assert page.title == MARKUP
    assert page.tags == plain.tags
    assert page.scripts == plain.scripts


def test_markup_in_the_state_cannot_close_its_script():
    text = "</script><script>alert(1)</script><!-- <SCRIPT"
    label = ipw.Label(text)
    spelled = unpack(Page(page_text(label, title="")).packed("data-state")[None]).decode()
    assert not re.search(r"<(/?script|!--)", spelled, flags=re.IGNORECASE)
    assert json.loads(spelled)["state"][label.model_id]["state"]["value"] == text


def test_a_map_without_a_title_is_named_after_the_task(tmp_path):
    em.RankSelector(np.random.default_rng(0).poisson(9.0, size=(5, 6, 7))).save(tmp_path / "x.html")
    assert Page((tmp_path / "x.html").read_text(encoding="utf-8")).title == "Choose the rank"


def test_a_missing_folder_is_named(selector, tmp_path):
    folder = tmp_path / "none"
    with pytest.raises(FileNotFoundError, match=re.escape(f"{folder} is no folder; make it")):
        selector.save(folder / "x.html")


@pytest.mark.parametrize("name", ["x.htm", "x", "x.html.gz"])
def test_an_unknown_ending_is_refused(selector, tmp_path, name):
    expected = f"which ends in '{re.escape(Path(name).suffix)}'; .* one of .html, .png, .svg, .pdf"
    with pytest.raises(ValueError, match=expected):
        selector.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_is_a_png(selector, tmp_path):
    selector.save(tmp_path / "x.png")
    content = (tmp_path / "x.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (1500, 1230)  # 10 by 8.2 inches at 150 dpi


# where scripts come from


@pytest.fixture
def without_vendored(tmp_path, monkeypatch):
    """An installation that was built without the scripts from npm."""
    shutil.copytree(pages.STATIC, tmp_path / "static", ignore=shutil.ignore_patterns("vendor"))
    monkeypatch.setattr(pages, "STATIC", tmp_path / "static")


def test_another_place_for_scripts_is_refused(selector, tmp_path):
    with pytest.raises(ValueError, match=r"""scripts is 'other'; choose "inside" or "cdn"."""):
        selector.save(tmp_path / "x.html", scripts="other")
    assert not (tmp_path / "x.html").exists()


def test_without_vendored_scripts_the_error_says_the_way_out(selector, tmp_path, without_vendored):
    message = r'require.js and embed-amd.js are missing in .*npm.*scripts="cdn" when saving'
    with pytest.raises(FileNotFoundError, match=message):
        selector.save(tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


def test_a_page_with_links_needs_no_vendored_scripts_and_holds_none(selector, without_vendored):
    page = Page(page_text(selector, title="x", scripts="cdn"))
    held = page.packed("data-script")
    origins = {a["data-script"]: a.get("data-from") for a, _ in page.scripts if "data-script" in a}
    assert sorted(held) == sorted([*LIBRARIES, "embed-amd", "require"])
    for name, text in held.items():
        assert (text == "") == (name in pages.CDN_SCRIPTS)
        assert origins[name] == pages.CDN_SCRIPTS.get(name)
    assert len(page.text) < 0.6e6  # of which the libraries take 0.35 MB


def test_links_lead_to_the_versions_that_were_reviewed():
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    for name, address in pages.CDN_SCRIPTS.items():
        package, inside, sha256 = hook.SCRIPTS[f"{name}.js"]
        assert sha256 == pages.SHA256[name]
        content = (pages.STATIC / "vendor" / f"{name}.js").read_bytes()
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        assert pages.integrity(name) == f"sha256-{digest}"
        assert address == f"{pages.CDN}{package}/{inside.removeprefix('package/')}"


def test_an_absent_library_is_named_with_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setattr(pages, "LIBRARIES", ("no-such-library",))
    with pytest.raises(FileNotFoundError, match="pip install no-such-library"):
        pages.script_files("cdn")


def test_a_library_outside_the_prefix_is_found_by_its_record(monkeypatch, tmp_path):
    expected = pages.script_files("cdn")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    found = pages.script_files("cdn")
    assert {k: v.read_bytes() for k, v in found.items()} == {
        k: v.read_bytes() for k, v in expected.items()
    }


def test_a_page_keeps_the_state_in_a_script_that_browsers_do_not_run(selector):
    page = Page(page_text(selector, title="x"))
    ran = [a for a, _ in page.scripts if a.get("type") not in ("text/plain", VIEW_TYPE)]
    assert ran == [{}]  # the loader alone
    assert STATE_TYPE in next(text for a, text in page.scripts if a == {})
