"""Unmix spectrum images by hand and eye, and learn what the answer is worth."""

import lazy_loader

from endmember._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
