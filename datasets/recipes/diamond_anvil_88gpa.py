"""Remake ``datasets/files/diamond_anvil_88gpa.npz`` from the map as it was published.

The map comes from the source distribution of espm 1.1.3 (``pip download --no-deps --no-binary
:all: espm==1.1.3``), from its folder ``generated_datasets``::

    python datasets/recipes/diamond_anvil_88gpa.py 88GPa_G8_crop.hspy
"""

import sys

from diamond_anvil_71gpa import repack

ORIGINAL_SHA256 = "7b980791c8b91b523f79904f22ab309c9e46762342e6b917a3913f1311139598"

if __name__ == "__main__":
    repack(sys.argv[1], ORIGINAL_SHA256, "diamond_anvil_88gpa", "88 GPa diamond anvil cell")
