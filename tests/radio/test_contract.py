"""An announcement that makes no sense is refused before it reaches a radio."""

from dataclasses import FrozenInstanceError

import pytest

from tests.radio.rig import announcement


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 0},
        {"number": 1000},
        {"number": -1},
        {"shop_clip": "../x"},
        {"shop_clip": ""},
        {"round_no": 0},
        {"joined_presses": -1},
        {"age_s": -1},
        {"selcall": ""},
        {"selcall": "12E"},
        {"selcall": "1" * 16},
        {"digest_of": 1},
    ],
)
def test_out_of_range(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says which
        announcement(**changes)


def test_it_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        announcement().number = 3  # type: ignore[misc]
