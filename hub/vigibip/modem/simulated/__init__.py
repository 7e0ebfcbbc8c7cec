"""The simulated modem: one to talk to where there is none."""

from __future__ import annotations

from vigibip.modem.simulated.hangs import Hang, HangKind, Rung
from vigibip.modem.simulated.models import EC25, EG25, GENERIC, MODELS, SIM7600, Model
from vigibip.modem.simulated.modem import SimulatedModem
from vigibip.modem.simulated.network import NetworkRefusedError, RadioNetwork, Subscriber
from vigibip.modem.simulated.port import InProcessPort, SimulatedLines
from vigibip.modem.simulated.pty import PtyModem
from vigibip.modem.simulated.settings import (
    DENIED,
    NOWHERE,
    Behaviour,
    Coverage,
    Noise,
    Registered,
)
from vigibip.modem.simulated.sim_card import SimCard, SimState

__all__ = [
    "DENIED",
    "EC25",
    "EG25",
    "GENERIC",
    "MODELS",
    "NOWHERE",
    "SIM7600",
    "Behaviour",
    "Coverage",
    "Hang",
    "HangKind",
    "InProcessPort",
    "Model",
    "NetworkRefusedError",
    "Noise",
    "PtyModem",
    "RadioNetwork",
    "Registered",
    "Rung",
    "SimCard",
    "SimState",
    "SimulatedLines",
    "SimulatedModem",
    "Subscriber",
]
