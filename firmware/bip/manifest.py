# What lies on a bip, beside board.py from ../boards: MicroPython's manifest syntax, so that the
# same list freezes it into a firmware image.
module("boot.py")
module("main.py")
module("runner.py")
module("sender.py")
module("storage.py")
module("feel.py")
module("button.py")
module("radio.py")
package(
    "wire",
    ("__init__.py", "frame.py", "ccm.py", "counter.py", "serial.py"),
    base_path="../../hub/vigibip",
)
