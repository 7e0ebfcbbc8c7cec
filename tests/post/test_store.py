"""The store: one alert, one row; one shop, one open incident; numbers; what a failed disk does."""

from __future__ import annotations

import asyncio
import secrets
import stat
import subprocess
import sys
import traceback
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from vigibip.alert.life import IllegalEventError, IncidentState
from vigibip.alert.messages import Alert
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError, UsageError
from vigibip.post.errors import UnknownBoxError, UnknownIncidentError
from vigibip.post.store import Store, journal
from vigibip.post.store.database import SqliteDatabase
from vigibip.post.store.incidents import IntakeRules
from vigibip.post.store.journal import FAULTS_MAX, PARKED_MAX
from vigibip.post.store.records import (
    Accepted,
    FaultChange,
    IncidentOutcome,
    ShopView,
    TokenRow,
    Told,
)
from vigibip.post.store.schema import Box, Incident, ParkedMessage, RelayRound, Shop

RULES = IntakeRules(worker="post-1")


async def shop(store: Store, name: str = "Tabac du Centre") -> ShopView:
    made = await store.create_shop(name=name, spoken=name, address="12 rue des Lilas")
    await store.set_box_keys(made.box_id, up_key=b"u" * 32, down_key=b"d" * 32, serial="1")
    return made


async def press(store: Store, box: ShopView, number: int, **fields: object) -> Accepted:
    fields.setdefault("age_s", 0)
    alert = Alert.model_validate({"alert": f"{number:016x}", **fields})
    return await store.accept_alert(box.box_id, alert, rules=RULES)


async def close(store: Store, incident_id: str) -> None:
    await store.close_incident(incident_id, by="Régulation", outcome=IncidentOutcome.REAL)


async def test_the_same_alert_again_changes_nothing(store: Store) -> None:
    tabac = await shop(store)
    first = await press(store, tabac, 1)
    before = await store.incidents()
    again = await press(store, tabac, 1, late=True)
    assert first.fresh
    assert not again.fresh
    assert (again.incident_id, again.round) == (first.incident_id, None)
    assert await store.incidents() == before


async def test_the_same_alert_is_known_after_its_incident_is_closed(store: Store) -> None:
    tabac = await shop(store)
    first = await press(store, tabac, 1)
    await close(store, first.incident_id)
    assert not (await press(store, tabac, 1, late=True)).fresh
    assert len(await store.incidents()) == 1


async def test_presses_of_one_shop_join_and_are_counted(store: Store) -> None:
    tabac = await shop(store)
    first = await press(store, tabac, 1)
    second = await press(store, tabac, 2)
    assert second.incident_id == first.incident_id
    assert second.round is not None
    assert (second.round.presses, second.round.joined, second.round.first) == (2, True, False)
    (incident,) = await store.incidents()
    assert incident.presses == 2
    assert [alert.id for alert in incident.alerts] == [f"{1:016x}", f"{2:016x}"]


async def test_two_shops_are_never_merged(store: Store) -> None:
    tabac, boulangerie = await shop(store, "Tabac"), await shop(store, "Boulangerie")
    first, second = await press(store, tabac, 1), await press(store, boulangerie, 2)
    assert first.incident_id != second.incident_id
    assert {one.shop_name for one in await store.incidents()} == {"Tabac", "Boulangerie"}


async def test_another_box_cannot_take_an_alert_for_its_own(store: Store) -> None:
    """A stolen box that tells its neighbour's next ids must not make them look known."""
    thief, tabac = await shop(store, "Voleur"), await shop(store, "Tabac")
    await press(store, thief, 7)
    taken = await press(store, tabac, 7)
    assert taken.fresh
    assert taken.round is not None
    assert taken.round.spoken == "Tabac"


async def test_a_closed_incident_never_absorbs(store: Store) -> None:
    tabac = await shop(store)
    first = await press(store, tabac, 1)
    await close(store, first.incident_id)
    second = await press(store, tabac, 2)
    assert second.incident_id != first.incident_id
    states = [one.state for one in await store.incidents()]
    assert states == [IncidentState.OPEN, IncidentState.CLOSED]
    assert [one.state for one in await store.incidents(open_only=True)] == [IncidentState.OPEN]


async def test_a_press_while_an_officer_is_coming_is_announced_and_told_at_once(
    store: Store,
) -> None:
    tabac = await shop(store)
    first = await press(store, tabac, 1)
    await store.answer_incident(first.incident_id, by="Alpha 1")
    second = await press(store, tabac, 2)
    assert second.round is not None
    (message,) = second.messages
    assert (message.state, message.alerts) == (Told.COMING, (f"{2:016x}",))
    assert (await store.incidents())[0].state is IncidentState.COMING


async def test_a_box_that_repeats_an_answered_alert_is_told_again(store: Store) -> None:
    """It has lost what it acknowledged, or it would not repeat it."""
    tabac = await shop(store)
    taken = await press(store, tabac, 1)
    assert (await press(store, tabac, 1)).messages == ()
    await store.answer_incident(taken.incident_id, by="Alpha 1")
    (told,) = await store.outstanding_messages()
    assert (await press(store, tabac, 1)).messages == (), "it is still being told"
    for arrived in (False, True):
        if arrived:
            await store.arrive(taken.incident_id, by="Alpha 1")
        await store.acknowledge_message(told.box_id, told.sequence)
        again = await press(store, tabac, 1)
        assert not again.fresh
        before = told.sequence
        (told,) = again.messages
        assert (told.state, told.alerts) == (Told.COMING, (f"{1:016x}",))
        assert told.sequence > before
        assert await store.outstanding_messages() == [told]
    await store.acknowledge_message(told.box_id, told.sequence)
    await close(store, taken.incident_id)
    assert (await press(store, tabac, 1)).messages == ()


async def test_a_revoked_or_unknown_box_is_refused(store: Store) -> None:
    tabac = await shop(store)
    await store.revoke_box(tabac.box_id)
    with pytest.raises(UnknownBoxError):
        await press(store, tabac, 1)
    with pytest.raises(UnknownBoxError):
        await store.revoke_box("box-00000000")
    assert await store.known_boxes() == {}
    assert await store.incidents() == []


async def test_pressed_at_is_the_reception_less_the_age(store: Store, clock: DrivenClock) -> None:
    tabac = await shop(store)
    await press(store, tabac, 1, age_s=90)
    await press(store, tabac, 2, age_s=None)
    await press(store, tabac, 3, age_s=2**32 - 1)
    known, unknown, ancient = (await store.incidents())[0].alerts
    assert known.pressed_at == clock.utc() - timedelta(seconds=90)
    assert unknown.pressed_at is None
    assert ancient.pressed_at is not None


async def test_every_illegal_step_is_refused_and_leaves_the_incident_alone(store: Store) -> None:
    tabac = await shop(store)
    taken = await press(store, tabac, 1)
    await close(store, taken.incident_id)
    before = await store.incident(taken.incident_id)
    with pytest.raises(IllegalEventError):
        await store.answer_incident(taken.incident_id, by="Alpha 1")
    with pytest.raises(IllegalEventError):
        await store.arrive(taken.incident_id, by="Alpha 1")
    await store.close_incident(
        taken.incident_id, by="quelqu'un d'autre", outcome=IncidentOutcome.FALSE_ALARM
    )
    assert await store.incident(taken.incident_id) == before
    with pytest.raises(UnknownIncidentError):
        await store.answer_incident("0" * 16, by="Alpha 1")
    assert await store.outstanding_messages() == []


async def test_an_arrival_without_an_answer_is_the_answer(store: Store) -> None:
    tabac = await shop(store)
    taken = await press(store, tabac, 1)
    assert await store.arrive(taken.incident_id, by="Alpha 1") is IncidentState.ON_SCENE
    (message,) = await store.outstanding_messages()
    assert message.state is Told.COMING
    incident = await store.incident(taken.incident_id)
    assert incident is not None
    assert incident.answered_by == "Alpha 1"
    assert await store.undone_rounds() == {}


async def test_numbers_go_round_and_rest_for_twelve_hours(store: Store, clock: DrivenClock) -> None:
    tabac = await shop(store)

    async def one(number: int) -> int | None:
        taken = await press(store, tabac, number)
        await close(store, taken.incident_id)
        incident = await store.incident(taken.incident_id)
        assert incident is not None
        return incident.number

    numbers = [await one(index) for index in range(100)]
    assert numbers == [*range(1, 100), 100]
    await clock.advance(12 * 3600 - 1)
    assert await one(200) == 101
    await clock.advance(2)
    assert await one(201) == 1
    assert await one(202) == 2


async def test_an_open_incident_keeps_its_number_however_long(
    store: Store, clock: DrivenClock
) -> None:
    held = await press(store, await shop(store, "Tabac"), 1)
    boulangerie = await shop(store, "Boulangerie")
    await clock.advance(48 * 3600)
    numbers = []
    for index in range(2, 102):
        taken = await press(store, boulangerie, index)
        numbers.append(taken.round.number if taken.round else None)
        await close(store, taken.incident_id)
    incident = await store.incident(held.incident_id)
    assert incident is not None
    assert incident.number == 1
    assert numbers == [*range(2, 100), 100, 101]


async def test_when_every_number_is_open_an_incident_has_none_and_is_still_taken(
    store: Store, clock: DrivenClock
) -> None:
    first = await press(store, await shop(store, "Tabac"), 1)
    now = clock.utc()

    def fill(connection: Connection) -> None:
        for number in range(2, 1000):
            made = f"{number:016x}"
            connection.execute(
                insert(Shop).values(id=made, name="x", spoken="x", address="", created_at=now)
            )
            connection.execute(
                insert(Incident).values(
                    id=made,
                    shop=made,
                    number=number,
                    state="open",
                    opened_at=now,
                    last_press_at=now,
                    presses=1,
                )
            )

    await store.write(fill)
    full = await press(store, await shop(store, "Boulangerie"), 2)
    assert full.fresh
    assert full.round is not None
    assert full.round.number is None
    await close(store, first.incident_id)
    # Used a moment ago, but every other is open: the officer is better served by it than by none.
    early = await press(store, await shop(store, "Presse"), 3)
    assert early.round is not None
    assert early.round.number == 1


async def test_an_unanswered_still_on_its_way_is_overtaken_by_coming(
    store: Store, clock: DrivenClock
) -> None:
    tabac = await shop(store)
    taken = await press(store, tabac, 1)
    await clock.advance(200)
    changes, _ = await store.find_overdue(unanswered_after_s=180, overdue_after_s=900)
    assert [change.messages[0].state for change in changes] == [Told.UNANSWERED]
    await store.answer_incident(taken.incident_id, by="Alpha 1")
    (left,) = await store.outstanding_messages()
    assert (left.sequence, left.state) == (2, Told.COMING)


async def test_messages_hold_64_alerts_and_count_up_per_box(store: Store) -> None:
    tabac = await shop(store)
    for number in range(70):
        taken = await press(store, tabac, number)
    await store.answer_incident(taken.incident_id, by="Alpha 1")
    first, second = await store.outstanding_messages()
    assert (first.sequence, len(first.alerts)) == (1, 64)
    assert (second.sequence, len(second.alerts)) == (2, 6)
    assert (await store.acknowledge_message(tabac.box_id, 1)) == first
    assert await store.acknowledge_message(tabac.box_id, 1) is None
    assert await store.acknowledge_message(tabac.box_id, 2**62) is None
    assert await store.outstanding_messages() == [second]


async def test_the_file_and_its_log_are_for_their_owner_alone(store: Store, tmp_path: Path) -> None:
    await shop(store)
    for path in tmp_path.glob("post.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


async def test_what_the_store_raises_shows_no_row(store: Store) -> None:
    def refuse(connection: Connection) -> None:
        connection.exec_driver_sql(
            "CREATE TRIGGER t BEFORE INSERT ON shop BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )

    await store.write(refuse)
    name = secrets.token_hex(8)
    with pytest.raises(IntegrityError) as raised:
        await store.create_shop(name=f"Bijouterie {name}", spoken=name, address="3 rue Neuve")
    told = "".join(traceback.format_exception(raised.value))
    assert "INSERT INTO shop" in told
    assert name not in told


async def test_a_job_that_fails_is_taken_back_alone(store: Store) -> None:
    tabac = await shop(store)

    def half(connection: Connection) -> None:
        connection.execute(update(Box).values(last_sequence=99))
        raise ValueError("midway")

    results = await asyncio.gather(
        press(store, tabac, 1), store.write(half), press(store, tabac, 2), return_exceptions=True
    )
    assert isinstance(results[1], ValueError)
    assert await store.read(lambda c: c.execute(select(Box.last_sequence)).scalar_one()) == 0
    assert (await store.incidents())[0].presses == 2


async def test_a_commit_that_fails_is_told_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tabac = await shop(store)

    def refuse(self: SqliteDatabase, connection: Connection) -> None:
        raise OSError("no space")

    with monkeypatch.context() as broken:
        broken.setattr(SqliteDatabase, "commit", refuse)
        with pytest.raises(StorageError):
            await press(store, tabac, 1)
    assert await store.incidents() == []
    assert (await press(store, tabac, 1)).fresh


async def test_a_transaction_that_sqlite_ended_by_itself_fails_the_whole_group(
    store: Store,
) -> None:
    tabac = await shop(store)

    def ended(connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")

    first, _, _ = await asyncio.gather(
        press(store, tabac, 1), store.write(ended), press(store, tabac, 2), return_exceptions=True
    )
    known = {alert.id for one in await store.incidents() for alert in one.alerts}
    # Whether the three shared a group is the machine's choice; a success must be on the disk.
    assert isinstance(first, StorageError) or f"{1:016x}" in known
    assert (await press(store, tabac, 3)).fresh


async def test_another_process_commits_show_in_the_data_version(
    store: Store, tmp_path: Path, clock: DrivenClock
) -> None:
    before = await store.data_version()
    assert await store.data_version() == before
    other = Store(tmp_path / "post.sqlite", clock=clock)
    other.start()
    try:
        await shop(other)
    finally:
        other.close()
    assert await store.data_version() != before


async def test_parked_messages_and_faults_are_bounded(store: Store) -> None:
    def flood(connection: Connection) -> None:
        for number in range(PARKED_MAX + 20):
            journal.park(connection, "x" * 500, "y" * 500, b"z" * 9999, clock_now)
            journal.record_faults(
                connection,
                [FaultChange("box-unknown", f"{number}", "")],
                clock_now,
            )

    clock_now = DrivenClock().utc()
    for _ in range(3):
        await store.write(flood)
    kept = await store.read(lambda c: c.execute(select(ParkedMessage)).all())
    assert len(kept) == PARKED_MAX
    assert max(len(row.payload) for row in kept) == 4096
    await store.record_faults([FaultChange("box-unknown", f"x{n}", "") for n in range(FAULTS_MAX)])
    assert len(await store.faults()) <= FAULTS_MAX


async def test_a_fault_counts_until_it_is_cleared_and_begins_anew(
    store: Store, clock: DrivenClock
) -> None:
    since = clock.utc()
    await store.raise_fault("broker-lost", "", "first")
    await clock.advance(10)
    await store.raise_fault("broker-lost", "", "second")
    (fault,) = await store.faults()
    assert (fault.count, fault.since, fault.detail) == (2, since, "second")
    await store.clear_fault("broker-lost", "")
    assert await store.faults() == []
    await store.raise_fault("broker-lost", "", "third")
    (fault,) = await store.faults()
    assert (fault.count, fault.since) == (1, clock.utc())


async def test_a_token_binds_to_the_first_key(store: Store, clock: DrivenClock) -> None:
    tabac = await store.create_shop(name="Tabac", spoken="Tabac", address="")
    row = TokenRow("ab" * 8, tabac.box_id, b"p" * 32, clock.utc(), None, None)
    await store.put_token(row)
    assert await store.get_token(row.token_id) == row

    async def claim(key: bytes, keys: bytes) -> bool:
        return await store.complete_enrolment(
            row.token_id,
            claimed_key=key,
            certificate_pem="PEM",
            serial=2**159,
            up_key=keys * 32,
            down_key=keys * 32,
            at_utc=clock.utc(),
        )

    assert await claim(b"first", b"1")
    assert await claim(b"first", b"2")
    assert not await claim(b"second", b"3")
    assert (await store.known_boxes())[tabac.box_id].up_key == b"2" * 32
    assert await store.purge_tokens(clock.utc() + timedelta(seconds=1)) == 1
    assert await store.get_token(row.token_id) is None
    assert not await claim(b"first", b"4")


@pytest.mark.parametrize(
    ("name", "spoken", "address"),
    [("", "x", "y"), ("x", " ", "y"), ("x" * 121, "x", "y"), ("x", "x", "y" * 201)],
)
async def test_a_shop_needs_names_of_a_bearable_length(
    store: Store, name: str, spoken: str, address: str
) -> None:
    with pytest.raises(UsageError):
        await store.create_shop(name=name, spoken=spoken, address=address)


async def test_keys_are_never_shown(store: Store) -> None:
    tabac = await shop(store)
    shown = repr(await store.known_boxes()) + repr(tabac)
    assert "uuu" not in shown
    assert "ddd" not in shown


async def test_the_first_round_is_leased_in_the_alert_s_own_transaction(store: Store) -> None:
    tabac = await shop(store)
    await press(store, tabac, 1)
    (row,) = await store.read(lambda c: c.execute(select(RelayRound)).all())
    assert (row.round_no, row.leased_by, row.done_at) == (1, "post-1", None)


async def test_a_rehearsal_leaves_nothing(store: Store, tmp_path: Path) -> None:
    await shop(store)
    await store.warm_up(RULES)
    assert await store.incidents() == []
    assert len(await store.shops()) == 1
    assert await store.outstanding_messages() == []
    taken = await press(store, (await store.shops())[0], 1)
    assert taken.round is not None
    assert taken.round.number == 1


def _another_process_reads(path: Path, query: str) -> int:
    """Open the file elsewhere, read one number and close it: for SQLite, maybe the last one to."""
    script = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1])\n"
        "print(connection.execute(sys.argv[2]).fetchone()[0])\n"
        "connection.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), query], capture_output=True, check=True
    )
    return int(done.stdout)


async def test_a_writer_opened_anew_does_not_give_the_log_away(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain open and close of the file would drop SQLite's locks: another process that closes it
    would then remove the log that this one goes on writing to.
    """
    path = tmp_path / "post.sqlite"
    tabac = await shop(store)
    await store.shops()  # the reader's connection is open too

    def refuse(self: SqliteDatabase, connection: object) -> None:
        raise OSError("no space")

    with monkeypatch.context() as broken:
        broken.setattr(SqliteDatabase, "commit", refuse)
        with pytest.raises(StorageError):
            await press(store, tabac, 1)
    await press(store, tabac, 2)
    assert _another_process_reads(path, "SELECT count(*) FROM alert") == 1
    await press(store, tabac, 3)
    assert _another_process_reads(path, "SELECT count(*) FROM alert") == 2
