"""Frames fitted together against frames fitted alone.

    python -m benchmarks.clips [--count 24] [--frames 90] [--seed 100] [--preset smplx] [--chunk 64]

Generated clips: motion of the held-out subjects 13 and 14 at 30 fps on random bodies, one camera
each, still or panning, its focal length known; 2 px of noise, 5 % of the points dropped, arms and
legs hidden 10 % of the time, 3 % of the frames missed. Settings were tried on other subjects and
seeds. `multiview`, where that folder is there: one man before four cameras (60 fps), each camera a
clip of its own.

PA, MPJPE: mm, 22 joints (multiview: 18 triangulated points), aligned by similarity, by the pelvis.
p90: of PA. gaps: PA of frames that the detector missed. acceleration: mean error of second
differences, mm a frame^2, of joints in the camera's frame. wrist peak: the largest speed of a wrist
against the pelvis in a clip by the true one, median over clips. shape: mm, joints of the body at
rest, from their middle; proportions: the same after similarity alignment. seam: mean acceleration
at the frames where chunks join by that elsewhere. ms: of processor time a frame, one thread; the
hypotheses of frames included.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from smplifyx.body import skinning
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.config import FitConfig, load_preset
from smplifyx.data.generated_clips import (
    ClipOptions,
    GeneratedClips,
    generate_clips,
    recorded_motions,
)
from smplifyx.data.mocap import HELD_OUT
from smplifyx.evaluation.metrics import pa_mpjpe
from smplifyx.fitting.clip_fit import ClipRows, fit_clips
from smplifyx.fitting.fit import fit
from smplifyx.fitting.result import FitResult
from smplifyx.keypoints import Keypoints

from .multiview import ARCHIVE, read_multiview
from .quality import table
from .real import TRUE_POINTS

JOINTS = 22
WRISTS = (20, 21)
MULTIVIEW_FPS = 60.0


@dataclass(frozen=True)
class Moving:
    """Where joints are and truly are, frame by frame, and which frames follow each other."""

    found: Float[Tensor, "rows joints 3"]
    truth: Float[Tensor, "rows joints 3"]
    rows: ClipRows
    seen: Bool[Tensor, " rows"]

    def accelerations(self, points: Float[Tensor, "rows joints 3"]) -> Float[Tensor, "n joints 3"]:
        """Second differences of three seen frames of one track."""
        return (points[2:] - 2 * points[1:-1] + points[:-2])[self._threes]

    @property
    def _threes(self) -> Bool[Tensor, " starts"]:
        same = self.rows.track[2:] == self.rows.track[:-2]
        return same & self.seen[2:] & self.seen[1:-1] & self.seen[:-2]

    def acceleration_error(self) -> float:
        """Mean, mm a frame^2."""
        off = self.accelerations(self.found) - self.accelerations(self.truth)
        return 1000 * float(off.norm(dim=-1).mean())

    def seam(self, chunk: int) -> float:
        """Mean acceleration across the joins of chunks by that elsewhere, over the truth's ratio."""
        frame = self.rows.frame[1:-1][self._threes]
        at_join = (frame % chunk <= 1) & (frame > 1)
        if not bool(at_join.any()):
            return float("nan")
        ratios = []
        for points in (self.found, self.truth):
            size = self.accelerations(points).norm(dim=-1).mean(-1)
            ratios.append(float(size[at_join].mean() / size[~at_join].mean()))
        return ratios[0] / ratios[1]

    def wrist_peak(self) -> float:
        """Median over clips and wrists of the ratio of the largest speeds."""
        ratios: list[float] = []
        for track in self.rows.track.unique():
            own = self.rows.track == track
            found, truth = self.found[own], self.truth[own]
            for wrist in WRISTS:
                speeds = [
                    (points[:, wrist] - points[:, 0]).diff(dim=0).norm(dim=-1).max()
                    for points in (found, truth)
                ]
                ratios.append(float(speeds[0] / speeds[1]))
        return float(torch.tensor(ratios).median())


def figures(
    body: BodyModel, clips: GeneratedClips, result: FitResult, chunk: int
) -> dict[str, float]:
    """A line of the table."""
    with torch.no_grad():
        found = skinning.joints(body, result.params)[:, :JOINTS]
        truth = skinning.joints(body, clips.truth)[:, :JOINTS]
        shape = skinning.joints(body, at_rest(result.params))[:, :JOINTS]
        true_shape = skinning.joints(body, at_rest(clips.truth))[:, :JOINTS]
    seen = (clips.keypoints.confidence > 0).any(-1)
    aligned = pa_mpjpe(found, truth)
    from_pelvis = (found - found[:, :1]) - (truth - truth[:, :1])
    off_shape = (shape - shape.mean(1, keepdim=True)) - (
        true_shape - true_shape.mean(1, keepdim=True)
    )
    moving = Moving(found, truth, rows_of(clips), seen)
    return {
        "PA": float(aligned[seen].mean()),
        "p90": float(aligned[seen].quantile(0.9)),
        "MPJPE": 1000 * float(from_pelvis.norm(dim=-1)[seen].mean()),
        "gaps": float(aligned[~seen].mean()),
        "acceleration": moving.acceleration_error(),
        "wrist peak": moving.wrist_peak(),
        "shape": 1000 * float(off_shape.norm(dim=-1)[seen].mean()),
        "proportions": float(pa_mpjpe(shape, true_shape)[seen].mean()),
        "seam": moving.seam(chunk),
    }


def at_rest(people: BodyParams) -> BodyParams:
    """The same bodies in the T-pose at the origin."""
    return people.replace(
        global_orient=torch.zeros_like(people.global_orient),
        body_pose=torch.zeros_like(people.body_pose),
        transl=torch.zeros_like(people.transl),
    )


def rows_of(clips: GeneratedClips) -> ClipRows:
    """Those of generated clips."""
    return ClipRows(clips.track, clips.frame, clips.fps)


def generated(asked: argparse.Namespace, body: BodyModel, config: FitConfig) -> None:
    """The table of generated clips."""
    rest = body.joint_template.double().numpy()
    motions = recorded_motions(asked.data / "mocap", rest, HELD_OUT, asked.frames)
    options = ClipOptions(frames=asked.frames)
    clips = generate_clips(body, motions, asked.count, asked.seed, options)
    count = len(clips.track)
    start = time.process_time()
    alone = fit(clips.keypoints, clips.camera, body, config)
    between = time.process_time()
    together = fit_clips(clips.keypoints, clips.camera, body, rows_of(clips), config)
    end = time.process_time()
    rows = {
        "alone": figures(body, clips, alone, config.clip.chunk),
        "together": figures(body, clips, together, config.clip.chunk),
    }
    rows["alone"]["ms"] = 1000 * (between - start) / count
    rows["together"]["ms"] = 1000 * (end - between) / count
    print(table(f"{asked.count} generated clips of {asked.frames} frames", rows))
    ratios = {name: rows["together"][name] / rows["alone"][name] for name in rows["alone"]}
    print(table("together by alone", {"ratio": ratios}))


def one_man(folder: Path, config: FitConfig) -> None:
    """The table of the four cameras."""
    man = read_multiview(folder, 1)
    body = load_body(None, detector=man.detector)
    rows: dict[str, dict[str, float]] = {}
    for camera in sorted({camera for camera, _ in man.views}):
        at = [i for i, (number, _) in enumerate(man.views) if number == camera]
        frames = [man.views[i][1] for i in at]
        whole, place = _whole(man.keypoints[at], frames)
        number = torch.arange(len(whole.xy))
        cameras = man.camera[[at[0]] * len(number)]
        rows_of_clip = ClipRows(torch.zeros_like(number), number, MULTIVIEW_FPS)
        alone = fit(man.keypoints[at], man.camera[at], body, config).points3d
        together = fit_clips(whole, cameras, body, rows_of_clip, config).points3d[place]
        truth = man.points[at][:, TRUE_POINTS]
        rows[f"camera {camera}"] = _errors(alone, together, truth)
    names = next(iter(rows.values()))
    rows["all"] = {name: sum(row[name] for row in rows.values()) / len(rows) for name in names}
    print(table("One man, each of four cameras a clip: mm", rows))


def _errors(alone: Tensor, together: Tensor, truth: Tensor) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, points in (("alone", alone), ("together", together)):
        error = pa_mpjpe(points[:, TRUE_POINTS], truth)
        found |= {name: float(error.mean()), f"{name}, p90": float(error.quantile(0.9))}
    return found


def _whole(keypoints: Keypoints, frames: Sequence[int]) -> tuple[Keypoints, list[int]]:
    """A row for every frame, and where the given ones are."""
    place = [frame - frames[0] for frame in frames]
    count = place[-1] + 1

    def spread(values: Tensor) -> Tensor:
        return values.new_zeros(count, *values.shape[1:]).index_copy(0, torch.tensor(place), values)

    return keypoints.map(spread), place


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--preset", default="smplx")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--chunk", type=int, default=64)
    asked = parser.parse_args(arguments)

    torch.set_num_threads(1)
    config = load_preset(asked.preset)
    clip = config.clip.model_copy(update={"chunk": asked.chunk})
    config = config.model_copy(update={"clip": clip})
    print(f"{platform.machine()}, torch {torch.__version__}, one thread; preset {asked.preset}")
    generated(asked, load_body(None), config)
    if (asked.data / "multiview" / ARCHIVE).is_file():
        one_man(asked.data / "multiview", config)


if __name__ == "__main__":
    main()
