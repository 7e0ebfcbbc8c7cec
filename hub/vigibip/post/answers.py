"""Takes officers' answers from the radios: heard, judged, committed, told to the boxes."""

from __future__ import annotations

import asyncio
import hmac
import logging

from vigibip.base.errors import StorageError
from vigibip.post.cards import digest
from vigibip.post.config import AnswerSettings
from vigibip.post.deadlines import Deadlines
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.relay import Relay
from vigibip.post.store import Store
from vigibip.post.store.codes import Claim, Guessing, Verdict
from vigibip.post.telling import Telling
from vigibip.radio.contract import HeardAnswer, Radio
from vigibip.radio.errors import RadioClosedError

_log = logging.getLogger(__name__)


class Answers:
    """Judges one answer after the other of each radio."""

    def __init__(
        self,
        store: Store,
        relay: Relay,
        telling: Telling,
        deadlines: Deadlines,
        settings: AnswerSettings,
        faults: Faults,
    ) -> None:
        self._store = store
        self._relay = relay
        self._telling = telling
        self._deadlines = deadlines
        self._settings = settings
        self._faults = faults
        self._judging = 0

    @property
    def busy(self) -> bool:
        return self._judging > 0

    async def listen(self, radio: Radio) -> None:
        """Serve one radio until it is closed."""
        while True:
            try:
                heard = await radio.next_answer()
            except RadioClosedError:
                return
            self._judging += 1
            try:
                await self.judge(heard, radio.name)
            except StorageError as error:
                self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))
            except Exception as error:  # noqa: BLE001 - one answer must not cost the next ones
                _log.error("an answer cannot be judged: %s", type(error).__name__)
            finally:
                self._judging -= 1

    async def judge(self, heard: HeardAnswer, via: str) -> Verdict:
        """Decide on one answer and do what follows from it. Raises StorageError."""
        salts = await self._store.code_salts()
        digests = await asyncio.to_thread(
            lambda: {salt: digest(heard.code, salt) for salt in salts}
        )
        static = self._settings.static_code
        claim = Claim(
            number=heard.number,
            digests=digests,
            static=static is not None and hmac.compare_digest(static, heard.code),
            via=via,
        )
        guessing = Guessing(
            wrong_max=self._settings.wrong_codes_max, window_s=self._settings.wrong_codes_window_s
        )
        verdict = await self._store.judge_answer(claim, guessing)
        if verdict.guessing:
            self._faults.raise_fault(FaultKind.CODE_GUESSING, via)
        elif verdict.change is not None:
            self._faults.clear_fault(FaultKind.CODE_GUESSING, via)
        if verdict.change is None:
            _log.warning(
                "an answer for incident %d is not proven: %s", heard.number, verdict.reason
            )
            return verdict
        _log.info("incident %d is answered", heard.number)
        self._relay.settle(verdict.change.incident_id)
        self._telling.send(verdict.change.messages)
        self._deadlines.wake()
        return verdict
