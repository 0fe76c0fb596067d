from .denoising import DenoisingExplorer as DenoisingExplorer
from .doped import doped_portraits as doped_portraits
from .mixing import MixingExplorer as MixingExplorer
from .rank_k import RankExplorer as RankExplorer
from .regression import RegressionExplorer as RegressionExplorer
from .scaling import ScalingExplorer as ScalingExplorer
