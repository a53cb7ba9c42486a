"""Kills at random moments: does the same command again end as if nothing had happened?

    python -m benchmarks.kills --count 100 [--photos 16] [--seed 0] [--folder FOLDER]

Makes a small folder of keypoints and photos (the people of `examples/data`, moved a little), fits
and draws it once undisturbed (`--preset fast --overlay --report --batch-size 4`), with one process
and with two: the references. Then the same command is run into other folders, every second one with
`--processes 2`, and something is killed at a moment that is drawn evenly from the time that an
undisturbed run takes: the command itself (SIGKILL), after which it is run again into the same folder; or,
where it has begun such, a process that fits or one that draws (SIGKILL, SIGSEGV or SIGTERM), after
which it goes on, and may be hit again. When a command has ended by itself its folder is compared
with the reference, and the next folder begins.

Compared are the names of all files, every array of every result but `seconds`, every line of the
summary but for that column, the bytes of pictures, pages but for their seconds, and the
configuration. A photo whose drawing died with several processes may lack until the command is run
once more: those are counted, and the folder is compared again after that.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
import yaml

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples" / "data" / "keypoints"
CHILD_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)
LONGEST = 600.0  # seconds after which a command hangs
CLOCKED = re.compile(rb"[\d.]+ s<")  # of a page: "0.31 s</td>"


@dataclass
class Tally:
    """What became of the kills."""

    killed: Counter[str] = field(default_factory=Counter)  # by what was killed
    two_processes: int = 0  # kills in commands with `--processes 2`
    folders: int = 0
    identical: int = 0  # folders
    identical_once_more: int = 0  # after the command was run once more
    temporaries: int = 0  # seen after kills
    faults: list[str] = field(default_factory=list)


def make_input(folder: Path, photos: int, seed: int) -> tuple[Path, Path]:
    """Keypoint files of one or two people, a camera and a photo for each; folders of both."""
    rng = np.random.default_rng(seed)
    people = [
        json.loads(path.read_text())["people"][0] for path in sorted(EXAMPLES.glob("g*s.json"))
    ]
    keypoints, images = folder / "keypoints", folder / "photos"
    keypoints.mkdir(parents=True)
    images.mkdir()
    for i in range(photos):
        chosen = [people[i % len(people)], people[(i + 1) % len(people)]][: 1 + i % 2]
        moved = [_moved(person, rng) for person in chosen]
        (keypoints / f"p{i:03d}_keypoints.json").write_text(json.dumps({"people": moved}))
        photo = rng.integers(0, 255, (10, 10, 3), dtype=np.uint8)
        cv2.imwrite(str(images / f"p{i:03d}.png"), cv2.resize(photo, (1000, 1000)))
    return keypoints, images


def _moved(person: dict[str, list[float]], rng: np.random.Generator) -> dict[str, list[float]]:
    """A person with every seen point moved by a pixel or so."""
    moved = {}
    for name, values in person.items():
        points = np.array(values, dtype=float)
        if len(points) % 3 == 0 and len(points):
            rows = points.reshape(-1, 3)
            rows[:, :2] += rng.normal(0, 1, (len(rows), 2)) * (rows[:, 2:] > 0)
        moved[name] = points.round(3).tolist()
    return moved


def state_of(out: Path) -> dict[str, str]:
    """Digests of everything that a job leaves, by name, apart from clocks and the folder's own
    name.
    """
    state: dict[str, str] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_dir():
            continue
        state[name] = hashlib.sha256(_content(path)).hexdigest() if name != "log.txt" else ""
    return state


def _content(path: Path) -> bytes:
    """What counts of a file."""
    if path.suffix == ".npz":
        with np.load(path) as archive:
            arrays = [(key, archive[key]) for key in archive.files if key != "seconds"]
        return b"".join(
            f"{key} {value.dtype} {value.shape}".encode() + value.tobytes() for key, value in arrays
        )
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [{**row, "seconds": ""} for row in csv.DictReader(stream)]
        return json.dumps(rows).encode()
    content = path.read_bytes()
    if path.suffix == ".html":
        return CLOCKED.sub(b"", content)
    if path.name == "config.yaml":
        record = yaml.safe_load(content)
        record["smplifyx"].pop("out")
        return json.dumps(record).encode()
    return content


def differences(reference: dict[str, str], state: dict[str, str]) -> list[str]:
    """Names of files that are not what they should be, with what is wrong."""
    found = [f"lacks {name}" for name in reference.keys() - state.keys()]
    found += [f"left over {name}" for name in state.keys() - reference.keys()]
    found += [
        f"differs {name}"
        for name in reference.keys() & state.keys()
        if reference[name] != state[name]
    ]
    return sorted(found)


@dataclass(frozen=True)
class Job:
    """One command, and where it writes which processes it has begun."""

    keypoints: Path
    images: Path
    out: Path
    processes: int

    def start(self) -> subprocess.Popen[bytes]:
        """Begins it; what it says is dropped."""
        self.begun.unlink(missing_ok=True)
        command = [sys.executable, "-m", "benchmarks.kills_command", str(self.begun)]
        command += [
            "fit",
            str(self.keypoints),
            "--images",
            str(self.images),
            "--out",
            str(self.out),
        ]
        command += ["--preset", "fast", "--overlay", "--report", "--batch-size", "4", "--quiet"]
        command += ["--processes", str(self.processes)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        silent = subprocess.DEVNULL
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=silent, stderr=silent)

    @property
    def begun(self) -> Path:
        """The file with the processes of the command."""
        return self.out.with_suffix(".processes")

    def children(self, command: int) -> list[tuple[str, int]]:
        """("fit" or "draw", number) of the processes that live and that this command began."""
        if not self.begun.exists():
            return []
        lines = [line.split() for line in self.begun.read_text().splitlines()]
        return [(kind, int(number)) for kind, number in lines if _lives(int(number), command)]


def _lives(process: int, parent: int) -> bool:
    """Whether it runs, and is that parent's: its number may be somebody else's by now."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return False
    return fields[0] != "Z" and int(fields[1]) == parent


def disturbed(job: Job, duration: float, left: int, rng: random.Random, tally: Tally) -> bool:
    """One run that is hit at random moments; whether it ended by itself. At most `left` kills."""
    run = job.start()
    deadline = time.monotonic() + LONGEST
    while left > 0:
        moment = time.monotonic() + rng.uniform(0.0, duration)
        while time.monotonic() < moment and run.poll() is None:
            time.sleep(0.005)
        if run.poll() is not None:
            break
        kinds = {kind for kind, _ in job.children(run.pid)}
        target = rng.choice(["command", *sorted(kinds)])
        if target == "command":
            run.kill()
        else:
            numbers = [number for kind, number in job.children(run.pid) if kind == target]
            if not numbers:
                continue
            try:
                os.kill(rng.choice(numbers), rng.choice(CHILD_SIGNALS))
            except ProcessLookupError:
                continue
        left -= 1
        tally.killed[target] += 1
        tally.two_processes += job.processes == 2
        if target == "command":
            run.wait()
            tally.temporaries += len(list(job.out.rglob(".*.tmp")))
            return False
    try:
        code = run.wait(max(deadline - time.monotonic(), 1.0))
    except subprocess.TimeoutExpired:
        run.kill()
        run.wait()
        tally.faults.append(f"{job.out.parent.name}: hung")
        return True
    if code != 0:
        tally.faults.append(f"{job.out.parent.name}: ended with code {code}")
    return True


def compare(job: Job, reference: dict[str, str], tally: Tally) -> None:
    """Counts what became of a folder whose command ended by itself."""
    tally.folders += 1
    found = differences(reference, state_of(job.out))
    if not found:
        tally.identical += 1
        return
    job.start().wait()
    again = differences(reference, state_of(job.out))
    if again:
        tally.faults += [f"{job.out.parent.name}: {fault}" for fault in again[:5]]
    else:
        tally.identical_once_more += 1
        print(
            f"  {job.out.parent.name}: {len(found)} mended by the same command, e.g. {found[0]}",
            flush=True,
        )


def describe(tally: Tally, seconds: float) -> str:
    """The result, in lines."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.killed.items()))
    lines = [
        f"{tally.killed.total()} kills ({kinds}), {tally.two_processes} with --processes 2, {seconds:.0f} s",
        f"{tally.folders} folders: {tally.identical} bit-identical at once, "
        f"{tally.identical_once_more} after the command was run once more",
        f"half-written files seen right after kills: {tally.temporaries}; at the end: none but those below",
        f"faults: {len(tally.faults)}",
        *tally.faults,
    ]
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100, help="kills")
    parser.add_argument("--photos", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="kept; none: a temporary one")
    return parser.parse_args()


def main() -> None:
    """Prints protocol, machine and result; the exit code is 1 where there is a fault."""
    options = arguments()
    print(__doc__)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, "
        f"load {os.getloadavg()[0]:.1f}, seed {options.seed}, {options.photos} photos\n"
    )
    rng = random.Random(options.seed)
    tally = Tally()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        home = options.folder or Path(scratch)
        keypoints, images = make_input(home / "input", options.photos, options.seed)
        references: dict[int, dict[str, str]] = {}
        durations: dict[int, float] = {}
        for processes in (1, 2):
            job = Job(keypoints, images, home / f"reference_{processes}" / "out", processes)
            job.out.parent.mkdir()
            start = time.monotonic()
            if job.start().wait() != 0:
                raise SystemExit("the undisturbed command failed")
            durations[processes] = time.monotonic() - start
            references[processes] = state_of(job.out)
        while tally.killed.total() < options.count and len(tally.faults) < 20:
            processes = 1 + tally.folders % 2
            job = Job(keypoints, images, home / f"folder_{tally.folders}" / "out", processes)
            job.out.parent.mkdir()
            ended = False
            while not ended:
                before = tally.killed.total()
                start = time.monotonic()
                left = options.count - before
                ended = disturbed(job, durations[processes], left, rng, tally)
                if ended and before == tally.killed.total():  # the machine is less busy by now
                    durations[processes] = time.monotonic() - start
            compare(job, references[processes], tally)
            shutil.rmtree(job.out.parent)
    print(describe(tally, time.monotonic() - begun))
    raise SystemExit(1 if tally.faults else 0)


if __name__ == "__main__":
    main()
