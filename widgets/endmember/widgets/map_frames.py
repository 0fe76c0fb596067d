"""Frames of a map, such as those of a tilt series, and the image beneath it, in few bytes."""

from __future__ import annotations

import numpy as np

from endmember.widgets.map_labels import deflated
from endmember.widgets.map_traits import NO_LABEL, NO_STEP, ends_of, enough, numbers, quantised

MOST_FINE = 4 << 20  # bytes of frames beyond which they travel in 8-bit steps, not 16-bit ones
MOST_BENEATH = 1024  # pixels of the longer side of an image: pages show no finer ones
BENEATH_SHARES = (0.1, 99.9)  # per cent of the pixels: one hot pixel must not take all steps


def make_frames(frames, names=None):
    """Return the traits that show one of several maps, in steps of a range common to all."""
    frames = np.asarray(frames, dtype=np.float32)
    if frames.ndim != 3 or 0 in frames.shape:
        raise ValueError(f"frames have shape {frames.shape}; give them as (n, rows, columns).")
    hidden = np.uint16(NO_STEP) if 2 * frames.size <= MOST_FINE else np.uint8(NO_LABEL)
    low, high = _range_of(frames, int(hidden) - 1)
    steps = quantised(frames, low, high, hidden)
    found = enough("frame_names", names, len(frames), numbers)[: len(frames)]
    return {
        "shape": frames.shape[1:],
        "frames": {
            **deflated(steps.tobytes()),
            "n": len(frames),
            "bits": 8 * steps.itemsize,
            "range": (low, high),
        },
        "frame_names": [str(name) for name in found],
    }


def _range_of(frames, last):
    """Return what the first and the last step stand for; whole numbers keep a step each."""
    low, high = ends_of(frames)
    seen = frames[np.isfinite(frames)]
    are_whole = high - low <= last and not np.mod(seen, 1).any()
    return (low, low + last) if are_whole else (low, high)


def make_beneath(shape, image, name="image", unit=""):
    """Return the trait that shows an image under a map, finer by a whole number."""
    image = np.asarray(image, dtype=np.float64)
    finer = _times_finer(image.shape, shape)
    image = _block_means(image, finer // _finest_shown(finer, shape))
    seen = image[np.isfinite(image)]
    low, high = ends_of(np.percentile(seen, BENEATH_SHARES) if seen.size else seen)
    return {
        "steps": quantised(image, low, high, np.uint8(NO_LABEL)).tobytes(),
        "finer": image.shape[0] // shape[0],
        "range": (low, high),
        "name": str(name),
        "unit": str(unit),
    }


def _times_finer(found, shape):
    """Return how many times finer an image is than the map; refuse one that does not fit."""
    finer = found[0] // shape[0] if len(found) == 2 else 0
    if finer < 1 or tuple(found) != tuple(finer * n for n in shape):
        raise ValueError(
            f"the image beneath has shape {found}, but the map has {tuple(shape)}; give one of the "
            "same field of view, with the same rows and columns or a whole number times as many."
        )
    return finer


def _finest_shown(finer, shape):
    """Return the finest image that a page shows: a divisor of `finer`."""
    fitting = (n for n in range(finer, 1, -1) if finer % n == 0 and n * max(shape) <= MOST_BENEATH)
    return next(fitting, 1)


def _block_means(image, size):
    """Return means of square blocks; one that holds what is not finite is not finite."""
    rows, columns = (n // size for n in image.shape)
    return image.reshape(rows, size, columns, size).mean(axis=(1, 3))
