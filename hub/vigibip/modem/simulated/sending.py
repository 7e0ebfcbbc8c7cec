"""From AT+CMGS to the network: what a simulated modem refuses by itself, and what it passes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vigibip.modem.simulated.errors import CmsError
from vigibip.modem.simulated.hangs import HangKind
from vigibip.modem.simulated.network import NetworkRefusedError

if TYPE_CHECKING:
    from vigibip.modem.simulated.modem import SimulatedModem

_BAD_PDU, _NO_SERVICE_CENTRE, _NO_NETWORK, _UNKNOWN = 304, 330, 331, 500


def submit(modem: SimulatedModem, pdu: bytes, length: int) -> int:
    """Give the network a SMS-SUBMIT, service centre first. Raises CmsError."""
    _require_way(modem)
    if modem.hang is not None and modem.hang.kind is HangKind.PDU_REFUSED:
        raise CmsError(modem.hang.cms)
    tpdu = pdu[1 + pdu[0] :] if pdu else b""
    if not tpdu or len(tpdu) != length:
        raise CmsError(_BAD_PDU)
    if pdu[0] == 0 and not modem.sim.smsc:
        raise CmsError(_NO_SERVICE_CENTRE)
    try:
        reference = modem.network.submit(modem, tpdu)
    except NetworkRefusedError as refusal:
        raise CmsError(refusal.cms) from refusal
    modem.counts["submitted"] += 1
    return reference


def _require_way(modem: SimulatedModem) -> None:
    """Raises CmsError while no SMS could go."""
    modem.require_sim_for_sms()
    coverage = modem.registered_to
    if not coverage.registered:
        raise CmsError(_NO_NETWORK)
    if coverage.technology == "LTE" and not modem.behaviour.sms_on_lte:
        raise CmsError(_UNKNOWN)
    if not coverage.circuit:
        raise CmsError(_UNKNOWN)
