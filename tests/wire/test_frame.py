"""Frames: round trips of any content, and nothing but typed refusals for all else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire import reference
from tests.wire.host import Wire
from vigibip.wire import frame, parcel

U32 = st.integers(0, 0xFFFFFFFF)
U16 = st.integers(0, 0xFFFF)
U8 = st.integers(0, 0xFF)
I8 = st.integers(-128, 127)
SHORT_KINDS = (frame.PRESS, frame.STATUS, frame.POLL, frame.ASK, frame.REPLY)
LONG_KINDS = (frame.CONFIGURE, frame.UPDATE)
KINDS = st.sampled_from(SHORT_KINDS + LONG_KINDS)
KEY = bytes(range(16))
ENCRYPT = Wire.cipher(KEY)


@settings(deadline=None)
@given(KINDS, U32, U32, st.binary(max_size=32))
def test_a_frame_comes_back(kind: int, device_id: int, counter: int, payload: bytes) -> None:
    sealed = frame.seal_frame(ENCRYPT, kind, device_id, counter, payload)
    padded = payload.ljust(192 if kind in LONG_KINDS else 32, b"\0")
    direction = reference.FROM_BOX if kind >= frame.REPLY else reference.UP
    assert sealed == reference.sealed_frame(KEY, direction, kind, device_id, counter, payload)
    assert frame.read_header(sealed) == (kind, device_id, counter)
    assert frame.open_frame(ENCRYPT, sealed) == (kind, device_id, counter, padded)


@settings(deadline=None)
@given(st.tuples(U32, U32, U16, U16, U8, I8, U8, U8, U16))
def test_a_press_comes_back(fields: tuple[int, ...]) -> None:
    packed = frame.pack_press(*fields)
    assert frame.unpack_press(packed) == fields
    assert len(packed) <= frame.PAYLOAD_LENGTH


@settings(deadline=None)
@given(
    st.tuples(
        *(U16, U16, U8, I8, U16, U16, U16, U16),
        *(U16, U16, U8, U8, U8, U16, U32, U16),
    )
)
def test_a_status_comes_back(fields: tuple[int, ...]) -> None:
    packed = frame.pack_status(*fields)
    assert frame.unpack_status(packed) == fields
    assert len(packed) <= frame.PAYLOAD_LENGTH


@settings(deadline=None)
@given(st.tuples(U32, U32, U8, U8))
def test_a_reply_and_a_poll_come_back(fields: tuple[int, int, int, int]) -> None:
    assert frame.unpack_reply(frame.pack_reply(*fields)) == fields
    assert frame.unpack_poll(frame.pack_poll(fields[0])) == fields[0]


@settings(deadline=None)
@given(st.tuples(U8, U32, U16), st.tuples(U32, U16, U8, U8, U16, U8, U16, U16))
def test_an_ask_and_settings_come_back(ask: tuple[int, ...], given: tuple[int, ...]) -> None:
    assert parcel.unpack_ask(parcel.pack_ask(*ask)) == ask
    assert parcel.unpack_configure(parcel.pack_configure(*given)) == given


@settings(deadline=None)
@given(U32, U32, U16, U16, st.binary(max_size=parcel.PIECE_LENGTH))
def test_a_piece_of_an_update_comes_back(
    answered: int, image: int, pieces: int, piece: int, data: bytes
) -> None:
    packed = parcel.pack_update(answered, image, pieces, piece, data)
    assert len(packed) <= frame.LONG_PAYLOAD_LENGTH
    padded = packed.ljust(frame.LONG_PAYLOAD_LENGTH, b"\0")
    assert parcel.unpack_update(padded) == (answered, image, pieces, piece, data)


def test_a_piece_that_says_it_is_longer_than_one_is_refused() -> None:
    with pytest.raises(frame.LengthRefused):
        parcel.pack_update(1, 2, 3, 0, bytes(parcel.PIECE_LENGTH + 1))
    packed = bytearray(parcel.pack_update(1, 2, 3, 0, bytes(parcel.PIECE_LENGTH)))
    packed[12] = parcel.PIECE_LENGTH + 1
    with pytest.raises(frame.LengthRefused):
        parcel.unpack_update(bytes(packed).ljust(frame.LONG_PAYLOAD_LENGTH, b"\0"))


@settings(deadline=None)
@given(st.integers(), st.integers(), st.integers(), st.integers(), st.integers())
def test_no_reading_stops_a_press(
    age_s: int, battery_mv: int, reset_cause: int, rssi_dbm: int, wake: int
) -> None:
    read = frame.unpack_press(
        frame.pack_press(9, age_s, battery_mv, 1, reset_cause, rssi_dbm, wake)
    )
    assert read[0] == 9
    assert read[1] == (age_s if 0 <= age_s < frame.AGE_UNKNOWN else frame.AGE_UNKNOWN)
    assert read[6] == max(0, min(wake, 255))


@settings(deadline=None)
@given(st.binary(max_size=240))
def test_noise_is_refused_by_type(noise: bytes) -> None:
    with pytest.raises(frame.FrameError):
        frame.open_frame(ENCRYPT, noise)


@settings(deadline=None)
@given(KINDS, U32, U32, st.binary(min_size=200, max_size=200))
def test_a_right_header_without_the_key_opens_nothing(
    kind: int, device_id: int, counter: int, rest: bytes
) -> None:
    rest = rest[: frame.payload_length(kind) + 8]
    header = frame.seal_frame(ENCRYPT, kind, device_id, counter, b"")[: frame.HEADER_LENGTH]
    with pytest.raises(frame.SealRefused):
        frame.open_frame(ENCRYPT, header + rest)


@pytest.mark.parametrize("kind", SHORT_KINDS + LONG_KINDS)
def test_a_payload_too_long_is_not_sealed(kind: int) -> None:
    with pytest.raises(frame.LengthRefused):
        frame.seal_frame(ENCRYPT, kind, 1, 1, bytes(frame.payload_length(kind) + 1))


def test_a_long_frame_fits_what_the_radio_carries() -> None:
    assert frame.LONG_FRAME_LENGTH <= 250


def test_an_unknown_kind_is_neither_sealed_nor_opened() -> None:
    for kind in sorted(set(range(256)) - set(SHORT_KINDS + LONG_KINDS)):
        with pytest.raises(frame.KindRefused):
            frame.seal_frame(ENCRYPT, kind, 1, 1, b"")


def test_two_ends_never_share_a_nonce() -> None:
    """The same device, counter and key both ways: what covers the payloads must differ."""
    up = frame.seal_frame(ENCRYPT, frame.POLL, 7, 7, bytes(32))
    down = frame.seal_frame(ENCRYPT, frame.REPLY, 7, 7, bytes(32))
    assert up[10:42] != down[10:42]


def test_a_frame_opens_with_its_header_only() -> None:
    """Device id, counter and kind are authenticated, though they travel in the clear."""
    sealed = frame.seal_frame(ENCRYPT, frame.PRESS, 7, 7, b"press")
    other = frame.seal_frame(ENCRYPT, frame.PRESS, 7, 8, b"press")
    with pytest.raises(frame.SealRefused):
        frame.open_frame(ENCRYPT, other[:10] + sealed[10:])
    with pytest.raises(frame.SealRefused):
        frame.open_frame(ENCRYPT, sealed[:42] + other[42:])


def test_every_refusal_is_a_value_error_and_a_frame_error() -> None:
    for refusal in (
        frame.LengthRefused,
        frame.VersionRefused,
        frame.KindRefused,
        frame.SealRefused,
    ):
        assert issubclass(refusal, frame.FrameError)
        assert issubclass(refusal, ValueError)
