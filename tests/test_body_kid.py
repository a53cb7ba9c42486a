"""Children's bodies: the kid template, what it adds to a body, and files that cannot be used."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from cases import embedded_body
from hostile_files import npy_header, npz
from make_bodies import body_arrays, hand_arrays, write

from smplifyx.body import skinning
from smplifyx.body.joints import BodyKind
from smplifyx.body.loading.files import load_body
from smplifyx.body.loading.raw import BodyFileError
from smplifyx.body.model import Age, BodyModel, Gender
from smplifyx.body.params import BodyParams
from smplifyx.body.stature import stature_of
from smplifyx.core import assets
from smplifyx.core.choices import BODY_AGES, BODY_GENDERS

BODIES = assets.folder("priors") / "bodies"
FLOAT = torch.float32
PARITY = 1e-6  # metres


@lru_cache(maxsize=4)
def child_body(dtype: torch.dtype = FLOAT) -> BodyModel:
    return load_body(None, age=Age.CHILD).to(dtype=dtype)


# ---- the template


def test_the_template_is_centred_symmetric_and_carded() -> None:
    template = np.load(BODIES / "kid_template.npy")
    with np.load(BODIES / "neutral.npz") as body:
        mirror = body["vert_sym_idxs"]
        assert template.shape == body["v_template"].shape and template.dtype == np.float32
    assert np.abs(template.mean(0)).max() < 1e-6
    assert np.abs(template - template[mirror] * [-1, 1, 1]).max() < 1e-6
    card = yaml.safe_load((BODIES / "kid_template.card.yaml").read_text())
    assert card["sha256"] == hashlib.sha256((BODIES / card["file"]).read_bytes()).hexdigest()
    assert all(card[key] for key in ("what", "licence", "source", "command"))


# Coefficient, stature in metres, stature in heads: adults, 12 years, 8 years and 18 months (medians
# of WHO and CDC).
GROWTH = [(0, 1.69, 7.7), (0.25, 1.47, 7.0), (0.5, 1.25, 6.2), (1, 0.81, 4.4)]


@pytest.mark.parametrize(("kid", "stature", "heads"), GROWTH)
def test_statures_and_heads_are_those_of_growing_children(
    kid: float, stature: float, heads: float
) -> None:
    body = child_body()
    vertices = body.v_template + kid * body.shapedirs[..., -1]
    height = np.ptp(vertices[:, 1].numpy())
    with np.load(BODIES / "neutral.npz") as arrays:
        chin = vertices[np.flatnonzero(arrays["base_ids"] == 5296), 1]
    assert height == pytest.approx(stature, abs=0.02)
    assert height / float(vertices[:, 1].max() - chin) == pytest.approx(heads, abs=0.35)


@pytest.mark.parametrize("gender", BODY_GENDERS)
@pytest.mark.parametrize("kid", [0.5, 1.0])
def test_children_are_whole(gender: Gender, kid: float) -> None:
    """No triangle is turned over or vanishes, eyes stay in the head, joints inside the body."""
    body = load_body(None, gender, age=Age.CHILD)
    vertices = body.v_template + kid * body.shapedirs[..., -1]
    before, after = (_normals(v, body.faces) for v in (body.v_template, vertices))
    assert float((after.norm(dim=-1) > 1e-9).float().mean()) > 0.999
    assert float((torch.cosine_similarity(before, after, dim=-1) > 0).float().mean()) > 0.97
    joints = body.J_regressor @ vertices
    assert (joints > vertices.amin(0)).all() and (joints < vertices.amax(0)).all()
    adult = body.joint_template
    assert (joints[:, 1] - vertices[:, 1].min() < adult[:, 1] - body.v_template[:, 1].min()).all()


def _normals(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    a, b, c = vertices[faces].unbind(1)
    return torch.linalg.cross(b - a, c - a)


# ---- bodies


def test_an_adult_is_as_before_and_a_child_has_one_more_beta() -> None:
    adult, child = embedded_body(FLOAT), child_body()
    assert adult.age is Age.ADULT and child.age is Age.CHILD
    assert (
        torch.equal(child.shapedirs[..., :10], adult.shapedirs) and child.shapedirs.shape[-1] == 11
    )
    params = BodyParams.zeros((2,), 10, 10, like=adult.v_template)
    with_kid = params.replace(betas=torch.nn.functional.pad(params.betas, (0, 1)))
    assert torch.equal(skinning.vertices(adult, params), skinning.vertices(child, with_kid))


def smplx_files(folder: Path, columns: int = 20) -> tuple[Path, Path]:
    """A generated SMPL-X file and a kid template beside it."""
    arrays = body_arrays(BodyKind.SMPLX, vertices=9930, columns=columns) | hand_arrays()
    kid = (
        arrays["v_template"] * 0.5
        + np.random.default_rng(5).normal(0, 0.01, arrays["v_template"].shape)
        + 0.2
    )
    np.save(folder / "smplx_kid_template.npy", kid)
    return write(folder / "smplx" / "SMPLX_NEUTRAL.npz", arrays), folder / "smplx_kid_template.npy"


@pytest.mark.parametrize("given", [False, True])
def test_the_smplx_package_agrees(tmp_path: Path, given: bool) -> None:
    smplx = pytest.importorskip("smplx")
    path, kid = smplx_files(tmp_path)
    body = load_body(
        tmp_path, dtype=torch.float64, age=Age.CHILD, kid_template=kid if given else None
    )
    generator = torch.Generator().manual_seed(0)
    params = BodyParams.zeros((4,), 11, 10, like=body.v_template)
    params = params.map(lambda t: 0.4 * torch.randn(t.shape, generator=generator, dtype=t.dtype))
    settings = {"use_pca": False, "flat_hand_mean": True, "dtype": torch.float64, "batch_size": 4}
    oracle = smplx.create(
        str(tmp_path), "smplx", ext="npz", age="kid", kid_template_path=str(kid), **settings
    )
    with torch.no_grad():
        output = oracle(**{name: value.flatten(1) for name, value in vars(params).items()})
    assert (skinning.vertices(body, params) - output.vertices).abs().max() <= PARITY
    assert (skinning.joints(body, params) - output.joints[:, :55]).abs().max() <= PARITY


BAD_TEMPLATES = {
    "of another mesh": (np.zeros((7, 3)), "found"),
    "not finite": (np.full((240, 3), np.nan), "finite"),
    "of a giant": (np.linspace(0, 90, 720).reshape(240, 3), "high"),
    "objects": (np.array([{"a": 1}], dtype=object), "not readable"),
}


NO_ARRAYS = {
    "a zip": (npz(a=b""), "a NumPy archive"),
    "an evil pickle": (npy_header("|O", "(1,)") + b"cos\nsystem\n.", "an array of objects"),
    "a claim": (npy_header("<f8", "(400000000, 3)") + bytes(100), "in 100 bytes"),
    "a text": (b"root:x:0:0", "a text, begins with 'root:x:0:0'"),
    "a struct": (npy_header("|V8", "(1,)") + bytes(8), "expected finite numbers"),
}


@pytest.mark.parametrize("name", NO_ARRAYS)
def test_a_template_that_is_no_array_is_one_clear_line(tmp_path: Path, name: str) -> None:
    content, word = NO_ARRAYS[name]
    path = write(tmp_path / "a.npz", body_arrays(BodyKind.SMPLX))
    (tmp_path / "kid.npy").write_bytes(content)
    with pytest.raises(BodyFileError, match=word) as caught:
        load_body(path, age=Age.CHILD, kid_template=tmp_path / "kid.npy")
    message = str(caught.value)
    assert "kid.npy" in message and "\n" not in message and "trust" not in message


@pytest.mark.parametrize("name", BAD_TEMPLATES)
def test_a_template_that_cannot_be_used_is_one_clear_line(tmp_path: Path, name: str) -> None:
    value, word = BAD_TEMPLATES[name]
    path = write(tmp_path / "a.npz", body_arrays(BodyKind.SMPLX))
    np.save(tmp_path / "kid.npy", value)
    with pytest.raises(BodyFileError, match=word) as caught:
        load_body(path, age=Age.CHILD, kid_template=tmp_path / "kid.npy")
    assert "kid.npy" in str(caught.value) and "\n" not in str(caught.value)


def test_a_body_without_template_has_no_children(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", body_arrays(BodyKind.SMPLX))
    with pytest.raises(BodyFileError, match="smplx_kid_template"):
        load_body(path, age=Age.CHILD)


@pytest.mark.parametrize("betas", [10, 4, 300])
def test_a_body_of_many_components_is_cut_to_what_is_fitted(tmp_path: Path, betas: int) -> None:
    path, _ = smplx_files(tmp_path, columns=400)
    for age in BODY_AGES:
        body = load_body(path, age=age)
        cut = body.sized(betas, 10)
        kept = cut.shapedirs.shape[-1] - (age is Age.CHILD)
        params = BodyParams.zeros((), kept + (age is Age.CHILD), 10, like=body.v_template)
        params = params.replace(betas=torch.linspace(-1, 1, params.betas.shape[-1]))
        assert kept == min(betas, 300) and cut.sized(betas, 10) is cut
        torch.testing.assert_close(skinning.vertices(body, params), skinning.vertices(cut, params))


@pytest.mark.parametrize("age", BODY_AGES)
def test_stature_is_the_height_of_the_mesh(age: Age) -> None:
    body = child_body() if age is Age.CHILD else embedded_body(FLOAT)
    generator = torch.Generator().manual_seed(1)
    betas = torch.randn(60, body.shapedirs.shape[-1], generator=generator)
    betas[:, 10:] = torch.rand(60, len(betas[0]) - 10, generator=generator)
    y = body.v_template[:, 1] + betas @ body.shapedirs[:, 1].T
    value, slope = stature_of(body)(betas)
    assert (value - (y.amax(1) - y.amin(1))).abs().max() < 1e-3
    step = stature_of(body)(betas + 1e-4)[0] - value
    torch.testing.assert_close(step / 1e-4, slope.sum(1), atol=0.01, rtol=0.05)
