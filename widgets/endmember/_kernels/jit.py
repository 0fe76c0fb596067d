"""How every kernel is compiled, in one place."""

from numba import njit


def compiled(**more):
    """Return the decorator that compiles a kernel, caches it and releases the GIL.

    Kernels run side by side in threads of their caller, who cuts the work in parts: one version is
    compiled, not a second one with loops of Numba's own threads, and bounds can be checked in it.

    Parameters
    ----------
    **more
        Settings of ``numba.njit`` besides.
    """
    return njit(cache=True, nogil=True, **more)
