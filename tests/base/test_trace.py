"""Stamps: what a listener gets, and that no listener can hold an alert up."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest

from vigibip.base.errors import ConfigurationError
from vigibip.base.trace import TRACE_VARIABLE, Trace, open_trace, parse_stamp


def test_a_stamp_comes_back_with_this_machines_time() -> None:
    sent: list[bytes] = []
    before = time.monotonic_ns()
    Trace(sent.append).stamp("box.opened", "a1b2c3d40000002a")
    stage, subject, stamp_ns = parse_stamp(sent[0])
    assert (stage, subject) == ("box.opened", "a1b2c3d40000002a")
    assert before <= stamp_ns <= time.monotonic_ns()


def test_without_a_sink_nothing_happens() -> None:
    Trace().stamp("box.opened", "x")


def test_a_full_socket_loses_its_stamps_and_no_later_ones(tmp_path: Path) -> None:
    path = str(tmp_path / "trace.sock")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        listener.bind(path)
        sender.connect(path)
        sender.setblocking(False)
        trace = Trace(sender.send)
        # Far more than a socket's queue holds; nobody reads.
        for _ in range(5000):
            trace.stamp("early", "x")
        listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while listener.recv(100):
                pass
        trace.stamp("late", "x")
        assert parse_stamp(listener.recv(100))[0] == "late"


def test_a_listener_that_is_gone_ends_the_measurement_and_nothing_else() -> None:
    tried: list[bytes] = []

    def refusing(stamp: bytes) -> None:
        tried.append(stamp)
        raise ConnectionRefusedError

    trace = Trace(refusing)
    trace.stamp("one", "x")
    trace.stamp("two", "x")
    assert len(tried) == 1


@pytest.mark.parametrize("datagram", [b"", b"one two", b"a b c", b"a b 1 2", b"\xff b 1"])
def test_what_is_no_stamp_is_refused(datagram: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - decoding, splitting and counting all tell
        parse_stamp(datagram)


def test_the_environment_names_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "trace.sock")
    monkeypatch.setenv(TRACE_VARIABLE, path)
    with pytest.raises(ConfigurationError, match=r"trace\.sock"):
        open_trace()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(10)
        open_trace().stamp("box.opened", "x")
        assert parse_stamp(listener.recv(100))[:2] == ("box.opened", "x")


def test_without_a_name_in_the_environment_there_is_no_sink(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(TRACE_VARIABLE, raising=False)
    open_trace().stamp("box.opened", "x")
