"""Documents of detectors that are put together like nobody else's, made into usual ones."""

from __future__ import annotations

from collections.abc import Mapping

# keys of what DWPose's Python code returns: all people's points of a part in one list, fractions
_DWPOSE = ("bodies", "hands", "faces")
_DWPOSE_BODY = 18


def usual_form(value: Mapping[str, object]) -> Mapping[str, object]:
    """The document as images with people, where it is of an odd form; itself where it is not."""
    keypoints = value.get("keypoints")
    if isinstance(value.get("skeleton"), dict) and _is_list_of(keypoints, dict):
        return _from_easy_vitpose(value)
    if all(isinstance(value.get(key), list) for key in _DWPOSE) and _is_list_of(
        value["bodies"], list
    ):
        return _from_dwpose(value)
    return value


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], kind)


def _from_easy_vitpose(value: Mapping[str, object]) -> Mapping[str, object]:
    """easy_ViTPose: for each frame people by number, points as (y, x, score), names apart."""
    frames = value["keypoints"]
    assert isinstance(frames, list)
    people = [
        [{"id": key, "keypoints": _swapped(rows)} for key, rows in frame.items()]
        for frame in frames
        if isinstance(frame, dict)
    ]
    names = {"keypoint_names": value["skeleton"]}
    if len(people) == 1:
        return {**names, "people": people[0]}
    return {
        **names,
        "frames": [{"frame_id": number, "people": each} for number, each in enumerate(people)],
    }


def _swapped(rows: object) -> object:
    if not isinstance(rows, list):
        return rows
    return [
        [row[1], row[0], *row[2:]] if isinstance(row, list) and len(row) > 1 else row
        for row in rows
    ]


def _from_dwpose(value: Mapping[str, object]) -> Mapping[str, object]:
    """DWPose: 18 points of each body, then the left hands and the right hands of all, faces."""
    bodies, hands, faces = (value[key] for key in _DWPOSE)
    assert isinstance(bodies, list) and isinstance(hands, list) and isinstance(faces, list)
    if isinstance(bodies[0][0], list):
        bodies = [point for body in bodies for point in body]
    count = len(bodies) // _DWPOSE_BODY
    scores = value.get("body_scores", value.get("subset"))
    people: list[dict[str, object]] = []
    for person in range(count):
        body = bodies[person * _DWPOSE_BODY : (person + 1) * _DWPOSE_BODY]
        entry: dict[str, object] = {"keypoints": body}
        if isinstance(scores, list) and len(scores) == count:
            entry["keypoint_scores"] = scores[person]
        if len(hands) == 2 * count:
            entry["left_hand_keypoints"] = hands[person]
            entry["right_hand_keypoints"] = hands[count + person]
        if len(faces) == count:
            entry["face_keypoints"] = faces[person]
        people.append(entry)
    return {"people": people}
