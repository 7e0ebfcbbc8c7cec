"""Officers' answers: what proves one, what does not, and what guessing gets."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from sqlalchemy import func, select

from vigibip.alert.life import IncidentState
from vigibip.alert.messages import Alert
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import UsageError
from vigibip.post.cards import Card, digest, new_card
from vigibip.post.config import AnswerSettings
from vigibip.post.store import Store
from vigibip.post.store.codes import Claim, Guessing, Reason, Verdict
from vigibip.post.store.incidents import IntakeRules
from vigibip.post.store.schema import Answer

SETTINGS = AnswerSettings(codes_per_card=4)
GUESSING = Guessing(wrong_max=5, window_s=600)


async def incident(store: Store, name: str = "Tabac") -> tuple[str, int]:
    """Open an incident and return its id and number."""
    shop = await store.create_shop(name=name, spoken=name, address="")
    taken = await store.accept_alert(
        shop.box_id,
        Alert(alert=f"{random.getrandbits(64):016x}", age_s=0),
        rules=IntakeRules(worker="post-1"),
    )
    assert taken.round is not None
    assert taken.round.number is not None
    return taken.incident_id, taken.round.number


async def key(store: Store, number: int, code: str, *, static: str | None = None) -> Verdict:
    digests = {salt: digest(code, salt) for salt in await store.code_salts()}
    claim = Claim(number=number, digests=digests, static=code == static, via="voice")
    return await store.judge_answer(claim, GUESSING)


async def state(store: Store, incident_id: str) -> IncidentState:
    found = await store.incident(incident_id)
    assert found is not None
    return found.state


async def wrong(store: Store, number: int, times: int) -> None:
    for guess in range(times):
        verdict = await key(store, number, f"{guess:05d}x")
        assert verdict.reason is Reason.WRONG_CODE


async def card(store: Store, callsign: str = "Alpha 1") -> Card:
    return await new_card(store, callsign, SETTINGS)


async def test_a_code_of_a_card_proves_one_answer(store: Store) -> None:
    alpha = await card(store)
    first_id, first = await incident(store)
    verdict = await key(store, first, alpha.codes[0])
    assert verdict.change is not None
    assert await state(store, first_id) is IncidentState.COMING
    second_id, second = await incident(store, "Presse")
    replayed = await key(store, second, alpha.codes[0])
    assert replayed.reason is Reason.WRONG_CODE
    assert await state(store, second_id) is IncidentState.OPEN


async def test_the_same_answer_again_is_neither_new_nor_a_guess(store: Store) -> None:
    alpha = await card(store)
    incident_id, number = await incident(store)
    await key(store, number, alpha.codes[0])
    for _ in range(10):
        again = await key(store, number, alpha.codes[0])
        assert (again.change, again.reason, again.guessing) == (None, None, False)
    found = await store.incident(incident_id)
    assert found is not None
    assert len(found.answers) == 1


async def test_a_used_code_cannot_answer_again_once_its_coming_was_overdue(
    store: Store, clock: DrivenClock
) -> None:
    alpha = await card(store)
    incident_id, number = await incident(store)
    await key(store, number, alpha.codes[0])
    await clock.advance(901)
    await store.find_overdue(unanswered_after_s=180, overdue_after_s=900)
    assert await state(store, incident_id) is IncidentState.OPEN
    assert (await key(store, number, alpha.codes[0])).reason is Reason.WRONG_CODE
    assert await state(store, incident_id) is IncidentState.OPEN


async def test_a_wrong_code_is_shown_and_stops_nothing(store: Store) -> None:
    await card(store)
    incident_id, number = await incident(store)
    assert (await key(store, number, "999999x")).reason is Reason.WRONG_CODE
    found = await store.incident(incident_id)
    assert found is not None
    assert found.state is IncidentState.OPEN
    (answer,) = found.answers
    assert (answer.proven, answer.reason, answer.by) == (False, "wrong-code", "?")
    assert await store.undone_rounds() == {incident_id: 1}
    assert await store.outstanding_messages() == []


async def test_a_right_code_for_no_incident_is_used_up_and_no_guess(store: Store) -> None:
    alpha = await card(store)
    incident_id, number = await incident(store)
    assert (await key(store, number + 1, alpha.codes[0])).reason is Reason.NO_INCIDENT
    # It was on the air for everybody to hear.
    assert (await key(store, number, alpha.codes[0])).reason is Reason.WRONG_CODE
    assert await state(store, incident_id) is IncidentState.OPEN


async def test_a_closed_incident_is_not_answered(store: Store) -> None:
    from vigibip.post.store.records import IncidentOutcome

    alpha = await card(store)
    incident_id, number = await incident(store)
    await store.close_incident(incident_id, by="R", outcome=IncidentOutcome.OTHER)
    assert (await key(store, number, alpha.codes[0])).reason is Reason.NO_INCIDENT


async def test_while_somebody_guesses_it_takes_two_codes_and_locks_nobody_out(
    store: Store, clock: DrivenClock
) -> None:
    alpha = await card(store)
    incident_id, number = await incident(store)
    await wrong(store, number, 5)
    first = await key(store, number, alpha.codes[0])
    assert (first.reason, first.guessing) == (Reason.ONE_MORE_CODE, True)
    assert await state(store, incident_id) is IncidentState.OPEN
    await wrong(store, number, 50)  # the guesser does not stop
    await clock.advance(60)
    assert (await key(store, number, alpha.codes[0])).reason is Reason.WRONG_CODE
    second = await key(store, number, alpha.codes[1])
    assert second.change is not None
    assert await state(store, incident_id) is IncidentState.COMING


async def test_two_codes_of_two_cards_or_long_apart_are_no_pair(
    store: Store, clock: DrivenClock
) -> None:
    alpha, bravo = await card(store, "Alpha 1"), await card(store, "Bravo 2")
    incident_id, number = await incident(store)
    await wrong(store, number, 5)
    await key(store, number, alpha.codes[0])
    assert (await key(store, number, bravo.codes[0])).reason is Reason.ONE_MORE_CODE
    await clock.advance(121)
    assert (await key(store, number, alpha.codes[1])).reason is Reason.ONE_MORE_CODE
    assert await state(store, incident_id) is IncidentState.OPEN


async def test_guessing_is_forgotten_after_its_window(store: Store, clock: DrivenClock) -> None:
    alpha = await card(store)
    incident_id, number = await incident(store)
    await wrong(store, number, 5)
    await clock.advance(601)
    assert (await key(store, number, alpha.codes[0])).change is not None
    assert await state(store, incident_id) is IncidentState.COMING


async def test_guesses_survive_a_restart(store: Store, clock: DrivenClock, tmp_path: Path) -> None:
    alpha = await card(store)
    _, number = await incident(store)
    await wrong(store, number, 5)
    again = Store(tmp_path / "post.sqlite", clock=clock)
    again.start()
    try:
        assert (await key(again, number, alpha.codes[0])).reason is Reason.ONE_MORE_CODE
    finally:
        again.close()


async def test_the_static_code_counts_only_where_it_is_set_and_not_while_guessed_at(
    store: Store,
) -> None:
    incident_id, number = await incident(store)
    assert (await key(store, number, "4711")).reason is Reason.WRONG_CODE
    assert (await key(store, number + 1, "4711", static="4711")).reason is Reason.NO_INCIDENT
    await wrong(store, number, 4)
    assert (await key(store, number, "4711", static="4711")).reason is Reason.WRONG_CODE
    assert await state(store, incident_id) is IncidentState.OPEN


async def test_the_static_code_answers(store: Store) -> None:
    incident_id, number = await incident(store)
    assert (await key(store, number, "4711", static="4711")).change is not None
    assert await state(store, incident_id) is IncidentState.COMING


async def test_a_new_card_voids_the_officer_s_former_one_alone(store: Store) -> None:
    old, other = await card(store, "Alpha 1"), await card(store, "Bravo 2")
    new = await card(store, "Alpha 1")
    _, number = await incident(store)
    assert (await key(store, number, old.codes[0])).reason is Reason.WRONG_CODE
    assert (await key(store, number, other.codes[0])).change is not None
    assert (await key(store, number, new.codes[0])).change is not None


async def test_codes_are_unlike_each_other_and_nowhere_in_the_store(
    store: Store, tmp_path: Path
) -> None:
    cards = [await card(store, f"Alpha {index}") for index in range(5)]
    codes = [code for one in cards for code in one.codes]
    assert len(set(codes)) == len(codes)
    assert all(len(code) == 6 and code.isdigit() for code in codes)
    held = b"".join(path.read_bytes() for path in tmp_path.glob("post.sqlite*"))
    assert not [code for code in codes if code.encode() in held]
    assert cards[0].codes[0] not in repr(cards[0])


async def test_few_digits_carry_few_codes(store: Store) -> None:
    with pytest.raises(UsageError):
        await new_card(store, "Alpha 1", AnswerSettings(code_digits=4, codes_per_card=11))
    await new_card(store, "Alpha 1", AnswerSettings(code_digits=4, codes_per_card=10))


@pytest.mark.parametrize("callsign", ["", "x" * 41, "Alpha\n1"])
async def test_a_callsign_must_be_printable(store: Store, callsign: str) -> None:
    with pytest.raises(UsageError):
        await card(store, callsign)


async def test_unproven_answers_are_bounded(store: Store) -> None:
    await incident(store)

    def flood(connection: object) -> None:
        from vigibip.post.store import codes

        for _ in range(1500):
            claim = Claim(number=99, digests={}, static=False, via="voice")
            codes.judge(connection, claim, GUESSING, DrivenClock().utc())  # type: ignore[arg-type]

    await store.write(flood)
    kept = await store.read(
        lambda c: c.execute(select(func.count()).select_from(Answer)).scalar_one()
    )
    assert kept == 1000
