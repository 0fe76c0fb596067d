from .cluster_state import ClusterState as ClusterState
from .cluster_tuner import ClusterTuner as ClusterTuner
from .map_view import MapView as MapView
from .quiz import Quiz as Quiz
from .rank_selector import RankSelector as RankSelector
from .rank_state import RankState as RankState
