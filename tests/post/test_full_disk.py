"""A file system without a byte left, real: the post starts on it, relays, and heals."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.post.harness import until
from tests.post.place import Place, deliver, press_until

pytestmark = [
    pytest.mark.xdist_group("post-process"),
    pytest.mark.slow,
    pytest.mark.requires_program("unshare"),
]

# In a mount namespace of its own: nobody else sees this file system, and it ends with the post.
_ON_A_FULL_DISK = """
set -e
mount -t tmpfs -o size=8m none "$1"
cp -a "$2/." "$1"
mount --bind "$1" "$2"
head -c 16m /dev/zero > "$2/filler" 2> /dev/null || true
shift 2
exec "$@"
"""


def may_mount() -> bool:
    """Tell whether this machine lets the tests have a file system of their own."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    tried = subprocess.run(command, check=False, capture_output=True)
    return tried.returncode == 0


async def test_a_post_that_starts_on_a_full_disk_relays_and_heals(place: Place) -> None:
    if not may_mount():
        pytest.skip("this machine lets nobody mount a file system of their own")
    box = await place.add_box("Tabac")
    before = await place.run()
    await deliver(box, f"{1:016x}")
    await before.stop()
    on_air = len(place.channel.transmissions)

    full = place.directory / "full"
    full.mkdir()
    script = ["sh", "-c", _ON_A_FULL_DISK, "sh", str(full), str(place.data_dir)]
    post = await place.run("unshare", "--mount", *script)
    # The incident from before, which nobody has answered, then the new press.
    await until(lambda: len(place.channel.transmissions) > on_air, 30)
    seen = Path(f"/proc/{post.pid}/root{place.data_dir}")
    assert os.statvfs(seen).f_bavail == 0
    await press_until(box, f"{2:016x}", lambda: len(place.channel.transmissions) > on_air + 1)
    assert box.accepted == [f"{1:016x}"]
    assert post.running

    (seen / "filler").unlink()
    await until(lambda: box.accepted == [f"{1:016x}", f"{2:016x}"], 60)
    await post.stop()
