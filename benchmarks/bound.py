"""What one step of each stage must cost: operations and bytes counted, against what this machine
can do.

    python -m benchmarks.bound --mocap FOLDER [--preset smplx] [--rows 256] [--threads 1] [--device cpu] [--seed 0]

A step is one of Levenberg-Marquardt in which every row is accepted: solve, trial, derivatives at
the new point, for `--rows` generated people where the earlier stages left them. It is traced
(`make_fx`), so it holds no look from the host: what is counted is what a GPU would run. **GFLOP**
are those of matrix products and of the Cholesky factors, the rest is small; **moved** is what all
operations read and write if each goes through memory by itself; **needed** what must be read and
written whatever one does: the unknowns, the gradients and Hessians, what was seen. Peaks are
measured in the same run: a product of square matrices of 128 per row, and the sum of two tensors as
large as the slot's Hessians, which fit the caches of a CPU. **Bound**: the larger of operations at
one peak and needed bytes at the other.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.fx import Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as tree
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.quality import read_generated
from benchmarks.speed import machine, timed
from benchmarks.steps import entering
from benchmarks.variants import line
from smplifyx.body.loading.files import load_body
from smplifyx.camera import Camera
from smplifyx.config import load_preset
from smplifyx.core.bundle import Bundle
from smplifyx.fitting.fitter import Fitter
from smplifyx.problem.problem import Problem
from smplifyx.solvers import LevenbergMarquardt
from smplifyx.solvers.rows import RowState

SIDE = 128  # of the matrices that tell the peak
REPEATS = 20
# as on a GPU: every row's derivatives every time
SOLVER = LevenbergMarquardt(max_steps=1000, tolerance=0.0, looks=8)


@dataclass(frozen=True)
class Peaks:
    """What this machine reaches: floating-point operations and bytes per second."""

    flops: float
    bytes: float


@dataclass(frozen=True)
class Step:
    """One step of all rows: what is counted and what is measured."""

    operations: int  # kernels
    flops: float
    moved: float  # bytes
    needed: float
    seconds: float

    def bound(self, peaks: Peaks) -> float:
        """Seconds that it takes at least."""
        return max(self.flops / peaks.flops, self.needed / peaks.bytes)


def measured_peaks(rows: int, dim: int, device: torch.device) -> Peaks:
    """Those of float32 on this device."""
    a = torch.randn(rows, SIDE, SIDE, device=device)
    one = torch.randn(rows, dim, dim, device=device)
    flops = 2 * rows * SIDE**3 / quickest(lambda: torch.bmm(a, a), device)
    return Peaks(flops, 3 * one.numel() * one.element_size() / quickest(lambda: one + one, device))


def quickest(action: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, the least of several."""
    return min(timed(action, device.type)[0] for _ in range(REPEATS))


def step_of(problem: Problem, x: Tensor) -> Step:
    """One step from x, counted and timed."""
    state = SOLVER.start(problem, x)
    names = [field.name for field in dataclasses.fields(state)]
    values = [getattr(state, name) for name in names]

    def step(*parts: Tensor) -> list[Tensor]:
        after = SOLVER.advance(problem, type(state)(*parts))
        return [getattr(after, name) for name in names]

    step(*values)  # constants are worked out once
    graph = make_fx(step, tracing_mode="real")(*values)
    with FlopCounterMode(display=False) as counter:
        step(*values)
    dim = x.shape[1] + -x.shape[1] % 4
    flops = counter.get_total_flops() + len(x) * (dim**3 / 3 + 2 * dim**2)
    kernels = [size for size in map(_moved, graph.graph.nodes) if size]
    return Step(
        len(kernels),
        flops,
        sum(kernels),
        _needed(problem, state),
        quickest(lambda: step(*values), x.device),
    )


def _moved(node: Node) -> float:
    """Bytes that an operation reads and writes; 0 for one that only looks at its input in another
    way.
    """
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
        return 0.0
    if any(ret.alias_info and not ret.alias_info.is_write for ret in node.target._schema.returns):
        return 0.0
    read = (_size(argument.meta.get("val")) for argument in node.all_input_nodes)
    return sum(read) + _size(node.meta.get("val"))


def _needed(problem: Problem, state: RowState) -> float:
    """What comes in and goes out: the solver's state both ways, what was seen once."""
    parts = [getattr(state, field.name) for field in dataclasses.fields(state)]
    people = problem.people
    seen = [people.contour, *people.observed.values(), *people.matches.values()]
    return 2 * _size(parts) + sum(_size(_tensors(one)) for one in seen)


def _tensors(bundle: Bundle) -> list[Tensor]:
    """All that a bundle holds but for its camera, which is a few numbers."""
    found: list[Tensor] = []
    for field in dataclasses.fields(bundle):  # type: ignore[arg-type]  # every Bundle is one
        value = getattr(bundle, field.name)
        if isinstance(value, Camera):
            continue
        found += _tensors(value) if isinstance(value, Bundle) else [value]
    return found


def _size(value: object) -> float:
    """Bytes."""
    tensors = [leaf for leaf in tree.tree_leaves(value) if isinstance(leaf, Tensor)]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def row(name: str, step: Step, peaks: Peaks, rows: int, dim: int) -> str:
    """A line of the table, per row of the batch."""
    micro = 1e6 / rows
    bound = step.bound(peaks)
    cells = [
        name, f"{dim}", f"{step.operations}", f"{step.flops / rows / 1e6:.2f}", f"{step.moved / rows / 1e6:.2f}",
        f"{step.needed / rows / 1e6:.2f}", f"{step.seconds * micro:.1f}", f"{step.flops / peaks.flops * micro:.1f}",
        f"{step.moved / peaks.bytes * micro:.1f}", f"{bound * micro:.1f}", f"{bound / step.seconds:.0%}",
    ]  # fmt: skip
    return line(cells)


def main() -> None:
    """Prints protocol, machine, peaks and the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mocap", type=Path, default=Path("../shared/data/mocap"))
    parser.add_argument("--preset", default="smplx")
    parser.add_argument(
        "--rows", type=int, default=256, help="people side by side; 256 is the slot of a CPU"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device, body = torch.device(options.device), load_body(None)
    people = read_generated(body, options.mocap, options.rows, options.seed)
    config, body = load_preset(options.preset), body.to(device=device)
    keypoints, camera = people.keypoints.to(device=device), people.camera.to(device=device)
    print(f"{machine(options)}\n{options.rows} rows, preset {options.preset}, float32")
    with torch.no_grad():
        batch = Fitter.of(body, config).gather(keypoints, camera)
        starts = [entering(batch, number) for number in range(len(config.stages))]
        peaks = measured_peaks(options.rows, starts[-1][1].shape[1], device)
        print(f"peaks: {peaks.flops / 1e9:.0f} GFLOP/s, {peaks.bytes / 1e9:.0f} GB/s\n")
        head = ["stage", "unknowns", "operations", "MFLOP", "MB moved", "MB needed", "µs", "µs of the FLOP",
                "µs of the moved", "bound, µs", "bound / measured"]  # fmt: skip
        print(line(head) + "\n" + "|---" * len(head) + "|")
        for stage, (problem, x) in zip(config.stages, starts, strict=True):
            print(row(stage.name, step_of(problem, x), peaks, options.rows, x.shape[1]), flush=True)


if __name__ == "__main__":
    main()
