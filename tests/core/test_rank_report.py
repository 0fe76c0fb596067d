"""The report of all rules: what it counts, in which order it answers, and what it refuses."""

import sys
import types
import warnings
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
import scipy.sparse as sp

import endmember as em
from core.test_rank_rules import pure_noise, simulate, thicknesses
from endmember.core.noise import NoiseWarning
from endmember.core.progress import CancelledError, Progress
from endmember.core.rank_report import CHEAP, COSTS, DECIDERS, RULES

QUICK = ("elbow", "edge", "spatial", "biwhitened", "sequence")


@pytest.fixture
def sound(monkeypatch):
    """Neither drift nor spikes are found, and it is counted how often they are looked for."""
    looks = []

    def nothing(image, **settings):
        looks.append(settings)
        return types.SimpleNamespace(sentence="")

    for module, name in (("drift", "measure_drift"), ("spikes", "find_spikes")):
        stub = types.SimpleNamespace(**{name: nothing})
        monkeypatch.setitem(sys.modules, f"endmember.core.{module}", stub)
    return looks


# what it counts


@pytest.mark.parametrize("thickness", thicknesses().values(), ids=thicknesses())
def test_noise_about_one_mean_has_nothing_beyond_it(thickness, sound):
    report = em.rank_report(pure_noise(thickness), rules=QUICK)
    assert (report.rank, report.n_beyond_mean, report.decided_by) == (1, 0, "sequence")


def test_all_rules_answer_for_a_clean_map_and_agree(sound):
    report = em.rank_report(simulate(3, shape=(40, 40), dose=3000.0), most=6)
    assert tuple(report.rules) == tuple(RULES)
    assert (report.rank, report.n_beyond_mean) == (3, 2)
    assert report.pending == report.warnings == ()
    honest = {n: r.rank for n, r in report.rules.items() if n not in ("elbow", "restarts")}
    assert set(honest.values()) == {3}
    assert report.rules["elbow"].rank == 4
    assert report.shape == (1600, 96)
    assert set(report.dissent) <= {"restarts"}
    assert report.agree == (not report.dissent)


def test_an_elbow_one_too_high_is_no_dissent_but_is_named(sound):
    report = em.rank_report(simulate(2), rules=("elbow", "spatial", "biwhitened"))
    assert report.agree
    assert report.sentence == (
        "2 components with the mean, by biwhitened; 1 of 2 other rules say so too. elbow says 3: "
        "it counts the first eigenvalue of the noise as well."
    )


def test_a_rule_that_is_asked_alone_has_no_others_beside_it(sound):
    report = em.rank_report(simulate(2), rules="biwhitened")
    assert report.sentence == "2 components with the mean, by biwhitened."


def test_who_disagrees_is_named_with_a_reason(sound):
    scene = em.datasets.load("omphacite", shape=(48, 64))
    report = em.rank_report(scene.image, rules=("edge", "biwhitened"))
    assert report.rank == 4
    assert not report.agree
    assert report.dissent == {"edge": report.rules["edge"].rank}
    assert f"edge says {report.rules['edge'].rank}: {RULES['edge'].if_more}" in report.sentence


def test_the_first_rule_with_an_answer_decides(sound):
    rows = simulate(2).reshape(-1, 96)
    report = em.rank_report(rows, rules="cheap")
    assert report.rules["spatial"].rank is None
    assert (report.decided_by, report.rank) == ("edge", 2)
    nothing = em.rank_report(rows, rules="spatial")
    assert (nothing.rank, nothing.n_beyond_mean, nothing.decided_by) == (None, None, None)
    assert nothing.sentence == "No rule has an answer."
    assert set(DECIDERS) == set(RULES)


def test_rules_are_described():
    for rule in RULES.values():
        assert rule.question.endswith("?")
        assert rule.misled_by.endswith(".")
        for part in (rule.quantity, rule.unit, rule.if_more, rule.if_fewer):
            assert part
            assert not part.endswith(".")


# the same counts in other clothes


def test_form_and_type_change_nothing(sound):
    import dask.array as da

    counts = simulate(2, dose=300.0)
    flat = counts.reshape(-1, 96)
    image = {
        "dense": counts,
        "float": counts.astype(np.float32),
        "big-endian": counts.astype(">u2"),
        "fortran": np.asfortranarray(counts),
        "csr": em.SpectrumImage(sp.csr_array(flat), navigation_shape=(32, 32)),
        "dask": em.SpectrumImage(da.from_array(counts, chunks=(9, 32, 50))),
    }
    rules = (*CHEAP, "biwhitened", "sign-flip")
    expected = em.rank_report(counts, rules=rules)
    before = counts.tobytes()
    for form, data in image.items():
        found = em.rank_report(data, rules=rules)
        for name in rules:
            assert found.rules[name].rank == expected.rules[name].rank, (form, name)
            np.testing.assert_allclose(
                found.rules[name].values, expected.rules[name].values, rtol=1e-6, atol=1e-6
            )
    assert counts.tobytes() == before


def test_hidden_pixels_and_channels_take_no_part(sound):
    counts = simulate(2).astype(float)
    mask, lost = np.zeros((32, 32), bool), np.zeros(96, bool)
    mask[:3] = lost[:5] = True
    shown = em.rank_report(counts[3:, :, 5:], rules=QUICK)
    counts[mask] = np.nan
    hidden = em.rank_report(em.SpectrumImage(counts, mask=mask, channel_mask=lost), rules=QUICK)
    for name in QUICK:
        np.testing.assert_allclose(
            hidden.rules[name].values, shown.rules[name].values, rtol=1e-6, atol=1e-6
        )
    assert hidden.shape == (29 * 32, 91)


def test_the_same_seed_gives_the_same_report(sound):
    counts = simulate(2, shape=(16, 16))
    rules = ("parallel", "sign-flip", "bi-cross-validation", "thinning")
    one, same = (em.rank_report(counts, rules=rules, seed=3) for _ in range(2))
    for name in rules:
        np.testing.assert_array_equal(one.rules[name].values, same.rules[name].values)
        np.testing.assert_array_equal(one.rules[name].threshold, same.rules[name].threshold)
    assert one.record == same.record
    assert one.record.result["ranks"]
    assert one.record.estimator == "rank_report"
    assert (one.record.seed, one.record.parameters["rules"]) == (3, [*map(str, one.rules)])


# the order of delivery


def test_cheap_rules_come_first_and_answers_never_change(sound):
    seen = []
    report = em.rank_report(simulate(2, shape=(20, 20)), most=4, callback=seen.append)
    assert all(isinstance(progress, Progress) for progress in seen)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, pytest.approx(1.0))
    assert seen[0].report is None
    known = [tuple(p.report.rules) if p.report else () for p in seen]
    for before, after in pairwise(known):
        assert after[: len(before)] == before
    assert set(known[[len(k) for k in known].index(len(CHEAP))]) == set(CHEAP)
    assert known[-1] == tuple(report.rules) == tuple(RULES)
    for progress in seen:
        if progress.report:
            assert (*progress.report.rules, *progress.report.pending) == tuple(RULES)
            for name, rule in progress.report.rules.items():
                assert rule is report.rules[name]
    assert set(COSTS) <= set(RULES)


def test_a_widget_can_show_every_answer_at_once_and_stop(sound):
    counts, last = simulate(2, shape=(20, 20)), []

    def stop_at(rule):
        def callback(progress):
            last.append(progress)
            return progress.rule == rule

        return callback

    for rule in ("gavish-donoho", "sequence", "parallel", "sign-flip", "thinning", "restarts"):
        with pytest.raises(CancelledError, match=r"stopped the report at \d+%"):
            em.rank_report(counts, most=4, callback=stop_at(rule))
        assert tuple(last[-1].report.rules) == tuple(RULES)[: tuple(RULES).index(rule)]
        assert last[-1].report.rank == 2 or rule == "gavish-donoho"
        assert "Yet to answer" in last[-1].report._repr_html_()


def test_what_has_yet_to_answer_is_named_once_and_plainly(sound):
    partial = replace(
        em.rank_report(simulate(2), rules="spatial"), pending=("thinning", "restarts")
    )
    shown = partial._repr_html_()
    assert "<p>Yet to answer: thinning, restarts.</p>" in shown
    assert shown.count("Yet to answer") == 1


def test_many_votes_for_one_rank_take_several_lines(sound):
    report = em.rank_report(simulate(2))
    shown = report._repr_html_()
    picture = ElementTree.fromstring(shown[shown.index("<svg") : shown.index("</svg>") + 6])
    below = [text for text in picture.iter("text") if float(text.get("y") or 0) > 240]
    assert max(len(text.text) for text in below) <= 56  # characters, as wide as the picture
    assert len(below) > len({rule.rank for rule in report.rules.values()})
    heights = [float(text.get("y")) for text in below]
    assert len(set(heights)) == len(heights)  # no line on top of another
    assert max(heights) < float(picture.get("height")) - 8  # nor below the picture
    words = " ".join(text.text for text in below)
    assert all(rule.name in words for rule in report.rules.values() if rule.rank is not None)


def test_within_a_long_rule_there_is_a_way_to_stop(sound):
    for rule in ("parallel", "sign-flip", "bi-cross-validation", "thinning", "restarts"):
        seen = []
        em.rank_report(simulate(2, shape=(20, 20)), most=4, rules=rule, callback=seen.append)
        assert len({p.fraction for p in seen if 0 < p.fraction < 1}) >= 1, rule


def test_counts_are_looked_at_once_after_the_cheap_rules(sound):
    order = []
    em.rank_report(
        simulate(2, shape=(20, 20)),
        rules=("edge", "biwhitened"),
        gain=1.0,
        seed=4,
        callback=lambda p: order.append((p.rule, len(sound))),
    )
    assert sound == [{"gain": 1.0, "seed": 4}, {"gain": 1.0}]
    assert ("biwhitened", 2) in order
    assert ("edge", 0) in order


# what is wrong with the counts


def test_drift_and_spikes_are_warned_of(monkeypatch, sound):
    for module, name in (("drift", "measure_drift"), ("spikes", "find_spikes")):
        found = types.SimpleNamespace(sentence=f"There is {module}.")
        stub = types.SimpleNamespace(**{name: lambda image, found=found, **settings: found})
        monkeypatch.setitem(sys.modules, f"endmember.core.{module}", stub)
    with pytest.warns(NoiseWarning) as caught:
        report = em.rank_report(simulate(2), rules="cheap")
    assert report.warnings == ("There is drift.", "There is spikes.")
    assert [str(w.message) for w in caught] == list(report.warnings)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("gain", [0.25, 2.0])
def test_a_gain_is_told_by_few_channels_where_it_is_far_from_one(gain):
    """Too few eigenvalues to measure noise by: PCA alone does not warn."""
    counts = np.random.default_rng(0).poisson(3.0, size=(20, 20, 40))
    with pytest.warns(NoiseWarning, match=rf"noise has {gain:g}.* times the variance"):
        em.rank_report(counts * gain, rules=("edge",))
    assert not em.rank_report(counts, rules=("edge",)).warnings


def test_a_gain_other_than_one_is_warned_of_until_it_is_given(sound):
    counts = simulate(2, dose=3000.0)
    with pytest.warns(NoiseWarning, match=r"noise has 4.* times the variance .* Pass gain="):
        wrong = em.rank_report(counts * 4, rules="cheap")
    assert wrong.rules["edge"].rank > 2
    right = em.rank_report(counts * 4, rules=QUICK, gain=4.0)
    assert right.warnings == ()
    assert {
        name: rule.rank for name, rule in right.rules.items() if name != "elbow"
    } == dict.fromkeys(QUICK[1:], 2)


def test_a_blurred_detector_is_warned_of(sound):
    counts = simulate(2, dose=3000.0)
    blurred = counts[..., 1:] + counts[..., :-1]
    with pytest.warns(NoiseWarning, match="correlated"):
        report = em.rank_report(blurred, rules="cheap")
    assert len(report.warnings) == 1


def test_numbers_that_are_no_counts_stop_thinning_alone(sound):
    counts = simulate(2, shape=(20, 20)) * 0.25
    report = em.rank_report(counts, rules=("edge", "bi-cross-validation", "thinning"), gain=0.26)
    assert report.rules["thinning"].rank is None
    assert "gain=0.25" in report.rules["thinning"].note
    assert report.rules["bi-cross-validation"].rank == 2


# what is refused


def test_bad_input_gets_one_clear_error():
    counts = simulate(2, shape=(6, 6), n_channels=20)
    with pytest.raises(ValueError, match=r"rules are \('edge', 'mp'\); choose 'all', 'cheap', or"):
        em.rank_report(counts, rules=("edge", "mp"))
    with pytest.raises(ValueError, match="rules are"):
        em.rank_report(counts, rules=())
    with pytest.raises(ValueError, match="most == 1"):
        em.rank_report(counts, most=1)
    with pytest.raises(TypeError, match="most is True"):
        em.rank_report(counts, most=True)
    with pytest.raises(ValueError, match="gain == 0"):
        em.rank_report(counts, gain=0)
    with pytest.raises(ValueError, match="gain is inf"):
        em.rank_report(counts, gain=np.inf)
    with pytest.raises(ValueError, match="seed is -1"):
        em.rank_report(counts, seed=-1)
    with pytest.raises(TypeError, match="callback"):
        em.rank_report(counts, callback=3)
    with pytest.raises(ValueError, match="counts are zero in"):
        em.rank_report(np.zeros((3, 4, 5)))
    with pytest.raises(ValueError, match="contain NaN or inf in 1 places"):
        em.rank_report(np.where(np.arange(120).reshape(4, 5, 6) == 7, np.nan, 1.0))
    with pytest.raises(ValueError, match="Negative values"):
        em.rank_report(counts - 100)
    with pytest.raises(ValueError, match="at least two of each"):
        em.rank_report(np.ones((1, 5)))


def test_tiny_maps_get_a_report(sound):
    rng = np.random.default_rng(0)
    for shape in ((1, 2, 2), (2, 2, 3), (1, 5, 8), (3, 3, 40), (6, 7, 2)):
        report = em.rank_report(rng.poisson(30.0, size=shape) + 1)
        assert 1 <= report.rank <= min(shape[0] * shape[1], shape[2])
        for rule in report.rules.values():
            assert rule.rank is not None or rule.note, (shape, rule.name)


def test_scaled_counts_are_warned_of_once(sound):
    rng = np.random.default_rng(0)
    scaled = simulate(2, dose=50.0) / np.sqrt(rng.random(96) + 1)
    with pytest.warns(em.ScaledCountsWarning) as caught:
        em.rank_report(scaled, rules="cheap")
    assert len(caught) == 1


# what is shown


def test_the_table_has_a_row_for_each_rule(sound):
    report = em.rank_report(simulate(2), rules="cheap")
    rows = report.to_rows()
    assert [row["rule"] for row in rows] == list(CHEAP)
    assert rows[0]["rank"] == 3
    table = pytest.importorskip("pandas") and report.to_frame()
    assert table.loc["edge", "rank"] == 2
    assert repr(report) == (
        "<RankReport rank 2 by spatial (elbow 3, gavish-donoho 2, edge 2, spatial 2)>"
    )


def test_the_picture_shows_screes_edges_and_every_vote(sound):
    report = em.rank_report(simulate(2), rules=("elbow", "edge", "spatial", "biwhitened"))
    shown = report._repr_html_()
    picture = ElementTree.fromstring(shown[shown.index("<svg") : shown.index("</svg>") + 6])
    circles = list(picture.iter("circle"))
    n_shown = sum(len(report.rules[name].values) for name in ("edge", "biwhitened"))
    assert len(circles) == n_shown + 2  # and the legend
    heights = [float(c.get("cy")) for c in circles[:25]]
    assert heights == sorted(heights)  # a scree falls
    votes = [text.text for text in picture.iter("text") if text.text and ": " in text.text]
    assert votes == ["3: elbow", "2: edge, spatial, biwhitened"]
    assert "#" not in shown.replace(
        "&#x27;", "'"
    )  # no colour of its own: it is read on light and dark pages
    for rule in report.rules.values():
        assert rule.question in shown.replace("&#x27;", "'")
    rows = em.rank_report(simulate(2).reshape(-1, 96), rules="spatial")._repr_html_()
    assert "<svg" not in rows
    assert "rows have no map" in rows


# the measured map


def test_cheap_rules_of_the_71_gpa_map_share_one_scree(diamond, sound):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = em.rank_report(diamond, rules="cheap")
    assert report.rank == 4
    seconds = [rule.seconds for rule in report.rules.values()]
    assert sum(seconds[1:]) < 0.5 * seconds[0] + 0.1
