"""What the methods are called in prose, and which of the works in their docstrings to cite."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module

from endmember.core.makers import maker
from endmember.core.pca import is_small

SECTION = re.compile(r"^References\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", re.M | re.S)
ENTRY = re.compile(r"^\.\. \[(\d+)\] ", re.M)
DOI = re.compile(r"(?:doi:|https://doi\.org/)(\S*[^\s.])")


@dataclass(frozen=True)
class Method:
    """How a paper speaks of an estimator or a function.

    Parameters
    ----------
    did : str
        What was done to the counts, after "were".
    only : dict of int to callable
        For the works that concern some settings alone: whether these settings are among them.
    uses : dict of str to callable
        What else had a part, and with which settings; None where it had none.
    """

    did: str
    only: dict[int, Callable[[dict], bool]] = field(default_factory=dict)
    uses: dict[str, Callable[[dict], dict | None]] = field(default_factory=dict)


def _is(name, *values):
    return lambda settings: settings.get(name) in values


def _is_above(name, value):
    return lambda settings: (settings.get(name) or 0) > value


def _has(word):
    return lambda settings: any(word in name for name in _listed(settings["constraints"]))


def _listed(value):
    return [value] if isinstance(value, str) else value


def _asks(criterion):
    return lambda settings: criterion in settings["criteria"]


def _follows(rule):
    return lambda settings: rule in settings["rules"]


def _takes_krylov(settings):
    """Whether principal components were looked for by Krylov iteration."""
    if settings.get("solver") != "auto":
        return settings.get("solver") == "krylov"
    wanted, is_lazy = settings["n_components"], settings.get("held_as") == "dask"
    return not is_lazy and wanted is not None and not is_small(settings["shape"], wanted)


def _weighted(settings):
    return {"weighting": settings["weighting"]}


def _factorised(settings):
    return {"loss": "poisson"} if settings["method"] == "nmf" else None


def _spread(settings):
    return {"init": "k-means++"}


OF_PCA = {
    1: _is("weighting", "poisson"),
    2: _is("weighting", "biwhiten"),
    3: lambda settings: _takes_krylov(settings),
}
METHODS = {
    "PCA": Method("decomposed by principal component analysis, uncentred", OF_PCA),
    "NMF": Method(
        "factorised by non-negative matrix factorisation",
        {
            1: _is("loss", "poisson"),
            2: _is("loss", "poisson"),
            3: _is_above("n_restarts", 0),
            4: _is("loss", "gaussian"),
            5: _is_above("volume", 0),
            6: _is("method_of_fit", "partial_fit"),
        },
    ),
    "ICA": Method(
        "separated by independent component analysis (FastICA) of principal components",
        uses={"PCA": _weighted},
    ),
    "Varimax": Method(
        "decomposed by varimax rotation of principal components",
        {2: _is("on", "maps")},
        uses={"PCA": _weighted},
    ),
    "NFINDR": Method("unmixed by N-FINDR, the simplex of largest volume", uses={"PCA": _weighted}),
    "VCA": Method("unmixed by vertex component analysis", uses={"PCA": _weighted}),
    "MinimumVolume": Method(
        "unmixed by the simplex of smallest volume",
        {2: _is_above("outside", 0)},
        uses={"PCA": _weighted},
    ),
    "MCRALS": Method(
        "resolved by multivariate curve resolution with alternating least squares",
        {3: _has("unimodal")},
    ),
    "BayesianUnmixing": Method("unmixed by Gibbs sampling of the posterior distribution"),
    "bootstrap": Method(
        "drawn again and fitted, which gives standard errors and bands",
        {1: _is("kind", "parametric"), 2: _is("kind", "thinning")},
    ),
    "KMeans": Method("clustered by k-means", {2: _is("init", "k-means++")}),
    "cluster_sweep": Method(
        "clustered by k-means for several numbers of clusters",
        {1: _asks("silhouette"), 2: _asks("gap"), 3: _asks("stability")},
        {"KMeans": _spread},
    ),
    "correspondence_analysis": Method("decomposed by correspondence analysis"),
    "cross_validate": Method("judged by held-out counts"),
    "fit_abundances": Method(
        "fitted as sums of given endmembers",
        {1: lambda s: s["weights"] != "poisson", 2: lambda s: s["weights"] != "poisson"},
    ),
    "phase_map": Method(
        "divided into phases", {1: _is("method", "varimax")}, {"PCA": _weighted, "NMF": _factorised}
    ),
    "rank_report": Method(
        "asked for their number of components by several rules",
        {
            1: _follows("elbow"),
            2: _follows("gavish-donoho"),
            4: _follows("spatial"),
            5: _follows("biwhitened"),
            6: _follows("parallel"),
            7: _follows("sign-flip"),
            8: _follows("bi-cross-validation"),
            9: _follows("thinning"),
            10: _follows("restarts"),
        },
    ),
    "relative_entropy": Method("compared with even maps by their relative entropy"),
}


def references(thing):
    """Return the works in the References of a docstring, by number; without numbers, from 1 on.

    Examples
    --------
    >>> import endmember as em
    >>> references(em.NFINDR)
    {1: 'M. E. Winter, Proc. SPIE 3753 (1999) 266, doi:10.1117/12.366289.'}
    """
    section = SECTION.search(inspect.getdoc(thing) or "")
    if section is None:
        return {}
    parts = ENTRY.split(section[1])
    if len(parts) == 1:
        return {1: " ".join(parts[0].split())}
    return {
        int(number): " ".join(text.split())
        for number, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def dois(text):
    """Return the DOIs in a text, in order.

    Examples
    --------
    >>> dois("A. Neufeld, https://doi.org/10.1093/biostatistics/kxac047. S. Lloyd, doi:10.1109/X.")
    ['10.1093/biostatistics/kxac047', '10.1109/X']
    """
    return DOI.findall(text)


def cited(record):
    """Return the works that concern what was done, each once."""
    found = [text for step in record.steps if step["name"] == "thin" for text in _all_of("thin")]
    known = {"method_of_fit": record.method, "held_as": record.form.get("kind"), **record.data}
    settings = {**known, **record.parameters}
    method = METHODS.get(record.estimator, Method(""))
    found += _concerned(record.estimator, settings, method)
    for name, settings_of in method.uses.items():
        part = settings_of(settings)
        found += [] if part is None else _concerned(name, part, METHODS[name])
    if settings.get("features") == "log-ratio":
        found += _all_of("cluster_features")
    for kept in record.made_from.values():
        found += cited(type(record)(**kept))
    return list(dict.fromkeys(found))


def _all_of(name):
    endmember = import_module("endmember")

    return list(references(getattr(endmember, name)).values())


def _concerned(name, settings, method):
    works = references(maker(name))
    return [text for n, text in works.items() if n not in method.only or method.only[n](settings)]
