"""SMS PDUs both ways: DELIVER, SUBMIT and STATUS-REPORT. 3GPP TS 23.040, 9.2.2.

Whatever bytes come in, the answer is a message or PduError. `decode` takes what a modem tells
(+CMT, +CDS, +CMGR, +CMGL): the service centre's address, then the TPDU. Lengths of numbers, dates
that cannot be, unknown header elements and octets beyond the end do no harm; lengths that
contradict each other do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vigibip.sms.address import (
    Address,
    decode_address,
    encode_address,
    encode_smsc,
    smsc_end,
)
from vigibip.sms.errors import PduError
from vigibip.sms.fields import (
    STAMP_LENGTH,
    Status,
    read_stamp,
    read_validity,
    write_stamp,
    write_validity,
)
from vigibip.sms.segments import Segment
from vigibip.sms.user_data import (
    UserData,
    decode_user_data,
    encode_user_data,
    of_segment,
)

PDU_MAX = 255
"""Octets. A SUBMIT or DELIVER with its service centre has at most 188; modems write no longer."""

_DELIVER, _SUBMIT, _STATUS_REPORT = 0, 1, 2
_TYPE = 0x03
_HAS_HEADER = 0x40
_REPORT_ASKED = 0x20
_NO_MORE = 0x04  # "more messages to send", the wrong way round
_VALIDITY = 0x18
_VALIDITY_RELATIVE = 0x10
# TP-PID (TS 23.040, 9.2.3.9): short message type 0, to be acknowledged and thrown away; R-DATA,
# data and unlocking for the phone, data for the SIM.
_FOR_MACHINES = frozenset({0x40, 0x7C, 0x7D, 0x7E, 0x7F})


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """A text from the network. `sent_utc` None: its stamp is no time that can be."""

    sender: Address
    data: UserData
    sent_utc: datetime | None
    pid: int = 0

    @property
    def for_machines(self) -> bool:
        """A short message of type 0, or one for the SIM or the modem: nobody is to see it."""
        return self.pid in _FOR_MACHINES


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """What became of the SUBMIT that the modem sent as `reference` to `recipient`."""

    reference: int
    recipient: Address
    sent_utc: datetime | None
    done_utc: datetime | None
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """A text to the network. `validity_s` None: no relative period was given."""

    reference: int
    to: Address
    data: UserData
    report: bool = False
    validity_s: float | None = None
    pid: int = 0


def decode(pdu: bytes) -> Deliver | StatusReport:
    """Read service centre's address and TPDU as a phone receives them. Raises PduError."""
    _check_length(pdu)
    return decode_tpdu(pdu[smsc_end(pdu) :])


def decode_tpdu(tpdu: bytes) -> Deliver | StatusReport:
    """Read a TPDU as a phone receives it. Raises PduError."""
    _check_length(tpdu)
    kind = tpdu[0] & _TYPE
    if kind == _STATUS_REPORT:
        return _decode_status_report(tpdu)
    if kind == _SUBMIT:
        raise PduError("it is a SUBMIT (or its report), which no phone receives", tpdu)
    return _decode_deliver(tpdu)  # a reserved type is read as DELIVER (9.2.3.1)


def decode_submit(tpdu: bytes) -> Submit:
    """Read a TPDU as a network receives it. Raises PduError, also for what is no SUBMIT."""
    _check_length(tpdu)
    first = tpdu[0]
    if first & _TYPE != _SUBMIT:
        raise PduError("it is no SUBMIT", tpdu)
    if len(tpdu) < 2:
        raise PduError("it ends before its reference", tpdu)
    to, at = decode_address(tpdu, 2)
    validity_size = {0: 0, _VALIDITY_RELATIVE: 1}.get(first & _VALIDITY, STAMP_LENGTH)
    if at + 2 + validity_size > len(tpdu):
        raise PduError("it ends before its user data", tpdu)
    pid, dcs = tpdu[at], tpdu[at + 1]
    data = decode_user_data(
        tpdu, at + 2 + validity_size, dcs=dcs, has_header=bool(first & _HAS_HEADER)
    )
    return Submit(
        reference=tpdu[1],
        to=to,
        data=data,
        report=bool(first & _REPORT_ASKED),
        validity_s=read_validity(tpdu[at + 2]) if validity_size == 1 else None,
        pid=pid,
    )


def encode_submit(
    to: str,
    segment: Segment,
    *,
    reference: int = 0,
    validity_s: float | None = None,
    status_report: bool = False,
) -> bytes:
    """Return the TPDU of a SUBMIT; most modems put their own `reference` in its place.

    `validity_s` None leaves it to the network. Raises TextError when `to` is no number.
    """
    first = _SUBMIT
    if segment.header:
        first |= _HAS_HEADER
    if status_report:
        first |= _REPORT_ASKED
    validity = b""
    if validity_s is not None:
        first |= _VALIDITY_RELATIVE
        validity = bytes((write_validity(validity_s),))
    data = of_segment(segment)
    return (
        bytes((first, reference & 0xFF))
        + encode_address(Address.parse(to))
        + bytes((0, data.dcs))
        + validity
        + encode_user_data(data)
    )


def encode_deliver(
    sender: Address,
    data: UserData,
    *,
    sent_utc: datetime,
    zone_min: int = 0,
    smsc: str | None = None,
    pid: int = 0,
) -> bytes:
    """Return what `decode` reads as Deliver: service centre's address, then the TPDU."""
    first = _DELIVER | _NO_MORE | (_HAS_HEADER if data.header else 0)
    return (
        encode_smsc(smsc)
        + bytes((first,))
        + encode_address(sender)
        + bytes((pid, data.dcs))
        + write_stamp(sent_utc, zone_min)
        + encode_user_data(data)
    )


def encode_status_report(
    reference: int,
    recipient: Address,
    *,
    sent_utc: datetime,
    done_utc: datetime,
    status: int,
    zone_min: int = 0,
    smsc: str | None = None,
) -> bytes:
    """Return what `decode` reads as StatusReport: service centre's address, then the TPDU."""
    return (
        encode_smsc(smsc)
        + bytes((_STATUS_REPORT | _NO_MORE, reference & 0xFF))
        + encode_address(recipient)
        + write_stamp(sent_utc, zone_min)
        + write_stamp(done_utc, zone_min)
        + bytes((status,))
    )


def _check_length(pdu: bytes) -> None:
    if not pdu:
        raise PduError("it is empty")
    if len(pdu) > PDU_MAX:
        raise PduError(f"it has more than {PDU_MAX} octets", pdu[:PDU_MAX])


def _decode_deliver(tpdu: bytes) -> Deliver:
    sender, at = decode_address(tpdu, 1)
    if at + 2 + STAMP_LENGTH > len(tpdu):
        raise PduError("it ends before its user data", tpdu)
    pid, dcs = tpdu[at], tpdu[at + 1]
    stamp_end = at + 2 + STAMP_LENGTH
    return Deliver(
        sender=sender,
        data=decode_user_data(tpdu, stamp_end, dcs=dcs, has_header=bool(tpdu[0] & _HAS_HEADER)),
        sent_utc=read_stamp(tpdu[at + 2 : stamp_end]),
        pid=pid,
    )


def _decode_status_report(tpdu: bytes) -> StatusReport:
    if len(tpdu) < 2:
        raise PduError("it ends before its reference", tpdu)
    recipient, at = decode_address(tpdu, 2)
    done_at = at + STAMP_LENGTH
    status_at = done_at + STAMP_LENGTH
    if status_at >= len(tpdu):
        raise PduError("it ends before its status", tpdu)
    # Optional parameters may follow; the status is all that we act on.
    return StatusReport(
        reference=tpdu[1],
        recipient=recipient,
        sent_utc=read_stamp(tpdu[at:done_at]),
        done_utc=read_stamp(tpdu[done_at:status_at]),
        status=Status(tpdu[status_at]),
    )
