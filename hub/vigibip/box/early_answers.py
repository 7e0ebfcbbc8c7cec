"""Answers to presses that this box does not know yet, kept until the press is brought again.

The disk may have failed a press whose alert went from memory. After a restart the box does not
know it, the post answers it, and the bip brings it again.
"""

from __future__ import annotations

from collections.abc import Iterable

from vigibip.alert.ids import AlertId
from vigibip.alert.messages import Answer
from vigibip.box.devices import Devices
from vigibip.box.store import EarlyAnswerRecord
from vigibip.box.store.records import EARLY_ANSWERS_MAX


class EarlyAnswers:
    """The newest answer to each such press, so many in all; the disk holds the same."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._kept: dict[AlertId, EarlyAnswerRecord] = {}

    def load(self, records: Iterable[EarlyAnswerRecord]) -> None:
        for record in records:
            self._kept[record.alert_id] = record

    def keep(self, alert_id: AlertId, answer: Answer) -> EarlyAnswerRecord | None:
        """Return what must be on the disk before this answer may be acknowledged.

        None: nothing, for no bip that may speak here can ever bring this press.
        """
        if self._devices.get(alert_id.device_id) is None:
            return None
        kept = self._kept.get(alert_id)
        # A new connection may bring an older answer again, after the newer one.
        if kept is None or kept.sequence < answer.sequence:
            kept = EarlyAnswerRecord(alert_id, answer.sequence, answer.state)
            self._kept[alert_id] = kept
            if len(self._kept) > EARLY_ANSWERS_MAX:
                oldest = min(self._kept.values(), key=lambda record: record.sequence)
                del self._kept[oldest.alert_id]
        # An earlier write of the same may have failed.
        return kept

    def take(self, alert_id: AlertId) -> EarlyAnswerRecord | None:
        """Return the answer to a press that has just come, and forget it."""
        return self._kept.pop(alert_id, None)
