"""Principal components of counts, weighted by their Poisson noise, and the scores."""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy.sparse as sp

from bench import data
from bench.harness import Row, Way

NEEDLE_RANK = 3  # nickel, chromium and silicon
STONE_RANK = 4  # three end-members in solid solution, and the mount
ANGLE = "largest principal angle to the exact space in degrees, in the scaled channels"
TOLERANCE = 0.01  # degrees
STACK_BYTES = 500e6


def pca_needle(quick):
    """One tilt of the needle, mostly vacuum."""
    return sparse_row(
        "pca_needle",
        partial(data.needle, quick=quick),
        NEEDLE_RANK,
        hyperspy_way("randomized", 100, 3),
        hyperspy_way("full", 300, 3),
        truncated_way(4, 3),
    )


def pca_omphacite(quick):
    """The jadeite stone, 1.2 GB once unpacked."""
    return sparse_row(
        "pca_omphacite",
        partial(data.omphacite, quick=quick),
        STONE_RANK,
        hyperspy_way("randomized", 45, 10),
        truncated_way(8, None),
    )


def pca_stack(quick):
    """All tilts of the needle, read from a file as needed."""
    path = partial(data.stack, quick=quick)
    return Row(
        "pca_stack",
        f"Poisson PCA of a mapped file: {NEEDLE_RANK} components, scores and the whole scree.",
        partial(prepare, "pca_stack", path, NEEDLE_RANK),
        (
            Way(
                'endmember PCA, "gram"',
                partial(load_mapped, path),
                partial(ours, NEEDLE_RANK, "gram"),
                whole_result,
            ),
            Way(
                'HyperSpy lazy SVD, "incremental"',
                partial(load_mapped, path),
                partial(hyperspy_lazy, NEEDLE_RANK),
                target=250,
            ),
        ),
        partial(judge, "pca_stack"),
        ANGLE,
        TOLERANCE,
        warm_every=64,
        is_mapped=True,
        most_bytes=STACK_BYTES,
        most_error=TOLERANCE,
    )


def sparse_row(name, path, rank, *peers):
    """Return the row of a sparse map of so many components; `path` makes its file."""
    return Row(
        name,
        f"Poisson PCA: {rank} components and their scores. HyperSpy gets the map unpacked.",
        partial(prepare, name, path, rank),
        (
            Way(
                "endmember PCA",
                partial(load_sparse, path),
                partial(ours, rank, "auto"),
                result_of_ours,
            ),
            *(peer(path, rank) for peer in peers),
        ),
        partial(judge, name),
        ANGLE,
        TOLERANCE,
    )


def hyperspy_way(solver, target, memory_target):
    """Return what makes the way of HyperSpy for a file."""
    return lambda path, rank: Way(
        f'HyperSpy SVD, "{solver}"',
        partial(load_dense, path),
        partial(hyperspy, rank, solver),
        target=target,
        memory_target=memory_target,
    )


def truncated_way(target, memory_target):
    """Return what makes the way of scikit-learn for a file."""
    return lambda path, rank: Way(
        'scikit-learn TruncatedSVD, "arpack"',
        partial(load_sparse, path),
        partial(truncated, rank),
        target=target,
        memory_target=memory_target,
    )


# loading


def load_sparse(path, folder):
    """Return the CSR counts."""
    return data.load_counts(path(folder))


def load_dense(path, folder):
    """Return the counts unpacked, in the smaller float that HyperSpy takes."""
    return data.load_counts(path(folder)).toarray().astype(np.float32)


def load_mapped(path, folder):
    """Return the counts of all pixels, still in their file."""
    maps = np.load(path(folder), mmap_mode="r")
    return maps.reshape(-1, maps.shape[-1])


# the ways; factors are spectra in counts, of shape (n_channels, rank)


def ours(rank, solver, counts):
    """Fit and transform."""
    import endmember as em

    pca = em.PCA(rank, solver=solver)
    return pca, pca.fit_transform(counts)


def result_of_ours(found):
    """Return the factors."""
    pca, _ = found
    return {"factors": pca.components_.T}


def whole_result(found):
    """Return the factors, and the scree that is to be whole."""
    pca, _ = found
    return {"factors": pca.components_.T, "scree": pca.scree_}


def hyperspy(rank, solver, counts):
    """Decompose dense counts; the scaling is HyperSpy's own."""
    import hyperspy.api as hs

    signal = hs.signals.Signal1D(counts)
    signal.decomposition(
        True, algorithm="SVD", output_dimension=rank, svd_solver=solver, print_info=False
    )
    return {"factors": signal.learning_results.factors}


def hyperspy_lazy(rank, counts):
    """Decompose a mapped file chunk by chunk, uncentred, in chunks of HyperSpy's choice."""
    import hyperspy.api as hs

    hs.preferences.General.show_progressbar = False
    signal = hs.signals.Signal1D(counts).as_lazy()
    signal.change_dtype("float32")  # it takes no whole numbers; nothing is read yet
    signal.decomposition(
        True, algorithm="SVD", output_dimension=rank, svd_solver="incremental", print_info=False
    )
    return {"factors": signal.learning_results.factors}


def truncated(rank, counts):
    """Scale sparse counts number by number, and decompose them."""
    from sklearn.decomposition import TruncatedSVD

    pixels = inverse_root(np.asarray(counts.sum(axis=1, dtype=np.float64)))
    channels = inverse_root(np.asarray(counts.sum(axis=0, dtype=np.float64)))
    scaled = counts.data * np.repeat(pixels, np.diff(counts.indptr))
    scaled *= channels[counts.indices]
    matrix = sp.csr_array((scaled, counts.indices, counts.indptr), shape=counts.shape)
    svd = TruncatedSVD(rank, algorithm="arpack", random_state=0)
    svd.fit_transform(matrix)
    roots = np.divide(1, channels, out=np.zeros_like(channels), where=channels > 0)
    return {"factors": svd.components_.T * roots[:, None]}


def inverse_root(sums):
    """Return one over the square root, and zero where nothing was counted."""
    return np.divide(1, np.sqrt(sums), out=np.zeros(sums.shape), where=sums > 0)


# the truth


def prepare(name, path, rank, folder):
    """Write the counts and the exact space; describe the counts."""
    mapped = path(folder).suffix == ".npy"
    counts = load_mapped(path, folder) if mapped else load_sparse(path, folder)
    axes, scale = exact_space(counts, rank)
    np.savez(folder / f"{name}-exact.npz", axes=axes, scale=scale)
    return data.describe(counts)


def exact_space(counts, rank):
    """Return the leading axes by the whole Gram matrix in float64, and the channels' scale."""
    n_channels = counts.shape[1]
    gram, sums = np.zeros((n_channels, n_channels)), np.zeros(n_channels)
    for block in data.blocks(counts):
        sums += block.sum(axis=0)
        held = block[block.any(axis=1)]
        held /= np.sqrt(held.sum(axis=1, keepdims=True))
        gram += held.T @ held
    scale = inverse_root(sums)
    gram *= scale * scale[:, None]
    return np.linalg.eigh(gram)[1][:, ::-1][:, :rank], scale


def judge(name, folder):
    """Return what tells how far a result is from the exact space."""
    with np.load(folder / f"{name}-exact.npz") as truth:
        axes, scale = truth["axes"], truth["scale"]

    def error(result):
        """Return the angle in degrees, without end where a scree is not whole."""
        if "scree" in result and result["scree"].size < np.count_nonzero(scale):
            return np.inf
        return angle(axes, result["factors"] * scale[:, None])

    return error


def angle(exact, found):
    """Return the largest principal angle between two spaces of columns, in degrees."""
    found = np.linalg.qr(np.asarray(found, dtype=np.float64))[0]
    sine = np.linalg.norm(exact - found @ (found.T @ exact), 2)
    return float(np.degrees(np.arcsin(min(1.0, sine))))
