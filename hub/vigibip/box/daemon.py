"""The box's daemon: everything put together, started, watched and stopped."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import random
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

import vigibip
from vigibip.alert.ids import AlertId
from vigibip.alert.life import AlertState
from vigibip.alert.messages import BoxStatus, OfficerAnswer
from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError, UsageError
from vigibip.base.trace import Trace
from vigibip.box.alerts import AlertBook, BoxAlert
from vigibip.box.battery import forecast
from vigibip.box.bip_facts import bip_facts
from vigibip.box.bip_watch import BipWatch
from vigibip.box.carrier import Carrier
from vigibip.box.config import BoxSettings
from vigibip.box.control import ControlServer
from vigibip.box.data_carrier import DataCarrier
from vigibip.box.devices import Devices
from vigibip.box.early_answers import EarlyAnswers
from vigibip.box.enrolment import load_enrolment
from vigibip.box.errands import Errands
from vigibip.box.fault_words import words_for
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.gesture_telling import Gestures
from vigibip.box.intake import Intake
from vigibip.box.link import ReceiverLink
from vigibip.box.outbox import Outbox
from vigibip.box.power_profile import power_profile
from vigibip.box.reach import Reach
from vigibip.box.receivers import Receivers
from vigibip.box.replies import Replier
from vigibip.box.schedule import data_schedule
from vigibip.box.second_path import SecondPath
from vigibip.box.serial_link import SerialLink
from vigibip.box.store import Store
from vigibip.box.store.bips import day_of
from vigibip.box.timers import Timers
from vigibip.box.trust import ClockTrust
from vigibip.box.updates import Updates
from vigibip.modem.contract import Modem
from vigibip.sms.contract import SmsProvider
from vigibip.wire import frame

_log = logging.getLogger(__name__)

# A changed fault is told soon, and several that change together are told together.
_STATUS_SOON_S = 1.0
# For so long a bip asks often what becomes of its press: no update is given meanwhile.
_ALERT_LIVES_S = 1800.0
# What binds nothing is written so often: the floor under the clock and what bips last said lose
# at most that much at a power cut, and each write wears the card.
_BATCH_EVERY_S = 3600.0


class BoxDaemon:
    """One box.

    `link` None: the receiver on its serial line. `carriers` None: those of the enrolment; raises
    what `load_enrolment` raises.
    """

    def __init__(
        self,
        settings: BoxSettings,
        *,
        clock: Clock,
        link: ReceiverLink | None = None,
        carriers: Sequence[Carrier] | None = None,
        modem: Modem | None = None,
        sms_provider: SmsProvider | None = None,
        trace: Trace | None = None,
        chance: random.Random | None = None,
    ) -> None:
        trace = trace or Trace()
        # One-time words come from it too, and must not be guessed.
        chance = chance or random.SystemRandom()
        self._settings = settings
        self._clock = clock
        self._timers = Timers(clock)
        self._trust = ClockTrust(clock, has_rtc=settings.has_rtc)
        self._faults = Faults(clock)
        self._devices = Devices()
        self._store = Store(settings.store_path)
        self._link = link or self._receivers(chance)
        if carriers is None or settings.sms is not None:
            enrolment = load_enrolment(settings.enrolment_path)
            # The first post is the box's own; the others have their turn with the plan's steps.
            post = enrolment.posts[0]
            self._trust.raise_floor(post.valid_from_utc())
        if carriers is None:
            carriers = [
                DataCarrier(
                    box_id=enrolment.box_id,
                    post=post,
                    settings=settings.data,
                    schedule=data_schedule(settings.queue, settings.plan),
                    clock=clock,
                    trust=self._trust,
                    timers=self._timers,
                    faults=self._faults,
                    chance=chance,
                )
            ]
        self._carriers = carriers
        self._book = AlertBook(
            store=self._store,
            devices=self._devices,
            clock=clock,
            trust=self._trust,
            timers=self._timers,
            faults=self._faults,
            trace=trace,
        )
        self._second: SecondPath | None = None
        if settings.sms is not None:
            self._second = SecondPath(
                settings=settings.sms,
                officer_after_s=settings.plan.officer_sms_after_s or None,
                data=settings.data,
                modem=modem,
                provider=sms_provider,
                post=post,
                book=self._book,
                store=self._store,
                clock=clock,
                trust=self._trust,
                timers=self._timers,
                faults=self._faults,
                trace=trace,
                chance=chance,
            )
            self._second.officer.answers.tell_post = self._tell_officer_answer
            carriers = [*carriers, self._second.carrier]
        self._carriers = carriers
        self._early_answers = EarlyAnswers(self._devices)
        self._gestures = Gestures(
            book=self._book, carriers=carriers, clock=clock, timers=self._timers
        )
        self._outbox = Outbox(
            settings=settings.queue,
            plan=settings.plan,
            book=self._book,
            early_answers=self._early_answers,
            carriers=carriers,
            gestures=self._gestures,
            clock=clock,
            timers=self._timers,
            faults=self._faults,
            trace=trace,
            chance=chance,
            watcher=self._second,
        )
        self._replier = Replier(self._link, self._store, self._faults)
        self._watch = BipWatch(
            devices=self._devices,
            faults=self._faults,
            clock=clock,
            trust=self._trust,
            timers=self._timers,
            missing_after=settings.bip_missing_after,
            receivers=1 if settings.second_receiver_port is None else 2,
        )
        self._updates = Updates(settings.update_path, self._faults)
        self._updates.is_calm = self._is_calm
        self._errands = Errands(self._updates)
        self._replier.waiting = self._errands.waiting
        self._reach = Reach(
            devices=self._devices, faults=self._faults, clock=clock, trust=self._trust
        )
        if isinstance(self._link, Receivers):
            self._link.on_copy = self._reach.copy
        self._intake = Intake(
            devices=self._devices,
            book=self._book,
            replier=self._replier,
            watch=self._watch,
            reach=self._reach,
            errands=self._errands,
            gestures=self._gestures,
            offer=self._outbox.offer,
            faults=self._faults,
            clock=clock,
        )
        self._book.stored = self._stored
        self._control = ControlServer(
            settings.control_path,
            {
                "status": self._describe,
                "reload": self._reload,
                "resend": self._resend,
                "sms": self._describe_sms,
                "probe": self._probe,
                "bips": self._describe_bips,
                "commission-reach": self._commission_reach,
            },
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._passing: set[asyncio.Task[Any]] = set()
        """Work that ends without time passing."""
        self._started_s = 0.0
        self._status_soon = False
        self._held: int | None = None

    def _receivers(self, chance: random.Random) -> ReceiverLink:
        settings = self._settings
        links = [
            SerialLink(
                port=port,
                baud=settings.receiver_baud,
                channel=settings.radio_channel,
                clock=self._clock,
                timers=self._timers,
                faults=self._faults,
                chance=chance,
                name=name,
            )
            for port, name in ((settings.receiver_port, ""), (settings.second_receiver_port, "2"))
            if port is not None
        ]
        return links[0] if len(links) == 1 else Receivers(links, self._clock)

    @property
    def faults(self) -> Faults:
        return self._faults

    @property
    def busy(self) -> bool:
        """True while something is under way that ends without time passing."""
        return (
            bool(self._passing)
            or self._book.saving
            or self._replier.busy
            or any(carrier.busy for carrier in self._carriers)
            or (self._second is not None and self._second.busy)
        )

    async def start(self) -> None:
        """Begin. Raises StorageError when the store cannot be read, or another box runs on it."""
        self._started_s = self._clock.monotonic_s()
        self._hold_directory()
        contents = await self._store.start()
        self._trust.raise_floor(contents.last_utc)
        self._devices.update(contents.devices, contents.tags)
        self._book.load(contents)
        self._watch.start(contents.statuses)
        self._reach.start(contents.reach)
        self._errands.start(contents.statuses)
        self._errands.set_all(contents.settings)
        self._early_answers.load(contents.early_answers)
        if self._second is not None:
            self._second.load(contents.second_path)
        self._outbox.restore()
        self._gestures.restore()
        self._replier.reserve(self._devices)
        self._faults.changed = self._tell_status_soon
        self._tasks.add(asyncio.create_task(self._timers.run()))
        for carrier in self._carriers:
            carrier.start(self._outbox)
        self._link.allow([device.device_id for device in self._devices])
        self._link.start(self._intake.take)
        await self._control.start()
        self._tell_status_soon()
        self._timers.call_in(self._settings.device_poll_s, self._watch_devices)
        self._timers.call_in(self._settings.status_interval_s, self._tell_status_regularly)
        self._timers.call_in(_BATCH_EVERY_S, self._write_batch_regularly)
        _log.info("the box runs: %d devices, %d alerts wait", len(self._devices), len(self._outbox))

    async def stop(self) -> None:
        """End in order: no more frames, everything written, then the carriers and the store."""
        await self._control.close()
        await self._link.close()
        await self._write_batch()
        await self._book.saved()
        for carrier in self._carriers:
            await carrier.close()
        if self._second is not None:
            await self._second.written()
        for task in self._tasks | self._passing:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._store.close()
        if self._held is not None:
            os.close(self._held)

    def _hold_directory(self) -> None:
        # Two boxes on one store would seal different replies with the same counter. The directory
        # itself is locked: a full or read-only disk has no room for a lock file.
        try:
            self._held = os.open(self._settings.data_dir, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(f"{self._settings.data_dir}: a box runs on it already") from error
        except OSError as error:
            raise StorageError(f"{self._settings.data_dir}: {error.strerror}") from error

    def _stored(self, alert: BoxAlert) -> None:
        self._outbox.stored(alert)
        self._intake.stored(alert)

    # What a person or the post is told

    async def _describe(self, _asked: dict[str, Any]) -> dict[str, Any]:
        return self.description()

    async def _describe_bips(self, _asked: dict[str, Any]) -> dict[str, Any]:
        days = await self._store.read_days()
        today = day_of(self._clock.utc())
        profile = power_profile()
        battery = profile.battery[self._settings.bip_battery]
        facts = [
            bip_facts(
                one.device_id,
                one.name,
                one.heard_utc,
                self._watch.status_of(one.device_id),
                self._errands.settings_of(one.device_id),
                self._errands.edition_told(one.device_id),
                forecast(days.get(one.device_id, ()), today, profile, battery),
            )
            for one in self._devices
        ]
        return {"running": True, "bips": facts, "update": self._updates.describe()}

    async def _commission_reach(self, _asked: dict[str, Any]) -> dict[str, Any]:
        bips = self._reach.commission()
        return {"bips": bips, "kept": await self._write_reach()}

    def description(self) -> dict[str, Any]:
        """Return how the box is, for `vigibip box status`."""
        now_s = self._clock.monotonic_s()
        return {
            "running": True,
            "software": vigibip.__version__,
            "uptime_s": int(now_s - self._started_s),
            "clock_sure": self._trust.sure,
            "queued": len(self._outbox),
            "carriers": [
                {
                    "name": one.name,
                    "up": one.up,
                    "in_flight": one.in_flight,
                    "counts": dict(one.counts),
                }
                for one in self._carriers
            ],
            "devices": [
                {
                    "id": f"{device.device_id:08x}",
                    "name": device.name,
                    "battery_mv": device.battery_mv,
                    "heard": device.heard_utc and device.heard_utc.isoformat(timespec="seconds"),
                }
                for device in self._devices
            ],
            "faults": [
                {
                    "code": str(fault),
                    "since": fault.since_utc.isoformat(timespec="seconds"),
                    "what": words_for(fault).what,
                    "todo": words_for(fault).todo,
                    "detail": fault.detail,
                }
                for fault in self._faults.standing()
            ],
            "sms": None if self._second is None else self._second.describe(),
            "receivers": self._link.describe(),
            "frames": dict(self._intake.counts),
            "replies": dict(self._replier.counts),
        }

    def _tell_status(self) -> None:
        self._status_soon = False
        status = BoxStatus(
            software=vigibip.__version__,
            uptime_s=int(self._clock.monotonic_s() - self._started_s),
            queued=len(self._outbox),
            faults=[str(fault) for fault in self._faults.standing()],
            contacts_edition=0 if self._second is None else self._second.contacts_edition,
        )
        for carrier in self._carriers:
            carrier.tell_status(status)

    def _tell_status_soon(self) -> None:
        if not self._status_soon:
            self._status_soon = True
            self._timers.call_in(_STATUS_SOON_S, self._tell_status)

    def _tell_status_regularly(self) -> None:
        self._tell_status()
        self._timers.call_in(self._settings.status_interval_s, self._tell_status_regularly)

    def _write_batch_regularly(self) -> None:
        self._pass(self._write_batch())
        self._timers.call_in(_BATCH_EVERY_S, self._write_batch_regularly)

    async def _write_reach(self) -> bool:
        reach = self._reach.take_unwritten()
        try:
            await self._store.write_reach(reach)
        except StorageError as error:
            self._reach.not_written(reach)
            _log.warning("how strongly the bips are heard was not written: %s", error)
            return False
        return True

    async def _write_batch(self) -> None:
        await self._write_reach()
        heard = [one for device in self._devices if (one := device.take_heard()) is not None]
        statuses, days = self._watch.take_unwritten()
        try:
            await self._store.write_heard(heard, statuses, days, self._trust.utc_if_sure())
        except StorageError as error:
            self._watch.not_written(statuses, days)
            _log.warning("what the bips said was not written: %s", error)

    # Devices that another process paired or revoked

    def _watch_devices(self) -> None:
        self._pass(self._look_for_devices())
        self._timers.call_in(self._settings.device_poll_s, self._watch_devices)

    def _is_calm(self) -> bool:
        since_s = self._clock.monotonic_s() - _ALERT_LIVES_S
        return not any(
            alert.opened_s > since_s and alert.told != frame.STATE_COMING for alert in self._book
        )

    async def _look_for_devices(self) -> None:
        self._updates.look()
        try:
            changed = await self._store.devices_if_changed()
        except StorageError as error:
            self._faults.begin(FaultCode.STORAGE, str(error), "devices")
            return
        self._faults.clear(FaultCode.STORAGE, "devices")
        if changed is not None:
            devices, settings = changed
            self._devices.update(devices, {})
            self._errands.set_all(settings)
            self._updates.forget(device.device_id for device in self._devices)
            self._watch.devices_changed()
            self._reach.devices_changed()
            self._link.allow([device.device_id for device in self._devices])
            self._replier.reserve(self._devices)

    async def _resend(self, asked: dict[str, Any]) -> dict[str, Any]:
        # What a technician reads, as the faults' words.
        alert = self._book.get(AlertId.parse(asked["alert"]))
        if alert is None:
            raise UsageError("ce boîtier ne la connaît pas, ou plus")
        if alert.state is not AlertState.PARKED:
            raise UsageError(f"elle n'est pas mise de côté, mais « {alert.state.value} »")
        sent = self._outbox.resend(alert)
        return {"sent": sent, "kept": await self._book.save([alert])}

    async def _describe_sms(self, _asked: dict[str, Any]) -> dict[str, Any]:
        if self._second is None:
            raise UsageError("ce boîtier n'a pas de voie SMS : sa configuration n'a pas de [sms]")
        return self._second.describe()

    async def _probe(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self._second is not None:
            self._second.probe_now()
        return await self._describe_sms(asked)

    def _tell_officer_answer(self, answer: OfficerAnswer) -> bool:
        return any(carrier.tell_officer_answer(answer) for carrier in self._carriers)

    async def _reload(self, _asked: dict[str, Any]) -> dict[str, Any]:
        await self._look_for_devices()
        return {"devices": len(self._devices)}

    def _pass(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
