"""The alert's id: the device that was pressed and the counter of the press's first frame."""

from __future__ import annotations

from typing import NamedTuple


class AlertId(NamedTuple):
    """Names one press, alike at the bip, the box, the post and in an SMS."""

    device_id: int
    press: int

    def __str__(self) -> str:
        return f"{self.device_id:08x}{self.press:08x}"

    @classmethod
    def parse(cls, text: str) -> AlertId:
        """Return the id written as 16 lower-case hexadecimal digits. Raises ValueError."""
        if len(text) != 16 or not set(text) <= set("0123456789abcdef"):
            raise ValueError("an alert id is 16 hexadecimal digits")
        return cls(int(text[:8], 16), int(text[8:], 16))
