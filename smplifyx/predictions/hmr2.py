"""HMR2 (4D-Humans): PHALP's results, and dictionaries of the network's output that people save.

SMPL's rotations as matrices, the root along the axes of the crop. 4D-Humans' own demo saves meshes
alone. The crop is the square about the middle of the box.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .people import (
    MOST_LOOKED_AT,
    Found,
    People,
    boxes,
    boxes_of_center,
    boxes_of_corner,
    find_people,
    holds_people,
    id_of,
    photo_of,
    vectors_under,
)
from .poses import of_smpl
from .prediction import Axes, Prediction
from .reader import PredictionFile
from .values import entry, has, texts, whole

_PHOTO = ("img_path", "imgname", "img_name", "image_path", "image", "file_name")


class Hmr2Reader:
    """PHALP's frames, or what HMR2 gives back, of one image or many."""

    system = "hmr2"
    content = "PHALP results and HMR2 outputs (.pkl)"

    def recognises(self, file: PredictionFile) -> bool:
        """Whether there are frames of PHALP's or SMPL parameters under HMR2's names."""
        return _is_phalp(file.content) or holds_people(file.content, is_output)

    def read(self, file: PredictionFile) -> Iterator[Prediction]:
        """Frame after frame, or image after image."""
        if _is_phalp(file.content):
            yield from _read_phalp(file)
            return
        for found in find_people(file.content, is_output):
            read: list[Prediction] = []
            with file.about(str(found)):
                read = list(people_of_output(found, self.system, Axes.CROP).predictions(file))
            yield from read


def is_output(value: object) -> bool:
    """Whether an object holds SMPL parameters as HMR2 and its kin give them back."""
    if has(value, "pred_smpl_params"):
        return has(entry(value, "pred_smpl_params"), "global_orient", "body_pose")
    # a person's alone, told by the camera beside it
    is_person = has(value, "global_orient", "body_pose")
    return is_person and entry(value, "scaled_focal_length", "pred_cam", "cam_t") is not None


def people_of_output(found: Found, system: str, axes: Axes) -> People:
    """The people of one batch or one person. Raises ValueError in one line for odd arrays."""
    value = found.value
    given = entry(value, "pred_smpl_params")
    smpl = given if isinstance(given, Mapping) else value
    poses = of_smpl(global_orient=smpl["global_orient"], body_pose=smpl["body_pose"])
    rows = len(poses)
    box = boxes_of_center(entry(value, "box_center"), entry(value, "box_size"), rows)
    if box is None:
        box = boxes(entry(value, "bbox", "boxes", "bboxes"), rows)
    person_ids = texts(entry(value, "personid", "person_id", "track_id"))
    return People(
        system,
        poses,
        axes,
        "smpl",
        betas=vectors_under(smpl, rows, "betas"),
        boxes=box,
        photos=texts(entry(value, *_PHOTO)) or [found.photo],
        frames=[found.frame],
        ids=person_ids or [found.person_id],
    )


def _is_phalp(content: object) -> bool:
    if not isinstance(content, Mapping):
        return False
    frames = [content[key] for key in list(content)[:MOST_LOOKED_AT]]
    return any(has(frame, "smpl", "bbox") and has(frame, "tid") for frame in frames)


def _read_phalp(file: PredictionFile) -> Iterator[Prediction]:
    """PHALP keeps who is out of sight for a while as they were: those are left out."""
    assert isinstance(file.content, Mapping)  # as recognised
    stale = 0
    for key, frame in file.content.items():
        if not has(frame, "smpl"):
            file.note(f"{photo_of(key) or key}: not a frame")
            continue
        people = _list_of(frame, "smpl")
        since = _list_of(frame, "tracked_time")
        for place, smpl in enumerate(people):
            if place < len(since) and (whole(since[place]) or 0) > 0:
                stale += 1
                continue
            who = f"{photo_of(key) or key}, person {place}"
            read: list[Prediction] = []
            with file.about(who):
                read = list(_phalp_person(key, frame, place, smpl).predictions(file))
            yield from read
    if stale:
        file.note(f"{stale} people whom PHALP did not see in their frame left out")


def _phalp_person(key: object, frame: Mapping[str, object], place: int, smpl: object) -> People:
    if not isinstance(smpl, Mapping):
        raise ValueError("no SMPL parameters")
    poses = of_smpl(global_orient=smpl["global_orient"], body_pose=smpl["body_pose"])
    tids, found_boxes, photos = (_list_of(frame, name) for name in ("tid", "bbox", "img_path"))
    photo = photo_of(photos[place]) if place < len(photos) else photo_of(key)
    return People(
        Hmr2Reader.system,
        poses,
        Axes.CROP,
        "smpl",
        betas=vectors_under(smpl, len(poses), "betas"),
        boxes=boxes_of_corner(found_boxes[place], 1) if place < len(found_boxes) else None,
        photos=[photo],
        frames=[whole(frame.get("time"))],
        ids=[id_of(tids[place])] if place < len(tids) else (),
    )


def _list_of(frame: Mapping[str, object], name: str) -> list[object]:
    value = frame.get(name)
    return value if isinstance(value, list) else []
