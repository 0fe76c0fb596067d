from . import datasets as datasets
from .core.axes import Axis as Axis
from .core.image import SpectrumImage as SpectrumImage
from .core.pca import PCA as PCA
from .core.sources import as_spectrum_image as as_spectrum_image
from .core.sources import open as open
from .widgets.quiz import Quiz as Quiz
from .widgets.rank_selector import RankSelector as RankSelector
