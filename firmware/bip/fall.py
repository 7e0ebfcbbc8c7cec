"""What can be told of an exception in a few bytes. Loaded only when the program fell."""

import binascii
import io
import sys


def described(error: Exception) -> tuple[int, int, int]:
    """Return (digest, module, line) of where `error` was raised.

    digest: 16 bits of the whole traceback's CRC-32. module: the first four letters of the file's
    name as a big-endian number. Zeros for what the traceback does not say.
    """
    text = io.StringIO()
    sys.print_exception(error, text)
    trace = text.getvalue()
    digest = binascii.crc32(trace.encode()) & 0xFFFF
    module = line = 0
    place = trace.rfind('File "')
    if place >= 0:
        name, _, rest = trace[place + 6 :].partition('"')
        letters = (name.split("/")[-1].split(".")[0] + "    ")[:4]
        module = int.from_bytes(letters.encode()[:4], "big")
        number = rest.split("line ")[-1].split(",")[0].split("\n")[0]
        line = min(int(number), 0xFFFF) if number.isdigit() else 0
    return digest, module, line
