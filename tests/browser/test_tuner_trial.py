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
    # What a person chooses, one after the other, and what the clusters are called.
    "diamond_anvil_71gpa": ([("features", "principal components")], 4, ["Fe rich", "matrix"]),
    "omphacite": ([("features", "log-ratios"), ("across", "Ca_Ka"), ("up", "Na_Ka")], 2,
                  ["omphacite", "jadeite"]),
}  # fmt: skip


def files_of(tuner, name):
    """Click on a button that saves a file, and return the text of it."""
    with tuner.page.expect_download() as download:
        tuner.page.get_by_role("button", name=name).click()
    return download.value.path().read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TRIALS)
def test_raw_counts_become_a_named_and_exported_phase_map(lab, page, shots, name):
    lab.run(page, SHOW.format(name=name))
    tuner, (choices, k, names) = TunerPage(page), TRIALS[name]
    tuner.wait_until_idle()
    page.screenshot(path=shots / f"trial-{name}-first.png", full_page=True)
    for control, value in choices:
        page.get_by_label(control, exact=True).select_option(value)
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
    assert shown[: len(names)] == names
    assert {row["name"] for row in rows} == set(shown)
    spectra = list(csv.reader(io.StringIO(files_of(tuner, "Spectra as CSV"))))
    assert spectra[0][1::2] == shown
    names_found: dict = {}
    exec(tuner.code(), names_found)
    np.testing.assert_array_equal(names_found["labels"], labels)
    means = np.array(spectra[1:], dtype=float)[:, 1::2].T
    np.testing.assert_array_equal(names_found["spectra"].means, means)


def test_code_that_was_copied_makes_the_same_as_the_result(lab, page):
    image = em.datasets.load("omphacite")
    image = getattr(image, "image", image)
    lab.run(page, SHOW.format(name="omphacite"))
    tuner = TunerPage(page)
    tuner.wait_until_idle()
    tuner.type_k(3)
    state = em.ClusterTuner(image).state
    state.k = 3
    np.testing.assert_array_equal(tuner.labels(LABEL_COLORS[:3]), state.result().labels)
