"""The frames that wait for the box: a place for each bip that is its own, four for all others.

Who forges frames by the thousand fills his own places: one id's flood costs no other id a frame,
and what is forged under strange ids never stands before a bip of this box.
"""

# Version and kind stand before the id. Of an unknown version that may be something else: then it
# is a guest, and the box is told all the same.
_ID_AT = 2
# A press, and the poll or status that may still wait before it.
_OWN_DEEP = 2
# What people do fits 50 bytes, and 64 bips must fit the memory; what is longer is a guest.
_OWN_FRAME_MAX = 64
_GUEST_PLACES = 4
# A guest's place rests so long between two frames: all guests together are eight a second.
_GUEST_REST_MS = 500

TAKEN = 0
REPEATED = 1
PUSHED_OUT = 2
GUEST_TAKEN = 3
GUEST_REFUSED = 4


class Waiting:
    """Frames as (rssi_dbm, address, frame), taken in turn: each id gives one, then the next."""

    def __init__(self) -> None:
        self._own: dict[int, list[tuple[int, bytes, bytes]]] = {}
        self._guests: list[tuple[int, bytes, bytes] | None] = [None] * _GUEST_PLACES
        self._guest_free_ms: list[int | None] = [None] * _GUEST_PLACES
        # Ids, and guests' places as -1 to -4.
        self._turns: list[int] = []

    def allow(self, ids: list[int]) -> None:
        """These are the box's own; what waits of others, and was its own, goes."""
        self._own = {device_id: self._own.get(device_id, []) for device_id in ids}
        self._turns = [turn for turn in self._turns if turn < 0 or turn in self._own]

    def put(self, now_ms: int, rssi_dbm: int, address: bytes, frame: bytes) -> int:
        """Take a frame, or not; return what became of it."""
        device_id = int.from_bytes(frame[_ID_AT : _ID_AT + 4], "big")
        frames = self._own.get(device_id)
        if frames is None or len(frame) > _OWN_FRAME_MAX:
            return self._put_guest(now_ms, rssi_dbm, address, frame)
        for _, known_address, known_frame in frames:
            if known_frame == frame and known_address == address:
                return REPEATED
        frames.append((rssi_dbm, address, frame))
        if len(frames) > _OWN_DEEP:
            frames.pop(0)
            return PUSHED_OUT
        if len(frames) == 1:
            self._turns.append(device_id)
        return TAKEN

    def take(self) -> tuple[int, bytes, bytes] | None:
        """Return the frame whose turn it is, None when none waits."""
        if not self._turns:
            return None
        turn = self._turns.pop(0)
        if turn < 0:
            guest, self._guests[-1 - turn] = self._guests[-1 - turn], None
            return guest
        frames = self._own[turn]
        if len(frames) > 1:
            self._turns.append(turn)
        return frames.pop(0)

    def _put_guest(self, now_ms: int, rssi_dbm: int, address: bytes, frame: bytes) -> int:
        of_whom = frame[_ID_AT : _ID_AT + 4]
        for guest in self._guests:
            if guest is not None and guest[2][_ID_AT : _ID_AT + 4] == of_whom:
                return GUEST_REFUSED
        for place in range(_GUEST_PLACES):
            free_ms = self._guest_free_ms[place]
            if self._guests[place] is None and (free_ms is None or now_ms >= free_ms):
                self._guests[place] = (rssi_dbm, address, frame)
                self._guest_free_ms[place] = now_ms + _GUEST_REST_MS
                self._turns.append(-1 - place)
                return GUEST_TAKEN
        return GUEST_REFUSED
