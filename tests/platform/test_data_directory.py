import subprocess
import sys
from pathlib import Path

import pytest

from dialtone.platform.data_directory import in_sole_use


def test_a_second_server_on_a_data_directory_is_refused_in_words(tmp_path: Path) -> None:
    with (
        in_sole_use(tmp_path / "data"),
        pytest.raises(OSError, match="another server uses"),
        in_sole_use(tmp_path / "data"),
    ):
        raise AssertionError("both were let in")
    with in_sole_use(tmp_path / "data"):
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from dialtone.platform.data_directory import in_sole_use\n"
        "with in_sole_use(pathlib.Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "in\n"
    with pytest.raises(OSError, match="another server uses"), in_sole_use(tmp_path):
        raise AssertionError("both were let in")
    holder.kill()
    holder.communicate()
    with in_sole_use(tmp_path):
        pass
