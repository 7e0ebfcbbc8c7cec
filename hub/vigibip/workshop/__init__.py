"""Flashing, provisioning, pairing, labels and the self-test of bips and receivers."""
