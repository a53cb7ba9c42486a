"""Files of networks' predictions, each in the layout that its system writes."""

from __future__ import annotations

import json
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import joblib
import numpy as np
import torch

from smplifyx.body.joints import BodyKind, parents
from smplifyx.keypoints import names
from smplifyx.keypoints.layouts import LAYOUTS, LayoutName
from smplifyx.predictions.prediction import Axes

ROWS = 3
BODY, HANDS, ALL = range(22), range(25, 55), range(55)
BOX = np.array([[10, 20, 110, 220], [30, 40, 90, 200], [5, 6, 50, 100]], float)
SQUARE = np.array([[10, 20, 110, 120], [30, 40, 90, 100], [5, 6, 50, 51]], float)


def turned(rotvecs: np.ndarray) -> np.ndarray:
    """Rodrigues' formula, by the matrix exponential."""
    x, y, z = np.moveaxis(rotvecs, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*rotvecs.shape, 3)
    return torch.matrix_exp(torch.from_numpy(cross)).numpy()


@dataclass
class Truth:
    """Three people."""

    seed: int = 0
    rotvecs: np.ndarray = field(init=False)  # [3, 55, 3]
    matrices: np.ndarray = field(init=False)
    betas: np.ndarray = field(init=False)
    points: np.ndarray = field(init=False)  # [3, 137, 3]
    joints: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.rotvecs = rng.normal(0, 0.7, (ROWS, 55, 3))
        self.matrices = turned(self.rotvecs)
        self.betas = rng.normal(0, 1, (ROWS, 10))
        self.points = rng.normal(0, 0.5, (ROWS, 137, 3))
        self.joints = rng.normal(0, 0.5, (ROWS, 55, 3))

    def smpl(self, as_matrices: bool) -> np.ndarray:
        """[3, 24, 3, 3] or [3, 72]; the two joints of whole hands are something else."""
        extra = np.full((ROWS, 2, 3), 0.3)
        whole = np.concatenate([self.rotvecs[:, :22], extra], 1)
        return turned(whole) if as_matrices else whole.reshape(ROWS, 72)

    def part(self, start: int, stop: int, as_matrices: bool) -> np.ndarray:
        """[3, n, 3, 3] or [3, 3 n]."""
        if as_matrices:
            return self.matrices[:, start:stop]
        return self.rotvecs[:, start:stop].reshape(ROWS, -1)


@dataclass
class Told:
    """What of the truth a file tells: joints of rows, and what is said of each."""

    system: str
    axes: Axes
    joints: object = BODY
    rows: tuple[int, ...] = (0, 1, 2)
    photos: tuple[str, ...] = ("", "", "")
    frames: tuple[int | None, ...] = (None, None, None)
    ids: tuple[str, ...] = ("", "", "")
    boxes: np.ndarray | None = None
    has_points: bool = False
    has_joints: object = ()
    space: str = "smpl"


def pickled(path: Path, value: object, protocol: int = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol))


def tensor(value: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(value, np.float32))


def phalp(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    """Three frames; somebody out of sight in each."""
    smpl = truth.smpl(True).astype(np.float32)
    frames = {}
    for row in range(ROWS):
        person = {
            "global_orient": smpl[row, :1],
            "body_pose": smpl[row, 1:],
            "betas": truth.betas[row],
        }
        stale = {**person, "body_pose": person["body_pose"][::-1]}
        left, top, right, bottom = BOX[row]
        box = np.array([left, top, right - left, bottom - top])
        frames[f"out/img/00000{row}.jpg"] = {
            "time": row, "shot": 0, "frame_path": f"out/img/00000{row}.jpg", "tid": [7, 8],
            "bbox": [box, box], "tracked_time": [0, 3], "tracked_ids": [7], "conf": [0.9, 0.8],
            "smpl": [person, stale], "camera": [np.ones(3)] * 2, "mask": [[{"size": [2, 3], "counts": "ab"}]] * 2,
            "img_path": [f"out/img/00000{row}.jpg"] * 2, "img_name": [f"00000{row}.jpg"] * 2,
        }  # fmt: skip
    joblib.dump(frames, folder / "demo_video.pkl", compress=3)
    photos = tuple(f"out/img/00000{row}.jpg" for row in range(ROWS))
    return Told("hmr2", Axes.CROP, photos=photos, frames=(0, 1, 2), ids=("7", "7", "7"), boxes=BOX)


def hmr2(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    smpl = tensor(truth.smpl(as_matrices)).reshape(ROWS, 24, *((3, 3) if as_matrices else (3,)))
    out = {
        "pred_cam": torch.ones(ROWS, 3), "pred_cam_t": torch.ones(ROWS, 3), "focal_length": torch.ones(ROWS, 2),
        "pred_smpl_params": {"global_orient": smpl[:, :1], "body_pose": smpl[:, 1:], "betas": tensor(truth.betas)},
        "pred_keypoints_3d": torch.ones(ROWS, 44, 3), "box_center": tensor((SQUARE[:, :2] + SQUARE[:, 2:]) / 2),
        "box_size": tensor(SQUARE[:, 2] - SQUARE[:, 0]), "personid": torch.arange(ROWS), "img_path": "in/a.jpg",
    }  # fmt: skip
    torch.save([out], folder / "a.pt")
    return Told("hmr2", Axes.CROP, photos=("in/a.jpg",) * 3, ids=("0", "1", "2"), boxes=SQUARE)


def camerahmr(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    smpl = truth.smpl(True)
    people = [
        {"pred_smpl_params": {"global_orient": smpl[row, :1], "body_pose": smpl[row, 1:], "betas": truth.betas[row]},
         "cam_int": np.eye(3), "bbox": BOX[row]}
        for row in range(ROWS)
    ]  # fmt: skip
    pickled(folder / "a.pkl", {"a.jpg": people}, 5)
    return Told("camerahmr", Axes.CAMERA, photos=("a.jpg",) * 3, ids=("0", "1", "2"), boxes=BOX)


def camerahmr_labels(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    np.savez(
        folder / "labels.npz", imgname=np.array(["x/a.jpg", "x/b.jpg", "x/c.jpg"]), pose=truth.smpl(False),
        shape=truth.betas, center=(SQUARE[:, :2] + SQUARE[:, 2:]) / 2, scale=(SQUARE[:, 2] - SQUARE[:, 0]) / 200,
        cam_int=np.tile(np.eye(3), (ROWS, 1, 1)), gtkps=np.zeros((ROWS, 44, 3)),
    )  # fmt: skip
    return Told("camerahmr", Axes.CAMERA, photos=("x/a.jpg", "x/b.jpg", "x/c.jpg"), boxes=SQUARE)


def smplerx(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    """Hands are those of the truth less the mean hand, which the test adds as a body's."""
    (folder / "smplx").mkdir()
    (folder / "meta").mkdir()
    for row in range(ROWS):
        part = {
            "global_orient": truth.rotvecs[row, :1], "body_pose": truth.rotvecs[row, 1:22],
            "left_hand_pose": truth.rotvecs[row, 25:40] - MEAN_LEFT, "right_hand_pose": truth.rotvecs[row, 40:] - MEAN_RIGHT,
            "jaw_pose": truth.rotvecs[row, 22:23], "leye_pose": np.zeros((1, 3)), "reye_pose": np.zeros((1, 3)),
            "betas": truth.betas[row : row + 1], "expression": np.zeros((1, 10)), "transl": np.ones((1, 3)),
        }  # fmt: skip
        np.savez(folder / f"smplx/0000{row + 1}_0.npz", **part)
        left, top, right, bottom = BOX[row].tolist()
        meta = {"focal": [1, 1], "princpt": [1, 1], "bbox": [left, top, right - left, bottom - top],
                "bbox_mmdet": [1, 1, 1, 1], "bbox_id": 0, "img_path": f"in/00000{row + 1}.jpg"}  # fmt: skip
        (folder / f"meta/0000{row + 1}_0.json").write_text(json.dumps(meta, indent=4))
    photos = tuple(f"00000{row + 1}.jpg" for row in range(ROWS))
    joints = (*range(23), *HANDS)
    return Told(
        "smplerx", Axes.CROP, joints, photos=photos, ids=("0",) * 3, boxes=BOX, space="smplx"
    )


MEAN_LEFT = np.linspace(-0.3, 0.3, 45).reshape(15, 3)
MEAN_RIGHT = -MEAN_LEFT


def multihmr(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    order = [*range(22), *HANDS, 22]
    j3d = np.concatenate([truth.joints, np.ones((ROWS, 72, 3))], 1)
    humans = [
        {"scores": torch.tensor(0.9), "loc": torch.ones(2), "transl": torch.ones(1, 3), "transl_pelvis": torch.ones(1, 3),
         "rotvec": tensor(truth.rotvecs[row, order]), "expression": torch.zeros(10), "shape": tensor(truth.betas[row]),
         "j3d_smplx": tensor(j3d[row])}
        for row in range(ROWS)
    ]  # fmt: skip
    pickled(folder / "street.pkl", humans)
    return Told(
        "multihmr", Axes.CAMERA, (*range(23), *HANDS), photos=("street",) * 3, ids=("0", "1", "2"),
        has_joints=ALL, space="smplx",
    )  # fmt: skip


def multihmr_frames(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    order = [*range(22), *HANDS, 22]
    frames = [
        [{"rotvec": truth.rotvecs[row, order], "shape": truth.betas[row]}] for row in range(ROWS)
    ]
    pickled(folder / "allFrames.pkl", frames, 5)
    joints = (*range(23), *HANDS)
    return Told("multihmr", Axes.CAMERA, joints, frames=(0, 1, 2), ids=("0",) * 3, space="smplx")


def absolute(matrices: np.ndarray, joint: int) -> np.ndarray:
    """A joint's rotation against the camera."""
    chain = np.eye(3)
    while joint >= 0:
        chain = matrices[joint] @ chain
        joint = parents(BodyKind.SMPLX)[joint]
    return chain


def _pixie(truth: Truth, row: int) -> dict[str, object]:
    whole = truth.matrices[row].astype(np.float32)
    return {
        "shape": truth.betas[row], "exp": np.zeros(50, np.float32), "global_pose": whole[:1],
        "partbody_pose": whole[[*range(1, 12), 13, 14, 16, 17, 18, 19]], "neck_pose": whole[12:13],
        "head_pose": absolute(truth.matrices[row], 15)[None], "left_wrist_pose": absolute(truth.matrices[row], 20)[None],
        "right_wrist_pose": absolute(truth.matrices[row], 21)[None], "jaw_pose": whole[22:23],
        "left_hand_pose": whole[25:40], "right_hand_pose": whole[40:], "body_cam": np.ones(3),
        "bbox": BOX[row],
    }  # fmt: skip


def pixie(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    for row, name in enumerate("abc"):
        code = _pixie(truth, row) | {"body_pose": truth.matrices[row, 1:22].astype(np.float32)}
        pickled(folder / name / f"{name}_param.pkl", code)
    joints = (*range(23), *HANDS)
    return Told("pixie", Axes.CROP, joints, photos=("a", "b", "c"), boxes=BOX, space="smplx")


def pixie_not_decoded(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    for row, name in enumerate("abc"):
        pickled(folder / name / f"{name}_param.pkl", _pixie(truth, row))
    joints = (*range(23), *HANDS)
    return Told("pixie", Axes.CROP, joints, photos=("a", "b", "c"), boxes=BOX, space="smplx")


def expose(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    middles = (BOX[:, :2] + BOX[:, 2:]) / 2
    for row, name in enumerate("abc"):
        whole = truth.matrices[row]
        (folder / f"{name}.jpg").mkdir()
        np.savez_compressed(
            folder / f"{name}.jpg/{name}.jpg_params.npz", fname=f"{name}.jpg", global_orient=whole[:1],
            body_pose=whole[1:22], jaw_pose=whole[22:23], left_hand_pose=whole[25:40], right_hand_pose=whole[40:],
            betas=truth.betas[row], expression=np.zeros(10), vertices=np.zeros((5, 3)), faces=None,
            center=middles[row], transl=[0, 0, 20.0], focal_length_in_mm=20.0, focal_length_in_px=5000,
            shift_x=0.1, shift_y=0.1, sensor_width=36,
        )  # fmt: skip
    joints = (*range(23), *HANDS)
    boxes = np.concatenate([middles, middles], 1)
    photos = ("a.jpg", "b.jpg", "c.jpg")
    return Told("expose", Axes.CROP, joints, photos=photos, boxes=boxes, space="smplx")


def pymafx(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    whole = tensor(truth.matrices)
    batches = [
        {"shape": tensor(truth.betas[rows]), "body_pose": whole[rows, :22], "left_hand_pose": whole[rows, 25:40],
         "right_hand_pose": whole[rows, 40:], "jaw_pose": whole[rows, 22:23], "leye_pose": whole[rows, 23:24],
         "reye_pose": whole[rows, 24:25], "expression": torch.zeros(len(whole[rows]), 10)}
        for rows in (slice(0, 2), slice(2, 3))
    ]  # fmt: skip
    sides = SQUARE[:, 2:] - SQUARE[:, :2]
    results = {
        "pred_cam": np.ones((ROWS, 3)), "orig_cam_t": np.ones((ROWS, 3)), "pose": np.ones((ROWS, 72)),
        "bboxes": np.concatenate([SQUARE[:, :2] + sides / 2, sides[:, :1]], 1), "frame_ids": [4, 5, 6],
        "person_ids": ["shot_f4_p0", "shot_f5_p1", "shot_f6_p0"], "smplx_params": batches,
    }  # fmt: skip
    joblib.dump(results, folder / "output.pkl")
    return Told(
        "pymafx", Axes.CROP, ALL, photos=("shot",) * 3, frames=(4, 5, 6), ids=("0", "1", "0"), boxes=SQUARE,
        space="smplx",
    )  # fmt: skip


def cliff(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    rows = np.arange(ROWS)[:, None]
    found = np.concatenate([[[1], [0], [1]], BOX, np.ones((ROWS, 2)), rows], 1)
    np.savez(
        folder / "x_cliff_hr48.npz", imgname=["in/a.jpg", "in/b.jpg"], pose=truth.smpl(as_matrices), shape=truth.betas,
        global_t=np.ones((ROWS, 3)), pred_joints=np.ones((ROWS, 49, 3)), focal_l=np.ones(ROWS), detection_all=found,
    )  # fmt: skip
    photos = ("in/b.jpg", "in/a.jpg", "in/b.jpg")
    return Told(
        "cliff", Axes.CAMERA, photos=photos, frames=(1, 0, 1), ids=("0", "1", "2"), boxes=BOX
    )


def wham(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    results = defaultdict(dict)
    for key, rows in ((np.int64(3), [0, 1]), (np.int64(5), [2])):
        results[key] = {
            "pose": truth.smpl(as_matrices)[rows], "trans": np.ones((len(rows), 3)), "pose_world": np.zeros((len(rows), 72)),
            "trans_world": np.ones((len(rows), 3)), "betas": truth.betas[rows], "verts": np.zeros((len(rows), 9, 3)),
            "frame_ids": np.array(rows) + 10,
        }  # fmt: skip
    joblib.dump(results, folder / "wham_output.pkl")
    return Told("wham", Axes.CAMERA, frames=(10, 11, 12), ids=("3", "3", "5"))


def tram(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    (folder / "hps").mkdir()
    track = {
        "pred_cam": torch.ones(ROWS, 3), "pred_pose": torch.ones(ROWS, 144), "pred_shape": tensor(truth.betas),
        "pred_rotmat": tensor(truth.smpl(as_matrices)), "pred_trans": torch.ones(ROWS, 1, 3), "frame": torch.arange(5, 8),
    }  # fmt: skip
    np.save(folder / "hps/hps_track_2.npy", track)
    camera = {
        "pred_cam_R": np.eye(3)[None],
        "img_focal": 1000.0,
        "img_center": np.array([1.0, 2.0]),
    }
    np.save(folder / "camera.npy", camera)
    return Told("tram", Axes.CAMERA, frames=(5, 6, 7), ids=("2",) * 3)


def gvhmr(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    incam = {"global_orient": tensor(truth.part(0, 1, as_matrices)), "body_pose": tensor(truth.part(1, 22, as_matrices)),
             "betas": tensor(truth.betas), "transl": torch.ones(ROWS, 3)}  # fmt: skip
    world = {key: torch.zeros_like(value) for key, value in incam.items()}
    results = {"smpl_params_global": world, "smpl_params_incam": incam, "K_fullimg": torch.eye(3).repeat(ROWS, 1, 1),
               "net_outputs": {"model_output": OrderedDict(a=torch.ones(2).half())}}  # fmt: skip
    torch.save(results, folder / "hmr4d_results.pt")
    return Told("gvhmr", Axes.CAMERA, frames=(0, 1, 2), space="smplx")


def prompthmr(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    rotmat = np.zeros((ROWS, 55, 3, 3), np.float32)
    rotmat[:, :22] = truth.matrices[:, :22]
    rotmat[:, 22:25] = np.eye(3)
    people = {}
    for key, rows in ((1, [0, 1]), (2, [2])):
        cam = {"rotmat": rotmat[rows], "pose": np.zeros((len(rows), 75)), "shape": truth.betas[rows],
               "trans": np.ones((len(rows), 3))}  # fmt: skip
        world = {"pose": np.zeros((len(rows), 165)), "shape": truth.betas[rows]}
        people[key] = {"track_id": key, "frames": np.array(rows), "bboxes": BOX[rows], "smplx_cam": cam,
                       "smplx_world": world, "smplx_pose": torch.ones(len(rows), 2)}  # fmt: skip
    results = {"camera": {"img_focal": 1000.0}, "people": people, "masks": None, "has_tracks": True}
    joblib.dump(results, folder / "results.pkl")
    return Told("prompthmr", Axes.CAMERA, frames=(0, 1, 2), ids=("1", "1", "2"), space="smplx")


def nlf(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    joints = truth.joints[:, :24] * 1000  # of SMPL, its last two whole hands
    corner = np.concatenate([BOX[:, :2], BOX[:, 2:] - BOX[:, :2], np.ones((ROWS, 1))], 1)
    split = [slice(0, 2), slice(2, 3)]

    def images(value: np.ndarray) -> list[torch.Tensor]:
        return [tensor(value[rows]) for rows in split]

    out = {
        "boxes": images(corner), "pose": images(truth.smpl(False)), "betas": images(truth.betas),
        "trans": images(np.ones((ROWS, 3))), "vertices3d": images(np.ones((ROWS, 9, 3))), "joints3d": images(joints),
        "joint_uncertainties": images(np.ones((ROWS, 24))),
    }  # fmt: skip
    pickled(folder / "video.pkl", out)
    return Told(
        "nlf", Axes.CAMERA, frames=(0, 0, 1), ids=("0", "1", "0"), boxes=BOX, has_joints=BODY
    )


def sam3dbody(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    people = [{**_sam(truth, row), "pred_cam_t": np.array([0.1, 0.2, 3.0])} for row in range(ROWS)]
    pickled(folder / "park.pkl", people, 4)
    return Told(
        "sam3dbody", Axes.CAMERA, (), photos=("park",) * 3, ids=("0", "1", "2"), boxes=BOX, has_points=True,
        space="mhr",
    )  # fmt: skip


def mhr_points(truth: Truth) -> np.ndarray:
    """The canonical points that MHR's 70 have, the wrists of body and hand being one."""
    layout = LAYOUTS[LayoutName.MHR_70]
    points = np.where(layout.is_absent, np.nan, truth.points)
    for side in ("left", "right"):
        hand, wrist = (names.POINT_INDEX[f"{side}_{name}"] for name in ("hand_wrist", "wrist"))
        points[:, wrist] = points[:, hand]
    hips = [names.POINT_INDEX[name] for name in ("left_hip", "right_hip")]
    points[:, names.POINT_INDEX["mid_hip"]] = truth.points[:, hips].mean(1)
    return points


def _sam(truth: Truth, row: int) -> dict[str, object]:
    layout = LAYOUTS[LayoutName.MHR_70]
    given = np.full((70, 3), 0.01, np.float32)
    for point, source in enumerate(layout.source):
        if source >= 0:
            given[source] = truth.points[row, point]
    return {"bbox": BOX[row], "focal_length": np.float32(900), "pred_keypoints_3d": given,
            "pred_keypoints_2d": np.zeros((70, 2)), "mhr_model_params": np.zeros(204),
            "shape_params": np.zeros(45), "expr_params": np.zeros(72), "mask": None}  # fmt: skip


def spin(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    np.savez(
        folder / "out.npz", pred_joints=np.zeros((ROWS, 17, 3)), pose=truth.smpl(as_matrices), betas=truth.betas,
        camera=np.ones((ROWS, 3)),
    )  # fmt: skip
    return Told("spin", Axes.CROP)


def plain(folder: Path, truth: Truth, as_matrices: bool) -> Told:
    names_of = {"global_orient": (0, 1), "body_pose": (1, 22), "jaw_pose": (22, 23), "leye_pose": (23, 24),
                "reye_pose": (24, 25), "left_hand_pose": (25, 40), "right_hand_pose": (40, 55)}  # fmt: skip
    parts = {name: truth.part(*place, as_matrices) for name, place in names_of.items()}
    np.savez(
        folder / "mine.npz", smplifyx_prediction=1, system="MyNet", axes="crop", betas=truth.betas, box=BOX,
        photo=["a.jpg", "b.jpg", "c.jpg"], frame=[1, 2, 3], person=[4, 5, 6], points3d=truth.points,
        joints3d=truth.joints, **parts,
    )  # fmt: skip
    return Told(
        "mynet", Axes.CROP, ALL, photos=("a.jpg", "b.jpg", "c.jpg"), frames=(1, 2, 3), ids=("4", "5", "6"), boxes=BOX,
        has_points=True, has_joints=ALL, space="smplx",
    )  # fmt: skip


WRITERS: dict[str, Callable[[Path, Truth, bool], Told]] = {
    writer.__name__: writer
    for writer in (
        phalp, hmr2, camerahmr, camerahmr_labels, smplerx, multihmr, multihmr_frames, pixie, pixie_not_decoded, expose,
        pymafx, cliff, wham, tram, gvhmr, prompthmr, nlf, sam3dbody, spin, plain,
    )
}  # fmt: skip
