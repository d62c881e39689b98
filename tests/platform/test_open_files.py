"""Calls and strangers' connections need more files than a service is started with."""

import resource
import subprocess
import sys

from dialtone.platform.open_files import WANTED

SCRIPT = """
import resource
from dialtone.platform.open_files import allow_many
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(allow_many(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def limits(soft: int, hard: int) -> list[int]:
    """The limit that is told, and both that are set, in a process that was started with these."""
    script = SCRIPT.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return [int(number) for number in done.stdout.split()]


def test_the_limit_is_raised_as_far_as_it_may_be() -> None:
    assert limits(200, 500) == [500, 500, 500]


def test_it_is_never_lowered() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 < hard <= WANTED:
        assert limits(hard, hard) == [hard, hard, hard]
    else:
        assert limits(WANTED + 1, WANTED + 1) == [WANTED + 1] * 3
