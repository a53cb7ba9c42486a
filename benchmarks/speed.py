"""How fast, at what energy and 3D error: every preset at several batch sizes against a plain fit of
the 2019 kind.

    python -m benchmarks.speed --mocap FOLDER [--people 512] [--baseline-people 3] [--presets smplx fast] \
        [--batches 1 8 64 512] [--threads 2] [--processes 0 2] [--device cpu] [--figure speed.png]

The same generated people (embedded body, held-out mocap poses; body, hands and face; seed 0) for
all. Each setup runs in a process of its own, so that its peak memory is its own; the first fit of a
process warms it up and is not timed. A batch larger than `--people` holds them several times.
`--processes N` fits in N processes of one thread each (`jobs.FitPool`), 0 in the threads of
one. One common energy, whoever made the fit: the last stage of the preset `smplx`, with the camera
that the fit assumed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import math
import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from benchmarks.baseline import fit_person
from benchmarks.judge import common_energy
from benchmarks.quality import read_generated
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.camera import Camera
from smplifyx.config import Part, load_preset, preset_names
from smplifyx.data.synthetic import GeneratedPeople
from smplifyx.evaluation.metrics import person_errors
from smplifyx.fitting.fit import fit
from smplifyx.fitting.result import FitResult
from smplifyx.jobs import FitPool, FitRecipe
from smplifyx.keypoints import Keypoints
from smplifyx.pose_priors.hands import recorded_hands

COMMON = "smplx"  # the preset whose last stage is everybody's judge
PLAIN = "plain baseline"
MIB = 2**20
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Setup:
    """What one process measures: a preset at one batch size, or the baseline (batch 1)."""

    name: str
    batch: int
    count: int  # people fitted: the first ones
    threads: int
    device: str
    repeats: int
    processes: int = 0  # of a pool; 0: this one, with its threads

    @property
    def title(self) -> str:
        """What to call it."""
        return f"{self.name}, {self.processes} processes" if self.processes else self.name


@dataclass(frozen=True)
class Run:
    """What came of it."""

    setup: Setup
    params: BodyParams
    camera: Camera  # as the fit assumed it
    seconds: float  # of all people, best of the repeats
    steps: float  # per person: of the solver, or evaluations of the baseline
    memory: float  # MiB at its peak
    before: float  # MiB before the first fit
    # mean seconds and bodies after each stage: the baseline's
    trail: tuple[tuple[float, BodyParams], ...] = ()

    @property
    def each(self) -> float:
        """Seconds per person."""
        return self.seconds / self.setup.count


def measure(setup: Setup, people: GeneratedPeople) -> Run:
    """Runs one setup in this process."""
    torch.set_num_threads(setup.threads)
    rows = torch.arange(setup.count) % len(people.keypoints.xy)
    keypoints, camera = (
        part[rows].to(device=setup.device) for part in (people.keypoints, people.camera)
    )
    body = load_body(None).to(device=setup.device)
    return (_baseline if setup.name == PLAIN else _preset)(setup, keypoints, camera, body)


def _preset(setup: Setup, keypoints: Keypoints, camera: Camera, body: BodyModel) -> Run:
    config, before = load_preset(setup.name), _memory(setup.device)
    batches = [slice(at, at + setup.batch) for at in range(0, setup.count, setup.batch)]
    with contextlib.ExitStack() as stack:
        if setup.processes:
            one_batch = stack.enter_context(FitPool(FitRecipe(config), setup.processes)).fit
        else:
            one_batch = partial(fit, body=body, config=config)

        def fits() -> FitResult:
            return FitResult.cat([one_batch(keypoints[rows], camera[rows]) for rows in batches])

        one_batch(keypoints[batches[0]], camera[batches[0]])
        seconds, result = min(
            (timed(fits, setup.device) for _ in range(setup.repeats)), key=lambda run: run[0]
        )
    peak, steps = _memory(setup.device), float(result.steps.float().mean())
    params, assumed = (part.to(device="cpu") for part in (result.params, result.camera))
    return Run(setup, params, assumed, seconds, steps, peak, before)


def _baseline(setup: Setup, keypoints: Keypoints, camera: Camera, body: BodyModel) -> Run:
    before, hands = _memory(setup.device), recorded_hands(body.v_template)
    # those of the presets: energies compare
    body = dataclasses.replace(body, left_hand=hands[0], right_hand=hands[1])
    found = [fit_person(keypoints[i : i + 1], camera[i : i + 1], body) for i in range(setup.count)]
    stages = zip(*(one.trail for one in found), strict=True)
    trail = tuple(
        (_mean([s for s, _ in stage]), BodyParams.cat([p for _, p in stage])) for stage in stages
    )
    params, evaluations = (
        BodyParams.cat([one.params for one in found]),
        _mean([one.evaluations for one in found]),
    )
    seconds = sum(one.seconds for one in found)
    return Run(setup, params, camera, seconds, evaluations, _memory(setup.device), before, trail)


def timed(action: Callable[[], Answer], device: str) -> tuple[float, Answer]:
    """Seconds of a call, until the device is done, and its answer."""
    wait = torch.cuda.synchronize if device != "cpu" else lambda: None
    wait()
    start = time.perf_counter()
    result = action()
    wait()
    return time.perf_counter() - start, result


def _memory(device: str) -> float:
    """Peak so far in MiB: of the device, else of the process."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / MIB
    unit = 1 if platform.system() == "Darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB


def setups(options: argparse.Namespace) -> list[Setup]:
    """The baseline first, then every preset at every batch size; small batches fit fewer people."""
    shared = {"threads": options.threads, "device": options.device, "repeats": options.repeats}
    found = [Setup(PLAIN, 1, options.baseline_people, **(shared | {"device": "cpu"}))]
    least = max(options.baseline_people, 16)
    for name in options.presets:
        for processes in options.processes:
            for batch in options.batches:
                count = max(min(options.people, max(least, 16 * batch)), batch)
                found.append(Setup(name, batch, count, **shared, processes=processes))
    return found


def whole_body_presets() -> list[str]:
    """The presets that read hands and face."""
    return [
        n for n in preset_names() if {Part.HANDS, Part.FACE} <= set(load_preset(n).stages[-1].parts)
    ]


def run_all(wanted: Sequence[Setup], people: GeneratedPeople) -> list[Run]:
    """Each setup in a fresh process, one after the other."""
    runs = []
    for setup in wanted:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            runs.append(alone.submit(measure, setup, people).result())
        print(
            f"{setup.title}, batch {setup.batch}: {runs[-1].each * 1000:.1f} ms per person",
            flush=True,
        )
    return runs


@dataclass(frozen=True)
class Score:
    """Of one run: means over the people that every setup fitted, and over all that this one fitted."""

    energy: float
    pa_mpjpe: float
    energy_all: float
    pa_mpjpe_all: float


def score(run: Run, people: GeneratedPeople, body: BodyModel, shared: int) -> Score:
    """Energy and PA-MPJPE (mm)."""
    rows = slice(0, min(len(run.params.transl), len(people.keypoints.xy)))
    params, camera = run.params[rows], run.camera[rows]
    energy = common_energy(people.keypoints[rows], camera, params, body, load_preset(COMMON))
    error = person_errors(body, params, people.truth[rows]).pa_mpjpe
    return Score(*(float(v.mean()) for v in (energy[:shared], error[:shared], energy, error)))


def table(runs: Sequence[Run], scores: Sequence[Score]) -> str:
    """Markdown."""
    shared = runs[0].setup.count
    head = ["setup", "batch", "people", "fits/s", "x baseline", "ms each", f"energy, first {shared}",
            f"PA-MPJPE, first {shared}", "energy", "PA-MPJPE", "steps", "peak MiB", "before MiB"]  # fmt: skip
    lines = ["|" + "|".join(head) + "|", "|---" * len(head) + "|"]
    for run, s in zip(runs, scores, strict=True):
        numbers = [1 / run.each, runs[0].each / run.each, 1000 * run.each, s.energy, s.pa_mpjpe, s.energy_all,
                   s.pa_mpjpe_all, run.steps, run.memory, run.before]  # fmt: skip
        cells = [
            run.setup.title,
            str(run.setup.batch),
            str(run.setup.count),
            *(f"{n:.4g}" for n in numbers),
        ]
        lines.append("|" + "|".join(cells) + "|")
    return "\n".join(lines)


def draw(
    runs: Sequence[Run], scores: Sequence[Score], trail: Sequence[tuple[float, float]], path: Path
) -> None:
    """Energy of the shared people against seconds per person; one line per preset, the baseline
    stage by stage.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    axes.plot(*zip(*trail, strict=True), "o-", color="0.4", label=f"{PLAIN}, after each stage")
    named = dict.fromkeys(run.setup.name for run in runs[1:])
    for number, name in enumerate(named):  # threads: pools of processes are in the table
        chosen = [(run, s) for run, s in zip(runs, scores, strict=True) if run.setup.title == name]
        x, y = [run.each for run, _ in chosen], [s.energy for _, s in chosen]
        (line,) = axes.plot(x, y, "o-", label=name)
        for at, value, (run, _) in zip(x, y, chosen, strict=True):
            above = {"textcoords": "offset points", "xytext": (0, 7 + 12 * number), "ha": "center"}
            axes.annotate(str(run.setup.batch), (at, value), color=line.get_color(), **above)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="seconds per person (labels: batch size)",
        ylabel="common energy",
    )
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def machine(options: argparse.Namespace) -> str:
    """What it ran on, in one line."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
    gpu = f", {torch.cuda.get_device_name()}" if options.device != "cpu" else ""
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores{gpu}, {options.threads} threads, torch {torch.__version__}, load {load:.1f}"


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mocap", type=Path, default=Path("../shared/data/mocap"))
    parser.add_argument("--people", type=int, default=512)
    parser.add_argument("--baseline-people", type=int, default=3)
    parser.add_argument("--presets", nargs="+", default=whole_body_presets())
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 64, 512])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--processes", nargs="+", type=int, default=[0], help="0: threads of one process"
    )
    parser.add_argument("--repeats", type=int, default=1, help="the fastest counts")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--figure", type=Path, default=Path("docs/images/speed.png"))
    return parser.parse_args()


def main() -> None:
    """Prints protocol, machine and table; saves the figure."""
    options = arguments()
    torch.set_num_threads(options.threads)
    body = load_body(None)
    people = read_generated(body, options.mocap, options.people)
    print(
        f"{machine(options)}\n{options.people} generated people, seed 0; small batches and the baseline fit the first"
    )
    runs = run_all(setups(options), people)
    shared = runs[0].setup.count
    scores = [score(run, people, body, shared) for run in runs]
    stages = [replace(runs[0], params=params) for _, params in runs[0].trail]
    energies = [score(stage, people, body, shared).energy for stage in stages]
    print(table(runs, scores))
    draw(
        runs,
        scores,
        list(zip([s for s, _ in runs[0].trail], energies, strict=True)),
        options.figure,
    )
    print(f"figure: {options.figure}")


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


if __name__ == "__main__":
    main()
