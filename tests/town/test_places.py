"""The town's files: gone when it is left, and gone with the next town when it was killed."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

from vigibip.town.places import Place, free_ports


def test_a_place_is_gone_once_it_is_left(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (place.make("logs") / "box.log").write_text("x")
    place.leave()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_town_left_is_removed_by_the_next_but_a_living_one_is_not(
    tmp_path: Path,
) -> None:
    code = "from vigibip.town.places import Place; from pathlib import Path; import os, signal\n"
    code += f"Place(Path({str(tmp_path)!r})).make('logs'); os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = tmp_path.iterdir()
    living = Place(tmp_path)
    assert not left.exists()
    other = Place(tmp_path)
    assert living.root.exists()
    living.leave()
    other.leave()


def test_a_stranger_s_directory_of_a_like_name_is_left_alone(tmp_path: Path) -> None:
    stranger = tmp_path / "vigibip-town-stranger"
    stranger.mkdir()
    Place(tmp_path).leave()
    assert stranger.exists()
    shutil.rmtree(stranger)


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports(8)
    assert len(set(ports)) == 8
    for port in ports:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", port))
