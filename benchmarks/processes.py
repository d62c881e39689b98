"""Cores, CPU time and memory, as Linux tells them in /proc."""

import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@cache
def cores() -> tuple[int, int]:
    """The core of the engine and the core of everything else, as they were allowed when first asked for.

    Raises `RuntimeError` on a single core.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise RuntimeError("the benchmark needs two cores: one for the engine and one for its callers")
    return allowed[0], allowed[-1]


def family(pid: int) -> list[int]:
    """`pid` and all processes below it that live now."""
    members = [pid]
    for member in members:
        for task in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                members.extend(int(child) for child in task.read_text().split())
            except OSError:
                continue
    return members


def cpu_seconds(pid: int) -> float:
    """CPU time used so far by all threads of a process and the processes below it."""
    total = 0
    for member in family(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS_PER_SECOND


def rss_mb(pid: int) -> float:
    """Resident memory of a process and the processes below it, in MiB."""
    total = 0
    for member in family(pid):
        try:
            total += int(Path(f"/proc/{member}/statm").read_text().split()[1])
        except OSError:
            continue
    return total * _PAGE_BYTES / 2**20


def busy_seconds() -> dict[str, float]:
    """Seconds that each core (`cpu0`, ...), and all together (`cpu`), worked for anybody since the machine started."""
    busy = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *values = line.split()
        if name.startswith("cpu"):
            user, nice, system, _idle, _wait, interrupts, soft_interrupts, steal = map(int, values[:8])
            busy[name] = (user + nice + system + interrupts + soft_interrupts + steal) / _TICKS_PER_SECOND
    return busy


@dataclass(frozen=True, slots=True)
class CpuReading:
    """CPU time at one moment, to be compared with a later one."""

    process: float
    core: float
    machine: float

    @classmethod
    def take(cls, pid: int, core: int) -> "CpuReading":
        busy = busy_seconds()
        return cls(cpu_seconds(pid), busy[f"cpu{core}"], busy["cpu"])

    def since(self, earlier: "CpuReading", seconds: float) -> dict[str, float]:
        """Shares of one core between two readings `seconds` apart.

        `others_core_percent` is what others took of the engine's core, `other_cores_percent` what went on elsewhere:
        on a machine whose cores are threads of one, that slows the engine too.
        """
        used = self.process - earlier.process
        core = self.core - earlier.core
        elsewhere = self.machine - earlier.machine - core
        return {
            "engine_core_percent": round(100 * used / seconds, 1),
            "others_core_percent": round(100 * max(0.0, core - used) / seconds, 1),
            "other_cores_percent": round(100 * elsewhere / seconds, 1),
        }


def machine() -> dict[str, object]:
    """What the measurement ran on."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {"cores": os.cpu_count(), "cpu": model, "python": platform.python_version(), "system": platform.release()}


def commit() -> str | None:
    """The commit of the working copy, with `+` where it has uncommitted changes; None outside a working copy."""
    root = Path(__file__).resolve().parent.parent
    try:
        head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, check=True)
        status = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"], cwd=root, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.decode().strip() + ("+" if status.stdout else "")
