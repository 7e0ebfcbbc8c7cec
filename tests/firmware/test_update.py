"""An update's way onto the flash: whole and signed, or nothing, whatever the box gives."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.images import pieces, public_key, signed, small_files, small_image
from tests.firmware.test_storage import FakeNvs
from vigibip.town import device_tree
from vigibip.wire import image as wire_image
from vigibip.workshop import program_image
from vigibip.workshop.program_image import ProgramImage

update: Any = device_tree.load("bip", "update")
trial: Any = device_tree.load("bip", "trial")
slots: Any = device_tree.load("bip", "slots")

FILES = small_files()


@pytest.fixture(autouse=True)
def on_the_flash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Bip:
    """A bip's flash and NVS; each `wake` has only those."""

    def __init__(self, keys: bytes | None = None, base: bytes = wire_image.NO_BASE) -> None:
        self.nvs = FakeNvs()
        self.keys = public_key() if keys is None else keys
        self.base = base
        self.last: Any = None

    def wake(self) -> Any:
        if self.last is not None:
            self.last._close()  # nothing of a wake outlives it, its open file least
        self.last = update.Update(
            trial.State(self.nvs), self.keys, self.base, bytearray(wire_image.HEAD_MAX)
        )
        return self.last

    def state(self) -> Any:
        return trial.State(self.nvs)

    def fetch(self, image: ProgramImage, most: int = 10_000) -> Any:
        """Fetch at most so many pieces in one wake; return the wake's Update."""
        under_way = self.wake()
        give = pieces(image)
        for _ in range(most):
            wanted = under_way.wants()
            if wanted is None:
                break
            name, piece = wanted
            under_way.take(*give[piece if name == give[0][0] else 0])
        return under_way

    def install(self, image: ProgramImage) -> None:
        under_way = self.fetch(image)
        assert under_way.is_ready, under_way.ended

    def choose(self, by_button: bool = False) -> tuple[int, bool]:
        chosen: tuple[int, bool] = slots.choose(self.nvs, by_button)[:2]
        return chosen

    def confirm(self) -> None:
        trial.confirm(self.state())


def tree(folder: str) -> dict[str, bytes]:
    root = Path(folder)
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name not in ("head", "part")
    }


def test_it_is_fetched_verified_tried_and_in_force() -> None:
    bip = Bip()
    assert bip.choose() == (0, False)
    bip.install(small_image())
    assert tree("a") == FILES
    assert bip.choose() == (1, True)
    bip.confirm()
    assert bip.choose() == (1, False)


def test_the_next_one_goes_to_the_other_slot_and_the_one_after_back() -> None:
    bip = Bip()
    for number, slot in ((1, 1), (2, 2), (3, 1)):
        bip.install(small_image(number, edition=number))
        assert bip.choose() == (slot, True)
        bip.confirm()
    assert tree("a") == small_files(3)
    assert tree("b") == small_files(2)


def test_what_does_not_confirm_is_left_after_its_starts_and_never_asked_for_again() -> None:
    bip = Bip()
    bip.install(small_image(1))
    bip.choose()
    bip.confirm()
    bad = small_image(2, edition=2)
    bip.install(bad)
    assert [bip.choose() for _ in range(slots.STARTS)] == [(2, True)] * slots.STARTS
    assert [bip.choose() for _ in range(3)] == [(1, False)] * 3
    again = bip.fetch(bad)
    assert (again.ended, again.wants()) == ("not wanted", None)
    bip.install(small_image(3, edition=2))
    assert bip.choose() == (2, True)


def test_a_press_is_no_time_to_try_a_program() -> None:
    bip = Bip()
    bip.install(small_image())
    for _ in range(5):
        assert bip.choose(by_button=True) == (0, False)
    assert bip.choose() == (1, True)
    bip.confirm()
    assert bip.choose(by_button=True) == (1, False)


def test_a_press_before_the_first_start_takes_the_trial_back_until_it_is_asked_for_again() -> None:
    bip = Bip()
    image = small_image()
    bip.install(image)
    bip.state().withdraw()
    assert bip.choose() == (0, False)
    under_way = bip.fetch(image, most=1)
    assert under_way.is_ready
    assert bip.choose() == (1, True)


def test_a_program_that_cannot_begin_is_left_at_once_on_trial_or_not() -> None:
    bip = Bip()
    bip.install(small_image(1))
    bip.choose()
    slots.fail(bip.nvs, 1)
    assert bip.choose() == (0, False)
    bip.install(small_image(2))
    bip.choose()
    bip.confirm()
    bip.install(small_image(3))
    bip.choose()
    bip.confirm()
    # In force, and gone bad later: the one before it, then the one that was flashed.
    for running, before in ((2, 1), (1, 0), (0, 0)):
        slots.fail(bip.nvs, running)
        assert bip.choose() == (before, False)


def test_a_slot_that_is_being_filled_is_nothing_to_go_back_to() -> None:
    bip = Bip()
    for number in (1, 2):
        bip.install(small_image(number))
        bip.choose()
        bip.confirm()
    bip.fetch(small_image(3), most=30)
    slots.fail(bip.nvs, 2)
    assert bip.choose() == (0, False)


def test_starts_that_cannot_be_counted_are_not_tried() -> None:
    bip = Bip()
    bip.install(small_image())

    def refuses(*_: object) -> None:
        raise OSError(28)

    bip.nvs.set_blob = refuses  # type: ignore[method-assign]
    assert bip.choose() == (0, False)


@given(content=st.binary(max_size=60))
def test_garbage_in_nvs_runs_what_was_flashed(content: bytes) -> None:
    nvs = FakeNvs()
    nvs.committed.update({"slot0": content, "slot1": content})
    assert slots.choose(nvs, False)[:2] == (0, False)


@pytest.mark.parametrize("most", [1, 2, 7, 20, 33])
def test_it_goes_on_where_the_flash_ends(most: int) -> None:
    bip = Bip()
    image = small_image()
    asked = 0
    for _ in range(200):
        under_way = bip.fetch(image, most=most)
        asked += most
        if under_way.is_ready:
            break
        if most < 20:  # the head alone is more than one such wake brings, and is not kept before
            assert not Path("a/head").exists()
            return
    else:
        pytest.fail("no end")
    assert tree("a") == FILES
    # What is not on the flash yet is fetched again: less than one step each wake.
    assert asked < 4 * len(pieces(image))


def test_lost_doubled_and_reordered_pieces_change_nothing() -> None:
    chance = random.Random(5)
    bip = Bip()
    give = pieces(small_image())
    under_way = bip.wake()
    late: list[tuple[int, int, int, bytes]] = []
    for _ in range(5000):
        wanted = under_way.wants()
        if wanted is None:
            break
        right = give[wanted[1] if wanted[0] else 0]
        way = chance.randrange(4)
        if way == 0:
            late.append(right)
        elif way == 1:
            assert under_way.take(*right)
            assert not under_way.take(*right) or right[2] == 0, "doubled"
        elif way == 2 and late:
            under_way.take(*chance.choice(late))
        else:
            assert under_way.take(*right)
    assert under_way.is_ready
    assert tree("a") == FILES


def test_an_old_one_in_the_free_slot_is_not_taken_for_the_one_that_the_box_has() -> None:
    bip = Bip()
    for number in (1, 2):
        bip.install(small_image(number))
        bip.choose()
        bip.confirm()
    under_way = bip.wake()
    assert not under_way.is_ready
    assert under_way.wants() is not None
    bip.install(small_image(3))
    assert tree("a") == small_files(3)


def test_one_that_was_whole_when_the_power_went_is_ready_once_the_box_names_it() -> None:
    bip = Bip()
    image = small_image()
    assert bip.fetch(image).is_ready
    under_way = bip.fetch(image, most=1)
    assert under_way.is_ready
    assert bip.choose() == (1, True)


def test_another_image_of_the_box_begins_anew() -> None:
    bip = Bip()
    bip.fetch(small_image(1), most=30)
    bip.install(small_image(2, edition=2))
    assert tree("a") == small_files(2)


@pytest.mark.parametrize("keys", [b"", b"\0" * 56, b"short"])
def test_without_a_signer_nothing_is_asked(keys: bytes) -> None:
    assert Bip(keys).wake().wants() is None


def test_either_of_two_signers_will_do_and_no_third() -> None:
    bip = Bip(public_key(0) + public_key(1))
    bip.install(small_image(1, by=1))
    bip.install(small_image(2, by=0))
    assert bip.fetch(small_image(3, by=2)).ended == "not signed"


def test_another_signer_s_image_writes_nothing() -> None:
    bip = Bip()
    assert bip.fetch(small_image(by=1)).ended == "not signed"
    assert not Path("a").exists()
    assert bip.nvs.committed == {}


def test_a_head_that_was_changed_after_it_was_signed_writes_nothing() -> None:
    bip = Bip()
    image = small_image()
    changed = bytearray(image.head)
    changed[11] ^= 1
    assert bip.fetch(ProgramImage(bytes(changed), image.body, image.signature)).ended
    assert not Path("a").exists()


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (small_image(1, edition=4), "older than what it had"),
        (
            signed(program_image.packed("bip", FILES, edition=9, version_told=1, base=b"\x01" * 8)),
            "for another frozen build",
        ),
        (
            signed(program_image.packed("receiver", FILES, edition=9, version_told=1)),
            "for another device",
        ),
    ],
)
def test_signed_and_not_for_this_bip_is_refused_by_its_name_from_then_on(
    image: ProgramImage, why: str
) -> None:
    bip = Bip()
    bip.install(small_image(edition=5))
    bip.choose()
    bip.confirm()
    assert bip.fetch(image).ended == why
    assert not Path("b").exists()
    under_way = bip.wake()
    under_way.take(*pieces(image)[0])
    assert under_way.ended == "not wanted"


def test_the_same_edition_may_come_again_and_what_is_in_force_is_not_fetched() -> None:
    bip = Bip()
    image = small_image(1, edition=5)
    bip.install(image)
    bip.choose()
    bip.confirm()
    assert bip.fetch(image).ended == "not wanted"
    bip.install(small_image(2, edition=5))


def test_a_failed_trial_leaves_the_edition_where_it_was() -> None:
    bip = Bip()
    bip.install(small_image(1, edition=9))
    for _ in range(slots.STARTS + 1):
        bip.choose()
    bip.install(small_image(2, edition=1))


def test_for_its_own_frozen_build_it_is_taken() -> None:
    base = b"frozen!!"
    image = signed(program_image.packed("bip", FILES, edition=1, version_told=1, base=base))
    Bip(base=base).install(image)


def test_a_file_that_is_not_what_the_head_says_is_fetched_again_then_given_up() -> None:
    bip = Bip()
    image = small_image()
    body = bytearray(image.body)
    body[900] ^= 1
    damaged = ProgramImage(image.head, bytes(body), image.signature)
    under_way = bip.fetch(damaged)
    assert "not what its head says" in under_way.ended
    assert "wire/file_1.mpy" not in tree("a")
    # The next wake, from a box that gives the right ones.
    bip.install(image)
    assert tree("a") == FILES


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_the_flash_lost_meanwhile_is_seen_before_it_runs(name: str) -> None:
    bip = Bip()
    image = small_image()
    bip.fetch(image, most=len(pieces(image)) - 1)
    there = Path("a") / name
    if there.exists():
        there.write_bytes(bytes(there.stat().st_size))
    under_way = bip.fetch(image)
    assert under_way.is_ready
    assert tree("a") == FILES


def test_a_full_flash_is_told_as_such_and_the_bip_stays_what_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bip = Bip()
    image = small_image()

    def full(*_: object, **__: object) -> None:
        raise OSError(28)

    with monkeypatch.context() as patched:
        patched.setattr(update, "open", full, raising=False)
        with pytest.raises(OSError, match="28"):
            bip.fetch(image)
    assert bip.choose() == (0, False)
    bip.install(image)


@settings(max_examples=60)
@given(seed=st.integers(0, 1 << 32))
def test_whatever_comes_nothing_unsigned_is_ever_ready(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = random.Random(seed)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path_factory.mktemp("flash"))
        bip = Bip()
        give = pieces(small_image())
        for _ in range(3):
            under_way = bip.wake()
            for _ in range(400):
                wanted = under_way.wants()
                if wanted is None:
                    break
                name, count, piece, data = give[
                    wanted[1] % len(give) if chance.randrange(30) else chance.randrange(len(give))
                ]
                if not chance.randrange(40):
                    data = chance.randbytes(chance.randrange(177))
                if not chance.randrange(40):
                    name, count, piece = (
                        chance.choice((name, 0, 1)),
                        chance.choice((count, 0, 65535)),
                        chance.choice((piece, 0, 65535)),
                    )
                under_way.take(name, count, piece, data)
            if under_way.is_ready:
                assert tree("a") == FILES
