"""Correspondences between two body models, worked out once and kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path

import torch
import yaml

from ..body.model import Age, BodyModel
from ..core.npz import replacing
from .correspondence import SD, Correspondence, CorrespondenceError, load_correspondence
from .registration import register

METHOD = 1  # counts up where `register` finds others than before
CARD = ".card.yaml"


def cache_folder() -> Path:
    """Where the user's programs keep what they can make anew."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "smplifyx" / "correspondences"


def correspondence_of(
    source: BodyModel, target: BodyModel, folder: Path | None = None
) -> Correspondence:
    """Where each vertex of `target` lies on the surface of `source`.

    Bodies of one mesh have the same vertices. Of two others it is worked out once, which takes half
    a minute, and kept for both directions in `folder` (None: the user's cache), beside cards that
    say of what; a file that is broken is made anew, and a folder that cannot be written to costs
    the time again.
    """
    if _of_one_mesh(source, target):
        return _same(target)
    folder = folder or cache_folder()
    path = folder / _file_name(source, target)
    try:
        found = load_correspondence(path, targets=len(target.v_template))
        if found.sources == len(source.v_template):
            return found
    except CorrespondenceError:
        pass
    there, back = register(_adult(source), _adult(target))
    with contextlib.suppress(OSError):  # the next one works it out again
        _keep(path, source, target, there)
        _keep(folder / _file_name(target, source), target, source, back)
    return there


def _file_name(source: BodyModel, target: BodyModel) -> str:
    return f"{source.sha256[:16]}-to-{target.sha256[:16]}-{METHOD}.npz"


def _of_one_mesh(first: BodyModel, second: BodyModel) -> bool:
    same_count = len(first.v_template) == len(second.v_template)
    return same_count and torch.equal(first.faces.cpu(), second.faces.cpu())


def _same(body: BodyModel) -> Correspondence:
    """Each vertex is itself."""
    count = len(body.v_template)
    corners = torch.arange(count)[:, None].expand(count, 3).contiguous()
    shares = torch.tensor([1.0, 0.0, 0.0]).expand(count, 3).contiguous()
    return Correspondence(corners, shares, torch.full((count,), SD), count)


def _adult(body: BodyModel) -> BodyModel:
    """The body without the shape that makes it a child: its surface has the same points."""
    if body.age is Age.ADULT:
        return body
    return dataclasses.replace(body, shapedirs=body.shapedirs[..., :-1], kid_sha256="")


def _keep(path: Path, source: BodyModel, target: BodyModel, found: Correspondence) -> None:
    """Writes the file, and beside it a card that says what it is. Raises OSError."""
    found.save(path)
    known = found.sd.isfinite()
    distance = 1000 * (found.sd[known].square() - SD**2).clamp(min=0).sqrt()
    card = {
        "file": path.name,
        "what": "for each vertex of the target, three vertices of the source and their shares",
        "source": {"name": source.name, "sha256": source.sha256},
        "target": {"name": target.name, "sha256": target.sha256},
        "figures": {
            "vertices": len(known),
            "with_a_counterpart": int(known.sum()),
            "distance_mm_mean": round(float(distance.mean()), 3),
            "distance_mm_p95": round(float(distance.quantile(0.95)), 3),
        },
        "made_by": "smplifyx.conversion.registration.register",
    }
    with replacing(path.with_name(path.stem + CARD)) as temporary:
        temporary.write_text(yaml.safe_dump(card, sort_keys=False), encoding="utf-8")
