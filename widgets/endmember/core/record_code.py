"""The script that makes the result of a record again."""

from __future__ import annotations

import inspect

from endmember.core.cluster_recipe import code_of_tuned
from endmember.core.makers import (
    OF_WIDGETS,
    check_replayable,
    data_argument,
    maker,
    not_default,
    settings_of,
)
from endmember.core.settings import WORDS

OPENERS = ("em.open(", "em.datasets.load(")  # what they return needs nobody's variables
PLAIN = "em.SpectrumImage(counts)"


def code_of(record):
    """Return a script of plain calls; see :meth:`Record.to_code`."""
    check_replayable(record)
    settings_of(record)  # refuses what cannot be written
    name = "image" if record.origin else "counts"
    steps = [f"{name} = {_step_code(name, step)}" for step in record.steps]
    imports, calls = _calls(record, name)
    lines = [*imports, "", *_comments(record), *_loading(record), *steps, *calls]
    return "\n".join(lines) + "\n"


def _calls(record, name):
    """Return the imports, and the lines that do the work."""
    if record.estimator in OF_WIDGETS:
        return code_of_tuned(record)
    result = f"result = {_call(record, name)}"
    numpy = ["import numpy as np"] if "np." in result else []
    return [*numpy, "import endmember as em"], [result]


def _comments(record):
    made_with = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return [f"# Made with {made_with}; threads: {record.threads}."]


def _loading(record):
    shape, sha256 = tuple(record.data["shape"]), record.data["sha256"]
    if not record.origin:
        return [f"# counts: load here those of shape {shape}, sha256 {sha256}"]
    what = "after these steps" if record.steps else "of what is visible"
    return [*_opening(record.origin), f"# image.spectra {what}: shape {shape}, sha256 {sha256}"]


def _opening(origin):
    """Return the lines that load an image, comments where only its owner knows how."""
    code, shape, hidden = origin["code"], tuple(origin["shape"]), origin["hidden"]
    if code.startswith(OPENERS):
        return [f"image = {code}"]
    if code == PLAIN:
        return [f"# counts: load here those of shape {shape}", f"image = {PLAIN}"]
    kept = f"shape {shape}, {hidden[0]} pixels and {hidden[1]} channels hidden"
    return [f"# image: load it here, {code}: {kept}"]


def _step_code(name, step):
    settings = dict(step["parameters"])
    if step["name"] == "thin":
        part = settings.pop("part")
        return f"em.thin({name}, {_spelled_all(settings)})[{part}]"
    if step["name"] == "align_signal_axis":
        return f"em.align_signal_axis({name}, {_spelled_all(settings)})"
    if step["name"] in ("crop", "rebin"):
        return f"{name}.{step['name']}({_spelled_all(settings)})"
    raise ValueError(
        f"the step {step['name']!r} put other counts into the image, which the record does not "
        "hold; write down yourself how they were made."
    )


def _call(record, name):
    spelt = {
        key: spelled(value) + (f".fit({name})" if _is_fitted(record, key, value) else "")
        for key, value in not_default(record.estimator, record.parameters).items()
    }
    settings = ", ".join(f"{key}={text}" for key, text in spelt.items())
    if inspect.isclass(maker(record.estimator)):
        return f"em.{record.estimator}({settings}).fit({name})"
    position, argument = data_argument(record)
    given = [name, settings] if position == 0 else [settings, f"{argument}={name}"]
    return f"em.{record.estimator}({', '.join(filter(None, given))})"


def _is_fitted(record, name, value):
    """Whether a setting is an estimator that was fitted to the same counts."""
    return name in record.made_from and isinstance(value, dict) and "estimator" in value


def _spelled_all(settings):
    return ", ".join(f"{key}={spelled(value)}" for key, value in settings.items())


def spelled(value):
    """Return a setting of a record as Python has it.

    Examples
    --------
    >>> spelled({"dtype": "<f8", "values": [1.0, "nan"]})
    'np.array([1.0, np.nan], dtype="<f8")'
    """
    if isinstance(value, str):
        return f"{'-' * (value[0] == '-')}np.{value.strip('-')}" if value in WORDS else repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(spelled, value))}]"
    if not isinstance(value, dict):
        return repr(value)
    if set(value) == {"dtype", "values"}:
        return f'np.array({spelled(value["values"])}, dtype="{value["dtype"]}")'
    if set(value) == {"estimator", "parameters"}:
        settings = not_default(value["estimator"], value["parameters"])
        return f"em.{value['estimator']}({_spelled_all(settings)})"
    return f"{{{', '.join(f'{key!r}: {spelled(item)}' for key, item in value.items())}}}"
