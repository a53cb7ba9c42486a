"""Networks' predictions: every layout reads as what was written; hostile files cost only themselves."""

from __future__ import annotations

import builtins
import dataclasses
import json
import os
import pickle
import struct
import zlib
from pathlib import Path

import joblib
import numpy as np
import prediction_files as files
import pytest
import torch
from hostile_files import laughs, name_of, number, pickled, text, together
from make_bodies import Evil
from prediction_files import BOX, MEAN_LEFT, MEAN_RIGHT, WRITERS, Truth, turned

from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.predictions.documents import read_document
from smplifyx.predictions.pickled import read_pickle
from smplifyx.predictions.poses import BODY, GivenPoses
from smplifyx.predictions.prediction import Axes, Prediction
from smplifyx.predictions.reader import PredictionReader
from smplifyx.predictions.table import READERS, PredictionError, read_predictions


@pytest.fixture(scope="module")
def body() -> BodyModel:
    """A body with a mean hand that the tests know."""
    embedded = load_body()
    assert embedded.left_hand is not None and embedded.right_hand is not None
    left, right = (torch.tensor(mean.reshape(45)) for mean in (MEAN_LEFT, MEAN_RIGHT))
    return dataclasses.replace(
        embedded,
        left_hand=dataclasses.replace(embedded.left_hand, mean=left),
        right_hand=dataclasses.replace(embedded.right_hand, mean=right),
    )


def read(path: Path, body: BodyModel | None = None) -> tuple[list[Prediction], list[str]]:
    reading = read_predictions(path, body)
    return list(reading), reading.notes


def refused(path: Path) -> str:
    """The one line that says why there is nothing."""
    with pytest.raises(PredictionError) as error:
        list(read_predictions(path))
    line = str(error.value)
    assert "\n" not in line and "supported are" in line
    return line


@pytest.mark.parametrize("as_matrices", [True, False])
@pytest.mark.parametrize("name", WRITERS)
def test_each_layout(tmp_path: Path, body: BodyModel, name: str, as_matrices: bool) -> None:
    truth = Truth(seed=len(name))
    told = WRITERS[name](tmp_path, truth, as_matrices)
    found, notes = read(tmp_path, body)
    assert len(found) == len(told.rows)
    assert all("without their mean" in note or "PHALP did not see" in note for note in notes)
    for place, (row, made) in enumerate(zip(told.rows, found, strict=True)):
        assert (made.system, made.axes, made.shape_space) == (told.system, told.axes, told.space)
        assert np.flatnonzero(made.told).tolist() == list(told.joints)
        expected = np.where(made.told[:, None, None], truth.matrices[row], np.eye(3))
        np.testing.assert_allclose(made.rotations, expected, atol=1e-5)
        assert (made.photo, made.frame) == (told.photos[place], told.frames[place])
        assert made.person_id == told.ids[place]
        boxes = np.full((3, 4), np.nan) if told.boxes is None else told.boxes
        np.testing.assert_allclose(made.box, boxes[row], atol=1e-4)
        if told.space != "mhr":
            np.testing.assert_allclose(made.betas, truth.betas[row], atol=1e-6)
        joints = np.full((55, 3), np.nan)
        joints[list(told.has_joints)] = truth.joints[row, list(told.has_joints)]
        np.testing.assert_allclose(made.joints, joints, atol=1e-5)
        assert bool(np.isfinite(made.points).any()) == told.has_points


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.system)
def test_readers(reader: PredictionReader) -> None:
    assert isinstance(reader, PredictionReader) and reader.content
    assert reader.system == reader.system.lower()


def test_sam_3d_body_in_metres_and_in_centimetres(tmp_path: Path) -> None:
    """The estimator's points with y down; MHR's own with y up, a hundred times as large."""
    truth = Truth(5)
    upright = np.linspace(-0.9, 0.9, 137)[None, :, None] * [0, 1, 0]  # the nose up, y down
    truth.points = np.array(truth.points * 0.1 + upright)
    expected = files.mhr_points(truth)
    files.sam3dbody(tmp_path, truth, False)
    found, notes = read(tmp_path)
    shift = np.array([0.1, 0.2, 3.0])
    np.testing.assert_allclose([made.points for made in found], expected + shift, atol=1e-5)
    assert not notes and not found[0].told.any()

    ups = np.array([1, -1, -1])
    people = pickle.loads((tmp_path / "park.pkl").read_bytes())
    for person in people:
        person["pred_keypoints_3d"] = person["pred_keypoints_3d"] * 100 * ups
        del person["pred_cam_t"]
    files.pickled(tmp_path / "park.pkl", people)
    found, notes = read(tmp_path)
    np.testing.assert_allclose([made.points for made in found], expected, atol=1e-5)
    assert len(notes) == 3 and all("centimetres with y up" in note for note in notes)


def test_smpler_x_without_its_meta_and_with_the_embedded_hand(tmp_path: Path) -> None:
    files.smplerx(tmp_path, truth := Truth(2), False)
    found, notes = read(tmp_path / "smplx/00002_0.npz")
    assert found[0].photo == "000002.jpg" and found[0].person_id == "0"
    np.testing.assert_allclose(found[0].box, BOX[1])
    (tmp_path / "meta/00002_0.json").unlink()
    found, notes = read(tmp_path / "smplx/00002_0.npz")
    assert found[0].photo == "000002.jpg" and np.isnan(found[0].box).all()
    embedded = load_body().left_hand
    assert embedded is not None
    added = truth.rotvecs[1, 25:40] - MEAN_LEFT + embedded.mean.double().numpy().reshape(15, 3)
    np.testing.assert_allclose(found[0].rotations[25:40], turned(added), atol=1e-5)
    assert "no meta file" in notes[0] and "smplerx are told without their mean" in notes[1]


def test_own_results(tmp_path: Path) -> None:
    truth = Truth(3)
    part = {"global_orient": truth.rotvecs[0, 0], "body_pose": truth.rotvecs[0, 1:22], "jaw_pose": truth.rotvecs[0, 22],
            "leye_pose": truth.rotvecs[0, 23], "reye_pose": truth.rotvecs[0, 24],
            "left_hand_pose": truth.rotvecs[0, 25:40], "right_hand_pose": truth.rotvecs[0, 40:]}  # fmt: skip
    about = {"betas": truth.betas[0], "expression": np.zeros(10), "points3d": truth.points[0], "status": "ok",
             "model_name": "smplifyx-cc0-v1-female", "model_sha256": "00", "point_order": "x", "gender": "female",
             "image": "in/a.jpg", "photo": "", "person": 2, "person_id": ""}  # fmt: skip
    np.savez(tmp_path / "002.npz", **part, **about)
    np.savez(tmp_path / "003.npz", **part, **{**about, "status": "failed"})
    found, notes = read(tmp_path)
    assert len(found) == 1 and notes == ["003.npz: a fit that failed"]
    made = found[0]
    np.testing.assert_allclose(made.rotations, truth.matrices[0], atol=1e-5)
    np.testing.assert_allclose(made.points, truth.points[0], atol=1e-6)
    assert made.told.all() and made.axes is Axes.CAMERA and made.gender == "female"
    assert (made.system, made.photo, made.person_id) == ("smplifyx", "a.jpg", "2")
    assert made.shape_space == "smplifyx-cc0-v1-female"


def test_plain_form_of_a_track_and_without_a_marker(tmp_path: Path) -> None:
    """Axes (frames, people): what is told once for a frame holds for everybody in it."""
    truth = Truth(4)
    pose = np.stack(
        [truth.rotvecs[:2, 1:22], truth.rotvecs[1:, 1:22]]
    )  # [2 frames, 2 people, 21, 3]
    root = np.stack([truth.rotvecs[:2, 0], truth.rotvecs[1:, 0]])
    np.savez(
        tmp_path / "a.npz",
        global_orient=root,
        body_pose=pose,
        photo=["a", "b"],
        betas=truth.betas[0],
    )
    found, _ = read(tmp_path)
    assert [made.photo for made in found] == ["a", "a", "b", "b"]
    for made, row in zip(found, (0, 1, 1, 2), strict=True):
        np.testing.assert_allclose(made.rotations[:22], truth.matrices[row, :22], atol=1e-5)
        np.testing.assert_allclose(made.betas, truth.betas[0], atol=1e-6)
    assert found[0].system == "plain" and found[0].axes is Axes.CAMERA

    np.savez(tmp_path / "a.npz", smplifyx_prediction=1, points3d=truth.points[0])
    (only,), _ = read(tmp_path)
    assert not only.told.any() and np.isfinite(only.points).all()


PLAIN_FAULTS = {
    "axes": ({"axes": "world"}, "axes is 'world', allowed are camera and crop"),
    "photos": ({"photo": ["a", "b", "c", "d", "e"]}, "photo has 5 entries for 3 people"),
    "body": ({"body_pose": np.zeros((3, 20, 3))}, "body_pose has shape [3, 20, 3], expected"),
    "points": ({"points3d": np.zeros((3, 100, 3))}, "points3d has shape [3, 100, 3]"),
    "root": ({"global_orient": np.zeros((2, 3))}, "global_orient: shape [2, 3] is not 1 rotations of each of 3"),
    "text": ({"betas": "tall"}, "where numbers should be"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLAIN_FAULTS)
def test_faults_of_the_plain_form_say_what_is_wrong(tmp_path: Path, case: str) -> None:
    truth = Truth()
    good = {"global_orient": truth.rotvecs[:, 0], "body_pose": truth.rotvecs[:, 1:22]}
    changed, says = PLAIN_FAULTS[case]
    np.savez(tmp_path / "a.npz", **{**good, **changed})
    assert says in refused(tmp_path / "a.npz")


def test_what_is_no_rotation_is_absent_and_what_nearly_is_one_becomes_one() -> None:
    good = Truth().matrices[0, 1:22]
    given = np.tile(good, (7, 1, 1, 1))
    given[0, 3] = 0  # PromptHMR's hands
    given[1, 3] = np.nan
    given[2, 3] = -np.eye(3)  # a reflection
    given[3, 3] *= 1e200
    given[4, 3] = np.diag([1.2, 1 / 1.2, 1])  # of the right volume
    given[5] += np.random.default_rng(0).normal(0, 0.01, given[5].shape)
    poses = GivenPoses.nothing(7)
    poses.put(BODY, given)
    assert np.argwhere(~poses.told[:, BODY]).tolist() == [[row, 3] for row in range(5)]
    assert (poses.rotations[:5, 4] == np.eye(3)).all()
    made = poses.rotations[5, BODY]
    np.testing.assert_allclose(
        np.swapaxes(made, -1, -2) @ made, np.tile(np.eye(3), (21, 1, 1)), atol=1e-6
    )
    assert np.abs(made - good).max() < 0.06
    np.testing.assert_allclose(poses.rotations[6, BODY], good, atol=1e-6)


def test_a_bad_person_costs_only_them(tmp_path: Path) -> None:
    truth = Truth()
    files.wham(tmp_path, truth, False)
    tracks = joblib.load(tmp_path / "wham_output.pkl")
    first, second = list(tracks)
    tracks[second]["pose"] = np.full((1, 72), np.nan)
    tracks["odd"] = {"pose": np.zeros((2, 5)), "pose_world": 0, "frame_ids": [1]}
    tracks["none"] = 3
    joblib.dump(tracks, tmp_path / "wham_output.pkl")
    found, notes = read(tmp_path)
    assert len(found) == 2
    assert notes == [
        "wham_output.pkl: person 5, frame 12: no usable rotation and no point",
        "wham_output.pkl: track odd: a pose of shape [2, 5] is not one of 24 joints",
        "wham_output.pkl: track none: not a dictionary",
    ]


def test_a_folder_with_all_sorts_of_files(tmp_path: Path) -> None:
    files.gvhmr(tmp_path, Truth(), False)
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff" + b"x" * 40)
    (tmp_path / "log.txt").write_text("hello\n")
    (tmp_path / ".hidden.pkl").write_bytes(b"\x80\x04")
    (tmp_path / "keypoints.json").write_text(json.dumps({"people": []}))
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "cut.pkl").write_bytes(pickle.dumps({"a": [1, 2, 3]})[:-3])
    (tmp_path / "weights.npz").write_bytes((tmp_path / "hmr4d_results.pt").read_bytes()[:700])
    joblib.dump({"a": np.zeros(100)}, tmp_path / "packed.pkl", compress=("bz2", 3))
    os.mkfifo(tmp_path / "pipe.pkl")
    os.symlink("/nowhere", tmp_path / "gone.pkl")
    os.symlink("/dev/zero", tmp_path / "zero.pkl")
    os.symlink(tmp_path, tmp_path / "round")
    os.symlink(tmp_path / "hmr4d_results.pt", tmp_path / "link.data")
    found, notes = read(tmp_path)
    assert len(found) == 6  # the link, too
    said = {note.partition(":")[0]: note for note in notes}
    for name, words in {
        "cut.pkl": "cut short",
        "gone.pkl": "No such file",
        "keypoints.json": "not a prediction of any network",
        "packed.pkl": "packed with bz2: load it with joblib and save it again by joblib.dump",
        "pipe.pkl": "not a regular file",
        "weights.npz": "not readable",
        "zero.pkl": "not a regular file",
        "3 files that hold no data passed over": "empty.npz, log.txt, photo.jpg",
    }.items():
        assert words in said.pop(name), name
    assert not said and all("\n" not in note for note in notes)


def test_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match="no such file or folder"):
        read_predictions(tmp_path / "nowhere")
    assert "WHAM wham_output.pkl" in refused(tmp_path)
    (tmp_path / "a.txt").write_text("plain words")
    assert "a text, begins with 'plain words'" in refused(tmp_path / "a.txt")
    (tmp_path / "b.npz").write_bytes(b"")
    assert "the file is empty" in refused(tmp_path / "b.npz")
    os.mkfifo(tmp_path / "c.pkl")
    assert "not a regular file" in refused(tmp_path / "c.pkl")


def evil(flag: Path) -> dict[str, Evil]:
    return {
        "system": Evil(os.system, f"touch {flag}"),
        "eval": Evil(eval, f"open({str(flag)!r}, 'w')"),
        "open": Evil(builtins.open, str(flag), "w"),
        "load": Evil(np.load, str(flag)),
        "torch": Evil(torch.load, str(flag)),
        "joblib": Evil(joblib.load, str(flag)),
        "getattr": Evil(getattr, "", "join"),
    }


@pytest.mark.parametrize("case", evil(Path()))
@pytest.mark.parametrize("place", ["pickle", "joblib", "npz", "npy", "torch"])
def test_nothing_of_a_file_is_run(tmp_path: Path, case: str, place: str) -> None:
    flag = tmp_path / "flag"
    value = {"pose": evil(flag)[case], "pose_world": 1, "frame_ids": 2}
    path = tmp_path / "a.pkl"
    if place == "pickle":
        path.write_bytes(pickle.dumps(value))
    elif place == "joblib":
        joblib.dump(value, path, compress=3)
    elif place == "npz":
        np.savez(
            tmp_path / "a.npz",
            global_orient=np.array(value, dtype=object),
            body_pose=np.zeros((21, 3)),
        )
        path = tmp_path / "a.npz"
    elif place == "npy":
        np.save(tmp_path / "a.npy", np.array(value, dtype=object))
        path = tmp_path / "a.npy"
    else:
        torch.save(value, path)
    line = refused(path)
    assert not flag.exists()
    assert "refused global" in line


@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_saves(tmp_path: Path, zipped: bool) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    value = {"T": base.T, "part": base[1:3, ::2], "half": base.half(), "bf": base.bfloat16(), "none": base[:0],
             "flags": base > 3, "path": "a"}  # fmt: skip
    torch.save(value, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    found = read_document(tmp_path / "a.pt")
    assert isinstance(found, dict) and found["path"] == "a"
    for key in ("T", "part", "half", "flags"):
        np.testing.assert_array_equal(found[key], value[key].numpy())
    np.testing.assert_array_equal(found["bf"], base.numpy())
    assert found["none"].size == 0
    if zipped:
        torch.save({"numpy": base.numpy(), "scalar": np.float32(2)}, tmp_path / "a.pt")
        found = read_document(tmp_path / "a.pt")
        assert isinstance(found, dict) and found["scalar"] == 2
        np.testing.assert_array_equal(found["numpy"], base.numpy())


def zeros(count: int) -> bytes:
    return zlib.compress(b"\0" * count, 9)


def joblib_array(shape: bytes, dtype: str, data: bytes) -> bytes:
    """A description of joblib's with the bytes behind it, in a dictionary."""
    kind = name_of("numpy", "dtype") + together(text(dtype)) + b"R"
    state = b"}(" + text("shape") + shape + text("order") + text("C") + text("dtype") + kind + b"u"
    array = name_of("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81" + state + b"b"
    return b"\x80\x02}" + text("pose") + array + data + b"s."


BOMBS: dict[str, tuple[bytes, str]] = {
    "far memo": (b"\x80\x02Nr\xff\xff\xff\x7f.", ""),
    "length": (b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.", "expected"),
    "array of bytes": (b"\x80\x05\x96" + struct.pack("<Q", 2**60) + b"x.", "expected"),
    "zeros of a number": (pickled(name_of("builtins", "bytearray") + together(number(10**11)) + b"R"), "refused bytes"),
    "range": (pickled(name_of("builtins", "range") + together(number(10**11)) + b"R"), "refused global"),
    "tuples in a key": (b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"Ns.", "as a key"),
    "tuples in tuples": (b"\x80\x02)" + b"\x85" * 100_000 + b".", "nested more than"),
    "itself": (b"\x80\x02]q\x00h\x00a.", "within itself"),
    "joblib's size": (joblib_array(together(number(2**50)), "<f8", b""), "cut short within an array"),
    "joblib's shape": (joblib_array(together(number(2**40), number(0)), "<f8", b""), ""),
    "joblib's negative": (joblib_array(together(number(-1)), "<f8", b""), "impossible shape"),
    "no data": (joblib_array(together(number(3)), "<f8", b"\0" * 21), "cut short within an array"),
    "packed zeros": (zeros(600 * 2**20), "unpacks to more than"),
    "cut packed": (zlib.compress(pickle.dumps({"pose": np.zeros(1000)}))[:-8], "cut short"),
    "attributes": (pickled(name_of("numpy", "dtype") + b"}" + text("x") + b"Nsb"), "refused attributes"),
    "opcode": (b"\x80\x02}Q.", "refused opcode BINPERSID"),
    "deep JSON": (b"[" * 100_000, "not readable"),
    "npy of 2^60": (b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,)}".ljust(117) + b"\n", "in 0 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("case", BOMBS)
def test_bombs_go_off_nowhere(tmp_path: Path, case: str) -> None:
    content, says = BOMBS[case]
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    assert says in refused(path)


def test_lists_that_hold_one_list_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(
        b"\x80\x02}(" + text("global_orient") + laughs() + text("body_pose") + laughs() + b"u."
    )
    assert "lists" in refused(path)


def test_damage_anywhere_is_one_line(tmp_path: Path) -> None:
    """Flipped and missing bytes in a file of each kind."""
    rng = np.random.default_rng(0)
    for name in ("wham", "tram", "multihmr", "gvhmr", "plain", "phalp"):
        folder = tmp_path / name
        folder.mkdir()
        WRITERS[name](folder, Truth(), False)
        source = next(path for path in sorted(folder.rglob("*")) if path.is_file())
        content = source.read_bytes()
        for trial in range(60):
            damaged = bytearray(content)
            for place in rng.integers(0, len(damaged), 1 + trial % 5):
                damaged[place] ^= 1 << int(rng.integers(8))
            if trial % 3 == 0:
                damaged = damaged[: int(rng.integers(len(damaged)))]
            source.write_bytes(damaged)
            reading = read_predictions(source)
            try:
                for made in reading:
                    assert np.isfinite(made.rotations).all()
            except PredictionError as error:
                assert "\n" not in str(error)
            assert all("\n" not in note for note in reading.notes)


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol(protocol: int) -> None:
    base = np.arange(24.0, dtype=">f4").reshape(4, 6)
    values = {
        "array": base, "fortran": np.asfortranarray(base), "scalar": np.float32(2.5), "empty": np.zeros((0, 3)),
        "objects": np.array([{"a": 1}, None], dtype=object), "words": np.array(["a", "bc"]), 7: (1, [2.5, b"x"]),
        "path": Path("/a/b"), "tensor": torch.arange(6.0).reshape(2, 3).T, "half": torch.ones(2).bfloat16(),
    }  # fmt: skip
    found = read_pickle(pickle.dumps(values, protocol))
    assert isinstance(found, dict) and found[7] == [1, [2.5, b"x"]] and found["path"] == "/a/b"
    assert found["objects"] == [{"a": 1}, None] and found["scalar"] == 2.5
    for key in ("array", "fortran", "words"):
        np.testing.assert_array_equal(found[key], values[key])
    np.testing.assert_array_equal(found["tensor"], values["tensor"].numpy())
    np.testing.assert_array_equal(found["half"], [1, 1])


def test_codes_of_pixie_that_were_not_decoded(tmp_path: Path) -> None:
    files.pickled(
        tmp_path / "a_param.pkl",
        {"global_pose": np.zeros((1, 6)), "partbody_pose": np.zeros((17, 6))},
    )
    assert "save them after decode()" in refused(tmp_path / "a_param.pkl")


def test_nlf_of_one_image_in_metres_and_of_an_unknown_skeleton(tmp_path: Path) -> None:
    truth = Truth()
    out = {"joints3d_nonparam": truth.joints[:2], "joint_uncertainties": np.ones((2, 55))}
    np.savez(tmp_path / "street.npz", **out)
    found, notes = read(tmp_path)
    assert [made.photo for made in found] == ["street"] * 2 and not notes
    np.testing.assert_allclose([made.joints for made in found], truth.joints[:2], atol=1e-6)
    np.savez(tmp_path / "street.npz", **(out | {"joints3d_nonparam": truth.joints[:, :30]}))
    assert "a skeleton of 30 joints, known are those of 24, 52, 55" in refused(tmp_path)


def test_people_of_cliff_without_numbers_of_their_own(tmp_path: Path) -> None:
    """The first CLIFF has the class in the last column: two people 0 in one image are no tracks."""
    files.cliff(tmp_path, Truth(), False)
    path = next(tmp_path.iterdir())
    arrays = dict(np.load(path))
    arrays["detection_all"][:, 7] = 0
    np.savez(path, **arrays)
    found, _ = read(path)
    assert [made.person_id for made in found] == ["", "", ""]


def test_outputs_as_json(tmp_path: Path) -> None:
    """What people make of arrays for other programs."""
    truth = Truth(1)
    smpl = truth.smpl(True)
    person = {"pred_smpl_params": {"global_orient": smpl[0, :1].tolist(), "body_pose": smpl[0, 1:].tolist(),
                                   "betas": truth.betas[0].tolist()}}  # fmt: skip
    (tmp_path / "a.json").write_text(
        json.dumps({"12": [person], "b.jpg": [{**person, "bbox": [1, 2, 3, 4]}]})
    )
    found, notes = read(tmp_path)
    assert [(made.frame, made.photo, made.person_id) for made in found] == [
        (12, "", "0"),
        (None, "b.jpg", "0"),
    ]
    np.testing.assert_allclose(found[0].rotations[:22], truth.matrices[0, :22], atol=1e-5)
    assert found[1].box.tolist() == [1, 2, 3, 4] and not notes
