"""The sms bench's own arithmetic, and a small town without data in driven time."""

import pytest

from vigibip.town.benches import sms
from vigibip.town.benches.sms_cut import cut_figures
from vigibip.town.timeline import (
    ALERT_ARRIVED,
    ALERT_HANDED,
    ALERT_TAKEN,
    ANSWERED,
    COMING,
    PRESS,
    PTT,
    RECEIPT,
    RECEIPT_ARRIVED,
    RECEIPT_HANDED,
    RECEIPT_TAKEN,
)

MS = 1_000_000


def press_of(ours_ms: int) -> dict[str, int]:
    """A press on which modems took 4 s and 2 s, the operator 3 s twice, and we three shares."""
    moments_ms = {PRESS: 0, ALERT_HANDED: ours_ms}
    moments_ms[ALERT_TAKEN] = moments_ms[ALERT_HANDED] + 4_000
    moments_ms[ALERT_ARRIVED] = moments_ms[ALERT_TAKEN] + 3_000
    moments_ms[PTT] = moments_ms[ALERT_ARRIVED] + 1
    moments_ms[RECEIPT_HANDED] = moments_ms[ALERT_ARRIVED] + ours_ms
    moments_ms[RECEIPT_TAKEN] = moments_ms[RECEIPT_HANDED] + 2_000
    moments_ms[RECEIPT_ARRIVED] = moments_ms[RECEIPT_TAKEN] + 3_000
    moments_ms[RECEIPT] = moments_ms[RECEIPT_ARRIVED] + ours_ms
    moments_ms[ANSWERED] = 20_000
    moments_ms[COMING] = 27_000
    return {stage: (5_000 + at_ms) * MS for stage, at_ms in moments_ms.items()}


def test_our_own_share_is_what_modems_and_operator_did_not_take() -> None:
    assert sms.own_share_ms(press_of(7)) == pytest.approx(21)
    figures = sms._figures("known_down", [press_of(7)] * 99 + [press_of(200)])
    assert figures["known_down_own_share_p50_ms"] == 21
    assert figures["known_down_own_share_p99_ms"] == 21
    assert figures["known_down_press_to_receipt_p50_s"] == 12.02
    assert figures["known_down_both_modems_took_p99_s"] == 6
    assert figures["known_down_answer_to_palm_p50_s"] == 7


async def test_a_small_town_without_data_keeps_every_target() -> None:
    figures = await cut_figures(boxes=3)
    assert figures["town_cut_alerts"] == 3
    assert figures["town_cut_felt_coming"] == 3
    for key, ceiling in sms._TARGETS.items():
        if key.startswith("town_cut_"):
            value = figures[key]
            assert isinstance(value, (int, float))
            assert value <= ceiling, key


def test_every_target_has_a_figure() -> None:
    figures = sms._figures("known_down", [press_of(1)]) | sms._figures("unnoticed", [press_of(1)])
    real = {key for key in sms._TARGETS if not key.startswith("town_cut_")}
    assert real <= set(figures)
