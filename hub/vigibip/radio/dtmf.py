"""DTMF decoding: feed PCM, take digits. Goertzel filters, no I/O, no clock.

Tones after ITU-T Q.23, limits in the manner of ITU-T Q.24: frequency within 1.5 % accepted and
beyond 3.5 % refused, 40 ms of tone and 40 ms of pause enough, twist, and the tone's share of all
energy, which is what keeps speech out. Works in slots of 8 ms and looks at three of them at a
time: long enough to part 697 from 770 Hz, short enough that 40 ms hold three such looks.
"""

from __future__ import annotations

import cmath
import math
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from vigibip.radio.tones import DTMF_COLUMNS_HZ, DTMF_KEYS, DTMF_ROWS_HZ, FULL_SCALE

SLOT_S = 0.008
_SLOTS = 3
_WINDOW_S = SLOT_S * _SLOTS
SAMPLE_RATES_HZ = (8000, 16000)
_TONES_HZ = DTMF_ROWS_HZ + DTMF_COLUMNS_HZ
_HARMONIC_CLEARANCE_HZ = 100
"""A row's second harmonic nearer than this to the column tone cannot be told from it in 24 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """When two sines are a digit. Levels are the two tones' power together, in dBFS."""

    min_level_dbfs: float = -42.0
    max_offset: float = 0.025
    """Relative error of each frequency: half way between Q.24's accept and refuse limits."""
    max_standard_twist_db: float = 6.0
    """Column above row. Q.24 asks to accept 4 dB."""
    max_reverse_twist_db: float = 10.0
    """Row above column. Q.24 asks to accept 8 dB; FM radios without pre-emphasis need it."""
    min_group_lead_db: float = 6.0
    """A tone's lead over the others of its group."""
    min_tone_share: float = 0.6
    """Of the window's energy, what the two tones must hold: still met at 3 dB of SNR."""
    max_second_harmonic_db: float = -10.0
    """Against its fundamental. Voiced speech is far above, a radio's distortion far below."""
    hits: int = 3
    """Looks in a row, 8 ms apart, that make a digit: 40 ms always hold three, 20 ms never do."""
    misses: int = 4
    """Looks in a row that end it: bridges fades up to 10 ms, and 40 ms of pause are enough."""


@dataclass(frozen=True, slots=True)
class HeardDigit:
    """One key of 0-9, A-D, *, #. `start_s` and `known_s`: seconds of audio since the reset."""

    key: str
    start_s: float
    known_s: float


@dataclass(frozen=True, slots=True)
class _Slot:
    samples: Sequence[int]
    energy: float
    filters: tuple[complex, ...]


class _Filter:
    """A Goertzel filter over one slot, and what joins its results across slots."""

    __slots__ = ("_back", "_coefficient", "turn")

    def __init__(self, frequency_hz: float, sample_rate_hz: int, slot_samples: int) -> None:
        step = 2 * math.pi * frequency_hz / sample_rate_hz
        self._coefficient = 2 * math.cos(step)
        self._back = cmath.exp(-1j * step)
        self.turn = cmath.exp(-1j * step * slot_samples)

    def run(self, samples: Sequence[int]) -> complex:
        """The slot's component at this frequency, its phase counted from the slot's end."""
        coefficient = self._coefficient
        last = before = 0.0
        for sample in samples:
            last, before = sample + coefficient * last - before, last
        return last - before * self._back


class DtmfDecoder:
    """Turns s16le mono PCM into digits. Holds less than 64 ms of audio, whatever it is fed."""

    def __init__(self, sample_rate_hz: int, criteria: Criteria | None = None) -> None:
        if sample_rate_hz not in SAMPLE_RATES_HZ:
            raise ValueError(f"sample rate {sample_rate_hz} Hz is not one of {SAMPLE_RATES_HZ}")
        self._criteria = criteria or Criteria()
        self._rate_hz = sample_rate_hz
        self._slot_samples = round(SLOT_S * sample_rate_hz)
        self._slot_bytes = 2 * self._slot_samples
        self._filters = [_Filter(hz, sample_rate_hz, self._slot_samples) for hz in _TONES_HZ]
        self._harmonics = [_Filter(2 * hz, sample_rate_hz, self._slot_samples) for hz in _TONES_HZ]
        # A sine of power P holds P * samples of energy in a slot.
        gate = FULL_SCALE**2 / 2 * 10 ** (self._criteria.min_level_dbfs / 10)
        self._gate_energy = gate * self._slot_samples
        self._reset()

    def _reset(self) -> None:
        self._pending = bytearray()
        self._window: deque[_Slot | None] = deque(maxlen=_SLOTS)
        self._slots = 0
        self._candidate = ""
        self._run = 0
        self._active = ""
        self._missed = 0

    def reset(self) -> None:
        """Forget everything: the next byte is the first of a new stream."""
        self._reset()

    def feed(self, pcm: bytes | bytearray | memoryview) -> list[HeardDigit]:
        """Take more of the stream, in pieces of any size; return the digits now certain."""
        digits: list[HeardDigit] = []
        view = memoryview(pcm).cast("B")
        start = 0
        if self._pending:
            start = min(self._slot_bytes - len(self._pending), len(view))
            self._pending += view[:start]
            if len(self._pending) < self._slot_bytes:
                return digits
            digits += self._slot(bytes(self._pending))
            self._pending.clear()
        while start + self._slot_bytes <= len(view):
            digits += self._slot(view[start : start + self._slot_bytes])
            start += self._slot_bytes
        self._pending += view[start:]
        return digits

    def _slot(self, pcm: bytes | memoryview) -> list[HeardDigit]:
        self._slots += 1
        self._window.append(self._measure(pcm))
        return self._follow(self._look())

    def _measure(self, pcm: bytes | memoryview) -> _Slot | None:
        """One slot's energy, without its mean (a sound card's offset), and its filters."""
        samples = array("h")
        samples.frombytes(pcm)
        values = samples.tolist()
        energy = float(sum(map(mul, values, values))) - sum(values) ** 2 / len(values)
        if energy < self._gate_energy / 2:
            # Half: a slot in which a tone begins holds less than the tone's own level.
            return None
        return _Slot(values, energy, tuple(one.run(values) for one in self._filters))

    def _look(self) -> str:
        """The key that sounds through the last three slots, or nothing."""
        slots = list(self._window)
        if len(slots) < _SLOTS:
            return ""
        first, second, third = slots
        if second is None or (first is None and third is None):
            return ""
        heard = [slot for slot in slots if slot is not None]
        energy = sum(slot.energy for slot in heard)
        if energy < self._gate_energy * _SLOTS * self._criteria.min_tone_share:
            return ""
        powers = [self._power(index, slots) for index in range(len(_TONES_HZ))]
        row = max(range(4), key=powers.__getitem__)
        column = max(range(4, 8), key=powers.__getitem__)
        if not self._leads(powers, row, range(4)) or not self._leads(powers, column, range(4, 8)):
            return ""
        row_power = self._own_power(row, slots)
        column_power = self._own_power(column, slots)
        if row_power is None or column_power is None:
            return ""
        limits = self._criteria
        twist_db = 10 * math.log10(column_power / row_power)
        if not -limits.max_reverse_twist_db <= twist_db <= limits.max_standard_twist_db:
            return ""
        # |sum|^2 of a sine of power P over n samples is P * n^2 / 2, its energy P * n.
        samples = _SLOTS * self._slot_samples
        if 2 * (row_power + column_power) / samples < limits.min_tone_share * energy:
            return ""
        if self._has_harmonics(row, column, row_power, column_power, slots):
            return ""
        return DTMF_KEYS[row][column - 4]

    @staticmethod
    def _joined(turn: complex, parts: Sequence[complex]) -> float:
        first, second, third = parts
        joined = first + turn * (second + turn * third)
        return joined.real * joined.real + joined.imag * joined.imag

    def _power(self, index: int, slots: Sequence[_Slot | None]) -> float:
        parts = [slot.filters[index] if slot else 0j for slot in slots]
        return self._joined(self._filters[index].turn, parts)

    def _leads(self, powers: Sequence[float], best: int, group: range) -> bool:
        lead = 10 ** (self._criteria.min_group_lead_db / 10)
        return all(powers[best] >= lead * powers[other] for other in group if other != best)

    def _own_power(self, index: int, slots: Sequence[_Slot | None]) -> float | None:
        """The tone's power at the frequency that it really has; None if that is too far off.

        The error shows in how far the phase turns from slot to slot beyond what the nominal
        frequency turns: unambiguous within 62 Hz either way.
        """
        turned = 0j
        for before, after in ((slots[0], slots[1]), (slots[1], slots[2])):
            if before and after:
                turned += after.filters[index] * before.filters[index].conjugate()
        turned *= self._filters[index].turn
        if turned == 0:
            return None
        offset_hz = cmath.phase(turned) / (2 * math.pi * SLOT_S)
        if abs(offset_hz) > self._criteria.max_offset * _TONES_HZ[index]:
            return None
        own = _Filter(_TONES_HZ[index] + offset_hz, self._rate_hz, self._slot_samples)
        return self._through(own, slots) or None

    def _through(self, one: _Filter, slots: Sequence[_Slot | None]) -> float:
        parts = [one.run(slot.samples) if slot else 0j for slot in slots]
        return self._joined(one.turn, parts)

    def _has_harmonics(
        self,
        row: int,
        column: int,
        row_power: float,
        column_power: float,
        slots: Sequence[_Slot | None],
    ) -> bool:
        limit = 10 ** (self._criteria.max_second_harmonic_db / 10)
        checks = [(column, column_power)]
        if abs(2 * _TONES_HZ[row] - _TONES_HZ[column]) > _HARMONIC_CLEARANCE_HZ:
            checks.append((row, row_power))
        return any(
            self._through(self._harmonics[index], slots) > limit * power for index, power in checks
        )

    def _follow(self, key: str) -> list[HeardDigit]:
        """Join looks into digits."""
        if key and key == self._active:
            self._missed = 0
            self._candidate, self._run = "", 0
            return []
        if self._active:
            self._missed += 1
            if self._missed >= self._criteria.misses:
                self._active = ""
        if not key:
            self._candidate, self._run = "", 0
            return []
        self._run = self._run + 1 if key == self._candidate else 1
        self._candidate = key
        if self._run < self._criteria.hits:
            return []
        self._active, self._missed = key, 0
        self._candidate, self._run = "", 0
        known_s = self._slots * SLOT_S
        start_s = max(0.0, known_s - (self._criteria.hits - 1) * SLOT_S - _WINDOW_S)
        return [HeardDigit(key, start_s, known_s)]
