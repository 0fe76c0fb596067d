"""Gibbs sampling of a mixture: numbers drawn from what the others leave open for them.

Random numbers come from a NumPy generator that the caller owns: the same one gives the same bits,
whatever runs beside it. Spectra are stored channel by channel, shape (n_channels, n_components).
"""

import numpy as np

from endmember._kernels.jit import compiled

FEW = 12  # counts that are shared out one by one; more of them by binomial draws
LEAST = 1e-300  # what stands for zero where something is divided by it, or its logarithm taken
NARROW = 1.0  # mean steps of the exponential: narrower intervals are drawn from evenly
WIDE = 2.5  # standard deviations, sqrt(2 pi): from where on a normal draw mostly hits
ALIKE = 1e-12  # of the squared lengths of two spectra: below, nothing tells them apart


@compiled()
def chosen(rng, weights, total):
    """Return one component, by chance in proportion to weights of a given sum."""
    level = rng.random() * total
    for k in range(weights.size - 1):
        level -= weights[k]
        if level < 0.0:
            return k
    return weights.size - 1


@compiled()
def share_out(rng, count, weights, total, shares):
    """Fill `shares` with so many counts, shared out by chance in proportion to `weights`.

    A fraction of a count, which no counter gives, goes to one component as a whole.
    """
    whole = np.floor(count)
    shares[:] = 0.0
    if whole <= FEW:
        for _ in range(int(whole)):
            shares[chosen(rng, weights, total)] += 1.0
    else:
        left, rest = int(whole), total
        for k in range(weights.size - 1):
            odds = 1.0 if weights[k] >= rest else weights[k] / rest
            drawn = rng.binomial(left, odds)
            shares[k] = drawn
            left -= drawn
            rest -= weights[k]
        shares[weights.size - 1] = left
    if count > whole:
        shares[chosen(rng, weights, total)] += count - whole


@compiled()
def split_row(rng, indices, counts, spectra, row, weights, shares, mine, by_channel):
    """Share the counts of one row out among components.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    indices, counts : ndarray
        Where the row holds counts, and how many.
    spectra : ndarray of float64, shape (n_channels, n_components)
        In counts.
    row : ndarray of float64, shape (n_components,)
        Abundances.
    weights, shares : ndarray of float64, shape (n_components,)
        Work space.
    mine : ndarray of float64, shape (n_components,)
        Becomes the counts of each component in the row.
    by_channel : ndarray of float64, shape (n_channels, n_components)
        Counts of each component are added to it.

    Returns
    -------
    float
        ``sum(counts * log(model))``.
    """
    found = 0.0
    mine[:] = 0.0
    for q in range(indices.size):
        c, total = indices[q], 0.0
        for k in range(row.size):
            weights[k] = row[k] * spectra[c, k]
            total += weights[k]
        found += counts[q] * np.log(max(total, LEAST))
        if total <= 0.0:  # by underflow: nothing tells the components apart
            weights[:] = 1.0
            total = float(row.size)
        share_out(rng, counts[q], weights, total, shares)
        for k in range(row.size):
            mine[k] += shares[k]
            by_channel[c, k] += shares[k]
    return found


@compiled()
def draw_shares(rng, mine, heights, highest, concentration, row):
    """Draw abundances of sum one, given the counts of each component in the row.

    Their density goes as ``prod(a**(concentration - 1 + mine)) * exp(-heights @ a)``. Were all
    spectra as high as the highest, this would be Dirichlet's. So each gets one more channel, which
    nobody saw, with what its spectrum lacks: its counts are drawn, used, and forgotten.
    """
    total = 0.0
    for k in range(row.size):
        unseen = rng.poisson(row[k] * (highest - heights[k])) if heights[k] < highest else 0
        row[k] = rng.standard_gamma(concentration + mine[k] + unseen)
        total += row[k]
    for k in range(row.size):
        row[k] = row[k] / total if total > 0.0 else 1.0 / row.size


@compiled()
def draw_amounts(rng, mine, heights, concentration, row):
    """Draw abundances of any sum, given the counts of each component in the row.

    A priori they are gamma distributed around one over the number of components.
    """
    for k in range(row.size):
        rate = concentration * row.size + heights[k]
        row[k] = rng.standard_gamma(concentration + mine[k]) / rate


@compiled()
def draw_rows_poisson(
    rng, indptr, indices, counts, spectra, heights, concentration, sums_to_one, rows, by_channel
):
    """Share all counts out among components, and draw the abundances of every row.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    indptr, indices, counts : ndarray
        CSR arrays.
    spectra : ndarray of float64, shape (n_channels, n_components)
        In counts.
    heights : ndarray of float64, shape (n_components,)
        Sums of the spectra over the channels.
    concentration : float
        Of the abundances a priori.
    sums_to_one : bool
        Whether those of each row do.
    rows : ndarray of float64, shape (n_rows, n_components)
        Abundances, drawn anew in place.
    by_channel : ndarray of float64, shape (n_channels, n_components)
        Becomes the counts of each component.

    Returns
    -------
    float
        Logarithm of the likelihood of the abundances before, up to a constant.
    """
    n_components = rows.shape[1]
    weights, shares, mine = (
        np.empty(n_components),
        np.empty(n_components),
        np.empty(n_components),
    )
    highest, found = heights.max(), 0.0
    by_channel[:] = 0.0
    for p in range(rows.shape[0]):
        row, first, last = rows[p], indptr[p], indptr[p + 1]
        for k in range(n_components):
            found -= row[k] * heights[k]
        found += split_row(
            rng,
            indices[first:last],
            counts[first:last],
            spectra,
            row,
            weights,
            shares,
            mine,
            by_channel,
        )
        if sums_to_one:
            draw_shares(rng, mine, heights, highest, concentration, row)
        else:
            draw_amounts(rng, mine, heights, concentration, row)
    return found


@compiled()
def draw_spectra_free(rng, by_channel, totals, concentration, rate, spectra):
    """Draw spectra of any height, given the counts of each component in every channel.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    by_channel : ndarray of float64, shape (n_channels, n_components)
        Counts.
    totals : ndarray of float64, shape (n_components,)
        Sums of the abundances over the pixels.
    concentration, rate : float
        Shape and rate of the gamma distribution a priori.
    spectra : ndarray of float64, shape (n_channels, n_components)
        Drawn anew in place.
    """
    for c in range(spectra.shape[0]):
        for k in range(spectra.shape[1]):
            drawn = rng.standard_gamma(concentration + by_channel[c, k])
            spectra[c, k] = drawn / (rate + totals[k])


@compiled()
def draw_spectra_of_height(rng, by_channel, height, concentration, spectra):
    """Draw spectra of one height, given the counts of each component in every channel.

    Parameters
    ----------
    rng, by_channel, concentration, spectra : Generator, ndarray and float
        As in :func:`draw_spectra_free`.
    height : float
        Sum of each spectrum over the channels, in counts.
    """
    for k in range(spectra.shape[1]):
        total = 0.0
        for c in range(spectra.shape[0]):
            spectra[c, k] = rng.standard_gamma(concentration + by_channel[c, k])
            total += spectra[c, k]
        for c in range(spectra.shape[0]):
            spectra[c, k] *= height / max(total, LEAST)


@compiled()
def excess(rng, low, width):
    """Draw what a standard normal number has above `low`, which is not negative, up to `width`."""
    rate = 0.5 * (low + np.hypot(low, 2.0))
    while True:
        if width * rate < NARROW:
            found = width * rng.random()
            odds = np.exp(-found * (low + 0.5 * found))
        else:
            found = rng.standard_exponential() / rate
            odds = np.exp(-0.5 * (low + found - rate) ** 2) if found <= width else 0.0
        if rng.random() < odds:
            return found


@compiled()
def around_zero(rng, low, high):
    """Draw a standard normal number between two that have zero between them."""
    while True:
        if high - low > WIDE:
            found = rng.standard_normal()
            if low <= found <= high:
                return found
        else:
            found = low + (high - low) * rng.random()
            if rng.random() < np.exp(-0.5 * found * found):
                return found


@compiled()
def truncated_normal(rng, mean, sd, low, high):
    """Draw a normal number between `low` and `high`, exactly, however far they are from its mean.

    By rejection, from normal, even or exponential draws, whichever fits.
    """
    a, b = (low - mean) / sd, (high - mean) / sd
    if not b > a:
        return low
    if a > 0.0:
        found = low + sd * excess(rng, a, b - a)
    elif b < 0.0:
        found = high - sd * excess(rng, -b, b - a)
    else:
        found = mean + sd * around_zero(rng, a, b)
    return min(max(found, low), high)


@compiled()
def is_accepted(rng, ratio, power):
    """Whether a step of Metropolis and Hastings is made, where a density has one more power."""
    return power == 0.0 or rng.random() < max(ratio, LEAST) ** power


@compiled()
def balance_gaussian(rng, slopes, gram, variance, concentration, row):
    """Draw abundances of one row anew, pair by pair, while their sum stays.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    slopes : ndarray of float64, shape (n_components,)
        Products of the spectra with what the model leaves of the counts; follows the abundances.
    gram : ndarray of float64, shape (n_components, n_components)
        Products of the spectra with each other.
    variance : float
        Of the noise, in counts squared.
    concentration : float
        Of the abundances a priori.
    row : ndarray of float64, shape (n_components,)
        Changed in place.
    """
    for k in range(row.size):
        for j in range(k):
            squares = gram[k, k] + gram[j, j]
            bend = max(squares - 2.0 * gram[k, j], ALIKE * squares + LEAST)
            mean, sd = (slopes[k] - slopes[j]) / bend, np.sqrt(variance / bend)
            step = truncated_normal(rng, mean, sd, -row[k], row[j])
            mine, theirs = max(row[k] + step, 0.0), max(row[j] - step, 0.0)
            ratio = (mine / max(row[k], LEAST)) * (theirs / max(row[j], LEAST))
            if is_accepted(rng, ratio, concentration - 1.0):
                row[k], row[j] = mine, theirs
                for i in range(row.size):
                    slopes[i] -= step * (gram[i, k] - gram[i, j])


@compiled()
def change_gaussian(rng, slopes, gram, variance, concentration, row):
    """Draw abundances of one row anew, one by one, of any sum; as :func:`balance_gaussian`."""
    rate = concentration * row.size
    for k in range(row.size):
        bend = max(gram[k, k], LEAST)
        mean = row[k] + (slopes[k] - variance * rate) / bend
        drawn = truncated_normal(rng, mean, np.sqrt(variance / bend), 0.0, np.inf)
        if is_accepted(rng, drawn / max(row[k], LEAST), concentration - 1.0):
            for i in range(row.size):
                slopes[i] -= (drawn - row[k]) * gram[i, k]
            row[k] = drawn


@compiled()
def project_row(indices, counts, spectra, products):
    """Fill `products` with those of the spectra and one row of counts."""
    products[:] = 0.0
    for q in range(indices.size):
        for k in range(products.size):
            products[k] += counts[q] * spectra[indices[q], k]


@compiled()
def draw_row_gaussian(rng, products, gram, variance, concentration, sums_to_one, slopes, row):
    """Draw the abundances of one row anew; return ``a @ gram @ a - 2 * products @ a`` of them."""
    for k in range(row.size):
        slopes[k] = products[k]
        for j in range(row.size):
            slopes[k] -= gram[k, j] * row[j]
    if sums_to_one:
        balance_gaussian(rng, slopes, gram, variance, concentration, row)
    else:
        change_gaussian(rng, slopes, gram, variance, concentration, row)
    found = 0.0
    for k in range(row.size):
        found -= row[k] * (products[k] + slopes[k])
    return found


@compiled()
def draw_rows_gaussian(
    rng, indptr, indices, counts, spectra, gram, variance, concentration, sums_to_one, rows, corr
):
    """Draw the abundances of every row, and gather what the spectra need of them.

    Parameters
    ----------
    rng, indptr, indices, counts, spectra, concentration, sums_to_one, rows
        As in :func:`draw_rows_poisson`.
    gram : ndarray of float64, shape (n_components, n_components)
        Products of the spectra with each other.
    variance : float
        Of the noise, in counts squared.
    corr : ndarray of float64, shape (n_channels, n_components)
        Becomes the products of counts and abundances.

    Returns
    -------
    float
        Squares of what the model leaves of the counts, less those of the counts.
    """
    n_components = rows.shape[1]
    products, slopes, found = np.empty(n_components), np.empty(n_components), 0.0
    corr[:] = 0.0
    for p in range(rows.shape[0]):
        row, first, last = rows[p], indptr[p], indptr[p + 1]
        project_row(indices[first:last], counts[first:last], spectra, products)
        found += draw_row_gaussian(
            rng, products, gram, variance, concentration, sums_to_one, slopes, row
        )
        for q in range(first, last):
            for k in range(n_components):
                corr[indices[q], k] += counts[q] * row[k]
    return found


@compiled()
def slope_of(c, k, gram, corr, spectra):
    """Return the product of abundances `k` and what the model leaves of the counts in a channel."""
    found = corr[c, k]
    for j in range(gram.shape[0]):
        found -= gram[k, j] * spectra[c, j]
    return found


@compiled()
def draw_channels(rng, gram, corr, variance, concentration, rate, spectra):
    """Draw spectra of any height anew, number by number.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    gram : ndarray of float64, shape (n_components, n_components)
        Products of the abundances with each other.
    corr : ndarray of float64, shape (n_channels, n_components)
        Products of counts and abundances.
    variance : float
        Of the noise, in counts squared.
    concentration, rate : float
        Shape and rate of the gamma distribution a priori.
    spectra : ndarray of float64, shape (n_channels, n_components)
        Changed in place.
    """
    for c in range(spectra.shape[0]):
        for k in range(spectra.shape[1]):
            old, bend = spectra[c, k], max(gram[k, k], LEAST)
            mean = old + (slope_of(c, k, gram, corr, spectra) - variance * rate) / bend
            drawn = truncated_normal(rng, mean, np.sqrt(variance / bend), 0.0, np.inf)
            if is_accepted(rng, drawn / max(old, LEAST), concentration - 1.0):
                spectra[c, k] = drawn


@compiled()
def exchange_channels(rng, gram, corr, variance, concentration, order, spectra):
    """Draw spectra anew while their heights stay: each channel with the next one of `order`.

    Parameters
    ----------
    rng, gram, corr, variance, concentration, spectra : Generator, ndarray and float
        As in :func:`draw_channels`.
    order : ndarray of int, shape (n_channels,)
        All channels, by chance.
    """
    for i in range(order.size if order.size > 1 else 0):
        c, d = order[i - 1], order[i]
        for k in range(spectra.shape[1]):
            bend = max(2.0 * gram[k, k], LEAST)
            apart = slope_of(c, k, gram, corr, spectra) - slope_of(d, k, gram, corr, spectra)
            here, there = spectra[c, k], spectra[d, k]
            sd = np.sqrt(variance / bend)
            step = truncated_normal(rng, apart / bend, sd, -here, there)
            mine, theirs = max(here + step, 0.0), max(there - step, 0.0)
            ratio = (mine / max(here, LEAST)) * (theirs / max(there, LEAST))
            if is_accepted(rng, ratio, concentration - 1.0):
                spectra[c, k], spectra[d, k] = mine, theirs


@compiled()
def room_along(axis, spectrum):
    """Return how far a spectrum can go back and forth along an axis, and nowhere be negative."""
    low, high = -np.inf, np.inf
    for c in range(axis.size):
        if axis[c] > 0.0:
            low = max(low, -spectrum[c] / axis[c])
        elif axis[c] < 0.0:
            high = min(high, -spectrum[c] / axis[c])
    return low, high


@compiled()
def draw_projections(rng, gram, corr, variance, concentration, rate, axes, first, spectra):
    """Draw spectra anew along one axis of their subspace after the other.

    Parameters
    ----------
    rng, gram, corr, variance, concentration, rate, spectra : Generator, ndarray and float
        As in :func:`draw_channels`.
    axes : ndarray of float64, shape (n_projections, n_channels)
        Of length one, at right angles to each other.
    first : int
        Axis to begin with: those before it hold the heights of the spectra.
    """
    for k in range(spectra.shape[1]):
        bend = max(gram[k, k], LEAST)
        for d in range(first, axes.shape[0]):
            axis, slope = axes[d], 0.0
            for c in range(axis.size):
                if axis[c] != 0.0:
                    there = slope_of(c, k, gram, corr, spectra) - variance * rate
                    slope += axis[c] * there
            low, high = room_along(axis, spectra[:, k])
            sd = np.sqrt(variance / bend)
            step, ratio = truncated_normal(rng, slope / bend, sd, low, high), 0.0
            if concentration != 1.0:
                for c in range(axis.size):
                    if axis[c] != 0.0:
                        new = max(spectra[c, k] + step * axis[c], LEAST)
                        ratio += np.log(new / max(spectra[c, k], LEAST))
            if is_accepted(rng, np.exp(ratio), concentration - 1.0):
                for c in range(axis.size):
                    spectra[c, k] = max(spectra[c, k] + step * axis[c], 0.0)


@compiled()
def mean_row_poisson(
    rng, indices, counts, spectra, concentration, sums_to_one, n_burn, n_samples, unused, mean
):
    """Fill `mean` with the mean abundances of one row under known spectra.

    Parameters
    ----------
    rng, indices, counts, spectra, concentration, sums_to_one
        As in :func:`draw_rows_poisson`, of one row.
    n_burn, n_samples : int
        Draws that are left out, and that are averaged.
    unused : ndarray of float64, shape (n_channels, n_components)
        Work space.
    mean : ndarray of float64, shape (n_components,)
        Where to begin; becomes the mean.
    """
    row = mean.copy().reshape((1, mean.size))
    indptr = np.array([0, indices.size])
    heights = spectra.sum(axis=0)
    mean[:] = 0.0
    for i in range(n_burn + n_samples):
        draw_rows_poisson(
            rng,
            indptr,
            indices,
            counts,
            spectra,
            heights,
            concentration,
            sums_to_one,
            row,
            unused,
        )
        if i >= n_burn:
            mean += row[0] / n_samples


@compiled()
def mean_row_gaussian(
    rng, products, gram, variance, concentration, sums_to_one, n_burn, n_samples, mean
):
    """Fill `mean` with the mean abundances of one row under known spectra.

    Parameters
    ----------
    rng, n_burn, n_samples, mean
        As in :func:`mean_row_poisson`.
    products : ndarray of float64, shape (n_components,)
        Of the spectra and the counts.
    gram, variance, concentration, sums_to_one
        As in :func:`draw_rows_gaussian`.
    """
    row, slopes = mean.copy(), np.empty(mean.size)
    mean[:] = 0.0
    for i in range(n_burn + n_samples):
        draw_row_gaussian(rng, products, gram, variance, concentration, sums_to_one, slopes, row)
        if i >= n_burn:
            mean += row / n_samples
