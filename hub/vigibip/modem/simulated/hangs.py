"""Ten ways in which a modem stops working, and what really ends each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

_LINE_MAX_BYTES = 512
_ESC, _CTRL_Z = 0x1B, 0x1A
_AT_LINES_TO_RESYNC = 3


class HangKind(Enum):
    SILENT = "silent"
    ECHO_ONLY = "echoing only"
    ERROR_TO_ALL = "ERROR to all"
    GARBAGE_BAUD = "garbage baud"
    STUCK_PROMPT = "stuck in the > prompt"
    SIM_LOST = "SIM lost"
    REGISTRATION_DENIED = "registration denied"
    PDU_REFUSED = "PDU refused"
    PORT_VANISHED = "port vanished and back"
    ENDLESS_URCS = "endless URCs"


class Rung(IntEnum):
    """The rungs of the reset ladder, from the softest. A hang ends by its own or a harder one."""

    RESYNC = 1
    """ESC or Ctrl-Z at a prompt; else three lines `AT` with nothing between them."""
    RESET_COMMAND = 2
    """AT+CFUN=1,1, or AT+CRESET where the model has it."""
    PWRKEY = 3
    POWER = 4


ENDS_BY: dict[HangKind, Rung] = {
    HangKind.SILENT: Rung.PWRKEY,
    HangKind.ECHO_ONLY: Rung.PWRKEY,
    HangKind.ERROR_TO_ALL: Rung.RESET_COMMAND,
    HangKind.GARBAGE_BAUD: Rung.RESYNC,
    HangKind.STUCK_PROMPT: Rung.RESYNC,
    HangKind.SIM_LOST: Rung.RESET_COMMAND,
    HangKind.REGISTRATION_DENIED: Rung.RESET_COMMAND,
    HangKind.PDU_REFUSED: Rung.RESET_COMMAND,
    HangKind.PORT_VANISHED: Rung.RESYNC,
    HangKind.ENDLESS_URCS: Rung.RESET_COMMAND,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang:
    """A hang that is switched on. It ends by `ends_by`, by any harder rung, or by itself."""

    kind: HangKind
    ends_by: Rung
    lasts_s: float | None = None
    """It also ends by itself after this time; None: never."""
    cms: int = 304
    """PDU_REFUSED: what AT+CMGS is answered."""

    @classmethod
    def of(
        cls,
        kind: HangKind,
        ends_by: Rung | None = None,
        lasts_s: float | None = None,
        cms: int = 304,
    ) -> Hang:
        """The hang with what usually ends it; a vanished port is back after 8 s by itself."""
        if lasts_s is None and kind is HangKind.PORT_VANISHED and ends_by is None:
            lasts_s = 8.0
        return cls(kind=kind, ends_by=ends_by or ENDS_BY[kind], lasts_s=lasts_s, cms=cms)


class Listener:
    """Hears, in what a hung modem is sent, the rungs of the ladder that are commands."""

    def __init__(self, resets_by: tuple[str, ...]) -> None:
        self._resets_by = {f"AT{command}" for command in resets_by}
        self._line = bytearray()
        self._at_lines = 0

    def feed(self, data: bytes, at_prompt: bool) -> Rung | None:
        """Return the hardest rung that `data` completes."""
        heard: Rung | None = None
        for byte in data:
            if byte in (_ESC, _CTRL_Z):
                self._line.clear()
                heard = max(heard or Rung.RESYNC, Rung.RESYNC) if at_prompt else heard
            elif byte == 0x0D:
                rung = self._end_of_line()
                heard = max(heard or rung, rung) if rung else heard
            elif byte != 0x0A and len(self._line) < _LINE_MAX_BYTES:
                self._line.append(byte)
        return heard

    def _end_of_line(self) -> Rung | None:
        line = self._line.decode("ascii", "replace").strip().upper()
        self._line.clear()
        if any(line.endswith(command) for command in self._resets_by):
            return Rung.RESET_COMMAND
        self._at_lines = self._at_lines + 1 if line == "AT" else 0
        return Rung.RESYNC if self._at_lines >= _AT_LINES_TO_RESYNC else None
