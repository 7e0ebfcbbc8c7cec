"""One command on each side: a box becomes a box, or is told in clear words why not."""

import asyncio
import socket
import ssl
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.enrolment.conftest import Post, enrol_box
from vigibip.alert import enrolment as wire
from vigibip.alert.enrolment_token import EnrolmentToken
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import PeerError, RefusedError, UsageError
from vigibip.box import enrolling
from vigibip.box.enrolling import ImpostorError, enrol
from vigibip.box.enrolment import load_enrolment
from vigibip.post.authority import Authority
from vigibip.post.enrolment import Enrolments


async def test_a_box_is_enrolled_and_both_ends_have_the_same_keys(
    post: Post, tmp_path: Path
) -> None:
    box_id = await post.new_box()
    done = await enrol_box(post, await post.token(box_id), tmp_path / "enrolment.json")
    kept = load_enrolment(tmp_path / "enrolment.json")
    assert kept == done.enrolment
    [told] = kept.posts
    assert kept.box_id == box_id
    assert (told.up_key, told.down_key) == await post.keys(box_id)
    assert told.up_key != told.down_key
    assert (told.broker_host, told.broker_port, told.name) == ("broker.example", 8883, "post")
    assert told.authority_pem == post.authority.certificate_pem
    assert await post.enrolled() == [box_id]
    assert done.clock_behind_s == 0
    [box] = [one for one in post.authority.issued() if one.kind == "client"]
    certificate = x509.load_pem_x509_certificate(told.certificate_pem.encode())
    assert (box.identity, box.serial) == (box_id, certificate.serial_number)
    told.tls_context()


async def test_what_the_box_keeps_is_its_own_alone(post: Post, tmp_path: Path) -> None:
    await enrol_box(post, await post.token(), tmp_path / "enrolment.json")
    assert stat.S_IMODE((tmp_path / "enrolment.json").stat().st_mode) == 0o600
    assert not (tmp_path / "enrolment-pending.json").exists()


async def test_an_enrolled_box_is_left_as_it_is(post: Post, tmp_path: Path) -> None:
    path = tmp_path / "enrolment.json"
    await enrol_box(post, await post.token(), path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="déjà enrôlé"):
        await enrol_box(post, await post.token(), path)
    assert path.read_bytes() == before


async def test_a_used_token_serves_no_other_box(post: Post, tmp_path: Path) -> None:
    box_id = await post.new_box()
    token = await post.token(box_id)
    await enrol_box(post, token, tmp_path / "enrolment.json")
    keys = await post.keys(box_id)
    (tmp_path / "thief").mkdir()
    with pytest.raises(RefusedError, match="déjà servi"):
        await enrol_box(post, token, tmp_path / "thief" / "enrolment.json")
    assert not (tmp_path / "thief" / "enrolment.json").exists()
    assert await post.keys(box_id) == keys
    assert await post.enrolled() == [box_id]


async def test_a_new_token_voids_the_one_before(post: Post, tmp_path: Path) -> None:
    """The first paper lies about: it must not take over a box that the second one enrolled."""
    box_id = await post.new_box()
    first, second = await post.token(box_id), await post.token(box_id)
    done = await enrol_box(post, second, tmp_path / "enrolment.json")
    (tmp_path / "finder").mkdir()
    with pytest.raises(RefusedError, match="ne connaît pas"):
        await enrol_box(post, first, tmp_path / "finder" / "enrolment.json")
    [told] = done.enrolment.posts
    assert await post.keys(box_id) == (told.up_key, told.down_key)


async def test_an_expired_token_is_called_expired(post: Post, tmp_path: Path) -> None:
    token = await post.token()
    await post.clock.advance(24 * 3600)
    with pytest.raises(RefusedError, match="expiré"):
        await enrol_box(post, token, tmp_path / "enrolment.json")
    assert await post.enrolled() == []


async def test_long_expired_tokens_are_forgotten(post: Post) -> None:
    token = await post.token(valid_for_s=3600)
    assert await post.store.get_token(token.token_id) is not None
    await post.clock.advance(8 * 24 * 3600)
    await post.token()
    assert await post.store.get_token(token.token_id) is None


async def test_the_store_never_has_the_secret(post: Post, tmp_path: Path) -> None:
    token = await post.token()
    await enrol_box(post, token, tmp_path / "enrolment.json")
    for path in sorted(tmp_path.glob("post.sqlite*")):
        content = path.read_bytes()
        assert token.secret not in content
        assert token.secret.hex().encode() not in content


async def test_a_token_that_this_post_never_gave(post: Post, tmp_path: Path) -> None:
    token = EnrolmentToken.new("127.0.0.1", post.server.port, post.authority.fingerprint)
    with pytest.raises(RefusedError, match="ne connaît pas"):
        await enrol_box(post, token, tmp_path / "enrolment.json")


async def test_a_revoked_box_is_not_enrolled(post: Post, tmp_path: Path) -> None:
    box_id = await post.new_box()
    token = await post.token(box_id)
    await post.store.revoke_box(box_id)
    with pytest.raises(RefusedError, match="ne connaît pas"):
        await enrol_box(post, token, tmp_path / "enrolment.json")


async def test_an_answer_that_was_lost_strands_no_box(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line falls after the post's commit: the same token and key are taken again."""
    path = tmp_path / "enrolment.json"
    box_id = await post.new_box()
    token = await post.token(box_id)
    original = Enrolments.claim

    async def claim_then_fall(self: Enrolments, *arguments: object) -> wire.ClaimAnswer:
        await original(self, *arguments)  # type: ignore[arg-type]
        raise ConnectionResetError

    monkeypatch.setattr(Enrolments, "claim", claim_then_fall)
    with pytest.raises(PeerError, match="même jeton"):
        await enrol_box(post, token, path)
    lost = await post.keys(box_id)
    monkeypatch.setattr(Enrolments, "claim", original)
    done = await enrol_box(post, token, path)
    [told] = done.enrolment.posts
    assert (told.up_key, told.down_key) == await post.keys(box_id) != lost
    assert len([one for one in post.authority.issued() if one.kind == "client"]) == 1
    assert await post.enrolled() == [box_id]


async def test_another_authority_behind_the_address_is_an_impostor(
    post: Post, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path / "other")
    token = await post.token()
    imposed = replace(token, fingerprint=bytes.fromhex(other.fingerprint)[:16])
    with pytest.raises(ImpostorError, match="Rien n'a été envoyé"):
        await enrol_box(post, imposed, tmp_path / "enrolment.json")
    assert await post.enrolled() == []


class Impostor:
    """Shows the true authority's certificate, and terminates TLS with its own."""

    def __init__(self, true_pem: str, context: ssl.SSLContext) -> None:
        self._pem = true_pem.encode()
        self._context = context
        self.requests: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Impostor":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            self.requests.append(head.split(b"\r\n")[0])
            length = b"Content-Length: %d\r\n\r\n" % len(self._pem)
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + length + self._pem)
            await writer.drain()
            writer.close()
            return


async def test_a_man_in_the_middle_with_the_true_authoritys_certificate_learns_nothing(
    post: Post, tmp_path: Path
) -> None:
    own = Authority.create(tmp_path / "own")
    files = own.server_files("enrolment", ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    token = await post.token()
    async with Impostor(post.authority.certificate_pem, context) as impostor:
        with pytest.raises(ImpostorError):
            await enrol_box(post, replace(token, port=impostor.port), tmp_path / "enrolment.json")
    assert impostor.requests == [b"GET /authority.pem HTTP/1.1"]
    assert not (tmp_path / "enrolment-pending.json").exists()


async def test_a_stolen_boxs_certificate_does_not_make_a_post(post: Post, tmp_path: Path) -> None:
    """A client certificate of the true authority cannot serve."""
    files = post.authority.client_files("box-00000001")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    token = await post.token()
    async with Impostor(post.authority.certificate_pem, context) as impostor:
        with pytest.raises(ImpostorError):
            await enrol_box(post, replace(token, port=impostor.port), tmp_path / "enrolment.json")
    assert impostor.requests == [b"GET /authority.pem HTTP/1.1"]


async def test_a_post_that_does_not_know_the_secret_is_an_impostor(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even with the authority's key in hand: both directions are proven."""
    original = Enrolments.claim

    async def forged(self: Enrolments, *arguments: object) -> wire.ClaimAnswer:
        answer = await original(self, *arguments)  # type: ignore[arg-type]
        return answer.model_copy(update={"broker_host": "elsewhere.example"})

    monkeypatch.setattr(Enrolments, "claim", forged)
    with pytest.raises(ImpostorError):
        await enrol_box(post, await post.token(), tmp_path / "enrolment.json")
    assert not (tmp_path / "enrolment.json").exists()


async def test_nobody_there(post: Post, tmp_path: Path) -> None:
    token = await post.token()
    await post.server.stop()
    with pytest.raises(PeerError, match="injoignable"):
        await enrol_box(post, token, tmp_path / "enrolment.json")


async def test_a_host_that_does_not_exist(post: Post, tmp_path: Path) -> None:
    token = replace(await post.token(), host="poste.invalid")
    with pytest.raises(PeerError, match="injoignable"):
        await enrol_box(post, token, tmp_path / "enrolment.json")


async def test_a_post_that_never_answers(post: Post, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        token = replace(await post.token(), port=silent.getsockname()[1])
        with pytest.raises(PeerError, match="délai"):
            await asyncio.to_thread(
                enrol, token, tmp_path / "enrolment.json", post.clock, timeout_s=0.2
            )


async def test_what_answers_is_no_tls(post: Post, tmp_path: Path) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    token = replace(await post.token(), port=server.sockets[0].getsockname()[1])
    with pytest.raises(PeerError, match="TLS"):
        await enrol_box(post, token, tmp_path / "enrolment.json")
    server.close()


async def test_the_address_is_not_in_the_posts_certificate(post: Post, tmp_path: Path) -> None:
    await post.serve(post.new_server(post.authority, ["poste.example"]))
    with pytest.raises(RefusedError, match="public_host"):
        await enrol_box(post, await post.token(), tmp_path / "enrolment.json")


@pytest.mark.parametrize("days", [-4, 30], ids=["box behind", "box ahead"])
async def test_a_clock_that_is_off_is_told(post: Post, tmp_path: Path, days: int) -> None:
    token = await post.token()
    off = DrivenClock(post.clock.utc() + timedelta(days=days))
    done = await asyncio.to_thread(enrol, token, tmp_path / "enrolment.json", off, timeout_s=5)
    assert done.clock_behind_s == pytest.approx(-days * 86400, abs=1)


async def _serve_a_certificate_of(post: Post, tmp_path: Path, days: float) -> None:
    """Serve with a certificate that the authority signed `days` from now."""
    for path in sorted(tmp_path.glob("authority/server-enrolment.*")):
        path.unlink()
    then = DrivenClock(post.clock.utc() + timedelta(days=days))
    await post.serve(post.new_server(Authority.load(tmp_path / "authority", then)))


async def test_a_box_whose_clock_is_far_behind_is_enrolled_all_the_same(
    post: Post, tmp_path: Path
) -> None:
    """100 days: the authority is pinned, so that dates alone go unchecked."""
    await _serve_a_certificate_of(post, tmp_path, 100)
    done = await enrol_box(post, await post.token(), tmp_path / "enrolment.json")
    assert load_enrolment(tmp_path / "enrolment.json") == done.enrolment


async def test_a_clock_after_the_certificates_end_is_told(post: Post, tmp_path: Path) -> None:
    await _serve_a_certificate_of(post, tmp_path, -3700)
    with pytest.raises(RefusedError, match="horloge"):
        await enrol_box(post, await post.token(), tmp_path / "enrolment.json")


async def test_a_line_that_falls_anywhere_strands_no_box(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut after every exchange in turn; each time the same token ends well."""
    exchanges = 3
    for fall_at in range(1, exchanges + 1):
        path = tmp_path / f"enrolment-{fall_at}.json"
        token = await post.token()
        count = 0
        original = enrolling._exchange

        def falling(*arguments: object) -> tuple[int, bytes]:
            nonlocal count
            count += 1
            result = original(*arguments)  # type: ignore[arg-type]  # noqa: B023
            if count == fall_at:  # noqa: B023
                raise PeerError("the line fell")
            return result

        monkeypatch.setattr(enrolling, "_exchange", falling)
        with pytest.raises(PeerError, match="fell"):
            await enrol_box(post, token, path)
        monkeypatch.setattr(enrolling, "_exchange", original)
        done = await enrol_box(post, token, path)
        [told] = done.enrolment.posts
        assert (told.up_key, told.down_key) == await post.keys(done.enrolment.box_id)
