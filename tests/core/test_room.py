"""Where data come from: the room in a checkout, the copy inside an installed package."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import endmember as em
from endmember.core import room

CHECKOUT = Path(__file__).parents[2]
NAME = "diamond_anvil_71gpa"


def test_checkout_answers_with_the_room():
    assert room.data_path("files", f"{NAME}.npz") == CHECKOUT / "datasets/files" / f"{NAME}.npz"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A checkout whose package holds a copy of the data from an earlier install."""
    package = tmp_path / "widgets" / "endmember"
    for place, text in ((tmp_path / "datasets", "new"), (package / "datasets", "stale")):
        (place / "files").mkdir(parents=True)
        (place / "files" / "map.npz").write_text(text)
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(room, "PACKAGE", package)
    return package


def test_stale_copy_in_the_package_does_not_hide_the_room(package):
    assert room.data_path("files", "map.npz").read_text() == "new"
    (package.parents[1] / "datasets" / "files" / "map.npz").write_text("newer")
    assert room.data_path("files", "map.npz").read_text() == "newer"


def test_installed_package_answers_with_its_own_copy(package):
    (package.parents[1] / "pyproject.toml").unlink()
    assert room.data_path("files", "map.npz") == package / "datasets" / "files" / "map.npz"


def test_missing_file_is_named(package):
    with pytest.raises(FileNotFoundError, match=r"cards/nothing\.md is missing from .*install end"):
        room.data_path("cards", "nothing.md")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built as a release builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("endmember-*.whl"))


@pytest.mark.slow
def test_wheel_carries_the_data_with_cards_and_licences(wheel):
    with zipfile.ZipFile(wheel) as archive:
        for part in (f"files/{NAME}.npz", f"files/{NAME}-LICENSE.txt", f"cards/{NAME}.md"):
            inside = archive.read(f"endmember/datasets/{part}")
            assert inside == (CHECKOUT / "datasets" / part).read_bytes()
        held = archive.namelist()
    licences = [name for name in held if "dist-info/licenses/" in name]
    assert {Path(name).name for name in licences} >= {"LICENSE", f"{NAME}-LICENSE.txt"}
    assert not [name for name in held if "/recipes/" in name or "tests/" in name]


@pytest.mark.slow
def test_unpacked_wheel_loads_its_own_data(wheel, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = f"""
import hashlib
import endmember as em
from endmember.core.room import data_path
path = data_path("files", "{NAME}.npz")
print(em.__file__, path, hashlib.sha256(path.read_bytes()).hexdigest())
print(em.datasets.load("{NAME}"))
"""
    run = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    where, shown = run.stdout.splitlines()
    module, path, digest = where.split()
    assert Path(module) == site / "endmember" / "__init__.py"
    assert Path(path) == site / "endmember" / "datasets" / "files" / f"{NAME}.npz"
    expected = CHECKOUT / "datasets" / "files" / f"{NAME}.npz"
    assert digest == hashlib.sha256(expected.read_bytes()).hexdigest()
    assert shown == repr(em.datasets.load(NAME))
