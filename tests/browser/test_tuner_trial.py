"""From raw counts to a named and exported phase map, by hands that have read nothing."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from tuner_page import TunerPage

import endmember as em
from endmember.widgets.map_traits import LABEL_COLORS

SHOW = """
import endmember as em
tuner = em.ClusterTuner(em.datasets.load("{name}"))
tuner
"""
CHECK = """
result = tuner.result()
print(result.k, result.names, [int(mask.sum()) for mask in result.masks().values()])
"""
TRIALS = {
    # What a person chooses, one after the other, and names from what the ratios then say.
    "diamond_anvil_71gpa": (
        {"features": "principal components", "ratio of": "Fe_Ka", "to": "Si_Ka"},
        4,
        ["bridgmanite", "Fe rich", "Ca rich", "rims"],
        "Fe rich",
    ),
    "omphacite": (
        {"features": "log-ratios", "ratio of": "Na_Ka", "to": "Ca_Ka"},
        3,
        ["omphacite", "mount", "jadeite"],
        "jadeite",
    ),
}


def files_of(tuner, name):
    """Click on a button that saves a file, and return the text of it."""
    with tuner.page.expect_download() as download:
        tuner.page.get_by_role("button", name=name).click()
    return download.value.path().read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TRIALS)
def test_raw_counts_become_a_named_and_exported_phase_map(lab, page, shots, name):
    lab.run(page, SHOW.format(name=name))
    tuner, (choices, k, names, highest) = TunerPage(page), TRIALS[name]
    tuner.wait_until_idle()
    page.screenshot(path=shots / f"trial-{name}-first.png", full_page=True)
    for control, value in choices.items():
        page.get_by_role("combobox", name=control, exact=True).select_option(value)
        tuner.wait_until_idle()
    tuner.type_k(k)
    for label, given in enumerate(names):
        tuner.name_cluster(label, given)
    page.screenshot(path=shots / f"trial-{name}.png", full_page=True)
    tuner.words.scroll_into_view_if_needed()
    page.screenshot(path=shots / f"trial-{name}-below.png", full_page=True)
    painted = tuner.labels(LABEL_COLORS[:k])
    rows = list(csv.DictReader(io.StringIO(files_of(tuner, "Map as CSV"))))
    assert len(rows) == painted.size
    labels = np.full(painted.shape, -1)
    for row in rows:
        labels[int(row["row"]), int(row["column"])] = int(row["cluster"])
    np.testing.assert_array_equal(labels, painted)
    shown = tuner.legend()
    assert shown == names
    assert {row["name"] for row in rows} == set(shown)
    ratios = {cells[0]: float(cells[2].split()[0]) for cells in tuner.table()[1:]}
    assert max(ratios, key=lambda name: ratios[name]) == highest
    spectra = list(csv.reader(io.StringIO(files_of(tuner, "Spectra as CSV"))))
    assert spectra[0][1::2] == shown
    names_found: dict = {}
    exec(tuner.code(), names_found)
    np.testing.assert_array_equal(names_found["labels"], labels)
    means = np.array(spectra[1:], dtype=float)[:, 1::2].T
    np.testing.assert_array_equal(names_found["spectra"].means, means)


def test_the_map_of_the_scene_is_nearly_the_truth():
    scene = em.datasets.load("omphacite")
    state = em.ClusterTuner(scene).state
    state.restore({"features": "log-ratio", "k": 3})
    assert em.metrics.adjusted_rand_index(state.result().labels, scene.labels) > 0.75


def test_code_that_was_copied_makes_the_same_as_the_result(lab, page):
    lab.run(page, SHOW.format(name="omphacite"))
    tuner = TunerPage(page)
    tuner.wait_until_idle()
    tuner.type_k(3)
    state = em.ClusterTuner(em.datasets.load("omphacite")).state
    state.k = 3
    np.testing.assert_array_equal(tuner.labels(LABEL_COLORS[:3]), state.result().labels)
