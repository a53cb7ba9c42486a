"""`smplifyx photo`: from photos to bodies, overlays and a page."""

from __future__ import annotations

from pathlib import Path

from ..jobs.job import JobConfig
from ..predict.pictures import has_videos
from . import fit, predict
from .codes import DONE
from .options import PhotoOptions, PredictOptions
from .terminal import Terminal

KEYPOINTS = "keypoints"  # folders in the output
FRAMES = "photos"


def run(options: PhotoOptions, terminal: Terminal) -> int:
    """Looks for people, fits them with what was predicted as the start, and draws everything.

    Raises as `predict` and `fit` do.
    """
    keypoints = options.out / KEYPOINTS
    # frames of a video are no files yet; photos stay where they are, with what EXIF says of lenses
    frames = options.out / FRAMES if has_videos(options.pictures) else None
    same = options.model_dump(exclude={"pictures", "out"})
    looking = PredictOptions.model_validate(
        {
            "pictures": options.pictures,
            "out": keypoints,
            "images": frames,
            **{name: same[name] for name in ("task", "every", "quiet")},
        }
    )
    code = predict.run(looking, terminal)
    if code != DONE:
        return code
    job = JobConfig.model_validate(
        {
            "keypoints": keypoints,
            "start": keypoints,
            "images": frames or _folder(options.pictures),
            "out": options.out,
            "overlay": True,
            "report": True,
            **{name: same[name] for name in ("preset", "model", "quiet")},
        }
    )
    return fit.run(job, terminal)


def _folder(pictures: Path) -> Path:
    return pictures if pictures.is_dir() else pictures.parent
