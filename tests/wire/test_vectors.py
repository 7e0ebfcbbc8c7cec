"""The golden vectors: their file, and CPython's side of what both interpreters must agree on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire import both, make_vectors
from tests.wire.host import VECTORS, Wire, name_of


def test_the_file_is_what_its_generator_gives() -> None:
    assert make_vectors.FILE.read_text(encoding="ascii") == make_vectors.text()


def test_check_tells_a_file_that_differs(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    other = tmp_path / "vectors.json"
    monkeypatch.setattr(make_vectors, "FILE", other)
    monkeypatch.setattr("sys.argv", ["make_vectors"])
    assert make_vectors.main() == 0
    monkeypatch.setattr("sys.argv", ["make_vectors", "--check"])
    assert make_vectors.main() == 0
    other.write_text(other.read_text().replace("a1b2", "a1b3", 1))
    assert make_vectors.main() == 1


def test_every_kind_state_and_message_has_a_vector() -> None:
    frames = VECTORS["frames"]
    assert {vector["kind"] for vector in frames} == set(both.PAYLOADS)
    told = {vector["fields"][2] for vector in frames if vector["kind"] == Wire.frame.REPLY}
    states = {value for name, value in vars(Wire.frame).items() if name.startswith("STATE_")}
    assert told == states
    assert {vector["type"] for vector in VECTORS["serial"]} == set(both.BODIES)
    assert len(VECTORS["ccm"]) == 12


@pytest.mark.parametrize("vector", VECTORS["ccm"], ids=name_of)
@pytest.mark.parametrize("check", [both.check_ccm, both.check_ccm_refusals])
def test_ccm(check: Any, vector: dict[str, Any]) -> None:
    check(Wire, vector)


@pytest.mark.parametrize("vector", VECTORS["frames"], ids=name_of)
@pytest.mark.parametrize(
    "check",
    [
        both.check_frame,
        both.check_frame_direction,
        both.check_frame_refusals,
        both.check_payload_refusals,
    ],
)
def test_frame(check: Any, vector: dict[str, Any]) -> None:
    check(Wire, vector)


@pytest.mark.parametrize("vector", VECTORS["serial"], ids=name_of)
@pytest.mark.parametrize("check", [both.check_serial, both.check_serial_refusals])
def test_serial(check: Any, vector: dict[str, Any]) -> None:
    check(Wire, vector)


@pytest.mark.parametrize("check", [both.check_32_bits, both.check_counter, both.check_window])
def test_numbers(check: Any) -> None:
    check(Wire)
