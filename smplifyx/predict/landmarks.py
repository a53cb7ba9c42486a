"""MediaPipe's landmarks of one person, and the canonical points that are made of them.

Sides: holistic names sides of the person, not of the picture. The warning that MediaPipe's
handedness assumes a mirrored (selfie) picture is about the separate hand detector; here each hand
is looked for at that side's body wrist.

Confidence, which MediaPipe has for the body only:
* body: `visibility`, MediaPipe's probability that the point is seen; 0 below `Trust.visibility`,
  since MediaPipe always answers with a whole person and makes up the legs of a half-length
  portrait;
* nose, eyes and ears: that confidence, with the position of the face mesh where a face is found;
* neck and mid hip: means of both shoulders and both hips, with the smaller of the two confidences;
* small toes: 0, MediaPipe has one point at the front of each foot, taken as the big toe;
* hands: one constant per found hand, 0 when the hand does not start at the body's wrist;
* face: one constant, a smaller one for the jaw (its ends lie on the hairline and hardly show),
  times a small factor on the half of a sideways face that is turned away from the camera (its eye
  and ear of the body too);
* everywhere: 0 outside the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from ..keypoints import names
from ..keypoints.face_mesh import face_of_mesh
from ..keypoints.layouts import LAYOUTS, LayoutName, to_canonical
from ..predictions.prediction import Axes, Prediction
from .people_detector import Detected

SYSTEM = "mediapipe"
LAYOUT = LayoutName.MEDIAPIPE_33
ImageSize = tuple[int, int]  # (width, height) in pixels

_LEFT_WRIST = names.POINT_INDEX["left_wrist"]
_RIGHT_WRIST = names.POINT_INDEX["right_wrist"]
# Where there is a mesh it is the better of the two for nose, eyes and ears: the pose is off by up
# to a tenth of the face when its crop is.
_HEAD = [names.POINT_INDEX[f] for f in ("nose", "right_eye", "left_eye", "right_ear", "left_ear")]
_NOSE_TIP, _RIGHT_EAR, _LEFT_EAR = 4, 234, 454  # in the mesh
_PUPILS = (468, 473)  # iris centres, right then left, of a mesh with irises
_EYE_CORNERS = ((33, 133), (362, 263))  # of the right and of the left eye, for one without
_CONTOUR_COUNT = 17  # face points of the jaw, the first ones
_FINGER_ROOTS = [5, 9, 13, 17]
_LEFT_HIP, _RIGHT_HIP = 23, 24  # in the pose
_MARGIN = 1.25  # of the square that MediaPipe looks at, around the circle that holds the person


@dataclass(frozen=True)
class Trust:
    """How far each kind of point is believed; constants stand where MediaPipe gives no confidence.

    visibility: body points below are dropped.
    hand, face: confidence of all points of a hand and of a face that was found.
    contour: confidence of the jaw.
    turned_away: factor on the far half of a face that is turned sideways by turned_degrees.
    wrist_gap: palms between a hand and the body's wrist, beyond which it is not that hand.
    """

    visibility: float = 0.3
    hand: float = 0.7
    face: float = 0.8
    contour: float = 0.4
    turned_away: float = 0.2
    turned_degrees: float = 30.0
    wrist_gap: float = 1.5


@dataclass(frozen=True, eq=False)
class HandLandmarks:
    """One hand.

    pixels: x, y in pixels of the picture.
    world: metres, from an origin within the hand; x right, y down, z away; None: not told.
    """

    pixels: Float[np.ndarray, "21 2"]
    world: Float[np.ndarray, "21 3"] | None


@dataclass(frozen=True, eq=False)
class PersonLandmarks:
    """What MediaPipe says of one person.

    pose: x, y in pixels of the picture.
    visibility: of each, 0..1.
    world: metres from the middle of the hips; x right, y down, z away.
    mesh: of the face, x, y in pixels and z in the same unit, away; 468 points, or 478 with irises.
    """

    pose: Float[np.ndarray, "33 2"]
    visibility: Float[np.ndarray, " 33"]
    world: Float[np.ndarray, "33 3"]
    left_hand: HandLandmarks | None = None
    right_hand: HandLandmarks | None = None
    mesh: Float[np.ndarray, "mesh 3"] | None = None

    def shifted(self, corner: Float[np.ndarray, " 2"]) -> PersonLandmarks:
        """The same person, found in a crop whose top left corner is there in the picture."""
        mesh = self.mesh
        if mesh is not None:
            mesh = np.concatenate([mesh[:, :2] + corner, mesh[:, 2:]], 1)
        return replace(
            self,
            pose=self.pose + corner,
            left_hand=_shifted(self.left_hand, corner),
            right_hand=_shifted(self.right_hand, corner),
            mesh=mesh,
        )


def detected(marks: PersonLandmarks, size: ImageSize, trust: Trust) -> Detected:
    """The person in canonical points; size: of the whole picture."""
    body = to_canonical(_pose_with_confidence(marks, size, trust), LAYOUT)[names.BODY]
    left = _starts_at(body[_LEFT_WRIST], marks.left_hand, trust)
    right = _starts_at(body[_RIGHT_WRIST], marks.right_hand, trust)
    keypoints = np.zeros((names.COUNT, 3), np.float32)
    keypoints[names.BODY] = _with_head_of_mesh(body, marks.mesh, trust)
    keypoints[names.LEFT_HAND] = _hand(left, trust)
    keypoints[names.RIGHT_HAND] = _hand(right, trust)
    keypoints[names.FACE] = _face(marks.mesh, trust)
    prediction = Prediction(
        system=SYSTEM,
        points=_points(marks, left, right, trust),
        axes=Axes.CROP,
        box=square_of(marks).astype(np.float32),
    )
    return Detected(_inside(keypoints, size), prediction, LAYOUT)


def square_of(marks: PersonLandmarks) -> Float[np.ndarray, " 4"]:
    """The square that MediaPipe looked at, nearly: (left, top, right, bottom) in pixels.

    Its middle is that of the hips, and it holds the farthest point with some margin.
    """
    middle = marks.pose[[_LEFT_HIP, _RIGHT_HIP]].mean(0)
    reach = _MARGIN * np.linalg.norm(marks.pose - middle, axis=1).max()
    return np.concatenate([middle - reach, middle + reach])


def _shifted(hand: HandLandmarks | None, corner: Float[np.ndarray, " 2"]) -> HandLandmarks | None:
    return None if hand is None else replace(hand, pixels=hand.pixels + corner)


def _pose_with_confidence(
    marks: PersonLandmarks, size: ImageSize, trust: Trust
) -> Float[np.ndarray, "33 3"]:
    """The pose, with confidence 0 where it is made up or outside the picture."""
    is_seen = marks.visibility >= trust.visibility
    confidence = np.where(is_seen, marks.visibility, 0.0)
    return _inside(np.column_stack([marks.pose, confidence]), size)


def _inside(points: Float[np.ndarray, "n 3"], size: ImageSize) -> Float[np.ndarray, "n 3"]:
    """Points with zero rows where they lie outside the picture or are not believed."""
    xy = points[:, :2]
    is_inside = ((xy >= 0) & (xy < size)).all(1)
    is_believed = points[:, 2] > 0
    return np.where((is_inside & is_believed)[:, None], points, 0.0).astype(np.float32)


def _starts_at(
    wrist: Float[np.ndarray, " 3"], hand: HandLandmarks | None, trust: Trust
) -> HandLandmarks | None:
    """The hand, if it is the one at the body's wrist (x, y, confidence).

    Where it starts farther away than some palms it is another hand, or none.
    """
    if hand is None or wrist[2] <= 0:
        return None
    palm = np.linalg.norm(hand.pixels[_FINGER_ROOTS] - hand.pixels[0], axis=1).max()
    gap = np.linalg.norm(hand.pixels[0] - wrist[:2])
    return hand if gap <= trust.wrist_gap * palm else None


def _hand(hand: HandLandmarks | None, trust: Trust) -> Float[np.ndarray, "21 3"]:
    if hand is None:
        return np.zeros((21, 3))
    return np.column_stack([hand.pixels, np.full(21, trust.hand)])


def _with_head_of_mesh(
    body: Float[np.ndarray, "25 3"], mesh: Float[np.ndarray, "mesh 3"] | None, trust: Trust
) -> Float[np.ndarray, "25 3"]:
    """Nose, eyes and ears moved to the face mesh, those turned away less believed."""
    if mesh is None:
        return body
    eyes = mesh[list(_PUPILS)] if len(mesh) > max(_PUPILS) else mesh[np.array(_EYE_CORNERS)].mean(1)
    head = np.concatenate([mesh[[_NOSE_TIP]], eyes, mesh[[_RIGHT_EAR, _LEFT_EAR]]])
    away = _turned_away(mesh, head, trust.turned_degrees)
    moved = body.copy()
    moved[_HEAD, :2] = head[:, :2]
    moved[_HEAD, 2] *= np.where(away, trust.turned_away, 1.0)
    return moved


def _face(mesh: Float[np.ndarray, "mesh 3"] | None, trust: Trust) -> Float[np.ndarray, "70 3"]:
    if mesh is None:
        return np.zeros((70, 3))
    # the table takes two coordinates at a time
    xy = face_of_mesh(mesh[:, :2])
    z = face_of_mesh(mesh[:, [2, 2]])[:, :1]
    points = np.concatenate([xy, z], 1)
    confidence = np.full(70, trust.face)
    confidence[:_CONTOUR_COUNT] = trust.contour
    confidence[_turned_away(mesh, points, trust.turned_degrees)] *= trust.turned_away
    is_there = np.isfinite(xy[:, :1])  # of each point; only pupils may be missing
    return np.where(is_there, np.column_stack([xy, confidence]), 0.0)


def _turned_away(
    mesh: Float[np.ndarray, "mesh 3"], points: Float[np.ndarray, "n 3"], degrees: float
) -> Bool[np.ndarray, " n"]:
    """Which points lie on the far half of a face that is turned sideways by more than `degrees`."""
    to_left = mesh[_LEFT_EAR] - mesh[_RIGHT_EAR]
    width = np.linalg.norm(to_left)
    across = to_left / width
    if abs(across[2]) < np.sin(np.radians(degrees)):
        return np.zeros(len(points), bool)
    # z grows away from the camera. The margin keeps the middle line of the face on the near half.
    farther = (points - mesh[_NOSE_TIP]) @ across * np.sign(across[2])
    return farther > 0.05 * width


def _points(
    marks: PersonLandmarks, left: HandLandmarks | None, right: HandLandmarks | None, trust: Trust
) -> Float[np.ndarray, "137 3"]:
    """The canonical points in metres, NaN where MediaPipe does not see them."""
    is_seen = marks.visibility >= trust.visibility
    world = np.where(is_seen[:, None], marks.world, np.nan)
    table = LAYOUTS[LAYOUT]
    points = np.where(table.is_absent, np.nan, world[table.picked])
    for middle in table.midpoints:
        points[middle.target] = (points[middle.first] + points[middle.second]) / 2
    for hand, wrist, part in (
        (left, _LEFT_WRIST, names.LEFT_HAND),
        (right, _RIGHT_WRIST, names.RIGHT_HAND),
    ):
        if hand is not None and hand.world is not None:
            points[part] = hand.world - hand.world[0] + points[wrist]
    return points.astype(np.float32)
