"""The token: whatever an installer does to it, it is read right or refused in clear words."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vigibip.alert.enrolment_token import EnrolmentToken, TokenError

HOSTS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).filter(lambda address: address.scope_id is None).map(str),
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,10}){0,3}", fullmatch=True),
)
TOKENS = st.builds(
    EnrolmentToken,
    host=HOSTS,
    port=st.integers(1, 65535),
    fingerprint=st.binary(min_size=16, max_size=16),
    secret=st.binary(min_size=16, max_size=16),
)
TOKEN = EnrolmentToken("192.0.2.10", 8443, bytes(range(16)), bytes(range(16, 32)))
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@given(TOKENS)
def test_what_is_written_is_read(token: EnrolmentToken) -> None:
    assert EnrolmentToken.parse(token.text()) == token


@given(TOKENS, st.integers(0, 2**32))
def test_case_spaces_dashes_and_lookalikes_do_not_matter(token: EnrolmentToken, seed: int) -> None:
    text = token.text()
    if seed & 1:
        text = text.lower()
    if seed & 2:
        text = text.replace("-", " ")
    if seed & 4:
        text = text.replace("0", "O")
    if seed & 8:
        text = text.replace("1", "l").replace("l", "I", 1)
    if seed & 16:
        text = f"  {text}\n"
    assert EnrolmentToken.parse(text) == token


def test_it_is_short_enough_to_type() -> None:
    assert len(TOKEN.text()) <= 85
    assert {len(group) for group in TOKEN.text().split("-")[:-1]} == {5}


def test_every_wrong_character_is_noticed() -> None:
    text = TOKEN.text().replace("-", "")
    for at, right in enumerate(text):
        for wrong in ALPHABET:
            if wrong != right:
                with pytest.raises(TokenError):
                    EnrolmentToken.parse(text[:at] + wrong + text[at + 1 :])


def test_every_missing_doubled_or_swapped_character_is_noticed() -> None:
    text = TOKEN.text().replace("-", "")
    changed = [text[:at] + text[at + 1 :] for at in range(len(text))]
    changed += [text[:at] + text[at] + text[at:] for at in range(len(text))]
    changed += [
        text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        for at in range(len(text) - 1)
        if text[at] != text[at + 1]
    ]
    for wrong in changed:
        with pytest.raises(TokenError):
            EnrolmentToken.parse(wrong)


@given(st.text(max_size=700))
@example("")
@example("-")
@example("0" * 100_000)
@example("UUUUU")
@example("é" * 20)
def test_anything_else_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(TokenError) as told:
        EnrolmentToken.parse(text)
    assert len(text) < 4 or text not in str(told.value)


@given(st.text(alphabet=ALPHABET, max_size=620))
def test_its_own_letters_in_any_order_are_refused(text: str) -> None:
    with pytest.raises(TokenError):
        EnrolmentToken.parse(text)


@pytest.mark.parametrize("host", ["", "-x", "a b", "x" * 254, "é.fr", "fe80::1%eth0", "a/b", "a\n"])
def test_a_token_has_a_host(host: str) -> None:
    with pytest.raises(TokenError):
        EnrolmentToken.new(host, 8443, "00" * 32)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_token_has_a_port(port: int) -> None:
    with pytest.raises(TokenError):
        EnrolmentToken.new("localhost", port, "00" * 32)


def test_secrets_are_fresh_and_never_shown() -> None:
    one, other = (EnrolmentToken.new("localhost", 1, "00" * 32) for _ in range(2))
    assert one.secret != other.secret
    assert one.token_id != other.token_id
    assert repr(one.secret) not in repr(one)
    assert one.proof_key != one.secret


def test_the_longest_host_can_be_read_back() -> None:
    host = ".".join(["a" * 63] * 3 + ["b" * 61])
    assert len(host) == 253
    token = EnrolmentToken.new(host, 65535, "ff" * 32)
    assert EnrolmentToken.parse(token.text()) == token


def test_an_address_is_written_in_its_shortest_form() -> None:
    token = EnrolmentToken.new("2001:0db8::0001", 1, "00" * 32)
    parsed = EnrolmentToken.parse(token.text())
    assert ipaddress.ip_address(parsed.host) == ipaddress.ip_address("2001:db8::1")
