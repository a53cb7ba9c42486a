"""Untrusted files by the thousand: nothing escapes its boundary, is executed, or grows out of hand.

    python -m benchmarks.hostile [--count 10000] [--seed 0] [--only keypoints images ...]

Takes sound files of every kind that smplifyx reads, damages each in a way of its own (bits, cuts,
repeats, splices, extreme numbers, hostile words, deep nesting, foreign pickles, false archive
headers), and has them read. A file may be refused, by the reader's own error in one line; anything
else that is raised is an escape. An audit hook watches for what no reader does: processes, sockets,
and files written outside the folder of the run. Seeded: the same seed damages alike.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import platform
import resource
import struct
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from smplifyx.body.loading.files import BodyFileError, load_body
from smplifyx.camera import Camera
from smplifyx.config import load_preset
from smplifyx.core.choices import LayoutName
from smplifyx.core.npz import ResultFileError
from smplifyx.fitting.fit import fit
from smplifyx.fitting.result import FitResult
from smplifyx.jobs.job import load_job
from smplifyx.jobs.store import Store, read_record
from smplifyx.jobs.summary import COLUMNS, read_summary, row_of
from smplifyx.keypoints import Keypoints
from smplifyx.keypoints.layouts import to_canonical
from smplifyx.pose_priors import load_prior
from smplifyx.readers.folder import read_frames
from smplifyx.readers.frames import KeypointError
from smplifyx.readers.images import ImageError, focal_35mm, read_image, upright_size
from smplifyx.readers.intrinsics import camera_for, options_for

# The makers of small bodies and priors in the layouts that users bring.
sys.path.append(str(Path(__file__).parent.parent / "tests"))
import make_bodies
import make_priors

from smplifyx.body.joints import BodyKind

LONGEST_MESSAGE = 1000  # characters; paths are in it
MIB = 2**20


@dataclass(frozen=True)
class Seed:
    """A sound file."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Target:
    """A kind of file: sound ones, what reads one, and how it may be refused."""

    name: str
    seeds: Callable[[], Sequence[Seed]]
    read: Callable[[Path], None]
    refusals: tuple[type[Exception], ...]


@dataclass
class Tally:
    """What came of the files of a kind."""

    tried: int = 0
    read: int = 0
    refused: int = 0
    slowest: float = 0.0  # seconds
    slowest_input: str = ""
    growth: float = 0.0  # MiB that the process's peak memory rose by
    escapes: list[str] = field(default_factory=list)


class Watch:
    """Notes what no reader does, from the moment that it is switched on."""

    FORBIDDEN = frozenset(
        "os.system os.exec os.fork os.forkpty os.posix_spawn subprocess.Popen pty.spawn "
        "socket.connect socket.bind shutil.rmtree webbrowser.open ctypes.dlopen".split()
    )

    def __init__(self) -> None:
        self.inside: Path | None = None
        self.seen: Counter[str] = Counter()
        sys.addaudithook(self._notice)

    def _notice(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.inside is None:
            return
        if event in self.FORBIDDEN:
            self.seen[f"{event} {arguments!r:.100}"] += 1
        if event == "open" and len(arguments) == 3 and self._is_written(arguments):
            self.seen[f"written: {arguments[0]!r:.200}"] += 1

    def _is_written(self, arguments: tuple[object, ...]) -> bool:
        path, _, flags = arguments
        if not isinstance(path, (str, bytes)) or not isinstance(flags, int):
            return False
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        return bool(writes) and not os.fsdecode(path).startswith(str(self.inside))


# ---- sound files


def keypoint_seeds() -> list[Seed]:
    """One of each form that a detector writes."""
    rng = np.random.default_rng(0)

    def points(count: int) -> list[float]:
        return rng.uniform(1, 900, (count, 3)).round(2).clip(0, 900).flatten().tolist()

    openpose = {
        "version": 1.3,
        "people": [
            {
                "person_id": [index],
                "pose_keypoints_2d": points(25),
                "face_keypoints_2d": points(70),
                "hand_left_keypoints_2d": points(21),
                "hand_right_keypoints_2d": [],
            }
            for index in range(2)
        ],
    }
    pairs = rng.uniform(0, 500, (17, 2)).round(1).tolist()
    scores = rng.uniform(0, 1, 17).round(2).tolist()
    instance = {"keypoints": pairs, "keypoint_scores": scores, "bbox": [[1, 2, 3, 4]]}
    names = ["nose", "head_bottom", "head_top", "left_wrist"]
    documents: dict[str, object] = {
        "a_keypoints.json": openpose,
        "coco.json": {
            "images": [{"id": 1, "file_name": "x/y.jpg", "width": 900, "height": 900}],
            "annotations": [{"id": 7, "image_id": 1, "keypoints": points(17), "category_id": 1}],
            "categories": [{"id": 1, "keypoints": names}],
        },
        "results.json": [
            {"image_id": "b.jpg", "keypoints": points(count), "score": 1.1, "idx": 3}
            for count in (17, 26, 133, 136)
        ],
        "mmpose.json": [instance],
        "video.json": {"meta_info": {"keypoint_id2name": {"0": "nose"}},
                       "instance_info": [{"frame_id": 1, "instances": [instance]}]},
        "control.json": [{"people": openpose["people"], "canvas_width": 900, "canvas_height": 900}],
        "easymocap.json": {"filename": "c.jpg", "height": 900, "width": 900, "annots": [
            {"personID": 4, "keypoints": rng.uniform(0, 900, (25, 3)).tolist()}]},
        "landmarks.json": {"pose_landmarks": [
            {"x": 0.5, "y": 0.25, "z": 0.1, "visibility": 0.9} for _ in range(33)]},
        "yolo.json": [{"name": "person", "keypoints": {
            "x": points(6), "y": points(6), "visible": points(6)}}],
        "alpha.json": {"d.jpg": {"people": [{"pose_keypoints_2d": points(18)}]}},
    }  # fmt: skip
    return [Seed(name, json.dumps(document).encode()) for name, document in documents.items()]


def camera_seeds() -> list[Seed]:
    """Sidecars and tables of cameras, and facts about people."""
    K = [[1000, 0, 450], [0, 1000, 450], [0, 0, 1]]
    documents: dict[str, object] = {
        "a.camera.json": {"K": K, "image_size": [900, 900], "dist": [0, 0, 0.1, 0, 0]},
        "a.people.json": [{"age": "adult", "gender": "female", "height": 1.7}, None],
        "cameras.json": {"a": {"fx": 1000, "cx": 450, "cy": 450, "width": 900, "height": 900}},
    }
    texts = {
        "cameras.csv": "stem,fx,fy,cx,cy,width,height\na,1000,1000,450,450,900,900\n",
        "intri.yml": '%YAML:1.0\n---\nnames:\n  - "a"\nK_a: !!opencv-matrix\n  rows: 3\n  cols: 3\n'
        "  dt: d\n  data: [1000.0, 0.0, 450.0, 0.0, 1000.0, 450.0, 0.0, 0.0, 1.0]\n",
        "calib.toml": '[a]\nname = "a"\nsize = [900.0, 900.0]\n'
        "matrix = [[1000.0, 0.0, 450.0], [0.0, 1000.0, 450.0], [0.0, 0.0, 1.0]]\n",
    }
    return [Seed(name, json.dumps(document).encode()) for name, document in documents.items()] + [
        Seed(name, text.encode()) for name, text in texts.items()
    ]


def image_seeds() -> list[Seed]:
    """A small picture in every format that is read, and in some that are not."""
    rng = np.random.default_rng(1)
    picture = Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[274] = 6  # orientation
    exif[41989] = 28  # focal length in 35 mm film
    found = []
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "EPS", "DDS", "PCX", "ICO", "TGA"):
        stream = io.BytesIO()
        more = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}
        picture.save(stream, kind, **more)
        found.append(Seed(f"{kind.lower()}.jpg", stream.getvalue()))
    return found


def model_seeds() -> list[Seed]:
    """Small bodies as .npz and as pickles of every age."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in (BodyKind.SMPLX, BodyKind.SMPL):
            arrays = make_bodies.body_arrays(kind)
            for ending in ("npz", "pkl"):
                path = make_bodies.write(Path(folder) / f"{kind.value}.{ending}", arrays)
                found.append(Seed(path.name, path.read_bytes()))
        old = make_bodies.write_old_pickle(
            Path(folder) / "old.pkl", make_bodies.body_arrays(BodyKind.SMPL), 2
        )
        found.append(Seed(old.name, old.read_bytes()))
    return found


def prior_seeds() -> list[Seed]:
    """A mixture as a pickle, checkpoints old and new, our own .npz."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = make_priors.random_vposer(make_priors.VPoser1, width=8, latent=4)
        second = make_priors.random_vposer(make_priors.VPoser2, width=8, latent=4)
        np.savez(folder / "flow.npz", **make_priors.flow_arrays(layers=1, hidden=2))
        paths = [
            make_priors.write_gmm_dict(folder / "gmm.pkl", make_priors.mixture_moments(2)),
            make_priors.write_v1(folder / "old.pt", first),
            make_priors.write_v1(folder / "new.pt", first, zipped=True),
            make_priors.write_v2(folder / "lightning.ckpt", second),
            folder / "flow.npz",
        ]
        return [Seed(path.name, path.read_bytes()) for path in paths]


def result_seeds() -> list[Seed]:
    """The result file of one person."""
    document = json.loads(keypoint_seeds()[0].content)
    points = np.array(document["people"][0]["pose_keypoints_2d"], np.float32).reshape(25, 3)
    keypoints = Keypoints.from_array(to_canonical(points, LayoutName.BODY_25)[None])
    camera = Camera.from_fov(50.0, torch.tensor([[900.0, 900.0]]))
    person = fit(keypoints, camera, load_body(), load_preset("fast"))[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "000.npz"
        person.save(path)
        return [Seed(path.name, path.read_bytes())]


def record_seeds() -> list[Seed]:
    """What an output folder tells of its job, and a job's own file."""
    filled = {"stem": "a", "status": "ok"}
    line = ",".join(filled.get(column, "") for column in COLUMNS)
    return [
        Seed("config.yaml", b"smplifyx: {versions: {python: '3'}}\njob: {keypoints: a, out: b}\n"),
        Seed("summary.csv", f"{','.join(COLUMNS)}\n{line}\n".encode()),
        Seed("job.yaml", b"keypoints: a\nout: b\npreset: fast\nlargest: 2\n"),
        Seed("preset.yaml", b"name: x\nsummary: y\nstages:\n- {name: one, free: [transl]}\n"),
    ]


# ---- what reads them


def read_keypoints(path: Path) -> None:
    """As a job does; nothing at all may be raised but what ends a job that has no input."""
    for frame in read_frames(path):
        for person in frame.people:
            assert person.keypoints.shape == (137, 3)
            assert np.isfinite(person.keypoints).all()
        "; ".join(str(note) for note in frame.notes).encode()


def read_camera(path: Path) -> None:
    """With keypoints beside it, which it is about."""
    folder = path.parent
    (folder / "a_keypoints.json").write_bytes(keypoint_seeds()[0].content)
    options = options_for(folder, None if path.name.startswith("a.") else path)
    for frame in read_frames(folder):
        if frame.problem is None and frame.people:
            camera_for(frame, options)


def read_picture(path: Path) -> None:
    """Its size, its pixels, its focal length."""
    upright_size(path)
    read_image(path)
    focal_35mm(path)


def read_result(path: Path) -> None:
    """What is loaded can be told of and saved."""
    result = FitResult.load(path)
    row_of("a", result)
    result.save(path.with_name("again.npz"))


def read_records(path: Path) -> None:
    """Whatever of an output folder it is."""
    if path.name == "config.yaml":
        read_record(Store(path.parent))
    elif path.name == "summary.csv":
        list(read_summary(path))
    elif path.name == "job.yaml":
        load_job(path)
    else:
        load_preset(path)


TARGETS = (
    Target("keypoints", keypoint_seeds, read_keypoints, (KeypointError,)),
    Target("cameras", camera_seeds, read_camera, (KeypointError,)),
    Target("images", image_seeds, read_picture, (ImageError,)),
    Target("models", model_seeds, lambda path: void(load_body(path)), (BodyFileError,)),
    Target("priors", prior_seeds, lambda path: void(load_prior(str(path))), (ValueError,)),
    Target("results", result_seeds, read_result, (ResultFileError,)),
    Target("records", record_seeds, read_records, (ValueError,)),
)


def void(_: object) -> None:
    """Drops what was read."""


# ---- damage


NUMBERS = (b"1e999", b"-1e308", b"NaN", b"-Infinity", b"9" * 5000, b"0.5e-400", b"null", b"true", b'"x"',
           b"[]", b"{}", b"-1", b"0", b"[[1],[2,3]]", b"1000000000", b".nan", b"*a", b"!!python/none")  # fmt: skip
WORDS = (b'"\\ud800"', b'"../../../etc/passwd"', b'"' + b"n" * 300 + b'"', b'"\\u0000"', b'"=1+1"', b'""',
         b'"a/000.npz"', b'"\x1b[31m"', b'"C:\\\\x\\\\y.jpg"', b'"/dev/zero"', b"&a [*a, *a]")  # fmt: skip


class _Runs:
    """Unpickled by a reader that should not, it runs a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def flipped(rng: np.random.Generator, content: bytes) -> bytes:
    """A few bits."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    return bytes(data)


def cut(rng: np.random.Generator, content: bytes) -> bytes:
    """The end is missing, or a piece in the middle."""
    a, b = sorted(rng.integers(0, len(content) + 1, 2).tolist())
    return content[:a] if rng.random() < 0.5 else content[:a] + content[b:]


def repeated(rng: np.random.Generator, content: bytes) -> bytes:
    """A piece comes many times."""
    a, b = sorted(rng.integers(0, len(content) + 1, 2).tolist())
    times = int(rng.integers(2, 50)) if b - a < 2000 else 2
    return content[:b] + content[a:b] * times + content[b:]


def overwritten(rng: np.random.Generator, content: bytes) -> bytes:
    """A few bytes become others: lengths, opcodes, headers."""
    data = bytearray(content)
    at = int(rng.integers(len(data)))
    value = rng.choice([0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 1])
    new = struct.pack("<I", int(value))[: int(rng.integers(1, 5))]
    data[at : at + len(new)] = new
    return bytes(data)


def replaced(rng: np.random.Generator, content: bytes) -> bytes:
    """A number or a word of a text becomes an extreme one."""
    import re

    tokens = list(re.finditer(rb'-?\d+(\.\d+)?|"[^"]*"', content))
    if not tokens:
        return overwritten(rng, content)
    token = tokens[int(rng.integers(len(tokens)))]
    pool = NUMBERS if rng.random() < 0.6 else WORDS
    return content[: token.start()] + pool[int(rng.integers(len(pool)))] + content[token.end() :]


def nested(rng: np.random.Generator, content: bytes) -> bytes:
    """Deep brackets somewhere."""
    at = int(rng.integers(len(content) + 1))
    bracket = (b"[", b"{", b'{"a":', b"(")[int(rng.integers(4))]
    return content[:at] + bracket * int(rng.integers(10, 20000)) + content[at:]


def foreign(rng: np.random.Generator, content: bytes) -> bytes:
    """Something else altogether under that name."""
    others = (b"", b"\x00" * 100, b"<html><body>login</body></html>", b"%!PS-Adobe-3.0 EPSF-3.0\n",
              b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
              pickle.dumps(_Runs()), pickle.dumps({"v_template": _Runs()}, 2),
              b"\x80\x02\x96" + struct.pack("<Q", 2**40), b"\x80\x02Nr\xff\xff\xff\x7f.",
              b"PK\x05\x06" + b"\x00" * 18)  # fmt: skip
    return others[int(rng.integers(len(others)))]


def member_damaged(rng: np.random.Generator, content: bytes) -> bytes:
    """A member of an archive is damaged and the archive is whole again around it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # no archive, or one that was damaged before
        return flipped(rng, content)
    if not members:
        return flipped(rng, content)
    name = list(members)[int(rng.integers(len(members)))]
    damage = (flipped, cut, overwritten, _as_another_type)[int(rng.integers(4))]
    members[name] = damage(rng, members[name] or b"\x00")
    if rng.random() < 0.1:
        members.pop(name)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return stream.getvalue()


def _as_another_type(rng: np.random.Generator, content: bytes) -> bytes:
    """An array of another dtype or shape, or with numbers that are none."""
    kinds = ("<f2", "<f8", "<c16", "?", "<U3", "S4", "<i8", "<u1", "V8", "<M8[s]")
    shape = ((), (0,), (3,), (3, 3), (21, 3), (137, 3))[int(rng.integers(6))]
    array = np.zeros(shape, kinds[int(rng.integers(len(kinds)))])
    if array.dtype.kind == "f":
        array = array + rng.choice([np.nan, np.inf, 1e300, -1.0])
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


DAMAGE = (flipped, cut, repeated, overwritten, replaced, replaced, nested, foreign, member_damaged)


# ---- the run


def inputs(target: Target, count: int, seed: int) -> Iterator[tuple[str, Seed]]:
    """So many damaged files: what was done, and the file. A fifth is damaged twice."""
    seeds = target.seeds()
    rng = np.random.default_rng([seed, len(target.name), *target.name.encode()])
    for number in range(count):
        sound = seeds[number % len(seeds)]
        content = sound.content
        done = []
        for _ in range(1 + int(rng.random() < 0.2)):
            damage = DAMAGE[int(rng.integers(len(DAMAGE)))]
            content = damage(rng, content) if content else content
            done.append(damage.__name__)
        yield f"{target.name} {number} ({sound.name}, {', '.join(done)})", Seed(sound.name, content)


def attack(target: Target, count: int, seed: int, watch: Watch) -> Tally:
    """Reads the damaged files of a kind, one by one, each in a folder of its own."""
    tally = Tally()
    peak = _peak()
    for what, damaged in inputs(target, count, seed):
        with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
            path = Path(folder) / damaged.name
            path.write_bytes(damaged.content)
            watch.inside = Path(folder)
            start = time.perf_counter()
            try:
                target.read(path)
                tally.read += 1
            except target.refusals as error:
                tally.refused += 1
                if fault := _fault_of(str(error), damaged.name):
                    tally.escapes.append(f"{what}: {fault}")
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                tally.escapes.append(f"{what}: {type(error).__name__}: {error!s:.200}")
            finally:
                watch.inside = None
        spent = time.perf_counter() - start
        if spent > tally.slowest:
            tally.slowest, tally.slowest_input = spent, what
        tally.tried += 1
    tally.growth = _peak() - peak
    return tally


def _fault_of(message: str, name: str) -> str:
    """What is wrong with a refusal of the file of that name."""
    if name not in message and Path(name).stem not in message:
        return f"a message that does not name the file: {message!r:.200}"
    if "\n" in message:
        return f"a message of several lines: {message!r:.200}"
    if len(message) > LONGEST_MESSAGE:
        return f"a message of {len(message)} characters"
    return "" if message.isprintable() else f"a message that is not plain: {message!r:.200}"


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(count: int, seed: int, only: Sequence[str] = ()) -> dict[str, Tally]:
    """`count` files, shared among the kinds; the audit hook's findings are under "executed"."""
    chosen = [target for target in TARGETS if not only or target.name in only]
    watch = Watch()
    for target in chosen:  # imports and caches are no part of it
        _warm(target)
    each = max(1, count // len(chosen))
    tallies = {target.name: attack(target, each, seed, watch) for target in chosen}
    tallies["executed"] = Tally(escapes=[f"{event} x{n}" for event, n in watch.seen.items()])
    return tallies


def _warm(target: Target) -> None:
    """Every sound file is read once; a sound one that is refused says so later, by its damage."""
    for sound in target.seeds():
        with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
            path = Path(folder) / sound.name
            path.write_bytes(sound.content)
            try:
                target.read(path)
            except target.refusals:
                pass


def main() -> None:
    """Prints the protocol, the machine and a table; exits 1 where something escaped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=(), choices=[one.name for one in TARGETS])
    options = parser.parse_args()
    start = time.perf_counter()
    tallies = run(options.count, options.seed, options.only)
    executed = tallies.pop("executed").escapes
    print(
        f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, seed {options.seed}\n"
    )
    print(
        "| kind | files | read | refused | escapes | slowest s | peak memory rose by MiB |\n|---|---|---|---|---|---|---|"
    )
    for name, tally in tallies.items():
        print(
            f"| {name} | {tally.tried} | {tally.read} | {tally.refused} | {len(tally.escapes)} | {tally.slowest:.2f} | {tally.growth:.0f} |"
        )
    print(
        f"\nexecuted, connected or written outside: {len(executed)}; {time.perf_counter() - start:.0f} s\n"
    )
    for name, tally in tallies.items():
        for escape in tally.escapes[:20]:
            print(f"ESCAPE {escape}")
        print(f"slowest of {name}: {tally.slowest_input}")
    for event in executed[:20]:
        print(f"EXECUTED {event}")
    sys.exit(bool(executed or any(tally.escapes for tally in tallies.values())))


if __name__ == "__main__":
    main()
