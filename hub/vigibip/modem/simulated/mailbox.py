"""The messages of a simulated modem: its stores, and how what arrives is told, AT+CNMI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vigibip.modem.simulated.errors import CmsError
from vigibip.modem.simulated.store import MessageStore

if TYPE_CHECKING:
    from vigibip.modem.simulated.modem import SimulatedModem

# The first octet's two lowest bits of what a network sends, 3GPP TS 23.040, 9.2.3.1.
_MTI_MASK = 0x03
_MTI_STATUS_REPORT = 0x02
_STORE_ALIASES = {"MT": "SM"}


def is_report(pdu: bytes) -> bool:
    """Tell a SMS-STATUS-REPORT from a SMS-DELIVER; `pdu` begins with the service centre."""
    first = 1 + pdu[0] if pdu else 0
    return first < len(pdu) and pdu[first] & _MTI_MASK == _MTI_STATUS_REPORT


class Mailbox:
    """Stores survive resets: SM is on the SIM, ME in flash."""

    def __init__(self, modem: SimulatedModem) -> None:
        model = modem.model
        self._modem = modem
        self.stores = {
            "SM": MessageStore("SM", model.sm_size, model.first_index),
            "ME": MessageStore("ME", model.me_size, model.first_index),
            # Reports lie apart; nobody but AT+CPMS="SR" gets at them.
            "SR": MessageStore("SR", model.sm_size, model.first_index),
        }
        self._network_waits = False
        self._unacknowledged = 0

    def reset(self) -> None:
        """Forget what was not acknowledged; after a reset the network tries again."""
        self._unacknowledged = 0
        self._network_waits = False

    def store(self, name: str) -> MessageStore:
        """Raises CmsError 302 for a store that the model has not."""
        name = _STORE_ALIASES.get(name.upper(), name.upper())
        if name not in self.stores:
            raise CmsError(302)
        return self.stores[name]

    def selected(self, which: int) -> MessageStore:
        """The store of AT+CPMS's mem1 (0: read, delete), mem2 (1: write) or mem3 (2: received)."""
        return self.store(self._modem.volatile.memories[which])

    def arrive(self, pdu: bytes) -> bool:
        """Take a message as AT+CNMI says; False when there is no room for it."""
        _, mt, _, ds, _ = self._modem.volatile.cnmi
        if is_report(pdu):
            return self._report(pdu, ds)
        if mt in (2, 3):
            self._hand_over(f"+CMT: ,{_tpdu_length(pdu)}", pdu)
            return True
        store = self.selected(2)
        if store.full:
            self._network_waits = True
            self._modem.counts["store full"] += 1
            if self._modem.model.full_urc:
                self._modem.tell(self._modem.model.full_urc.format(store=store.name))
            return False
        index = store.put(pdu)
        self._modem.counts["stored"] += 1
        if mt == 1:
            bare = self._modem.behaviour.noise.bare_cmti
            self._modem.tell("+CMTI: ,-1" if bare else f'+CMTI: "{store.name}",{index}')
        return True

    def acknowledge(self) -> None:
        """AT+CNMA. Raises CmsError 340 when nothing waits for it."""
        if self._unacknowledged == 0:
            raise CmsError(340)
        self._unacknowledged -= 1

    def freed(self) -> None:
        """A message was deleted: what did not fit in may come now."""
        if self._network_waits and not self.selected(2).full:
            self._network_waits = False
            self._modem.network.memory_available(self._modem)

    def _report(self, pdu: bytes, ds: int) -> bool:
        if ds == 1:
            self._hand_over(f"+CDS: {_tpdu_length(pdu)}", pdu)
        elif ds == 2 and self._modem.model.report_lost:
            self._modem.counts["reports lost"] += 1
            self._modem.tell('+CDSI: "SM",0')
        elif ds == 2:
            store = self.stores["SR"]
            if store.full:
                return False
            self._modem.tell(f'+CDSI: "SR",{store.put(pdu)}')
        else:
            self._modem.counts["reports not routed"] += 1
        return True

    def _hand_over(self, head: str, pdu: bytes) -> None:
        self._modem.counts["handed over"] += 1
        self._modem.tell(f"{head}\r\n{pdu.hex().upper()}")
        if self._modem.volatile.service == 1:
            self._unacknowledged += 1
            self._modem.later(self._await_acknowledgement())

    async def _await_acknowledgement(self) -> None:
        await self._modem.clock.sleep(self._modem.behaviour.ack_limit_s)
        if self._unacknowledged:
            # 3GPP TS 27.005, 3.4.4: without it, mt and ds go back to 0.
            self._unacknowledged = 0
            mode, _, bm, _, bfr = self._modem.volatile.cnmi
            self._modem.volatile.cnmi = (mode, 0, bm, 0, bfr)
            self._modem.counts["routing ended"] += 1


def _tpdu_length(pdu: bytes) -> int:
    return len(pdu) - 1 - pdu[0]
