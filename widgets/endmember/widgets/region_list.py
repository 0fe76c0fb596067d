"""Named regions of a map, one list for all widgets that show the same data."""

from __future__ import annotations

import base64
import binascii
import copy
import threading
import weakref
import zipfile
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np
import traitlets as tl

from endmember.core.sources import as_spectrum_image
from endmember.datasets.scene import Scene
from endmember.widgets.region_sums import (
    line_weights,
    profile_along,
    profile_csv,
    spectra_csv,
    sums_of,
    table_csv,
)
from endmember.widgets.regions import check_region, mask_of

MASK = "mask"  # the kind of a region that is a choice of pixels, with no outline of its own
LONGEST = 80  # letters of a name
CSV = ("table", "spectra", "profile")

_shared: weakref.WeakValueDictionary = weakref.WeakValueDictionary()  # lists, by their data
_held: dict = {}  # lists, by the image or signal that keeps them
_lock = threading.Lock()


def regions_of(data):
    """Return the list of named regions that all widgets on the same data share.

    Parameters
    ----------
    data : SpectrumImage, Scene, HyperSpy signal or array of shape (*navigation_shape, n_channels)
        Counts with one or two navigation axes; of a scene its image. They are known by the memory
        that they live in: an array or a signal that is wrapped twice is the same data, whatever
        its mask or title; a crop, a copy and other counts are not. The list measures by the axes,
        masks and metadata of what was passed last. Array forms that have to be
        copied to be wrapped (a part of a map, falling byte order) are other data each time: wrap
        those once.

    Returns
    -------
    RegionList
        To begin with, it holds the regions of the image. It lives as long as a widget shows it or
        the image or signal lives; of a bare array keep it by a name of your own.

    Examples
    --------
    >>> import endmember as em
    >>> from endmember.widgets.region_list import regions_of
    >>> image = em.datasets.load("mixture").image
    >>> regions = regions_of(image)
    >>> regions.keep("corner", {"kind": "rectangle", "points": [[0, 0], [3, 4]]})
    >>> int(regions.mask("corner").sum()), regions_of(image) is regions
    (20, True)
    """
    data = data.image if isinstance(data, Scene) else data
    image = as_spectrum_image(data)
    with _lock:
        key = _place_of(image)
        found = _shared.get(key)
        if found is None:
            found = _shared[key] = RegionList(image)
        _hold(image, found)
        if hasattr(data, "axes_manager"):
            _hold(data, found)
    found.take_image(image)
    found.take(image.regions)
    return found


def regions_of_maps(maps):
    """Return the list of regions that widgets share on the same maps, where there are no counts.

    Parameters
    ----------
    maps : array_like of shape (rows, columns, n_maps)
        Known by the memory that they live in, which the list keeps.
    """
    maps = np.asarray(maps)
    with _lock:
        key = _memory(maps)
        found = _shared.get(key)
        if found is None:
            found = _shared[key] = RegionList(shape=maps.shape[:-1])
            found.maps = maps
    return found


class RegionList(tl.HasTraits):
    """Regions by name: what was drawn on a map, or pixels that were chosen otherwise.

    :func:`regions_of` returns the one of some data.

    Parameters
    ----------
    image : SpectrumImage, optional
        Counts with one or two navigation axes, for tables and profiles.
    shape : tuple of int, optional
        Shape of the map where there are no counts.

    Attributes
    ----------
    image : SpectrumImage or None
        The counts, as they were calibrated and hidden last.
    regions : dict of str to dict
        What was kept: ``{"kind": "rectangle", "points": [[row, column], ...]}``, ``"lasso"``,
        ``"line"``; or ``{"kind": "mask", "pixels": str}``, packed as ``pack_mask`` does it.
    chosen : str
        Name of the one that is shown on every map; empty for none.
    lines : list of str, or dict of str to (float, float)
        X-ray lines, or windows in the unit of the axis, whose intensities tables and profiles
        hold; those in the metadata to begin with. See :func:`line_maps`.

    Examples
    --------
    >>> from endmember.widgets.region_list import RegionList
    >>> regions = RegionList(shape=(3, 4))
    >>> regions.keep("left", {"kind": "rectangle", "points": [[0, 0], [2, 1]]})
    >>> regions.rename("left", "matrix")
    >>> regions.mask("matrix").astype(int)
    array([[1, 1, 0, 0],
           [1, 1, 0, 0],
           [1, 1, 0, 0]])
    """

    image = tl.Any(None, allow_none=True)
    regions = tl.Dict()
    chosen = tl.Unicode()
    lines = tl.Union([tl.List(tl.Unicode()), tl.Dict()])

    def __init__(self, image=None, *, shape=None):
        self.image = None if image is None else _sibling(image)
        self.navigation_shape = tuple(shape if image is None else image.navigation_shape)
        if len(self.navigation_shape) > 2:
            raise ValueError(
                f"data have {len(self.navigation_shape)} navigation axes; regions are drawn on a "
                "map of rows and columns. Choose one, as em.SpectrumImage(counts[0], image.axis)."
            )
        self.shape = (1, *self.navigation_shape)[-2:]
        self.maps = None
        self._taken = set()
        self._sums = {}
        self._weights = None
        super().__init__()
        self.lines = self._first_lines()

    # the list

    def keep(self, name, region):
        """Keep a region under a name.

        Parameters
        ----------
        name : str
            Another one than those in the list.
        region : dict or array_like of bool of shape `navigation_shape`
            What was drawn, as :func:`mask_of` takes it; or True where a pixel is inside.
        """
        name = self._new_name(name)
        region = self._checked(region)
        self.regions = {**self.regions, name: region}

    def rename(self, name, new):
        """Give a region another name; its place in the list stays."""
        self._check_known(name)
        new = self._new_name(new, besides=name)
        with self.hold_trait_notifications():
            is_chosen = self.chosen == name
            self.regions = {new if n == name else n: r for n, r in self.regions.items()}
            self.chosen = new if is_chosen else self.chosen

    def remove(self, name):
        """Take a region off the list."""
        self._check_known(name)
        with self.hold_trait_notifications():
            self.chosen = "" if self.chosen == name else self.chosen
            self.regions = {n: region for n, region in self.regions.items() if n != name}

    def take(self, masks):
        """Add regions that an image brings, each of them once: one that was removed stays away.

        Names that the list cannot hold are made into one short line, and numbered where taken.
        """
        for name, mask in sorted(masks.items(), key=lambda item: not fits(item[0])):
            brought = (name, hash(np.packbits(mask).tobytes()))
            fitting = name if fits(name) else self._free_name(name)
            if brought not in self._taken and fitting not in self.regions and np.any(mask):
                self.keep(fitting, mask)
            self._taken.add(brought)

    def take_image(self, image):
        """Measure by the axes, masks and metadata of a newer image of the same counts.

        Lines that are not on its axis give way to those in its metadata, and so do lines that
        came from the metadata of the former image.
        """
        if _is_alike(_known_of(self.image), _known_of(image)):
            return
        with self.hold_trait_notifications():
            is_own = self.lines != self._first_lines()
            self.image = _sibling(image)
            self._sums, self._weights = {}, None
            if not (is_own and self._can_weigh(self.lines)):
                self.lines = self._first_lines()

    def settings(self):
        """Return all that is kept, as JSON has it."""
        lines = self.lines
        lines = {k: list(v) for k, v in lines.items()} if isinstance(lines, dict) else list(lines)
        return {"regions": copy.deepcopy(self.regions), "chosen": self.chosen, "lines": lines}

    def restore(self, settings):
        """Take over what :meth:`settings` returned; what cannot be taken changes nothing."""
        settings = self.check_settings(settings)
        with self.hold_trait_notifications():
            for name, value in settings.items():
                setattr(self, name, value)

    def check_settings(self, settings):
        """Return what :meth:`restore` would set, or say what is wrong with it."""
        unknown = sorted(set(settings) - {"regions", "chosen", "lines"})
        if unknown:
            raise ValueError(f"settings hold {unknown}; known are regions, chosen and lines.")
        regions = settings.get("regions", self.regions)
        regions = {check_name(name): self._checked(region) for name, region in regions.items()}
        chosen = settings.get("chosen", self.chosen if self.chosen in regions else "") or ""
        if chosen and chosen not in regions:
            raise tl.TraitError(f"no region {chosen!r}; the settings hold {list(regions)}.")
        lines = self.traits()["lines"]._validate(self, settings.get("lines", self.lines))
        return {"regions": regions, "chosen": chosen, "lines": lines}

    # masks

    def mask(self, name):
        """Return which pixels a region holds, bool of shape `navigation_shape`."""
        self._check_known(name)
        return self.mask_of(self.regions[name])

    def masks(self):
        """Return all regions as masks by name, as ``em.SpectrumImage(..., regions=...)`` takes."""
        return {name: self.mask(name) for name in self.regions}

    def mask_of(self, region):
        """Return which pixels a region in the form of `regions` holds."""
        if region["kind"] == MASK:
            return unpack_mask(region["pixels"], self.navigation_shape)
        return mask_of(region, self.shape).reshape(self.navigation_shape)

    def save_masks(self, path):
        """Write all masks into a file ``.npz``, which ``numpy.load`` reads, by name."""
        path = checked_file(path, ".npz")
        path.write_bytes(self.masks_file())
        return path

    def masks_file(self):
        """Return the bytes of the file that :meth:`save_masks` writes."""
        from io import BytesIO

        held = BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, mask in self.masks().items():  # np.savez would not take every name
                array = BytesIO()
                np.lib.format.write_array(array, mask, allow_pickle=False)
                packed.writestr(f"{name}.npy", array.getvalue())
        return held.getvalue()

    def to_code(self):
        """Return the lines that make the dictionary ``regions`` of all masks again."""
        kinds = {region["kind"] == MASK for region in self.regions.values()}
        lines = ["from endmember.widgets.regions import mask_of"] * (False in kinds)
        lines += ["from endmember.widgets.region_list import unpack_mask"] * (True in kinds)
        lines += ["", "regions = {}"] if lines else ["regions = {}"]
        lines += [f"regions[{name!r}] = {self.spelled(name)}" for name in self.regions]
        return "\n".join(lines) + "\n"

    def spelled(self, name):
        """Return the expression that makes the mask of a region."""
        region = self.regions[name]
        if region["kind"] == MASK:
            return f"unpack_mask({region['pixels']!r}, {self.navigation_shape})"
        flat = "[0]" if len(self.navigation_shape) == 1 else ""
        return f"mask_of({region!r}, {self.shape}){flat}"

    # what regions hold

    def table(self, lines=None, *, background=None):
        """Return what every region holds: pixels, counts, spectrum, line intensities and errors.

        Parameters
        ----------
        lines : sequence of str, or dict of str to (float, float), optional
            As :func:`line_maps` takes them; by default those of `lines`.
        background : dict of str to sequence of four float, optional
            As :func:`line_maps` takes it.

        Returns
        -------
        list of RegionSums
            In the order of the list; hidden pixels and channels add nothing.
        """
        weights = self._line_weights(lines, background)
        return [self._sums_of(name, weights) for name in self.regions]

    def sums(self, name, lines=None, *, background=None):
        """Return what one region holds, as :meth:`table` does for all."""
        self._check_known(name)
        return self._sums_of(name, self._line_weights(lines, background))

    def profile(self, name, lines=None, *, background=None):
        """Return intensities along a region that is a line, mean over its width, with errors.

        Parameters
        ----------
        name : str
            A region of the kind ``"line"``.
        lines, background
            As for :meth:`table`.

        Returns
        -------
        Profile
            Distance in the unit of the navigation axes, and the mean of every line in counts a
            pixel.
        """
        self._check_known(name)
        region = self.regions[name]
        if region["kind"] != "line":
            raise ValueError(
                f"region {name!r} is a {region['kind']}; a profile runs along a region of the "
                'kind "line". Draw one on the map.'
            )
        if self.image is None:
            raise ValueError("a profile needs counts; pass the image beside the arrays.")
        return profile_along(self.image, region, self._line_weights(lines, background), name)

    def to_csv(self, path, what="table", *, name=None, lines=None):
        """Write a table of all regions, their spectra, or the profile along one, as CSV.

        Parameters
        ----------
        path : str or path-like
            Ends in ``.csv``. A file of that name is replaced.
        what : {"table", "spectra", "profile"}, default="table"
            Pixels, counts and line intensities of all regions; their sum spectra along the signal
            axis; or intensities along one line.
        name : str, optional
            Which region, for a profile.
        lines : optional
            As for :meth:`table`.
        """
        path = checked_file(path, ".csv")
        path.write_text(self.csv_text(what, name=name, lines=lines), encoding="utf-8", newline="")
        return path

    def csv_text(self, what="table", *, name=None, lines=None):
        """Return the text that :meth:`to_csv` writes."""
        if what not in CSV:
            raise ValueError(f"what is {what!r}; choose one of {list(CSV)}.")
        if what == "profile":
            return profile_csv(self.profile(self.chosen if name is None else name, lines))
        table = self.table(lines)
        return table_csv(table) if what == "table" else spectra_csv(table, self.image)

    # checks and parts

    @tl.validate("chosen")
    def _is_known(self, proposal):
        if proposal["value"] and proposal["value"] not in self.regions:
            raise tl.TraitError(self._unknown(proposal["value"]))
        return proposal["value"]

    @tl.validate("lines")
    def _are_lines(self, proposal):
        lines = proposal["value"]
        if lines:
            try:
                self._weights_of(lines)
            except (ValueError, TypeError) as error:
                raise tl.TraitError(str(error)) from None
        return lines

    @tl.observe("regions", "lines")
    def _forget(self, _):
        self._sums = {n: s for n, s in self._sums.items() if s[0] == self.regions.get(n)}
        self._weights = None

    def _sums_of(self, name, weights):
        """Return the sums of a region; what its pixels hold is added up once."""
        region = self.regions[name]
        known = self._sums.get(name)
        if known is None or known[0] != region:
            found = sums_of(self.image, self.mask(name), name)
            known = self._sums[name] = (region, found)
        return known[1].with_lines(weights)

    def _line_weights(self, lines, background):
        if lines is not None or background is not None:
            return self._weights_of(self.lines if lines is None else lines, background)
        if self._weights is None:
            self._weights = self._weights_of(self.lines)
        return self._weights

    def _weights_of(self, lines, background=None):
        if not lines:
            return {}
        if self.image is None:
            raise ValueError("lines need counts; pass the image beside the arrays.")
        return line_weights(self.image, lines, background)

    def _can_weigh(self, lines):
        try:
            self._weights_of(lines)
        except (ValueError, TypeError):
            return False
        return True

    def _first_lines(self):
        try:
            return [] if self.image is None else list(line_weights(self.image, None))
        except ValueError:
            return []

    def _checked(self, region):
        """Return a region in the form of `regions`; refuse one that holds no pixel."""
        if isinstance(region, Mapping):
            region = self._checked_drawing(region)
        else:
            region = self._checked_mask(region)
        if not self.mask_of(region).any():
            raise ValueError("the region holds no pixel of the map; draw a larger one.")
        return region

    def _checked_drawing(self, region):
        if region.get("kind") == MASK:
            packed = region.get("pixels", "")
            return self._checked_mask(unpack_mask(packed, self.navigation_shape))
        region = check_region(region)
        if not region:
            raise ValueError("no region is drawn; draw one on the map first.")
        points = [[round(at, 2) for at in point] for point in region["points"]]
        return {**region, "points": points}

    def _checked_mask(self, mask):
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape not in (self.navigation_shape, self.shape):
            raise ValueError(
                f"region is {mask.dtype} of shape {mask.shape}; pass bool of shape "
                f"{self.navigation_shape}, True inside, or what was drawn as a dictionary."
            )
        return {"kind": MASK, "pixels": pack_mask(mask)}

    def _new_name(self, name, besides=None):
        name = check_name(name.strip())
        if name in self.regions and name != besides:
            raise ValueError(
                f"a region {name!r} is kept already; choose another name, or remove that one first."
            )
        return name

    def _free_name(self, name):
        """Return a name that the list can hold, like one that it cannot."""
        words = "".join(letter if letter.isprintable() else " " for letter in name).split()
        like = " ".join(words)[:LONGEST].strip() or "region"
        free, number = like, 1
        while free in self.regions:
            number += 1
            free = f"{like[: LONGEST - len(f' {number}')]} {number}"
        return free

    def _check_known(self, name):
        if name not in self.regions:
            raise ValueError(self._unknown(name))

    def _unknown(self, name):
        return f"no region {name!r}; these are kept: {list(self.regions)}."


def check_name(name):
    """Return a name that a list can hold, or say why it is none."""
    if not name:
        raise ValueError("name of the region is empty; write one.")
    if not fits(name):
        raise ValueError(
            f"name of the region is {name[:LONGEST]!r}; write one line of at most {LONGEST} "
            "letters."
        )
    return name


def fits(name):
    """Whether a list can hold a region of that name: one line, not empty and not too long."""
    return name == name.strip() and name.isprintable() and 0 < len(name) <= LONGEST


def pack_mask(mask):
    """Return a mask as text; :func:`unpack_mask` makes it again.

    Examples
    --------
    >>> import numpy as np
    >>> from endmember.widgets.region_list import pack_mask, unpack_mask
    >>> unpack_mask(pack_mask(np.array([[True, False]])), (1, 2))
    array([[ True, False]])
    """
    packed = zlib.compress(np.packbits(np.asarray(mask, dtype=bool)).tobytes(), 9)
    return base64.b64encode(packed).decode()


def unpack_mask(text, shape):
    """Return the mask of that shape that was packed as text; refuse one of another size."""
    try:
        held = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    except (binascii.Error, zlib.error):
        raise ValueError(
            f"text {text[:20]!r} holds no mask; pass what pack_mask returned."
        ) from None
    if held.size != -(-prod(shape) // 8):
        raise ValueError(
            f"the packed mask has {held.size} bytes, a map of shape {tuple(shape)} another number; "
            "it belongs to a map of another shape."
        )
    return np.unpackbits(held, count=prod(shape)).astype(bool).reshape(shape)


def _hold(owner, found):
    """Keep a list as long as its owner lives; the list knows nothing of the owner."""
    if id(owner) not in _held:
        weakref.finalize(owner, _held.pop, id(owner), None).atexit = False
    _held[id(owner)] = found


def _sibling(image):
    """Return an image on the same counts: a list must not keep alive what keeps it."""
    sibling = copy.copy(image)
    sibling.metadata = copy.deepcopy(image.metadata)  # a person may write into the other
    return sibling


def _known_of(image):
    """Return what is known of counts beside themselves, as far as sums depend on it."""
    axes = (image.signal_axis, *image.navigation_axes)
    return (axes, image.mask, image.channel_mask, image.metadata)


def _is_alike(one, other):
    """Whether two trees of settings hold the same, arrays among them."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_alike(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_is_alike, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return bool(one == other)


def _place_of(image):
    """Return what tells the counts of an image from all others as long as they live."""
    counts = image.counts
    if image.is_lazy:
        return ("dask", counts.name, image.shape)
    parts = (counts.data, counts.indices, counts.indptr) if image.is_sparse else (counts,)
    return (image.navigation_shape, image.shape, *map(_memory, parts))


def _memory(array):
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str


def checked_file(path, suffix):
    """Return where to write a file, or say what is wrong with it."""
    path = Path(path)
    if path.suffix.lower() != suffix:
        raise ValueError(f"path {path.name!r} ends in {path.suffix!r}; let it end in {suffix}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} is no folder; make it, or choose another path.")
    return path
