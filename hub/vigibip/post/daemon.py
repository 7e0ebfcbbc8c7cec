"""The post's daemon: builds its parts, hands each what it needs, starts and ends them in order."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError, VigibipError
from vigibip.base.trace import Trace
from vigibip.base.waiting import within
from vigibip.modem.contract import Modem
from vigibip.post.answers import Answers
from vigibip.post.authority import Authority
from vigibip.post.broker_link import BrokerLink, tls_context
from vigibip.post.config import PostSettings
from vigibip.post.deadlines import Deadlines
from vigibip.post.enrolment import BrokerAddress, Enrolments
from vigibip.post.enrolment_server import EnrolmentServer
from vigibip.post.errors import NewerStoreError
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.intake import Intake
from vigibip.post.known_boxes import KnownBoxes
from vigibip.post.opening import Opening
from vigibip.post.patience import in_a_thread
from vigibip.post.radio_watch import RadioWatch
from vigibip.post.relay import Relay
from vigibip.post.running import hold, let_go
from vigibip.post.second_path import SecondPath
from vigibip.post.store import Store
from vigibip.post.store.copying import read_saved
from vigibip.post.store.incidents import IntakeRules
from vigibip.post.telling import Telling
from vigibip.post.unstored import Unstored
from vigibip.radio.clips import ClipStore
from vigibip.radio.contract import Radio
from vigibip.radio.voice import VoiceRadio

_log = logging.getLogger(__name__)

_WATCH_RETRY_S = 1.0
# Of each part that waits for the disk; whoever supervises the process kills it some time later.
_END_PATIENCE_S = 5.0


class PostDaemon:
    """One worker of the post. `radios`, `modems` None: those of the settings."""

    def __init__(
        self,
        settings: PostSettings,
        *,
        clock: Clock,
        radios: Sequence[Radio] | None = None,
        modems: Sequence[Modem] | None = None,
        trace: Trace | None = None,
        chance: random.Random | None = None,
    ) -> None:
        trace = trace or Trace()
        self._settings = settings
        self._clock = clock
        self._held: list[int] = []
        self._clips = _clips(settings) if radios is None else None
        self._radios = tuple(_radios(settings, self._clips, clock) if radios is None else radios)
        self.store = Store(settings.store_path, clock=clock, checkpoint=True)
        self._faults = Faults(self.store, clock)
        self._boxes = KnownBoxes(self.store)
        self._opening = Opening(self.store, clock, self._faults, self._take_up)
        self._relay = Relay(
            self.store,
            self._radios,
            settings.relay,
            clock,
            self._faults,
            trace,
            ended=self._part_ended,
        )
        self._telling = Telling(self.store, self._publish, self._boxes, clock, trace)
        self._deadlines = Deadlines(self.store, self._relay, self._telling, settings.relay, clock)
        self._unstored = Unstored(
            self._relay,
            clock,
            # The two need each other: intake hands over what fails, and is asked again for it.
            lambda box_id, alert, sms: self._intake.commit(box_id, alert, sms),  # noqa: PLW0108
        )
        rules = IntakeRules(
            worker=settings.relay.worker,
            lease_s=settings.relay.lease_s,
            digest_older_than_s=settings.relay.digest_older_than_s,
            digest_gather_s=settings.relay.digest_gather_s,
            overdue_after_s=settings.relay.overdue_after_s,
        )
        self._rules = rules
        self._intake = Intake(
            self.store,
            self._boxes,
            self._publish,
            self._relay,
            self._unstored,
            self._telling,
            self._faults,
            rules,
            clock,
            trace,
            self._deadlines.fresh_alert,
        )
        self._answers = Answers(
            self.store,
            self._relay,
            self._telling,
            self._deadlines,
            settings.answers,
            self._faults,
        )
        self._radio_watch = RadioWatch(
            self._radios, self._relay, self._faults, clock, settings.radio_watch_s
        )
        self._second_path = SecondPath(
            settings,
            self.store,
            self._boxes,
            self._intake,
            self._telling,
            self._relay,
            self._deadlines,
            self._faults,
            self._publish,
            lambda: self.connected,
            clock,
            trace,
            chance or random.Random(),
            modems,
        )
        self._link: BrokerLink | None = None
        self._enrolment: EnrolmentServer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._preparing: asyncio.Task[None] | None = None
        self._running = False
        self._stopping = False
        self._failed = asyncio.Event()

    @property
    def faults(self) -> dict[tuple[str, str], str]:
        """(kind, subject) -> detail of what is wrong now."""
        return self._faults.present

    @property
    def busy(self) -> bool:
        """True while something is under way that ends without time passing.

        A transmission takes time, and an answer that the broker took waits for its box: neither
        counts.
        """
        return self._running and (
            not self.store.idle
            or self._opening.busy
            or self._intake.busy
            or self._answers.busy
            or self._relay.busy
            or self._deadlines.busy
            or self._second_path.busy
            or any(getattr(radio, "busy", False) for radio in self._radios)
            or (self._link is not None and self._link.busy)
        )

    @property
    def connected(self) -> bool:
        """True while messages flow from and to the broker."""
        return self._link is not None and self._link.connected

    @property
    def sms_counts(self) -> dict[str, int]:
        """SMS that came and went since the start, by what became of them."""
        return self._second_path.counts

    @property
    def enrolment_port(self) -> int | None:
        """The port on which boxes are enrolled; None while it is not served."""
        return None if self._enrolment is None else self._enrolment.port

    async def start(self) -> None:
        """Return once everything runs; the broker, the radios and the disk may still be absent.

        Raises UsageError when another process serves this directory, ConfigurationError before
        `vigibip post init`, NewerStoreError, StorageError when the store cannot even be read.
        """
        settings = self._settings
        authority = Authority.load(settings.authority_dir, clock=self._clock)
        tls = tls_context(authority.certificate_path, authority.client_files("post"))
        self._held = hold(settings)
        try:
            self._running = True
            if not await self._opening.open():
                await self._go_by_a_copy()
            for radio in self._radios:
                await radio.start()
            await self._relay.start()
            self._link = BrokerLink(
                settings.broker,
                tls,
                self._clock,
                on_message=self._intake.message,
                on_connection=self._connection,
            )
            self._link.start()
            self._second_path.start()
            await self._start_enrolment(authority)
        except BaseException:
            await self.stop()
            raise
        if self._radios:
            self._faults.clear_fault(FaultKind.NO_RADIO)
        else:
            self._faults.raise_fault(FaultKind.NO_RADIO)
        self._own("telling", self._telling.run())
        self._own("deadlines", self._deadlines.run())
        self._own("unstored", self._unstored.run())
        self._own("watch", self._watch())
        self._own("opening", self._opening.run())
        self._own("radio watch", self._radio_watch.run())
        for name, part in self._second_path.parts():
            self._own(name, part)
        if self._clips is not None:
            self._preparing = asyncio.create_task(self._prepare_clips(self._clips))
        for radio in self._radios:
            self._own(f"answers of {radio.name}", self._answers.listen(radio))
        _log.info("the post serves %d boxes on %d radios", len(self._boxes), len(self._radios))

    async def stop(self) -> None:
        """End in order: nothing new comes in, what came in is committed, the radios fall silent.

        A disk that hangs is not waited for: boxes keep what has no receipt.
        """
        self._stopping = True
        if self._enrolment is not None:
            await self._enrolment.stop()
        if self._running:
            await self._ended("the second path", self._second_path.stop())
        if self._link is not None:
            await self._ended("the intake", self._intake.stop())
            await self._link.stop()
        await self._relay.stop()
        tasks = [*self._tasks, *([] if self._preparing is None else [self._preparing])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        for radio in self._radios:
            await radio.close()
        if self._running:
            await self._ended("what is wrong", self._faults.stop())
            self._running = False
            await self._ended("the store", asyncio.wrap_future(in_a_thread(self.store.close)))
        let_go(self._held)

    async def _ended(self, name: str, end: Awaitable[None]) -> None:
        ending = asyncio.ensure_future(end)
        if not await within(self._clock, _END_PATIENCE_S, ending):
            _log.error("%s does not end: the disk does not answer", name)
            return
        ending.result()

    async def _take_up(self) -> None:
        """Begin with what the store holds; it may have been opened late. Raises StorageError."""
        await self._boxes.load()
        await self._faults.start()
        # A disk that takes no write is found here, not by the first alert.
        await self.store.warm_up(self._rules)
        await self._second_path.take_up()
        await self._relay.take_up()
        await self._telling.refresh()
        self._deadlines.wake()

    async def _go_by_a_copy(self) -> None:
        """Know whom to believe, and what was being said, though the store cannot be taken up."""
        try:
            saved = await read_saved(self._settings.store_path, self._rules, self._clock)
        except NewerStoreError:
            raise
        except StorageError as error:
            if not self._boxes.loaded:
                raise
            _log.error("what was being said is not known: %s", error)
            return
        _log.error("the store cannot be written: alerts are relayed from memory")
        self._boxes.use(saved.boxes)
        for task in saved.rounds:
            self._relay.push(task)

    async def _prepare_clips(self, clips: ClipStore) -> None:
        """Render what an update, or a fault, has left missing; one of its own low priority."""
        try:
            await clips.prepare_common()
        except (VigibipError, OSError) as error:
            _log.error("the common clips cannot be prepared: %s", error)
            for radio in self._radios:
                self._faults.raise_fault(FaultKind.RADIO_DEGRADED, radio.name, str(error))

    async def _start_enrolment(self, authority: Authority) -> None:
        settings = self._settings
        broker = BrokerAddress(settings.boxes_broker.host, settings.boxes_broker.port)
        server = EnrolmentServer(
            Enrolments(authority, self.store, self._clock, broker),
            authority,
            self._clock,
            host=settings.enrolment.host,
            port=settings.enrolment.port,
            public_hosts=[settings.enrolment_public_host],
        )
        await server.start()
        self._enrolment = server

    def _publish(self, topic: str, payload: bytes) -> bool:
        return self._link is not None and self._link.publish(topic, payload)

    def _connection(self, up: bool, reason: str) -> None:
        if up:
            self._faults.clear_fault(FaultKind.BROKER_LOST)
            self._telling.connected()
        else:
            self._faults.raise_fault(FaultKind.BROKER_LOST, "", reason)

    async def _watch(self) -> None:
        """Notice what another process, the console, has committed."""
        seen: int | None = None
        while True:
            try:
                version = await self.store.data_version()
                if version != seen:
                    seen = version
                    await self._relay.refresh()
                    await self._telling.refresh()
                    await self._second_path.refresh()
                    self._deadlines.wake()
            except StorageError as error:
                self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))
                await self._clock.sleep(_WATCH_RETRY_S)
            await self._clock.sleep(self._settings.store_watch_s)

    async def failed(self) -> None:
        """Return once a part has ended that never should: only a new start brings it back."""
        await self._failed.wait()

    def _own(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(self._part_ended)
        self._tasks.append(task)

    def _part_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._stopping:
            return
        _log.critical(
            "the post's part %r ended by a mistake of ours",
            task.get_name(),
            exc_info=task.exception(),
        )
        self._failed.set()


def _clips(settings: PostSettings) -> ClipStore | None:
    voice = settings.radio.voice
    if voice is None:
        return None
    return ClipStore(settings.clips_dir, sample_rate_hz=voice.sample_rate_hz)


def _radios(settings: PostSettings, clips: ClipStore | None, clock: Clock) -> list[Radio]:
    voice = settings.radio.voice
    if voice is None or clips is None:
        return []
    return [VoiceRadio(voice, clips, clock)]
