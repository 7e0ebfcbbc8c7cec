"""Whether the machine's clock can be believed: a Raspberry Pi starts without one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from vigibip.base.clock import Clock

# No clock that runs this program can truthfully show an earlier time; moved at each release.
BUILT_UTC = datetime(2026, 1, 1, tzinfo=UTC)
# systemd-timesyncd makes this file when a server has told it the time, once in each run of the
# machine (systemd-timesyncd.service(8)).
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")


class ClockTrust:
    """The floor under the clock: the latest of the build date and what is surely past.

    That is the latest time that was ever written, and the beginning of our certificates.
    """

    def __init__(self, clock: Clock, *, has_rtc: bool = False) -> None:
        self._clock = clock
        self._has_rtc = has_rtc
        self._floor_utc = BUILT_UTC

    @property
    def sure(self) -> bool:
        """False while the clock shows a time that has certainly passed."""
        return self._clock.utc() >= self._floor_utc

    @property
    def counts_on(self) -> bool:
        """True when the clock also went on while the machine was without power.

        A Raspberry Pi without a battery starts with the time at which it last wrote it down: not
        below the floor, and hours late.
        """
        return self.sure and (self._has_rtc or SYNCHRONISED.exists())

    @property
    def at_least_utc(self) -> datetime:
        """It is no earlier than this."""
        return max(self._floor_utc, self._clock.utc())

    def raise_floor(self, utc: datetime | None) -> None:
        """This time is certainly past; None changes nothing."""
        if utc is not None and utc > self._floor_utc:
            self._floor_utc = utc

    def utc_if_sure(self) -> datetime | None:
        """Return the time, None when it is not to be kept."""
        return self._clock.utc() if self.sure else None
