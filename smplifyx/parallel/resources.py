"""What a machine can bear: how much fits in the memory of a device, how many processes there may
be, and which device there is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from ..core.threads import threads_at_once
from .spawning import cores

SHARE = 0.5  # of the free memory that may be taken
BYTES_PER_PROCESS = 2**30  # measured: 0.6 GB, and a batch
MOST_PROCESSES = 8  # more than these are faster than one process can read for them
CONTROL_GROUP = Path("/sys/fs/cgroup")  # of a container on Linux
FALLBACK = 2 * 2**30  # bytes believed free where the system does not tell


def how_many_fit(device: torch.device, bytes_each: int) -> int:
    """How many things of that size fit in half of the device's free memory, from 0."""
    return int(SHARE * free_bytes(device) / bytes_each)


def auto_processes() -> int:
    """Processes that can work at once on the CPU: at most one for each core, and half of the free
    memory.
    """
    allowed = min(cores(), threads_at_once(), MOST_PROCESSES)  # OMP_NUM_THREADS is heeded
    bearable = how_many_fit(torch.device("cpu"), BYTES_PER_PROCESS)
    return max(1, min(allowed, bearable))


def free_bytes(device: torch.device) -> int:
    """Free memory of the device in bytes; of a machine what can be had without swapping, of a
    container its share.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
    return min(_available(), _left_of_share())


def _available() -> int:
    """What the machine can give without swapping; a guess where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return FALLBACK
    for line in lines:
        if line.startswith("MemAvailable:"):  # "MemAvailable:    1234 kB"
            return int(line.split()[1]) * 2**10
    return FALLBACK


def _left_of_share() -> int:
    """What a container with a limit may still take; no bound without a limit."""
    try:
        limit = int((CONTROL_GROUP / "memory.max").read_text())
        taken = int((CONTROL_GROUP / "memory.current").read_text())
        statistics = (CONTROL_GROUP / "memory.stat").read_text()
        by_name = dict(line.split() for line in statistics.splitlines())
        cached = int(by_name["file"])  # files in memory, which give way
    except (OSError, ValueError, KeyError):  # no such files, or "max"
        return sys.maxsize
    return max(limit - taken + cached, 0)


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
