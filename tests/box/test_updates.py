"""An update on its way to the bips: whom it is offered to, what is given, and when nothing is."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from tests.box.driven import DrivenBox
from tests.box.peers import Bip
from tests.firmware.images import pieces, small_image
from vigibip.base.errors import UsageError
from vigibip.box.faults import FaultCode
from vigibip.box.updates import Offer, Updates, read_offer
from vigibip.cli.main import main
from vigibip.wire import frame, parcel

# What small_image tells of itself.
NEW = 0x0102
OLD = 0x0001
IMAGE = small_image(1)


class Rig:
    """Updates of three bips that all told the old version."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "update.img"
        self.told: list[tuple[FaultCode, str, str]] = []
        self.updates = Updates(self.path, self)  # type: ignore[arg-type]
        self.updates.start((number, OLD) for number in (1, 2, 3))

    def tell(self, code: FaultCode, detail: str, subject: str = "") -> None:
        self.told.append((code, detail, subject))

    def put(self, content: bytes) -> None:
        self.path.write_bytes(content)
        self.updates.look()

    def offered(self) -> list[int]:
        return [number for number in (1, 2, 3) if self.updates.waits(number)]

    def give_all(self, device_id: int) -> bytes:
        """Have the bip ask for every piece; return what it got."""
        name, count, piece, got = 0, 1, 0, b""
        while piece < count:
            payload = self.updates.piece(device_id, 77, name, piece)
            assert payload is not None
            answered, name, count, given, data = parcel.unpack_update(payload)
            assert (answered, given) == (77, piece)
            got += data
            piece += 1
        return got


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_one_bip_after_another_gets_it_whole(rig: Rig) -> None:
    assert rig.offered() == []
    rig.put(IMAGE.content())
    for number in (1, 2, 3):
        assert rig.offered() == [number]
        assert rig.give_all(number) == IMAGE.content()
        rig.updates.take_status(number, NEW)
    assert rig.offered() == []
    assert rig.told == []


def test_nobody_is_offered_it_while_an_alert_lives(rig: Rig) -> None:
    rig.put(IMAGE.content())
    rig.updates.is_calm = lambda: False
    assert rig.offered() == []
    assert rig.updates.piece(1, 7, 0, 0) is None
    rig.updates.is_calm = lambda: True
    assert rig.offered() == [1]


def test_after_one_that_went_back_nobody_is_offered_it_any_more(rig: Rig) -> None:
    rig.put(IMAGE.content())
    assert rig.offered() == [1]
    rig.give_all(1)
    for _ in range(4):
        rig.updates.take_status(1, OLD)
    assert rig.offered() == []
    assert rig.told == [(FaultCode.BIP_FIRMWARE, "went back from an update", "00000001")]
    # Another image is another matter.
    rig.put(small_image(2, edition=2).content())
    assert rig.offered() == [1]


def test_one_that_never_asks_keeps_nobody_waiting_for_ever(rig: Rig) -> None:
    rig.put(IMAGE.content())
    assert rig.offered() == [1]
    for _ in range(3):
        rig.updates.take_status(2, OLD)
    assert rig.updates.waits(2)
    assert rig.offered() == [2]


def test_one_that_has_all_of_it_and_is_silent_is_followed_by_nobody(rig: Rig) -> None:
    rig.put(IMAGE.content())
    assert rig.offered() == [1]
    rig.give_all(1)
    for _ in range(20):
        rig.updates.take_status(2, OLD)
    assert not rig.updates.waits(2)


def test_a_bip_that_has_pieces_of_another_image_begins_anew(rig: Rig) -> None:
    rig.put(IMAGE.content())
    assert rig.offered() == [1]
    for name, number in ((5, 20), (0, 0), (pieces(IMAGE)[0][0], 60000)):
        payload = rig.updates.piece(1, 7, name, number)
        assert payload is not None
        assert parcel.unpack_update(payload)[3] == 0


def test_another_bip_gets_nothing(rig: Rig) -> None:
    rig.put(IMAGE.content())
    assert rig.offered() == [1]
    assert rig.updates.piece(2, 7, 0, 0) is None


def test_one_of_unknown_version_is_not_offered_it_and_a_revoked_one_is_passed_over(
    rig: Rig,
) -> None:
    rig.put(IMAGE.content())
    assert not rig.updates.waits(9)
    assert rig.offered() == [1]
    rig.updates.forget([2, 3])
    assert rig.updates.waits(2)


def test_taken_away_it_is_offered_no_more(rig: Rig) -> None:
    rig.put(IMAGE.content())
    assert rig.offered() == [1]
    rig.path.unlink()
    rig.updates.look()
    assert rig.offered() == []
    assert rig.updates.describe() is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MZ" * 500,
        IMAGE.content()[:100],
        IMAGE.head + IMAGE.body,
        IMAGE.content() + bytes(200_000),
    ],
)
def test_what_is_no_signed_image_is_refused(rig: Rig, content: bytes) -> None:
    rig.put(content)
    assert rig.offered() == []
    with pytest.raises(UsageError):
        read_offer(rig.path)


def test_it_is_named_as_the_bip_names_it() -> None:
    offer = Offer.read(IMAGE.content())
    assert offer.name == int.from_bytes(hashlib.sha256(IMAGE.head).digest()[:4], "big")
    assert (offer.version, offer.edition) == (NEW, 1)
    assert offer.pieces == len(pieces(IMAGE))


async def test_the_command_puts_it_there_and_the_bip_gets_it(
    box: DrivenBox, bip: Bip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "box.toml"
    config.write_text(
        f'data_dir = "{box.settings.data_dir}"\nreceiver_port = "{box.settings.receiver_port}"\n'
    )
    file = tmp_path / "bip.img"
    file.write_bytes(IMAGE.content())

    async def command(*words: str) -> int:
        return await asyncio.to_thread(main, ["box", "update", *words, "--config", str(config)])

    async def told(sealed: bytes) -> int:
        await box.hear(bip, sealed)
        return bip.read_reply(box.link.sent[-1][1]).waiting

    assert await told(bip.status()) == 0
    assert await command(str(file)) == 0
    await box.daemon._look_for_devices()
    assert await told(bip.status()) == frame.UPDATE_WAITS
    await box.hear(bip, bip.ask(parcel.WANTS_UPDATE, 0))
    kind, _, payload = bip.read(box.link.sent[-1][1])
    assert kind == frame.UPDATE
    answered, *_, data = parcel.unpack_update(payload)
    assert answered == bip.counter
    assert data == IMAGE.content()[: parcel.PIECE_LENGTH]
    capsys.readouterr()
    assert await asyncio.to_thread(main, ["box", "bips", "--config", str(config)]) == 0
    assert "mise à jour 1.2" in (shown := capsys.readouterr().out)
    assert "0 bips l'ont, proposée au bip 1a2b3c4d" in shown
    # A press lives: the same ask is told that nothing is kept.
    await box.hear(bip, bip.press())
    await box.hear(bip, bip.ask(parcel.WANTS_UPDATE, 0))
    assert bip.read_reply(box.link.sent[-1][1]).waiting == 0
    assert await command("--none") == 0
    assert not box.settings.update_path.exists()
    assert await command(str(file), "--none") == 2
    assert await command(str(tmp_path / "absent")) == 2
    file.write_bytes(os.urandom(300))
    assert await command(str(file)) == 2
    capsys.readouterr()
