"""Doors into the house: arrays, signals and files become spectrum images."""

from __future__ import annotations

import json
from pathlib import Path

from endmember.core.hyperspy import from_dictionary, from_signal
from endmember.core.image import SpectrumImage


def as_spectrum_image(data, axis=None, **settings):
    """Return `data` as a spectrum image, whatever it comes as.

    Parameters
    ----------
    data : SpectrumImage, array, scipy.sparse array, dask array or HyperSpy signal
        Arrays have shape ``(*navigation_shape, n_channels)``. A signal may be eager or lazy, is
        not changed, and brings its axes, metadata and the masks of an earlier decomposition.
    axis : array_like of shape (n_channels,), optional
        Signal axis of an array.
    **settings
        What :class:`SpectrumImage` takes besides. For a signal `mask` and `channel_mask` may be
        arrays or signals of bool, True where hidden. They count before what the signal brings:
        where its pixels have changed since :meth:`SpectrumImage.to_hyperspy`, pass `mask`, and
        `companions` and `regions` if they are still wanted.

    Returns
    -------
    SpectrumImage

    Examples
    --------
    >>> import numpy as np, endmember as em
    >>> em.as_spectrum_image(np.ones((3, 4, 5), dtype=np.uint8), title="flat")
    <SpectrumImage 'flat', 3 × 4 pixels, 5 channels, dense uint8>
    """
    if isinstance(data, SpectrumImage):
        if axis is not None or settings:
            raise TypeError(
                "data are a SpectrumImage already and take no further settings; make a new one "
                "with em.SpectrumImage(image.counts, ...)."
            )
        return data
    if hasattr(data, "axes_manager"):
        if axis is not None:
            raise TypeError("a signal brings its own axis; change it on the signal instead.")
        return from_signal(data, **settings)
    return SpectrumImage(data, axis, **settings)


def open(path, *, lazy=False, **settings):
    """Open a file as a spectrum image, in any format that RosettaSciIO reads.

    Parameters
    ----------
    path : str or path-like
        The file; its ending says the format (.hspy, .bcf, .dm4, .emd, .rpl, .msa ...).
    lazy : bool, default=False
        Leave the counts in the file and read them when they are needed.
    **settings
        What the reader of that format takes besides; see RosettaSciIO.

    Returns
    -------
    SpectrumImage
        With the axes and metadata of the file. Of several signals in a file, the one spectrum
        image; where there are more, an error lists them.
    """
    path = Path(path)
    if not path.exists():  # some formats, such as .zspy, are folders
        raise FileNotFoundError(
            f"path {str(path)!r} does not exist; look at {path.absolute().parent}."
        )
    trees = _read(path, lazy=lazy, **settings)
    images = [tree for tree in trees if _is_spectrum_image(tree)]
    if len(images) != 1:
        found = ", ".join(f"{_title(t)} {tuple(t['data'].shape)}" for t in trees) or "nothing"
        raise ValueError(
            f"{path.name} holds {len(images)} spectrum images where one was expected "
            f"(found: {found}); open it with HyperSpy and pass the signal you want."
        )
    image = from_dictionary(images[0])
    given = {"lazy": True, **settings} if lazy else settings
    arguments = [json.dumps(str(path)), *(f"{key}={value!r}" for key, value in given.items())]
    image.code = f"em.open({', '.join(arguments)})"
    return image


def _read(path, **settings):
    """Read every signal in a file as dictionaries, with one clear error if it cannot be read."""
    from importlib import import_module

    import rsciio

    ending = path.suffix.lower().lstrip(".")
    formats = [p for p in rsciio.IO_PLUGINS if ending in map(str.lower, p["file_extensions"])]
    if not formats:
        raise ValueError(
            f"path {path.name!r} ends in {path.suffix!r}, which no reader knows; export it as "
            ".hspy, or load the array yourself and pass it to em.SpectrumImage."
        )
    problems, unknown = [], []
    for plugin in formats:
        try:
            return import_module(plugin["api"]).file_reader(str(path), **settings)
        except Exception as error:  # readers fail in their own ways on a damaged file
            setting = _unknown_setting(error, settings)
            unknown += [setting] if setting else []
            problem = f"the reader knows no setting {setting!r}" if setting else error
            problems.append(f"{plugin['name']}: {problem}")
    found = f"{path.name} could not be read ({'; '.join(problems)})"
    if unknown:
        raise TypeError(f"{found}; leave {unknown[0]!r} out, or look its name up in RosettaSciIO.")
    raise ValueError(
        f"{found}; the file may be damaged or cut short. Copy it again from its source."
    )


def _unknown_setting(error, settings):
    """Return the setting that a reader, or the library below it, refused to know."""
    if not isinstance(error, TypeError) or "keyword argument" not in str(error):
        return None
    return next((name for name in settings if repr(name) in str(error)), None)


def _is_spectrum_image(tree):
    navigate = [entry["navigate"] for entry in tree["axes"]]
    return navigate.count(False) == 1 and navigate.count(True) >= 1


def _title(tree):
    return (tree.get("metadata") or {}).get("General", {}).get("title") or "untitled"
