"""What NVS knows of the slots beyond the choice between them, and the end of a trial."""

from flash import read
from guard import NAMESPACE, read_blob, unguard
from slots import (
    CANDIDATE_AT,
    CURRENT,
    FLASHED,
    FLOOR_AT,
    FOLDERS,
    HAD,
    PREVIOUS,
    RECORD_LENGTH,
    REFUSED_AT,
    TRIAL,
    opened,
)
from wire import image

# The head of the image that a slot is filled from, written once its signature was checked.
HEAD_FILE = "/head"


class State:
    """What NVS knows of the slots. Whatever changes it raises OSError when it is not kept."""

    def __init__(self, nvs):
        self._pair, self._record = opened(nvs)

    def current(self):
        """Return the slot in force."""
        return self._record[CURRENT]

    def on_trial(self):
        """Return the slot on trial, FLASHED for none."""
        return self._record[TRIAL]

    def floor(self) -> int:
        """Return the edition below which none is taken."""
        return int.from_bytes(self._record[FLOOR_AT:CANDIDATE_AT], "big")

    def refused(self) -> bytes:
        """Return what names the last image that failed, or was signed and not for this bip."""
        return bytes(self._record[REFUSED_AT:RECORD_LENGTH])

    def free(self) -> int:
        """Return the slot that an update may fill."""
        return 1 if self._record[CURRENT] != 1 else 2

    def claim(self) -> None:
        """The free slot is about to be filled: from now on nothing goes back to it."""
        slot = self.free()
        if slot in (self._record[PREVIOUS], self._record[TRIAL]):
            if slot == self._record[PREVIOUS]:
                self._record[PREVIOUS] = FLASHED
            self._record[TRIAL] = FLASHED
            self._pair.save(self._record)

    def activate(self, name: bytes) -> None:
        """Let the free slot be on trial from the next start on. name: 8 bytes, of its image."""
        self._record[TRIAL] = self.free()
        self._record[HAD] = 0
        self._record[CANDIDATE_AT:REFUSED_AT] = name
        self._pair.save(self._record)

    def withdraw(self) -> None:
        """Let none be on trial; what lies in the free slot stays there."""
        if self._record[TRIAL] != FLASHED:
            self._record[TRIAL] = FLASHED
            self._pair.save(self._record)

    def confirm(self, edition: int) -> None:
        """The program on trial has shown that it works: it is in force now."""
        self._record[PREVIOUS] = self._record[CURRENT]
        self._record[CURRENT] = self._record[TRIAL]
        self._record[TRIAL] = FLASHED
        self._record[FLOOR_AT:CANDIDATE_AT] = max(self.floor(), edition).to_bytes(4, "big")
        self._pair.save(self._record)

    def refuse(self, name: bytes) -> None:
        """Note that the image of this name is not to be asked for again."""
        if self.refused() != name:
            self._record[REFUSED_AT:RECORD_LENGTH] = name
            self._pair.save(self._record)


def opened_state() -> State:
    import esp32

    return State(esp32.NVS(NAMESPACE))


def signers() -> bytes:
    """Return the public keys whose images this bip takes, one after another; empty for none."""
    import esp32

    return unguard(read_blob(esp32.NVS(NAMESPACE), "signers")) or b""


def confirm(state: State) -> None:
    """The program on trial works: let it be in force. Raises OSError."""
    head = read_head(FOLDERS[state.on_trial()])
    state.confirm(image.check_head(head, image.FOR_BIP)[1] if head else 0)


def read_head(folder: str) -> bytes | None:
    """Return the head of the image in `folder`, None when none is there."""
    return read(folder + HEAD_FILE, image.HEAD_MAX)
