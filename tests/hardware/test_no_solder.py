"""The drawings and the bill of materials of hardware/no-solder agree with hardware/pins.toml."""

import csv
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HARDWARE = Path(__file__).resolve().parents[2] / "hardware"
FOLDER = HARDWARE / "no-solder"
PINS: dict[str, Any] = tomllib.loads((HARDWARE / "pins.toml").read_text())
UNITS = ("bip", "receiver")
BOARD = "xiao-c3"
# A connector and its pin, or a cable and its wire.
Place = tuple[str, str]
_SECTION = re.compile(r"(connectors|cables|connections):")
_NAME = re.compile(r"  (\w+):")
_ATTRIBUTE = re.compile(r"    (\w+): (.+)")
_CONNECTION = re.compile(r"  - \[(\{.+\}, \{.+\}, \{.+\})\]")
_PLACE = re.compile(r"\{(\w+): ([^{},]+)\}")


@dataclass
class Drawing:
    """What a WireViz file says: connectors, cables, and for each wire its two ends."""

    connectors: dict[str, dict[str, str]] = field(default_factory=dict)
    cables: dict[str, dict[str, str]] = field(default_factory=dict)
    connections: list[tuple[Place, Place, Place]] = field(default_factory=list)


def drawing(text: str) -> Drawing:
    """Read the one way in which our drawings are written, not YAML at large."""
    drawn = Drawing()
    parts: dict[str, dict[str, str]] = {}
    attributes: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        if match := _SECTION.fullmatch(line):
            parts = {"connectors": drawn.connectors, "cables": drawn.cables}.get(match[1], {})
        elif match := _NAME.fullmatch(line):
            attributes = parts[match[1]] = {}
        elif match := _ATTRIBUTE.fullmatch(line):
            attributes[match[1]] = match[2]
        elif match := _CONNECTION.fullmatch(line):
            one, wire, other = _PLACE.findall(match[1])
            drawn.connections.append((one, wire, other))
        else:
            raise ValueError(line)
    return drawn


def labels(attributes: dict[str, str], name: str) -> list[str]:
    return attributes[name].strip("[]").split(", ")


def pin_mistakes(unit: str, drawn: Drawing) -> list[str]:
    """Return which wires to a GPIO are not as pins.toml says: their first word is a name there."""
    found = []
    for one, (_, wire), other in drawn.connections:
        for part, label in (one, other):
            gpio = re.search(r"GPIO(\d+)", label) if part == "U1" else None
            if gpio is None:
                continue
            listed = PINS[unit][BOARD].get(wire.split()[0])
            if listed is None or listed["gpio"] != int(gpio[1]):
                found.append(f"{wire}: not on {label}")
            elif "note" in listed and listed["note"] != f"pad {label.split()[0]}":
                found.append(f"{wire}: {listed['note']} is not {label}")
    return found


def bought() -> list[dict[str, str]]:
    with (FOLDER / "bom.csv").open(newline="") as file:
        return list(csv.DictReader(file))


DRAWN = {unit: drawing((FOLDER / f"{unit}.yml").read_text()) for unit in UNITS}


@pytest.mark.parametrize("unit", UNITS)
def test_each_wire_is_on_its_pin(unit: str) -> None:
    assert pin_mistakes(unit, DRAWN[unit]) == []


@pytest.mark.parametrize(("unit", "unwired"), [("bip", {"led"}), ("receiver", set())])
def test_each_pin_is_wired(unit: str, unwired: set[str]) -> None:
    """But the light: what is not wired cannot shine in a shop."""
    wired = {
        wire.split()[0]
        for one, (_, wire), other in DRAWN[unit].connections
        if any(part == "U1" and "GPIO" in label for part, label in (one, other))
    }
    assert wired == set(PINS[unit][BOARD]) - unwired


@pytest.mark.parametrize("unit", UNITS)
def test_a_connection_names_what_is_drawn_and_each_wire_is_used_once(unit: str) -> None:
    drawn = DRAWN[unit]
    for one, (cable, wire), other in drawn.connections:
        assert wire in labels(drawn.cables[cable], "wirelabels")
        for part, label in (one, other):
            assert label in labels(drawn.connectors[part], "pinlabels")
    used = [wire for _, wire, _ in drawn.connections]
    there = [
        (name, wire) for name, cable in drawn.cables.items() for wire in labels(cable, "wirelabels")
    ]
    assert sorted(used) == sorted(there)
    for bundle in drawn.cables.values():
        assert int(bundle["wirecount"]) == len(labels(bundle, "wirelabels"))


@pytest.mark.parametrize("unit", UNITS)
def test_the_picture_is_that_of_the_drawing(unit: str) -> None:
    """WireViz writes beside a wire: the part, its pin's count and name."""
    picture = re.findall(r">(\w+:\d+:[^<]+)<", (FOLDER / f"{unit}.svg").read_text())
    drawn = [
        f"{part}:{labels(DRAWN[unit].connectors[part], 'pinlabels').index(label) + 1}:{label}"
        for one, _, other in DRAWN[unit].connections
        for part, label in (one, other)
    ]
    shown = [text for text in picture if text.split(":")[0] in DRAWN[unit].connectors]
    assert sorted(shown) == sorted(drawn)


def test_the_pack_feeds_the_board_by_its_usb_socket_alone() -> None:
    """Elsewhere a computer's 5 V would charge cells that must not be charged."""
    places = (("BT1", "plus"), ("J1", "plus"), ("P1", "VBUS"), ("U1", "3V3"))
    beside: dict[Place, set[Place]] = {place: set() for place in places}
    for one, _, other in DRAWN["bip"].connections:
        for here, there in ((one, other), (other, one)):
            if here in beside:
                beside[here].add(there)
    assert beside["BT1", "plus"] == beside["P1", "VBUS"] == {("J1", "plus")}
    assert beside["J1", "plus"] == {("BT1", "plus"), ("P1", "VBUS"), ("R1", "a")}
    assert beside["U1", "3V3"] == {("S1", "VCC"), ("M1", "VCC")}


@pytest.mark.parametrize("unit", UNITS)
def test_all_that_is_drawn_is_bought(unit: str) -> None:
    references = [row["reference"] for row in bought() if row["unit"] == unit]
    assert len(references) == len(set(references))
    ours = {
        name
        for name, part in (DRAWN[unit].connectors | DRAWN[unit].cables).items()
        if part.get("ignore_in_bom") != "true"
    }
    assert ours <= set(references)


def test_each_line_of_the_bill_says_where_it_comes_from() -> None:
    for row in bought():
        assert None not in row, row
        assert row["unit"] in UNITS, row
        assert int(row["quantity"]) > 0, row
        assert all(row.values()), row
        assert not any("://" in value for value in row.values()), row


# ---- the checks themselves see what is wrong


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("{U1: D2 GPIO4}, {W2: button}", "{U1: D10 GPIO10}, {W2: button}", "button: not on D10"),
        ("{W3: motor}", "{W3: supply}", "supply: not on D10"),
        ("{B1: battery R1}, {U1: D1 GPIO3}", "{B1: battery R1}, {U1: D2 GPIO3}", "is not D2"),
    ],
)
def test_a_wrong_wire_is_seen(was: str, now: str, told: str) -> None:
    text = (FOLDER / "bip.yml").read_text()
    assert was in text
    assert any(told in line for line in pin_mistakes("bip", drawing(text.replace(was, now))))


def test_a_drawing_written_otherwise_is_refused() -> None:
    with pytest.raises(ValueError, match="U1: 5V"):
        drawing("connections:\n  - [U1: 5V]\n")
