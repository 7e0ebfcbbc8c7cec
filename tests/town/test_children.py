"""The town's processes end with it, however it ends."""

import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from vigibip.town.children import Children
from vigibip.town.errors import TownError

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
DEAF = [
    *(sys.executable, "-c"),
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(600)",
]


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return False


async def until(condition, deadline_s: float = 20.0) -> None:
    async with asyncio.timeout(deadline_s):
        # Another process's end or words come with no event of ours.
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.fixture
async def children(tmp_path: Path):
    children = Children(tmp_path, os.environ)
    yield children
    await children.close()


async def test_close_ends_what_runs(children: Children) -> None:
    started = [await children.start(f"sleeper-{n}", SLEEPER) for n in range(3)]
    await until(lambda: all("up" in child.log_tail() for child in started))
    await children.close()
    assert not any(is_alive(child.pid) for child in started)


async def test_what_ignores_sigterm_is_killed(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vigibip.town.children._TERM_DEADLINE_S", 0.2)
    child = await children.start("deaf", DEAF)
    await until(lambda: "up" in child.log_tail())
    await child.stop()
    assert child.process.returncode == -signal.SIGKILL


async def test_a_sigkill_of_the_town_leaves_no_child(tmp_path: Path) -> None:
    town = textwrap.dedent(
        f"""
        import asyncio, os, sys
        from pathlib import Path
        from vigibip.town.children import Children

        async def main():
            children = Children(Path({str(tmp_path)!r}), os.environ)
            for number in range(2):
                child = await children.start(f"sleeper-{{number}}", {SLEEPER!r})
                print(child.pid, flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
        """
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", town), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    pids = [int(await process.stdout.readline()) for _ in range(2)]
    assert all(is_alive(pid) for pid in pids)
    process.kill()
    await process.wait()
    await until(lambda: not any(is_alive(pid) for pid in pids))


async def test_run_returns_stdout_and_hands_stdin_over(children: Children) -> None:
    echo = [sys.executable, "-c", "import sys; print(sys.stdin.read().upper())"]
    assert (await children.run("echo", echo, stdin="clé")).strip() == "CLÉ"


async def test_a_failing_run_tells_its_last_words(children: Children) -> None:
    with pytest.raises(TownError, match=r"(?s)exit code 3.*no such shop"):
        await children.run(
            "failing",
            [sys.executable, "-c", "import sys; sys.stderr.write('no such shop'); sys.exit(3)"],
        )


async def test_a_run_that_takes_too_long_is_ended(children: Children) -> None:
    with pytest.raises(TownError, match="no end within"):
        await children.run("slow", SLEEPER, deadline_s=0.3)
    assert children.running == []


async def test_a_program_that_is_not_there_is_told(children: Children) -> None:
    with pytest.raises(TownError, match="does not start"):
        await children.start("none", ["vigibip-no-such-program"])
