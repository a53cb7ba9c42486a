"""What the recipes of the learned pose priors share: the CMU recordings, who is held out, a plain
progress line.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # a recipe runs from a source checkout, installed or not

from smplifyx.data.mocap import HELD_OUT  # noqa: E402
from smplifyx.training.card import Recordings  # noqa: E402
from smplifyx.training.kinds import plan  # noqa: E402
from smplifyx.training.options import Kind  # noqa: E402
from smplifyx.training.poses import Balance  # noqa: E402
from smplifyx.training.train import Request, train_prior  # noqa: E402

SOURCE = (
    "CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu, created with funding from NSF EIA-0196217; BVH "
    "conversion by B. Hahne (no further restrictions); subjects 01-12, on the embedded body's skeleton; subjects 13 "
    "and 14 held out"
)
LICENCE = 'CMU: "This data is free for use in research and commercial projects worldwide." What was learned: Apache-2.0'


@dataclass(frozen=True)
class Options:
    """A pose prior from the CMU motion capture."""

    data: Path = Path("../shared/data/mocap")  # the folder with cmu_bvh_30fps.tar.xz
    out: Path = Path("priors/pose")
    validation: tuple[str, ...] = ()  # subjects that draw the curve and are not trained on
    # metres between kept poses of a subject, root mean square over the joints; 0: every frame
    radius: float = 0.05
    power: float = 0.5  # a subject with n poses left weighs n ** power
    epochs: int | None = None
    # the card of a training with --radius 0 --power 1: quoted as without balancing
    compared: Path | None = None


class Line:
    """Prints every twentieth step."""

    def __init__(self) -> None:
        self._done, self._started = 0, time.monotonic()

    def begin(self, what: str, total: int) -> None:
        """So many steps follow."""
        print(f"{total} {what}", flush=True)

    def advance(self, note: str) -> None:
        """One is done."""
        self._done += 1
        if self._done % 20 == 0:
            print(f"{self._done}: {time.monotonic() - self._started:.0f} s, {note}", flush=True)


def make(kind: Kind, options: Options, name: str) -> None:
    """Train the kind with its own settings, as `name` in the folder `options.out`."""
    schedule = plan(kind).schedule
    request = Request(
        options.data, kind, options.out / name, _origin(kind, options),
        schedule=replace(schedule, epochs=options.epochs or schedule.epochs),
        balance=Balance(options.radius, options.power), held_out=tuple(sorted(HELD_OUT)),
        validation=options.validation, share=0.0,
    )  # fmt: skip
    trained = train_prior(request, Line())
    print(f"wrote {trained.file}\n{yaml.safe_dump(trained.figures, sort_keys=False)}")


def _origin(kind: Kind, options: Options) -> Recordings:
    default = Options()
    changed = [
        f"--{name} {' '.join(value) if isinstance(value, tuple) else getattr(value, 'name', value)}"
        for name, value in vars(options).items()
        if name not in ("data", "out") and value != getattr(default, name)
    ]
    command = " ".join([f"python priors/recipes/pose_{kind.value}.py", *changed])
    if options.compared is None:
        return Recordings(SOURCE, LICENCE, command)
    other = yaml.safe_load(options.compared.read_text(encoding="utf-8"))
    quoted = {
        "training": other["command"],
        "held_out_by_class": other["figures"]["held_out_by_class"],
    }
    return Recordings(SOURCE, LICENCE, command, {"without_balancing": quoted})
