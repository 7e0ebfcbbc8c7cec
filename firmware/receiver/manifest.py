# What lies on a receiver: MicroPython's manifest syntax, so that the same list freezes it into a
# firmware image.
module("boot.py")
module("main.py")
module("bridge.py")
module("carrier.py")
module("jam.py")
module("waiting.py")
module("ticks.py", base_path="../shared")
package("wire", ("__init__.py", "serial.py"), base_path="../../hub/vigibip")
