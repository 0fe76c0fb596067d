"""Pooling of adjacent violators, with what it costs up to every place."""

from endmember._kernels.jit import compiled


@compiled()
def pool_rising(values, weights, costs, levels, stops):
    """Fit what rises and is nowhere negative to the first values, then to one more each time.

    Parameters
    ----------
    values, weights : ndarray of float64, shape (n_values,)
        What is fitted by weighted least squares; no weight is zero.
    costs : ndarray of float64, shape (n_values + 1,)
        Zeros; entry `i` becomes the sum of squares that the fit to the first `i` values leaves.
    levels : ndarray of float64, shape (n_values,)
        Its first entries become the levels of the fit to all values.
    stops : ndarray of int64, shape (n_values,)
        Its first entries become the places where each level ends, exclusive.

    Returns
    -------
    int
        Number of levels.
    """
    n_values = values.size
    means, masses, spreads = levels.copy(), levels.copy(), levels.copy()
    n_levels, cost = 0, 0.0
    for i in range(n_values):
        mean, mass, spread = values[i], weights[i], 0.0
        while n_levels > 0 and means[n_levels - 1] >= mean:
            n_levels -= 1
            below = min(means[n_levels], 0.0)
            cost -= spreads[n_levels] + masses[n_levels] * below * below
            both = mass + masses[n_levels]
            step = mean - means[n_levels]
            spread += spreads[n_levels] + mass * masses[n_levels] / both * step * step
            mean -= step * masses[n_levels] / both
            mass = both
        below = min(mean, 0.0)
        cost += spread + mass * below * below
        means[n_levels], masses[n_levels], spreads[n_levels] = mean, mass, spread
        stops[n_levels] = i + 1
        n_levels += 1
        costs[i + 1] = cost
    for j in range(n_levels):
        levels[j] = max(means[j], 0.0)
    return n_levels
