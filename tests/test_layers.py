"""The shape of the project: the table of rooms is the law for every import, and the README's map is made from it."""

from __future__ import annotations

import ast
import hashlib
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from smplifyx.config import FitConfig, load_preset, preset_names
from smplifyx.core import assets
from smplifyx.jobs.job import JobConfig, load_job

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "smplifyx"


@dataclass(frozen=True)
class Room:
    """A package, or a module that stands alone: what it owns, what it leaves to others, whom it may import.

    `modules` are in order: each may import those before it, and every module of the rooms in `uses`.
    """

    name: str
    owns: str
    leaves: str
    uses: tuple[str, ...]
    modules: tuple[str, ...] = ()


ROOMS = (  # the ground first
    Room(
        name="core",
        owns="bundles of tensors, rotations, arithmetic that keeps bits, threads, npz files, messages",
        leaves="knows nothing of bodies, people or files of others",
        uses=(),
        modules=(
            "__init__",
            "assets",
            "bundle",
            "choices",
            "invariant_linalg",
            "messages",
            "signatures",
            "strangers",
            "fields",
            "files",
            "pickles",
            "archives",
            "npy",
            "threads",
            "yaml_files",
            "npz",
            "rotations",
        ),
    ),
    Room(
        name="config",
        owns="the schema of presets, and their loader",
        leaves="no paths, no machine, nothing of torch",
        uses=("core",),
        modules=(),
    ),
    Room(
        name="parallel",
        owns="launchers: in this process, in a pool; work beside the caller; what a machine can bear",
        leaves="never learns what it runs",
        uses=("core",),
        modules=(
            "__init__",
            "halving",
            "launcher",
            "prefetch",
            "spawning",
            "background_tasks",
            "in_process",
            "resources",
            "worker_process",
            "process_pool",
            "launch",
        ),
    ),
    Room(
        name="camera",
        owns="the pinhole camera: projection and its Jacobian",
        leaves="where a K comes from is the readers'",
        uses=("core",),
        modules=(),
    ),
    Room(
        name="keypoints",
        owns="the canonical 137 points, their names, detectors' layouts",
        leaves="no files",
        uses=("core",),
        modules=(
            "confidence",
            "names",
            "boxes",
            "layouts",
            "types",
            "point_names",
            "face_mesh",
            "__init__",
        ),
    ),
    Room(
        name="views",
        owns="several calibrated cameras of one moment: points in space, who is who across views",
        leaves="no files; fits nobody",
        uses=("core", "camera", "keypoints"),
        modules=("__init__", "calibrated_camera", "triangulation", "matching"),
    ),
    Room(
        name="tracking",
        owns="who is who from frame to frame, from keypoints alone; arrays in, tracks out",
        leaves="reads no files, fits nobody",
        uses=("keypoints",),
        modules=(
            "frame_people",
            "motion",
            "similarity",
            "matching",
            "track",
            "given_ids",
            "pieces",
            "joining",
            "sequences",
            "switches",
            "tracker",
            "__init__",
        ),
    ),
    Room(
        name="solvers",
        owns="L-BFGS, Levenberg-Marquardt, Adam over independent rows; linear systems dense, arrow, block-tridiagonal",
        leaves="never sees a body",
        uses=("core",),
        modules=(
            "row_arithmetic",
            "line_search",
            "linear_systems.quadratic",
            "linear_systems.dense",
            "linear_systems.frame_blocks",
            "linear_systems.arrow",
            "linear_systems",
            "contract",
            "residual_objective",
            "rows",
            "adam",
            "lbfgs",
            "levenberg_marquardt",
            "__init__",
        ),
    ),
    Room(
        name="body",
        owns="body models: arrays, skinning, stature; `loading/` reads files without running them",
        leaves="no fitting, no derivatives in closed form",
        uses=("core", "keypoints"),
        modules=(
            "__init__",
            "derived",
            "joints",
            "loading",
            "loading.raw",
            "loading.unpickle",
            "params",
            "loading.read",
            "model",
            "loading.hand_space",
            "loading.kid",
            "loading.point_table",
            "skinning",
            "stature",
            "loading.assemble",
            "loading.files",
        ),
    ),
    Room(
        name="collision",
        owns="parts of a body, spheres inside it (`proxies/`), the exact check of its mesh (`mesh/`)",
        leaves="no energies: the term is in terms",
        uses=("core", "body"),
        modules=(
            "__init__",
            "mesh",
            "mesh.bounding_tree",
            "mesh.capped_parts",
            "mesh.ragged",
            "mesh.triangles",
            "parts",
            "proxies",
            "proxies.surface",
            "mesh.solid",
            "proxies.shape_response",
            "proxies.sphere_pairs",
            "mesh.posed",
            "proxies.medial",
            "mesh.crossings",
            "mesh.inside",
            "proxies.spheres",
            "mesh.depth",
            "mesh.check",
        ),
    ),
    Room(
        name="viz",
        owns="pictures: a software rasteriser, overlays, turned views, the report's pages",
        leaves="knows neither jobs nor results",
        uses=("core", "camera", "keypoints"),
        modules=(
            "mesh",
            "zbuffer",
            "raster",
            "pyrender_backend",
            "shade",
            "marks",
            "unsure",
            "render",
            "report_entries",
            "report",
            "gate_sheet",
            "scene",
            "images",
            "points",
            "side",
            "overlay",
            "__init__",
        ),
    ),
    Room(
        name="pose_priors",
        owns="how plausible a pose is; limits of joints; hand spaces; the user's files",
        leaves="does not train",
        uses=("core", "body"),
        modules=(
            "arrays",
            "contract",
            "sixd",
            "spline",
            "torch_files",
            "hands",
            "joint_angles",
            "normal_latent",
            "free",
            "gaussian",
            "limits",
            "mixture",
            "vae",
            "flow",
            "gmm_files",
            "vposer_files",
            "loading",
            "__init__",
        ),
    ),
    Room(
        name="evaluation",
        owns="errors against known truth",
        leaves="no fitting",
        uses=("core", "keypoints", "body"),
        modules=("__init__", "identity", "metrics", "motion"),
    ),
    Room(
        name="depth_prior",
        owns="a network from 2D keypoints to the depth of bones, and how sure it is of each",
        leaves="does not train; what a fit makes of it is evidence's",
        uses=("core", "keypoints", "pose_priors"),
        modules=("bones", "person_view", "network", "__init__"),
    ),
    Room(
        name="features",
        owns="unknowns, and quantities of a posed body that terms look at: where they are, how they move",
        leaves="no weights, no opinions",
        uses=("core", "config", "keypoints", "body", "collision", "pose_priors"),
        modules=(
            "__init__",
            "jacobian_blocks",
            "point_model",
            "variables",
            "fold",
            "point_jacobian",
            "routes",
            "feature",
            "joint_angles",
            "points",
            "bone_shares",
            "coordinates",
            "spheres",
            "unknowns",
        ),
    ),
    Room(
        name="terms",
        owns="residuals and their Jacobians: functions from a scene",
        leaves="no per-person data of their own",
        uses=("core", "camera", "pose_priors", "features"),
        modules=(
            "__init__",
            "scene",
            "collision",
            "regularisers",
            "reprojection",
            "reprojection_in_views",
        ),
    ),
    Room(
        name="evidence",
        owns="what was seen or is known of people, one kind a file",
        leaves="not where it was read",
        uses=("core", "config", "camera", "keypoints", "body", "depth_prior", "features", "terms"),
        modules=(
            "__init__",
            "evidence",
            "height",
            "keypoints2d",
            "keypoints3d",
            "bone_depth",
            "pose_estimate",
            "views",
            "kinds",
        ),
    ),
    Room(
        name="predictions",
        owns="what networks predicted of people: readers of their files, one per format",
        leaves="fits nobody; what a fit makes of it is evidence's",
        uses=("core", "config", "camera", "keypoints", "body", "pose_priors", "evidence"),
        modules=(
            "__init__",
            "prediction",
            "placing",
            "source_errors",
            "estimating",
            "matching",
            "packed",
            "pickled",
            "documents",
            "values",
            "poses",
            "mean_hands",
            "reader",
            "people",
            "hmr2",
            "camerahmr",
            "smplerx",
            "multihmr",
            "pixie",
            "expose",
            "pymafx",
            "cliff",
            "wham",
            "tram",
            "gvhmr",
            "prompthmr",
            "nlf",
            "sam3dbody",
            "spin",
            "own_results",
            "plain",
            "table",
        ),
    ),
    Room(
        name="readers",
        owns="from files to frames of people: one file per format, images, sidecars, cameras, selection",
        leaves="fits nobody; what people bring is only read",
        uses=("core", "camera", "keypoints", "views", "evidence"),
        modules=(
            "frames",
            "options",
            "reading",
            "values",
            "images",
            "documents",
            "hands",
            "reader",
            "scores",
            "selection",
            "sidecars",
            "people_sidecar",
            "stems",
            "walking",
            "camera_spellings",
            "camera_sidecar",
            "likeness",
            "camera_table",
            "gender_table",
            "camera_files",
            "calibrations",
            "photo_listing",
            "image_finder",
            "point_forms",
            "plausible",
            "layout_choice",
            "people",
            "odd_forms",
            "forms",
            "wrong_input",
            "coco",
            "detectors",
            "mediapipe",
            "point_table",
            "listing",
            "opencv_storage",
            "frame_size",
            "intrinsics",
            "openpose",
            "table",
            "folder",
            "__init__",
        ),
    ),
    Room(
        name="predict",
        owns="networks in a box: from a picture to keypoints, and to a start for the fit",
        leaves="fits nobody; brings no models",
        uses=("core", "keypoints", "viz", "predictions", "readers"),
        modules=(
            "people_detector",
            "landmarks",
            "search",
            "mediapipe_solutions",
            "mediapipe_tasks",
            "opening",
            "silence",
            "pictures",
            "keypoint_files",
            "folder",
            "__init__",
        ),
    ),
    Room(
        name="problem",
        owns="the energy as a value: weighted terms, chain rule, normal equations, couplings between rows",
        leaves="no stages, no starts",
        uses=(
            "core",
            "config",
            "solvers",
            "body",
            "collision",
            "pose_priors",
            "features",
            "terms",
            "evidence",
        ),
        modules=(
            "__init__",
            "couplings",
            "stage_terms",
            "view",
            "chain_rule",
            "normal_equations",
            "problem",
            "spheres_between",
            "motion",
        ),
    ),
    Room(
        name="fitting",
        owns="from evidence to bodies: starts, stages, hypotheses, result, how far to believe it",
        leaves="no files but the result's own",
        uses=(
            "core",
            "config",
            "camera",
            "keypoints",
            "solvers",
            "body",
            "collision",
            "pose_priors",
            "depth_prior",
            "features",
            "terms",
            "evidence",
            "predictions",
            "views",
            "problem",
        ),
        modules=(
            "__init__",
            "alignment",
            "hypotheses",
            "alternatives",
            "mirroring",
            "neighbours",
            "templates",
            "uncertainty",
            "joint_calibration",
            "watching",
            "plausibility",
            "second_try",
            "start_check",
            "result",
            "setup",
            "batch",
            "given",
            "penetration",
            "quality",
            "joint_uncertainty",
            "joint_depth",
            "stage_problem",
            "estimated_start",
            "views_start",
            "held_out",
            "starts",
            "stage_runner",
            "schedule",
            "fitter",
            "gender_choice",
            "gender_evidence",
            "age_choice",
            "fit",
            "views_fit",
            "scene_fit",
            "paths",
            "motion_card",
            "even_motion",
            "clip_fit",
        ),
    ),
    Room(
        name="conversion",
        owns="from one body model to another: which points are the same, parameters from meshes",
        leaves="no keypoints, no files but its own",
        uses=(
            "core",
            "config",
            "camera",
            "keypoints",
            "body",
            "collision",
            "features",
            "evidence",
            "fitting",
        ),
        modules=(
            "__init__",
            "nearest",
            "posing",
            "correspondence",
            "mesh_fit",
            "registration",
            "cache",
            "converter",
            "points_fit",
            "meshes",
        ),
    ),
    Room(
        name="data",
        owns="motion capture as poses, synthetic people with known truth",
        leaves="not part of a fit",
        uses=(
            "core",
            "config",
            "camera",
            "keypoints",
            "solvers",
            "body",
            "collision",
            "pose_priors",
            "features",
            "problem",
            "fitting",
        ),
        modules=(
            "__init__",
            "packed",
            "bone_lengths",
            "bvh",
            "detector_noise",
            "disentangle",
            "draws",
            "self_occlusion",
            "as_detected",
            "generate_options",
            "random_views",
            "retarget",
            "retarget_joints",
            "amass",
            "mocap",
            "random_bodies",
            "retarget_check",
            "crossings",
            "synthetic",
            "generated_clips",
        ),
    ),
    Room(
        name="gates",
        owns="which fits are kept, part by part, and why not the others; gates are text",
        leaves="fits nobody, knows no folders",
        uses=("core", "config", "keypoints", "fitting"),
        modules=(
            "__init__",
            "expected_error",
            "facts",
            "measures",
            "gate",
            "verdict",
            "verdict_table",
            "decisions",
        ),
    ),
    Room(
        name="writers",
        owns="fitted bodies for other programs, one file per format",
        leaves="no pictures",
        uses=("core", "camera", "keypoints", "body", "evidence", "readers", "fitting"),
        modules=(
            "__init__",
            "writer",
            "mesh",
            "result_npz",
            "table",
            "old_pickle",
            "confidences",
            "upright_photos",
            "dataset_rows",
            "joint_regressor",
            "reader_body",
            "joint_orders",
            "spin_points",
            "row_table",
            "dataset_format",
            "export",
            "npz_columns",
            "json_items",
            "whole_files",
            "bedlam",
            "humandata",
            "neuralannot",
            "agora",
            "smplifyx_pickle",
            "show",
            "spin",
            "four_d_humans",
            "four_d_humans_tar",
            "four_d_humans_prior",
            "eft",
            "camsmplify",
            "people_columns",
            "parquet",
            "webdataset",
            "amass",
            "datasets",
        ),
    ),
    Room(
        name="imports",
        owns="files of datasets back to fitted people, one file per format",
        leaves="fits nobody; predictions to begin with are predictions'",
        uses=("core", "camera", "keypoints", "body", "fitting", "writers"),
        modules=("imported", "parquet_file", "bedlam_file", "amass_file", "__init__"),
    ),
    Room(
        name="jobs",
        owns="folders of people: a stream that resumes, its output folder, `pictures/` beside it",
        leaves="no optimisation of its own",
        uses=(
            "core",
            "config",
            "parallel",
            "camera",
            "keypoints",
            "tracking",
            "body",
            "collision",
            "viz",
            "pose_priors",
            "depth_prior",
            "evidence",
            "views",
            "readers",
            "predictions",
            "evaluation",
            "fitting",
            "gates",
            "conversion",
            "writers",
            "imports",
        ),
        modules=(
            "fit_and_check",
            "job",
            "job_log",
            "lock",
            "progress",
            "summary",
            "batches",
            "notes",
            "result_names",
            "store",
            "output",
            "pictures.body_shelf",
            "pictures.recorded_job",
            "record",
            "scenes",
            "starts",
            "truth",
            "gender_order",
            "source",
            "views_source",
            "tracking",
            "video_tracks",
            "track_measures",
            "fit_recipe",
            "fit_pool",
            "video_fit",
            "runner",
            "closing",
            "convert_options",
            "convert_input",
            "convert",
            "pictures.files",
            "gating",
            "exporting",
            "pictures.gate_sheet",
            "importing",
            "pictures.unsure_skin",
            "pictures.films",
            "pictures.draw_frame",
            "pictures.report_pages",
            "pictures.frame_pictures",
            "pictures.drawing",
            "pictures",
            "__init__",
        ),
    ),
    Room(
        name="training",
        owns="pose priors and the depth prior from motion capture",
        leaves="nothing at run time needs it",
        uses=(
            "core",
            "config",
            "camera",
            "keypoints",
            "body",
            "pose_priors",
            "depth_prior",
            "data",
        ),
        modules=(
            "__init__",
            "contract",
            "export",
            "floors",
            "options",
            "skeleton",
            "card",
            "borrow",
            "classes",
            "fill",
            "loop",
            "poses",
            "depth_views",
            "bone_depth",
            "vae",
            "mixture",
            "flow",
            "kinds",
            "train",
        ),
    ),
    Room(
        name="doctor",
        owns="what this installation can do and lacks",
        leaves="mends nothing",
        uses=("core", "config", "parallel", "body"),
        modules=(),
    ),
    Room(
        name="commands",
        owns="the commands: their options and help, what they print, exit codes, Ctrl-C",
        leaves="no logic of jobs or fits",
        uses=(
            "core",
            "config",
            "parallel",
            "tracking",
            "predict",
            "gates",
            "jobs",
            "training",
            "doctor",
        ),
        modules=(
            "__init__",
            "codes",
            "stopping",
            "table",
            "terminal",
            "options",
            "arguments",
            "bars",
            "fit",
            "refine",
            "convert",
            "run",
            "predict",
            "photo",
            "track",
            "render",
            "gate",
            "export",
            "import_people",
            "presets",
            "train_prior",
            "doctor",
            "dispatch",
        ),
    ),
    Room(
        name="cli",
        owns="the command's door: loads nothing before Ctrl-C is heard",
        leaves="all else is in commands",
        uses=("commands",),
        modules=(),
    ),
)

ORDER = tuple(room.name for room in ROOMS)
BY_NAME = {room.name: room for room in ROOMS}
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
FACE = ("__init__", "__main__")  # the package's own face stands above every room


def place_of(module: Path) -> tuple[str, str]:
    """The room of a file, and its name within the room ('' where the file is the whole room)."""
    parts = module.with_suffix("").parts
    if len(parts) == 1:
        return parts[0], ""
    inner = parts[1:-1] if parts[-1] == "__init__" else parts[1:]
    return parts[0], ".".join(inner) or "__init__"


def imported(module: Path) -> set[tuple[str, str]]:
    """The (room, module) places that a file imports, wherever in the file."""
    found: set[tuple[str, str]] = set()
    here = ("smplifyx", *module.with_suffix("").parts)
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            stems = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level]) if node.level else ""
            stem = ".".join(filter(None, (base, node.module)))
            # `from . import x` may name a module or something in the package
            stems = [
                f"{stem}.{alias.name}" if is_module(f"{stem}.{alias.name}") else stem
                for alias in node.names
            ]
        else:
            continue
        for stem in stems:
            if stem.startswith("smplifyx."):
                found.add(place_of(file_of(stem)))
    return found - {place_of(module)}


def file_of(stem: str) -> Path:
    """The file of a module's dotted name, relative to the package."""
    path = Path(*stem.split(".")[1:])
    return path / "__init__.py" if (PACKAGE / path).is_dir() else path.with_suffix(".py")


def is_module(stem: str) -> bool:
    """Whether a dotted name is a module of the package."""
    return stem.startswith("smplifyx.") and (PACKAGE / file_of(stem)).is_file()


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_point_down(module: Path) -> None:
    """To a room that the table allows, or to a module that stands earlier in the same room."""
    room, name = place_of(module)
    if room in FACE:
        return
    law = BY_NAME[room]
    assert not law.modules or name in law.modules, f"{module} is not in the table"
    for other_room, other in imported(module):
        if other_room == room:
            earlier = law.modules[: law.modules.index(name)]
            assert other in earlier, f"{module} imports {other}, which stands later in {room}"
        else:
            assert other_room in law.uses, f"{room} may not use {other_room} ({module})"


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_the_table_is_true(room: Room) -> None:
    """Rooms use those below them, every use is needed, and every module is there."""
    below = ORDER[: ORDER.index(room.name)]
    assert set(room.uses) <= set(below)
    own = [module for module in MODULES if place_of(module)[0] == room.name]
    assert {place_of(module)[1] for module in own} == (set(room.modules) or {""})
    used = {other for module in own for other, _ in imported(module)} - {room.name}
    assert used == set(room.uses)


def test_no_room_is_forgotten() -> None:
    assert {place_of(module)[0] for module in MODULES} - set(FACE) == set(ORDER)


def readme_map() -> str:
    """The map in the README: the rooms from the top down, and what each owns."""
    lines = ["smplifyx/        an import points down"]
    for room in reversed(ROOMS):
        label = room.name + ("/" if room.modules else "")
        lines += textwrap.wrap(
            f"  {label:<15}{room.owns}", 100, subsequent_indent=" " * 17, break_on_hyphens=False
        )
    return "\n".join(lines)


def architecture() -> str:
    """docs/architecture.md: of each room what it owns, what it leaves to others, whom it may import, its modules."""
    parts = [ARCHITECTURE_HEAD]
    for room in reversed(ROOMS):
        parts.append(f"## {room.name}\n")
        parts.append(f"*Owns* {room.owns}. *Leaves:* {room.leaves}.\n")
        uses = ", ".join(room.uses) or "nothing of ours"
        parts.append(f"May import {uses}.\n")
        names = [name for name in room.modules if name != "__init__"]
        if names:
            listed = " · ".join(names)
            parts.append(
                "\n".join(textwrap.wrap(f"Modules, each above those before it: {listed}.", 118))
                + "\n"
            )
    return "\n".join(parts)


ARCHITECTURE_HEAD = """# The rooms of the house

Made from the table in `tests/test_layers.py`, which is the law for every import:
`python tests/test_layers.py` writes this page and the README's map anew. From the top down; an import points down, to the
rooms named, or to a module that stands earlier in the same room.
"""


def test_the_readme_map_is_that_of_the_table() -> None:
    assert readme_map() in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_architecture_page_is_that_of_the_table() -> None:
    assert (ROOT / "docs/architecture.md").read_text(encoding="utf-8") == architecture()


def public_classes() -> dict[str, list[str]]:
    """Where each public class name is defined."""
    found: dict[str, list[str]] = {}
    for module in MODULES:
        for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(str(module))
    return found


def test_public_class_names_are_unique() -> None:
    assert {name: where for name, where in public_classes().items() if len(where) > 1} == {}


# The dialect of before, and homonyms: what they are called now stands in docs/how_a_fit_runs.md.
DIALECT = frozenset(
    "station race crew mate beside caps carried following lists balls ball partners todo artist cast deliver".split()
)


def public_words() -> set[str]:
    """Every word in the public names of modules, classes, functions, fields and parameters."""
    found: set[str] = set()
    for module in MODULES:
        names = [module.stem]
        for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                names.append(node.name)
            elif isinstance(node, ast.arg):
                names.append(node.arg)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names.append(node.target.id)
        for name in names:
            if not name.startswith("_"):
                spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
                found.update(spaced.lower().split("_"))
    return found


def test_no_word_of_the_old_dialect_is_left() -> None:
    assert public_words() & DIALECT == set()


@pytest.mark.parametrize("folder", sorted({module.parent for module in MODULES}), ids=str)
def test_every_folder_is_a_package(folder: Path) -> None:
    assert (PACKAGE / folder / "__init__.py").is_file()


@pytest.mark.parametrize("name", preset_names())
def test_presets_load(name: str) -> None:
    assert load_preset(name).name == name


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem
)
def test_jobs_load(path: Path) -> None:
    job = load_job(path)
    assert job.preset in preset_names()
    assert (ROOT / job.keypoints).exists() and (job.images is None or (ROOT / job.images).is_dir())


def test_there_are_presets_and_jobs() -> None:
    assert len(preset_names()) >= 5 and len(list((ROOT / "configs").glob("*.yaml"))) >= 2


def test_presets_and_jobs_share_no_field() -> None:
    assert not set(FitConfig.model_fields) & set(JobConfig.model_fields)


@pytest.mark.parametrize(
    "path", sorted(assets.folder("priors").rglob("*.npz")), ids=lambda path: path.stem
)
def test_every_prior_has_a_true_card(path: Path) -> None:
    card = yaml.safe_load(path.with_suffix(".card.yaml").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card["file"] == path.name
    assert all(card[key] for key in ("licence", "source", "command"))


def test_data_folders_hold_no_code_at_the_top() -> None:
    assert not [path for name in assets.FOLDERS for path in assets.folder(name).glob("*.py")]


if __name__ == "__main__":
    (ROOT / "docs/architecture.md").write_text(architecture(), encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    fresh = re.sub(
        r"```\nsmplifyx/ .*?```", lambda _: f"```\n{readme_map()}\n```", readme, count=1, flags=re.S
    )
    (ROOT / "README.md").write_text(fresh, encoding="utf-8")
