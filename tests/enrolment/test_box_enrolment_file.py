"""enrolment.json: what the box keeps of its enrolment, and what it makes of a damaged one."""

import json
import ssl
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vigibip.base.clock import DrivenClock
from vigibip.base.errors import ConfigurationError, StorageError
from vigibip.box.enrolment import EnrolledPost, Enrolment, load_enrolment, save_enrolment
from vigibip.post.authority import Authority, new_private_key, private_key_pem

BOX = "box-0a1b2c3d"


def enrolled(authority: Authority) -> Enrolment:
    key = new_private_key()
    post = EnrolledPost(
        name="post",
        broker_host="localhost",
        broker_port=8883,
        up_key=b"\x01" * 32,
        down_key=b"\x02" * 32,
        authority_pem=authority.certificate_pem,
        certificate_pem=authority.issue_client(key.public_key(), BOX),
        private_key_pem=private_key_pem(key),
    )
    return Enrolment(box_id=BOX, posts=(post,))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "authority")


def test_what_was_saved_is_loaded_and_is_the_owners_alone(
    authority: Authority, tmp_path: Path
) -> None:
    path = tmp_path / "enrolment.json"
    enrolment = enrolled(authority)
    save_enrolment(path, enrolment)
    assert load_enrolment(path) == enrolment
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keys_are_never_shown(authority: Authority) -> None:
    assert "PRIVATE" not in repr(enrolled(authority))
    assert "0101" not in repr(enrolled(authority))
    assert "\\x01" not in repr(enrolled(authority))


def test_a_box_without_enrolment_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="box enrol"):
        load_enrolment(tmp_path / "enrolment.json")


def _drop(key: str) -> Callable[[dict], None]:
    return lambda entry: entry["posts"][0].pop(key)


def _set(key: str, value: object) -> Callable[[dict], None]:
    return lambda entry: entry["posts"][0].update({key: value})


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: entry.update(box_id="box-1"),
        lambda entry: entry.update(posts=[]),
        lambda entry: entry.pop("posts"),
        _drop("up_key"),
        _set("up_key", "zz" * 32),
        _set("down_key", "01" * 16),
        _set("broker_port", 0),
        _set("broker_port", "8883"),
        _set("private_key_pem", "SECRET"),
        _set("surprise", "SECRET"),
    ],
)
def test_a_damaged_file_is_told_without_its_secrets(
    authority: Authority, tmp_path: Path, damage: Callable[[dict], None]
) -> None:
    path = tmp_path / "enrolment.json"
    save_enrolment(path, enrolled(authority))
    entry = json.loads(path.read_text())
    damage(entry)
    path.write_text(json.dumps(entry))
    with pytest.raises(ConfigurationError) as told:
        load_enrolment(path)
    assert "SECRET" not in str(told.value)
    assert "PRIVATE" not in str(told.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00" * 100, "é"])
def test_what_is_no_enrolment_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "enrolment.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError):
        load_enrolment(path)


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, host: str = "localhost") -> str:
    """Run a TLS handshake in memory; return the name that the server saw."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=host)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    near_done = far_done = False
    while not (near_done and far_done):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            near_done, far_done = near_done or side is near, far_done or side is far
    subject = far.getpeercert()["subject"]
    return str(subject[0][0][1])


def broker_context(authority: Authority) -> ssl.SSLContext:
    files = authority.server_files("broker", ["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    context.load_verify_locations(authority.certificate_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags(0x200000)  # the box's dates are the test's matter
    return context


def test_tls_shows_the_box_and_trusts_its_authority_alone(
    authority: Authority, tmp_path: Path
) -> None:
    [post] = enrolled(authority).posts
    assert handshake(post.tls_context(), broker_context(authority)) == BOX
    foreign = Authority.create(tmp_path / "foreign")
    for check_time in (True, False):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(post.tls_context(check_time=check_time), broker_context(foreign))
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(
                post.tls_context(check_time=check_time), broker_context(authority), "elsewhere"
            )


@pytest.mark.parametrize(("days", "told"), [(-3660, "has expired"), (3650, "not yet valid")])
def test_an_unsure_clock_leaves_only_the_dates_unchecked(
    tmp_path: Path, days: int, told: str
) -> None:
    far_off = DrivenClock(datetime.now(UTC) + timedelta(days=days))
    authority = Authority.create(tmp_path / "authority", far_off)
    [post] = enrolled(authority).posts
    server = broker_context(authority)
    with pytest.raises(ssl.SSLCertVerificationError, match=told):
        handshake(post.tls_context(), server)
    assert handshake(post.tls_context(check_time=False), server) == BOX


def test_certificates_that_cannot_be_used_are_told(authority: Authority) -> None:
    [post] = enrolled(authority).posts
    other = private_key_pem(new_private_key())
    with pytest.raises(StorageError):
        replace(post, private_key_pem=other).tls_context()
    with pytest.raises(StorageError):
        replace(post, authority_pem="-----BEGIN CERTIFICATE-----").tls_context()
