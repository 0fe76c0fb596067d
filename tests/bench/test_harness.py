"""The benchmark measures what it says: time, memory, errors, ratios and verdicts."""

import itertools
import json
import os
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import kl_div

from bench import child, data, harness, nmf, pca, report, run
from bench.harness import Measured, Outcome, Program, Row, Way
from bench.memory import Anonymous, HighWater

MEGABYTE = 2**20
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


def occupy(n_bytes):
    """Hold memory that has been written to."""
    return np.ones(n_bytes, dtype=np.uint8)


# a row to try the harness on


def nap(seconds, n_bytes, answer, numbers):
    """Sleep, hold memory meanwhile, and answer."""
    held = occupy(n_bytes)
    time.sleep(seconds * len(numbers) / 1000)
    return {"answer": answer, "held": held[:1]}


def fall_over(numbers):
    raise RuntimeError("no such luck")


def count_cache(numbers):
    """Say how far this is from a fresh folder for compiled code."""
    folder = os.environ.get("NUMBA_CACHE_DIR", ".")
    return {"answer": 1.0 + len(list(Path(folder).iterdir()))}


def toy(quick):
    """Three ways to say one, and one that falls over."""
    load = partial(load_toy, 10 if quick else 1000)
    return Row(
        "toy",
        "Say one.",
        lambda folder: "a thousand numbers",
        (
            Way("short nap", load, partial(nap, 0.05, 10 * MEGABYTE, 1.0)),
            Way("long nap", load, partial(nap, 0.25, 40 * MEGABYTE, 1.0), target=2),
            Way("wrong", load, partial(nap, 0.0, 10, 1.5)),
            Way("broken", load, fall_over),
            Way("cold", load, count_cache, is_cold=True),
            Program("program", "import sys, numpy; numpy.savez(sys.argv[2], answer=1)", Path),
        ),
        lambda folder: lambda result: abs(float(result["answer"]) - 1),
        "distance from one",
        1e-9,
        warm_every=100,
    )


def load_toy(size, folder):
    return np.zeros(size)


def without_data(quick):
    """A row whose data cannot be made."""
    return replace(toy(quick), prepare=fall_over)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """What two rounds of the toy row came to."""
    return harness.run_row("bench.test_harness:toy", tmp_path_factory.mktemp("toy"), False, 2)


def test_every_way_runs_once_a_round(outcome):
    for name in ("short nap", "long nap", "wrong", "cold", "program"):
        assert [m.round for m in outcome.measured[name]] == [0, 1]


def test_wall_time_is_that_of_the_job_alone(outcome):
    for name, seconds in (("short nap", 0.05), ("long nap", 0.25), ("wrong", 0.0)):
        fastest = min(m.wall for m in outcome.measured[name])
        assert seconds <= fastest < seconds + 0.2  # imports alone take longer than that


def test_sleep_takes_no_processor_time(outcome):
    assert min(m.cpu for m in outcome.measured["long nap"]) < 0.1


@LINUX
def test_peak_is_what_the_job_held(outcome):
    for name, held in (("short nap", 10), ("long nap", 40)):
        assert abs(outcome.typical(name, "peak") / MEGABYTE - held) < 2


@LINUX
def test_peak_of_a_program_is_all_it_ever_held(outcome):
    assert 15 < outcome.typical("program", "peak") / MEGABYTE < 200  # Python and NumPy


def test_error_is_that_of_the_result_that_was_left(outcome):
    assert outcome.worst_error("short nap") == 0
    assert outcome.worst_error("wrong") == 0.5


def test_way_that_falls_over_says_why(outcome):
    assert outcome.broken == {"broken": "RuntimeError: no such luck"}
    assert "did not run: RuntimeError: no such luck" in report.table(outcome)


def test_row_without_data_fails_and_says_why(tmp_path):
    outcome = harness.run_row("bench.test_harness:without_data", tmp_path, quick=True)
    assert outcome.has_failed
    assert "did not run: no data: RuntimeError: no such luck" in report.table(outcome)


def test_cold_way_finds_no_compiled_code(outcome):
    assert outcome.worst_error("cold") == 0


def test_table_has_a_line_for_every_way_and_a_cell_for_every_column(outcome):
    lines = [line for line in report.table(outcome).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(outcome.row.ways)
    assert {line.count(" | ") for line in lines} == {len(report.COLUMNS) - 1}


def test_saved_measurements_are_json_with_every_round(outcome, tmp_path):
    report.save([outcome], False, tmp_path)
    saved = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    walls = [m["wall"] for m in saved["rows"]["toy"]["ways"]["long nap"]["measured"]]
    assert walls == [m.wall for m in outcome.measured["long nap"]]
    assert report.table(outcome) in (tmp_path / "bench.md").read_text(encoding="utf-8")


def test_processes_get_the_same_threads():
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "DASK_NUM_WORKERS",
    ):
        assert harness.environment()[name] == "2"


# rounds and ratios


def judged(ours, peers, **settings):
    """Return an outcome of one round: seconds and error of ours, and of every peer."""
    ways = [Way(name, None, None, target=3.0) for name in ("ours", *peers)]
    row = Row("row", "", None, tuple(ways), None, "error", 0.1, **settings)
    measured = {
        name: [Measured(0, wall, wall, 1e8 * wall, error)]
        for name, (wall, error) in {"ours": ours, **peers}.items()
    }
    return Outcome(row, "", measured)


def test_every_way_begins_a_round_in_its_turn():
    orders = [harness.in_turn("abc", number) for number in range(4)]
    assert orders == [list("abc"), list("bca"), list("cab"), list("abc")]


def test_ratio_is_that_of_the_same_round():
    outcome = judged((1.0, 0), {"peer": (5.0, 0)})
    outcome.measured["ours"] = [
        Measured(k, wall, 1, 1, 0) for k, wall in enumerate((1.0, 2.0, 4.0))
    ]
    outcome.measured["peer"] = [Measured(k, wall, 1, 1, 0) for k, wall in ((0, 3.0), (2, 20.0))]
    assert outcome.ratios("peer", "wall") == [3.0, 5.0]
    assert report.spread(outcome.ratios("peer", "wall")) == "3 - 4 - 5"


def test_tiny_peaks_count_as_a_megabyte():
    outcome = judged((1.0, 0), {"peer": (5.0, 0)})
    outcome.measured["ours"] = [Measured(0, 1.0, 1.0, 4096.0, 0)]
    assert outcome.ratios("peer", "peak") == [500.0]


@pytest.mark.parametrize(
    ("ours", "peer", "expected"),
    [
        ((1.0, 0.0), (5.0, 0.0), "speed reached"),
        ((1.0, 0.0), (2.0, 0.0), "speed MISSED"),
        ((1.0, 0.05), (5.0, 0.0), "speed reached"),
        ((1.0, 0.0), (5.0, 9.0), "peer less exact; speed reached"),
        ((1.0, 0.2), (5.0, 0.0), "FAILED: ours is worse"),
        ((1.0, float("nan")), (5.0, 0.0), "FAILED: ours is worse"),
        ((1.0, 0.05), (5.0, -0.2), "FAILED: ours is worse"),  # than a better best
    ],
)
def test_verdict_puts_the_result_before_the_speed(ours, peer, expected):
    outcome = judged(ours, {"peer": peer})
    assert "; ".join(report.verdict(outcome, outcome.row.ways[1])) == expected
    assert outcome.has_failed == expected.startswith("FAILED")


def test_row_may_ask_something_of_ours_alone():
    outcome = judged((2.0, 0.3), {}, most_seconds=1.0, most_bytes=3e8, most_error=0.2)
    said = ["FAILED: inexact", "wall <= 1 s MISSED", "peak <= 300 MB reached"]
    assert report.own_verdict(outcome) == said
    assert outcome.has_failed


def test_time_of_a_shorter_job_is_taken_off():
    def sleep(seconds, data):
        time.sleep(seconds)

    way = Way("", None, partial(sleep, 0.25), less=partial(sleep, 0.05), per=4)
    took, _ = child.timed(way, None, HighWater())
    assert abs(took["wall"] - 0.05) < 0.02


# memory


@LINUX
@pytest.mark.parametrize("meter", [HighWater, Anonymous])
def test_memory_from_before_does_not_count(meter):
    before = occupy(80 * MEGABYTE)
    with meter() as taken:
        held = occupy(30 * MEGABYTE)
        time.sleep(0.1)  # long enough to be sampled
        del held
    assert before.size
    assert abs(taken.peak / MEGABYTE - 30) < 2


@LINUX
def test_pages_of_a_mapped_file_are_not_anonymous(tmp_path):
    np.save(tmp_path / "file.npy", occupy(30 * MEGABYTE))
    for meter, expected in ((HighWater, 30), (Anonymous, 0)):
        with meter() as taken:
            mapped = np.load(tmp_path / "file.npy", mmap_mode="r")
            assert mapped.sum(dtype=np.int64) == mapped.size
            time.sleep(0.1)
        assert abs(taken.peak / MEGABYTE - expected) < 3
        del mapped


# the rows


@pytest.mark.parametrize("spec", run.ROWS)
def test_row_goes_by_its_name_and_ours_comes_first(spec):
    for quick in (True, False):
        row = harness.find_row(spec, quick)
        assert row.name == run.name_of(spec)
        assert row.ways[0].name.startswith("endmember")
        assert len({way.name for way in row.ways}) == len(row.ways)


@pytest.mark.parametrize("spec", run.ROWS)
def test_small_data_claims_nothing(spec):
    row = harness.find_row(spec, quick=True)
    assert {(way.target, way.memory_target) for way in row.ways} == {(None, None)}
    assert row.most_seconds is None
    assert row.most_bytes is None


def test_rows_are_chosen_by_how_their_names_begin():
    chosen = [run.name_of(row) for row in run.ROWS if run.is_wanted(row, ["pca", "nnls"])]
    assert chosen == ["pca_needle", "pca_omphacite", "pca_stack", "nnls"]


@pytest.fixture(scope="module")
def counts():
    """A small map with an empty pixel and an empty channel."""
    rng = np.random.default_rng(0)
    dense = rng.poisson(2 * rng.gamma(0.5, size=(60, 3)) @ rng.gamma(0.5, size=(3, 20)))
    dense[5], dense[:, 7] = 0, 0
    return sp.csr_array(dense.astype(np.uint8))


def test_exact_space_is_that_of_the_scaled_map(counts, monkeypatch):
    monkeypatch.setattr(data, "BLOCK", 100)  # a few pixels at once
    axes, scale = pca.exact_space(counts, 3)
    dense = counts.toarray().astype(float)
    rows, columns = dense.any(axis=1), dense.any(axis=0)
    scaled = dense[rows][:, columns] / np.sqrt(dense[rows].sum(axis=1))[:, None]
    scaled /= np.sqrt(dense.sum(axis=0)[columns])
    expected = np.zeros((20, 3))
    expected[columns] = np.linalg.svd(scaled)[2][:3].T
    assert pca.angle(expected, axes) < 1e-5
    assert np.allclose(scale[columns] ** -2, dense.sum(axis=0)[columns])


def test_angle_between_spaces_is_the_largest_one():
    exact, turn = np.eye(6)[:, :2], np.radians(5)
    found = exact.copy()
    found[:, 1] = np.cos(turn) * np.eye(6)[1] + np.sin(turn) * np.eye(6)[4]
    assert abs(pca.angle(exact, found @ [[2.0, 1.0], [0.0, 3.0]]) - 5) < 1e-6


def test_peers_of_pca_find_the_exact_space(counts):
    axes, scale = pca.exact_space(counts, 3)
    found = pca.truncated(3, counts)["factors"]
    assert pca.angle(axes, found * scale[:, None]) < 1e-5


def test_half_deviance_is_the_sum_of_divergences(counts, monkeypatch):
    monkeypatch.setattr(nmf, "BLOCK", 7)
    rng = np.random.default_rng(1)
    abundances, components = rng.random((60, 4)), rng.random((4, 20))
    expected = kl_div(counts.toarray(), abundances @ components).sum()
    assert np.isclose(nmf.half_deviance(counts, abundances, components), expected, rtol=1e-12)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_rounds_of_the_peer_in_pieces_are_those_in_one(counts):
    floats = counts.astype(float)
    pieces = nmf.advance(floats, nmf.advance(floats, None, 10), 7)
    for piece, whole in zip(pieces, nmf.advance(floats, None, 17), strict=True):
        assert np.allclose(piece, whole, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("stride", [3, 10])
def test_rounds_that_the_peer_needs_are_counted_exactly(counts, stride):
    floats = counts.astype(float)
    best = nmf.half_deviance(floats, *nmf.advance(floats, None, 23)) / (1 + nmf.GAP)
    objectives = (
        nmf.half_deviance(floats, *nmf.advance(floats, None, n)) for n in itertools.count(1)
    )
    expected = next(
        n for n, value in enumerate(objectives, 1) if value <= best * (1 + nmf.GAP) * (1 + 1e-12)
    )
    found = nmf.rounds_of_peer(floats, best * (1 + 1e-12), 60, False, stride)
    assert (found[0], found[2]) == (expected, True)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_peer_is_given_up_when_its_time_is_over(counts):
    assert nmf.rounds_of_peer(counts.astype(float), 1e-9, 0.0, False) == (10, 1e-9, False)
