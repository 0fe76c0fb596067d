"""Every kernel again with bounds checked, and a canary that proves they were."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from endmember._kernels.jit import compiled

ROOT = Path(__file__).parents[2]
ELSEWHERE = {  # what runs a kernel that has no file of its name beside this one
    "packing": "tests/core/test_packing.py",
    "unimodal": "tests/core/test_mcr.py::test_no_unimodal_profile_comes_nearer",
}
CHECKED = os.environ.get("NUMBA_BOUNDSCHECK") == "1"


@pytest.mark.skipif(not CHECKED, reason="runs inside the run that checks bounds")
@pytest.mark.parametrize("reach", ["read", "write"])
def test_canary_outside_the_array_is_caught(reach):
    @compiled()
    def read(values):
        total = 0.0
        for i in range(values.size + 1):
            total += values[i]
        return total

    @compiled()
    def write(values):
        for i in range(values.size + 1):
            values[i] = 1.0

    with pytest.raises(IndexError, match="out of bounds"):
        {"read": read, "write": write}[reach](np.zeros(3))


@pytest.mark.skipif(CHECKED, reason="this is the run that checks bounds")
def test_no_kernel_reaches_outside_its_arrays(tmp_path):
    settings = {
        "NUMBA_BOUNDSCHECK": "1",
        "NUMBA_CACHE_DIR": str(tmp_path),  # a warm cache holds kernels that check nothing
    }
    options = ["-q", "-rA", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests/kernels", *ELSEWHERE.values()],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for reach in ("read", "write"):
        canary = (
            f"PASSED tests/kernels/test_bounds.py::test_canary_outside_the_array_is_caught[{reach}]"
        )
        assert canary in run.stdout
    for path in (ROOT / "widgets/endmember/_kernels").glob("*.py"):
        if path.stem not in ("__init__", "jit"):
            where = ELSEWHERE.get(path.stem, f"tests/kernels/test_{path.stem}.py")
            assert f"PASSED {where}" in run.stdout
    assert "test_gram_is_the_weighted_product_in_numpy[compiled]" in run.stdout
