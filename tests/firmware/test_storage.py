"""What a bip remembers: whole, or absent; never half, never somebody else's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigibip.town import device_tree
from vigibip.wire.counter import ReservedCounter

storage: Any = device_tree.load("bip", "storage")
KEY = bytes(range(16))
LINK = b"\x02recvr"


class FakeNvs:
    """NVS as the ESP32 has it: a value counts once it is committed."""

    def __init__(self) -> None:
        self.committed: dict[str, bytes] = {}
        self.pending: dict[str, bytes] = {}

    def get_blob(self, key: str, buffer: bytearray) -> int:
        value = self.pending.get(key, self.committed.get(key))
        if value is None or len(value) > len(buffer):
            raise OSError(-0x1102)
        buffer[: len(value)] = value
        return len(value)

    def set_blob(self, key: str, value: bytes) -> None:
        self.pending[key] = bytes(value)

    def commit(self) -> None:
        self.committed.update(self.pending)
        self.pending = {}


class FakeRtc:
    def __init__(self) -> None:
        self.content = b""

    def memory(self, data: bytes | None = None) -> bytes | None:
        if data is None:
            return self.content
        self.content = bytes(data)
        return None


def provisioned() -> tuple[FakeNvs, FakeRtc]:
    nvs = FakeNvs()
    nvs.committed.update(storage.provisioned(0xA1B2C3D4, KEY, 6, LINK))
    return nvs, FakeRtc()


def opened(nvs: FakeNvs, rtc: FakeRtc) -> Any:
    return storage.Storage(nvs, rtc, lambda: 0xFFFFFFFF)


def test_a_new_bip_has_its_settings_and_counts_from_one() -> None:
    kept = opened(*provisioned())
    assert kept.settings() == (0xA1B2C3D4, KEY, 6, LINK)
    assert (kept.reserved, kept.record, kept.time_is_known) == (1, None, False)


@pytest.mark.parametrize(
    ("key", "channel", "receiver"),
    [(KEY[:15], 6, LINK), (KEY, 0, LINK), (KEY, 14, LINK), (KEY, 6, LINK[:5])],
)
def test_provisioning_refuses(key: bytes, channel: int, receiver: bytes) -> None:
    with pytest.raises(ValueError, match="out of range"):
        storage.provisioned(1, key, channel, receiver)


def test_the_way_to_the_receiver_replaces_what_was_provisioned() -> None:
    nvs, rtc = provisioned()
    opened(nvs, rtc).save_link(11, b"\x02other")
    assert opened(nvs, rtc).settings()[2:] == (11, b"\x02other")
    nvs.committed["link"] = storage.guard(bytes((77,)) + LINK)
    assert opened(nvs, rtc).settings()[2:] == (6, LINK)


def test_a_record_outlives_sleep_with_the_clock_and_a_power_cut_without() -> None:
    nvs, rtc = provisioned()
    opened(nvs, rtc).save(b"presses")
    awake = opened(nvs, rtc)
    assert (awake.record, awake.time_is_known) == (b"presses", True)
    cut = opened(nvs, FakeRtc())
    assert (cut.record, cut.time_is_known) == (b"presses", False)


def test_what_only_a_sleep_needs_stays_out_of_nvs() -> None:
    nvs, rtc = provisioned()
    kept = opened(nvs, rtc)
    kept.save(b"one")
    kept.held, kept.battery_mv, kept.rssi_dbm = True, 3700, -71
    kept.save_light(b"two")
    awake = opened(nvs, rtc)
    assert (awake.record, awake.held) == (b"two", True)
    assert (awake.battery_mv, awake.rssi_dbm) == (3700, -71)
    assert opened(nvs, FakeRtc()).record == b"one"


def test_what_was_not_committed_is_not_there() -> None:
    nvs, rtc = provisioned()
    kept = opened(nvs, rtc)
    kept.reserve(65)
    nvs.set_blob("counter1", b"torn")
    nvs.pending = {}
    assert opened(nvs, rtc).reserved == 65


@given(damage=st.binary(max_size=80), count=st.integers(1, 6))
def test_a_torn_slot_leaves_the_one_before(damage: bytes, count: int) -> None:
    nvs, rtc = provisioned()
    kept = opened(nvs, rtc)
    for number in range(count):
        kept.save(b"record %d" % number)
        kept.reserve(64 * (number + 1) + 1)
    newest = f"open{count & 1}"
    nvs.committed[newest] = damage
    expected = b"record %d" % (count - 2) if count > 1 else None
    assert opened(nvs, FakeRtc()).record == expected


def test_writing_goes_on_after_a_torn_slot_and_the_newest_wins() -> None:
    nvs, rtc = provisioned()
    for number in range(5):
        if number:
            nvs.committed[f"counter{(number + 1) & 1}"] = b""
        kept = opened(nvs, rtc)
        kept.reserve(1000 + number)
        assert opened(nvs, rtc).reserved == 1000 + number


def test_a_lost_counter_begins_where_none_was_used() -> None:
    nvs, rtc = provisioned()
    nvs.committed["counter1"] = b"garbage"
    assert opened(nvs, rtc).reserved == 0x80000000 | 0x3FFFFFFF


@given(content=st.binary(max_size=600))
def test_garbage_is_absent(content: bytes) -> None:
    nvs, rtc = provisioned()
    rtc.content = content
    for key in (
        "settings",
        "counter0",
        "counter1",
        "open0",
        "open1",
        "link",
        "crashes",
        "set0",
        "set1",
    ):
        nvs.committed[key] = content
    kept = opened(nvs, rtc)
    assert kept.settings() is None
    assert kept.record is None
    assert kept.crashes() == (0, 0, 0, 0)
    assert kept.options() is None
    assert not kept.time_is_known


@given(payload=st.binary(max_size=300), position=st.integers(0, 400), bit=st.integers(0, 7))
def test_a_flipped_bit_is_seen(payload: bytes, position: int, bit: int) -> None:
    blob = bytearray(storage.guard(payload))
    assert storage.unguard(bytes(blob)) == payload
    blob[position % len(blob)] ^= 1 << bit
    assert storage.unguard(bytes(blob)) is None


def test_crashes_are_counted_and_stop_at_the_field_s_end() -> None:
    nvs, rtc = provisioned()
    for _ in range(3):
        opened(nvs, rtc).count_crash(0xBEEF, 0x77616B65, 12)
    assert opened(nvs, rtc).crashes() == (3, 0xBEEF, 0x77616B65, 12)
    nvs.committed["crashes"] = storage.guard(b"\xff\xff")
    assert opened(nvs, rtc).crashes() == (0xFFFF, 0, 0, 0)
    opened(nvs, rtc).count_crash(1, 2, 3)
    assert opened(nvs, rtc).crashes() == (0xFFFF, 1, 2, 3)


def test_whoever_counts_next_in_the_same_start_uses_no_number_again() -> None:
    nvs, rtc = provisioned()
    kept = opened(nvs, rtc)
    first = [ReservedCounter(kept.reserved, kept.reserve, 1).next() for _ in range(3)]
    again = ReservedCounter(opened(nvs, rtc).reserved, kept.reserve).next()
    assert len({*first, again}) == 4


def test_what_the_next_status_must_tell_is_kept() -> None:
    nvs, rtc = provisioned()
    for stuck, resorted in ((True, False), (False, True), (True, True)):
        kept = opened(nvs, rtc)
        kept.stuck, kept.resorted, kept.starts = stuck, resorted, 5
        kept.note()
        again = opened(nvs, rtc)
        assert (again.stuck, again.resorted, again.starts) == (stuck, resorted, 5)


def test_settings_are_kept_whole_and_a_torn_write_leaves_the_ones_before() -> None:
    nvs, rtc = provisioned()
    opened(nvs, rtc).save_options(b"first")
    opened(nvs, rtc).save_options(b"second")
    assert opened(nvs, rtc).options() == b"second"
    newest = "set0"
    for length in range(len(nvs.committed[newest])):
        torn = FakeNvs()
        torn.committed = dict(nvs.committed)
        torn.committed[newest] = nvs.committed[newest][:length]
        assert opened(torn, rtc).options() == b"first"


def test_settings_may_be_given_when_it_is_made() -> None:
    nvs = FakeNvs()
    nvs.committed.update(storage.provisioned(1, KEY, 6, LINK, b"options"))
    assert opened(nvs, FakeRtc()).options() == b"options"


def test_starts_and_what_is_untold_are_kept_without_touching_the_record() -> None:
    nvs, rtc = provisioned()
    opened(nvs, rtc).save(b"presses")
    for number in range(1, 20):
        kept = opened(nvs, rtc)
        kept.untold = True
        assert kept.count_start() == min(number, 7)
    awake = opened(nvs, rtc)
    assert (awake.record, awake.time_is_known, awake.untold) == (b"presses", True, True)


def test_a_start_that_was_noted_does_not_make_an_old_record_one_of_this_clock() -> None:
    nvs, rtc = provisioned()
    opened(nvs, rtc).save(b"presses")
    cut = FakeRtc()
    opened(nvs, cut).count_start()
    again = opened(nvs, cut)
    assert (again.record, again.time_is_known, again.starts) == (b"presses", False, 1)
    again.save_light(b"aged")
    assert (opened(nvs, cut).record, opened(nvs, cut).time_is_known) == (b"aged", True)
