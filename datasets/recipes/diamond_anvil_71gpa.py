"""Remake ``datasets/files/diamond_anvil_71gpa.npz`` from the map as it was published.

The map comes from the source distribution of espm 1.1.3 (``pip download --no-deps --no-binary
:all: espm==1.1.3``), as ``generated_datasets/71GPa_experimental_data.hspy``::

    python datasets/recipes/diamond_anvil_71gpa.py 71GPa_experimental_data.hspy
"""

import hashlib
import sys
from pathlib import Path

import endmember as em
from endmember.core.image import SpectrumImage
from endmember.datasets.packed import pack

ORIGINAL_SHA256 = "2fd9d5adc92d18ec820f6bbaf7555f9a2ac2a1113ebda28cbe28e9dd34e48a28"
FILES = Path(__file__).parents[1] / "files"


def repack(source, sha256, name, title):
    """Check the source, keep what lessons need of it, write it packed."""
    source = Path(source)
    if hashlib.sha256(source.read_bytes()).hexdigest() != sha256:
        raise SystemExit(f"{source} is not the published map.")
    original = em.open(source).to_sparse()
    image = SpectrumImage(
        original.counts,
        original.signal_axis,
        navigation_axes=original.navigation_axes,
        navigation_shape=original.navigation_shape,
        title=title,
        metadata=original.metadata,
    )
    target = FILES / f"{name}.npz"
    pack(image, target)
    print(target.stat().st_size, hashlib.sha256(target.read_bytes()).hexdigest())


if __name__ == "__main__":
    repack(sys.argv[1], ORIGINAL_SHA256, "diamond_anvil_71gpa", "71 GPa diamond anvil cell")
