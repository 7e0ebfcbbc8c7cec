"""Ids: one text for one press, and nothing else passes for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigibip.alert.ids import AlertId, is_box_id

U32 = st.integers(0, 0xFFFFFFFF)


@given(U32, U32)
def test_an_alert_id_comes_back(device_id: int, press: int) -> None:
    alert_id = AlertId(device_id, press)
    assert AlertId.parse(str(alert_id)) == alert_id
    assert len(str(alert_id)) == 16
    assert int(str(alert_id), 16) == device_id << 32 | press


def test_it_is_written_as_the_guides_say() -> None:
    assert str(AlertId(0xA1B2C3D4, 42)) == "a1b2c3d40000002a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a1b2c3d40000002",
        "a1b2c3d40000002a0",
        "A1B2C3D40000002A",
        "a1b2c3d4 000002a",
        "a1b2c3d4_00002a1",
        "0xb2c3d40000002a",
        "+1b2c3d40000002a",
        "a1b2c3d40000002a\n",
        "a1b2c3d40000002\n",
        "١١١١١١١١١١١١١١١١",
    ],
)
def test_another_text_is_no_alert_id(text: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        AlertId.parse(text)


@pytest.mark.parametrize("text", ["box-00000000", "box-zzzz9999"])
def test_a_box_id(text: str) -> None:
    assert is_box_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "box-",
        "box-0000000",
        "box-000000000",
        "box-ABCDEFGH",
        "box-0000000/",
        "box-000000+0",
        "box-0000000#",
        "box-00000000\n",
        " box-00000000",
        "box_00000000",
        "box-éééééééé",
        "post",
    ],
)
def test_no_box_id(text: str) -> None:
    assert not is_box_id(text)
