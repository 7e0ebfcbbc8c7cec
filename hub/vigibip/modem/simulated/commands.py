"""The commands that are not about SMS: identity, SIM, registration, operator, signal, function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vigibip.modem.simulated import sms_commands
from vigibip.modem.simulated.answers import OK, Answer, Handler, number, say
from vigibip.modem.simulated.at_line import Command, Form
from vigibip.modem.simulated.errors import AtError, CmeError
from vigibip.modem.simulated.models import Cell
from vigibip.modem.simulated.settings import Coverage, Registered
from vigibip.modem.simulated.sim_card import CME_OF_STATE, SimState

if TYPE_CHECKING:
    from vigibip.modem.simulated.modem import SimulatedModem

_BAD_PARAMETER = 50
_ACT = {"GSM": 0, "UMTS": 2, "LTE": 7}
_AREA, _CELL_ID = "1A2B", "1A2B03"
_CHARACTER_SETS = ("IRA", "GSM", "UCS2")
# RSSI of a cell at full load is some 20 dB above its RSRP, which is told per subcarrier.
_RSSI_TO_RSRP_DB = 20


def _number(text: str, allowed: range) -> int:
    """Raises CmeError 50."""
    return number(text, allowed, CmeError(_BAD_PARAMETER))


def _nothing(_modem: SimulatedModem, _command: Command) -> Answer:
    return OK


# --- The line itself ---


def _echo(modem: SimulatedModem, command: Command) -> Answer:
    modem.volatile.echo = command.arguments[0] == "1"
    return OK


def _only_verbose(_modem: SimulatedModem, command: Command) -> Answer:
    if command.arguments[0] == "0":
        raise AtError("numeric results are not simulated")
    return OK


def _defaults(modem: SimulatedModem, _command: Command) -> Answer:
    modem.volatile.echo = True
    modem.volatile.error_level = modem.model.error_level
    return OK


def _error_level(modem: SimulatedModem, command: Command) -> Answer:
    modem.volatile.error_level = _number(command.arguments[0], range(3))
    return OK


def _error_level_is(modem: SimulatedModem, _command: Command) -> Answer:
    return Answer(lines=(f"+CMEE: {modem.volatile.error_level}",))


def _flow(modem: SimulatedModem, command: Command) -> Answer:
    values = [_number(text, range(3)) for text in command.arguments[:2]]
    modem.volatile.flow = (values[0], values[-1])
    return OK


def _flow_is(modem: SimulatedModem, _command: Command) -> Answer:
    return Answer(lines=("+IFC: {},{}".format(*modem.volatile.flow),))


def _character_set(modem: SimulatedModem, command: Command) -> Answer:
    if command.arguments[0].upper() not in _CHARACTER_SETS:
        raise CmeError(_BAD_PARAMETER)
    modem.volatile.character_set = command.arguments[0].upper()
    return OK


def _character_set_is(modem: SimulatedModem, _command: Command) -> Answer:
    return Answer(lines=(f'+CSCS: "{modem.volatile.character_set}"',))


# --- Who it is ---


def _identity(modem: SimulatedModem, _command: Command) -> Answer:
    return Answer(lines=tuple(line.format(imei=modem.imei) for line in modem.model.identity))


def _manufacturer(modem: SimulatedModem, _command: Command) -> Answer:
    return Answer(lines=(modem.model.manufacturer,))


def _model(modem: SimulatedModem, _command: Command) -> Answer:
    return Answer(lines=(modem.model.name,))


def _revision(modem: SimulatedModem, _command: Command) -> Answer:
    return Answer(lines=(modem.model.revision_prefix + modem.model.revision,))


def _imei(modem: SimulatedModem, _command: Command) -> Answer:
    return Answer(lines=(modem.imei,))


def _imsi(modem: SimulatedModem, _command: Command) -> Answer:
    modem.require_sim()
    return Answer(lines=(modem.sim.imsi,))


def _iccid(modem: SimulatedModem, command: Command) -> Answer:
    if modem.sim_state is SimState.ABSENT:
        raise CmeError(CME_OF_STATE[SimState.ABSENT])
    prefix = "+ICCID" if command.name == "+CICCID" else command.name
    return Answer(lines=(f"{prefix}: {modem.sim.iccid}",))


def _own_number(modem: SimulatedModem, _command: Command) -> Answer:
    modem.require_sim()
    return Answer(lines=(f'+CNUM: ,"{modem.sim.number}",145',))


# --- SIM ---


def _pin_is(modem: SimulatedModem, _command: Command) -> Answer:
    state = modem.sim_state
    if state not in (SimState.READY, SimState.PIN, SimState.PUK):
        raise CmeError(CME_OF_STATE[state])
    no_ok = modem.behaviour.noise.no_ok_after_pin and state is SimState.PIN
    return Answer(lines=(f"+CPIN: {state.value}",), no_ok=no_ok)


def _pin(modem: SimulatedModem, command: Command) -> Answer:
    if modem.sim_state is SimState.ABSENT:
        raise CmeError(CME_OF_STATE[SimState.ABSENT])
    modem.counts["pin tries"] += 1
    modem.sim.enter(command.arguments[0], (*command.arguments, None)[1])

    def tell() -> None:
        modem.tell("+CPIN: READY")
        modem.sim_changed()

    return Answer(then=tell)


# --- Registration, operator, signal ---


def _registration_line(modem: SimulatedModem, name: str, coverage: Coverage) -> str:
    """What follows <n>: the state, and where the modem is once that is asked for."""
    stat = _stat(name, coverage)
    if modem.volatile.reports[name] < 2 or stat not in (Registered.HOME, Registered.ROAMING):
        return str(int(stat))
    return f'{int(stat)},"{_AREA}","{_CELL_ID}",{_ACT.get(coverage.technology, 0)}'


def _stat(name: str, coverage: Coverage) -> Registered:
    return {"+CREG": coverage.creg, "+CGREG": coverage.cgreg, "+CEREG": coverage.cereg}[name]


def registration_changes(modem: SimulatedModem, before: Coverage) -> list[str]:
    """The URCs of a change of registration, as far as they were asked for."""
    return [
        f"{name}: {_registration_line(modem, name, modem.registered_to)}"
        for name, level in modem.volatile.reports.items()
        if level and _stat(name, before) is not _stat(name, modem.registered_to)
    ]


def _registration_is(modem: SimulatedModem, command: Command) -> Answer:
    level = modem.volatile.reports[command.name]
    told = _registration_line(modem, command.name, modem.registered_to)
    return Answer(lines=(f"{command.name}: {level},{told}",))


def _registration(modem: SimulatedModem, command: Command) -> Answer:
    modem.volatile.reports[command.name] = _number(command.arguments[0], range(3))
    return OK


def _operator_is(modem: SimulatedModem, _command: Command) -> Answer:
    coverage = modem.registered_to
    if not coverage.registered:
        return Answer(lines=("+COPS: 0",))
    style = modem.volatile.operator_format
    name = coverage.plmn if style == 2 else coverage.operator
    return Answer(lines=(f'+COPS: 0,{style},"{name}",{_ACT.get(coverage.technology, 0)}',))


def _operator(modem: SimulatedModem, command: Command) -> Answer:
    mode = _number(command.arguments[0], range(5))
    if len(command.arguments) > 1 and command.arguments[1]:
        modem.volatile.operator_format = _number(command.arguments[1], range(3))
    return OK if mode == 3 else _needs_sim(modem)


def _packet_attached(modem: SimulatedModem, _command: Command) -> Answer:
    coverage = modem.registered_to
    attached = any(stat in (Registered.HOME, Registered.ROAMING) for stat in coverage.packet)
    return Answer(lines=(f"+CGATT: {int(attached)}",))


def _needs_sim(modem: SimulatedModem) -> Answer:
    modem.require_sim()
    return OK


def _scan(modem: SimulatedModem, _command: Command) -> Answer:
    modem.require_sim()
    found = modem.coverage
    told = f'(2,"{found.operator}","{found.operator}","{found.plmn}",{_ACT["LTE"]})'
    return Answer(lines=(f"+COPS: {told},,(0-4),(0-2)",), delay_s=modem.behaviour.scan_s)


def _rssi(coverage: Coverage) -> int:
    if coverage.signal_dbm is None:
        return 99
    return min(31, max(0, (coverage.signal_dbm + 113) // 2))


def _signal(modem: SimulatedModem, _command: Command) -> Answer:
    return Answer(lines=(f"+CSQ: {_rssi(modem.registered_to)},99",))


def _extended_signal(modem: SimulatedModem, _command: Command) -> Answer:
    coverage = modem.registered_to
    if coverage.signal_dbm is None:
        return Answer(lines=("+CESQ: 99,99,255,255,255,255",))
    if coverage.technology == "LTE":
        rsrp = min(97, max(0, coverage.signal_dbm - _RSSI_TO_RSRP_DB + 141))
        return Answer(lines=(f"+CESQ: 99,99,255,255,20,{rsrp}",))
    if coverage.technology == "UMTS":
        rscp = min(96, max(0, coverage.signal_dbm + 121))
        return Answer(lines=(f"+CESQ: 99,99,{rscp},30,255,255",))
    return Answer(lines=(f"+CESQ: {min(63, max(0, coverage.signal_dbm + 111))},0,255,255,255,255",))


def _cpsi(modem: SimulatedModem, _command: Command) -> Answer:
    coverage = modem.registered_to
    if not coverage.registered or coverage.signal_dbm is None:
        return Answer(lines=("+CPSI: NO SERVICE,Online",))
    plmn = f"{coverage.plmn[:3]}-{coverage.plmn[3:]}"
    if coverage.technology == "LTE":
        rsrp = (coverage.signal_dbm - _RSSI_TO_RSRP_DB) * 10
        cell = f"0x{_AREA},27394819,123,EUTRAN-BAND3,1300,5,5,-104,{rsrp},{rsrp + 280},14"
        return Answer(lines=(f"+CPSI: LTE,Online,{plmn},{cell}",))
    if coverage.technology == "UMTS":
        cell = f"0x{_AREA},27394819,WCDMA IMT 2000,245,10713,0,9.0,{-coverage.signal_dbm},33,19,500"
        return Answer(lines=(f"+CPSI: WCDMA,Online,{plmn},{cell}",))
    cell = f"0x{_AREA},6915,32 EGSM 900,{coverage.signal_dbm},0,12-12"
    return Answer(lines=(f"+CPSI: GSM,Online,{plmn},{cell}",))


def _qeng(modem: SimulatedModem, command: Command) -> Answer:
    if command.arguments[0] != "servingcell":
        raise CmeError(_BAD_PARAMETER)
    coverage = modem.registered_to
    if not coverage.registered or coverage.signal_dbm is None:
        return Answer(lines=('+QENG: "servingcell","SEARCH"',))
    plmn = f"{coverage.plmn[:3]},{coverage.plmn[3:]}"
    if coverage.technology == "LTE":
        rsrp = coverage.signal_dbm - _RSSI_TO_RSRP_DB
        cell = f"{_CELL_ID},123,1300,3,5,5,{_AREA},{rsrp},-11,{coverage.signal_dbm},14,39"
        return Answer(lines=(f'+QENG: "servingcell","NOCONN","LTE","FDD",{plmn},{cell}',))
    if coverage.technology == "UMTS":
        cell = f"{_AREA},{_CELL_ID},10713,245,15,{coverage.signal_dbm},-5,-,-,-,-,-"
        return Answer(lines=(f'+QENG: "servingcell","NOCONN","WCDMA",{plmn},{cell}',))
    cell = f"{_AREA},1B03,32,12,-,{coverage.signal_dbm},0,0,20,20,1,-,-,-,-,-,-,-,-,-,-,-"
    return Answer(lines=(f'+QENG: "servingcell","NOCONN","GSM",{plmn},{cell}',))


# --- Function and reset ---


def _function_is(modem: SimulatedModem, _command: Command) -> Answer:
    return Answer(lines=(f"+CFUN: {int(modem.functional)}",))


def _function(modem: SimulatedModem, command: Command) -> Answer:
    level = _number(command.arguments[0], range(5))
    if command.arguments[1:] == ("1",):
        return Answer(then=modem.reset)
    if level not in (0, 1, 4):
        raise CmeError(_BAD_PARAMETER)

    def switch() -> None:
        modem.functional = level == 1
        modem.sim_changed()

    return Answer(then=switch if (level == 1) != modem.functional else None)


def _reset(modem: SimulatedModem, _command: Command) -> Answer:
    return Answer(then=modem.reset)


_REGISTRATION: dict[Form, Handler] = {
    Form.READ: _registration_is,
    Form.SET: _registration,
}
_COMMANDS: dict[str, dict[Form, Handler]] = {
    "E": {Form.RUN: _echo},
    "V": {Form.RUN: _only_verbose},
    "Z": {Form.RUN: _defaults},
    "&F": {Form.RUN: _defaults},
    "I": {Form.RUN: _identity},
    **{name: {Form.RUN: _nothing} for name in ("Q", "X", "H", "M", "L", "&C", "&D", "&K", "&W")},
    "S": {Form.SET: _nothing},
    "+CMEE": {
        Form.SET: _error_level,
        Form.READ: _error_level_is,
        Form.TEST: say("+CMEE: (0,1,2)"),
    },
    "+IFC": {Form.SET: _flow, Form.READ: _flow_is, Form.TEST: say("+IFC: (0,2),(0,2)")},
    "+CSCS": {
        Form.SET: _character_set,
        Form.READ: _character_set_is,
        Form.TEST: say('+CSCS: ("IRA","GSM","UCS2")'),
    },
    "+GCAP": {Form.RUN: say("+GCAP: +CGSM")},
    "+CGMI": {Form.RUN: _manufacturer, Form.TEST: _nothing},
    "+GMI": {Form.RUN: _manufacturer, Form.TEST: _nothing},
    "+CGMM": {Form.RUN: _model, Form.TEST: _nothing},
    "+GMM": {Form.RUN: _model, Form.TEST: _nothing},
    "+CGMR": {Form.RUN: _revision, Form.TEST: _nothing},
    "+GMR": {Form.RUN: _revision, Form.TEST: _nothing},
    "+CGSN": {Form.RUN: _imei, Form.TEST: _nothing},
    "+GSN": {Form.RUN: _imei, Form.TEST: _nothing},
    "+CIMI": {Form.RUN: _imsi, Form.TEST: _nothing},
    "+CNUM": {Form.RUN: _own_number, Form.TEST: _nothing},
    "+CPIN": {Form.READ: _pin_is, Form.SET: _pin, Form.TEST: _nothing},
    **{
        name: {**_REGISTRATION, Form.TEST: say(f"{name}: (0-2)")}
        for name in ("+CREG", "+CGREG", "+CEREG")
    },
    "+COPS": {Form.READ: _operator_is, Form.SET: _operator, Form.TEST: _scan},
    "+CGATT": {Form.READ: _packet_attached, Form.TEST: say("+CGATT: (0,1)")},
    "+CSQ": {Form.RUN: _signal, Form.TEST: say("+CSQ: (0-31,99),(0-7,99)")},
    "+CESQ": {
        Form.RUN: _extended_signal,
        Form.TEST: say("+CESQ: (0-63,99),(0-7,99),(0-96,255),(0-49,255),(0-34,255),(0-97,255)"),
    },
    "+CFUN": {
        Form.READ: _function_is,
        Form.SET: _function,
        Form.TEST: say("+CFUN: (0,1,4),(0,1)"),
    },
}
_RESET: dict[Form, Handler] = {Form.RUN: _reset, Form.TEST: _nothing}
_ICCID: dict[Form, Handler] = {Form.RUN: _iccid, Form.READ: _iccid, Form.TEST: _nothing}
_CELLS: dict[Cell, dict[Form, Handler]] = {
    Cell.CPSI: {Form.READ: _cpsi, Form.TEST: _nothing},
    Cell.QENG: {Form.SET: _qeng, Form.TEST: say('+QENG: ("servingcell","neighbourcell")')},
}


def find(modem: SimulatedModem, command: Command) -> Handler | None:
    """Return what runs `command` on this model; None when it does not know it."""
    model = modem.model
    if command.name == model.cell.value and model.cell in _CELLS:
        return _CELLS[model.cell].get(command.form)
    if command.name == model.iccid_command or command.name == "+CCID":
        return _ICCID.get(command.form)
    if command.name in model.resets_by:
        return _RESET.get(command.form)
    forms = _COMMANDS.get(command.name) or sms_commands.COMMANDS.get(command.name) or {}
    return forms.get(command.form)
