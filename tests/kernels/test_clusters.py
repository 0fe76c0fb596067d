"""The kernels of k-means and of silhouettes against plain NumPy, compiled and as Python."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from endmember._kernels import clusters
from strategies import WAYS, call

RTOL = 1e-12  # of sums of some hundreds of numbers
every_way = pytest.mark.parametrize("way", WAYS)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True)
def in_python(request, monkeypatch):
    """Run the kernels that a kernel calls as Python, too."""
    callspec = getattr(request.node, "callspec", None)
    if callspec and callspec.params.get("way") == "python":
        for name in ("measure_rows", "add_down"):
            monkeypatch.setattr(clusters, name, getattr(clusters, name).py_func)


@st.composite
def some_points(draw):
    """A few points, some of them equal, and generators for what goes with them."""
    rng = np.random.default_rng(draw(seeds))
    n_features, n_points = draw(st.integers(1, 4)), draw(st.integers(1, 40))
    scale = draw(st.sampled_from([1, 1e6]))
    return rng.integers(0, 5, (n_features, n_points)) * float(scale), rng


given_points = given(case=some_points(), n_clusters=st.integers(1, 4))
few = settings(max_examples=20, deadline=None)


@every_way
@few
@given_points
def test_points_go_to_the_nearest_centre_and_sums_go_with_them(way, case, n_clusters):
    columns, rng = case
    centres = rng.normal(2, 3, (n_clusters, len(columns))) * columns.max(initial=1)
    labels = rng.integers(n_clusters, size=columns.shape[1]).astype(np.int32)
    before = labels.copy()
    members = np.eye(n_clusters)[labels].T
    sums, sizes = members @ columns.T, members.sum(axis=1)
    n_moved, total = call(clusters.assign_points, way)(columns, centres, labels, sums, sizes)
    squares = ((columns.T[:, None] - centres) ** 2).sum(axis=-1)
    np.testing.assert_array_equal(labels, squares.argmin(axis=1))
    assert n_moved == np.count_nonzero(labels != before)
    assert total == pytest.approx(squares.min(axis=1).sum(), rel=RTOL)
    members = np.eye(n_clusters)[labels].T
    np.testing.assert_array_equal(sizes, members.sum(axis=1))
    np.testing.assert_allclose(sums, members @ columns.T, atol=RTOL * columns.max(initial=1) * 40)


@every_way
def test_tiles_join_without_a_seam(way):
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(2, 2 * clusters.TILE + 3))
    centres, labels = rng.normal(size=(3, 2)), np.zeros(columns.shape[1], dtype=np.int32)
    sums, sizes = np.zeros((3, 2)), np.array([columns.shape[1], 0.0, 0.0])
    sums[0] = columns.sum(axis=1)
    call(clusters.assign_points, way)(columns, centres, labels, sums, sizes)
    np.testing.assert_array_equal(labels, cdist(columns.T, centres).argmin(axis=1))
    np.testing.assert_array_equal(sizes, np.bincount(labels, minlength=3))


@every_way
@few
@given_points
def test_points_of_many_features_move_with_their_sums(way, case, n_clusters):
    columns, rng = case
    rows, parts = columns.T.copy(), rng.integers(0, 3, (columns.shape[1], n_clusters)) * 1.0
    labels = rng.integers(n_clusters, size=len(rows)).astype(np.int32)
    old = labels.copy()
    moved, before = np.empty(len(rows), dtype=np.int64), np.empty(len(rows), dtype=np.int32)
    n_moved, total = call(clusters.take_nearest, way)(parts, labels, moved, before)
    np.testing.assert_array_equal(labels, parts.argmin(axis=1))
    np.testing.assert_array_equal(moved[:n_moved], np.flatnonzero(labels != old))
    np.testing.assert_array_equal(before[:n_moved], old[moved[:n_moved]])
    assert total == parts.min(axis=1).sum()
    csr, members = sp.csr_array(rows), np.eye(n_clusters)
    for kernel, arrays in (
        (clusters.move_rows, (rows,)),
        (clusters.move_csr_rows, (csr.indptr, csr.indices, csr.data)),
    ):
        sums, sizes = members[old].T @ rows, members[old].sum(axis=0)
        call(kernel, way)(*arrays, moved[:n_moved], before[:n_moved], labels, sums, sizes)
        np.testing.assert_array_equal(sizes, np.bincount(labels, minlength=n_clusters))
        np.testing.assert_array_equal(sums, members[labels].T @ rows)


@every_way
@few
@given(case=some_points())
def test_one_more_centre_lowers_squared_distances(way, case):
    columns, rng = case
    centre, closest = rng.normal(size=len(columns)), rng.random(columns.shape[1]) * 10
    lowered = np.empty(columns.shape[1])
    call(clusters.lower_squares, way)(columns, centre, closest, lowered)
    expected = np.minimum(closest, ((columns.T - centre) ** 2).sum(axis=1))
    np.testing.assert_allclose(lowered, expected, rtol=RTOL)


@every_way
@pytest.mark.parametrize("is_same", [True, False])
@few
@given_points
def test_distances_are_summed_over_every_cluster(way, is_same, case, n_clusters):
    columns, rng = case
    columns = np.vstack([columns, np.zeros((len(columns) % 2, columns.shape[1]))])
    n_points = columns.shape[1]
    rows = columns if is_same else columns[:, : n_points // 2 + 1]
    labels = np.sort(rng.integers(n_clusters, size=n_points))
    starts = np.unique([0, *np.flatnonzero(np.diff(labels)) + 1, n_points // 3])
    tiles = np.append(starts, n_points)
    row_tiles = tiles if is_same else np.array([0, rows.shape[1] // 2, rows.shape[1]])
    sums = np.zeros((n_clusters, rows.shape[1]))
    for part in range(2):
        call(clusters.sum_distances, way)(
            rows, row_tiles, columns, tiles, labels[starts], is_same, part, 2, sums
        )
    expected = cdist(rows.T, columns.T) @ np.eye(n_clusters)[labels]
    np.testing.assert_allclose(sums.T, expected, rtol=RTOL, atol=RTOL)


SAME_BITS = """
import numpy as np
from endmember._kernels.clusters import sum_distances
columns = np.random.default_rng(0).normal(size=(6, 200))
tiles, sums = np.array([0, 90, 200]), np.zeros((2, 200))
sum_distances(columns, tiles, columns, tiles, np.array([0, 1]), True, 0, 1, sums)
print(sums.tobytes().hex())
"""


def test_compiled_anew_or_from_before_sums_have_the_same_bits(tmp_path):
    """Sums taken in any order: that order must not depend on what was compiled first."""
    command = [sys.executable, "-c", SAME_BITS]
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert first == second
