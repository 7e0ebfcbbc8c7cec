"""A simulated town: real programs and firmware, with simulated air, network and radios."""
