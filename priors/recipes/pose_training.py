"""What the recipes of the learned pose priors share: the recordings, who is held out, a plain progress
line.
"""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml
from mocap_sources import SOURCES, every_part

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # a recipe runs from a source checkout, installed or not

from smplifyx.data.mocap import HELD_OUT  # noqa: E402
from smplifyx.training.card import Recordings  # noqa: E402
from smplifyx.training.kinds import plan  # noqa: E402
from smplifyx.training.mixture import MixtureSettings  # noqa: E402
from smplifyx.training.options import Kind  # noqa: E402
from smplifyx.training.poses import Balance, PersonPart  # noqa: E402
from smplifyx.training.skeleton import resting_joints  # noqa: E402
from smplifyx.training.train import Request, train_prior  # noqa: E402

SOURCE = (
    "CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu, created with funding from NSF EIA-0196217; BVH "
    "conversion by B. Hahne (no further restrictions); subjects 01-12, on the embedded body's skeleton; subjects 13 "
    "and 14 held out"
)
MANY_LICENCES = (
    "each source's as it says; weights are trained only where its licence allows that: CMU's terms, CC0-1.0, MIT, "
    "Apache-2.0 and BSD-3-Clause of the owners. What was learned: Apache-2.0"
)
LICENCE = 'CMU: "This data is free for use in research and commercial projects worldwide." What was learned: Apache-2.0'


@dataclass(frozen=True)
class Options:
    """A pose prior from motion capture."""

    # the folder with cmu_bvh_30fps.tar.xz; with --many the one that holds it and mocap_more
    data: Path = Path("../shared/data/mocap")
    many: bool = False  # all the packs of mocap_sources.py instead of CMU's subjects 01-14
    out: Path = Path("priors/pose")
    validation: tuple[str, ...] = ()  # subjects that draw the curve and are not trained on
    # metres between kept poses of a subject, root mean square over the joints; 0: every frame
    radius: float = 0.05
    power: float = 0.5  # a subject with n poses left weighs n ** power
    # persons who together weigh half, as "cmu 01"; with --many
    half: tuple[str, ...] = ()
    epochs: int | None = None
    mixture: MixtureSettings = field(default_factory=MixtureSettings)
    # the card of a training with --radius 0 --power 1: quoted as without balancing
    compared: Path | None = None
    # a mixture with its card that gets half of the weight, next to the new one
    joined_with: Path | None = None


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
    parts: tuple[PersonPart, ...] = ()
    held_out = tuple(sorted(HELD_OUT))
    if options.many:
        parts, held_out = every_part(options.data, resting_joints())
    request = Request(
        options.data, kind, options.out / name, _origin(kind, options),
        schedule=replace(schedule, epochs=options.epochs or schedule.epochs),
        balance=Balance(options.radius, options.power, options.half), held_out=held_out,
        validation=options.validation, share=0.0, mixture=options.mixture, parts=parts,
        joined_with=options.joined_with,
    )  # fmt: skip
    trained = train_prior(request, Line())
    print(f"wrote {trained.file}\n{yaml.safe_dump(trained.figures, sort_keys=False)}")


def _origin(kind: Kind, options: Options) -> Recordings:
    source, licence = (many_sources(), MANY_LICENCES) if options.many else (SOURCE, LICENCE)
    command = " ".join([f"python priors/recipes/pose_{kind.value}.py", *_changed(options)])
    quoted: dict[str, object] = {}
    if options.compared is not None:
        other = _card(options.compared)
        quoted["without_balancing"] = {
            "training": other["command"],
            "held_out_by_class": other["figures"]["held_out_by_class"],
        }
    if options.joined_with is not None:
        stem = options.joined_with.with_suffix("")
        other = _card(stem.with_name(f"{stem.name}.card.yaml"))
        quoted["half_of_the_weight"] = {
            key: other[key] for key in ("command", "sha256", "source", "licence")
        } | {"components": other["settings"]["components"]}
    return Recordings(source, licence, command, quoted)


def _card(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _changed(options: Options) -> list[str]:
    """The options that are not as usual, without the folders of their paths."""
    default = Options()
    words = []
    for name, value in vars(options).items():
        if name in ("data", "out", "mixture") or value == getattr(default, name):
            continue
        if isinstance(value, bool):
            words.append(f"--{name}")
        elif isinstance(value, tuple):
            words.append(f"--{name} {shlex.join(value)}")
        else:
            words.append(f"--{name} {getattr(value, 'name', value)}")
    for name, value in vars(options.mixture).items():
        if value != getattr(default.mixture, name):
            words.append(f"--mixture.{name} {value}")
    return words


def many_sources() -> str:
    """Every source, whether it trains, and its people who are held out."""
    lines = []
    for source in SOURCES:
        use = "trained on" if source.ships else "evaluation alone"
        kept = ", ".join(sorted(source.held_out)) if source.ships else ""
        lines.append(
            f"{source.name}: {source.owner}; {source.licence}; {use}"
            + (f", but for {kept}" if kept else "")
        )
    return "\n".join(lines)
