"""The enrolment server under bad input: it refuses, stays small, and goes on serving."""

import asyncio
import hashlib
import json
import logging
import random
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from tests.enrolment.conftest import Post, enrol_box
from vigibip.alert import enrolment as wire
from vigibip.alert.enrolment_token import EnrolmentToken
from vigibip.base.clock import DrivenClock
from vigibip.post.authority import Authority, new_private_key
from vigibip.post.enrolment import BrokerAddress, Enrolments
from vigibip.post.enrolment_limits import AttemptLimiter
from vigibip.post.enrolment_server import _Connection
from vigibip.post.store.records import TokenRow

DEADLINE_S = 10.0


class Client:
    """Speaks HTTP by hand over the server's TLS."""

    def __init__(self, post: Post) -> None:
        self._post = post

    async def __aenter__(self) -> "Client":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self._post.authority.certificate_pem)
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self._post.server.port, ssl=context
        )
        self.certificate = self.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        self.writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        return await self.answer()

    async def answer(self) -> tuple[int, bytes]:
        async with asyncio.timeout(DEADLINE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            return int(head.split()[1]), await self.reader.readexactly(length)

    async def gone(self) -> bool:
        async with asyncio.timeout(DEADLINE_S):
            try:
                return await self.reader.read(1) == b""
            except (OSError, ssl.SSLError):
                return True


def request(key: object = None) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = builder.sign(key or new_private_key(), hashes.SHA256())  # type: ignore[arg-type]
    return signed.public_bytes(Encoding.PEM).decode()


class Exchange:
    """A box's side by hand, to send it wrongly."""

    def __init__(self, post: Post, token: EnrolmentToken, client: Client) -> None:
        self.own = X25519PrivateKey.generate()
        self.share = self.own.public_key().public_bytes_raw()
        self._post, self._token, self._client = post, token, client

    async def hello(self) -> wire.HelloAnswer:
        hello = wire.Hello(token=self._token.token_id, share=self.share.hex())
        status, body = await self._client.ask(
            "POST", wire.HELLO_PATH, hello.model_dump_json().encode()
        )
        assert status == 200
        return wire.HelloAnswer.model_validate_json(body)

    def claim(self, answer: wire.HelloAnswer, csr: str) -> bytes:
        exchange = wire.Exchange(
            authority_fingerprint=bytes.fromhex(self._post.authority.fingerprint),
            server_fingerprint=hashlib.sha256(self._client.certificate).digest(),
            token_id=self._token.token_id,
            box_share=self.share,
            post_share=bytes.fromhex(answer.share),
            nonce=bytes.fromhex(answer.nonce),
            csr=csr,
        )
        proof = exchange.box_proof(self._token.proof_key)
        return wire.Claim(csr=csr, proof=proof).model_dump_json().encode()


def refusal(body: bytes) -> str:
    return str(json.loads(body)["code"])


async def test_a_claim_cannot_be_played_again(post: Post) -> None:
    """The same bytes, on the same connection and on a new one, after all went well."""
    box_id = await post.new_box()
    token = await post.token(box_id)
    async with Client(post) as client:
        exchange = Exchange(post, token, client)
        claim = exchange.claim(await exchange.hello(), request())
        assert (await client.ask("POST", wire.CLAIM_PATH, claim))[0] == 200
        keys = await post.keys(box_id)
        status, body = await client.ask("POST", wire.CLAIM_PATH, claim)
        assert (status, refusal(body)) == (400, wire.BAD_REQUEST)
    async with Client(post) as client:
        again = Exchange(post, token, client)
        again.share = exchange.share
        await again.hello()
        status, body = await client.ask("POST", wire.CLAIM_PATH, claim)
        assert (status, refusal(body)) == (403, wire.BAD_PROOF)
    assert await post.keys(box_id) == keys
    assert await post.enrolled() == [box_id]


async def test_one_guess_for_each_exchange(post: Post) -> None:
    token = await post.token()
    async with Client(post) as client:
        exchange = Exchange(post, token, client)
        await exchange.hello()
        guess = wire.Claim(csr=request(), proof="0" * 64).model_dump_json().encode()
        status, body = await client.ask("POST", wire.CLAIM_PATH, guess)
        assert (status, refusal(body)) == (403, wire.BAD_PROOF)
        assert await client.gone()
    assert await post.enrolled() == []


async def test_guessing_is_stopped_and_does_not_stop_others(post: Post, tmp_path: Path) -> None:
    """The one address is put off after a few refusals; its debt ends with time."""
    hello = wire.Hello(token="0" * 16, share="0" * 64).model_dump_json().encode()
    refusals = 0
    for _ in range(100):
        try:
            async with Client(post) as client:
                status, body = await client.ask("POST", wire.HELLO_PATH, hello)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
            break
        assert (status, refusal(body)) == (404, wire.UNKNOWN_TOKEN)
        refusals += 1
    assert refusals <= 4
    await post.clock.advance(60)
    await enrol_box(post, await post.token(), tmp_path / "enrolment.json")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: "-----BEGIN CERTIFICATE REQUEST-----\nnonsense", wire.BAD_REQUEST),
        (lambda: request().replace("A", "B", 3), wire.BAD_REQUEST),
    ],
)
async def test_a_request_that_cannot_be_signed(
    post: Post, make: Callable[[], str], code: str
) -> None:
    token = await post.token()
    async with Client(post) as client:
        exchange = Exchange(post, token, client)
        claim = exchange.claim(await exchange.hello(), make())
        status, body = await client.ask("POST", wire.CLAIM_PATH, claim)
        assert (status, refusal(body)) == (400, code)
    row = await post.store.get_token(token.token_id)
    assert row is not None
    assert row.claimed_key is None


async def _first_is(post: Post, head: bytes) -> int:
    async with Client(post) as client:
        client.writer.write(head)
        return (await client.answer())[0]


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /authority.key HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /../authority.pem HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /authority.pem HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"GET " + wire.HELLO_PATH.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST " + wire.CLAIM_PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n" + b"z" * 40_000,
        b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
async def test_what_is_no_enrolment_is_refused(post: Post, head: bytes) -> None:
    assert 400 <= await _first_is(post, head) < 500


async def test_connections_that_only_wait_are_bounded_and_ended(post: Post, tmp_path: Path) -> None:
    """More than are served, all silent before TLS: they are ended, and the next one is served."""
    await post.serve(post.new_server(post.authority))
    post.server._deadline_s = 0.3
    held = [await asyncio.open_connection("127.0.0.1", post.server.port) for _ in range(30)]
    for reader, _ in held:
        async with asyncio.timeout(DEADLINE_S):
            try:
                assert await reader.read() == b""
            except ConnectionResetError:
                continue
    for _, writer in held:
        writer.close()
    await post.clock.advance(60)
    await enrol_box(post, await post.token(), tmp_path / "enrolment.json")


async def test_stopping_ends_connections(post: Post) -> None:
    async with Client(post) as client:
        await post.server.stop()
        assert await client.gone()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", post.server.port)


class _Writer:
    """Takes what the connection writes."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        return


class _OneToken:
    """A store with one valid token."""

    def __init__(self, token: EnrolmentToken, now: datetime) -> None:
        self._row = TokenRow(
            token_id=token.token_id,
            box_id="box-00000001",
            proof_key=token.proof_key,
            expires_utc=now.replace(year=now.year + 1),
            claimed_key=None,
            certificate_pem=None,
        )
        self.completed = 0

    async def put_token(self, row: TokenRow) -> None:
        raise NotImplementedError

    async def get_token(self, token_id: str) -> TokenRow | None:
        return self._row if token_id == self._row.token_id else None

    async def complete_enrolment(self, token_id: str, **_: object) -> bool:
        self.completed += 1
        return True

    async def purge_tokens(self, before_utc: datetime) -> int:
        raise NotImplementedError


def _mutated(random_: random.Random, valid: bytes) -> bytes:
    data = bytearray(valid)
    for _ in range(random_.randrange(1, 6)):
        at = random_.randrange(len(data) + 1)
        match random_.randrange(5):
            case 0:
                data[at:at] = random_.randbytes(random_.randrange(1, 40))
            case 1:
                del data[at : at + random_.randrange(1, 40)]
            case 2 if at < len(data):
                data[at] ^= 1 << random_.randrange(8)
            case 3:
                data[at:at] = data[at : at + random_.randrange(1, 200)]
            case _:
                del data[at:]
    return bytes(data)


@pytest.mark.slow
async def test_twenty_thousand_bad_conversations_enrol_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Seeded; each is a valid opening with a claim that is not proven, then damaged."""
    caplog.set_level(logging.ERROR, "vigibip")
    clock = DrivenClock(datetime.now(UTC))
    authority = Authority.create(tmp_path / "authority", clock)
    token = EnrolmentToken.new("localhost", 1, authority.fingerprint)
    store = _OneToken(token, clock.utc())
    enrolments = Enrolments(authority, store, clock, BrokerAddress("localhost", 8883))
    hello = wire.Hello(token=token.token_id, share="1" * 64).model_dump_json().encode()
    claim = wire.Claim(csr=request(), proof="0" * 64).model_dump_json().encode()
    valid = b"GET /authority.pem HTTP/1.1\r\nHost: x\r\n\r\n" + b"".join(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        for path, body in ((wire.HELLO_PATH, hello), (wire.CLAIM_PATH, claim))
    )
    random_ = random.Random(20_000)
    statuses: set[bytes] = set()
    for _ in range(20_000):
        reader, writer = asyncio.StreamReader(), _Writer()
        reader.feed_data(_mutated(random_, valid))
        reader.feed_eof()
        limiter = AttemptLimiter(clock)
        await _Connection(enrolments, limiter, "192.0.2.1", b"s" * 32).run(reader, writer)  # type: ignore[arg-type]
        statuses |= set(re.findall(rb"HTTP/1.1 (\d+)", writer.written))
    assert store.completed == 0
    assert statuses <= {b"200", b"400", b"403", b"404"}
    assert {b"200", b"400", b"403", b"404"} <= statuses
