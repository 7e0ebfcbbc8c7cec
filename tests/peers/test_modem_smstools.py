"""smstools' smsd drives the simulated modem: sends, receives, and matches reports."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.modem_peers import MODEM_NUMBER, PHONE_NUMBER, ModemBench
from vigibip.modem.simulated import EC25, GENERIC, SIM7600, Model

pytestmark = [pytest.mark.slow, pytest.mark.requires_program("smsd")]

TEXT = "Bonjour de la rue des Lilas"
FOLDERS = ("outgoing", "checked", "incoming", "sent", "failed", "report")


@pytest.fixture(params=[SIM7600, EC25, GENERIC], ids=lambda model: model.key)
async def bench(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[ModemBench]:
    model: Model = request.param
    bench = ModemBench(tmp_path, model)
    bench.start()
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    config = tmp_path / "smsd.conf"
    config.write_text(
        "devices = GSM1\nloglevel = 7\ndelaytime = 1\nerrorsleeptime = 1\nblocktime = 5\n"
        + "".join(f"{folder} = {tmp_path}/{folder}\n" for folder in FOLDERS)
        + f"logfile = {tmp_path}/smstools.log\ninfofile = {tmp_path}/working\n"
        f"pidfile = {tmp_path}/pid\nstats = {tmp_path}\nstore_original_filename = no\n"
        f"[GSM1]\ndevice = {bench.path}\nbaudrate = 115200\nrtscts = no\nincoming = yes\n"
        f"report = yes\nmemory_start = {model.first_index}\nusing_routed_status_report = yes\n"
        "init = AT+CNMI=2,1,0,1,0\nsignal_quality_ber_ignore = yes\n"
    )
    await bench.serve("smsd", "smsd", "-t", f"-c{config}", f"-l{tmp_path}/smstools.log")
    yield bench
    await bench.close()


def files(bench: ModemBench, folder: str) -> list[str]:
    """What lies there for the device; at its start smsd tries the folder with another file."""
    return [path.read_text("latin-1") for path in (bench.directory / folder).glob("GSM1.*")]


async def test_smsd_sends_and_gets_the_report(bench: ModemBench) -> None:
    waiting = bench.directory / "sms.txt"
    waiting.write_text(f"To: {PHONE_NUMBER[1:]}\nReport: yes\n\n{TEXT}\n")
    waiting.rename(bench.directory / "outgoing" / "sms.txt")
    expected = [(MODEM_NUMBER, TEXT)]
    await bench.until(lambda: bench.phone.texts == expected, "the SMS arrives")
    await bench.until(
        lambda: any(
            "Ok,short message received by the SME" in text for text in files(bench, "report")
        ),
        "its report is kept",
    )


async def test_smsd_receives(bench: ModemBench) -> None:
    bench.phone.write(MODEM_NUMBER, TEXT)
    # It deletes an SMS only once its file is whole.
    await bench.until(
        lambda: bool(files(bench, "incoming")) and bench.modem.mailbox.stores["SM"].used == 0,
        "the SMS is in the folder, and deleted",
    )
    [text] = files(bench, "incoming")
    assert f"From: {PHONE_NUMBER[1:]}" in text
    assert text.endswith((TEXT, TEXT + "\n"))
