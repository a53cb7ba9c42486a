"""What a fit gives back for every person, and the npz file that holds one of them."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..body import skinning
from ..body.model import BodyModel
from ..body.params import BodyParams
from ..camera import Camera
from ..core import npz
from ..core.bundle import Bundle, rows_in_words, static
from ..core.choices import Age, Detector
from ..core.files import boundary
from ..evidence.evidence import SavedEvidence
from ..evidence.kinds import evidence_of
from ..keypoints import Keypoints
from .plausibility import Plausibility
from .start_check import StartCheck
from .uncertainty import ShapeUncertainty

VERSIONED = ("smplifyx", "torch", "numpy")


def program_versions() -> dict[str, str]:
    """Python's and the main packages' versions."""
    return {"python": platform.python_version()} | {name: _version(name) for name in VERSIONED}


@lru_cache(maxsize=16)  # asked for with every result
def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return "not installed"


class FitStatus(IntEnum):
    """What became of a person; `quality.status_of` states the thresholds."""

    OK = 0
    LOW_EVIDENCE = 1  # fitted, but with too few confident body keypoints to be believed
    POOR = 2  # fitted, but the body does not lie on its keypoints, or is none that people have
    FAILED = 3  # no finite solution


@dataclass(frozen=True)
class Provenance:
    """What made a result: the body model, the preset and the versions of the programs.

    Shared by a whole batch.
    """

    model_name: str
    model_kind: str
    gender: str
    model_sha256: str
    preset: str
    pose_prior: str
    age: str
    kid_sha256: str  # of the kid template; empty for an adult's body
    detector: str  # whose points the body has
    versions: Mapping[str, str] = field(default_factory=program_versions)

    @classmethod
    def of(cls, body: BodyModel, preset: str, pose_prior: str) -> Provenance:
        """The provenance of a fit; preset and pose_prior: their names."""
        return cls(
            model_name=body.name,
            model_kind=body.kind.value,
            gender=body.gender.value,
            model_sha256=body.sha256,
            preset=preset,
            pose_prior=pose_prior,
            age=body.age.value,
            kid_sha256=body.kid_sha256,
            detector=body.detector.value,
        )


@dataclass(frozen=True)
class Origin:
    """Where one person came from, and how the camera was found.

    Empty for people given from Python.
    """

    source: str = ""  # the keypoint file
    image: str = ""  # the image, if any
    person: int = 0  # index in the file
    K_source: str = "given"
    image_size_source: str = "given"
    seconds: float = float("nan")  # share of its batch's time
    person_id: str = ""  # what the keypoint file calls the person
    photo: str = ""  # the image's name as the input writes it
    notes: str = ""  # what its owner should know of how the input was read
    doubt: str = ""  # why it was probably misread; such a person is never OK
    # the camera before the fit, row by row, float32; empty where nobody guessed
    K_guess: tuple[float, ...] = ()
    age_asked: str = ""  # an Age; `Provenance.age` is the one that was fitted
    start_source: str = ""  # the network whose prediction it began with; empty: none
    gender_source: str = ""  # a GenderSource: who said whose body it is
    # of the likelier of female and male, by that source; None: it tells none
    gender_probability: float | None = None
    # female to male, by the proportions; None: nobody asked, or they do not tell
    gender_log_odds: float | None = None
    # the body that was converted to this one, by its name, or the mesh's file; empty: none, a fit
    converted_from: str = ""
    # distances of vertices from the surface they came from: mean, largest, mean of hands, of face;
    # empty for a fit, NaN for a part that a body lacks
    conversion_mm: tuple[float, ...] = ()
    # of a fitted video: the number of the person's track, and a hash of all that decided its
    # results; None: fitted alone
    track: int | None = None
    track_sha256: str = ""


@dataclass(frozen=True)
class Penetration(Bundle):
    """How far bodies pass through themselves, measured on their meshes by `penetration_of`."""

    # of the deepest vertex inside another part; 0: none is
    depth_mm: Float[Tensor, "*batch"]
    triangles: Int[Tensor, "*batch"]  # how many cut a triangle of another part


@dataclass(frozen=True)
class FitResult(Bundle):
    """Fitted people: leading batch axes on every tensor; `result[i]` is one person.

    `points3d` and `points2d` follow the canonical 137-point order and are NaN where the model has
    no such point. `hypothesis_energies` is in the order in which the hypotheses were made; inf or
    NaN means that one was not tried. `chosen` is the index of the best one, whose body this is.
    """

    params: BodyParams
    camera: Camera  # as fitted, if its focal length was free
    keypoints: Keypoints  # as read
    points3d: Float[Tensor, "*batch 137 3"]  # camera frame, metres
    points2d: Float[Tensor, "*batch 137 2"]  # pixels
    energies: dict[str, Float[Tensor, "*batch"]]  # by term, of the last stage
    energy: Float[Tensor, "*batch"]
    hypothesis_energies: Float[Tensor, "*batch hypotheses"]
    chosen: Int[Tensor, "*batch"]
    # energy of the runner-up minus that of the best; NaN where there was none
    gap: Float[Tensor, "*batch"]
    status: Int[Tensor, "*batch"]  # a FitStatus
    steps: Int[Tensor, "*batch"]  # of the solver, all stages together
    # of the body pose, in the space of the pose prior that was used
    latent: Float[Tensor, "*batch latent"]
    shape: ShapeUncertainty
    provenance: Provenance = static()
    origin: Origin = static(Origin())
    penetration: Penetration | None = None  # None: not measured; `fit` does not, jobs do
    # of each joint about `points3d`, from the middle of the hips, in the camera's axes, m^2 (see
    # `joint_uncertainty`); None: not told, in files of older versions
    joint_covariance: Float[Tensor, "*batch 67 3 3"] | None = None
    # distance of each body keypoint from the fit that there would be without it and some others,
    # pixels (see `held_out`); NaN for unseen ones; None: not told, in files of older versions
    held_out: Float[Tensor, "*batch 25"] | None = None
    # fits that it took: 2 where the first made a body that nobody has; None: not told
    tries: Int[Tensor, "*batch"] | None = None
    # how a network's prediction and the fit compare; None: nobody had one
    start: StartCheck | None = None
    # What decided the result besides the keypoints, by its kind. Any, because each is a Bundle
    # [*batch] and an Evidence, and no type says both.
    evidence: dict[type, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """How many people, what became of them, and what made the result."""
        statuses = [FitStatus(status) for status in self.status.flatten().tolist()]
        found = Counter(status.name.lower() for status in statuses)
        counts = [f"{count} {name}" for name, count in found.most_common()]
        if not self.status.dim():
            counts = list(found)
        people = rows_in_words(self.status.shape, "person", "people")
        who = f"{people}: {', '.join(counts)}" if counts else people
        made = self.provenance
        body = f"body {made.model_name}, {made.gender} {made.age}"
        return f"FitResult({who}; preset {made.preset}, {body})"

    @property
    def plausibility(self) -> Plausibility:
        """Whether the bodies are such as people have."""
        is_child = self.provenance.age == Age.CHILD.value
        return Plausibility.of(self.params, self.points3d, self.shape.stature, is_child)

    def vertices(self, body: BodyModel) -> Float[Tensor, "*batch vertices 3"]:
        """The mesh in the camera's frame, metres.

        Raises ValueError for another model than the one fitted.
        """
        made = self.provenance
        if (body.sha256, body.kid_sha256) != (made.model_sha256, made.kid_sha256):
            fitted_with = f"{made.model_name} ({made.age}, sha256 {made.model_sha256[:12]})"
            given = f"{body.name} ({body.age.value}, sha256 {body.sha256[:12]})"
            raise ValueError(f"this result was fitted with {fitted_with}, not with {given}")
        like = body.v_template
        return skinning.vertices(body, self.params.to(device=like.device, dtype=like.dtype))

    def save(self, path: Path | str) -> None:
        """Writes one person (no batch axes) as an npz that needs no pickle.

        The file appears whole or not at all. Raises ValueError for a batch, OSError where the file
        cannot be written.
        """
        if self.energy.dim():
            raise ValueError(
                f"save writes one person: index the batch of {list(self.energy.shape)} first"
            )
        npz.write(Path(path), _to_arrays(self))

    @classmethod
    def load(cls, path: Path | str) -> FitResult:
        """Reads what `save` wrote. Raises npz.ResultFileError, one line, for anything else."""
        return cls.from_arrays(npz.read(Path(path), {}), path)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], path: Path | str) -> FitResult:
        """From the arrays of a result file; path: where they were read.

        Raises npz.ResultFileError, one line, for anything else.
        """
        npz.check(Path(path), arrays, _EXPECTED, _OPTIONAL)
        with boundary(path, "a result of smplifyx", npz.ResultFileError):
            return _from_arrays(arrays)


# The file of one person. Tables say which field is under which key. Other programs read these files
# too, so keys, their order and their dtypes stay.

_POINT_ORDER = "OpenPose: body 25, left hand 21, right hand 21, face 70"
_UNITS = "axis-angle in radians; metres; pixels; camera frame: x right, y down, z forward"
# Keys that are the names of fields.
_PARAMS = tuple(f.name for f in dataclasses.fields(BodyParams))
_NUMBERS = ("K_guess", "conversion_mm")  # of an Origin, kept where there are any
_TRACK = ("track", "track_sha256")  # kept of those who are on one
_ORIGIN = tuple(f.name for f in dataclasses.fields(Origin) if f.name not in (*_NUMBERS, *_TRACK))
_PROVENANCE = tuple(f.name for f in dataclasses.fields(Provenance) if f.name != "versions")
# Keys that files of version 0.1 lack, all of them texts.
_NEW = (
    "person_id",
    "photo",
    "notes",
    "doubt",
    "age_asked",
    "start_source",
    "gender_source",
    "converted_from",
)
_NEW_NUMBERS = ("gender_probability", "gender_log_odds")  # NaN in files where they are None
_DETECTOR = "detector"  # files of version 0.2 and before lack it: everybody had OpenPose's points
_LATER = (*_NEW, *_NEW_NUMBERS, _DETECTOR)
# Keys that say the unit, by field.
_SHAPE = MappingProxyType(
    {"stature": "stature_m", "stature_sd": "stature_sd_m", "determined": "shape_determined"}
)
_PENETRATION = MappingProxyType(
    {"depth_mm": "penetration_mm", "triangles": "intersecting_triangles"}
)
_START = MappingProxyType({
    "start_error": "start_error_percent",
    "end_error": "end_error_percent",
    "moved_mm": "moved_mm",
    "kept": "kept_start",
})  # fmt: skip
_JOINTS = "joint_covariance"
_HELD_OUT = "held_out_px"
_NUMBER = npz.Expected((), "f")
_COUNT = npz.Expected((), "i")
_TEXT = npz.Expected((), "U")
_LIST = npz.Expected((None,), "f")
_WORDS = npz.Expected((None,), "U")
# What every result file must have, and of what shape and kind.
_EXPECTED = MappingProxyType(
    {
        "global_orient": npz.Expected((3,), "f"),
        "body_pose": npz.Expected((21, 3), "f"),
        "left_hand_pose": npz.Expected((15, 3), "f"),
        "right_hand_pose": npz.Expected((15, 3), "f"),
        "jaw_pose": npz.Expected((3,), "f"),
        "leye_pose": npz.Expected((3,), "f"),
        "reye_pose": npz.Expected((3,), "f"),
        "betas": _LIST,
        "expression": _LIST,
        "transl": npz.Expected((3,), "f"),
        "latent": _LIST,
        "K": npz.Expected((3, 3), "f"),
        "image_size": npz.Expected((2,), "fi"),
        "keypoints": npz.Expected((137, 3), "f"),
        "keypoint_trust": npz.Expected((137,), "f"),
        "points3d": npz.Expected((137, 3), "f"),
        "points2d": npz.Expected((137, 2), "f"),
        "energy_terms": _WORDS,
        "energies": _LIST,
        "energy": _NUMBER,
        "hypothesis_energies": _LIST,
        "chosen_hypothesis": _COUNT,
        "energy_gap": _NUMBER,
        "status": _TEXT,
        "steps": _COUNT,
        "versions": _WORDS,
    }
    | {name: _TEXT for name in (*_PROVENANCE, *_ORIGIN) if name not in _LATER}
    | {"person": _COUNT, "seconds": _NUMBER}
    | dict.fromkeys(_SHAPE.values(), _NUMBER)
)
# What it may have besides.
_OPTIONAL = MappingProxyType(
    dict.fromkeys((*_NEW, _DETECTOR), _TEXT)
    | dict.fromkeys(_NEW_NUMBERS, _NUMBER)
    | {_PENETRATION["depth_mm"]: _NUMBER, _PENETRATION["triangles"]: _COUNT, "tries": _COUNT}
    | {_JOINTS: npz.Expected((67, 3, 3), "f"), _HELD_OUT: npz.Expected((25,), "f")}
    | {key: _NUMBER for name, key in _START.items() if name != "kept"}
    | {_START["kept"]: npz.Expected((), "b")}
    | {"track": _COUNT, "track_sha256": _TEXT}
)
# What is made of finite numbers in every result but a failed one.
_FINITE = (*_PARAMS, "K", "image_size", "keypoint_trust")


def _to_arrays(result: FitResult) -> dict[str, np.ndarray]:
    """One person as the arrays of its file, in the file's order."""
    tensors = {name: getattr(result.params, name) for name in _PARAMS}
    tensors |= {
        "latent": result.latent,
        "K": result.camera.K,
        "image_size": result.camera.image_size,
        "points3d": result.points3d,
        "points2d": result.points2d,
        "keypoints": result.keypoints.to_array(),
        "keypoint_trust": result.keypoints.trust,
        "energy": result.energy,
        "hypothesis_energies": result.hypothesis_energies,
        "chosen_hypothesis": result.chosen,
        "energy_gap": result.gap,
        "steps": result.steps,
    }
    tensors |= {key: getattr(result.shape, name) for name, key in _SHAPE.items()}
    if result.tries is not None:
        tensors["tries"] = result.tries
    if result.joint_covariance is not None:
        tensors[_JOINTS] = result.joint_covariance
    if result.held_out is not None:
        tensors[_HELD_OUT] = result.held_out
    if result.penetration is not None:
        tensors |= {key: getattr(result.penetration, name) for name, key in _PENETRATION.items()}
    if result.start is not None:
        tensors |= {key: getattr(result.start, name) for name, key in _START.items()}
    arrays = {key: tensor.detach().cpu().numpy() for key, tensor in tensors.items()}

    for evidence in result.evidence.values():
        if isinstance(evidence, SavedEvidence):  # other kinds have no place in the file
            arrays |= evidence.to_arrays()

    provenance, origin = result.provenance, result.origin
    arrays |= {name: np.array(getattr(provenance, name)) for name in _PROVENANCE}
    arrays |= {name: np.array(getattr(origin, name)) for name in _ORIGIN}
    for name in _NEW_NUMBERS:
        value = getattr(origin, name)
        arrays[name] = np.array(math.nan if value is None else value)
    if origin.K_guess:
        arrays["K_guess"] = np.array(origin.K_guess, dtype=np.float32).reshape(3, 3)
    if origin.conversion_mm:
        arrays["conversion_mm"] = np.array(origin.conversion_mm)
    if origin.track is not None:
        arrays |= {name: np.array(getattr(origin, name)) for name in _TRACK}

    energies = [float(value) for value in result.energies.values()]
    versions = [f"{name}={version}" for name, version in provenance.versions.items()]
    arrays |= {
        "energy_terms": np.array(list(result.energies), dtype=str),
        "energies": np.array(energies),
        "status": np.array(FitStatus(int(result.status)).name.lower()),
        "versions": np.array(versions),
        "flat_hand_mean": np.array(True),
        "point_order": np.array(_POINT_ORDER),
        "units": np.array(_UNITS),
    }
    return arrays


def _from_arrays(arrays: Mapping[str, np.ndarray]) -> FitResult:
    """One person from the arrays of its file. Raises anything for odd contents."""

    def tensor(key: str) -> Tensor:
        return torch.from_numpy(np.array(arrays[key]))

    terms = arrays["energy_terms"].tolist()
    status = FitStatus[str(arrays["status"]).upper()]
    if status is not FitStatus.FAILED:
        _require_finite(arrays)
    return FitResult(
        params=BodyParams(**{name: tensor(name) for name in _PARAMS}),
        camera=Camera(K=tensor("K"), image_size=tensor("image_size")),
        keypoints=Keypoints.from_array(tensor("keypoints"), tensor("keypoint_trust")),
        points3d=tensor("points3d"),
        points2d=tensor("points2d"),
        energies=dict(zip(terms, tensor("energies"), strict=True)),
        energy=tensor("energy"),
        hypothesis_energies=tensor("hypothesis_energies"),
        chosen=tensor("chosen_hypothesis"),
        gap=tensor("energy_gap"),
        status=torch.tensor(int(status)),
        steps=tensor("steps"),
        latent=tensor("latent"),
        shape=ShapeUncertainty(**{name: tensor(key) for name, key in _SHAPE.items()}),
        provenance=_provenance(arrays),
        origin=_origin(arrays),
        penetration=_penetration(arrays),
        joint_covariance=tensor(_JOINTS) if _JOINTS in arrays else None,
        held_out=tensor(_HELD_OUT) if _HELD_OUT in arrays else None,
        tries=tensor("tries") if "tries" in arrays else None,
        start=_start(arrays),
        evidence=evidence_of(arrays),
    )


def _start(arrays: Mapping[str, np.ndarray]) -> StartCheck | None:
    """The comparison with a prediction; None where there was none."""
    if not arrays.keys() >= set(_START.values()):
        return None
    return StartCheck(
        **{name: torch.from_numpy(np.array(arrays[key])) for name, key in _START.items()}
    )


def _require_finite(arrays: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError where a number is missing that every person has who was fitted."""
    for key in _FINITE:
        if not np.isfinite(arrays[key]).all():
            raise ValueError(f"{key} is not finite")


def _provenance(arrays: Mapping[str, np.ndarray]) -> Provenance:
    known = {_DETECTOR: np.array(Detector.OPENPOSE.value), **arrays}
    notes = {name: str(known[name]) for name in _PROVENANCE}
    versions = dict(line.split("=", 1) for line in arrays["versions"].tolist())
    return Provenance(**notes, versions=versions)


def _origin(arrays: Mapping[str, np.ndarray]) -> Origin:
    return Origin(
        source=str(arrays["source"]),
        image=str(arrays["image"]),
        person=int(arrays["person"]),
        K_source=str(arrays["K_source"]),
        image_size_source=str(arrays["image_size_source"]),
        seconds=float(arrays["seconds"]),
        **{name: str(arrays.get(name, "")) for name in _NEW},
        gender_probability=_number(arrays, "gender_probability"),
        gender_log_odds=_number(arrays, "gender_log_odds"),
        K_guess=tuple(np.asarray(arrays.get("K_guess", ())).ravel().tolist()),
        conversion_mm=tuple(np.asarray(arrays.get("conversion_mm", ())).ravel().tolist()),
        track=int(arrays["track"]) if "track" in arrays else None,
        track_sha256=str(arrays.get("track_sha256", "")),
    )


def _number(arrays: Mapping[str, np.ndarray], name: str) -> float | None:
    """None where a file does not have it, or says that nobody knows."""
    value = float(arrays.get(name, math.nan))
    return None if math.isnan(value) else value


def _penetration(arrays: Mapping[str, np.ndarray]) -> Penetration | None:
    """None for files of fits that were not measured."""
    if not arrays.keys() >= set(_PENETRATION.values()):
        return None
    numbers = {name: torch.from_numpy(np.array(arrays[key])) for name, key in _PENETRATION.items()}
    return Penetration(**numbers)
