"""The power goes at every write of an update; what the bip starts then is whole, and goes on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.firmware.images import public_key, small_image
from vigibip.town import device_tree

HERE = Path(__file__).parent

pytestmark = [pytest.mark.requires_program("micropython"), pytest.mark.slow]


@pytest.mark.parametrize("quarters_kept", [0, 2, 4])
def test_a_cut_at_every_write_of_flash_and_nvs_leaves_a_whole_program(
    tmp_path: Path, quarters_kept: int
) -> None:
    device_tree.stage("bip", tmp_path / "flash")
    for number, name in enumerate(("zero", "one", "two")):
        # Two files, one of several steps, one in a package: all that can be cut is in them.
        made = small_image(number, edition=number + 1)
        (tmp_path / f"{name}.img").write_bytes(made.content())
    (tmp_path / "keys").write_bytes(public_key())
    done = subprocess.run(
        [
            *("micropython", "-X", "heapsize=2M", str(HERE / "update_on_littlefs.py")),
            *(str(tmp_path / "flash"), str(tmp_path), str(quarters_kept)),
        ],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    # Files that were open in the cut complain when the collector closes them, on the same output.
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["old"] + told["new"] == told["writes"] > 100
    # Only once it was put on trial does the new one run.
    assert told["old"] > told["new"] > 0
