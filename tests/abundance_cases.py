"""Mixtures whose abundances are asked for, and the slow way to those that sum to one."""

from itertools import combinations

import numpy as np
from hypothesis import strategies as st


@st.composite
def problems(draw, most=5):
    """Endmembers, some of them alike, and counts of which some components are missing."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_components = draw(st.integers(1, most))
    n_channels = draw(st.integers(most + 1, 12))
    alike = draw(st.sampled_from([0.0, 0.9]))
    endmembers = rng.gamma(0.7, size=(n_components, n_channels)) + 1e-3
    endmembers = alike * endmembers[:1] + (1 - alike) * endmembers
    true = rng.dirichlet(np.full(n_components, 0.5), 15)
    dose = draw(st.sampled_from([0.3, 5.0, 200.0]))
    endmembers *= dose / endmembers.mean()
    return rng.poisson(true @ endmembers).astype(float), endmembers


def best_face(gram, b, u):
    """The lowest point within ``x >= 0`` and ``u @ x = 1``: of all faces, one after another."""
    n, best, lowest = len(b), None, np.inf
    for size in range(1, n + 1):
        for face in map(list, combinations(range(n), size)):
            bordered = np.zeros((size + 1, size + 1))
            bordered[:size, :size] = gram[np.ix_(face, face)]
            bordered[:size, size] = bordered[size, :size] = u[face]
            x = np.zeros(n)
            x[face] = np.linalg.solve(bordered, np.append(b[face], 1.0))[:size]
            value = x @ gram @ x / 2 - b @ x
            if (x >= -1e-12).all() and value < lowest:
                best, lowest = x, value
    return best
