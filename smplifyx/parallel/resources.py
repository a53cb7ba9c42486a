"""How many people fit side by side in a device's memory, and how many processes in that of the
machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from .spawning import cores

# measured: 1.2 MB (default preset, float32); the 2019 preset and big models need more
BYTES_PER_PERSON = 4 * 2**20
SHARE = 0.5  # of the free memory that a batch may take
# a CPU gains nothing from more, and a killed run loses no more than this
LARGEST = {"cpu": 256, "cuda": 4096}
BYTES_PER_PROCESS = 2**30  # measured: 0.6 GB, and a batch
MOST_PROCESSES = 8  # more than these are faster than one process can read for them
CONTROL_GROUP = Path("/sys/fs/cgroup")  # of a container on Linux
FALLBACK = 2 * 2**30  # bytes believed free where the system does not tell


def auto_batch_size(device: torch.device) -> int:
    """People per batch that fit in half of the device's free memory: 1 to 256 on a CPU, to 4096 on
    a GPU.
    """
    fitting = int(SHARE * free_bytes(device) / BYTES_PER_PERSON)
    return max(1, min(fitting, LARGEST.get(device.type, LARGEST["cpu"])))


def auto_processes() -> int:
    """Processes that can fit at once on the CPU: at most one for each core, and half of the free
    memory.
    """
    allowed = min(cores(), torch.get_num_threads(), MOST_PROCESSES)  # OMP_NUM_THREADS is heeded
    return max(1, min(allowed, int(SHARE * free_bytes(torch.device("cpu")) / BYTES_PER_PROCESS)))


def free_bytes(device: torch.device) -> int:
    """Free memory of the device in bytes; of a machine what can be had without swapping, of a
    container its share.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return min(_available(), _left_of_share())


def _available() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(
            int(line.split()[1]) * 2**10 for line in lines if line.startswith("MemAvailable:")
        )
    except (OSError, StopIteration):  # not on every system
        return FALLBACK


def _left_of_share() -> int:
    """What a container with a limit may still take, cached files not counted; no bound without a
    limit.
    """
    try:
        most, taken, stat = (
            (CONTROL_GROUP / f"memory.{name}").read_text() for name in ("max", "current", "stat")
        )
        cached = int(dict(line.split() for line in stat.splitlines())["file"])
        return max(int(most) - int(taken) + cached, 0)
    except (OSError, ValueError, KeyError):  # no such files, or "max"
        return sys.maxsize


def pick_device(name: str) -> torch.device:
    """The device of that name; 'auto' is the first GPU, else the CPU.

    Raises ValueError for one that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device {name!r}: expected auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name!r}: this machine has {torch.cuda.device_count()} CUDA devices"
        )
    return device
