"""What made a result: the counts, the settings and the versions, so that it can be made again."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from math import isfinite
from numbers import Integral, Real

import numba
import numpy as np
import scipy
import sklearn

from endmember._version import __version__
from endmember.core.blocks import fingerprint

UNRECORDED = ("callback",)  # says how to watch the work, not what it is


@dataclass(frozen=True)
class Record:
    """What made a result.

    Attributes
    ----------
    estimator : str
        Public name of the class or function.
    parameters : dict
        Its settings, as JSON has them: an array is a dictionary of its dtype and values, and what
        is no finite number a word.
    seed : int or None
        What random work began from. None where there is none, or where the caller handed in a
        generator, whose state is not known afterwards.
    data : dict
        ``sha256`` of the counts (see :class:`Fingerprint`), and their ``shape``.
    versions : dict
        Of Python and of the libraries that did the work.
    threads : int
        How many could be used.
    """

    estimator: str
    parameters: dict
    seed: int | None
    data: dict
    versions: dict
    threads: int

    def to_json(self) -> str:
        """Return the record as JSON."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text):
        """Return the record that JSON holds."""
        return cls(**json.loads(text))


def record_of(name, parameters, spectra):
    """Return the record of work on spectra, after the work: they are read once more."""
    kept = {key: value for key, value in parameters.items() if key not in UNRECORDED}
    seed = kept.get("random_state", kept.get("seed"))
    return Record(
        estimator=name,
        parameters={key: plain(value) for key, value in kept.items()},
        seed=int(seed) if isinstance(seed, Integral) else None,
        data={"sha256": fingerprint(spectra), "shape": list(map(int, spectra.shape))},
        versions=versions(),
        threads=numba.get_num_threads(),
    )


def versions():
    """Return the versions of Python and of the libraries that numbers depend on."""
    libraries = {"numpy": np, "scipy": scipy, "scikit-learn": sklearn, "numba": numba}
    return {
        "endmember": __version__,
        "python": platform.python_version(),
        **{name: library.__version__ for name, library in libraries.items()},
    }


def plain(value):
    """Return a setting as JSON has it."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if isfinite(value) else repr(float(value))
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str, "values": plain(value.tolist())}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return repr(value)
