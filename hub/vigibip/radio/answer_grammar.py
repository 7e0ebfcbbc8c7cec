"""Digits become answers: number, `*`, code, `#`. No I/O; time is told with each digit."""

from __future__ import annotations

from vigibip.radio.contract import MAX_NUMBER, HeardAnswer

MIN_CODE_DIGITS = 4
MAX_CODE_DIGITS = 8
GAP_S = 5.0
"""Between two keys of one answer: an officer looks at his card, and may walk."""
_MAX_NUMBER_DIGITS = len(str(MAX_NUMBER))


class AnswerGrammar:
    """Feed keys, take answers.

    Whatever does not fit is dropped up to the next `#`, letter or long pause, and counted in
    `refused`. A further `*` begins the code again with what came last as the number. Holds at
    most a number and a code.
    """

    def __init__(self, gap_s: float = GAP_S) -> None:
        self._gap_s = gap_s
        self._number = ""
        self._code: str | None = None
        self._last_s: float | None = None
        self.refused = 0

    def pending(self, now_s: float) -> bool:
        """Whether an answer has begun and may still go on."""
        return self._last_s is not None and now_s - self._last_s <= self._gap_s

    def reset(self) -> None:
        """Forget the answer that has begun."""
        self._number, self._code, self._last_s = "", None, None

    def feed(self, key: str, now_s: float) -> HeardAnswer | None:
        """Take one of 0-9, A-D, `*`, `#`, heard at `now_s`; return the answer that it ends."""
        if self._last_s is not None and not self.pending(now_s):
            self._refuse()
        self._last_s = now_s
        if key == "#":
            return self._end(now_s)
        if key == "*":
            if self._code:
                self._number = self._code
            self._code = ""
        elif not key.isdigit():
            self._refuse()
        elif self._code is None:
            # One digit more than fits is kept: it is how too many are known.
            self._number = (self._number + key)[: _MAX_NUMBER_DIGITS + 1]
        else:
            self._code = (self._code + key)[: MAX_CODE_DIGITS + 1]
        return None

    def _end(self, now_s: float) -> HeardAnswer | None:
        number, code = self._number, self._code or ""
        valid = (
            1 <= len(number) <= _MAX_NUMBER_DIGITS
            and int(number) > 0
            and MIN_CODE_DIGITS <= len(code) <= MAX_CODE_DIGITS
        )
        if not valid:
            self._refuse()
            return None
        self.reset()
        return HeardAnswer(int(number), code, now_s)

    def _refuse(self) -> None:
        self.refused += 1
        self.reset()
