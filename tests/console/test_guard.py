"""Foreign hosts, foreign pages, large bodies, errors: what they get is a page, and no more."""

from __future__ import annotations

import random
import time
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from tests.console.conftest import ORIGIN, csrf_of, log_in
from vigibip.console.guard import BODY_MAX_BYTES, Guard
from vigibip.console.pages import Pages

LOCAL = "127.0.0.1:8080"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "LOCALHOST", "[::1]", "[::1]:8080"],
)
async def test_it_answers_to_its_own_names(desk: SimpleNamespace, host: str) -> None:
    page = await desk.client.get("/login", headers={"host": host})
    assert page.status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.example", "127.0.0.1.evil.example", "127.0.0.1:80:80", "localhost.", "::1"),
        *("[::1", "[::1]evil", "127.0.0.1@evil.example", "127.0.0.1:", "localhost:x", "[::2]:80"),
    ],
)
async def test_it_answers_to_no_other(desk: SimpleNamespace, host: str) -> None:
    page = await desk.client.get("/login", headers={"host": host})
    assert page.status_code == 421
    assert "Identifiant" not in page.text


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "", "http://evil.example", "https://127.0.0.1:8080", "http://127.0.0.1"),
        *("http://127.0.0.1:8081", "http://127.0.0.1:8080.evil.example", "http://127.0.0.1:8080/"),
    ],
)
async def test_a_form_from_another_page_is_refused(desk: SimpleNamespace, origin: str) -> None:
    form = {"login": "alice", "password": "trois mots sans lien"}
    answer = await desk.client.post("/login", data=form, headers={"origin": origin})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_form_without_any_origin_is_refused(desk: SimpleNamespace) -> None:
    del desk.client.headers["origin"]
    assert (await log_in(desk.client)).status_code == 403


async def test_every_answer_carries_the_policies(desk: SimpleNamespace) -> None:
    await log_in(desk.client)
    for path in ("/", "/nothing", "/static/console.js", "/static/..%2fapp.py"):
        headers = (await desk.client.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        expected = "no-cache" if path.startswith("/static/") else "no-store"
        assert headers["cache-control"] == expected


async def test_a_body_is_bounded_and_needs_its_length(desk: SimpleNamespace) -> None:
    large = b"login=a&password=" + b"x" * BODY_MAX_BYTES
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert (await desk.client.post("/login", content=large, headers=kind)).status_code == 413

    async def chunks():
        yield large

    # Chunked: no length.
    answer = await desk.client.post("/login", content=chunks(), headers=kind)
    assert answer.status_code == 411
    for length in ("-1", "²", "1e3", "9" * 30, "5, 5"):
        raw = [(b"host", LOCAL.encode()), (b"origin", ORIGIN.encode())]
        raw.append((b"content-length", length.encode("latin-1")))
        scope = {"type": "http", "method": "POST", "path": "/login", "headers": raw}
        assert _guard()._refusal(scope) in (411, 413)


async def test_more_body_than_was_announced_ends_as_if_the_client_had_gone() -> None:
    seen: list[str] = []

    async def app(scope, receive, send) -> None:
        message = await receive()
        while message["type"] == "http.request" and message["more_body"]:
            seen.append(message["type"])
            message = await receive()
        seen.append(message["type"])

    async def receive():
        return {"type": "http.request", "body": b"x" * 3000, "more_body": True}

    async def send(_: object) -> None: ...

    guard = Guard(app, hosts=["127.0.0.1"], behind_https=False, refuse=lambda status: None)
    raw = [(b"host", LOCAL.encode()), (b"origin", ORIGIN.encode()), (b"content-length", b"10")]
    await guard({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive, send)
    assert seen == ["http.request", "http.request", "http.disconnect"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/static/nothing", 404),
        ("GET", "/docs", 404),
        ("GET", "/openapi.json", 404),
        ("POST", "/", 405),
        ("HEAD", "/login", 405),
        ("POST", "/login", 422),
    ],
)
async def test_an_error_is_a_page_in_french_that_tells_nothing(
    desk: SimpleNamespace, method: str, path: str, status: int
) -> None:
    data = {"login": "secret-of-mine"} if method == "POST" else None
    answer = await desk.client.request(method, path, data=data)
    assert answer.status_code == status
    if method != "HEAD":
        assert 'lang="fr"' in answer.text
        assert "Vers la console" in answer.text
    assert "secret-of-mine" not in answer.text


async def test_a_failure_of_ours_is_a_page_with_the_policies_too(desk, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret-of-mine")

    monkeypatch.setattr(Pages, "page", _only_refusals(fail))
    answer = await desk.client.get("/login")
    assert answer.status_code == 500
    assert "La console a eu une panne" in answer.text
    assert "secret-of-mine" not in answer.text
    assert "content-security-policy" in answer.headers


def _only_refusals(fail):
    page = Pages.page

    def told(self, template: str, **values: object):
        return page(self, template, **values) if template == "refusal.html" else fail()

    return told


async def test_fuzzed_requests_are_answered_and_open_nothing(desk: SimpleNamespace) -> None:
    draw = random.Random(8)
    alphabet = "aé\0%&=<'\"/.;\r\n\u202e\U0001f600 {}[]"
    started_s = time.monotonic()

    def text() -> str:
        return "".join(draw.choices(alphabet, k=draw.randrange(40)))

    await log_in(desk.client)
    csrf = csrf_of((await desk.client.get("/")).text)
    for _ in range(600):
        path = draw.choice(
            ["/incidents/{}/answer", "/incidents/{}/close", "/faults/seen", "/entree/{}", "/{}"]
        )
        fields = {
            draw.choice(["csrf", "outcome", "kind", "subject", text()]): draw.choice([csrf, text()])
            for _ in range(draw.randrange(4))
        }
        answer = await desk.client.post(path.format(quote(text(), safe="")), data=fields)
        assert answer.status_code < 500, (path, fields)
    assert time.monotonic() - started_s < 60


def test_twenty_thousand_fuzzed_heads_never_fail_and_never_pass() -> None:
    draw = random.Random(7)
    guard = _guard()
    pieces = [
        *(b"127.0.0.1", b":8080", b"http://", b"https://", b"[::1]", b"localhost", b"null", b"."),
        *(b"\xb2", b"0", b"9", b"-1", b" ", b"\xff", b"@", b"/", b"evil.example", b""),
    ]
    passed = 0
    for _ in range(20_000):
        names = draw.choices([b"host", b"origin", b"content-length", b"x"], k=draw.randrange(6))
        raw = [(name, b"".join(draw.choices(pieces, k=draw.randrange(4)))) for name in names]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": raw}
        if guard._refusal(scope) is None:
            passed += 1
            told = dict(raw)
            assert told[b"origin"].lower() == b"http://" + told[b"host"].lower()
            assert int(told[b"content-length"]) <= BODY_MAX_BYTES
    assert passed < 20_000


def _guard() -> Guard:
    async def app(*_: object) -> None: ...

    return Guard(
        app, hosts=["127.0.0.1", "localhost", "::1"], behind_https=False, refuse=lambda _: None
    )
