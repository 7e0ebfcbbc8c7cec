"""What a dispatcher sees and does, over HTTP."""

from __future__ import annotations

import asyncio
import fcntl
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest

from tests.console.conftest import ORIGIN, PASSWORD, Place, Site, csrf_of, log_in
from vigibip.alert.life import IncidentState
from vigibip.base.errors import StorageError
from vigibip.console.live import Readers
from vigibip.console.words import MODEM_STATES
from vigibip.modem.contract import ModemState
from vigibip.post.running import post_runs
from vigibip.post.store import incidents
from vigibip.post.store.paths import ModemView
from vigibip.post.store.records import IncidentOutcome
from vigibip.post.store.second_path import SecondPathStore


@pytest.fixture
async def entered(desk: SimpleNamespace) -> SimpleNamespace:
    await log_in(desk.client)
    desk.csrf = csrf_of((await desk.client.get("/")).text)
    return desk


async def test_an_incident_is_answered_reached_and_closed(entered, site: Site) -> None:
    incident = await site.press()
    page = (await entered.client.get("/")).text
    assert "Tabac du Centre" in page
    assert "Personne n’a répondu" in page
    csrf = {"csrf": entered.csrf}
    base = f"/incidents/{incident}"
    assert (await entered.client.post(f"{base}/answer", data=csrf)).headers["location"] == "/"
    view = await site.store.incident(incident)
    assert view is not None
    assert (view.state, view.answered_by) == (IncidentState.COMING, "alice")
    assert "Un agent est en route – alice, à la console" in (await entered.client.get("/")).text
    await entered.client.post(f"{base}/arrive", data=csrf)
    await entered.client.post(
        f"{base}/close", data=csrf | {"outcome": "false_alarm", "presses": "1"}
    )
    view = await site.store.incident(incident)
    assert view is not None
    assert (view.state, view.closed_by) == (IncidentState.CLOSED, "alice")
    assert view.outcome is IncidentOutcome.FALSE_ALARM
    assert "Fausse alerte" in (await entered.client.get("/")).text


async def test_without_its_token_a_form_changes_nothing(entered, site: Site) -> None:
    incident = await site.press()
    for data in ({"csrf": "x"}, {"csrf": ""}, {}):
        answer = await entered.client.post(f"/incidents/{incident}/answer", data=data)
        assert answer.status_code in (403, 422)
    view = await site.store.incident(incident)
    assert view is not None
    assert view.state is IncidentState.OPEN


async def test_who_is_second_is_told_so(entered, site: Site) -> None:
    incident = await site.press()
    await site.store.close_incident(incident, by="bob", outcome=IncidentOutcome.REAL)
    csrf = {"csrf": entered.csrf}
    answer = await entered.client.post(f"/incidents/{incident}/answer", data=csrf)
    assert answer.headers["location"] == "/?told=overtaken"
    page = await entered.client.get("/", params={"told": "overtaken"})
    assert "Quelqu’un d’autre a été plus rapide" in page.text
    by_script = await entered.client.post(
        "/incidents/nothing/answer", data=csrf, headers={"accept": "application/json"}
    )
    assert by_script.json() == {"told": "overtaken"}


async def test_of_two_who_answer_or_close_at_once_one_is_told(
    entered, site: Site, accounts
) -> None:
    csrf = {"csrf": entered.csrf}
    script = {"accept": "application/json"}
    await accounts.add("bob", PASSWORD)
    async with httpx.AsyncClient(
        transport=entered.transport, base_url=ORIGIN, headers={"origin": ORIGIN}
    ) as bob:
        await bob.post("/login", data={"login": "bob", "password": PASSWORD})
        bobs = {"csrf": csrf_of((await bob.get("/")).text)}
        for action, first, second in (
            ("answer", {}, {}),
            ("close", {"outcome": "real"}, {"outcome": "real"}),
            ("close", {"outcome": "real"}, {"outcome": "nobody"}),
        ):
            incident = await site.press()
            path = f"/incidents/{incident}/{action}"
            forms = (csrf | first | {"presses": "1"}, bobs | second | {"presses": "1"})
            told = await asyncio.gather(
                entered.client.post(path, data=forms[0], headers=script),
                bob.post(path, data=forms[1], headers=script),
            )
            assert sorted(one.json()["told"] for one in told) == ["", "overtaken"]
            again = await entered.client.post(path, data=forms[0], headers=script)
            # One's own second click is no defeat.
            assert again.json() == told[0].json()
            view = await site.store.incident(incident)
            assert view is not None
            if action == "answer":
                await site.store.close_incident(incident, by="x", outcome=IncidentOutcome.REAL)


async def test_a_press_that_was_not_on_the_page_is_never_closed_with_it(
    entered, site: Site
) -> None:
    incident = await site.press()
    page = (await entered.client.get("/")).text
    assert '<input type="hidden" name="presses" value="1">' in page
    await site.press()
    form = {"csrf": entered.csrf, "outcome": "false_alarm", "presses": "1"}
    answer = await entered.client.post(f"/incidents/{incident}/close", data=form)
    assert answer.headers["location"] == "/?told=pressed"
    view = await site.store.incident(incident)
    assert view is not None
    assert (view.state, view.presses) == (IncidentState.OPEN, 2)
    page = (await entered.client.get("/", params={"told": "pressed"})).text
    assert "Le commerce a de nouveau appuyé" in page


async def test_what_the_store_refuses_is_told(entered, site: Site, monkeypatch) -> None:
    incident = await site.press()

    async def refuse(*_: object, **__: object) -> None:
        raise StorageError("full")

    monkeypatch.setattr(entered.console._store, "answer_incident", refuse)
    answer = await entered.client.post(f"/incidents/{incident}/answer", data={"csrf": entered.csrf})
    assert answer.headers["location"] == "/?told=not_stored"


async def test_a_store_that_cannot_be_read_leaves_the_last_picture(
    entered, site: Site, monkeypatch
) -> None:
    await site.press()
    await entered.client.get("/")

    async def refuse() -> int:
        raise StorageError("gone")

    monkeypatch.setattr(entered.console._store, "data_version", refuse)
    assert "Tabac du Centre" in (await entered.client.get("/")).text
    monkeypatch.setattr(entered.console._accounts, "session", lambda _: refuse())
    page = await entered.client.get("/")
    assert page.status_code == 503
    assert "La console ne peut pas lire sa base" in page.text


async def test_names_are_text_and_never_markup(entered, site: Site) -> None:
    await site.press(1)
    page = (await entered.client.get("/")).text
    assert "Épicerie &lt;Nuit &amp; Jour&gt;" in page
    assert "<Nuit" not in page


async def test_what_is_unsure_is_marked(entered, site: Site) -> None:
    late = await site.press(0, age_s=4000, late=True)
    await site.press(1, age_s=None)
    now = site.store._clock.utc()
    await site.store.write(
        lambda c: incidents.record_unproven(
            c, late, by="?", via="voice", reason="wrong-code", now=now
        )
    )
    page = (await entered.client.get("/")).text
    assert "Arrivé en retard" in page
    assert "fait on ne sait quand" in page
    assert "sans preuve (code faux) : n’a rien arrêté" in page


async def test_a_flood_of_false_answers_or_late_presses_stays_a_few_lines(
    entered, site: Site
) -> None:
    for _ in range(20):
        incident = await site.press(0, age_s=4000, late=True)
    now = site.store._clock.utc()
    for number in range(40):
        at = now + timedelta(seconds=number // 4)  # a guesser is quick
        await site.store.write(
            lambda c, at=at: incidents.record_unproven(
                c, incident, by="?", via="voice", reason="wrong-code", now=at
            )
        )
    page = (await entered.client.get("/")).text
    assert page.count("sans preuve (code faux)") == 3
    assert "37 réponses plus anciennes, sans preuve" in page
    assert page.count("Arrivé en retard") == 3
    assert "17 appuis plus anciens, arrivés en retard" in page


async def test_every_open_incident_is_shown_however_many(entered, site: Site) -> None:
    await site.equip(*(f"Commerce {number}" for number in range(120)))
    for shop in range(122):
        await site.press(shop)
    page = (await entered.client.get("/")).text
    assert page.count("<article") == 122
    assert "<title>⚠ 122 sans réponse – VigiBip</title>" in page


async def test_joined_presses_are_counted(entered, site: Site) -> None:
    for _ in range(3):
        incident = await site.press()
    page = (await entered.client.get("/")).text
    assert page.count(f'id="incident-{incident}"') == 1
    assert "3 appuis" in page


async def test_open_incidents_keep_their_places(entered, site: Site) -> None:
    first, second = await site.press(0), await site.press(1)
    await site.press(0)
    page = (await entered.client.get("/")).text
    assert page.index(f"incident-{second}") < page.index(f"incident-{first}")


async def test_a_fault_is_told_with_its_shop_and_what_to_do(entered, site: Site) -> None:
    box = site.boxes[0]
    await site.store.raise_fault("press-late", box)
    await site.store.raise_fault("broker-lost", "", "refused")
    await site.store.raise_fault("something-new", "x")
    page = (await entered.client.get("/")).text
    assert "très en retard sur son tour</strong> – Tabac du Centre" in page
    assert "son courtier de messages ne répond pas" in page
    assert "Une panne que cette console ne connaît pas" in page
    seen = {"csrf": entered.csrf, "kind": "press-late", "subject": box}
    assert (await entered.client.post("/faults/seen", data=seen)).status_code == 303
    # What still lasts cannot be looked away.
    lasting = {"csrf": entered.csrf, "kind": "broker-lost", "subject": ""}
    assert (await entered.client.post("/faults/seen", data=lasting)).status_code == 422
    assert {f.kind for f in await site.store.faults()} == {"broker-lost", "something-new"}


async def test_a_stopped_post_is_told(entered, site: Site, place: Place) -> None:
    assert "Le poste est arrêté" in (await entered.client.get("/")).text
    with (place.settings.data_dir / "post.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "Le poste est arrêté" not in (await entered.client.get("/")).text
    assert "Le poste est arrêté" in (await entered.client.get("/")).text


async def test_what_can_go_by_sms_is_told_while_the_post_runs(
    entered, site: Site, place: Place
) -> None:
    modem = ModemView(
        name="modem-1",
        state="ready",
        detail="",
        advice="",
        operator="Opérateur <A>",
        technology="LTE",
        signal_dbm=-81,
        rate_per_min=20,
        waiting=3,
        minutes_to_empty=0.2,
        seen_at=entered.clock.utc(),
    )
    absent = replace(modem, name="modem-2", state="absent", operator="", signal_dbm=None, waiting=0)
    await SecondPathStore(site.store, entered.clock).record_modems([modem, absent])
    assert "SMS par minute" not in (await entered.client.get("/")).text
    with (place.settings.data_dir / "post.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        page = (await entered.client.get("/")).text
    # One of the two sends.
    assert "20 SMS par minute, 3 en attente, le dernier part dans 0.2 min" in page
    assert "modem-1 – prêt · Opérateur &lt;A&gt; LTE · -81 dBm" in page
    assert "modem-2 – absent</li>" in page


def test_every_state_of_a_modem_has_its_words() -> None:
    assert set(MODEM_STATES) == set(ModemState)


def test_a_machine_that_does_not_say_leaves_it_unknown(place: Place, monkeypatch) -> None:
    lock = place.settings.data_dir / "post.lock"
    assert post_runs(lock) is False
    lock.touch()
    monkeypatch.setattr("vigibip.post.running._LOCKS", place.config / "not-here")
    assert post_runs(lock) is None


async def test_nothing_is_rendered_anew_while_nothing_changes(entered, site: Site) -> None:
    live = entered.console._live
    before = await live.refresh()
    again = await live.refresh()
    assert again.html is before.html
    # A commit that shows nothing does not touch anybody's page.
    await site.store.write(lambda c: c.exec_driver_sql("UPDATE box SET enrolled_at = enrolled_at"))
    assert (await live.refresh()).number == before.number
    await site.press()
    assert (await live.refresh()).number == before.number + 1


async def test_watching_goes_on_after_whatever_fails(entered, site: Site, monkeypatch) -> None:
    live = entered.console._live

    def fail(*_: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(live, "_render", fail)
    await site.press()
    await entered.clock.advance(10)
    assert entered.clock.monotonic_s() - live.newest.read_s > 6  # and the page says so
    monkeypatch.undo()
    await entered.clock.advance(1)
    await live.refresh()
    assert live.newest.open_count == 1
    await site.press(1)

    async def seen() -> None:
        while live.newest.open_count != 2:
            await entered.clock.advance(0.1)

    await asyncio.wait_for(seen(), 20)


async def test_the_page_says_how_old_it_is_when_the_store_is_silent(
    entered, site: Site, monkeypatch
) -> None:
    async def refuse() -> int:
        raise StorageError("gone")

    monkeypatch.setattr(entered.console._store, "data_version", refuse)
    await entered.clock.advance(60)
    age_ms = (await entered.client.get("/")).text.partition('data-age-ms="')[2].partition('"')[0]
    assert int(age_ms) >= 60_000


def test_the_oldest_stream_of_a_session_makes_room() -> None:
    readers = Readers()
    joined = [readers.join("a") for _ in range(13)]
    other = readers.join("b")
    assert [reader.gone for reader in joined] == [True] + [False] * 12
    assert not other.gone
    for reader in joined:
        readers.leave("a", reader)
    readers.leave("b", other)
    assert readers._of == {}
