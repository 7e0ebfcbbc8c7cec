"""An update in the real interpreter: fetched, tried, kept or left; and presses go out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.firmware.honest_box import DEVICE_ID, ENCRYPT, Box
from tests.firmware.images import pieces, public_key, signed
from tests.firmware.lab import Lab, plant, until
from vigibip.base.clock import SystemClock
from vigibip.box.faults import Faults
from vigibip.box.updates import Updates
from vigibip.town import device_tree
from vigibip.town.device import DeviceState, Feel
from vigibip.wire import frame, parcel
from vigibip.workshop import bytecode, program_image
from vigibip.workshop.program_image import ProgramImage

guard: Any = device_tree.load("bip", "guard")
trial: Any = device_tree.load("bip", "trial")

# What the firmware of the checkout tells of itself, and what the updates do.
OLD = program_image.version("bip")
NEW = 0x0203

pytestmark = [
    pytest.mark.requires_program("micropython"),
    pytest.mark.requires_program("mpy-cross"),
    pytest.mark.xdist_group("interpreter"),
    pytest.mark.slow,
]


class UpdatingBox(Box):
    """Offers `image` and gives its pieces; `updates`: as the box's own code does, too."""

    def __init__(self) -> None:
        super().__init__()
        self.image: ProgramImage | None = None
        self.asked = 0
        self.pieces_given: list[int] = []
        self.versions: list[int] = []
        self.updates: Updates | None = None

    def take(self, sealed: bytes, *, stores: bool = True) -> bytes:
        kind, _, answered, payload = frame.open_frame(ENCRYPT, sealed, frame.FROM_BIP)
        if kind == frame.STATUS:
            self.versions.append(frame.unpack_status(payload)[1])
            if self.updates is not None:
                self.updates.take_status(DEVICE_ID, self.versions[-1])
        if kind == frame.ASK and self.image is not None:
            wants, name, piece = parcel.unpack_ask(payload)
            assert wants == parcel.WANTS_UPDATE
            self.asked += 1
            give = pieces(self.image)
            given = give[piece if name == give[0][0] else 0]
            self.pieces_given.append(given[2])
            self.down += 1
            body = parcel.pack_update(answered, *given)
            if self.updates is not None:
                told = self.updates.piece(DEVICE_ID, answered, name, piece)
                assert told == body
            return frame.seal_frame(ENCRYPT, frame.UPDATE, DEVICE_ID, self.down, body)
        return super().take(sealed, stores=stores)

    def reply(self, answered: int, number: int, state: int, encrypt: Any = ENCRYPT) -> bytes:
        self.down += 1
        offers = self.updates.waits(DEVICE_ID) if self.updates else self.image is not None
        waiting = frame.UPDATE_WAITS if offers else 0
        payload = frame.pack_reply(answered, number, state, waiting)
        return frame.seal_frame(encrypt, frame.REPLY, DEVICE_ID, self.down, payload)


class NvsFiles:
    """A bip's NVS as it lies there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get_blob(self, key: str, buffer: bytearray) -> int:
        value = (self._directory / key).read_bytes()
        buffer[: len(value)] = value
        return len(value)


class UpdatingLab(Lab):
    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory, **options)
        self.box: UpdatingBox = UpdatingBox()
        (directory / "nvs" / "vigibip" / "signers").write_bytes(guard.guard(public_key()))

    async def status(self) -> None:
        """Let it send a status now: a power cut, and the start after it."""
        self.device.power_cut()
        await self.device.start()

    async def tries(self) -> None:
        """Wait until a program is on trial, or has been."""
        nvs = NvsFiles(self.directory / "nvs" / guard.NAMESPACE)

        def tried() -> bool:
            state = trial.State(nvs)
            return bool(state.on_trial()) or any(state.refused())

        await until(tried, "a program on trial", 60)

    async def tells(self, version: int) -> None:
        await until(lambda: self.box.versions[-1:] == [version], f"firmware {version:#06x}", 60)

    async def update_to(self, image: ProgramImage) -> None:
        self.box.image = image
        await self.status()
        await self.tells(NEW)
        await self.asleep()
        self.box.image = None


@cache
def program() -> Mapping[str, bytes]:
    return program_image.program("bip")


def changed(tmp_path: Path, *, edition: int = 1, **sources: str) -> ProgramImage:
    """Return the checkout's program as an image, telling NEW, with text appended to modules."""
    found = dict(program())
    sources.setdefault("version", "")
    for module, text in sources.items():
        file = tmp_path / f"{module}.py"
        source = device_tree.sources("bip")[f"{module}.py"].read_text()
        if module == "version":
            source = source.replace(f"FIRMWARE = {OLD:#06x}", f"FIRMWARE = {NEW:#06x}")
        file.write_text(source + text)
        found.update(bytecode.compiled({f"{module}.py": file}))
    return signed(program_image.packed("bip", found, edition=edition, version_told=NEW))


async def press_goes_out(lab: UpdatingLab) -> None:
    lab.felt.clear()
    number = await lab.press()
    lab.device.release()
    await lab.feels(Feel.HEARD)
    lab.box.raise_to(number, frame.STATE_COMING)
    await lab.feels(Feel.COMING)
    await lab.asleep()


async def test_it_is_fetched_tried_and_kept_and_presses_go_out(tmp_path: Path) -> None:
    async with UpdatingLab(tmp_path / "bip") as lab:
        await lab.start()
        await lab.tells(OLD)
        await lab.update_to(changed(tmp_path))
        await press_goes_out(lab)
        lab.device.power_cut()
        await lab.device.start()
        await lab.tells(NEW)
        await press_goes_out(lab)
        assert lab.halted == []
        assert not lab.transmitted_with_motor_on


async def test_the_box_s_own_code_gives_it_until_it_has_it(tmp_path: Path) -> None:
    """Both ends as they are: what stands between them here is the seal alone."""
    async with UpdatingLab(tmp_path / "bip") as lab:
        await lab.start()
        lab.box.image = made = changed(tmp_path)
        (tmp_path / "update.img").write_bytes(made.content())
        lab.box.updates = Updates(tmp_path / "update.img", Faults(SystemClock()))
        lab.box.updates.start([(DEVICE_ID, OLD)])
        await lab.status()
        await lab.tells(NEW)
        await lab.asleep()
        assert not lab.box.updates.waits(DEVICE_ID)
        assert lab.box.asked <= len(pieces(made)) + 5


async def test_the_power_goes_many_times_while_it_is_fetched(tmp_path: Path) -> None:
    chance = random.Random(3)
    async with UpdatingLab(tmp_path / "bip") as lab:
        await lab.start()
        lab.box.image = image = changed(tmp_path)
        whole = len(pieces(image))
        for _ in range(6):
            before = lab.box.asked
            more = before + chance.randrange(10, whole // 3)
            await lab.status()
            await until(
                lambda more=more: lab.box.asked >= more or lab.box.versions[-1] == NEW,
                "pieces",
                60,
            )
        await lab.status()
        await lab.tells(NEW)
        await lab.asleep()
        await press_goes_out(lab)


# An update takes some 640 writes: the first, among the files, and near the end.
@pytest.mark.parametrize("cut_at", [1, 197, 625])
async def test_on_littlefs_with_the_power_cut_in_a_write_presses_go_out_and_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_at: int
) -> None:
    """Every write of a smaller update: test_update_power.py."""
    littlefs = (Path(__file__).parent / "littlefs_boot.py").read_text()
    plant(monkeypatch, tmp_path, "boot.py", append=littlefs)
    # The stand-in for the flash, and what is planted, take room of their own.
    async with UpdatingLab(tmp_path / "bip", heap_words=131072) as lab:
        await lab.start()
        lab.box.image = changed(tmp_path)
        (tmp_path / "bip" / "cut_at").write_text(str(cut_at))
        await lab.status()
        await until((tmp_path / "bip" / "stopped").exists, "the cut", 60)
        lab.device.power_cut()
        (tmp_path / "bip" / "cut_at").unlink()
        await lab.device.start()
        await press_goes_out(lab)
        await lab.status()
        await lab.tells(NEW)
        await lab.asleep()
        await press_goes_out(lab)
        assert lab.halted == []


async def test_a_press_while_it_is_fetched_goes_first_and_stops_it(tmp_path: Path) -> None:
    async with UpdatingLab(tmp_path / "bip") as lab:
        await lab.start()
        lab.box.image = changed(tmp_path)
        await lab.status()
        await until(lambda: lab.box.asked >= 60, "pieces")
        number = await lab.press()
        await lab.let_go()
        await lab.feels(Feel.HEARD)
        asked = lab.box.asked
        assert asked < len(pieces(lab.box.image))
        await until(lambda: len(lab.of_kind(frame.POLL)) >= 3, "polls")
        assert lab.box.asked == asked, "asked for while a press is open"
        lab.box.raise_to(number, frame.STATE_COMING)
        await lab.feels(Feel.COMING)
        await lab.asleep()
        # It goes on where it was.
        await lab.status()
        await lab.tells(NEW)
        assert lab.box.asked < asked + len(pieces(lab.box.image))


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("sender", "\nraise RuntimeError('planted')\n"),
        ("button", "\nraise RuntimeError('planted')\n"),
        ("start", "\nraise RuntimeError('planted')\n"),
        ("air", "\nAir.receive = lambda self, timeout_ms: None\n"),
        ("wake", "\ndef run(*_):\n    raise MemoryError('planted')\n"),
        ("update", "\nraise ImportError('planted')\n"),
    ],
)
async def test_a_program_that_does_not_reach_the_box_is_left_and_presses_go_out(
    tmp_path: Path, module: str, text: str
) -> None:
    async with UpdatingLab(tmp_path / "bip") as lab:
        await lab.start()
        lab.box.image = bad = changed(tmp_path, **{module: text})
        await lab.status()
        await until(lambda: len(set(lab.box.pieces_given)) == len(pieces(bad)), "all pieces", 60)
        # Not before: what the power takes of the last pieces would be asked for again.
        await lab.tries()
        # Whatever it does, the one before comes back after a few starts, and tells so.
        for _ in range(20):
            told = len(lab.box.versions)
            await lab.status()
            await until(
                lambda told=told: len(lab.box.versions) > told or _is_asleep(lab), "a start", 30
            )
            if lab.box.versions[-1] == OLD:
                break
        assert lab.box.versions[-1] == OLD
        await lab.asleep()
        before = len(lab.box.pieces_given)
        await lab.status()
        await until(lambda: len(lab.box.pieces_given) > before, "it asks what there is")
        await lab.asleep()
        assert set(lab.box.pieces_given[before:]) == {0}, "it is fetched again"
        await press_goes_out(lab)


def _is_asleep(lab: Lab) -> bool:
    return lab.device.state is DeviceState.ASLEEP


async def test_a_press_in_the_trial_s_place_runs_the_program_before(tmp_path: Path) -> None:
    async with UpdatingLab(tmp_path / "bip") as lab:
        await lab.start()
        lab.box.image = image = changed(tmp_path, air="\nAir.receive = lambda self, ms: None\n")
        await lab.status()
        await until(lambda: len(set(lab.box.pieces_given)) == len(pieces(image)), "pieces", 60)
        wakes = lab.device.wakes
        await until(lambda: lab.device.wakes > wakes, "the trial's first start")
        await lab.asleep()
        # The new one hears nothing; by a press the old one starts, and hears.
        await press_goes_out(lab)


async def test_a_box_that_is_no_signer_s_fills_no_slot(tmp_path: Path) -> None:
    async with UpdatingLab(tmp_path / "bip") as lab:
        await lab.start()
        made = program_image.packed("bip", program(), edition=1, version_told=NEW)
        lab.box.image = signed(made, by=1)
        await lab.status()
        await until(lambda: lab.box.asked > 10, "pieces")
        await lab.asleep()
        assert not (tmp_path / "bip" / "flash" / "a").exists()
        await press_goes_out(lab)


async def test_a_slot_that_lost_its_files_is_left_at_the_next_start(tmp_path: Path) -> None:
    async with UpdatingLab(tmp_path / "bip") as lab:
        await lab.start()
        await lab.update_to(changed(tmp_path))
        lab.device.power_cut()
        (tmp_path / "bip" / "flash" / "a" / "bip.mpy").write_bytes(b"M\x06torn")
        await lab.device.start()
        await lab.tells(OLD)
        await lab.asleep()
        await press_goes_out(lab)


async def test_lost_doubled_and_damaged_frames_only_delay_it(tmp_path: Path) -> None:
    chance = random.Random(9)
    async with UpdatingLab(tmp_path / "bip") as lab:
        await lab.start()
        deliver = lab.device.deliver

        def faulty(source: bytes, sealed: bytes, *args: Any, **named: Any) -> bool:
            way = chance.randrange(10)
            if way < 2:
                return False
            if way == 2:
                deliver(source, sealed, *args, **named)
            if way == 3:
                sealed = sealed[:100] + bytes((sealed[100 % len(sealed)] ^ 1,)) + sealed[101:]
            return deliver(source, sealed, *args, **named)

        lab.device.deliver = faulty  # type: ignore[method-assign]
        lab.box.image = changed(tmp_path)
        for _ in range(10):
            await lab.status()
            await until(lambda: lab.box.versions[-1:] == [NEW] or _is_asleep(lab), "an end", 60)
            await asyncio.sleep(0)
            if lab.box.versions[-1:] == [NEW]:
                break
        await lab.asleep()
        await lab.tells(NEW)
