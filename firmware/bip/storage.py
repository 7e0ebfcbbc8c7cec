"""What a bip remembers: settings, counter, open presses and the way to its receiver.

NVS survives a power cut; RTC memory survives deep sleep and resets, and is written far more
often. Whatever lies there is guarded, and what must not be lost lies there twice (`guard`).

The workshop and the simulated town provision a bip by writing what `provisioned` returns into
the NVS namespace NAMESPACE. No hardware is touched here: nvs and rtc are handed in.
"""

import struct

from guard import NAMESPACE, Pair, guard, read_blob, unguard  # noqa: F401

_SETTINGS = ">I16sB6s"
_SETTINGS_LENGTH = 27
_LINK = ">B6s"
# Count, and the last one's digest, module and line.
_CRASHES = ">HHIH"
_CRASHES_LENGTH = 10
_RTC_HEAD = ">BHb"
_RTC_HEAD_LENGTH = 4
# The flags' byte: five bits, and between them the starts after a fall.
_HELD = 1
_UNTOLD = 2
# The record is not here but in NVS, and of a clock that was lost.
_UNTIMED = 4
_STUCK = 8
_STARTS = 0x70
_STARTS_MAX = 7
_RESORTED = 0x80

# Where counting begins when NVS has lost the counter: lower numbers may have been used. Chance
# keeps two such losses apart; the box sees the leap.
_LOST_COUNTER = 0x80000000


def provisioned(
    device_id: int, key: bytes, channel: int, receiver: bytes, options: bytes | None = None
) -> dict[str, bytes]:
    """Return the NVS blobs, by their keys, of a new bip. Raises ValueError.

    device_id: 32 bits, never used before. key: 16 bytes. channel: 1 to 13. receiver: its
    address, six times 0xff when unknown. options: of settings.pack; None leaves it silent until
    the box sets it.
    """
    if len(key) != 16 or len(receiver) != 6 or not 1 <= channel <= 13:
        raise ValueError("provisioning: key, receiver or channel out of range")
    settings = struct.pack(_SETTINGS, device_id, key, channel, receiver)
    blobs = {"settings": guard(settings), "counter1": guard(struct.pack(">II", 1, 1))}
    if options is not None:
        blobs["set1"] = guard(struct.pack(">I", 1) + options)
    return blobs


class Storage:
    """All that a bip remembers. `random32()` is asked only when the counter is lost."""

    def __init__(self, nvs, rtc, random32):
        self._nvs = nvs
        self._rtc = rtc
        self._random32 = random32
        self._counter = Pair(nvs, "counter")
        self._open = Pair(nvs, "open")
        self._options = Pair(nvs, "set")
        # From RTC memory; their defaults after a power cut.
        self.battery_mv = 0
        self.rssi_dbm = -128
        self.held = False  # the button was down when this was written
        self.untold = False  # a press was seen that is in no record yet
        self.resorted = False  # the last resort has sent a press, and no status told it yet
        self.stuck = False  # the button was found stuck, and a status tells it
        self.starts = 0
        self.time_is_known = False
        self.record = self._load_record()
        self._timed = self.time_is_known
        self.reserved = self._load_reserved()

    def settings(self):
        """Return (device id, key, channel, receiver's address), None when not provisioned."""
        payload = unguard(read_blob(self._nvs, "settings"))
        if payload is None or len(payload) < _SETTINGS_LENGTH:
            return None
        device_id, key, channel, receiver = struct.unpack_from(_SETTINGS, payload)
        link = unguard(read_blob(self._nvs, "link"))
        if link is not None and len(link) >= 7 and 1 <= link[0] <= 13:
            channel, receiver = struct.unpack_from(_LINK, link)
        return device_id, key, channel, receiver

    def reserve(self, end: int) -> None:
        """Reserve the counters below `end`. Raises OSError."""
        self._counter.save(struct.pack(">I", end))
        # Whoever counts next in this start goes on there.
        self.reserved = end

    def unused(self) -> int:
        """Return where to count from when NVS no longer tells or keeps it."""
        chance: int = self._random32()
        return _LOST_COUNTER | (chance & 0x3FFFFFFF)

    def save_link(self, channel: int, receiver: bytes) -> None:
        """Keep where the receiver was heard. Raises OSError."""
        self._nvs.set_blob("link", guard(struct.pack(_LINK, channel, receiver)))
        self._nvs.commit()

    def save(self, record: bytes) -> None:
        """Put the open presses on storage. Raises OSError; RTC memory has them all the same."""
        self.save_light(record)
        self._open.save(record)

    def save_light(self, record: bytes) -> None:
        """Put the open presses into RTC memory alone: before a sleep nothing else changed."""
        self.record = record
        self._timed = True
        self.note()

    def note(self) -> None:
        """Put the flags into RTC memory; the record there stays what it was."""
        flags = self.starts << 4 | (_HELD if self.held else 0) | (_UNTOLD if self.untold else 0)
        flags |= (_STUCK if self.stuck else 0) | (_RESORTED if self.resorted else 0)
        record = self.record if self._timed else None
        if record is None:
            record = b""
            flags |= _UNTIMED
        head = struct.pack(_RTC_HEAD, flags, self.battery_mv, self.rssi_dbm)
        self._rtc.memory(guard(head + record))

    def count_start(self) -> int:
        """Count a start after a fall; return how many since a wake came to its end."""
        self.starts = min(self.starts + 1, _STARTS_MAX)
        self.note()
        return self.starts

    def crashes(self) -> tuple[int, int, int, int]:
        """Return how often the program fell since the bip was provisioned, and the last time's
        digest, module and line, zeros when it never did.
        """
        # The count alone is what stood there once.
        payload = unguard(read_blob(self._nvs, "crashes")) or b""
        return struct.unpack_from(_CRASHES, payload + bytes(_CRASHES_LENGTH))

    def count_crash(self, digest: int, module: int, line: int) -> None:
        """Count one more, of which fall.py told this. Raises OSError."""
        count = min(self.crashes()[0] + 1, 0xFFFF)
        self._nvs.set_blob("crashes", guard(struct.pack(_CRASHES, count, digest, module, line)))
        self._nvs.commit()

    def options(self) -> bytes | None:
        """Return the settings that were given last, of settings.pack; None without any."""
        packed: bytes | None = self._options.load()
        return packed

    def save_options(self, packed: bytes) -> None:
        """Keep new settings. Raises OSError."""
        self._options.load()  # which slot is the older one
        self._options.save(packed)

    def _load_record(self):
        payload = unguard(self._rtc.memory())
        if payload is not None and len(payload) >= _RTC_HEAD_LENGTH:
            flags, self.battery_mv, self.rssi_dbm = struct.unpack_from(_RTC_HEAD, payload)
            self.held = bool(flags & _HELD)
            self.untold = bool(flags & _UNTOLD)
            self.stuck = bool(flags & _STUCK)
            self.resorted = bool(flags & _RESORTED)
            self.starts = (flags & _STARTS) >> 4
            if not flags & _UNTIMED:
                # The clock and RTC memory live and die together.
                self.time_is_known = True
                # The NVS slots go on counting where they are.
                self._open.load()
                return payload[_RTC_HEAD_LENGTH:]
        return self._open.load()

    def _load_reserved(self):
        payload = self._counter.load()
        if payload is not None and len(payload) == 4:
            return struct.unpack(">I", payload)[0]
        return self.unused()
