"""From the name in a record to the class or function behind it."""

from __future__ import annotations

import inspect
from importlib import import_module

from sklearn.base import BaseEstimator

from endmember.core.settings import plain, revived

FUNCTIONS = (
    "bootstrap",
    "cluster_sweep",
    "correspondence_analysis",
    "cross_validate",
    "fit_abundances",
    "phase_map",
    "rank_report",
    "relative_entropy",
)
# What widgets leave records of is made again without them, by functions of the core.
OF_WIDGETS = {"ClusterTuner": ("endmember.core.cluster_recipe", "tuned_clusters")}


def maker(name):
    """Return the public class or function of a name, of those that leave records."""
    if name in OF_WIDGETS:
        module, function = OF_WIDGETS[name]
        return getattr(import_module(module), function)
    package = import_module("endmember")
    thing = getattr(package, name) if name in package.__all__ else None
    is_estimator = inspect.isclass(thing) and issubclass(thing, BaseEstimator)
    if thing is None or not (is_estimator or name in FUNCTIONS):
        raise ValueError(
            f"the record is of {name!r}, which endmember {package.__version__} cannot make again "
            "by itself; call it with the parameters of the record, in the release that is named in "
            "its versions."
        )
    return thing


def check_replayable(record):
    """Refuse records of work that depended on more than they hold."""
    if record.method == "partial_fit":
        raise ValueError(
            f"{record.estimator} was fitted in blocks with partial_fit, and the record does not "
            "hold which came when; call fit with all counts, a dask array for instance."
        )
    parameters = inspect.signature(maker(record.estimator)).parameters
    unknown = set(record.parameters) - set(parameters)
    if unknown:
        raise ValueError(
            f"{record.estimator} knows no settings {sorted(unknown)}; use the release that is "
            "named in the versions of the record."
        )
    if "random_state" in record.parameters and record.parameters["random_state"] is None:
        raise ValueError(
            "random_state was None, so that random work began anywhere; set it to a whole number, "
            "and make the result anew."
        )


def data_argument(record):
    """Return which argument the counts are: the first that is no setting, and where it stands."""
    names = list(inspect.signature(maker(record.estimator)).parameters)
    position = next(i for i, name in enumerate(names) if name not in record.parameters)
    return position, names[position]


def settings_of(record):
    """Return the settings of a record as they were before they became JSON."""
    return _revived(record.parameters)


def _revived(parameters):
    return {name: revived(value, name, made) for name, value in parameters.items()}


def made(name, parameters):
    """Return the estimator of a name, with settings as records hold them."""
    return maker(name)(**_revived(parameters))


def not_default(name, parameters):
    """Return the settings that are not those by default, and the seed."""
    defaults = {
        key: plain(parameter.default)
        for key, parameter in inspect.signature(maker(name)).parameters.items()
        if parameter.default is not parameter.empty
    }
    return {
        key: value
        for key, value in parameters.items()
        if key in ("random_state", "seed") or key not in defaults or defaults[key] != value
    }
