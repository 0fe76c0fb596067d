"""Scripts of static pages: what arrives is what was reviewed, or nothing is built."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def hook():
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """An npm on the path that packs what a test says, or fails with what it says."""

    def install(content=None, error=""):
        archive = tmp_path / "packed.tgz"
        with tarfile.open(archive, "w:gz") as packed:
            entry = tarfile.TarInfo("package/a.js")
            entry.size = len(content or b"")
            packed.addfile(entry, io.BytesIO(content or b""))
        act = f"cp {archive} . && echo packed.tgz" if content else f"echo '{error}' >&2; exit 1"
        program = tmp_path / "bin" / "npm"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{act}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    return install


def expect(hook, monkeypatch, content):
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(hook, "SCRIPTS", {"a.js": ("some@1", "package/a.js", digest)})


def test_a_missing_script_is_fetched_once(hook, npm, monkeypatch, tmp_path):
    expect(hook, monkeypatch, b"let a = 1;")
    npm(b"let a = 1;")
    vendor = tmp_path / "vendor"
    assert hook.missing(vendor) == ["a.js"]
    hook.fetch(["a.js"], vendor)
    assert (vendor / "a.js").read_bytes() == b"let a = 1;"
    assert hook.missing(vendor) == []


def test_a_script_that_was_changed_here_counts_as_missing(hook, npm, monkeypatch, tmp_path):
    expect(hook, monkeypatch, b"let a = 1;")
    (tmp_path / "a.js").write_bytes(b"let a = 2;")
    assert hook.missing(tmp_path) == ["a.js"]


def test_a_script_that_is_not_the_reviewed_one_stops_the_build(hook, npm, monkeypatch, tmp_path):
    expect(hook, monkeypatch, b"let a = 1;")
    npm(b"let a = 'changed on the way';")
    with pytest.raises(RuntimeError, match="not what was reviewed, and nothing was built"):
        hook.fetch(["a.js"], tmp_path / "vendor")
    assert not (tmp_path / "vendor").exists()


def test_without_a_registry_the_error_says_the_way_out(hook, npm, monkeypatch, tmp_path):
    expect(hook, monkeypatch, b"let a = 1;")
    npm(error="network is unreachable")
    with pytest.raises(RuntimeError, match=r"(?s)network is unreachable.*ENDMEMBER_SCRIPTS=cdn"):
        hook.fetch(["a.js"], tmp_path / "vendor")


def test_npm_is_asked_for_only_where_it_is_needed(hook, monkeypatch, tmp_path):
    made = hook.ScriptsHook(str(tmp_path), {}, None, None, str(tmp_path), "wheel")
    monkeypatch.setattr(hook.shutil, "which", lambda name: None)
    assert made.dependencies() == [hook.NODE]
    monkeypatch.setenv("ENDMEMBER_SCRIPTS", "cdn")
    assert made.dependencies() == []
    made.initialize("standard", {})
    assert not (tmp_path / hook.VENDOR).exists()
    monkeypatch.setenv("ENDMEMBER_SCRIPTS", "perhaps")
    with pytest.raises(ValueError, match='"vendor" or "cdn"'):
        made.dependencies()


def test_this_checkout_holds_the_reviewed_scripts(hook):
    assert hook.missing(ROOT / hook.VENDOR) == []
