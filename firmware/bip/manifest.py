# What lies on a bip, beside board.py from ../boards: MicroPython's manifest syntax, so that the
# same list freezes it into a firmware image.
module("boot.py")
module("main.py")
module("slots.py")
module("guard.py")
module("bip.py")
module("start.py")
module("wake.py")
module("sender.py")
module("press.py")
module("aim.py")
module("storage.py")
module("feel.py")
module("button.py")
module("air.py")
module("update.py")
module("trial.py")
module("flash.py")
module("selftest.py")
module("ticks.py", base_path="../shared")
package(
    "wire",
    ("__init__.py", "frame.py", "ccm.py", "counter.py", "parcel.py", "image.py", "lms.py"),
    base_path="../../hub/vigibip",
)
