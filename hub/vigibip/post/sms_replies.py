"""Receipts by SMS for alerts that came by SMS and are committed, and replies to probes.

What was handed over and has not left yet is one SMS a box, with up to five alerts. Nothing here is
repeated: a box that misses it sends its alert again, and that is answered again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from vigibip.alert.ids import AlertId
from vigibip.alert.sms_form import ALERTS_MAX, SmsKind, SmsMessage, write_sms
from vigibip.base.errors import StorageError
from vigibip.base.trace import Trace
from vigibip.post.sms_sender import Sender, Unit, to_box
from vigibip.post.sms_sequences import Sequences
from vigibip.post.store.records import KnownBox
from vigibip.sms.contract import SmsProvider
from vigibip.sms.lanes import Lane

_log = logging.getLogger(__name__)

# The box asks again after one, then five minutes; a receipt that is older is given anew.
_RECEIPT_VALID_S = 600.0
# The box waits five minutes for its probe's reply.
_REPLY_VALID_S = 240.0
_WORDS = {
    SmsKind.RECEIPT: "VigiBip : alerte bien reçue",
    SmsKind.REFUSAL: "VigiBip : alerte impossible à enregistrer",
}
_PROBED = "VigiBip : essai bien reçu"


class _Batch:
    """What one box is told of its alerts, and has not left: RECEIPT or REFUSAL."""

    def __init__(self, kind: SmsKind, number: int) -> None:
        self.kind = kind
        self.number = number
        self.alerts: list[str] = []
        self.unit: Unit | None = None


class SmsReplies:
    def __init__(
        self,
        boxes: Mapping[str, KnownBox],
        sender: Sender,
        sequences: Sequences,
        trace: Trace,
    ) -> None:
        self._boxes = boxes
        self._sender = sender
        self._sequences = sequences
        self._trace = trace
        self._batches: dict[str, list[_Batch]] = {}

    async def receipt(self, box_id: str, alert_id: str, via: SmsProvider) -> None:
        """The alert is committed: say so, through the modem that heard it.

        Without a sequence, because the disk refuses, nothing is said: the box asks again.
        """
        if await self._tell(SmsKind.RECEIPT, box_id, alert_id, via):
            self._trace.stamp("post.receipted", alert_id)

    async def refusal(self, box_id: str, alert_id: str, via: SmsProvider) -> None:
        """The alert can never be committed: its box must not try for ever."""
        await self._tell(SmsKind.REFUSAL, box_id, alert_id, via)

    async def _tell(self, kind: SmsKind, box_id: str, alert_id: str, via: SmsProvider) -> bool:
        sequence = await self._sequence(box_id)
        box = self._boxes.get(box_id)
        if sequence is None or box is None or box.phone is None:
            return False
        batches = self._batches.setdefault(box_id, [])
        if any(alert_id in one.alerts and one.kind is kind for one in batches):
            return False
        alike = (one for one in batches if one.kind is kind)
        batch = next((one for one in alike if self._has_room(one)), None)
        if batch is None:
            batch = _Batch(kind, max((one.number for one in batches), default=0) + 1)
            batches.append(batch)
        batch.alerts.append(alert_id)
        message = SmsMessage(
            kind=kind,
            sequence=sequence,
            alerts=tuple(AlertId.parse(one) for one in batch.alerts),
        )
        text = write_sms(box.down_key, _WORDS[kind], message)
        key = f"receipt:{box_id}:{batch.number}"
        unit = to_box(box.phone, text, Lane.ANSWER, key, _RECEIPT_VALID_S, report=False)
        unit.on_left = lambda: self._left(box_id, batch)
        unit.on_failed = lambda: self._end(box_id, batch)
        batch.unit = unit
        self._sender.send(unit, via)
        return True

    def data_is_alive(self, box_id: str) -> None:
        """The box has spoken over data, where its receipts went too."""
        for batch in self._batches.pop(box_id, []):
            if batch.unit is not None:
                self._sender.withdraw(batch.unit)

    async def probe_reply(self, box_id: str, probe: int, via: SmsProvider) -> None:
        sequence = await self._sequence(box_id)
        box = self._boxes.get(box_id)
        if sequence is None or box is None or box.phone is None:
            return
        message = SmsMessage(kind=SmsKind.PROBE_REPLY, sequence=sequence, answers=probe)
        text = write_sms(box.down_key, _PROBED, message)
        key = f"probe:{box_id}"
        unit = to_box(box.phone, text, Lane.PROBE, key, _REPLY_VALID_S, report=False)
        self._sender.send(unit, via)

    async def _sequence(self, box_id: str) -> int | None:
        try:
            return await self._sequences.take(box_id)
        except StorageError as error:
            _log.warning("nothing is answered by SMS: %s", error)
            return None

    def _has_room(self, batch: _Batch) -> bool:
        """Tell whether it can still say more; if so, what waited of it is taken back."""
        return (
            len(batch.alerts) < ALERTS_MAX
            and batch.unit is not None
            and self._sender.withdraw(batch.unit)
        )

    def _left(self, box_id: str, batch: _Batch) -> None:
        if batch.kind is SmsKind.RECEIPT:
            for alert_id in batch.alerts:
                self._trace.stamp("post.sms_sent", alert_id)
        self._end(box_id, batch)

    def _end(self, box_id: str, batch: _Batch) -> None:
        batches = self._batches.get(box_id, [])
        if batch in batches:
            batches.remove(batch)
        if not batches:
            self._batches.pop(box_id, None)
