"""The voice radio keeps the contract."""

from tests.radio.contract_suite import RadioContract


class TestVoice(RadioContract):
    """On the simulated channel, in driven time: the fixture `rig`."""
