"""Rules are asked in the background, and tell what they find as they find it."""

import json
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import endmember as em
from endmember.core import rank_report as core
from endmember.core.checks import ScaledCountsWarning
from endmember.core.noise import NoiseWarning
from endmember.widgets.rank_votes import RankVotes

SECONDS = 60


@pytest.fixture(scope="module")
def image():
    """Three materials, mixed everywhere."""
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(3), size=(24, 20))
    return em.SpectrumImage(rng.poisson(shares @ rng.gamma(1.0, 30.0, size=(3, 40))))


@pytest.fixture(scope="module")
def whole(image):
    """What every rule says of it."""
    votes = RankVotes(image, most=5)
    votes.ask()
    assert votes.wait(SECONDS)
    return votes


@pytest.fixture
def halting(monkeypatch):
    """Let a rule wait for the test; returns what lets it go on."""
    go_on, arrived = threading.Event(), threading.Event()
    find = core.RULES["sequence"].find

    def slow(case):
        arrived.set()
        assert go_on.wait(SECONDS)
        return find(case)

    asked = core.replace(core.RULES["sequence"], find=slow)
    monkeypatch.setitem(core.RULES, "sequence", asked)
    yield go_on, arrived
    go_on.set()


def test_it_knows_no_widget():
    code = (
        "import sys, endmember.widgets.rank_votes\n"
        "print(sorted({'ipywidgets', 'anywidget', 'bqplot'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_nothing_is_asked_before_somebody_does(image):
    votes = RankVotes(image)
    assert (votes.status, votes.report, votes.sentence(), votes.curve()) == ("stale", None, "", {})
    assert all(row["waits"] for row in votes.rows())


def test_all_rules_say_what_the_report_says(whole, image):
    report = em.rank_report(image, most=5)
    assert whole.status == "idle"
    assert whole.is_whole
    np.testing.assert_array_equal(whole.report.ranks, report.ranks)
    assert whole.report.decided_by == report.decided_by == "sequence"
    assert whole.report.record.result == report.record.result
    assert report.sentence in whole.sentence()
    said = {row["rule"]: row["rank"] for row in whole.rows()}
    assert said == {name: rule.rank for name, rule in report.rules.items()}


def test_rows_are_words_and_numbers_and_one_rule_decides(whole):
    rows = whole.rows()
    assert json.loads(json.dumps(rows)) == rows
    assert [row["rule"] for row in rows if row["decides"]] == ["sequence"]
    for row in rows:
        rule = whole.report.rules[row["rule"]]
        assert (row["question"], row["misled_by"]) == (rule.question, rule.misled_by)


def test_the_curve_is_that_of_counts_set_aside_and_shows_its_lowest_point(whole):
    rule, curve = whole.report.rules["thinning"], whole.curve()
    assert curve["ranks"] == rule.ks.tolist()
    assert curve["values"] == rule.values.tolist()
    assert curve["best"] == rule.rank
    lowest, last = min(curve["values"]), curve["values"][-1]
    assert curve["low"] == lowest
    assert (last - lowest) / (curve["high"] - lowest) > 0.5  # a far higher first rank does not rule


def test_cheap_rules_are_asked_once_and_the_others_are_left(image):
    votes = RankVotes(image, most=5)
    votes.ask("cheap")
    assert votes.wait(SECONDS)
    assert votes.status == "stale"
    assert list(votes.report.rules) == list(core.CHEAP)
    before = votes.report
    votes.ask("cheap")
    assert votes.wait(SECONDS)
    assert votes.report is before


def test_answers_arrive_one_by_one(image):
    votes, seen = RankVotes(image, most=5), []
    votes.observe(lambda change: seen.append(len(change["new"].rules)), "report")
    votes.ask()
    assert votes.wait(SECONDS)
    assert seen[:-1] == list(range(1, len(core.RULES) + 1))  # then the whole, with its record


def test_progress_rises_and_the_time_left_is_told(image, monkeypatch):
    monkeypatch.setattr("endmember.widgets.rank_votes.OFTEN", 0.0)
    votes, seen, left = RankVotes(image, most=4), [], []
    votes.observe(lambda change: seen.append(change["new"]), "progress")
    votes.observe(lambda change: left.append(change["new"]), "seconds_left")
    votes.ask()
    assert votes.wait(SECONDS)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 20
    assert all(seconds >= 0 for seconds in left[:-1])
    assert left[-1] is None


@pytest.mark.alone
def test_cancel_is_acknowledged_at_once_and_answers_stay(image, halting):
    go_on, arrived = halting
    votes = RankVotes(image, most=5)
    votes.ask()
    assert arrived.wait(SECONDS)
    assert votes.status == "running"
    start = time.perf_counter()
    votes.cancel()
    assert time.perf_counter() - start < 0.3
    known = list(votes.report.rules)
    assert (votes.status, votes.seconds_left) == ("stale", None)
    assert "sequence" not in known
    go_on.set()
    assert votes.wait(SECONDS)
    assert (votes.status, list(votes.report.rules)) == ("stale", known)  # nothing comes too late


def test_asking_again_keeps_the_answers_until_there_are_more(image, halting):
    go_on, arrived = halting
    votes = RankVotes(image, most=5)
    votes.ask("cheap")
    assert votes.wait(SECONDS)
    numbers = []
    votes.observe(lambda change: numbers.append(len(change["new"].rules)), "report")
    votes.compute()
    assert arrived.wait(SECONDS)
    go_on.set()
    assert votes.wait(SECONDS)
    assert min(numbers) == len(core.CHEAP) + 1
    assert votes.status == "idle"


def test_an_error_is_told_in_words(image, monkeypatch):
    def fail(case):
        raise MemoryError("no room for the Gram matrix; crop the map.")

    monkeypatch.setitem(core.RULES, "elbow", core.replace(core.RULES["elbow"], find=fail))
    votes = RankVotes(image)
    votes.ask("cheap")
    assert votes.wait(SECONDS)
    assert (votes.status, votes.message) == ("error", "no room for the Gram matrix; crop the map.")
    monkeypatch.undo()
    votes.ask("cheap")
    assert votes.wait(SECONDS)
    assert (votes.status, votes.message) == ("stale", "")


def test_what_misleads_is_said_in_words_and_not_by_python(image):
    """Warnings are errors here: none may leave the thread."""
    votes = RankVotes(em.SpectrumImage(3 * image.counts), most=4)
    votes.ask()
    assert votes.wait(SECONDS)
    assert votes.status == "idle"
    assert votes.is_doubtful
    assert any("gain" in text for text in votes.report.warnings)
    assert votes.report.warnings[0] in votes.sentence()
    with pytest.warns(NoiseWarning):  # they are heard elsewhere
        warnings.warn("noise", NoiseWarning, stacklevel=1)


def test_counts_that_were_scaled_are_looked_at_without_a_warning_of_python():
    counts = np.random.default_rng(2).poisson(0.4, size=(24, 20, 40))
    scaled = counts * np.sqrt(np.arange(2, 42))
    with pytest.warns(ScaledCountsWarning):
        em.PCA(2).fit(scaled.reshape(-1, 40))
    votes = RankVotes(em.SpectrumImage(scaled), most=4)
    votes.ask("cheap")
    assert votes.wait(SECONDS)
    assert votes.status == "stale"


def test_rules_of_another_name_are_refused(image):
    with pytest.raises(ValueError, match="rules are 'some'; choose 'all' or 'cheap'"):
        RankVotes(image).ask("some")
