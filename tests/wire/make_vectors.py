"""Write vectors.json anew: `python -m tests.wire.make_vectors`, with `--check` compare only.

The file holds what both interpreters must agree on. It changes only with the wire itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from tests.wire import reference

FILE = Path(__file__).with_name("vectors.json")

# RFC 3610 section 8. Of its 24 packet vectors the 12 with M = 8, the only tag length here; all
# have L = 2. Number: key, nonce, AAD, message, sealed.
_RFC_KEY_1 = "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
_RFC_KEY_2 = "d7828d13b2b0bdc325a76236df93cc6b"
RFC3610 = {
    1: (
        _RFC_KEY_1,
        "00000003020100a0a1a2a3a4a5",
        "0001020304050607",
        "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
        "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0",
    ),
    2: (
        _RFC_KEY_1,
        "00000004030201a0a1a2a3a4a5",
        "0001020304050607",
        "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916",
    ),
    3: (
        _RFC_KEY_1,
        "00000005040302a0a1a2a3a4a5",
        "0001020304050607",
        "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
        "51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5",
    ),
    4: (
        _RFC_KEY_1,
        "00000006050403a0a1a2a3a4a5",
        "000102030405060708090a0b",
        "0c0d0e0f101112131415161718191a1b1c1d1e",
        "a28c6865939a9a79faaa5c4c2a9d4a91cdac8c96c861b9c9e61ef1",
    ),
    5: (
        _RFC_KEY_1,
        "00000007060504a0a1a2a3a4a5",
        "000102030405060708090a0b",
        "0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "dcf1fb7b5d9e23fb9d4e131253658ad86ebdca3e51e83f077d9c2d93",
    ),
    6: (
        _RFC_KEY_1,
        "00000008070605a0a1a2a3a4a5",
        "000102030405060708090a0b",
        "0c0d0e0f101112131415161718191a1b1c1d1e1f20",
        "6fc1b011f006568b5171a42d953d469b2570a4bd87405a0443ac91cb94",
    ),
    13: (
        _RFC_KEY_2,
        "00412b4ea9cdbe3c9696766cfa",
        "0be1a88bace018b1",
        "08e8cf97d820ea258460e96ad9cf5289054d895ceac47c",
        "4cb97f86a2a4689a877947ab8091ef5386a6ffbdd080f8e78cf7cb0cddd7b3",
    ),
    14: (
        _RFC_KEY_2,
        "0033568ef7b2633c9696766cfa",
        "63018f76dc8a1bcb",
        "9020ea6f91bdd85afa0039ba4baff9bfb79c7028949cd0ec",
        "4ccb1e7ca981befaa0726c55d378061298c85c92814abc33c52ee81d7d77c08a",
    ),
    15: (
        _RFC_KEY_2,
        "00103fe41336713c9696766cfa",
        "aa6cfa36cae86b40",
        "b916e0eacc1c00d7dcec68ec0b3bbb1a02de8a2d1aa346132e",
        "b1d23a2220ddc0ac900d9aa03c61fcf4a559a4417767089708a776796edb723506",
    ),
    16: (
        _RFC_KEY_2,
        "00764c63b8058e3c9696766cfa",
        "d0d0735c531e1becf049c244",
        "12daac5630efa5396f770ce1a66b21f7b2101c",
        "14d253c3967b70609b7cbb7c499160283245269a6f49975bcadeaf",
    ),
    17: (
        _RFC_KEY_2,
        "00f8b678094e3b3c9696766cfa",
        "77b60f011c03e1525899bcae",
        "e88b6a46c78d63e52eb8c546efb5de6f75e9cc0d",
        "5545ff1a085ee2efbf52b2e04bee1e2336c73e3f762c0c7744fe7e3c",
    ),
    18: (
        _RFC_KEY_2,
        "00d560912d3f703c9696766cfa",
        "cd9044d2b71fdb8120ea60c0",
        "6435acbafb11a82e2f071d7ca4a5ebd93a803ba87f",
        "009769ecabdf48625594c59251e6035722675e04c847099e5ae0704551",
    ),
}

_KEY = bytes(range(0x10, 0x20))
_OTHER_KEY = bytes(range(0xF0, 0x100))
_DEVICE = 0xA1B2C3D4

_STATES = ["none", "heard", "delivered", "coming", "not_reached", "unanswered"]

# Name, key, direction, kind, device id, counter, layout, fields. The layout is struct's, the
# payload is filled up to its kind's length.
_UP, _DOWN = reference.UP, reference.FROM_BOX
FRAMES: list[tuple[str, bytes, int, int, int, int, list[tuple[int, int | bytes]]]] = [
    # A field is (width in bytes, value); a negative value is two's complement. Bytes stand behind
    # their length, which has that width.
    (
        "press, first frame",
        _KEY,
        _UP,
        0x01,
        _DEVICE,
        42,
        [(4, 42), (4, 0), (2, 3700), (2, 0x0102), (1, 2), (1, -70), (1, 0), (1, 0), (2, 0)],
    ),
    (
        "press, resumed by a later wake",
        _KEY,
        _UP,
        0x01,
        _DEVICE,
        129,
        [(4, 42), (4, 77), (2, 3650), (2, 0x0102), (1, 4), (1, -91), (1, 3), (1, 0), (2, 0)],
    ),
    (
        "press, everything unknown",
        _KEY,
        _UP,
        0x01,
        _DEVICE,
        1,
        [(4, 1), (4, 0xFFFFFFFF), (2, 0), (2, 0), (1, 0), (1, -128), (1, 255), (1, 0), (2, 0)],
    ),
    (
        "press, highest of everything",
        _OTHER_KEY,
        _UP,
        0x01,
        0xFFFFFFFF,
        0xFFFFFFFE,
        [
            *((4, 0xFFFFFFFE), (4, 0xFFFFFFFE), (2, 0xFFFF), (2, 0xFFFF), (1, 255), (1, 127)),
            *((1, 255), (1, 255), (2, 0xFFFF)),
        ],
    ),
    *(
        (
            f"press, {name}",
            _KEY,
            _UP,
            0x01,
            _DEVICE,
            130 + number,
            [
                *((4, 130), (4, 12), (2, 3700), (2, 0x0103), (1, 4), (1, -70), (1, 0)),
                *((1, gesture), (2, age_s)),
            ],
        )
        for number, (name, gesture, age_s) in enumerate(
            [("raised", 0x02, 0), ("withdrawn", 0x10, 3), ("duress, raised", 0x23, 4)]
        )
    ),
    (
        "status",
        _KEY,
        _UP,
        0x02,
        _DEVICE,
        200,
        [
            *((2, 3710), (2, 0x0102), (1, 4), (1, -65), (2, 3), (2, 1), (2, 0), (2, 1440)),
            *((2, 60), (2, 7), (1, 12), (1, 1), (1, 0x03), (2, 0xBEEF)),
            *((4, int.from_bytes(b"wake", "big")), (2, 123)),
        ],
    ),
    (
        "status, counts at their end",
        _KEY,
        _UP,
        0x02,
        0,
        0x80000000,
        [
            *((2, 0), (2, 0), (1, 0), (1, -128), (2, 0xFFFF), (2, 0xFFFF), (2, 0xFFFF)),
            *((2, 0xFFFF), (2, 0xFFFF), (2, 0xFFFF), (1, 255), (1, 255), (1, 255)),
            *((2, 0xFFFF), (4, 0xFFFFFFFF), (2, 0xFFFF)),
        ],
    ),
    (
        "status of a bip that tells no more than the first ones did",
        _KEY,
        _UP,
        0x02,
        _DEVICE,
        201,
        [
            *((2, 3710), (2, 0x0001), (1, 4), (1, -65), (2, 3), (2, 1), (2, 0), (2, 1440)),
            *((2, 0), (2, 0), (1, 0), (1, 0), (1, 0), (2, 0), (4, 0), (2, 0)),
        ],
    ),
    ("poll", _KEY, _UP, 0x03, _DEVICE, 43, [(4, 42)]),
    ("ask for settings", _KEY, _UP, 0x04, _DEVICE, 210, [(1, 1), (4, 7), (2, 0)]),
    (
        "ask for a piece of an update",
        _KEY,
        _UP,
        0x04,
        _DEVICE,
        211,
        [(1, 2), (4, 0xCAFEF00D), (2, 300)],
    ),
    *(
        (
            f"reply, {name}",
            _KEY,
            _DOWN,
            0x81,
            _DEVICE,
            7000 + state,
            [(4, 43 + state), (4, 42), (1, state), (1, 0)],
        )
        for state, name in enumerate(_STATES)
    ),
    (
        "reply to a status, settings waiting",
        _OTHER_KEY,
        _DOWN,
        0x81,
        1,
        1,
        [(4, 200), (4, 0), (1, 0), (1, 1)],
    ),
    (
        "configure",
        _KEY,
        _DOWN,
        0x82,
        _DEVICE,
        7010,
        [(4, 210), (2, 8), (1, 60), (1, 0), (2, 60), (1, 0x07), (2, 1500), (2, 3300)],
    ),
    (
        "configure, highest of everything",
        _OTHER_KEY,
        _DOWN,
        0x82,
        _DEVICE,
        7011,
        [
            *((4, 0xFFFFFFFF), (2, 0xFFFF), (1, 255), (1, 255), (2, 0xFFFF), (1, 255)),
            *((2, 0xFFFF), (2, 0xFFFF)),
        ],
    ),
    (
        "update, a whole piece",
        _KEY,
        _DOWN,
        0x83,
        _DEVICE,
        7012,
        [(4, 211), (4, 0xCAFEF00D), (2, 301), (2, 299), (1, bytes(range(176)))],
    ),
    (
        "update, its last piece",
        _KEY,
        _DOWN,
        0x83,
        _DEVICE,
        7013,
        [(4, 212), (4, 0xCAFEF00D), (2, 301), (2, 300), (1, b"the end")],
    ),
]

_FRAME = reference.sealed_frame(_KEY, _UP, 0x03, _DEVICE, 43, bytes((0, 0, 0, 42)))
_MAC = bytes.fromhex("7cdfa1002301")

_AIR_COUNTS = (86400, 1200, 900, 2, 31, 0xFFFFFFFF, 40, 70000, 12, 3, 45678, 9000, 17, 59123)

# Name, type, fields as numbers and hex text, body.
SERIAL: list[tuple[str, int, list[Any], bytes]] = [
    ("up frame", 0x01, [-61, _MAC.hex(), _FRAME.hex()], b"\xc3" + _MAC + _FRAME),
    ("up frame, empty", 0x01, [-128, "00" * 6, ""], b"\x80" + bytes(6)),
    (
        "up frame, as long as the radio carries",
        0x01,
        [-20, "ff" * 6, "a5" * 250],
        b"\xec" + b"\xff" * 6 + b"\xa5" * 250,
    ),
    ("hello", 0x02, [0x0102, 6, 1, 2], bytes((1, 2, 6, 1, 2))),
    (
        "air",
        0x03,
        [*_AIR_COUNTS, 1],
        b"".join(n.to_bytes(4, "big") for n in _AIR_COUNTS) + b"\x01",
    ),
    ("down frame", 0x81, [_MAC.hex(), _FRAME.hex()], _MAC + _FRAME),
    ("down frame to all", 0x81, ["ff" * 6, _FRAME.hex()], b"\xff" * 6 + _FRAME),
    ("settings, channel alone", 0x82, [11, None], b"\x0b"),
    ("settings, no bip", 0x82, [6, []], b"\x06\x00"),
    (
        "settings, two bips",
        0x82,
        [1, [1, 0xCAFEF00D]],
        b"\x01\x02\x00\x00\x00\x01\xca\xfe\xf0\x0d",
    ),
    ("settings, 64 bips", 0x82, [13, [0xFFFFFFFF] * 64], b"\x0d\x40" + b"\xff" * 256),
]


def _field(width: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return _field(width, len(value)) + value
    return (value % (1 << 8 * width)).to_bytes(width, "big")


def _payload(fields: list[tuple[int, int | bytes]]) -> bytes:
    return b"".join(_field(width, value) for width, value in fields)


def build() -> dict[str, Any]:
    """Return the whole content of the file."""
    for number, (key, nonce, aad, message, sealed) in RFC3610.items():
        ours = AESCCM(bytes.fromhex(key), tag_length=8).encrypt(
            bytes.fromhex(nonce), bytes.fromhex(message), bytes.fromhex(aad)
        )
        if ours.hex() != sealed:
            raise SystemExit(f"RFC 3610 packet vector {number} is not copied right")
    return {
        "ccm": [
            {
                "name": f"RFC 3610 #{number}",
                "key": k,
                "nonce": n,
                "aad": a,
                "message": m,
                "sealed": s,
            }
            for number, (k, n, a, m, s) in RFC3610.items()
        ],
        "frames": [
            {
                "name": name,
                "key": key.hex(),
                "kind": kind,
                "device_id": device_id,
                "counter": counter,
                "fields": [
                    value.hex() if isinstance(value, bytes) else value for _, value in fields
                ],
                "frame": reference.sealed_frame(
                    key, direction, kind, device_id, counter, _payload(fields)
                ).hex(),
            }
            for name, key, direction, kind, device_id, counter, fields in FRAMES
        ],
        "serial": [
            {
                "name": name,
                "type": kind,
                "fields": fields,
                "body": body.hex(),
                "line": reference.line(kind, body).hex(),
            }
            for name, kind, fields, body in SERIAL
        ],
    }


def text() -> str:
    """Return the file's text, the same at every run."""
    return json.dumps(build(), indent=1) + "\n"


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        same = FILE.read_text(encoding="ascii") == text()
        print("vectors.json is what the generator gives" if same else "vectors.json differs")
        return 0 if same else 1
    FILE.write_text(text(), encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
