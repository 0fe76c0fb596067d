"""Maps of counts in windows of the spectrum: X-ray lines by name, or any window."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real

import numpy as np

from endmember.core.decomposition import Decomposition
from endmember.core.elements import line_width, xray_lines
from endmember.core.image_parts import check_window
from endmember.core.products import times
from endmember.core.sources import as_spectrum_image

TO_KEV = {"keV": 1.0, "eV": 1e-3}
MN_KA_WIDTH = 130.0  # eV, where the metadata name none; HyperSpy's default too
MAIN_LINES = ("Ka", "La", "Ma")


def line_maps(data, lines=None, *, width=2.0, background=None):
    """Return maps of the counts in X-ray lines, or in other windows of the signal axis.

    Parameters
    ----------
    data : SpectrumImage, Decomposition, or what :func:`as_spectrum_image` takes
        Counts as they were recorded, or a decomposition: its lines are summed over the
        components, then over their scores, so that maps are denoised without a denoised map being
        made.
    lines : sequence of str, or dict of str to (float, float), optional
        X-ray lines such as ``"Fe_Ka"``, on an axis in keV or eV; or windows by name, low and high
        end in the unit of the axis, as :meth:`SpectrumImage.map` takes them. By default the lines
        in the metadata (``Sample.xray_lines``) that lie on the axis, else one of every element in
        ``Sample.elements``: the first of Kα, Lα and Mα below half the beam energy.
    width : float, default=2
        Windows of named lines, in widths of the line at half maximum; turning it up catches more
        of the line, and of its neighbours. The width follows from the detector's resolution in
        the metadata (``energy_resolution_MnKa``), 130 eV by default.
    background : dict of str to sequence of four float, optional
        Two windows for each line, left low and high end, right low and high end, whose mean per
        channel is taken away; eXSpy's ``estimate_background_windows`` gives such.

    Returns
    -------
    dict of str to ndarray
        Counts of shape `navigation_shape`; hidden pixels hold NaN, hidden channels add nothing.

    Notes
    -----
    Named lines are integrated over the channels that HyperSpy and eXSpy integrate over in
    ``get_lines_intensity``: those whose upper end lies in the window. A CSR map is never unpacked.

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("six_compounds", shape=(32, 32)).image
    >>> maps = em.line_maps(image, ["Fe_Ka", "Mg_Ka"])
    >>> maps["Fe_Ka"].shape
    (32, 32)
    >>> denoised = em.line_maps(em.decompose(image, em.PCA(6)), ["Fe_Ka", "Mg_Ka"])
    """
    image = data.image if isinstance(data, Decomposition) else as_spectrum_image(data)
    if not isinstance(width, Real) or not 0 < float(width) < np.inf:
        raise ValueError(f"width is {width!r}; pass a number above 0, in widths of the line.")
    channels = _channels(image, lines, width)
    background = _checked(background, channels)
    weights = [_less(image, inside, background.get(name)) for name, inside in channels.items()]
    sums = _sums(data if isinstance(data, Decomposition) else image, np.array(weights).T)
    return dict(zip(channels, np.moveaxis(image.fold(sums), -1, 0), strict=True))


def _sums(data, weights):
    """Return the weighted sums over the channels, (n_pixels, n_lines)."""
    if isinstance(data, Decomposition):
        return data.scores @ _heights(data.components, weights)
    return times(data.spectra, weights)


def _heights(components, weights):
    """Return the weighted sums of components; NaN of those lines alone where channels are NaN."""
    missing = np.isnan(components).any(axis=0)
    sums = np.where(missing, 0.0, components) @ weights
    sums[:, weights[missing].any(axis=0)] = np.nan
    return sums


def _channels(image, lines, width):
    """Return which visible channels belong to every line, by its name."""
    if isinstance(lines, Mapping):
        named = {str(name): _inside(image, window) for name, window in lines.items()}
    else:
        if isinstance(lines, str):
            raise TypeError(f"lines is {lines!r}; pass a list of names, as [{lines!r}].")
        names = _default_lines(image) if lines is None else list(lines)
        named = {name: _near(image, _line_window(image, name, width)) for name in names}
    if not named:
        raise ValueError("lines is empty; name one at least, as ['Fe_Ka'].")
    for name, inside in named.items():
        if not inside.any():
            raise ValueError(
                f"{name} lies on hidden channels only; leave it out, or make the image with a "
                "channel_mask that leaves these visible."
            )
    return named


def _inside(image, window):
    """Tell the visible channels whose centre lies in a window, both ends included."""
    low, high = check_window(window)
    image.signal_axis.window(low, high)  # says where the axis runs if the window lies beside it
    return (image.axis >= low) & (image.axis <= high)


def _near(image, window):
    """Tell the visible channels whose upper end lies in a window."""
    values = image.signal_axis.values
    steps = np.abs(np.diff(values))
    steps = np.append(steps, steps[-1]) if values[0] < values[-1] else np.append(steps[0], steps)
    ends = values + steps / 2
    ends = ends if image.channel_mask is None else ends[~image.channel_mask]
    return (ends >= window[0]) & (ends < window[1])


def _line_window(image, name, width):
    """Return the window of an X-ray line, in the unit of the axis."""
    unit = _to_kev(image)
    energy = _energy(name)
    if not _is_on_axis(image, energy):
        low, high = np.sort(image.signal_axis.values[[0, -1]])
        raise ValueError(
            f"{name} at {energy / unit:g} {image.unit} is not on the axis, which runs from {low:g} "
            f"to {high:g} {image.unit}; leave it out, or choose another line."
        )
    resolution = _instrument(image, "Detector", "EDS", "energy_resolution_MnKa") or MN_KA_WIDTH
    half = width * float(line_width(energy, resolution=resolution / 1000)) / 2
    if not half > 0:
        raise ValueError(
            f"energy_resolution_MnKa is {resolution:g} eV in the metadata, too little for a line "
            f"at {energy:g} keV; correct it there, or pass windows."
        )
    return (energy - half) / unit, (energy + half) / unit


def _energy(name):
    """Return the energy of an X-ray line in keV."""
    element, _, line = str(name).partition("_")
    known = xray_lines(element)
    if line not in known:
        raise ValueError(
            f"line {name!r} is not in the table; of {element} it has "
            f"{[f'{element}_{key}' for key in known]}."
        )
    return known[line].energy


def _default_lines(image):
    """Return the lines in the metadata that lie on the axis, or one of each element in them."""
    sample = image.metadata.get("Sample", {})
    if sample.get("xray_lines"):
        names = [name for name in sample["xray_lines"] if _is_on_axis(image, _energy(name))]
    else:
        found = [_main_line(image, element) for element in sample.get("elements") or ()]
        names = sorted(name for name in found if name)
    if not names:
        raise ValueError(
            "the metadata name no X-ray line or element on the axis; pass lines, as ['Fe_Ka'], or "
            "windows, as {'iron': (6.2, 6.6)}."
        )
    return names


def _main_line(image, element):
    """Return the line that eXSpy would take, the first that the beam excites well."""
    names = [f"{element}_{line}" for line in MAIN_LINES if line in xray_lines(element)]
    names = [name for name in names if _is_on_axis(image, _energy(name))]
    well = [name for name in names if _energy(name) < _beam_energy(image) / 2]
    return next(iter([*well[:1], *names[-1:]]), None)


def _beam_energy(image):
    """Return the energy of the beam in keV; without one, the end of the axis."""
    end = float(image.signal_axis.values.max()) * _to_kev(image)
    return _instrument(image, "beam_energy") or end


def _is_on_axis(image, energy):
    low, high = np.sort(image.signal_axis.values[[0, -1]]) * _to_kev(image)
    return low < energy < min(high, _beam_energy(image))


def _instrument(image, *path):
    """Return what the metadata say of the microscope, first of the one that the signal names."""
    is_tem = image.metadata.get("Signal", {}).get("signal_type") == "EDS_TEM"
    for kind in ("TEM", "SEM") if is_tem else ("SEM", "TEM"):
        found = image.metadata.get("Acquisition_instrument", {}).get(kind)
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        if found:
            return float(found)
    return None


def _to_kev(image):
    if image.unit not in TO_KEV:
        raise ValueError(
            f"the axis is in {image.unit or 'no unit'}, where X-ray lines need keV or eV; pass "
            "windows instead, as {'peak': (low, high)}."
        )
    return TO_KEV[image.unit]


def _checked(background, names):
    """Return background windows by the name of the line, or say whose line is not among these."""
    background = dict(background or {})
    strangers = [name for name in background if name not in names]
    if strangers:
        raise ValueError(f"background names {strangers}, but the lines are {list(names)}.")
    for name, windows in background.items():
        if np.shape(windows) != (4,):
            raise ValueError(
                f"background of {name} is {windows!r}; pass four numbers, the low and high end of "
                "a window to the left and of one to the right."
            )
    return background


def _less(image, inside, windows):
    """Return the weight of every channel: 1 inside, less than 0 where the background is taken."""
    weights = inside.astype(np.float64)
    if windows is None:
        return weights
    low_left, high_left, low_right, high_right = map(float, windows)
    left, right = _near(image, (low_left, high_left)), _near(image, (low_right, high_right))
    n_beside = np.count_nonzero(left) + np.count_nonzero(right)
    if not (left.any() and right.any()):
        raise ValueError(
            f"background windows {tuple(windows)} {image.unit} hold no visible channel to one "
            "side; choose others."
        )
    return weights - (left.astype(float) + right) * (np.count_nonzero(inside) / n_beside)
