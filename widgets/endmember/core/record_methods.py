"""The paragraph for a paper that a record can write."""

from __future__ import annotations

from dataclasses import replace

from endmember.core.citations import METHODS, cited
from endmember.core.makers import not_default

ALWAYS = {  # said whether or not it is a default
    "n_components": "{} components",
    "n_clusters": "{} clusters",
    "likelihood": "{} likelihood",
    "loss": "{} loss",
    "weighting": "weighting for noise: {}",
    "constraint": "constraint on abundances: {}",
    "constraints": "constraints: {}",
    "method": "method: {}",
    "features": "features: {}",
}
MOST_VALUES = 8  # of a list or an array, that are written out
SILENT = ("random_state", "seed")  # the seed is said last
SILENT_OF_TUNERS = ("k", "algorithm", "names", "ratio")  # said elsewhere, or no part of the work
NAMES = {
    "numpy": "NumPy",
    "scipy": "SciPy",
    "numba": "Numba",
    "python": "Python",
}


def methods_of(record):
    """Return the paragraph; see :meth:`Record.methods`."""
    works = cited(_as_cited(record))
    numbers = f" [{', '.join(str(i + 1) for i in range(len(works)))}]" if works else ""
    sentences = [
        *_steps(record),
        f"{_counts(record)} were {_did(record)}{numbers}{_with(record)}.",
        *_made_from(record),
        _versions(record),
    ]
    paragraph = " ".join(sentences)
    listed = [f"[{i + 1}] {text}" for i, text in enumerate(works)]
    return "\n".join([paragraph, *([""] if listed else []), *listed])


def _as_cited(record):
    """Return the record of the method behind a widget."""
    if record.estimator != "ClusterTuner" or record.parameters["algorithm"] != "k-means":
        return record
    settings = {"init": "k-means++", "features": record.parameters["features"]}
    return replace(record, estimator="KMeans", parameters=settings)


def _counts(record):
    n_pixels, n_channels = record.data["shape"]
    what = "maps" if record.estimator == "relative_entropy" else "channels"
    held = "Features" if record.estimator == "KMeans" else "Counts"
    what = "features" if record.estimator == "KMeans" else what
    return f"{held} of {n_pixels} pixels and {n_channels} {what}"


def _did(record):
    known = METHODS.get(record.estimator)
    if record.estimator == "ClusterTuner":
        return f"divided into {record.parameters['k']} clusters by {_divider(record)}"
    return known.did if known else f"analysed with {record.estimator}"


def _divider(record):
    is_mixture = record.parameters["algorithm"] != "k-means"
    return "a mixture of Gaussians" if is_mixture else "k-means"


def _with(record):
    """Return the settings that matter, in words."""
    told = {name: record.parameters[name] for name in ALWAYS if name in record.parameters}
    told |= not_default(record.estimator, record.parameters)
    silent = SILENT + SILENT_OF_TUNERS * (record.estimator == "ClusterTuner")
    if told.get("features", "pca") != "pca":
        silent += ("n_components",)
    told = {k: v for k, v in told.items() if v is not None and k not in silent}
    words = [_worded(name, value) for name, value in told.items()]
    if record.method == "partial_fit":
        words.append("in blocks of pixels")
    if record.seed is not None:
        words.append(f"random seed {record.seed}")
    return f" ({', '.join(words)})" if words else ""


def _worded(name, value):
    if name in ALWAYS:
        return ALWAYS[name].format(_short(value))
    return f"{name.replace('_', ' ')} {_short(value)}"


def _short(value):
    """Return a value in words; of many numbers only how many there are."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value.replace("_", " ")
    if isinstance(value, list):
        if len(value) > MOST_VALUES:
            return f"{len(value)} values"
        return " and ".join(map(_short, value))
    return _short_table(value) if isinstance(value, dict) else f"{value:.6g}"


def _short_table(value):
    if set(value) == {"dtype", "values"}:
        shape, inner = [], value["values"]
        while isinstance(inner, list):
            shape.append(len(inner))
            inner = inner[0] if inner else None
        return "array of " + " × ".join(map(str, shape))
    if "object" in value or "estimator" in value:
        return value.get("object") or value["estimator"]
    return " and ".join(value)


def _steps(record):
    """Yield a sentence on what was done to the image before."""
    if not record.steps:
        return
    shape = record.origin["shape"]
    pixels = " × ".join(map(str, shape[:-1]))
    done = ", then ".join(_step(step, record.origin["unit"]) for step in record.steps)
    yield f"A map of {pixels} pixels and {shape[-1]} channels was {done}."


def _step(step, unit):
    name, how = step["name"], step["parameters"]
    if name == "rebin":
        blocks = " × ".join(map(str, how["pixels"]))
        return f"rebinned by {how['channels']} channels and {blocks} pixels"
    if name == "crop":
        window = "{:g} to {:g} ".format(*how["window"]) + unit if "window" in how else ""
        block = " × ".join(f"{a}:{b}" for a, b in how.get("region", ()))
        block = f"pixels {block}" if block else ""
        return "cropped to " + " and ".join(filter(None, [window.strip(), block]))
    if name == "thin":
        return f"thinned (fraction {how['fraction']:g}, seed {how['seed']}, part {how['part']})"
    if name == "align_signal_axis":
        shifts = "given" if "shifts" in how else "measured"
        return f"aligned along its signal axis by {shifts} shifts (seed {how['seed']})"
    return "given other counts"


def _made_from(record):
    for name, made in record.made_from.items():
        if name == "estimator":
            yield f"The {made['estimator']} had been fitted to the same counts."
            continue
        hash_of = made["data"]["sha256"][:12]
        yield (
            f"Their {name.replace('_', ' ')} came from {made['estimator']} of counts with SHA-256 "
            f"{hash_of}…."
        )


def _versions(record):
    kept = {NAMES.get(name, name): version for name, version in record.versions.items()}
    first, *others = (f"{name} {version}" for name, version in kept.items())
    return f"This was done with {first} ({', '.join(others)})."
