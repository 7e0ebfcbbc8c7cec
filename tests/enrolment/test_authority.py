"""The post's own authority: who is a box, and who is no longer one."""

import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vigibip.base.clock import DrivenClock
from vigibip.base.errors import ConfigurationError, RefusedError, StorageError, UsageError
from vigibip.base.private_files import write_atomically
from vigibip.post.authority import Authority, new_private_key

BOX = "box-0a1b2c3d"
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "authority", DrivenClock(NOW))


def csr(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str = "post") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def common_name(certificate: x509.Certificate) -> str:
    [attribute] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(attribute.value)


def test_a_box_gets_its_identity_and_may_only_be_a_client(authority: Authority) -> None:
    key = new_private_key()
    pem = authority.issue_client(key.public_key(), BOX)
    certificate = x509.load_pem_x509_certificate(pem.encode())
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert common_name(certificate) == BOX
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert constraints.ca is False
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(
        x509.load_pem_x509_certificate(authority.certificate_pem.encode())
    )


def test_the_name_that_a_request_asks_for_is_ignored(authority: Authority) -> None:
    request = x509.load_der_x509_csr(csr(new_private_key(), name="post"))
    pem = authority.issue_client(request, BOX)
    assert common_name(x509.load_pem_x509_certificate(pem.encode())) == BOX


def test_a_request_that_its_key_did_not_sign_is_refused(authority: Authority) -> None:
    forged = bytearray(csr(new_private_key()))
    forged[-1] ^= 1
    with pytest.raises(RefusedError):
        authority.issue_client(x509.load_der_x509_csr(bytes(forged)), BOX)


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)],
    ids=["P-384", "RSA"],
)
def test_only_p256_is_certified(
    authority: Authority, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
) -> None:
    with pytest.raises(RefusedError):
        authority.issue_client(x509.load_der_x509_csr(csr(key)), BOX)


@pytest.mark.parametrize("identity", ["", "box-", "box-0A1B2C3D", "box-0a1b2c3d\n", "box-+", "#"])
def test_other_identities_are_never_certified(authority: Authority, identity: str) -> None:
    with pytest.raises(UsageError):
        authority.issue_client(new_private_key().public_key(), identity)


def test_a_server_certificate_names_its_hosts_and_may_only_be_a_server(
    authority: Authority,
) -> None:
    pem, _ = authority.issue_server(["poste.example", "127.0.0.1", "::1"])
    certificate = x509.load_pem_x509_certificate(pem.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert names.get_values_for_type(x509.DNSName) == ["poste.example"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


@pytest.mark.parametrize("hosts", [[], [""], ["a b"], ["-x"], ["x" * 254], ["é.fr"]])
def test_a_server_needs_real_names(authority: Authority, hosts: list[str]) -> None:
    with pytest.raises(UsageError):
        authority.issue_server(hosts)


def test_certificates_hold_for_clocks_that_are_a_day_behind(authority: Authority) -> None:
    pem = authority.issue_client(new_private_key().public_key(), BOX)
    certificate = x509.load_pem_x509_certificate(pem.encode())
    assert certificate.not_valid_before_utc <= NOW - timedelta(days=1)
    assert certificate.not_valid_after_utc >= NOW + timedelta(days=5 * 365)


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    clock = DrivenClock(NOW)
    Authority.create(tmp_path / "a", clock)
    late = Authority.load(tmp_path / "a", DrivenClock(NOW + timedelta(days=24 * 365)))
    pem = late.issue_client(new_private_key().public_key(), BOX)
    end = x509.load_pem_x509_certificate(late.certificate_pem.encode()).not_valid_after_utc
    assert x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc == end


def test_keys_are_for_their_owner_alone(authority: Authority, tmp_path: Path) -> None:
    authority.client_files("post")
    authority.server_files("broker", ["localhost"])
    directory = tmp_path / "authority"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    keys = sorted(path.name for path in directory.glob("*.key"))
    assert keys == ["authority.key", "client-post.key", "server-broker.key"]
    for name in keys:
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
    assert not [path for path in directory.iterdir() if path.name.endswith(".new")]


def test_what_was_signed_is_on_record_and_survives_a_restart(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "a", DrivenClock(NOW))
    pem = authority.issue_client(new_private_key().public_key(), BOX)
    authority.issue_server(["localhost"])
    again = Authority.load(tmp_path / "a", DrivenClock(NOW))
    assert again.fingerprint == authority.fingerprint
    assert [(one.identity, one.kind) for one in again.issued()] == [
        (BOX, "client"),
        ("localhost", "server"),
    ]
    serial = x509.load_pem_x509_certificate(pem.encode()).serial_number
    assert again.issued()[0].serial == serial


def test_a_second_authority_never_replaces_the_first(tmp_path: Path) -> None:
    Authority.create(tmp_path / "a")
    with pytest.raises(UsageError):
        Authority.create(tmp_path / "a")


def test_loading_tells_what_is_missing_or_mixed_up(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        Authority.load(tmp_path / "nothing")
    Authority.create(tmp_path / "a")
    Authority.create(tmp_path / "b")
    shutil.copy(tmp_path / "a" / "authority.key", tmp_path / "b" / "authority.key")
    with pytest.raises(ConfigurationError, match="belong together"):
        Authority.load(tmp_path / "b")


def test_files_are_kept_until_hosts_change_or_the_end_nears(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "a", DrivenClock(NOW))
    files = authority.server_files("broker", ["localhost"])
    first = files.certificate.read_bytes()
    assert authority.server_files("broker", ["localhost"]).certificate.read_bytes() == first
    second = authority.server_files("broker", ["localhost", "127.0.0.1"]).certificate.read_bytes()
    assert second != first
    late = Authority.load(tmp_path / "a", DrivenClock(NOW + timedelta(days=9.5 * 365)))
    third = late.server_files("broker", ["localhost", "127.0.0.1"]).certificate.read_bytes()
    assert third != second


@pytest.mark.parametrize("refused", ["issued.jsonl", ".new-client-post.pem"])
def test_a_disk_that_takes_nothing_leaves_a_certificate_in_use_until_its_end(
    tmp_path: Path, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Authority.create(tmp_path / "a", DrivenClock(NOW)).client_files("post")
    late = Authority.load(tmp_path / "a", DrivenClock(NOW + timedelta(days=9.5 * 365)))
    too_late = Authority.load(tmp_path / "a", DrivenClock(NOW + timedelta(days=10.5 * 365)))

    def write(path: Path, content: bytes, mode: int = 0o600) -> None:
        if path.name == refused:
            raise StorageError("no space left on device")
        write_atomically(path, content, mode)

    with monkeypatch.context() as full:
        full.setattr("vigibip.post.authority.write_atomically", write)
        full.setattr("vigibip.post.authority_files.write_atomically", write)
        kept = late.client_files("post").load_certificate()
        assert kept is not None
        assert kept.not_valid_after_utc == NOW + timedelta(days=10 * 365)
        with pytest.raises(StorageError):
            too_late.client_files("post")
    made = late.client_files("post").load_certificate()
    assert made is not None
    assert made.not_valid_after_utc > kept.not_valid_after_utc


def test_a_key_without_its_certificate_is_replaced(authority: Authority) -> None:
    files = authority.client_files("post")
    other = authority.server_files("other", ["localhost"])
    shutil.copy(other.key, files.key)
    assert files.load_certificate() is None
    assert authority.client_files("post").load_certificate() is not None


def test_revoking_refuses_every_certificate_of_a_box_and_no_other(authority: Authority) -> None:
    for identity in (BOX, BOX, "box-99999999"):
        authority.issue_client(new_private_key().public_key(), identity)
    assert authority.revoke(BOX) == 2
    assert authority.revoked_identities() == {BOX}
    assert authority.revoke(BOX) == 0
    crl = x509.load_pem_x509_crl(authority.crl_path.read_bytes())
    assert {one.serial_number for one in crl} == {one.serial for one in authority.issued()[:2]}
    with pytest.raises(UsageError):
        authority.revoke("box-77777777")


def test_a_box_enrolled_again_after_revocation_is_not_revoked(authority: Authority) -> None:
    authority.issue_client(new_private_key().public_key(), BOX)
    authority.revoke(BOX)
    authority.issue_client(new_private_key().public_key(), BOX)
    assert authority.revoked_identities() == set()


def test_a_revoked_post_gets_a_new_certificate(authority: Authority) -> None:
    before = authority.client_files("post").certificate.read_bytes()
    authority.revoke("post")
    assert authority.client_files("post").certificate.read_bytes() != before


def test_a_damaged_record_is_told(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "authority" / "issued.jsonl").write_text("{}\n")
    with pytest.raises(StorageError):
        authority.issued()


@pytest.mark.requires_program("openssl")
def test_openssl_agrees_on_chain_purpose_and_revocation(
    authority: Authority, tmp_path: Path
) -> None:
    pem = tmp_path / "box.pem"
    pem.write_text(authority.issue_client(new_private_key().public_key(), BOX))

    def verify(purpose: str) -> int:
        return subprocess.run(
            [
                *("openssl", "verify", "-x509_strict", "-crl_check"),
                *("-attime", str(int(NOW.timestamp())), "-purpose", purpose),
                *("-CAfile", authority.certificate_path, "-CRLfile", authority.crl_path, pem),
            ],
            capture_output=True,
            check=False,
        ).returncode

    assert verify("sslclient") == 0
    assert verify("sslserver") != 0
    authority.revoke(BOX)
    assert verify("sslclient") != 0
