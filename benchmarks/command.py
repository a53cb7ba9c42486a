"""The whole command on many people: how long, where the time goes, and whether memory stays flat.

    python -m benchmarks.command --people 5000 [--preset smplx] [--overlay] [--report] [--photos 1000]

Makes a folder of keypoint files, one generated person each (embedded body, held-out mocap poses,
seed 7), the first `--photos` of them with a photo of 1000 x 1000 pixels, runs `smplifyx fit` on it
in a process of its own, and samples the memory of that process and of those it begins. `--folder`
keeps the input for the next time. `--processes` and `--batch-size` are those of the command.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from smplifyx.body.loading.files import load_body
from smplifyx.data.mocap import heldout_poses
from smplifyx.data.synthetic import GenerateOptions, generate_people

CHUNK = 1000  # people generated at once
EVERY = 2.0  # seconds between two looks at the memory, which take some 30 ms of a core each
MIB = 2**20
MOMENTS = (0.2, 0.5, 1.0)  # of the run


@dataclass(frozen=True)
class Sample:
    """Memory in MiB at one moment: of the command's own process, and of those it began, shared
    pages counted once.
    """

    seconds: float
    own: float
    others: float


def make_input(folder: Path, mocap: Path, people: int, photos: int) -> None:
    """Keypoint files and photos that are not there yet."""
    for place in ("keypoints", "photos"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    lacking = [
        at
        for at in range(0, people, CHUNK)
        if not _keypoints(folder, min(at + CHUNK, people) - 1).exists()
    ]
    body = load_body(None)
    poses = heldout_poses(mocap, body.joint_template.double().numpy()) if lacking else None
    for begin in lacking:
        made = generate_people(body, poses, CHUNK, 7 + begin, GenerateOptions())
        for index, points in enumerate(made.keypoints.to_array()[: people - begin].numpy(), begin):
            _write_person(_keypoints(folder, index), points)
    photo = cv2.imencode(".jpg", _gradient(1000))[1].tobytes()
    for index in range(photos):
        path = folder / "photos" / f"{index:06d}.jpg"
        if not path.exists():
            path.write_bytes(photo)


def _keypoints(folder: Path, index: int) -> Path:
    return folder / "keypoints" / f"{index:06d}_keypoints.json"


def _write_person(path: Path, points: np.ndarray) -> None:
    parts = np.split(points, np.cumsum([25, 21, 21]))
    names = ("pose", "hand_left", "hand_right", "face")
    person = {
        f"{name}_keypoints_2d": np.round(part, 3).ravel().tolist()
        for name, part in zip(names, parts, strict=True)
    }
    path.write_text(json.dumps({"version": 1.3, "people": [person]}), encoding="utf-8")


def _gradient(side: int) -> np.ndarray:
    return np.broadcast_to(
        np.linspace(60, 200, side, dtype=np.uint8)[None, :, None], (side, side, 3)
    ).copy()


def run(arguments: Sequence[str], figures: Path) -> tuple[dict, list[Sample]]:
    """Runs a command under the stopwatch; its figures and its memory over time.

    Raises CalledProcessError.
    """
    command = [sys.executable, "-m", "benchmarks.stopwatch", str(figures), *arguments]
    begun = time.perf_counter()
    child = subprocess.Popen(command)
    samples = []
    while child.poll() is None:
        own, *others = (_memory(pid) for pid in _family(child.pid))
        samples.append(Sample(time.perf_counter() - begun, own, sum(others)))
        time.sleep(EVERY)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return json.loads(figures.read_text(encoding="utf-8")), samples


def _family(pid: int) -> Iterator[int]:
    """A process and all that it began, itself first."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:  # it has ended
            continue
        for child in children:
            yield from _family(int(child))


def _memory(pid: int) -> float:
    """Its share of the memory, in MiB; 0 where it has ended. Linux."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def describe(figures: dict, samples: Sequence[Sample], people: int) -> str:
    """Tables in Markdown: time by part, memory by moment."""
    own, others, wall, starting = (
        figures[name] for name in ("cpu", "cpu_others", "wall", "starting")
    )
    total, solver = own + others, figures["parts"]["solver"]["cpu"]
    lines = [
        f"wall {wall:.1f} s, of it {starting:.1f} s before the first file; {people / wall:.1f} people/s, "
        f"{people / (wall - starting):.1f} without the start",
        f"processor {total:.1f} s, {1000 * total / people:.1f} ms per person: {own:.1f} s in its own process, "
        f"{others:.1f} s in {figures['processes']} others; {100 * solver / total:.1f} % of all in the solver",
        "\n| part | processor s | share of processor | wall s | share of wall |\n|---|---|---|---|---|",
    ]
    for name, part in figures["parts"].items():
        cpu, seconds = part["cpu"], part["wall"]
        lines.append(
            f"| {name} | {cpu:.1f} | {100 * cpu / total:.1f} % | {seconds:.1f} | {100 * seconds / wall:.1f} % |"
        )
    lines.append("\n| peak memory, MiB | own process | with all others |\n|---|---|---|")
    for moment in MOMENTS:
        until = [
            sample for sample in samples if sample.seconds <= moment * samples[-1].seconds
        ] or samples[:1]
        own, all_ = max(s.own for s in until), max(s.own + s.others for s in until)
        lines.append(f"| after {moment:.0%} of the run | {own:.0f} | {all_:.0f} |")
    return "\n".join(lines)


def machine() -> str:
    """What it ran on, in one line."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, torch {torch.__version__}, load {os.getloadavg()[0]:.1f} at the start"


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mocap", type=Path, default=Path("../shared/data/mocap"))
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--photos", type=int, default=1000, help="people who have a photo")
    parser.add_argument("--preset", nargs="+", default=["smplx"])
    parser.add_argument("--overlay", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--processes", default="auto", help="that fit, as for the command")
    parser.add_argument("--batch-size", default="auto", help="as for the command")
    parser.add_argument(
        "--folder", type=Path, help="keeps the input here; none: a temporary folder"
    )
    return parser.parse_args()


def main() -> None:
    """Prints protocol, machine and tables."""
    options = arguments()
    print(
        f"{machine()}\n{options.people} keypoint files of one generated person each, {options.photos} with a photo"
    )
    with tempfile.TemporaryDirectory() as scratch:
        source = options.folder or Path(scratch) / "input"
        make_input(source, options.mocap, options.people, min(options.photos, options.people))
        if (found := sum(1 for _ in (source / "keypoints").iterdir())) != options.people:
            raise SystemExit(
                f"{source} holds {found} people: say --people {found}, or choose another --folder"
            )
        for preset in options.preset:
            out = Path(scratch) / preset
            command = [
                "fit",
                str(source / "keypoints"),
                "--images",
                str(source / "photos"),
                "--out",
                str(out),
            ]
            command += ["--preset", preset, "--quiet"]
            command += ["--processes", options.processes, "--batch-size", options.batch_size]
            command += [f"--{name}" for name in ("overlay", "report") if getattr(options, name)]
            figures, samples = run(command, Path(scratch) / "figures.json")
            said = f"--preset {preset} --processes {options.processes} --batch-size {options.batch_size}"
            print(f"\n## {said}" + " --overlay" * options.overlay + " --report" * options.report)
            print(describe(figures, samples, options.people), flush=True)


if __name__ == "__main__":
    main()
