"""Single keys from the terminal, without waiting for the end of a line."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from types import TracebackType


class Keys:
    """Puts the terminal into key-by-key mode while entered, and gives it back as it was.

    Raises OSError on entering when stdin is no terminal.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str] = asyncio.Queue(maxsize=64)

    def __enter__(self) -> Keys:
        self._file = sys.stdin.fileno()
        try:
            self._before = termios.tcgetattr(self._file)
        except termios.error as error:
            raise OSError(*error.args) from error
        tty.setcbreak(self._file)
        asyncio.get_running_loop().add_reader(self._file, self._read)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._file)
        termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)

    async def next(self) -> str:
        """Return the next key; "" when the terminal is gone."""
        return await self._queue.get()

    def _read(self) -> None:
        data = os.read(self._file, 64)
        if not data:
            asyncio.get_running_loop().remove_reader(self._file)
        # What a hand cannot have typed (a paste, an escape sequence) is no choice of keys.
        keys = [data.decode(errors="ignore")] if len(data) <= 2 else []
        for key in keys:
            if not self._queue.full():
                self._queue.put_nowait(key)
