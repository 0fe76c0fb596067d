"""Remake ``datasets/files/mos2_stem.npz`` from the micrograph as it was published.

It comes from the repository ziatdinovmax/SciLink, ``examples/data/MoS2_stem_Exp-000-2.npy``; the
facts beside it, ``MoS2_stem_Exp-000-2.json``, are in the card::

    python datasets/recipes/mos2_stem.py MoS2_stem_Exp-000-2.npy
"""

import hashlib
import sys
from pathlib import Path

import numpy as np

from endmember.core.axes import Axis
from endmember.datasets.packed import pack_micrograph

ORIGINAL_SHA256 = "a2546278c0fc18016688de44d5d8f3df21eb61f1915232f120d936095b2a3d31"
FIELD_OF_VIEW = 9.0  # nm, along either side


def main(source):
    """Check the source and write it in single precision, with its axes."""
    source = Path(source)
    if hashlib.sha256(source.read_bytes()).hexdigest() != ORIGINAL_SHA256:
        raise SystemExit(f"{source} is not the published micrograph.")
    values = np.load(source).astype(np.float32)
    axes = [
        Axis.uniform(n, scale=FIELD_OF_VIEW / n, name=name, unit="nm")
        for n, name in zip(values.shape, ("height", "width"), strict=True)
    ]
    target = Path(__file__).parents[1] / "files" / "mos2_stem.npz"
    pack_micrograph(values, axes, target)
    print(target.stat().st_size, hashlib.sha256(target.read_bytes()).hexdigest())


if __name__ == "__main__":
    main(*sys.argv[1:])
