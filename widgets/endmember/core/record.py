"""What made a result: the counts, the settings and the versions, so that it can be made again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral
from typing import Any

import numba
import numpy as np
import scipy.sparse as sp

from endmember._version import __version__
from endmember.core import machine
from endmember.core.blocks import LazyRows, fingerprint
from endmember.core.checks import is_dask
from endmember.core.image import SpectrumImage
from endmember.core.settings import plain, plain_kept

FORMAT = 1  # of records; those of releases that wrote none have 0
MAIN = ("components_", "abundances_", "labels_", "cluster_centers_")  # arrays of an estimator
N_SUMS = 8  # parts of an array whose sums are kept: they tell rounding from another result
HASHED_AT_ONCE = 1 << 20  # numbers


@dataclass(frozen=True)
class Record:
    """What made a result, as a file can hold it.

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
        ``sha256`` of the counts that the estimator was given (see ``Fingerprint``), and their
        ``shape``: those that are visible, after all `steps`.
    versions : dict
        Of Python and of the libraries that did the work.
    threads : int
        How many could be used.
    steps : list of dict
        What was done to the image before, in order: ``name`` and ``parameters`` of each step. Not
        known, and empty, where the estimator was given an array.
    origin : dict
        Of an image: the ``code`` that loaded it, its ``shape`` before all steps, and how many
        pixels and channels were ``hidden``, and the ``unit`` of its axis. Empty where the estimator
        was given an array.
    form : dict
        ``kind`` (dense, csr or dask) and ``dtype`` of the counts. The hash does not depend on it,
        the last bits of a result may.
    made_from : dict
        Of settings that were taken from another result: its own record, as a dictionary.
    method : str
        ``"partial_fit"`` where the counts came in blocks, else ``"fit"``.
    cpu : dict
        ``machine``, ``name`` of the processor, and the instructions that ``numba`` and ``numpy``
        find there: they decide the last bits.
    blas : list of dict
        ``name``, ``version``, ``kernels`` and ``threads`` of every BLAS.
    result : dict
        Of the main arrays: ``sha256`` of their bytes, ``dtype``, ``shape``, and the sums of eight
        parts in order, which tell how much another result differs.
    version : int
        Of the form of the record.

    See Also
    --------
    replay : make the result again.

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("mixture").image
    >>> record = em.NMF(3, random_state=1).fit(image.rebin(channels=2)).record_
    >>> [step["name"] for step in record.steps], record.seed, record.data["shape"]
    (['rebin'], 1, [1024, 32])
    >>> type(record).from_json(record.to_json()) == record
    True
    """

    estimator: str
    parameters: dict
    seed: int | None
    data: dict
    versions: dict
    threads: int
    steps: list = field(default_factory=list)
    origin: dict = field(default_factory=dict)
    form: dict = field(default_factory=dict)
    made_from: dict = field(default_factory=dict)
    method: str = "fit"
    cpu: dict = field(default_factory=dict)
    blas: list = field(default_factory=list)
    result: dict = field(default_factory=dict)
    version: int = FORMAT

    def to_json(self) -> str:
        """Return the record as JSON."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text):
        """Return the record that JSON holds; refuse what is none, or comes from a later release."""
        kept = _parsed(text)
        version = kept.setdefault("version", 0)
        if not isinstance(version, int) or version > FORMAT:
            raise ValueError(
                f"the record has format version {version!r}, but endmember {__version__} reads "
                f"versions up to {FORMAT}; update endmember."
            )
        names = {part.name for part in fields(cls)}
        missing = {"estimator", "parameters", "data", "versions", "threads", "seed"} - set(kept)
        if missing or set(kept) - names:
            raise ValueError(
                f"this is no record: it lacks {sorted(missing)} and has unknown "
                f"{sorted(set(kept) - names)}; pass what Record.to_json wrote."
            )
        record = cls(**kept)
        _check_types(record)
        return record

    def to_code(self) -> str:
        """Return a script that makes the result again, with the settings that are not defaults.

        It needs no widgets. Where the record does not know how the counts were loaded, a comment
        says which counts are to be put there.
        """
        from endmember.core.record_code import code_of

        return code_of(self)

    def methods(self) -> str:
        """Return a paragraph for a paper: what was done, in which versions, and whom to cite."""
        from endmember.core.record_methods import methods_of

        return methods_of(self)


def _parsed(text):
    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    try:
        kept = json.loads(text, parse_constant=refuse)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the text is no JSON ({error}); pass what Record.to_json wrote."
        ) from error
    if not isinstance(kept, dict):
        raise ValueError(
            f"the JSON is a {type(kept).__name__}, no record; pass what Record.to_json wrote."
        )
    return kept


def _check_types(record):
    """Refuse a record whose parts are of another kind, before anything is done with them."""
    defaults = {"estimator": "", "threads": 1, "parameters": {}, "data": {}, "versions": {}}
    defaults |= {"steps": [], "origin": {}, "form": {}, "made_from": {}, "cpu": {}, "blas": []}
    defaults |= {"method": "", "result": {}}
    for name, default in defaults.items():
        if not isinstance(getattr(record, name), type(default)):
            raise ValueError(
                f"{name} of the record is {getattr(record, name)!r}, no {type(default).__name__}; "
                "pass what Record.to_json wrote."
            )
    if not {"sha256", "shape"} <= set(record.data):
        raise ValueError(
            f"data of the record hold {sorted(record.data)}, but 'sha256' and 'shape' are needed; "
            "pass what Record.to_json wrote."
        )


def record_of(name, parameters, spectra, *, source=None, result=None, made_from=None):
    """Return the record of work on spectra, after the work: they are read once more.

    Parameters
    ----------
    name : str
        Public name of the class or function.
    parameters : dict
        Its settings.
    spectra : array, CSR array or LazyRows of shape (n_pixels, n_channels)
        The counts that it worked on.
    source : SpectrumImage or array, optional
        What it was given; an image knows the steps before. By default `spectra`.
    result : dict of str to ndarray, optional
        The main arrays that were found.
    made_from : dict of str to Record, optional
        Of settings that were taken from another result.
    """
    kept = plain_kept(parameters)
    seed = parameters.get("random_state", parameters.get("seed"))
    image = source if isinstance(source, SpectrumImage) else None
    return Record(
        estimator=name,
        parameters=kept,
        seed=int(seed) if isinstance(seed, Integral) else None,
        data={"sha256": fingerprint(spectra), "shape": list(map(int, spectra.shape))},
        versions=machine.versions(),
        threads=numba.get_num_threads(),
        steps=[] if image is None else [dict(step) for step in image.steps],
        origin={} if image is None else dict(image.origin),
        form=form_of(spectra if source is None else source),
        made_from={key: asdict(record) for key, record in (made_from or {}).items()},
        cpu=machine.processor(),
        blas=machine.blas(),
        result=hashed(result or {}),
    )


def results_of(estimator):
    """Return the main arrays of a fitted estimator."""
    return {name: vars(estimator)[name] for name in MAIN if name in vars(estimator)}


def form_of(source) -> dict[str, Any]:
    """Return how counts are held."""
    if isinstance(source, LazyRows):
        source = source.array
    held = source.counts if isinstance(source, SpectrumImage) else source
    kind = "csr" if sp.issparse(held) else "dask" if is_dask(held) else "dense"
    dtype = getattr(held, "dtype", None)
    if not isinstance(dtype, np.dtype):
        dtype = np.asarray(held).dtype
    return {"kind": kind, "dtype": dtype.str}


def hashed(arrays):
    """Return of every array its hash, dtype, shape and the sums of its parts."""
    return {name: _hashed(np.asarray(values)) for name, values in arrays.items()}


def _hashed(values):
    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
    flat = values.reshape(-1)  # a view unless its rows do not follow each other
    found = hashlib.sha256()
    for start in range(0, flat.size, HASHED_AT_ONCE):
        found.update(np.ascontiguousarray(flat[start : start + HASHED_AT_ONCE]).data)
    sums = [part.sum(dtype=np.float64) for part in np.array_split(flat, N_SUMS)]
    return {
        "sha256": found.hexdigest(),
        "dtype": values.dtype.str,
        "shape": list(values.shape),
        "sums": plain(sums),
    }
