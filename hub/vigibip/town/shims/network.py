"""Stand-in for the network module: a station interface that only has a channel."""

import struct

import bus
import bus_messages

STA_IF = 0


class WLAN:
    """The station interface; one radio, so one state for all its objects."""

    IF_STA = 0
    PM_NONE = 0
    PM_PERFORMANCE = 1

    is_active = False
    channel = 1
    # What the chip's country lets it have: MicroPython sets none, so perhaps 11.
    channel_max = 13

    def __init__(self, interface_id: int = 0):
        if interface_id != STA_IF:
            raise ValueError("only the station interface is simulated")

    def active(self, is_active=None):
        if is_active is None:
            return WLAN.is_active
        if WLAN.is_active != bool(is_active):
            WLAN.is_active = bool(is_active)
            self._tell()
        return None

    def config(self, *args, **settings):
        if args == ("channel",):
            return WLAN.channel
        if not WLAN.is_active:
            raise OSError("STA must be active")
        for name, value in settings.items():
            if name == "channel":
                if not 1 <= value <= WLAN.channel_max:
                    raise OSError(-258, "ESP_ERR_INVALID_ARG")
                WLAN.channel = value
                self._tell()
            elif name != "pm":
                raise ValueError("unknown config param")
        return None

    def _tell(self) -> None:
        channel = WLAN.channel if WLAN.is_active else 0
        bus.send(bus_messages.RADIO, struct.pack(">B", channel))
