"""Body model files: every layout reads, every fault is one line."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_files import mutated, npy_header, npz, overlapping, zip_bomb
from make_bodies import as_objects, body_arrays, hand_arrays, object_arrays, write, write_old_pickle

from smplifyx.body.joints import BodyKind, joint_names
from smplifyx.body.loading.files import find_body, load_body
from smplifyx.body.loading.raw import BodyFileError
from smplifyx.body.model import Gender
from smplifyx.core import assets
from smplifyx.core.choices import BODY_GENDERS
from smplifyx.keypoints import names

SMPLX, SMPLH, SMPL = BodyKind.SMPLX, BodyKind.SMPLH, BodyKind.SMPL


def smplx_with_objects() -> dict[str, np.ndarray]:
    """SMPL-X as some files keep it: dictionaries as object arrays, the contour as a list of arrays."""
    arrays = body_arrays(SMPLX)
    lists = {
        key: as_objects(arrays[key]) for key in ("dynamic_lmk_faces_idx", "dynamic_lmk_bary_coords")
    }
    return arrays | hand_arrays() | object_arrays() | lists


# file name, arrays, kind, shape components, expression components, whether the hands' spread is
# known
LAYOUTS = {
    "smplx 10+10": ("a.npz", lambda: body_arrays(SMPLX) | hand_arrays(), SMPLX, 10, 10, True),
    "smplx 300+100": ("a.npz", lambda: body_arrays(SMPLX, columns=400), SMPLX, 300, 100, False),
    "smplx pickle": (
        "a.pkl",
        lambda: body_arrays(SMPLX) | hand_arrays(rows=12),
        SMPLX,
        10,
        10,
        True,
    ),
    "smplx objects npz": ("a.npz", smplx_with_objects, SMPLX, 10, 10, True),
    "smplx objects pkl": ("a.pkl", smplx_with_objects, SMPLX, 10, 10, True),
    "smplh mano": ("a.pkl", lambda: body_arrays(SMPLH) | hand_arrays(), SMPLH, 10, 0, True),
    "smplh amass": ("a.npz", lambda: body_arrays(SMPLH, columns=16), SMPLH, 16, 0, False),
    "smpl": ("a.pkl", lambda: body_arrays(SMPL), SMPL, 10, 0, None),
    "smpl 300": ("a.npz", lambda: body_arrays(SMPL, columns=300), SMPL, 300, 0, None),
    "misleading name": ("SMPLX_MALE.npz", lambda: body_arrays(SMPL), SMPL, 10, 0, None),
    "wrong ending": ("a.dat", lambda: body_arrays(SMPL), SMPL, 10, 0, None),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_read(tmp_path: Path, layout: str) -> None:
    name, make, kind, shapes, expressions, measured = LAYOUTS[layout]
    arrays = make()
    body = load_body(write(tmp_path / name, arrays), dtype=torch.float64)
    assert body.kind is kind
    assert (body.shapedirs.shape[-1], body.expressiondirs.shape[-1]) == (shapes, expressions)
    for key in ("v_template", "weights", "J_regressor"):
        np.testing.assert_allclose(getattr(body, key), arrays[key], atol=1e-12)
    np.testing.assert_array_equal(body.shapedirs, arrays["shapedirs"][..., :shapes])
    np.testing.assert_array_equal(
        body.expressiondirs, arrays["shapedirs"][..., shapes : shapes + expressions]
    )
    assert body.left_hand is None if measured is None else body.left_hand.measured is measured


def test_hand_spaces_keep_rows_and_measure_spread(tmp_path: Path) -> None:
    arrays = body_arrays(SMPLX) | hand_arrays(rows=12)
    hand = load_body(write(tmp_path / "a.npz", arrays)).right_hand
    assert hand.components.shape == (12, 45)
    np.testing.assert_allclose(hand.mean, arrays["hands_meanr"], atol=1e-6)
    np.testing.assert_allclose(hand.sds, 1 / np.arange(1, 13), rtol=0.25)
    del arrays["hands_coeffsr"]
    assert not load_body(write(tmp_path / "b.npz", arrays)).right_hand.measured


def test_contour_tables_survive_being_objects(tmp_path: Path) -> None:
    plain = load_body(write(tmp_path / "a.npz", body_arrays(SMPLX)))
    for ending in ("npz", "pkl"):
        objects = load_body(write(tmp_path / f"b.{ending}", smplx_with_objects()))
        assert torch.equal(plain.points.contour_sources, objects.points.contour_sources)
        assert torch.equal(plain.points.contour_coefficients, objects.points.contour_coefficients)


@pytest.mark.parametrize("protocol", [0, 2])
def test_old_pickle_reads_without_chumpy(tmp_path: Path, protocol: int) -> None:
    arrays = body_arrays(SMPL)
    path = write_old_pickle(tmp_path / "basicmodel_m_lbs_10_207_0_v1.0.0.pkl", arrays, protocol)
    assert b"chumpy.reordering" in path.read_bytes() and b"scipy.sparse.csc\n" in path.read_bytes()
    body = load_body(path, dtype=torch.float64)
    assert body.gender is Gender.MALE
    for key in ("v_template", "shapedirs", "J_regressor"):
        np.testing.assert_array_equal(getattr(body, key), arrays[key])


def changed(key: str, value: object, kind: BodyKind = SMPLX) -> dict[str, object]:
    """A body with one key replaced (None: taken out); a function gets the old value."""
    arrays: dict[str, object] = dict(body_arrays(kind) | (hand_arrays() if kind is SMPLX else {}))
    if value is None:
        del arrays[key]
    else:
        arrays[key] = value(arrays[key]) if callable(value) else value
    return arrays


def with_entry(array: np.ndarray, value: float) -> np.ndarray:
    copy = array.copy()
    copy.flat[7] = value
    return copy


def with_parent(table: np.ndarray) -> np.ndarray:
    copy = table.copy()
    copy[0, 3] = 1
    return copy


# what is wrong -> key, its new value, what the line must say
FAULTS = {
    "no template": ("v_template", None, "found no v_template"),
    "no weights": ("weights", None, "weights: found nothing"),
    "no posedirs": ("posedirs", None, "posedirs: found nothing, expected an array (240, 3, 486)"),
    "no bary": ("lmk_bary_coords", None, "lmk_bary_coords: found nothing"),
    "flat template": (
        "v_template",
        np.zeros(720),
        "v_template: found shape (720,), expected (any, 3)",
    ),
    "millimetres": ("v_template", lambda a: a * 1000, "expected metres"),
    "not a number": ("v_template", lambda a: with_entry(a, np.nan), "1 values that are not finite"),
    "infinite soon": ("shapedirs", lambda a: with_entry(a, 1e300), "shapedirs: found values"),
    "wide": ("v_template", lambda a: a * [30, 1, 1], "wide and"),
    "text": ("v_template", np.array(["a", "b"]), "v_template: found dtype <U1"),
    "mano": ("weights", np.full((240, 16), 1 / 16), "16 joints (a MANO hand)"),
    "odd joints": ("weights", np.full((240, 51), 1 / 51), "51 joints (no known body)"),
    "short weights": (
        "weights",
        lambda a: a[:-1],
        "weights: found shape (239, 55), expected (240, 55)",
    ),
    "weights off": ("weights", lambda a: a * 1.1, "weights: found rows that sum to 1.1"),
    "posedirs of smpl": (
        "posedirs",
        np.zeros((240, 3, 207)),
        "posedirs: found shape (240, 3, 207)",
    ),
    "regressor turned": (
        "J_regressor",
        lambda a: a.T,
        "J_regressor: found shape (240, 55), expected (55, 240)",
    ),
    "columns": ("shapedirs", np.zeros((240, 3, 35)), "shapedirs: found 35 columns, expected 20"),
    "tree": (
        "kintree_table",
        lambda a: a[:, :24],
        "kintree_table: found shape (2, 24), expected (2, 55)",
    ),
    "parent": ("kintree_table", with_parent, "parent 1 for joint 3 (spine1), expected 0"),
    "faces": ("f", lambda a: a + 9999, "expected 0..239"),
    "fractional faces": ("f", lambda a: a * 0.5, "f: found fractions"),
    "landmark": ("lmk_faces_idx", lambda a: a + 480, "lmk_faces_idx: found values 48"),
    "bary": ("lmk_bary_coords", lambda a: a * 2, "lmk_bary_coords: found rows that sum to 2"),
    "contour": (
        "dynamic_lmk_faces_idx",
        lambda a: a[:40],
        "found shape (40, 17), expected (79, 17)",
    ),
    "components": (
        "hands_componentsl",
        lambda a: a[:, :44],
        "hands_componentsl: found shape (45, 44)",
    ),
    "coefficients": ("hands_coeffsr", lambda a: a[:, :6], "hands_coeffsr: found shape (200, 6)"),
    "points": ("extra_points", np.arange(20), "extra_points: found shape (20,), expected (21,)"),
    "too few vertices": ("extra_points", None, "240 vertices, expected more than 9929"),
    "ragged": (
        "dynamic_lmk_bary_coords",
        np.array([[1], [1, 2]], dtype=object),
        "dynamic_lmk_bary_coords",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("ending", ["npz", "pkl"])
def test_faults_are_one_line(tmp_path: Path, fault: str, ending: str) -> None:
    key, value, expected = FAULTS[fault]
    path = write(tmp_path / f"a.{ending}", changed(key, value))
    with pytest.raises(BodyFileError) as caught:
        load_body(path)
    message = str(caught.value)
    assert expected in message and str(path) in message and "\n" not in message


def whole_file(ending: str, folder: Path) -> bytes:
    return write(folder / f"whole.{ending}", body_arrays(SMPL)).read_bytes()


FOREIGN = {
    "empty": (lambda _: b"", "empty file"),
    "web page": (
        lambda _: b"<html>404 not found</html>",
        "a web page (HTML), perhaps a login page saved in the file's place, "
        "begins with '<html>404 not found</html>', expected a body model",
    ),
    "text": (lambda _: b"please log in first", "a text, begins with 'please log in first'"),
    "lfs": (
        lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        "a Git LFS pointer, not the file: git lfs pull",
    ),
    "photo": (lambda _: b"\xff\xd8\xff\xe0" + bytes(50), "a photo, expected a body model"),
    "short npz": (lambda folder: whole_file("npz", folder)[:-2000], "damaged or cut short"),
    "short pkl": (
        lambda folder: whole_file("pkl", folder)[:-2000],
        "neither .npz nor a whole pickle",
    ),
    "flipped npz": (lambda folder: flip(whole_file("npz", folder)), "cannot be read"),
    "pickled list": (lambda _: pickle.dumps([1, 2]), "found a pickled list"),
    "other dict": (lambda _: pickle.dumps({"a": 1}), "found no v_template"),
}


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(255 - b for b in data[middle : middle + 64]) + data[middle + 64 :]


@pytest.mark.parametrize("case", FOREIGN)
def test_foreign_and_damaged_files(tmp_path: Path, case: str) -> None:
    make, expected = FOREIGN[case]
    path = tmp_path / "a.npz"
    path.write_bytes(make(tmp_path))
    with pytest.raises(BodyFileError) as caught:
        load_body(path)
    assert (
        expected in str(caught.value)
        and str(path) in str(caught.value)
        and "\n" not in str(caught.value)
    )


FOLDERS = {
    "models": ("smplx/SMPLX_NEUTRAL.npz", "."),
    "models/smplx": ("smplx/SMPLX_NEUTRAL.npz", "smplx"),
    "pickle": ("smplx/SMPLX_NEUTRAL.pkl", "."),
    "smplh": ("smplh/SMPLH_NEUTRAL.pkl", "."),
    "smpl": ("smpl/SMPL_NEUTRAL.pkl", "smpl"),
    "smplify": ("basicModel_neutral_lbs_10_207_0_v1.0.0.pkl", "."),
    "amass": ("smplh/neutral/model.npz", "."),
    "ours": ("neutral.npz", "."),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_usual_folders(tmp_path: Path, case: str) -> None:
    name, given = FOLDERS[case]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    (path.parent / "README.txt").touch()
    assert find_body(tmp_path / given, Gender.NEUTRAL) == path


def test_only_the_gender_asked_for_is_read(tmp_path: Path) -> None:
    write(tmp_path / "smplx" / "SMPLX_FEMALE.npz", body_arrays(SMPLX))
    (tmp_path / "smplx" / "SMPLX_MALE.npz").write_text("would raise if it were read")
    assert load_body(tmp_path, Gender.FEMALE).gender is Gender.FEMALE
    with pytest.raises(
        BodyFileError,
        match="smplx/SMPLX_FEMALE.npz, smplx/SMPLX_MALE.npz, expected a neutral model",
    ):
        load_body(tmp_path, Gender.NEUTRAL)
    with pytest.raises(BodyFileError, match="found nothing"):
        load_body(tmp_path / "nowhere")


# what lies where -> the gender asked for, what is found or what the line says
DOWNLOADS = {
    "two folders below": (["smpl/models/basicmodel_f_lbs_10_207_0_v1.1.0.pkl", "README.txt"], Gender.FEMALE, 0),
    "three below": (["code/a/models/basicModel_neutral_lbs_10_207_0_v1.0.0.pkl"], Gender.NEUTRAL, 0),
    "2020": (["SMPLX_NEUTRAL_2020.npz"], Gender.NEUTRAL, 0),
    "mano": (["mano_v1_2/models/SMPLH_female.pkl", "mano_v1_2/models/MANO_LEFT.pkl"], Gender.FEMALE, 0),
    "two formats": (["v1_1/models/smplx/SMPLX_MALE.npz", "v1_1/models/smplx/SMPLX_MALE.pkl"], Gender.MALE, 0),
    "amass": (["x/smplh/neutral/model.npz", "x/smplh/male/model.npz"], Gender.NEUTRAL, 0),
    "several": (["a/b/SMPLX_MALE.npz", "a/c/SMPL_MALE.pkl"], Gender.MALE,
                "several: a/b/SMPLX_MALE.npz, a/c/SMPL_MALE.pkl; name one of them with --model"),
    "another gender": (["a/b/SMPLX_MALE.npz"], Gender.FEMALE, "found a/b/SMPLX_MALE.npz, expected a female"),
    "not unpacked": (["models_smplx_v1_1.zip"], Gender.MALE, "models_smplx_v1_1.zip (to be unpacked first)"),
    "nothing": (["README.txt"], Gender.MALE, "found no .npz or .pkl file"),
}  # fmt: skip


@pytest.mark.parametrize("case", DOWNLOADS)
def test_downloads_as_they_are_unpacked(tmp_path: Path, case: str) -> None:
    files, gender, expected = DOWNLOADS[case]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    if isinstance(expected, int):
        assert find_body(tmp_path, gender) == tmp_path / files[expected]
        return
    with pytest.raises(BodyFileError) as caught:
        find_body(tmp_path, gender)
    assert expected in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_download_that_is_packed_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "models.zip", "w") as archive:
        archive.writestr("models/smplx/SMPLX_NEUTRAL.npz", b"...")
    with pytest.raises(
        BodyFileError, match=r"a zip archive \(models/smplx/SMPLX_NEUTRAL.npz\): unpack it"
    ):
        load_body(tmp_path / "models.zip")


def test_star_is_told(tmp_path: Path) -> None:
    arrays = body_arrays(SMPL) | {"posedirs": np.zeros((240, 3, 93))}
    with pytest.raises(BodyFileError, match="a STAR body"):
        load_body(write(tmp_path / "a.npz", arrays))


@pytest.mark.parametrize(
    "content",
    [
        zip_bomb("v_template", 300),
        overlapping(),
        npz(v_template=npy_header("<f8", "(1000000000, 3)")),
    ],
)
def test_archives_that_claim_too_much(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(BodyFileError) as caught:
        load_body(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["npz", "pkl"])
def test_damaged_models_load_or_are_one_clear_line(tmp_path: Path, ending: str) -> None:
    good = write(tmp_path / f"good.{ending}", body_arrays(SMPL)).read_bytes()
    # only what is not numbers: a flipped bit in those is another number
    short = good[-4000:] if ending == "npz" else good[:1500]
    rng = np.random.default_rng(0)
    path = tmp_path / "a.npz"
    for _ in range(60):
        changed = mutated(short, rng)
        path.write_bytes(good[:-4000] + changed if ending == "npz" else changed + good[1500:])
        try:
            load_body(path)
        except BodyFileError as error:
            assert str(path) in str(error) and "\n" not in str(error)


def test_pipes_are_no_models(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(BodyFileError, match="no regular file"):
        load_body(tmp_path / "a.npz")


def test_limits_and_dtype(tmp_path: Path) -> None:
    arrays = body_arrays(SMPLX, columns=400)
    body = load_body(
        write(tmp_path / "a.npz", arrays), num_betas=16, num_expressions=5, dtype=torch.float64
    )
    np.testing.assert_array_equal(body.shapedirs, arrays["shapedirs"][..., :16])
    np.testing.assert_array_equal(body.expressiondirs, arrays["shapedirs"][..., 300:305])
    half = body.to(dtype=torch.float32)
    assert (
        half.v_template.dtype
        == half.left_hand.sds.dtype
        == half.points.coefficients.dtype
        == torch.float32
    )
    assert half.faces.dtype == torch.int64


KNOWN = {SMPLX: 137, SMPLH: 67, SMPL: 25}


@pytest.mark.parametrize("kind", list(BodyKind))
def test_known_points(tmp_path: Path, kind: BodyKind) -> None:
    body = load_body(write(tmp_path / "a.npz", body_arrays(kind)))
    table, joints = body.points, len(joint_names(kind))
    assert int(table.known.sum()) == KNOWN[kind] and table.known[: KNOWN[kind]].all()
    assert torch.allclose(table.coefficients.sum(-1), torch.ones(137))
    assert int(table.sources.max()) < joints + len(body.v_template)


# canonical point -> the joints or the default vertex that it is, FACTS of the published models
SOURCES = [
    (SMPLX, "nose", 55 + 9120), (SMPLX, "left_eye", 55 + 9448), (SMPLX, "right_heel", 55 + 8635),
    (SMPLX, "right_knee", 5), (SMPLX, "left_thumb_1", 37), (SMPLX, "left_pinky_3", 33), (SMPLX, "right_ring_2", 50),
    (SMPLX, "right_middle_4", 55 + 7794), (SMPLX, "left_hand_wrist", 20), (SMPLX, "right_pupil", 55 + 9929),
    (SMPLH, "left_thumb_1", 34), (SMPLH, "right_index_1", 37), (SMPLH, "left_big_toe", 52 + 3216),
    (SMPL, "right_ear", 24 + 4071), (SMPL, "left_wrist", 20),
]  # fmt: skip


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> dict[BodyKind, torch.Tensor]:
    """Point sources of models with as many vertices as the published ones and no names of their
    own.
    """
    sources = {}
    for kind in BodyKind:
        count = 9930 if kind is SMPLX else 6890
        arrays = body_arrays(kind, vertices=count)
        sources[kind] = load_body(
            write(tmp_path_factory.mktemp("full") / "a.npz", arrays)
        ).points.sources
    return sources


@pytest.mark.parametrize("kind, name, source", SOURCES)
def test_default_sources(
    full_size: dict[BodyKind, torch.Tensor], kind: BodyKind, name: str, source: int
) -> None:
    assert full_size[kind][names.POINT_INDEX[name]].tolist() == [source] * 3


@pytest.mark.parametrize("gender", BODY_GENDERS)
def test_embedded_bodies(gender: Gender) -> None:
    body = load_body(gender=gender)
    assert body.kind is SMPLX and body.gender is gender and body.points.known.all()
    assert body.left_hand.measured and body.has_posedirs
    assert len(body.sha256) == 64 and body.name


def test_assets_folder() -> None:
    assert (assets.folder("priors") / "bodies").is_dir()
    with pytest.raises(ValueError, match="cfg_files"):
        assets.folder("configs")
