"""Why a simulated modem answers a command with an error."""

from __future__ import annotations

from vigibip.base.errors import PeerError

# 3GPP TS 27.007, 9.2: what AT+CMEE=2 tells instead of the number.
CME_TEXT = {
    3: "operation not allowed",
    4: "operation not supported",
    10: "SIM not inserted",
    11: "SIM PIN required",
    12: "SIM PUK required",
    13: "SIM failure",
    14: "SIM busy",
    16: "incorrect password",
    30: "no network service",
    50: "Incorrect parameters",
    100: "unknown",
}
# 3GPP TS 27.005, 3.2.5.
CMS_TEXT = {
    21: "Short message transfer rejected",
    38: "Network out of order",
    42: "Congestion",
    300: "ME failure",
    301: "SMS service of ME reserved",
    302: "Operation not allowed",
    303: "Operation not supported",
    304: "Invalid PDU mode parameter",
    310: "SIM not inserted",
    311: "SIM PIN required",
    313: "SIM failure",
    314: "SIM busy",
    316: "SIM PUK required",
    321: "Invalid memory index",
    322: "Memory full",
    330: "SMSC address unknown",
    331: "No network service",
    332: "Network timeout",
    340: "No +CNMA acknowledgement expected",
    500: "Unknown error",
}
CMS_OF_CME = {10: 310, 11: 311, 12: 316, 13: 313, 14: 314}


class AtError(PeerError):
    """The command fails with a plain ERROR."""


class CmeError(AtError):
    """The command fails with +CME ERROR."""

    def __init__(self, code: int) -> None:
        super().__init__(f"CME {code}")
        self.code = code


class CmsError(AtError):
    """The command fails with +CMS ERROR."""

    def __init__(self, code: int) -> None:
        super().__init__(f"CMS {code}")
        self.code = code
