"""`scripts/demo --once`: one press through every process and back to the palm."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from vigibip.cli.bootstrap import COMMANDS, is_ready
from vigibip.town.timeline import STAGES

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 150

pytestmark = [
    pytest.mark.requires_program("micropython"),
    pytest.mark.xdist_group("real-town"),
    pytest.mark.slow,
]


def demo_command() -> list[str]:
    lock, command = COMMANDS["demo"]
    if is_ready(lock):
        return [str(ROOT / "scripts" / "demo")]
    # An environment that was not made by the launcher is not the launcher's to change.
    return [sys.executable, *command]


async def run_demo(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(*demo_command(), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT / "hub")},
    )
    try:
        out, talk = await asyncio.wait_for(process.communicate(), LIMIT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), talk.decode()


async def test_one_press_goes_through_everything_and_the_answer_is_felt() -> None:
    code, out, talk = await run_demo("--once", "--json")
    assert code == 0, talk
    told = json.loads(out)
    at_ms = {stage["stage"]: stage["ms"] for stage in told["stages"]}
    assert told["felt"] is True
    assert told["failed_stage"] is None
    assert set(at_ms) <= set(STAGES)
    order = [
        ["press", "bip.sent", "box.opened", "box.stored", "bip.heard"],
        ["box.opened", "post.received", "post.committed", "radio.ptt", "radio.audio"],
        # Handed to the broker, the receipt may be at the box before the post has said so.
        ["post.committed", "post.receipted"],
        ["post.committed", "box.receipt", "bip.delivered"],
        ["radio.audio", "officer.keyed", "post.answered", "box.answer", "bip.coming"],
    ]
    for chain in order:
        # "Delivered" implies "heard": with a slow disk it may be felt in its place.
        times = [at_ms[stage] for stage in chain if stage in at_ms or stage != "bip.heard"]
        assert times == sorted(times), chain
    assert told["total_s"] > told["ready_s"] > 0


async def test_without_data_the_same_press_goes_by_sms() -> None:
    code, out, talk = await run_demo("--once", "--data-cut", "--json")
    assert code == 0, talk
    told = json.loads(out)
    at_ms = {stage["stage"]: stage["ms"] for stage in told["stages"]}
    assert told["felt"] is True
    assert set(at_ms) <= set(STAGES)
    order = [
        ["box.opened", "sms.alert.modem", "sms.alert.operator", "sms.alert.delivered"],
        ["sms.alert.delivered", "post.sms_received", "post.committed", "radio.ptt"],
        ["post.committed", "sms.receipt.modem", "sms.receipt.operator", "sms.receipt.delivered"],
        ["sms.receipt.delivered", "box.receipt", "bip.delivered"],
        ["post.answered", "sms.coming.modem", "sms.coming.delivered", "box.answer", "bip.coming"],
    ]
    for chain in order:
        assert [at_ms[stage] for stage in chain] == sorted(at_ms[stage] for stage in chain), chain


async def test_the_data_is_cut_in_the_scripted_run_alone() -> None:
    code, out, talk = await run_demo("--data-cut")
    assert code == 2
    assert out == ""
    assert "--once" in talk


async def test_without_a_terminal_the_keyboard_demo_says_what_to_do() -> None:
    code, out, talk = await run_demo()
    assert code == 1
    assert out == ""
    assert "--once" in talk
