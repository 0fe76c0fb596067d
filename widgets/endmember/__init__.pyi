from . import datasets as datasets
from .core.image import SpectrumImage as SpectrumImage
from .core.sources import as_spectrum_image as as_spectrum_image
from .core.sources import open as open
