"""Run by the MicroPython interpreter: `micropython -X heapsize=64wk on_device.py TREE VECTORS N`.

TREE holds `wire` as on the device, VECTORS is vectors.json, N the number of inputs a parser is
fuzzed with. Prints one line of JSON: what was checked, and the heap that the package takes here
(64-bit objects: about twice the size of the device's).
"""

import gc
import json
import sys

sys.path.insert(0, sys.argv[1])
gc.collect()
_before = gc.mem_alloc()
from wire import ccm, counter, frame, parcel, serial, window  # noqa: E402

gc.collect()
_package_bytes = gc.mem_alloc() - _before

import cryptolib  # noqa: E402

# The tests' own directory, for what both interpreters run.
sys.path.insert(1, sys.argv[0].rsplit("/", 1)[0])
import both  # noqa: E402

_ECB = 1


class Wire:
    ccm = ccm
    counter = counter
    frame = frame
    parcel = parcel
    serial = serial
    window = window

    @staticmethod
    def cipher(key):
        return cryptolib.aes(key, _ECB).encrypt


def main(vectors_path, fuzzed):
    with open(vectors_path) as file:  # noqa: PTH123 - MicroPython has no pathlib
        vectors = json.load(file)
    checked = {}
    for group, checks in (
        ("ccm", (both.check_ccm, both.check_ccm_refusals)),
        (
            "frames",
            (
                both.check_frame,
                both.check_frame_direction,
                both.check_frame_refusals,
                both.check_payload_refusals,
            ),
        ),
        ("serial", (both.check_serial, both.check_serial_refusals)),
    ):
        for vector in vectors[group]:
            for check in checks:
                check(Wire, vector)
                gc.collect()
        checked[group] = len(vectors[group])
    for check in (both.check_32_bits, both.check_counter, both.check_window):
        check(Wire)
    both.fuzz_frames(Wire, vectors["frames"], fuzzed)
    both.fuzz_payloads(Wire, fuzzed)
    heard, dropped = both.fuzz_line(Wire, vectors["serial"], fuzzed)
    both.fuzz_cobs(Wire, fuzzed)
    checked["fuzzed"] = fuzzed
    checked["heard"] = heard
    checked["dropped"] = dropped
    checked["package_bytes"] = _package_bytes
    print(json.dumps(checked))


main(sys.argv[2], int(sys.argv[3]))
