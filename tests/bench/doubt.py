"""How many, how sure: what no peer has, so that only time and memory count."""

from __future__ import annotations

import contextlib

import numpy as np

from bench import data
from bench.harness import Row, Way

ENOUGH = 1e9  # bytes
RANK = 4


def rank_report(quick):
    """Every rule on the measured map."""
    return _report("rank_report", "all", 20.0, quick)


def rank_report_cheap(quick):
    """The rules that a person waits for, until they have answered."""
    return _report("rank_report_cheap", "cheap", 1.0, quick)


def _report(name, rules, seconds, quick):
    until = (
        " until they have answered, drift and spikes not yet looked for" if rules == "cheap" else ""
    )
    return Row(
        name,
        f"The number of components of the measured 71 GPa map by {rules} rules{until}.",
        lambda folder: prepare_map(folder, quick),
        (Way("endmember", load_map, lambda image: report(image, rules)),),
        lambda folder: lambda result: float(abs(int(result["rank"]) - RANK) if not quick else 0),
        f"how far the rank is from {RANK}",
        0.0,
        most_seconds=seconds,
        most_bytes=ENOUGH,
        most_error=0.0,
    )


def bootstrap(quick):
    """A tilt of the needle."""
    n_draws = 4 if quick else 100
    return Row(
        "bootstrap",
        f"{n_draws} parametric bootstrap draws of a Poisson NMF of rank {RANK}, with bands for "
        "spectra and maps.",
        lambda folder: data.describe(data.load_counts(data.needle(folder, quick))),
        (Way("endmember", load_tilt, lambda counts: draw(counts, n_draws)),),
        lambda folder: lambda result: float(not (result["low"] <= result["high"]).all()),
        "1 where a band is upside down",
        0.0,
        most_seconds=30.0,
        most_error=0.0,
        warm_every=8,
    )


def prepare_map(folder, quick):
    """Note how many rows and columns are taken; return what there is to say."""
    np.save(folder / "side.npy", 67 if quick else 201)
    return data.describe(load_map(folder).image.spectra)


class Map:
    """An image, of which a slice takes the upper left quarter."""

    def __init__(self, image):
        self.image = image

    def __getitem__(self, _):
        rows, columns = self.image.navigation_shape
        return Map(self.image.crop(region=[(0, rows // 2), (0, columns // 2)]))


def load_map(folder):
    """Return the measured map, or a corner of it."""
    import endmember as em

    side = int(np.load(folder / "side.npy"))
    image = em.datasets.load("diamond_anvil_71gpa")
    return Map(image.crop(region=[(0, side), (0, side)]))


def load_tilt(folder):
    """Return the counts of one tilt."""
    return data.load_counts(folder / "needle.npz")


def report(image, rules):
    """Ask the rules; leave when the cheap ones have answered, if there are no others."""
    import endmember as em

    seen = []

    def has_answered(progress):
        if progress.report is not None:
            seen.append(progress.report)
        return rules == "cheap" and bool(seen) and not seen[-1].pending

    with contextlib.suppress(em.CancelledError):
        em.rank_report(image.image, rules=rules, callback=has_answered)
    return {"rank": seen[-1].rank}


def draw(counts, n_draws):
    """Fit once, then refit what is drawn."""
    import endmember as em

    fitted = em.NMF(RANK).fit(counts)
    found = em.bootstrap(fitted, counts, n_draws=n_draws)
    return {"low": found.components_low, "high": found.components_high}
