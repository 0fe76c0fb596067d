"""Clusters as they were tuned: made again from their record and their code, and written down."""

import csv
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

import endmember as em
from endmember.core.cluster_features import KINDS
from endmember.core.cluster_recipe import (
    ALGORITHMS,
    NORMALISATIONS,
    Recipe,
    recipe_code,
    recipe_of,
    tuned_clusters,
)
from endmember.core.record import Record

LINES = ["Fe_Ka", "O_Ka"]
EVERY = [
    {"features": kind, "algorithm": algorithm, "held_out": held_out, "lines": LINES}
    for kind, algorithm, held_out in itertools.product(KINDS, ALGORITHMS, [False, True])
    if (kind, algorithm) != ("raw", "gaussian mixture")  # which has lines for its features
]
EVERY += [{"normalisation": how, "min_area": 4, "lines": LINES} for how in NORMALISATIONS]
EVERY += [{"features": "raw", "seed": 3}, {"features": "l1", "held_out": True, "seed": 3}]
IN_A_FRESH_PROCESS = """
import json, sys, warnings
import numpy as np, endmember as em

warnings.simplefilter("error")
folder, made = sys.argv[1], {}
image = em.datasets.load("iron_oxides", shape=(20, 30), dose=20_000).image
for i, (code, record) in enumerate(json.load(open(folder + "/tasks.json"))):
    names = {}
    exec(code, names)
    again = em.replay(record, image)
    made[f"labels{i}"], made[f"means{i}"] = names["labels"], names["spectra"].means
    made[f"errors{i}"] = names["spectra"].stderr_scatter
    made[f"replayed{i}"], made[f"again{i}"] = again.labels, again.spectra.means
np.savez(folder + "/made.npz", **made)
"""


@pytest.fixture(scope="module")
def scene():
    """Two oxides on a map that is not square."""
    return em.datasets.load("iron_oxides", shape=(20, 30), dose=20_000)


@pytest.fixture(scope="module")
def made(scene):
    """Three clusters of the scene, with names."""
    names = ["rim, outer", "core", "core"]
    return tuned_clusters(scene.image, k=3, lines=LINES, ratio=LINES, names=names)


def test_code_and_record_make_the_same_bits_in_a_fresh_process(scene, tmp_path):
    found = [tuned_clusters(scene.image, k=3, **settings) for settings in EVERY]
    tasks = [(made.record.to_code(), made.record.to_json()) for made in found]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PROCESS, str(tmp_path)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    with np.load(tmp_path / "made.npz") as kept:
        for i, one in enumerate(found):
            for name in ("labels", "replayed"):
                np.testing.assert_array_equal(kept[f"{name}{i}"], one.labels, err_msg=f"{EVERY[i]}")
            for name in ("means", "again"):
                assert kept[f"{name}{i}"].tobytes() == one.spectra.means.tobytes(), EVERY[i]
            assert kept[f"errors{i}"].tobytes() == one.spectra.stderr_scatter.tobytes()


def test_code_for_sparse_channels_makes_the_same_bits_in_a_fresh_process(scene, tmp_path):
    image = scene.image.crop((6.37, 6.43)).to_sparse()
    kinds = [("raw", "none"), ("raw", "spread"), ("l1", "none"), ("l1", "length"), ("pca", "none")]
    every = [
        (kind, None, 2, how, "gaussian mixture", 0, held_out)
        for (kind, how), held_out in itertools.product(kinds, [False, True])
    ]
    script, expected = ["import numpy", "made = {}"], {}
    for i, given in enumerate(every):
        made = tuned_clusters(image, k=2, **dict(zip(Recipe._fields, given, strict=True)))
        imports, steps = recipe_code(image, recipe_of(*given), 2, 1)
        assert steps[:-1] == made.record.to_code().splitlines()[-len(steps) : -1]
        expected |= {f"labels{i}": made.labels, f"means{i}": made.spectra.means}
        script += [*imports, f"image = {image.code}", "assert image.is_sparse", *steps]
        script.append(f"made['labels{i}'], made['means{i}'] = labels, spectra.means")
    script.append(f"numpy.savez({str(tmp_path / 'made.npz')!r}, **made)")
    subprocess.run([sys.executable, "-W", "error", "-c", "\n".join(script)], check=True)
    with np.load(tmp_path / "made.npz") as made:
        for name, values in expected.items():
            np.testing.assert_array_equal(made[name], values, err_msg=name)


def test_clusters_are_those_of_plain_calls(scene, made):
    features = em.cluster_features(scene.image, "lines", lines=LINES)
    sweep = em.cluster_sweep(features, range(1, 4), criteria=())
    np.testing.assert_array_equal(made.labels, scene.image.fold(sweep.labels_of(3)))
    rows = np.stack([made.labels.ravel() == k for k in range(3)])
    np.testing.assert_allclose(
        made.spectra.means, [scene.image.spectra[row].mean(axis=0) for row in rows], rtol=1e-12
    )
    counts = features.T @ rows.T
    for k, row in enumerate(made.ratios):
        assert row["clustered"][0] == pytest.approx(counts[0, k] / counts[1, k])
        assert row["n_pixels"] == rows[k].sum()


def test_a_mixture_is_scikit_learns(scene):
    made = tuned_clusters(scene.image, k=2, lines=LINES, algorithm="gaussian mixture")
    assert type(made.model) is GaussianMixture
    points = em.cluster_features(scene.image, "lines", lines=LINES)
    peer = GaussianMixture(2, max_iter=500, random_state=0).fit(points)
    np.testing.assert_array_equal(made.model.means_, peer.means_)
    assert em.metrics.adjusted_rand_index(made.labels.ravel(), peer.predict(points)) == 1.0


@pytest.fixture(scope="module")
def masked():
    """Two materials, a row and a channel hidden, which hold no numbers."""
    rng = np.random.default_rng(2)
    counts = rng.poisson([50.0, 10.0, 5.0, 4.0], size=(9, 7, 4)).astype(float)
    counts[:, 4:] = rng.poisson([10.0, 50.0, 5.0, 4.0], size=(9, 3, 4))
    mask, channels = np.zeros((9, 7), dtype=bool), np.arange(4) == 3
    mask[6] = True
    counts[6], counts[..., 3] = np.nan, np.nan
    return em.SpectrumImage(counts, mask=mask, channel_mask=channels)


@pytest.mark.parametrize("held_out", [False, True])
def test_hidden_pixels_that_are_no_numbers_belong_to_no_cluster(masked, held_out):
    made = tuned_clusters(masked, k=2, features="raw", held_out=held_out)
    assert (made.labels[6] == -1).all()
    assert (made.labels[:6] >= 0).all()
    names = {"image": masked}
    exec("\n".join(line for line in made.record.to_code().splitlines() if line[:1] != "#"), names)
    np.testing.assert_array_equal(names["labels"], made.labels)
    np.testing.assert_array_equal(names["spectra"].means, made.spectra.means)
    np.testing.assert_array_equal(em.replay(made.record, masked).labels, made.labels)


@pytest.mark.parametrize("form", ["sparse", "lazy"])
def test_counts_in_other_forms_are_replayed(scene, form):
    image = scene.image.to_sparse()
    if form == "lazy":
        da = pytest.importorskip("dask.array")
        image = em.SpectrumImage(
            da.from_array(np.asarray(scene.image.counts), chunks=(5, 30, 400)),
            scene.image.axis,
            unit="keV",
        )
    made = tuned_clusters(image, k=3, features="l1", lines={"a": (6.2, 6.6), "b": (0.4, 0.65)})
    np.testing.assert_array_equal(em.replay(made.record, image).labels, made.labels)


def test_the_record_is_json_and_says_what_was_done(made):
    record = Record.from_json(made.record.to_json())
    assert record == made.record
    assert record.parameters["names"] == list(made.names)
    assert "into 3 clusters by k-means [1, 2] (features: lines" in record.methods()
    assert 'names = ["rim, outer", "core", "core"]' in record.to_code()


def test_a_mixture_is_called_one_in_prose(scene):
    settings = {"algorithm": "gaussian mixture", "features": "log-ratio", "lines": LINES}
    said = tuned_clusters(scene.image, k=2, **settings).record.methods()
    assert "into 2 clusters by a mixture of Gaussians [1] (" in said
    assert "Aitchison" in said


def test_other_counts_are_refused(made, scene):
    with pytest.raises(ValueError, match="load the counts that it was made from"):
        em.replay(made.record, scene.image.crop(region=[(0, 20), (0, 29)]))


def test_a_replay_can_be_stopped(made, scene):
    with pytest.raises(RuntimeError, match="stopped"):
        em.replay(made.record, scene.image, callback=lambda progress: True)


@pytest.mark.parametrize("name", ["features", "algorithm", "normalisation"])
def test_unknown_settings_are_refused_before_any_work(scene, name):
    with pytest.raises(ValueError, match=f"{name} is 'colour'; choose one of"):
        tuned_clusters(scene.image, k=2, **{name: "colour"})


def test_masks_have_the_names_of_the_clusters(made):
    masks = made.masks()
    assert list(masks) == ["rim, outer", "core"]
    np.testing.assert_array_equal(masks["core"], made.labels > 0)


def test_the_map_is_written_pixel_by_pixel(made, tmp_path):
    made.to_csv(tmp_path / "map.csv")
    with (tmp_path / "map.csv").open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head == ["row", "column", "cluster", "name"]
    assert len(rows) == made.labels.size
    for row, column, label, name in rows[::37]:
        assert made.labels[int(row), int(column)] == int(label)
        assert made.names[int(label)] == name


def test_hidden_pixels_are_not_written(masked, tmp_path):
    made = tuned_clusters(masked, k=2, features="raw")
    made.to_csv(tmp_path / "map.csv")
    assert len((tmp_path / "map.csv").read_text().splitlines()) == 1 + 8 * 7


def test_mean_spectra_are_written_with_their_errors(made, scene, tmp_path):
    made.spectra_to_csv(tmp_path / "spectra.csv")
    with (tmp_path / "spectra.csv").open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head[1:3] == ["rim, outer", "rim, outer, standard error"]
    values = np.array(rows, dtype=float)
    np.testing.assert_array_equal(values[:, 0], scene.image.axis)
    np.testing.assert_array_equal(values[:, 1::2].T, made.spectra.means)
    np.testing.assert_array_equal(values[:, 2::2].T, made.spectra.stderr_scatter)
