"""VigiBip: a shopkeeper presses, the municipal police hear it on their own radios."""

__version__ = "0.1.0"
