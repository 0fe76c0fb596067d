"""The edge of pure noise, against simulated noise."""

import numpy as np
import pytest
from scipy.integrate import quad

from endmember.core.noise import count_above, noise_edge, noise_median


@pytest.mark.parametrize("shape", [(2000, 200), (300, 300), (200, 1000)])
def test_largest_eigenvalue_of_unit_noise_lies_at_the_edge(shape):
    noise = np.random.default_rng(0).standard_normal(shape)
    largest = np.linalg.svd(noise, compute_uv=False)[0] ** 2 / shape[0]
    # Tracy-Widom: mean 1.2, deviation 1.3 times n**(-2/3) of the smaller side
    assert largest == pytest.approx(noise_edge(*shape), rel=3 * min(shape) ** (-2 / 3))


def test_only_what_stands_a_percent_above_the_edge_counts():
    assert count_above([5.0, 1.02, 1.009, 1.0, 0.3], 1.0) == 2
    assert count_above([], 1.0) == 0


@pytest.mark.parametrize("aspect", [0.05, 0.5, 1.0, 2.5])
def test_the_median_of_noise_is_that_of_its_law(aspect):
    """Half of the law of Marchenko and Pastur lies below, by quadrature."""
    low, high = (1 - np.sqrt(aspect)) ** 2, (1 + np.sqrt(aspect)) ** 2

    def below(end):
        return quad(lambda x: np.sqrt(max((high - x) * (x - low), 0)) / x, low, end, limit=500)[0]

    median = noise_median(10_000, round(10_000 * aspect))
    assert below(median) / below(high) == pytest.approx(0.5, abs=1e-5)
