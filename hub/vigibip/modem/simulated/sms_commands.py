"""The commands about SMS, 3GPP TS 27.005, in PDU mode; text mode is not simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vigibip.modem.simulated.answers import OK, Answer, Handler, Prompt, number, say
from vigibip.modem.simulated.at_line import Command, Form
from vigibip.modem.simulated.errors import CmsError
from vigibip.modem.simulated.sending import submit
from vigibip.modem.simulated.store import Status, Stored

if TYPE_CHECKING:
    from vigibip.modem.simulated.modem import SimulatedModem

_TPDU_MAX_BYTES = 164
_NOT_ALLOWED, _NOT_SUPPORTED, _BAD_PDU, _BAD_INDEX = 302, 303, 304, 321
_CNMI_MAX = (3, 3, 3, 2, 1)
_ALL = frozenset(Status)
# AT+CMGD's <delflag>: what goes.
_DELETED: dict[int, frozenset[Status]] = {
    1: frozenset({Status.READ}),
    2: frozenset({Status.READ, Status.SENT}),
    3: frozenset({Status.READ, Status.SENT, Status.UNSENT}),
    4: _ALL,
}


def _number(text: str, allowed: range) -> int:
    """Raises CmsError 302."""
    return number(text, allowed, CmsError(_NOT_ALLOWED))


def _format(_modem: SimulatedModem, command: Command) -> Answer:
    if command.arguments[0] != "0":
        raise CmsError(_NOT_SUPPORTED)
    return OK


def _centre_is(modem: SimulatedModem, _command: Command) -> Answer:
    modem.require_sim_for_sms()
    return Answer(lines=(f'+CSCA: "{modem.sim.smsc}",{145 if modem.sim.smsc else 129}',))


def _centre(modem: SimulatedModem, command: Command) -> Answer:
    modem.require_sim_for_sms()
    modem.sim.smsc = command.arguments[0]
    return OK


def _indications(modem: SimulatedModem, command: Command) -> Answer:
    values = list(modem.volatile.cnmi)
    for at, text in enumerate(command.arguments[: len(values)]):
        if text:
            values[at] = _number(text, range(_CNMI_MAX[at] + 1))
    modem.volatile.cnmi = (values[0], values[1], values[2], values[3], values[4])
    return OK


def _indications_are(modem: SimulatedModem, _command: Command) -> Answer:
    return Answer(lines=("+CNMI: {},{},{},{},{}".format(*modem.volatile.cnmi),))


def _memories(modem: SimulatedModem, command: Command) -> Answer:
    modem.require_sim_for_sms()
    chosen = list(modem.volatile.memories)
    for at, name in enumerate(command.arguments[:3]):
        if name:
            modem.mailbox.store(name)
            chosen[at] = name.upper()
    modem.volatile.memories = (chosen[0], chosen[1], chosen[2])
    counts = [_filling(modem, name) for name in chosen]
    return Answer(lines=("+CPMS: " + ",".join(counts),))


def _memories_are(modem: SimulatedModem, _command: Command) -> Answer:
    modem.require_sim_for_sms()
    told = [f'"{name}",{_filling(modem, name)}' for name in modem.volatile.memories]
    return Answer(lines=("+CPMS: " + ",".join(told),))


def _filling(modem: SimulatedModem, name: str) -> str:
    store = modem.mailbox.store(name)
    return f"{store.used},{store.size}"


def _service(modem: SimulatedModem, command: Command) -> Answer:
    modem.volatile.service = _number(command.arguments[0], range(2))
    return Answer(lines=("+CSMS: 1,1,1",))


def _service_is(modem: SimulatedModem, _command: Command) -> Answer:
    return Answer(lines=(f"+CSMS: {modem.volatile.service},1,1,1",))


def _acknowledge(modem: SimulatedModem, _command: Command) -> Answer:
    modem.mailbox.acknowledge()
    return OK


def _hex(text: str) -> bytes:
    try:
        pdu = bytes.fromhex(text.strip())
    except ValueError as error:
        raise CmsError(_BAD_PDU) from error
    if not pdu or pdu[0] >= len(pdu):
        raise CmsError(_BAD_PDU)
    return pdu


def _send(modem: SimulatedModem, command: Command) -> Answer:
    length = _number(command.arguments[0], range(1, _TPDU_MAX_BYTES + 1))
    modem.require_sim_for_sms()

    def take(text: str) -> tuple[str, ...]:
        return (f"+CMGS: {submit(modem, _hex(text), length)}",)

    delay_s = modem.chance.uniform(*modem.behaviour.submit_s)
    return Answer(prompt=Prompt(take=take, delay_s=delay_s))


def _write(modem: SimulatedModem, command: Command) -> Answer:
    length = _number(command.arguments[0], range(1, _TPDU_MAX_BYTES + 1))
    status = Status(_number((*command.arguments, "2")[1] or "2", range(4)))
    modem.require_sim_for_sms()

    def take(text: str) -> tuple[str, ...]:
        pdu = _hex(text)
        if len(pdu) - 1 - pdu[0] != length:
            raise CmsError(_BAD_PDU)
        return (f"+CMGW: {modem.mailbox.selected(1).put(pdu, status)}",)

    return Answer(prompt=Prompt(take=take))


def _told(head: str, stored: Stored) -> tuple[str, str]:
    length = len(stored.pdu) - 1 - stored.pdu[0]
    return (f"{head}{int(stored.status)},,{length}", stored.pdu.hex().upper())


def _read(modem: SimulatedModem, command: Command) -> Answer:
    modem.require_sim_for_sms()
    index = _index(command)
    return Answer(lines=_told("+CMGR: ", modem.mailbox.selected(0).read(index)))


def _list(modem: SimulatedModem, command: Command) -> Answer:
    modem.require_sim_for_sms()
    which = _number((*command.arguments, "0")[0] or "0", range(5))
    status = None if which == len(Status) else Status(which)
    lines: list[str] = []
    for index, stored in modem.mailbox.selected(0).listed(status):
        lines += _told(f"+CMGL: {index},", stored)
    return Answer(lines=tuple(lines))


def _delete(modem: SimulatedModem, command: Command) -> Answer:
    modem.require_sim_for_sms()
    store = modem.mailbox.selected(0)
    flag = _number((*command.arguments, "0")[1] or "0", range(5))
    if flag:
        store.delete_all(_DELETED[flag])
    else:
        store.delete(_index(command))
    return Answer(then=modem.mailbox.freed)


def _index(command: Command) -> int:
    if not command.arguments[0].isdigit():
        raise CmsError(_BAD_INDEX)
    return int(command.arguments[0])


def _places(modem: SimulatedModem, _command: Command) -> Answer:
    modem.require_sim_for_sms()
    indices = ",".join(str(index) for index in modem.mailbox.selected(0).indices())
    return Answer(lines=(f"+CMGD: ({indices}),(0-4)",))


_STORES = '("SM","ME","MT","SR")'

COMMANDS: dict[str, dict[Form, Handler]] = {
    "+CMGF": {Form.SET: _format, Form.READ: say("+CMGF: 0"), Form.TEST: say("+CMGF: (0)")},
    "+CSCA": {Form.SET: _centre, Form.READ: _centre_is, Form.TEST: say()},
    "+CNMI": {
        Form.SET: _indications,
        Form.READ: _indications_are,
        Form.TEST: say("+CNMI: (0,1,2,3),(0,1,2,3),(0,1,2,3),(0,1,2),(0,1)"),
    },
    "+CPMS": {
        Form.SET: _memories,
        Form.READ: _memories_are,
        Form.TEST: say(f"+CPMS: {_STORES},{_STORES},{_STORES}"),
    },
    "+CSMS": {Form.SET: _service, Form.READ: _service_is, Form.TEST: say("+CSMS: (0,1)")},
    "+CNMA": {Form.RUN: _acknowledge, Form.SET: _acknowledge, Form.TEST: say("+CNMA: (0-2)")},
    "+CMGS": {Form.SET: _send, Form.TEST: say()},
    "+CMGW": {Form.SET: _write, Form.TEST: say()},
    "+CMGR": {Form.SET: _read, Form.TEST: say()},
    "+CMGL": {Form.SET: _list, Form.RUN: _list, Form.TEST: say("+CMGL: (0-4)")},
    "+CMGD": {Form.SET: _delete, Form.TEST: _places},
}
