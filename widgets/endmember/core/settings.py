"""Settings as JSON has them, and back again: numbers, words, arrays and estimators."""

from __future__ import annotations

from math import isfinite
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator

UNRECORDED = ("callback",)  # says how to watch the work, not what it is
OURS = "endmember."  # estimators of other packages may have the same names
WORDS = {repr(value): value for value in (float("nan"), float("inf"), -float("inf"))}


def plain(value):
    """Return a setting as JSON has it.

    Arrays become dictionaries of their dtype and values, what is no finite number a word,
    estimators of this package their name and settings. Of anything else only the kind is kept.

    Examples
    --------
    >>> plain((1, float("inf"), np.array([1.5])))
    [1, 'inf', {'dtype': '<f8', 'values': [1.5]}]
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if isfinite(value) else repr(float(value))
    return _plain_many(value)


def _plain_many(value):
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(item) for item in value]
    if isinstance(value, BaseEstimator) and type(value).__module__.startswith(OURS):
        return {"estimator": type(value).__name__, "parameters": plain_parameters(value)}
    if hasattr(value, "__array__") and np.asarray(value).dtype.kind in "biuf":
        value = np.asarray(value)
        return {"dtype": value.dtype.str, "values": plain(value.tolist())}
    return {"object": f"{type(value).__module__}.{type(value).__qualname__}"}


def plain_parameters(estimator):
    """Return the settings of an estimator as JSON has them."""
    return plain_kept(estimator.get_params(deep=False))


def plain_kept(parameters):
    """Return settings as JSON has them, without those that only watch the work."""
    return {key: plain(value) for key, value in parameters.items() if key not in UNRECORDED}


def revived(value, name, make):
    """Return a setting as it was before :func:`plain`, lists for tuples.

    Parameters
    ----------
    value : object
        What JSON holds.
    name : str
        Of the setting, for errors.
    make : callable
        Returns the estimator of a name and settings.
    """
    if isinstance(value, str):
        return WORDS.get(value, value)
    if isinstance(value, list):
        return [revived(item, name, make) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"object"}:
        raise ValueError(
            f"{name} was an object of the kind {value['object']}, of which a record holds no more "
            "than that; set it to numbers, words or arrays (random_state to a whole number), and "
            "make the result anew."
        )
    if set(value) == {"dtype", "values"}:
        return np.array(value["values"], dtype=value["dtype"])
    if set(value) == {"estimator", "parameters"}:
        return make(value["estimator"], value["parameters"])
    return {key: revived(item, name, make) for key, item in value.items()}
