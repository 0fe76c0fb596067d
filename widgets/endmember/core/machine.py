"""What decides the last bits beside counts and settings: libraries, the processor, threads."""

from __future__ import annotations

import platform
from functools import cache
from importlib import import_module

import llvmlite.binding as llvm
import numba
import numpy as np
import scipy
import sklearn

from endmember._version import __version__
from endmember.core.threads import CONFIG, blas_libraries

SIMD = ("sse", "ssse", "avx", "fma", "f16c", "neon", "sve", "asimd")  # instructions on numbers


def versions():
    """Return the versions of Python and of the libraries that numbers depend on."""
    libraries = {"numpy": np, "scipy": scipy, "scikit-learn": sklearn, "numba": numba}
    return {
        "endmember": __version__,
        "python": platform.python_version(),
        **{name: library.__version__ for name, library in libraries.items()},
    }


def processor():
    """Return the machine, the processor, and the instructions that Numba and NumPy use on it."""
    return dict(_processor())


@cache
def _processor():
    return {
        "machine": platform.machine(),
        "name": CONFIG.CPU_NAME or llvm.get_host_cpu_name(),
        "numba": _of_numba(),
        "numpy": _of_numpy(),
    }


def _of_numba():
    chosen = CONFIG.CPU_FEATURES
    found = llvm.get_host_cpu_features().flatten() if chosen is None else chosen
    names = (name[1:] for name in found.split(",") if name.startswith("+"))
    return " ".join(sorted(name for name in names if name.startswith(SIMD)))


def _of_numpy():
    for place in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        try:
            found = import_module(place).__cpu_features__
        except (ImportError, AttributeError):  # another NumPy keeps it elsewhere
            continue
        return " ".join(sorted(name for name, is_there in found.items() if is_there))
    return ""


def blas():
    """Return name, version, kernels and threads of every BLAS that is loaded."""
    found = [
        {
            "name": library["internal_api"],
            "version": str(library["version"]),
            "kernels": str(library.get("architecture", "")),
            "threads": int(library["num_threads"]),
        }
        for library in blas_libraries()
    ]
    return sorted(found, key=lambda library: list(map(str, library.values())))
