"""A TCP line between two programs that is cut after so many bytes."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from urllib.parse import urlsplit


class CutLine:
    """Carries connections to `target`, a socket:// address; `after` bytes it is dead for good."""

    def __init__(self, target: str, after: int | None = None) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 0)
        self._after = after
        self.carried = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="cut line", daemon=True)

    @property
    def url(self) -> str:
        return f"socket://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> CutLine:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._closed.is_set():
            if not select.select([self._listener], [], [], 0.05)[0]:
                continue
            near, _ = self._listener.accept()
            with near, contextlib.suppress(OSError):
                if not self._is_cut():
                    with socket.create_connection(self._target) as far:
                        self._carry(near, far)

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        while not self._closed.is_set() and not self._is_cut():
            for source in select.select([near, far], [], [], 0.05)[0]:
                data = source.recv(4096)
                if not data:
                    return
                if self._after is not None:
                    data = data[: max(0, self._after - self.carried)]
                self.carried += len(data)
                (far if source is near else near).sendall(data)

    def _is_cut(self) -> bool:
        return self._after is not None and self.carried >= self._after
