"""The specimens: what the list and the cards say of each is true of its file."""

import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import endmember as em
from endmember.core import room
from endmember.core.room import data_path

NAMES = sorted(name for name, entry in em.datasets.names().items() if entry.sha256)
MAPS = [name for name in NAMES if len(em.datasets.names()[name].shape) == 3]
TERMS = {"MIT": "Permission is hereby granted, free of charge"}


@pytest.mark.parametrize("name", MAPS)
def test_specimen_is_what_the_list_says(name):
    entry = em.datasets.names()[name]
    image = em.datasets.load(name)
    assert entry.name == name
    assert image.shape == entry.shape
    assert image.is_sparse
    assert image.title
    assert image.code == f'em.datasets.load("{name}")'
    again = eval(image.code, {"em": em})
    assert (again.counts != image.counts).nnz == 0


@pytest.mark.parametrize("name", NAMES)
def test_card_tells_origin_licence_and_checksum(name):
    entry, card = em.datasets.names()[name], em.datasets.card(name)
    content = data_path("files", f"{name}.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry.sha256
    for part in (
        f"`{name}`",
        entry.sha256,
        f"| licence | {entry.licence}",
        "| origin |",
        "| instrument |",
        "## What is known to be true of it",
    ):
        assert part in card


@pytest.mark.parametrize("name", NAMES)
def test_licence_lies_beside_the_file(name):
    text = data_path("files", f"{name}-LICENSE.txt").read_text(encoding="utf-8")
    assert TERMS[em.datasets.names()[name].licence] in text
    assert re.search(r"Copyright .*\d{4}", text)


def test_card_of_the_71_gpa_map_counts_right(diamond):
    card = em.datasets.card("diamond_anvil_71gpa")
    flat = diamond.counts
    total = int(flat.data.sum(dtype=np.int64))
    assert f"{total:,} counts, {total / 40401:.1f} a pixel" in card
    assert f"{1 - flat.nnz / np.prod(flat.shape):.1%} zeros".replace("%", " %") in card
    assert f"at most {flat.data.max()} in a channel" in card
    assert (diamond.sum_spectrum() == 0).sum() == 39
    assert "39 channels hold no count at all" in card
    assert diamond.signal_axis.offset == pytest.approx(-0.472, abs=5e-4)
    assert diamond.signal_axis.scale == pytest.approx(0.01)
    assert diamond.navigation_axes[0].unit == "µm"
    assert diamond.navigation_axes[0].scale * 1000 == pytest.approx(1.717, abs=5e-4)
    assert diamond.metadata["Acquisition_instrument"]["TEM"]["beam_energy"] == 200
    listed = re.search(r"elements named in the file \| (.*) \|", card)[1]
    assert listed.split(", ") == sorted(diamond.metadata["Sample"]["elements"])


def test_card_of_the_88_gpa_map_counts_right():
    card, image = em.datasets.card("diamond_anvil_88gpa"), em.datasets.load("diamond_anvil_88gpa")
    flat = image.counts
    assert f"{int(flat.data.sum(dtype=np.int64)):,} counts" in card
    assert f"{1 - flat.nnz / np.prod(flat.shape):.1%} zeros".replace("%", " %") in card
    assert f"at most {flat.data.max()} in a channel" in card
    assert (image.sum_spectrum() > 0).all()
    for weighting, n_shown in [("biwhiten", 3), ("poisson", 8)]:
        pca = em.PCA(8, weighting=weighting).fit(image.spectra)
        assert ", ".join(f"{value:.3f}" for value in pca.scree_[:n_shown]) in card
        assert f"{pca.noise_edge_:.3f}" in card
        assert pca.n_above_edge_ == {"biwhiten": 2, "poisson": 8}[weighting]


def test_a_micrograph_comes_as_a_scene_of_which_no_truth_is_known():
    scene = em.datasets.load("mos2_stem")
    assert scene.image.shape == em.datasets.names()["mos2_stem"].shape
    assert scene.truth == {}
    assert "not known" in repr(scene)
    assert np.array_equal(eval(scene.code, {"em": em}).image, scene.image)
    assert scene.axes[0].unit == "nm"
    assert scene.axes[0].scale * 512 == pytest.approx(9.0)


def test_the_card_of_the_micrograph_tells_its_spots():
    """Six strongest spots of its Fourier transform, opposite ones the same, to one channel."""
    image = em.datasets.load("mos2_stem").image
    window = np.hanning(512)
    power = np.abs(np.fft.rfft2((image - image.mean()) * window[:, None] * window))
    power[:10, :10] = power[-10:, :10] = 0  # slow changes of brightness
    found = []
    for _ in range(3):
        row, column = np.unravel_index(power.argmax(), power.shape)
        row = row - 512 if row > 256 else row
        found.append(np.hypot(row, column) / 9.0)
        for i in (row, -row) if column < 5 else (row,):
            power[np.arange(i - 5, i + 6) % 512, max(0, column - 5) : column + 6] = 0
    card = em.datasets.card("mos2_stem")
    for frequency in found:
        assert f"{frequency:.2f}" in card
        assert f"{1 / frequency:.3f}" in card


@pytest.mark.parametrize("facts", [{"sha256": "abc", "licence": "MIT"}, {"sha256": 64 * "a"}])
def test_measured_data_need_a_licence_and_a_digest(facts):
    with pytest.raises(ValueError, match="'new' needs its licence and the sha256"):
        em.datasets.Entry(name="new", what="a map", shape=(1, 1, 1), **facts)


def test_names_are_a_copy():
    em.datasets.names().clear()
    assert em.datasets.names()


@pytest.mark.parametrize("place", [0, 1000, -1])
def test_changed_file_is_refused(tmp_path, monkeypatch, place):
    name = NAMES[0]
    copy = Path(shutil.copy(data_path("files", f"{name}.npz"), tmp_path))
    content = bytearray(copy.read_bytes())
    content[place] ^= 1
    copy.write_bytes(content)
    monkeypatch.setattr(room, "data_path", lambda *parts: copy)
    found = hashlib.sha256(content).hexdigest()[:12]
    with pytest.raises(ValueError, match=f"{name}.* has the checksum {found}.*Install endmember"):
        em.datasets.load(name)
