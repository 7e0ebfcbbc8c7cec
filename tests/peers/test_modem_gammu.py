"""gammu and gammu-smsd drive the simulated modem."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.modem_peers import MODEM_NUMBER, PHONE_NUMBER, ModemBench
from vigibip.modem.simulated import EC25, GENERIC, SIM7600, Model

pytestmark = pytest.mark.slow

TEXT = "Bonjour de la rue des Lilas"


@pytest.fixture(params=[SIM7600, EC25, GENERIC], ids=lambda model: model.key)
async def bench(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[ModemBench]:
    model: Model = request.param
    bench = ModemBench(tmp_path, model)
    bench.start()
    (tmp_path / "gammurc").write_text(
        f"[gammu]\ndevice = {bench.path}\nconnection = at115200\nlogformat = textalldate\n"
        f"logfile = {tmp_path}/gammu.log\ngammuloc = /dev/null\n"
    )
    yield bench
    await bench.close()


async def gammu(bench: ModemBench, *command: str) -> str:
    code, said = await bench.run("gammu", "-c", str(bench.directory / "gammurc"), *command)
    assert code == 0, said
    return said


@pytest.mark.requires_program("gammu")
async def test_gammu_identifies_it(bench: ModemBench) -> None:
    said = await gammu(bench, "identify")
    assert bench.modem.imei in said
    assert bench.modem.sim.imsi in said


@pytest.mark.requires_program("gammu")
async def test_gammu_knows_its_network(bench: ModemBench) -> None:
    assert "001 01" in await gammu(bench, "networkinfo")


@pytest.mark.requires_program("gammu")
async def test_gammu_sends(bench: ModemBench) -> None:
    await gammu(bench, "sendsms", "TEXT", PHONE_NUMBER, "-text", TEXT)
    await bench.until(lambda: bench.phone.texts == [(MODEM_NUMBER, TEXT)], "the SMS arrives")


@pytest.mark.requires_program("gammu")
async def test_gammu_reads_and_deletes(bench: ModemBench) -> None:
    bench.phone.write(MODEM_NUMBER, TEXT)
    await bench.until(lambda: bench.modem.mailbox.selected(2).used == 1, "the SMS is stored")
    said = await gammu(bench, "getallsms")
    assert TEXT in said
    assert PHONE_NUMBER in said
    await gammu(bench, "deleteallsms", "1")
    assert bench.modem.mailbox.stores["SM"].used == 0


@pytest.fixture
async def smsd(bench: ModemBench) -> Path:
    """gammu-smsd at work; its configuration."""
    folders = {name: bench.directory / name for name in ("inbox", "outbox", "sent", "error")}
    for folder in folders.values():
        folder.mkdir()
    config = bench.directory / "smsdrc"
    config.write_text(
        f"[gammu]\ndevice = {bench.path}\nconnection = at115200\n"
        f"[smsd]\nservice = files\nlogfile = {bench.directory}/smsd.log\ndebuglevel = 255\n"
        "deliveryreport = log\nloopsleep = 1\nreceivefrequency = 2\n"
        f"inboxpath = {folders['inbox']}/\noutboxpath = {folders['outbox']}/\n"
        f"sentsmspath = {folders['sent']}/\nerrorsmspath = {folders['error']}/\n"
    )
    await bench.serve("gammu-smsd", "gammu-smsd", "-c", str(config))
    return config


def received(bench: ModemBench) -> list[str]:
    return [path.read_text("utf-8") for path in (bench.directory / "inbox").glob("*.txt")]


@pytest.mark.requires_program("gammu-smsd")
async def test_gammu_smsd_receives(bench: ModemBench, smsd: Path) -> None:
    bench.phone.write(MODEM_NUMBER, TEXT)
    await bench.until(lambda: received(bench) == [TEXT], "the SMS is in the inbox")
    await bench.until(lambda: bench.modem.mailbox.stores["SM"].used == 0, "it is deleted")


@pytest.mark.requires_program("gammu-smsd", "gammu-smsd-inject")
async def test_gammu_smsd_sends_and_gets_the_report(bench: ModemBench, smsd: Path) -> None:
    code, said = await bench.run(
        *("gammu-smsd-inject", "-c", str(smsd), "TEXT", PHONE_NUMBER, "-report", "-text", TEXT)
    )
    assert code == 0, said
    await bench.until(lambda: bench.phone.texts == [(MODEM_NUMBER, TEXT)], "the SMS arrives")
    if bench.modem.model.report_lost:
        # gammu asks for ds=2, and such a modem loses it.
        await bench.until(lambda: bench.modem.counts["reports lost"] == 1, "the report is lost")
        return
    log = bench.directory / "smsd.log"
    await bench.until(lambda: "elivery report" in log.read_text(errors="replace"), "its report")
