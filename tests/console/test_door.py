"""Who comes in, and who does not."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest
from fastapi import Request

from tests.console.conftest import PASSWORD, csrf_of, log_in
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import UsageError
from vigibip.console.accounts import Accounts
from vigibip.console.app import Console
from vigibip.console.door import _address
from vigibip.console.throttle import Throttle
from vigibip.post.store.database import SqliteDatabase, raw


async def test_nobody_sees_anything_before_the_login(desk: SimpleNamespace) -> None:
    page = await desk.client.get("/")
    assert (page.status_code, page.headers["location"]) == (303, "/login")
    assert (await desk.client.get("/live")).status_code == 401
    assert (await desk.client.head("/live")).status_code == 401
    act = await desk.client.post("/incidents/x/answer", data={"csrf": "x"})
    assert act.headers["location"] == "/login?told=over"


async def test_a_password_lets_in_and_logging_out_ends_it(desk: SimpleNamespace) -> None:
    entered = await log_in(desk.client)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "max-age" not in cookie.lower()  # it goes with the browser
    page = await desk.client.get("/")
    assert "Aucune intervention en cours" in page.text
    assert (await desk.client.head("/live")).status_code == 204
    kept = desk.client.cookies["vigibip"]
    assert (await desk.client.post("/logout", data={"csrf": "wrong"})).status_code == 403
    await desk.client.post("/logout", data={"csrf": csrf_of(page.text)})
    desk.client.cookies.set("vigibip", kept)
    assert (await desk.client.get("/")).status_code == 303


async def test_a_cookie_from_before_the_login_is_worth_nothing(desk: SimpleNamespace) -> None:
    await log_in(desk.client)
    first = desk.client.cookies["vigibip"]
    await log_in(desk.client)
    second = desk.client.cookies["vigibip"]
    assert second != first
    # The session that this browser had is over with the new one.
    desk.client.cookies.clear()
    desk.client.cookies.set("vigibip", first)
    assert (await desk.client.get("/")).status_code == 303


async def test_behind_https_the_cookie_is_for_https_and_this_host_alone(
    place, site, accounts
) -> None:
    secure = place.settings.model_copy(
        update={
            "console": place.settings.console.model_copy(
                update={"behind_https": True, "hosts": ("poste.example",)}
            )
        }
    )
    console = Console(secure, clock=DrivenClock())
    origin = "https://poste.example"
    async with (
        console.running(),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(console.asgi),
            base_url=origin,
            headers={"origin": origin},
        ) as client,
    ):
        cookie = (await log_in(client)).headers["set-cookie"]
        assert cookie.startswith("__Host-vigibip=")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
        client.headers["origin"] = "http://poste.example"
        assert (await log_in(client)).status_code == 403


async def test_wrong_password_and_unknown_login_are_told_alike(desk: SimpleNamespace) -> None:
    wrong = await log_in(desk.client, "wrong")
    unknown = await desk.client.post("/login", data={"login": "nobody", "password": "wrong"})
    assert (wrong.status_code, wrong.text) == (unknown.status_code, unknown.text)
    assert wrong.status_code == 403
    assert "Identifiant ou mot de passe incorrect." in wrong.text


async def test_an_unknown_login_costs_a_hash_too(accounts: Accounts, monkeypatch) -> None:
    verified = []
    verify = accounts._verify
    monkeypatch.setattr(
        accounts, "_verify", lambda *words: verified.append(words) or verify(*words)
    )
    await accounts.add("linkonly", None)
    for login in ("alice", "nobody", "linkonly"):
        assert await accounts.enter(login, "wrong") is None
    assert len(verified) == 3


async def test_an_accent_may_be_composed_or_not(accounts: Accounts) -> None:
    await accounts.add("rene", "été comme hiver, café")
    assert await accounts.enter("rene", "été comme hiver, café")


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("Alice", PASSWORD),
        ("a" * 41, PASSWORD),
        ("", PASSWORD),
        ("../x", PASSWORD),
        ("bob", "court"),
        ("bob", "x" * 201),
        ("bob", "aaaaaaaaaaaaaaaa"),
        ("bobby", "bobby bobby 12"),
        ("bob", "vigibip2026!!"),
    ],
)
async def test_bad_logins_and_guessable_passwords_are_refused(
    accounts: Accounts, login: str, password: str
) -> None:
    with pytest.raises(UsageError):
        await accounts.add(login, password)


async def test_a_new_password_ends_sessions_and_links(accounts: Accounts) -> None:
    entered = await accounts.enter("alice", PASSWORD)
    assert entered is not None
    token, _ = await accounts.new_link("alice")
    assert await accounts.add("alice", "un autre mot encore") is False
    assert await accounts.session(entered[0]) is None
    assert await accounts.enter_by_link(token) is None


async def test_a_removed_account_is_out_at_once(accounts: Accounts) -> None:
    entered = await accounts.enter("alice", PASSWORD)
    assert entered is not None
    await accounts.remove("alice")
    assert await accounts.session(entered[0]) is None
    with pytest.raises(UsageError):
        await accounts.remove("alice")


# One-time links


async def test_looking_at_a_link_does_not_use_it_up(desk, accounts: Accounts) -> None:
    token, _ = await accounts.new_link("alice")
    for method in ("GET", "HEAD", "GET"):
        await desk.client.request(method, f"/entree/{token}")
    assert "vigibip" not in desk.client.cookies
    assert (await desk.client.post(f"/entree/{token}")).status_code == 303
    assert (await desk.client.get("/")).status_code == 200
    again = await desk.client.post(f"/entree/{token}")
    assert again.status_code == 403
    assert "Ce lien a déjà servi" in again.text


async def test_of_many_who_use_a_link_at_once_one_enters(accounts: Accounts) -> None:
    token, _ = await accounts.new_link("alice")
    entered = await asyncio.gather(*(accounts.enter_by_link(token) for _ in range(20)))
    assert sum(one is not None for one in entered) == 1


async def test_a_link_is_good_for_ten_minutes(place, accounts: Accounts) -> None:
    clock = DrivenClock()
    mine = Accounts(place.settings.data_dir / "console.sqlite", clock=clock)
    mine.start()
    try:
        early, _ = await mine.new_link("alice")
        late, _ = await mine.new_link("alice")
        await clock.advance(599)
        assert await mine.enter_by_link(early)
        await clock.advance(2)
        assert await mine.enter_by_link(late) is None
        with pytest.raises(UsageError):
            await mine.new_link("nobody")
    finally:
        mine.close()


# How long a session lasts


async def test_a_session_ends_idle_after_an_hour_and_always_after_a_day(place, accounts) -> None:
    clock = DrivenClock()
    mine = Accounts(place.settings.data_dir / "console.sqlite", clock=clock)
    mine.start()
    try:
        idle = await mine.enter("alice", PASSWORD)
        used = await mine.enter("alice", PASSWORD)
        assert idle is not None
        assert used is not None
        for _ in range(23):
            await clock.advance(timedelta(minutes=59).total_seconds())
            assert await mine.session(used[0])
        assert await mine.session(idle[0]) is None
        await clock.advance(timedelta(minutes=59).total_seconds())
        assert await mine.session(used[0])
        await clock.advance(timedelta(minutes=30).total_seconds())
        assert await mine.session(used[0]) is None
    finally:
        mine.close()


async def test_a_disk_that_takes_nothing_puts_nobody_out(place, accounts, monkeypatch) -> None:
    clock = DrivenClock()
    mine = Accounts(place.settings.data_dir / "console.sqlite", clock=clock)
    mine.start()
    tried = []
    try:
        entered = await mine.enter("alice", PASSWORD)
        assert entered is not None
        begin, commit = SqliteDatabase.begin, SqliteDatabase.commit
        before = 0

        def count(database: SqliteDatabase, connection) -> None:
            nonlocal before
            begin(database, connection)
            before = raw(connection).total_changes

        def full(database: SqliteDatabase, connection) -> None:
            if raw(connection).total_changes != before:
                tried.append(1)
                raise sqlite3.OperationalError("database or disk is full")
            commit(database, connection)

        monkeypatch.setattr(SqliteDatabase, "begin", count)
        monkeypatch.setattr(SqliteDatabase, "commit", full)
        for _ in range(36):
            await clock.advance(100)
            assert await mine.session(entered[0])
            assert await mine.session(entered[0])
        # Trying at each beat of each page would wear out what is left of the disk.
        assert 0 < len(tried) <= 36
        await clock.advance(120)
        # What could not be written is not used: the session ends by what is on the disk.
        assert await mine.session(entered[0]) is None
    finally:
        mine.close()


async def test_asking_for_a_session_writes_at_most_once_a_minute(place, accounts) -> None:
    clock = DrivenClock()
    mine = Accounts(place.settings.data_dir / "console.sqlite", clock=clock)
    mine.start()
    try:
        entered = await mine.enter("alice", PASSWORD)
        assert entered is not None

        async def changes() -> int:
            return await mine._writer.run(
                lambda c: int(c.exec_driver_sql("SELECT total_changes()").scalar_one())
            )

        before = await changes()
        for _ in range(60):
            await clock.advance(5)
            await mine.session(entered[0])
        assert await changes() - before <= 5
    finally:
        mine.close()


# Throttling


async def test_after_five_failures_each_try_has_to_wait_longer(desk: SimpleNamespace) -> None:
    for _ in range(5):
        assert (await log_in(desk.client, "wrong")).status_code == 403
    refused = await log_in(desk.client)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 3
    assert "Trop d’essais" in refused.text
    await desk.clock.advance(2)
    assert (await log_in(desk.client)).status_code == 303


async def test_tries_at_the_same_time_are_all_counted(desk: SimpleNamespace) -> None:
    answers = await asyncio.gather(*(log_in(desk.client, "wrong") for _ in range(12)))
    assert sorted({answer.status_code for answer in answers}) == [403, 429]
    assert sum(answer.status_code == 403 for answer in answers) == 5


async def test_a_link_lets_in_whoever_has_to_wait(desk, accounts: Accounts) -> None:
    for _ in range(6):
        await log_in(desk.client, "wrong")
    token, _ = await accounts.new_link("alice")
    assert (await desk.client.post(f"/entree/{token}")).status_code == 303


async def test_nobody_waits_longer_than_a_minute() -> None:
    clock = DrivenClock()
    throttle = Throttle(clock)
    for _ in range(2000):
        throttle.failed("alice", "10.0.0.1")
    assert throttle.wait_s("alice", "10.0.0.1") == 60
    await clock.advance(900)
    assert throttle.wait_s("alice", "10.0.0.1") == 0


async def test_strangers_do_not_keep_out_whoever_entered_from_his_own_place() -> None:
    throttle = Throttle(DrivenClock())
    throttle.failed("alice", "desk")
    throttle.passed("alice", "desk")
    for number in range(50):
        throttle.failed("alice", f"away {number}")
        throttle.failed("bob", "desk")
    assert throttle.wait_s("alice", "away") > 0
    assert throttle.wait_s("bob", "desk") > 0
    assert throttle.wait_s("alice", "desk") == 0


async def test_an_account_of_ones_own_does_not_reset_the_address() -> None:
    throttle = Throttle(DrivenClock())
    names = (f"victim {number}" for number in itertools.count())
    for _ in range(3):
        for _ in range(2):
            throttle.failed(next(names), "insider")
        throttle.failed("own", "insider")
        throttle.passed("own", "insider")
    assert throttle.wait_s(next(names), "insider") > 0


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("x" * 5000, "?"),
        ("", "?"),
    ],
)
def test_an_ipv6_customer_is_one_stranger_not_many(address: str, counted: str) -> None:
    assert _address(Request({"type": "http", "client": (address, 1)})) == counted


async def test_a_flood_of_invented_logins_takes_bounded_memory() -> None:
    throttle = Throttle(DrivenClock())
    for number in range(15_000):
        throttle.failed(f"login{number}", f"address{number}")
    assert len(throttle._failures) <= 10_000
