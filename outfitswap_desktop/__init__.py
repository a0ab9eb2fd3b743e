"""OutfitSwap Desktop: change what somebody wears in a photo, on your own machine, and nothing but the clothes."""

__version__ = "0.1.0"
