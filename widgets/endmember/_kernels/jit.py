"""How every kernel is compiled, in one place."""

import os

from numba import njit

# Numba checks no bounds inside parallel loops, so the run that looks for them turns those off.
PARALLEL = os.environ.get("ENDMEMBER_PARALLEL", "1") != "0"


def compiled(*, parallel=False):
    """Return the decorator that compiles a kernel, caches it and releases the GIL."""
    return njit(cache=True, nogil=True, parallel=parallel and PARALLEL)
