"""The simulated modem itself: what stands on its wire, and when."""

import pytest

from tests.modem.paper import DELIVER, REPORT
from tests.modem.simulated_line import CALM, SUBMIT, Line, ready
from vigibip.modem.simulated import (
    DENIED,
    EC25,
    GENERIC,
    MODELS,
    NOWHERE,
    SIM7600,
    Behaviour,
    Coverage,
    Model,
    Noise,
    Registered,
    SimCard,
)

# --- Power-up ---


async def test_power_up_is_silence_then_garbage_then_the_words_of_the_model() -> None:
    line = Line()
    line.modem.start()
    assert await line.send(b"AT\r", wait_s=9.9) == b""
    await line.clock.advance(10)
    heard = line.take()
    assert heard.endswith(b"\r\nRDY\r\n\r\n+CPIN: READY\r\n\r\nSMS DONE\r\n\r\nPB DONE\r\n")
    assert not heard.startswith(b"\r\nRDY")
    assert await line.send(b"AT\r") == b"AT\r\r\nOK\r\n"


async def test_a_generic_modem_says_nothing_at_power_up() -> None:
    line = Line(GENERIC, CALM)
    line.modem.start()
    assert await line.send(b"", wait_s=30) == b""
    assert await line.send(b"AT\r") == b"AT\r\r\nOK\r\n"


async def test_it_registers_some_seconds_after_power_up() -> None:
    noise = Noise(boot_garbage=False)
    times = Behaviour(boot_silence_s=(10, 10), registration_s=(6, 6), noise=noise)
    line = Line(behaviour=times)
    line.modem.start()
    await line.clock.advance(14)
    line.take()
    await line.at("ATE0")
    assert (await line.at("AT+CEREG?"))[0] == "+CEREG: 0,2"
    await line.clock.advance(6)
    line.take()
    assert (await line.at("AT+CEREG?"))[0] == "+CEREG: 0,1"
    assert line.network.attached == [line.modem]


async def test_without_a_sim_it_says_so() -> None:
    line = Line(behaviour=CALM, sim=SimCard(present=False))
    line.modem.start()
    await line.clock.advance(20)
    assert line.take() == b"\r\nRDY\r\n\r\n+SIMCARD: NOT AVAILABLE\r\n"
    await line.at("ATE0")
    assert await line.at("AT+CPIN?") == ["+CME ERROR: SIM not inserted"]
    assert await line.at("AT+CMGS=17") == ["+CMS ERROR: SIM not inserted"]
    assert line.network.attached == []


# --- Commands ---


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
async def test_every_model_answers_what_every_modem_answers(model: Model) -> None:
    line = await ready(model)
    for command in (
        *("AT", "ATI", "AT+CGMI", "AT+CGMM", "AT+CGMR", "AT+CGSN", "AT+CIMI", "AT+CNUM"),
        *("AT+CPIN?", "AT+CREG?", "AT+CGREG?", "AT+CEREG?", "AT+COPS?", "AT+CSQ", "AT+CESQ"),
        *("AT+CMEE=1", "AT+CMEE?", "AT+CMGF=0", "AT+CMGF?", "AT+CSCA?", "AT+CNMI=2,1,0,1,0"),
        *("AT+CNMI?", 'AT+CPMS="SM","SM","SM"', "AT+CPMS?", "AT+CSMS?", "AT+CSMS=0"),
        *("AT+CMGL=4", "AT+CMGD=1", "AT+CFUN?", "AT+CSCS?", "AT+IFC=0,0", "AT+CCID", "ATZ", "AT&F"),
        *("ATE0", "ATS0=0", "ATE0V1Q0", "AT+CMEE=1;+CREG=2", "at+cmee=1"),
    ):
        assert (await line.at(command))[-1] == "OK", command
    for name in (
        *("+CGMI", "+CPIN", "+CREG", "+CGREG", "+CEREG", "+CSQ", "+CESQ", "+CMEE", "+CMGF"),
        *("+CSCA", "+CNMI", "+CPMS", "+CSMS", "+CMGS", "+CMGR", "+CMGL", "+CMGD", "+CFUN"),
        *("+CSCS", "+IFC", "+CNMA"),
    ):
        assert (await line.at(f"AT{name}=?"))[-1] == "OK", name


async def test_what_it_does_not_know_is_an_error() -> None:
    line = await ready()
    for command in ("AT+NOSUCH", 'AT+QENG="servingcell"', "ATD123", "AT+CREG", "AT)"):
        assert await line.at(command) == ["ERROR"], command


async def test_the_serving_cell_is_told_by_the_models_own_command() -> None:
    line = await ready(SIM7600)
    assert (await line.at("AT+CPSI?"))[0].startswith("+CPSI: LTE,Online,001-01,")
    line.modem.set_coverage(Coverage(technology="UMTS"))
    assert (await line.at("AT+CPSI?"))[0].startswith("+CPSI: WCDMA,Online,")
    quectel = await ready(EC25)
    told = (await quectel.at('AT+QENG="servingcell"'))[0]
    assert told.startswith('+QENG: "servingcell","NOCONN","LTE","FDD",001,01,')


async def test_registration_is_told_apart_for_each_domain() -> None:
    line = await ready()
    await line.at("AT+CREG=1;+CGREG=2;+CEREG=1")
    line.modem.set_coverage(Coverage(creg=Registered.DENIED, cereg=Registered.ROAMING))
    assert await line.send(b"") == b"\r\n+CREG: 3\r\n\r\n+CEREG: 5\r\n"
    assert (await line.at("AT+CREG?"))[0] == "+CREG: 1,3"
    assert (await line.at("AT+CGREG?"))[0] == '+CGREG: 2,1,"1A2B","1A2B03",7'
    assert (await line.at("AT+CEREG?"))[0] == "+CEREG: 1,5"


@pytest.mark.parametrize(
    ("level", "told"),
    [("0", "ERROR"), ("1", "+CME ERROR: 14"), ("2", "+CME ERROR: SIM busy")],
)
async def test_errors_are_told_as_was_asked(level: str, told: str) -> None:
    line = await ready()
    line.modem.sim.busy = True
    await line.at(f"AT+CMEE={level}")
    assert await line.at("AT+CPIN?") == [told]


async def test_the_whole_of_a_joined_line_ends_with_one_result() -> None:
    line = await ready()
    assert await line.at("AT+CSQ;+CFUN?") == ["+CSQ: 18,99", "+CFUN: 1", "OK"]
    assert await line.at("AT+CSQ;+NOSUCH;+CFUN?") == ["+CSQ: 18,99", "ERROR"]


async def test_what_comes_during_a_command_waits_for_its_end() -> None:
    line = await ready()
    await line.send(b"AT+CMGS=17\r")
    heard = await line.send(SUBMIT.hex().encode() + b"\x1aAT+CSQ\r", wait_s=1.9)
    assert heard == b""
    heard = await line.send(b"", wait_s=4)
    assert heard == b"\r\n+CMGS: 1\r\n\r\nOK\r\n\r\n+CSQ: 18,99\r\n\r\nOK\r\n"


# --- SIM ---


async def test_the_pin_opens_the_sim_and_three_wrong_ones_lock_it() -> None:
    line = await ready(behaviour=CALM, sim=SimCard(pin="1234"))
    assert await line.at("AT+CPIN?") == ["+CPIN: SIM PIN", "OK"]
    assert await line.at('AT+CPIN="0000"') == ["+CME ERROR: incorrect password"]
    assert await line.at('AT+CPIN="1234"') == ["OK", "+CPIN: READY"]
    await line.clock.advance(6)
    assert line.modem.registered_to.registered
    locked = await ready(behaviour=CALM, sim=SimCard(pin="1234"))
    for _ in range(3):
        told = await locked.at('AT+CPIN="0000"')
    assert told == ["+CME ERROR: SIM PUK required"]
    assert await locked.at("AT+CPIN?") == ["+CPIN: SIM PUK", "OK"]
    assert await locked.at('AT+CPIN="12345678","4321"') == ["OK", "+CPIN: READY"]


async def test_the_ok_after_sim_pin_may_be_missing() -> None:
    noise = Noise(boot_garbage=False, no_ok_after_pin=True)
    line = await ready(behaviour=Behaviour(noise=noise), sim=SimCard(pin="1234"))
    assert await line.at("AT+CPIN?") == ["+CPIN: SIM PIN"]
    assert (await line.at("AT"))[-1] == "OK"


# --- Sending ---


async def test_a_sms_goes_by_the_prompt_in_the_time_that_was_set() -> None:
    line = await ready()
    assert await line.send(b"AT+CMGS=17\r") == b"\r\n> "
    assert await line.send(SUBMIT.hex().encode() + b"\x1a", wait_s=1.9) == b""
    assert await line.send(b"", wait_s=3.2) == b"\r\n+CMGS: 1\r\n\r\nOK\r\n"
    assert line.network.submitted == [SUBMIT[1:]]


async def test_escape_leaves_the_prompt_and_nothing_goes() -> None:
    line = await ready()
    await line.send(b"AT+CMGS=17\r")
    assert await line.send(SUBMIT.hex().encode() + b"\x1b") == b"\r\nOK\r\n"
    assert line.network.submitted == []


@pytest.mark.parametrize(
    "body", [b"", b"00", b"zz", b"0021", SUBMIT.hex().encode() + b"00", b"FF00"]
)
async def test_a_pdu_that_is_none_is_refused(body: bytes) -> None:
    line = await ready()
    await line.send(b"AT+CMGS=17\r")
    heard = await line.send(body + b"\x1a", wait_s=6)
    assert heard == b"\r\n+CMS ERROR: Invalid PDU mode parameter\r\n"
    assert line.network.submitted == []


@pytest.mark.parametrize(
    ("coverage", "cms"),
    [
        (NOWHERE, 331),
        (DENIED, 331),
        (Coverage(creg=Registered.DENIED, cgreg=Registered.ROAMING, cereg=Registered.ROAMING), 500),
    ],
)
async def test_without_a_network_for_it_no_sms_goes(coverage: Coverage, cms: int) -> None:
    line = await ready(EC25, coverage=coverage)
    await line.send(b"AT+CMGS=17\r")
    heard = await line.send(SUBMIT.hex().encode() + b"\x1a", wait_s=6)
    assert heard == f"\r\n+CMS ERROR: {cms}\r\n".encode()


async def test_one_firmware_refuses_sms_on_lte_only() -> None:
    line = await ready(SIM7600, behaviour=Behaviour(sms_on_lte=False))
    await line.send(b"AT+CMGS=17\r")
    heard = await line.send(SUBMIT.hex().encode() + b"\x1a", wait_s=6)
    assert heard == b"\r\n+CMS ERROR: Unknown error\r\n"
    line.modem.set_coverage(Coverage(technology="UMTS"))
    await line.send(b"AT+CMGS=17\r")
    heard = await line.send(SUBMIT.hex().encode() + b"\x1a", wait_s=6)
    assert heard == b"\r\n+CMGS: 1\r\n\r\nOK\r\n"


async def test_the_networks_refusal_is_told() -> None:
    line = await ready(EC25)
    line.network.refusals = [38]
    await line.send(b"AT+CMGS=17\r")
    heard = await line.send(SUBMIT.hex().encode() + b"\x1a", wait_s=6)
    assert heard == b"\r\n+CMS ERROR: 38\r\n"


# --- Receiving ---


async def test_a_message_is_stored_told_read_and_deleted() -> None:
    line = await ready()
    await line.at("AT+CNMI=2,1,0,1,0")
    assert line.modem.deliver(DELIVER)
    assert await line.send(b"") == b'\r\n+CMTI: "SM",0\r\n'
    pdu = DELIVER.hex().upper()
    assert await line.at("AT+CMGR=0") == ["+CMGR: 0,,23", pdu, "OK"]
    assert await line.at("AT+CMGL=0") == ["OK"]
    assert await line.at("AT+CMGL=4") == ["+CMGL: 0,1,,23", pdu, "OK"]
    assert await line.at("AT+CPMS?") == ['+CPMS: "SM",1,40,"SM",1,40,"SM",1,40', "OK"]
    assert await line.at("AT+CMGD=0") == ["OK"]
    assert await line.at("AT+CMGR=0") == ["+CMS ERROR: Invalid memory index"]


async def test_without_cnmi_nothing_is_told() -> None:
    line = await ready()
    assert line.modem.deliver(DELIVER)
    assert await line.send(b"") == b""
    assert (await line.at("AT+CMGL=0"))[0] == "+CMGL: 0,0,,23"


async def test_mt_2_hands_the_message_over_and_keeps_nothing() -> None:
    line = await ready()
    await line.at("AT+CNMI=2,2,0,1,0")
    line.modem.deliver(DELIVER)
    expected = f"\r\n+CMT: ,23\r\n{DELIVER.hex().upper()}\r\n"
    assert await line.send(b"") == expected.encode()
    assert await line.at("AT+CMGL=4") == ["OK"]


async def test_unacknowledged_messages_end_the_routing() -> None:
    line = await ready()
    await line.at("AT+CSMS=1")
    await line.at("AT+CNMI=2,2,0,1,0")
    line.modem.deliver(DELIVER)
    await line.send(b"", wait_s=14)
    assert await line.at("AT+CNMA") == ["OK"]
    await line.clock.advance(20)
    assert (await line.at("AT+CNMI?"))[0] == "+CNMI: 2,2,0,1,0"
    line.modem.deliver(DELIVER)
    await line.send(b"", wait_s=16)
    assert (await line.at("AT+CNMI?"))[0] == "+CNMI: 2,0,0,0,0"


async def test_reports_come_as_the_fourth_number_of_cnmi_says() -> None:
    line = await ready()
    await line.at("AT+CNMI=2,1,0,0,0")
    line.modem.deliver(REPORT)
    assert await line.send(b"") == b""
    await line.at("AT+CNMI=2,1,0,1,0")
    line.modem.deliver(REPORT)
    assert await line.send(b"") == f"\r\n+CDS: 25\r\n{REPORT.hex().upper()}\r\n".encode()
    await line.at("AT+CNMI=2,1,0,2,0")
    line.modem.deliver(REPORT)
    assert await line.send(b"") == b'\r\n+CDSI: "SR",0\r\n'
    await line.at('AT+CPMS="SR"')
    assert (await line.at("AT+CMGR=0"))[1] == REPORT.hex().upper()


async def test_quectel_announces_a_report_that_is_nowhere() -> None:
    line = await ready(EC25)
    await line.at("AT+CNMI=2,1,0,2,0")
    line.modem.deliver(REPORT)
    assert await line.send(b"") == b'\r\n+CDSI: "SM",0\r\n'
    for store in ("SM", "SR", "ME"):
        await line.at(f'AT+CPMS="{store}"')
        assert await line.at("AT+CMGR=0") == ["+CMS ERROR: 321"]


async def test_a_full_store_takes_nothing_until_there_is_room() -> None:
    line = await ready(EC25)
    await line.at("AT+CNMI=2,1,0,1,0")
    for _ in range(EC25.sm_size):
        assert line.modem.deliver(DELIVER)
    await line.send(b"")
    assert not line.modem.deliver(DELIVER)
    assert await line.send(b"") == b'\r\n+QIND: "smsfull","SM"\r\n'
    line.network.on_room = lambda modem: line.network.submitted.append(b"room")
    await line.at("AT+CMGD=7")
    assert line.network.submitted == [b"room"]
    assert line.modem.deliver(DELIVER)
    assert await line.send(b"") == b'\r\n+CMTI: "SM",7\r\n'


async def test_deleting_by_flag_takes_what_was_read() -> None:
    line = await ready()
    for _ in range(3):
        line.modem.deliver(DELIVER)
    await line.at("AT+CMGR=1")
    assert await line.at("AT+CMGD=1,1") == ["OK"]
    assert [row for row in await line.at("AT+CMGL=4") if row.startswith("+")] == [
        "+CMGL: 0,0,,23",
        "+CMGL: 2,0,,23",
    ]


async def test_the_place_may_be_missing_in_cmti() -> None:
    noise = Noise(bare_cmti=True)
    line = await ready(behaviour=Behaviour(noise=noise))
    await line.at("AT+CNMI=2,1,0,1,0")
    line.modem.deliver(DELIVER)
    assert await line.send(b"") == b"\r\n+CMTI: ,-1\r\n"


async def test_messages_survive_a_power_cut_and_settings_do_not() -> None:
    line = await ready(behaviour=CALM)
    await line.at("AT+CNMI=2,1,0,1,0")
    line.modem.deliver(DELIVER)
    line.modem.set_power(False)
    await line.clock.advance(1)
    assert line.network.attached == []
    line.modem.set_power(True)
    await line.clock.advance(30)
    line.take()
    assert await line.send(b"AT+CNMI?\r") == b"AT+CNMI?\r\r\n+CNMI: 0,0,0,0,0\r\n\r\nOK\r\n"
    await line.at("ATE0")
    assert (await line.at("AT+CMGL=4"))[0] == "+CMGL: 0,0,,23"
