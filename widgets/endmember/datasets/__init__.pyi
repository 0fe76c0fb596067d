from .catalogue import Entry as Entry
from .registry import card as card
from .registry import load as load
from .registry import names as names
from .scene import Scene as Scene
from .score import Score as Score
from .simulators.needle import save_nicr_needle as save_nicr_needle
from .simulators.needle import stream_nicr_needle as stream_nicr_needle
