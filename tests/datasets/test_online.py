"""Larger public data: fetched from an address, checked, kept; clear words where that fails."""

from __future__ import annotations

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import endmember as em
from endmember.datasets import catalogue, online

COUNTS = np.random.default_rng(0).poisson(3.0, size=(4, 5, 6))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    """A server with one file, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "map.hspy").write_bytes(map_file(tmp_path).read_bytes())
    served = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield folder / "map.hspy", f"http://127.0.0.1:{served.server_port}/map.hspy"
    served.shutdown()
    served.server_close()


def map_file(folder):
    import hyperspy.api as hs

    path = folder / "made.hspy"
    hs.signals.Signal1D(COUNTS).save(path)
    return path


@pytest.fixture
def entry(monkeypatch, tmp_path):
    """How a test lists an entry; what is fetched is kept in a folder of the test's own."""
    import pooch

    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "kept" / name)

    def list_it(url, sha256):
        made = em.datasets.Entry(
            name="far", what="a map", shape=(4, 5, 6), licence="MIT", sha256=sha256, url=url
        )
        monkeypatch.setitem(catalogue.ENTRIES, "far", made)
        return made

    return list_it


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_is_fetched_once_and_loaded(server, entry):
    path, url = server
    entry(url, digest(path))
    image = em.datasets.load("far")
    np.testing.assert_array_equal(image.counts, COUNTS)
    assert image.code == 'em.datasets.load("far")'
    path.unlink()  # from now on what was kept must do
    np.testing.assert_array_equal(em.datasets.load("far").counts, COUNTS)


def test_a_file_that_is_another_one_is_refused(server, entry):
    made = entry(server[1], "0" * 64)
    with pytest.raises(ValueError, match=r"map\.hspy gave for 'far' is not the file"):
        online.fetch(made)


def test_without_a_network_the_error_says_what_to_do(entry):
    made = entry("http://127.0.0.1:9/map.hspy", "0" * 64)
    with pytest.raises(ConnectionError, match=r"(?s)'far' could not be fetched.*put its file at"):
        online.fetch(made)


def test_nothing_is_listed_whose_licence_or_digest_is_not_known():
    for listed in em.datasets.names().values():
        assert listed.simulator or (len(listed.sha256) == 64 and listed.licence)
