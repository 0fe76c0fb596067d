"""The controls move the state and the state moves the controls, with no browser."""

import ast
import base64
import gzip
import json
import re

import numpy as np
import pytest
import traitlets as tl

import endmember as em
from endmember.core.rank_report import CHEAP
from endmember.widgets import RankState, first_look
from endmember.widgets.factors import pack_factors
from endmember.widgets.region_list import regions_of
from endmember.widgets.scree_plot import log_ticks
from endmember.widgets.spectrum_plot import even_ticks


def held_state(page):
    """The models that a saved page holds."""
    packed = re.search(r"data-state>([^<]+)<", page.read_text(encoding="utf-8"))[1]
    return json.loads(gzip.decompress(base64.b64decode(packed)))["state"]


def ends_of(spectrum):
    """Both ends of the scale of counts."""
    scale = spectrum.counts.scales["y"]
    return scale.min, scale.max


@pytest.fixture
def image():
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(3), size=(14, 11))
    spectra = rng.gamma(1.0, 30.0, size=(3, 40))
    counts = rng.poisson(shares @ spectra)
    return em.SpectrumImage(counts, np.linspace(0, 4, 40), title="<b>three</b>")


@pytest.fixture
def selector(image):
    return em.RankSelector(image, max_rank=6)


def test_value_and_pixel_follow_the_state_and_lead_it(selector):
    selector.value, selector.pixel = 2, (3, 4)
    assert (selector.state.rank, selector.state.pixel) == (2, (3, 4))
    selector.state.rank, selector.state.pixel = 5, (1, 0)
    assert (selector.value, selector.pixel) == (5, (1, 0))


@pytest.mark.parametrize(
    ("control", "widget_trait", "trait", "value"),
    [
        ("rank", "value", "rank", 5),
        ("scaling", "value", "weighting", "poisson"),
        ("left", "value", "residual", "all"),
        ("map", "rank", "rank", 2),
        ("map", "pixel", "pixel", (9, 9)),
        ("map", "hovered", "hovered", (2, 2)),
    ],
)
def test_controls_and_state_move_each_other(selector, control, widget_trait, trait, value):
    widget, state = getattr(selector, control), selector.state
    before = getattr(state, trait)
    setattr(widget, widget_trait, value)
    assert getattr(state, trait) == value
    setattr(state, trait, before)
    assert getattr(widget, widget_trait) == before


def test_the_handle_and_its_line_stand_at_the_rank(selector):
    selector.value = 3
    np.testing.assert_array_equal(selector.scree.handle.x, [3.0])
    np.testing.assert_array_equal(selector.scree.line.x, [3.0, 3.0])
    assert selector.scree.handle.x.dtype == float  # whole numbers would be cut while it is dragged


def test_what_the_page_moved_is_not_sent_back_to_it(selector):
    """An echo would pull the handle back under a moving hand."""
    sent = []
    for widget in (selector.scree.handle, selector.scree.line, selector.rank, selector.map):
        widget._send = lambda message, buffers=None: sent.append(message["method"])
    selector.rank.set_state({"value": 2})  # the page tells of its number box first
    selector.map.set_state({"rank": 2})
    assert selector.state.rank == selector.value == 2
    assert "update" not in sent  # an echo_update is for other pages that show the same widget


def test_scree_shows_the_eigenvalues_in_view_and_the_noise_edge(selector):
    pca = selector.state.pca
    np.testing.assert_array_equal(selector.scree.points.y, pca.scree_[:20])
    np.testing.assert_array_equal(selector.scree.edge.y, [pca.noise_edge_] * 2)
    assert selector.scree._y.min < min(pca.scree_[19], pca.noise_edge_)
    assert selector.scree._y.max > pca.scree_[0]
    orange = [color == selector.scree.points.colors[0] for color in selector.scree.points.colors]
    assert sum(orange) == pca.n_above_edge_ == 3


def test_switching_the_scaling_sends_its_factors(selector):
    before = selector.map.factors["scores"]
    selector.scaling.value = "poisson"
    assert selector.map.factors["scores"] != before
    assert selector.map.factors["edge"] == selector.state.pca.noise_edge_


def test_counts_sent_are_those_of_the_probed_pixel(selector, image):
    for trait, pixel in [("pixel", (3, 7)), ("hovered", (13, 10))]:
        selector.state.set_trait(trait, pixel)
        sent = selector.map.counts
        assert tuple(sent["pixel"]) == pixel
        np.testing.assert_array_equal(np.frombuffer(sent["values"], "f4"), image.counts[pixel])


def test_code_is_python_and_changes_with_the_controls(selector):
    selector.value = 2
    assert 'em.PCA(2, weighting="biwhiten")' in selector.code.value
    selector.scaling.value = "poisson"
    assert 'em.PCA(2, weighting="poisson")' in selector.code.value
    ast.parse(selector.to_code())


def test_result_is_the_fitted_estimator(selector, image):
    selector.value = 3
    expected = em.PCA(3, weighting="biwhiten").fit(image.spectra)
    np.testing.assert_array_equal(selector.result().components_, expected.components_)


@pytest.mark.parametrize(("trait", "value"), [("value", 7), ("value", 0), ("pixel", (14, 0))])
def test_a_value_out_of_range_is_refused_and_the_old_one_stays(selector, trait, value):
    before = getattr(selector, trait)
    with pytest.raises(tl.TraitError):
        setattr(selector, trait, value)
    assert getattr(selector, trait) == before
    assert (selector.state.rank, selector.state.pixel) == (selector.value, selector.pixel)


def test_a_scaling_that_is_refused_does_not_stay_in_the_dropdown():
    sparse = np.random.default_rng(0).poisson(0.02, size=(10, 12, 40))
    selector = em.RankSelector(em.SpectrumImage(sparse))
    selector.scaling.value = "biwhiten"
    assert selector.scaling.value == selector.state.weighting == "poisson"
    assert "Keenan-Kotula scaling is shown" in selector.message.value


@pytest.mark.parametrize("first", ["poisson", "biwhiten"])
def test_scree_of_either_scaling_has_a_point_for_every_eigenvalue(first):
    rng = np.random.default_rng(2)
    rates = np.full((9, 10, 30), 3.0)
    rates[..., :8] = 0.05  # too few counts to be biwhitened
    selector = em.RankSelector(em.SpectrumImage(rng.poisson(rates)), weighting=first)
    for weighting in ("poisson", "biwhiten", "poisson"):
        selector.scaling.value = weighting
        points, scree = selector.scree.points, selector.state.pca.scree_[:20]
        assert points.x.size == points.y.size == scree.size
        assert selector.scree._x.max > points.x[-1]


def test_titles_are_escaped(selector):
    title = selector.children[1].value
    assert "&lt;b&gt;three&lt;/b&gt;" in title
    assert "<b>three" not in title


def test_unknown_keywords_are_refused(image):
    with pytest.raises(TypeError, match="layout"):
        em.RankSelector(image, layout={})


def test_noiseless_data_draw_no_zero_on_the_log_scale():
    counts = np.outer(np.arange(1.0, 31.0), np.arange(1.0, 13.0)).reshape(5, 6, 12)
    selector = em.RankSelector(em.SpectrumImage(counts))
    assert (np.asarray(selector.scree.points.y) > 0).all()


@pytest.mark.parametrize("high", [0.11, 1.1, 3.3, 16.5, 990.0, 8.1e4])
def test_axis_ticks_are_few_round_and_in_range(high):
    ticks = even_ticks(high)
    assert 2 <= len(ticks) <= 7
    assert 0 == ticks[0] < ticks[-1] <= high
    log = log_ticks(high / 1e3, high)
    assert ((log >= high / 1e3) & (log <= high)).all()
    assert 2 <= len(log) <= 12


def test_traits_of_the_selector_follow_the_state_and_lead_it(selector):
    region = {"kind": "rectangle", "points": [[0.0, 0.0], [2.0, 3.0]]}
    changes = {"region": region, "weighting": "poisson", "residual": "all"}
    for trait, value in changes.items():
        before = getattr(selector.state, trait)
        selector.set_trait(trait, value)
        assert getattr(selector.state, trait) == value
        selector.state.set_trait(trait, before)
        assert getattr(selector, trait) == before
    selector.region = region
    assert selector.map.region == region


def test_a_scaling_that_is_refused_is_not_left_in_the_trait():
    sparse = np.random.default_rng(0).poisson(0.02, size=(10, 12, 40))
    selector = em.RankSelector(em.SpectrumImage(sparse))
    selector.weighting = "biwhiten"
    assert selector.weighting == selector.state.weighting == "poisson"


def test_settings_come_back_in_another_selector(selector, image):
    selector.value, selector.pixel, selector.residual = 2, (3, 4), "all"
    selector.region = {"kind": "lasso", "points": [[0, 0], [5, 1], [3, 7]]}
    other = em.RankSelector(image, max_rank=6)
    other.restore(selector.settings())
    assert other.settings() == selector.settings()
    assert other.code.value == selector.code.value == selector.to_code()
    assert other.map.residual == "all"


def test_an_image_that_was_recorded_alongside_is_offered_beneath_the_map(image, selector):
    assert selector.under.layout.display == "none"
    haadf = np.arange(14.0 * 11).reshape(14, 11)
    beside = em.SpectrumImage(image.counts, companions={"HAADF": haadf})
    selector = em.RankSelector(beside, max_rank=6)
    assert selector.under.layout.display is None
    assert selector.map.beneath == {}
    selector.under.value = "HAADF"
    assert selector.state.beneath == "HAADF"
    assert selector.map.beneath["name"] == "HAADF"
    selector.state.beneath = ""
    assert selector.under.value == ""
    assert selector.map.beneath == {}
    with pytest.raises(tl.TraitError, match=r"beneath is 'BF'; recorded alongside: \['HAADF'\]"):
        selector.state.beneath = "BF"


def test_counts_of_a_region_are_sent_with_it_and_fit_the_scale(selector, image):
    region = {"kind": "rectangle", "points": [[1.0, 2.0], [3.0, 4.0]]}
    before = ends_of(selector.spectrum)
    selector.region = region
    sent = selector.map.counts
    assert sent["region"] == region
    values = np.frombuffer(sent["values"], "f4")
    np.testing.assert_allclose(values, image.counts[1:4, 2:5].mean(axis=(0, 1)), rtol=1e-6)
    low, high = ends_of(selector.spectrum)
    assert low < 0
    assert values.max() < high < before[1]
    selector.state.hovered = (0, 0)
    assert tuple(selector.map.counts["pixel"]) == (0, 0)
    assert ends_of(selector.spectrum) == before


def test_a_large_map_is_seen_before_its_components_are_found(image, monkeypatch):
    monkeypatch.setattr(first_look, "MOST_VALUES", 0)
    selector = em.RankSelector(image, max_rank=6)
    assert selector.value == 3  # waits
    plain = RankState(image, max_rank=6)
    assert selector.state.rank == selector.rank.value == plain.rank
    assert selector.map.factors == pack_factors(plain.factors())
    assert selector.children[-1] is selector.code
    selector.value = 2
    assert selector.state.rank == 2


def test_a_large_map_that_is_closed_early_leaves_nothing(image, monkeypatch):
    def observers():
        found = regions_of(image)._trait_notifiers
        return sum(len(kinds.get("change", [])) for kinds in found.values())

    before = observers()
    monkeypatch.setattr(first_look, "MOST_VALUES", 0)
    selector = em.RankSelector(image, max_rank=6)
    selector.close()
    assert selector.wait(30)
    assert observers() == before
    assert selector.comm is None


def test_neighbours_that_never_touch_are_no_reason_to_wait_forever(image):
    mask = np.indices(image.navigation_shape).sum(axis=0) % 2 == 1
    state = RankState(em.SpectrumImage(image.counts, image.axis, mask=mask), max_rank=3)
    state.measure()
    assert state.wait(30)
    assert state.residual_words()["leading"][0].startswith("Too few pixels")


def test_what_cannot_be_is_refused_before_any_work(image, monkeypatch):
    monkeypatch.setattr(first_look, "MOST_VALUES", 0)
    with pytest.raises(ValueError, match="max_rank is 0"):
        em.RankSelector(image, max_rank=0)
    with pytest.raises(ValueError, match="weighting is 'none'"):
        em.RankSelector(image, weighting="none")
    with pytest.raises(ValueError, match="data have 3 navigation axes"):
        em.RankSelector(np.ones((3, 4, 5, 6)))


def test_a_closed_selector_asks_nothing_and_leaves_the_regions(image):
    selector = em.RankSelector(image, max_rank=6)
    regions = selector.regions.regions
    selector.ask()
    selector.close()
    assert selector.state.votes.status == "stale"
    heard = [f for found in regions._trait_notifiers.values() for f in found.get("change", [])]
    assert not any(getattr(f, "__self__", None) is selector.regions for f in heard)


# votes


@pytest.fixture(scope="module")
def asked():
    """A selector whose rules have all answered."""
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(3), size=(14, 11))
    counts = rng.poisson(shares @ rng.gamma(1.0, 30.0, size=(3, 40)))
    selector = em.RankSelector(em.SpectrumImage(counts), max_rank=6)
    selector.ask()
    assert selector.wait(60)
    return selector


def test_nothing_is_asked_before_the_selector_is_on_a_page(selector):
    assert selector.state.votes.report is None
    assert not selector.state.is_measured
    assert selector.held_out.curve == {}
    selector.page._handle_custom_msg({"kind": "shown"}, [])
    assert selector.wait(60)
    assert selector.state.votes.report.rules.keys() == set(CHEAP)
    assert selector.note.words == selector.state.residual_words()
    assert selector.work.status == "stale"  # its button asks the others


def test_a_second_view_asks_nothing_again(selector):
    for _ in range(2):
        selector.page._handle_custom_msg({"kind": "shown"}, [])
        assert selector.wait(60)
    report, found = selector.state.votes.report, selector.state.alike
    selector.page._handle_custom_msg({"kind": "shown"}, [])
    assert selector.wait(60)
    assert selector.state.votes.report is report
    assert selector.state.alike is found


def test_votes_are_marked_at_their_ranks_and_the_one_that_decides_is_filled(asked):
    report = asked.state.votes.report
    ranks = [rule.rank for rule in report.rules.values() if rule.rank is not None]
    scree = asked.scree
    assert set(scree.votes.x) | set(scree.decided.x) == set(ranks)
    np.testing.assert_array_equal(scree.decided.x, [report.rank])
    tally = dict(zip(scree.tally.x, scree.tally.text, strict=True))
    assert tally == {rank: str(ranks.count(rank)) for rank in ranks}
    assert scree.decided.fill
    assert not scree.votes.fill


def test_the_list_and_the_curve_hold_what_the_rules_say(asked):
    votes = asked.state.votes
    assert asked.votes.votes == votes.rows()
    assert asked.held_out.curve == votes.curve()
    assert asked.held_out.ends == asked.page.ends == asked.scree.ends


def test_disagreement_is_a_warning_in_words(asked):
    report = asked.state.votes.report
    assert report.dissent  # or this shows nothing
    assert asked.verdict.kind == "warning"
    assert asked.verdict.value.startswith("The rules disagree: ")
    assert report.sentence in asked.verdict.value


def test_agreement_is_no_warning():
    counts = np.random.default_rng(0).poisson(np.full((20, 20, 40), 5.0))
    selector = em.RankSelector(counts)
    selector.ask("cheap")
    assert selector.wait(60)
    assert not selector.state.votes.report.dissent
    assert selector.verdict.kind == "status"
    assert selector.verdict.value == selector.state.votes.report.sentence


def test_an_error_of_the_rules_is_shown_in_words(selector, monkeypatch):
    def fail(*_, **__):
        raise MemoryError("no room; crop the map.")

    monkeypatch.setattr("endmember.widgets.rank_votes.rank_report", fail)
    selector.ask("cheap")
    assert selector.wait(60)
    assert selector.verdict.kind == "error"
    assert selector.verdict.value == "The rules could not be asked: no room; crop the map."


def test_what_needs_python_is_known_to_the_page(selector):
    assert selector.page.needs_python == [selector.work, selector.regions, selector.under]
    assert selector.page.verdict is selector.verdict


def test_parts_follow_the_map_itself(selector):
    """A rank of their own would be an old one on a page that is opened later."""
    for part in (selector.page, selector.held_out, selector.votes, selector.note):
        assert part.map is selector.map
        assert not part.has_trait("rank")


def test_a_saved_page_holds_the_votes_that_are_known(asked, tmp_path):
    asked.save(tmp_path / "page.html")
    state = held_state(tmp_path / "page.html")
    votes = [model["state"]["votes"] for model in state.values() if "votes" in model["state"]]
    assert votes == [asked.state.votes.rows()]
    curves = [model["state"]["curve"] for model in state.values() if "curve" in model["state"]]
    assert curves == [asked.state.votes.curve()]
