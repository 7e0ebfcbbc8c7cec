"""The post's store: what the daemon, the console and the commands ask of the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from vigibip.alert import messages as wire
from vigibip.alert.life import IncidentState
from vigibip.base.clock import Clock, SystemClock
from vigibip.post.errors import CopiedSmsError, OldSmsError
from vigibip.post.store import (
    boxes,
    codes,
    incidents,
    journal,
    messages,
    overdue,
    paths,
    reading,
    rounds,
)
from vigibip.post.store.codes import Claim, Guessing, Verdict
from vigibip.post.store.file import StoreFile
from vigibip.post.store.incidents import Change, IntakeRules
from vigibip.post.store.records import (
    Accepted,
    BoxMessageView,
    FaultChange,
    FaultView,
    IncidentOutcome,
    IncidentView,
    KnownBox,
    RoundTask,
    ShopView,
    TokenRow,
)


class Store(StoreFile):
    """Each method is one transaction, done when it returns; `clock` dates the records."""

    def __init__(self, path: Path, *, clock: Clock | None = None, checkpoint: bool = False) -> None:
        super().__init__(path, checkpoint=checkpoint)
        self._clock: Clock = clock or SystemClock()

    # Shops, boxes, enrolment

    async def create_shop(
        self, *, name: str, spoken: str, address: str, phone: str | None = None
    ) -> ShopView:
        """Make a shop and its box; `phone`: of the box's SIM. Raises UsageError."""
        now = self._clock.utc()

        def create(connection: Connection) -> ShopView:
            made = boxes.create_shop(connection, name=name, spoken=spoken, address=address, now=now)
            if phone is not None:
                paths.set_phone(connection, made.box_id, phone, now)
            return made

        return await self.write(create)

    async def shops(self) -> list[ShopView]:
        return await self.read(boxes.shops)

    async def known_boxes(self, box_id: str | None = None) -> dict[str, KnownBox]:
        """Return every box that is served, or this one if it is."""
        return await self.read(lambda c: boxes.known_boxes(c, box_id))

    async def set_box_keys(
        self, box_id: str, *, up_key: bytes, down_key: bytes, serial: str
    ) -> None:
        now = self._clock.utc()
        await self.write(
            lambda c: boxes.set_box_keys(
                c, box_id, up_key=up_key, down_key=down_key, serial=serial, now=now
            )
        )

    async def revoke_box(self, box_id: str) -> None:
        now = self._clock.utc()
        await self.write(lambda c: boxes.revoke_box(c, box_id, now=now))

    async def put_token(self, row: TokenRow) -> None:
        await self.write(lambda c: boxes.put_token(c, row))

    async def get_token(self, token_id: str) -> TokenRow | None:
        return await self.read(lambda c: boxes.get_token(c, token_id))

    async def complete_enrolment(
        self,
        token_id: str,
        *,
        claimed_key: bytes,
        certificate_pem: str,
        serial: int,
        up_key: bytes,
        down_key: bytes,
        at_utc: datetime,
    ) -> bool:
        """Bind the token to this key and enrol its box; False: another key was first."""
        return await self.write(
            lambda c: boxes.complete_enrolment(
                c,
                token_id,
                claimed_key=claimed_key,
                certificate_pem=certificate_pem,
                serial=f"{serial:x}",
                up_key=up_key,
                down_key=down_key,
                now=at_utc,
            )
        )

    async def purge_tokens(self, before_utc: datetime) -> int:
        return await self.write(lambda c: boxes.purge_tokens(c, before_utc))

    # Alerts and incidents

    async def accept_alert(
        self, box_id: str, alert: wire.Alert, *, rules: IntakeRules, sms: int | None = None
    ) -> Accepted:
        """Commit an alert once; its first round is leased at once. `sms`: its SMS's sequence.

        Raises UnknownBoxError, CopiedSmsError, OldSmsError.
        """
        now = self._clock.utc()

        def accept(connection: Connection) -> Accepted:
            accepted = incidents.accept_alert(connection, box_id, alert, now, rules)
            try:
                if sms is not None:
                    paths.take_sms(connection, box_id, sms, now, alert=True)
            except OldSmsError as error:
                if not accepted.fresh:
                    raise CopiedSmsError("an old SMS of an alert that is known") from error
                raise
            return accepted

        return await self.write(accept)

    async def warm_up(self, rules: IntakeRules) -> None:
        """Take an alert in and take it back, so that the first real one finds all compiled."""
        now = self._clock.utc()
        try:
            await self.write(lambda c: incidents.rehearse(c, now, rules))
        except incidents.RehearsalEndError:
            return

    async def incidents(self, *, open_only: bool = False, limit: int = 50) -> list[IncidentView]:
        """Return the open incidents, newest press first, then the closed ones alike."""
        return await self.read(lambda c: reading.incidents(c, open_only=open_only, limit=limit))

    async def incident(self, incident_id: str) -> IncidentView | None:
        return await self.read(lambda c: reading.incident(c, incident_id))

    async def answer_incident(
        self, incident_id: str, *, by: str, via: str = "console"
    ) -> IncidentState:
        """Record a proven answer. Raises UnknownIncidentError, IllegalEventError."""
        now = self._clock.utc()
        change = await self.write(
            lambda c: incidents.answer(c, incident_id, by=by, via=via, now=now)
        )
        return change.state

    async def arrive(self, incident_id: str, *, by: str) -> IncidentState:
        """Record that an officer is on the scene. Raises as `answer_incident`."""
        now = self._clock.utc()
        change = await self.write(lambda c: incidents.arrive(c, incident_id, by=by, now=now))
        return change.state

    async def close_incident(
        self,
        incident_id: str,
        *,
        by: str,
        outcome: IncidentOutcome,
        seen_presses: int | None = None,
    ) -> IncidentState:
        """End an incident that was shown with `seen_presses` presses.

        Raises as `answer_incident`, and PressedAgainError when it has one that was not seen.
        """
        now = self._clock.utc()
        change = await self.write(
            lambda c: incidents.close(
                c, incident_id, by=by, outcome=outcome, seen_presses=seen_presses, now=now
            )
        )
        return change.state

    async def find_overdue(
        self, *, unanswered_after_s: float, overdue_after_s: float
    ) -> tuple[list[Change], datetime | None]:
        """Do what time alone demands; return it, and when to look again."""
        now = self._clock.utc()
        return await self.write(
            lambda c: overdue.find_overdue(
                c,
                now=now,
                unanswered_after_s=unanswered_after_s,
                overdue_after_s=overdue_after_s,
            )
        )

    # Relay

    async def lease_due(
        self, *, worker: str, lease_s: float, furthest_s: float, overdue_after_s: float
    ) -> tuple[list[RoundTask], datetime | None]:
        """Lease the due rounds that nobody holds; return them, and when to look again.

        A round due more than `furthest_s` ahead was made before the clock was set back: it is due.
        A press that came `overdue_after_s` after an answer opened the incident again.
        """
        now = self._clock.utc()
        return await self.write(
            lambda c: rounds.lease_due(
                c,
                worker=worker,
                now=now,
                lease_s=lease_s,
                furthest_s=furthest_s,
                overdue_after_s=overdue_after_s,
            )
        )

    async def renew_leases(
        self, *, worker: str, incidents_held: Iterable[str], lease_s: float
    ) -> None:
        now = self._clock.utc()
        held = list(incidents_held)
        await self.write(
            lambda c: rounds.renew(c, worker=worker, incidents=held, now=now, lease_s=lease_s)
        )

    async def release_leases(self, worker: str) -> None:
        await self.write(lambda c: rounds.release(c, worker))

    async def finish_rounds(
        self, incident_id: str, up_to_round: int, *, outcome: str, next_in_s: float
    ) -> bool:
        """Record rounds as done; while nobody has answered, the next is due in `next_in_s`.

        Tells whether another is to come.
        """
        now = self._clock.utc()
        return await self.write(
            lambda c: rounds.finish(
                c, incident_id, up_to_round, outcome=outcome, now=now, next_in_s=next_in_s
            )
        )

    async def undone_rounds(self) -> dict[str, int]:
        """Return each incident that has undone rounds, with the last round's number."""
        return await self.read(rounds.undone)

    # Messages to boxes

    async def outstanding_messages(self, box_id: str | None = None) -> list[BoxMessageView]:
        return await self.read(lambda c: messages.outstanding(c, box_id))

    async def acknowledge_message(self, box_id: str, sequence: int) -> BoxMessageView | None:
        """Settle a message; None when it was not outstanding."""
        now = self._clock.utc()
        return await self.write(lambda c: messages.acknowledge(c, box_id, sequence, now))

    # Officers' codes

    async def code_salts(self) -> list[bytes]:
        return await self.read(codes.salts)

    async def taken_code_digests(self, salt: bytes) -> set[bytes]:
        return await self.read(lambda c: codes.taken_digests(c, salt))

    async def add_card(self, callsign: str, salt: bytes, digests: Sequence[bytes]) -> int:
        """Record a card's codes, void the officer's former card; return the card's number."""
        now = self._clock.utc()
        return await self.write(lambda c: codes.add_card(c, callsign, salt, digests, now))

    async def judge_answer(self, claim: Claim, guessing: Guessing) -> Verdict:
        """Decide on an answer that was keyed, and record what it proves."""
        now = self._clock.utc()
        return await self.write(lambda c: codes.judge(c, claim, guessing, now))

    # Faults and refused messages

    async def faults(self) -> list[FaultView]:
        """Return what is wrong now, the newest first."""
        return await self.read(journal.faults)

    async def record_faults(self, changes: Sequence[FaultChange]) -> None:
        now = self._clock.utc()
        await self.write(lambda c: journal.record_faults(c, changes, now))

    async def raise_fault(self, kind: str, subject: str, detail: str = "") -> None:
        await self.record_faults([FaultChange(kind, subject, detail)])

    async def clear_fault(self, kind: str, subject: str) -> None:
        await self.record_faults([FaultChange(kind, subject, None)])

    async def park_message(self, topic: str, reason: str, payload: bytes) -> None:
        """Keep a refused message for a technician; the oldest make room."""
        now = self._clock.utc()
        await self.write(lambda c: journal.park(c, topic, reason, payload, now))
