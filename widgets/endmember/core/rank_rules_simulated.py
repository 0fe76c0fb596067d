"""How many components: rules that compare the counts with counts that were drawn."""

from __future__ import annotations

import numba
import numpy as np
import scipy.sparse as sp
from scipy.linalg import blas

from endmember.core.blocks import BLOCK_BYTES
from endmember.core.checks import canonical_csr
from endmember.core.drawn import Draws, Scaled, highest
from endmember.core.noise import TRACY_WIDOM, noise_width
from endmember.core.products import marginals
from endmember.core.rank_rules import (
    Asked,
    CannotSayError,
    Found,
    at_most,
    leading_run,
    numbered,
)
from endmember.core.rank_sequence import poisson_sequence

N_DRAWS = 4
N_FLIPS = 2
FAR = 3.0  # standard deviations above the mean of what was drawn


def sequence(case):
    """How many components stand out of Poisson counts drawn from a fit without them."""
    found = poisson_sequence(
        case.spectra,
        gain=case.gain,
        most=case.most,
        seed=case.seed,
        callback=lambda progress: case.tell(progress.fraction),
    )
    ks, note = 1 + numbered(found.eigenvalues), at_most(found.rank, case.most)
    return Found(found.rank, ks, found.eigenvalues, found.limits, note)


def parallel(case):
    """How many eigenvalues exceed the noise of Poisson counts about the mean spectrum alone.

    References
    ----------
    J. L. Horn, Psychometrika 30 (1965) 179, doi:10.1007/BF02289447.
    """
    _check_enough(case)
    pixel_sums, channel_sums = marginals(case.spectra)
    model = pixel_sums[:, None], channel_sums[None] / channel_sums.sum()
    draws = Draws(model, pixel_sums, Scaled(), case.gain, np.random.SeedSequence(case.seed))
    drawn: list[float] = []
    while len(drawn) < N_DRAWS:
        drawn += draws.eigenvalues(min(numba.get_num_threads(), N_DRAWS - len(drawn)))
        case.tell(len(drawn) / N_DRAWS)
    return _beyond_drawn(case, drawn)


def _check_enough(case):
    if len(case.scree) < 2:
        raise CannotSayError("too small: there is a single eigenvalue.")


def flips(case):
    """How many eigenvalues beyond the mean exceed the highest after flipping signs by chance.

    What the mean spectrum leaves is compared with itself, the sign of every entry drawn anew: that
    keeps the variance of each, and takes away what they have in common.

    References
    ----------
    D. Hong, Y. Sheng and E. Dobriban (2020), doi:10.48550/arXiv.2012.02985.
    """
    _check_enough(case)
    scores, _ = case.pca.noise_units(case.spectra)
    first = scores[:, :1], case.pca._axes[:1]
    rows = _Rows(case.spectra, case.pca.pixel_scale_, case.pca.channel_scale_, *first)
    grams = _flipped_grams(rows, np.random.default_rng(case.seed), case.tell)
    return _beyond_drawn(case, [highest(gram, 1)[0] / case.shape[0] for gram in grams])


class _Rows:
    """Scaled counts without their first component, as dense blocks of the longer side's rows."""

    def __init__(self, spectra, pixels, channels, scores, axes):
        if spectra.shape[0] < spectra.shape[1]:
            turned = spectra.T
            spectra = canonical_csr(turned) if sp.issparse(spectra) else turned
            pixels, channels, scores, axes = channels, pixels, axes.T, scores.T
        self.shape = spectra.shape
        self._parts = spectra, pixels, channels, scores, axes

    def blocks(self):
        """Yield blocks of float32, and the share of the rows that they bring it to."""
        spectra, pixels, channels, scores, axes = self._parts
        size = max(1, int(BLOCK_BYTES / 4 / self.shape[1]))
        for start in range(0, self.shape[0], size):
            some = slice(start, start + size)
            block = spectra[some]
            block = block.toarray() if sp.issparse(block) else np.asarray(block)
            block = block * pixels[some, None].astype(np.float32) * channels.astype(np.float32)
            block = block - (scores[some] @ axes).astype(np.float32)
            yield block.astype(np.float32), min(1.0, (start + size) / self.shape[0])


def _flipped_grams(rows, rng, tell):
    """Return the Gram matrix of the rows after every flip of signs."""
    n_columns = rows.shape[1]
    grams = [np.zeros((n_columns, n_columns), np.float32, order="F") for _ in range(N_FLIPS)]
    done = 0.0
    for block, share in rows.blocks():
        for i, gram in enumerate(grams):
            flipped = block * flipped_signs(block.shape, rng)
            grams[i] = blas.ssyrk(1.0, flipped.T, 1.0, gram, overwrite_c=True)
            tell(done + (share - done) * (i + 1) / N_FLIPS)
        done = share
    return [np.triu(gram) + np.triu(gram, 1).T for gram in grams]


def flipped_signs(shape, rng):
    """Return as many signs as an array of some shape has entries, by chance."""
    size = int(np.prod(shape))
    bits = np.unpackbits(np.frombuffer(rng.bytes(-(-size // 8)), dtype=np.uint8), count=size)
    return (2 * bits.view(np.int8) - 1).reshape(shape)


def _beyond_drawn(case, drawn):
    """Count the leading eigenvalues that lie far above the highest of noise that was drawn.

    Not the second above the second, and so on: once there are components, the second of the counts
    may be the highest of their noise.
    """
    n = min(case.most, len(case.scree))
    # the scatter of a few draws is itself uncertain: never less than that of even noise
    scatter = max(np.std(drawn, ddof=1), TRACY_WIDOM * noise_width(*case.shape) * np.mean(drawn))
    limit = np.mean(drawn) + FAR * scatter
    rank = leading_run(case.scree[:n] > limit)
    return Found(rank, np.arange(2, n + 1), case.scree[1:n], limit, note=at_most(rank, case.most))


SEQUENCE = {
    "sequence": Asked(
        sequence,
        "Does the next eigenvalue stand above those of Poisson counts drawn from a fit without it?",
        "eigenvalue, faint pixels and channels scaled less",
        "noise variance",
        "Whatever is no Poisson noise of a few components counts as one: drift, spikes, a "
        "background of varying exponent, the detector's blur, a gain other than the one given.",
        "drift, spikes or blur stand out of Poisson counts too",
        "components are too weak to stand out",
    ),
}
DRAWN_RULES = {
    "parallel": Asked(
        parallel,
        "How many eigenvalues exceed the noise of Poisson counts about the mean spectrum alone?",
        "eigenvalue",
        "noise variance",
        "Its null is Poisson noise about one mean spectrum: where phases differ much, noise is "
        "less even than that, and more is counted; so are drift, spikes and blur.",
        "noise about its one mean spectrum is more even than that of phases that differ much",
        "components are too weak to stand out",
    ),
    "sign-flip": Asked(
        flips,
        "How many eigenvalues beyond the mean exceed the highest once signs are drawn anew?",
        "eigenvalue",
        "noise variance",
        "Flipping turns strong components into noise, so that weak ones beside them are missed; "
        "drift, spikes of many pixels and blur are structure that it breaks, and are counted.",
        "drift or blur are structure that flipping breaks",
        "strong components become noise when flipped, and hide weak ones",
    ),
}
