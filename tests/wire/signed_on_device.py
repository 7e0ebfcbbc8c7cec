"""Run by the MicroPython interpreter: `micropython -X heapsize=64wk signed_on_device.py TREE N`.

TREE holds `wire` as on the device, N is the number of inputs a parser is fuzzed with. Prints one
line of JSON: what was checked, the heap that lms and image take here, and the room that a check was
left (64-bit objects: about twice the size of the device's).
"""

import gc
import hashlib
import json
import sys

sys.path.insert(0, sys.argv[1])
gc.collect()
_before = gc.mem_alloc()
from wire import image, lms  # noqa: E402

gc.collect()
_package_bytes = gc.mem_alloc() - _before

# The tests' own directory, for what both interpreters run.
_here = sys.argv[0].rsplit("/", 1)[0]
sys.path.insert(1, _here)
import both_signed as both  # noqa: E402

ROOM_BYTES = 4096


def check_in_little_room(sha256, vector):
    """A check passes where only ROOM_BYTES are free: what it makes, it does not keep."""
    given = both.parts(vector)
    gc.collect()
    taken = None
    while gc.mem_free() > ROOM_BYTES:
        taken = (taken, bytearray(64))
    both.check(lms.is_signed(sha256, *given), "no room")


def main(fuzzed):
    with open(_here + "/lms_vectors.json") as file:  # noqa: PTH123 - MicroPython has no pathlib
        vectors = json.load(file)["vectors"]
    sha256 = hashlib.sha256
    for vector in vectors:
        both.check_vector(lms, sha256, vector)
        # Of width 8 a check takes thirty times as long.
        if vector["public_key"][14:16] == "03":
            both.check_every_byte(lms, sha256, vector, 3)
            both.check_lengths(lms, sha256, vector)
            both.fuzz_signatures(lms, sha256, vector, fuzzed)
            check_in_little_room(sha256, vector)
        gc.collect()
    both.check_others(lms, sha256, vectors)
    for check in (both.check_head, both.check_head_refusals, both.check_names, both.check_sizes):
        check(image)
        gc.collect()
    both.fuzz_heads(image, fuzzed)
    told = {"vectors": len(vectors), "package_bytes": _package_bytes, "room_bytes": ROOM_BYTES}
    print(json.dumps(told))


main(int(sys.argv[2]))
