"""How many people fit side by side in a device's memory."""

from __future__ import annotations

import os

import torch

BYTES_PER_PERSON = 4 * 2**20  # measured: 1.2 MB (default preset, float32); the 2019 preset and big models need more
SHARE = 0.5  # of the free memory that a batch may take
LARGEST = {"cpu": 256, "cuda": 4096}  # a CPU gains nothing from more, and a killed run loses no more than this
FALLBACK = 2 * 2**30  # bytes believed free where the system does not tell


def auto_batch_size(device: torch.device) -> int:
    """People per batch that fit in half of the device's free memory: 1 to 256 on a CPU, to 4096 on a GPU."""
    fitting = int(SHARE * free_bytes(device) / BYTES_PER_PERSON)
    return max(1, min(fitting, LARGEST.get(device.type, LARGEST["cpu"])))


def free_bytes(device: torch.device) -> int:
    """Free memory of the device in bytes."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        return FALLBACK


def pick_device(name: str) -> torch.device:
    """The device of that name; 'auto' is the first GPU, else the CPU. Raises ValueError for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device {name!r}: expected auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {name!r}: this machine has {torch.cuda.device_count()} CUDA devices")
    return device
