"""Results made again from their records, with a word on every reason why bits may differ."""

from __future__ import annotations

import inspect
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator

from endmember.core import machine
from endmember.core.align import align_signal_axis
from endmember.core.blocks import fingerprint
from endmember.core.checks import canonical_csr, is_dask, level_of_caller, native
from endmember.core.decomposition import Decomposition
from endmember.core.entropy import as_maps
from endmember.core.image import SpectrumImage
from endmember.core.kmeans import KMeans
from endmember.core.makers import (
    OF_WIDGETS,
    check_replayable,
    data_argument,
    maker,
    settings_of,
)
from endmember.core.progress import check_callback
from endmember.core.record import Record, form_of
from endmember.core.sources import as_spectrum_image
from endmember.core.thinning import thin
from endmember.core.threads import blas_threads, most_threads


def replay(record, data, *, strict=True, callback=None):
    """Make the result of a record again, from the same counts.

    Settings, seed, steps and the number of threads are those of the record. Where there is no
    warning, the result has the same bits.

    Parameters
    ----------
    record : Record, str or path-like
        The record, its JSON, or the file that holds it.
    data : SpectrumImage, HyperSpy signal, array, CSR array or dask array
        The counts that the estimator was given, of shape (n_pixels, n_channels) or
        (*navigation_shape, n_channels), or the image before the steps of the record, which are
        then taken again. Dense and CSR counts take the form that they had.
    strict : bool, default=True
        Refuse counts whose hash is another one. False does the same with other counts, all steps
        included, and says so in a warning.
    callback : callable, optional
        Called with a :class:`Progress` where the estimator or function tells of any; where it
        returns True, the work stops as it does there, and what is found differs.

    Returns
    -------
    fitted estimator, or what the function returns
        With a record of its own in ``record_`` or ``record``.

    Raises
    ------
    ValueError
        Where the counts are others; where the record comes from a later release, or of an
        estimator that is not known; where a setting was an object that no record can hold, such
        as a generator; where blocks were fitted with ``partial_fit``.

    Warns
    -----
    UserWarning
        Once, with a line for each difference: versions, processor, BLAS, threads, form of the
        counts; and whether the result has the same bits, or by how much it differs.

    Notes
    -----
    Not recorded is whether a callback stopped the work early. How much an array differs is told by
    the sums of eight parts of it, which a record holds beside the hash.

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("mixture").image
    >>> nmf = em.NMF(3, random_state=1).fit(image.rebin(channels=2))
    >>> again = em.replay(nmf.record_.to_json(), image)
    >>> bool((again.components_ == nmf.components_).all())
    True
    """
    check_callback(callback)
    record = as_record(record)
    check_replayable(record)
    job = Job(maker(record.estimator), settings_of(record), record)
    data = job.found(data, strict=strict)
    with _threads_of(record):
        lines = _differences(record, data)
        result = job.run(data, callback)
    made = getattr(result, "record_", None) or result.record
    if made.data == record.data:
        _warn_of(record, lines, _other_arrays(record, made))
    else:
        _warn_of_other_counts(record, made)
    return result


def as_record(record):
    """Return a record from itself, from JSON or from a file."""
    if isinstance(record, Record):
        return record
    if isinstance(record, str) and record.lstrip()[:1] in ("{", "["):
        return Record.from_json(record)
    try:
        path = Path(record)
    except TypeError:
        raise TypeError(
            f"record is a {type(record).__name__}; pass a Record (estimator.record_, "
            "result.record), its JSON, or the path of a file that holds it."
        ) from None
    if not path.is_file():
        raise FileNotFoundError(
            f"record {str(record)!r} is neither JSON nor a file; look at {path.absolute().parent}."
        )
    return Record.from_json(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Job:
    """What is to be done again.

    Parameters
    ----------
    thing : type or callable
        A class of estimators, or a function.
    settings : dict
        Its settings.
    record : Record
        What is known of the work.
    """

    thing: Any
    settings: dict
    record: Record

    @property
    def _is_class(self):
        return inspect.isclass(self.thing)

    def found(self, data, *, strict):
        """Return the counts of the record: data, or what the steps make of them."""
        if self.thing.__name__ != "relative_entropy":
            data = _as_data(data)
        if self.record.estimator in OF_WIDGETS and getattr(data, "is_lazy", False):
            data = data.to_sparse()  # as widgets do, which look at their counts again and again
        data = _in_form(data, self.record.form)
        if self._is_it(data):
            return data
        after, reason = self._after_steps(data)
        if after is not None and (not strict or self._is_it(after)):
            return after
        raise ValueError(self._refusal(data, after, reason))

    def run(self, data, callback):
        """Do the work."""
        if not self._is_class:
            hears = "callback" in inspect.signature(self.thing).parameters
            given = {data_argument(self.record)[1]: data, **self._fitted_settings(data)}
            return self.thing(**given, **({"callback": callback} if hears else {}))
        estimator = self.thing(**self.settings).set_params(callback=callback).fit(data)
        return estimator.set_params(callback=None)  # a result holds on to nobody's function

    def _fitted_settings(self, data):
        """Return settings in which an estimator that was fitted to the same counts is so again."""
        fitted = dict(self.settings)
        for name in self.record.made_from:
            if isinstance(fitted.get(name), BaseEstimator):
                fitted[name].fit(data)
        return fitted

    def _is_it(self, data):
        wanted = self.record.data
        if list(self._shape(data)) != wanted["shape"]:
            return False
        return fingerprint(self._rows(data)) == wanted["sha256"]

    def _rows(self, data):
        """Return counts as they are hashed."""
        if self.thing.__name__ == "relative_entropy":
            return as_maps(data, self.settings.get("mask"))
        if self._is_class:
            estimator = self.thing(**self.settings)
            check = estimator._check_rows if self.thing is KMeans else estimator._check_spectra
            return check(data, reset=True)
        rows = data.spectra if isinstance(data, SpectrumImage) else data
        return canonical_csr(rows) if sp.issparse(rows) else rows

    def _shape(self, data):
        if self.thing.__name__ == "relative_entropy":
            return self._rows(data).shape
        return (data.spectra if isinstance(data, SpectrumImage) else data).shape

    def _after_steps(self, data):
        """Return the image after the steps of the record, or why there is none."""
        if not self.record.steps:
            return data, ""
        try:
            image = as_spectrum_image(data)
            for step in self.record.steps:
                image = _after(image, step)
        except (TypeError, ValueError) as error:
            return None, f" The steps of the record cannot be taken: {error}"
        return image, ""

    def _refusal(self, data, after, reason):
        wanted, steps = self.record.data, self.record.steps
        text = (
            f"the record is of counts of shape {tuple(wanted['shape'])} with sha256 "
            f"{wanted['sha256']}, but data have shape {tuple(self._shape(data))} with sha256 "
            f"{_hash(self._plain_rows(data))}"
        )
        if steps and after is not None:
            text += (
                f", and after the steps {', '.join(step['name'] for step in steps)} shape "
                f"{tuple(after.spectra.shape)} with sha256 {_hash(after.spectra)}"
            )
        text += "; load the counts that it was made from, their masks included"
        return f"{text}, or pass strict=False to do the same with these.{reason}"

    def _plain_rows(self, data):
        if self.thing.__name__ == "relative_entropy":
            return self._rows(data)
        return data.spectra if isinstance(data, SpectrumImage) else data


def _hash(rows):
    return fingerprint(canonical_csr(rows) if sp.issparse(rows) else rows)


def _as_data(data):
    """Return counts as an image, or as an array of two dimensions."""
    if isinstance(data, SpectrumImage):
        return data
    if sp.issparse(data) or (is_dask(data) and data.ndim == 2):
        return data
    if hasattr(data, "axes_manager") or is_dask(data) or np.ndim(data) != 2:
        return as_spectrum_image(data)
    return native(np.asarray(data))


def _in_form(data, form):
    """Return counts in memory in the form that they had: what is added up first depends on it."""
    is_held = isinstance(data, SpectrumImage | np.ndarray) or sp.issparse(data)
    kind = form_of(data)["kind"] if is_held else "dask"
    wanted = form.get("kind", kind)
    if wanted == kind or "dask" in (wanted, kind):
        return data
    if isinstance(data, SpectrumImage):
        return data.to_sparse() if wanted == "csr" else data.to_dense()
    return sp.csr_array(data) if wanted == "csr" else data.toarray()


def _after(image, step):
    """Take one step again."""
    how = dict(step["parameters"])
    if step["name"] == "thin":
        part = how.pop("part")
        return thin(image, **how)[part]
    if step["name"] == "crop":
        return image.crop(**how)
    if step["name"] == "rebin":
        return image.rebin(**how)
    if step["name"] == "align_signal_axis":
        return align_signal_axis(image, **how)
    raise ValueError(
        f"the step {step['name']!r} put other counts into the image, which the record does not "
        "hold; pass the image after it."
    )


@contextmanager
def _threads_of(record):
    """Use as many threads as the record did, as far as there are any."""
    before = numba.get_num_threads()
    numba.set_num_threads(max(1, min(record.threads, most_threads())))
    most = max((library["threads"] for library in record.blas), default=None)
    try:
        with blas_threads(most):
            yield
    finally:
        numba.set_num_threads(before)


def _differences(record, data):
    """Return a line for everything that may change bits, and is not as it was."""
    now = machine.versions()
    pairs = [(f"{name} ", was, now.get(name)) for name, was in record.versions.items()]
    pairs.append(("threads: ", record.threads, numba.get_num_threads()))
    pairs += _differing_parts("processor ", record.cpu, machine.processor())
    pairs += _differing_blas(record.blas, machine.blas())
    if record.form and not isinstance(data, Decomposition):
        pairs.append(("counts as ", record.form["kind"], form_of(data)["kind"]))
    lines = [f"{what}{was} then, {is_now} now" for what, was, is_now in pairs if was != is_now]
    if not record.cpu:
        lines.append("processor and BLAS then are not in the record")
    return lines


def _differing_parts(what, then, now):
    """Yield the parts of dictionaries, without the words that both have."""
    for name, was in then.items():
        known, is_known = was.split(), now.get(name, "").split()
        lost = " ".join(word for word in known if word not in is_known) or "no more"
        new = " ".join(word for word in is_known if word not in known) or "no more"
        yield f"{what}{name}: ", lost, new


def _differing_blas(then, now):
    words = ["{name} {version} {kernels} with {threads} threads".format(**one) for one in then]
    others = ["{name} {version} {kernels} with {threads} threads".format(**one) for one in now]
    for i in range(len(words) if then else 0):
        yield "BLAS ", words[i], others[i] if i < len(others) else "none"


def _other_arrays(record, made):
    """Return a line for every main array with other bits; None where none was recorded."""
    if not record.result:
        return None
    return [
        f"{name} {_how_far(kept, made.result.get(name))}"
        for name, kept in record.result.items()
        if kept["sha256"] != made.result.get(name, {}).get("sha256")
    ]


def _how_far(then, now):
    if now is None or then["shape"] != now["shape"]:
        shape = None if now is None else tuple(now["shape"])
        return f"has shape {shape}, not {tuple(then['shape'])}"
    sums, others = (np.array(one["sums"], dtype=np.float64) for one in (then, now))
    if not np.isfinite([sums, others]).all():
        return "differs, and is no number in places"
    far = np.abs(sums - others).max() / max(np.abs(sums).max(), 1e-300)
    return f"differs: the sums of its parts by {far:.1e} of the largest"


def _warn_of(record, lines, others):
    """Say what differs, and whether it mattered."""
    if not lines and others == []:
        return
    text = f"{record.estimator} was made again where the same bits are not promised:"
    if not lines:
        text = (
            f"{record.estimator} was made again with the same counts, settings, versions and "
            "threads"
        )
    body = "".join(f"\n- {line}" for line in lines)
    warnings.warn(f"{text}{body}\n{_outcome(others)}", UserWarning, stacklevel=level_of_caller())


def _outcome(others):
    if others is None:
        return "The record holds no hash of the result, so that bits could not be compared."
    if not others:
        return "The result has the same bits all the same."
    return f"The result has other bits: {'; '.join(others)}."


def _warn_of_other_counts(record, made):
    warnings.warn(
        f"{record.estimator} was done with other counts: of shape {tuple(record.data['shape'])} "
        f"with sha256 {record.data['sha256']} then, {tuple(made.data['shape'])} with sha256 "
        f"{made.data['sha256']} now.",
        UserWarning,
        stacklevel=level_of_caller(),
    )
