"""Teaching widgets: small compositions of the others, each for one question of the course."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
