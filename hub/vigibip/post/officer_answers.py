"""Answers that officers gave to boxes by SMS while the post was dead, told by the boxes later."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict

from vigibip.alert.life import IncidentState
from vigibip.alert.messages import OfficerAnswer
from vigibip.base.errors import StorageError
from vigibip.post.deadlines import Deadlines
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.relay import Relay
from vigibip.post.store.second_path import SecondPathStore
from vigibip.post.telling import Telling

_log = logging.getLogger(__name__)

# Boxes repeat an answer each minute until they are told "coming": one that is not proven is shown
# once, not each time.
_UNPROVEN_REMEMBERED = 1000
_AT_ONCE = 64


class OfficerAnswers:
    """Judged against the codes of the officers' SMS cards alone; the post alone decides."""

    def __init__(
        self,
        store: SecondPathStore,
        relay: Relay,
        telling: Telling,
        deadlines: Deadlines,
        faults: Faults,
    ) -> None:
        self._store = store
        self._relay = relay
        self._telling = telling
        self._deadlines = deadlines
        self._faults = faults
        self._unproven: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._judging: dict[tuple[str, str, str], asyncio.Task[None]] = {}

    @property
    def busy(self) -> bool:
        return bool(self._judging)

    def take(self, box_id: str, answer: OfficerAnswer) -> None:
        """Judge it, unless that is being done or was; the box tells it again until it knows."""
        key = (box_id, answer.alert, answer.digest)
        if key in self._unproven or key in self._judging or len(self._judging) >= _AT_ONCE:
            return
        task = asyncio.get_running_loop().create_task(self._judge(key, answer.age_s))
        self._judging[key] = task
        task.add_done_callback(lambda ended: self._judged(key, ended))

    async def stop(self) -> None:
        await asyncio.gather(*self._judging.values(), return_exceptions=True)

    def _judged(self, key: tuple[str, str, str], task: asyncio.Task[None]) -> None:
        del self._judging[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("an officer's answer cannot be judged", exc_info=error)

    async def _judge(self, key: tuple[str, str, str], age_s: int | None) -> None:
        box_id, alert_id, digest = key
        try:
            verdict = await self._store.judge_answer(box_id, alert_id, bytes.fromhex(digest), age_s)
        except StorageError as error:
            self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))
            return
        if verdict is None:
            return  # the alert itself is still on its way here
        if verdict.change is None:
            _log.warning("an officer's answer by SMS is not proven: %s", verdict.reason)
            self._unproven[key] = None
            while len(self._unproven) > _UNPROVEN_REMEMBERED:
                self._unproven.popitem(last=False)
            return
        _log.info("an officer has answered a box by SMS")
        if verdict.change.state is not IncidentState.OPEN:
            self._relay.settle(verdict.change.incident_id)
        self._telling.send(verdict.change.messages)
        self._deadlines.wake()
