"""Whether old programs can read what we write: `python -m benchmarks.old_numpy`.

Writes a small data set of every format and reads all of its files in an environment with NumPy
1.23.5 and nothing of ours: npy and npz with their pickled members, pickles, JSON, what is in tars.
Needs a Python from 3.8 to 3.11 (`--python PATH` names one) and NumPy's wheel.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from smplifyx.writers.dataset_format import DatasetFormat, Photos
from smplifyx.writers.datasets import FORMATS

sys.path.append(str(Path(__file__).parent.parent / "tests"))
import export_people  # noqa: E402

OLD = "1.23.5"
PYTHONS = ("python3.9", "python3.8", "python3.10", "python3.11")  # that have a wheel of it
PEOPLE = 3
# Runs there: numpy and the standard library alone. It prints a line for each file.
READER = r'''
import io, json, pickle, sys, tarfile, numpy as np

def told(value, depth=0):
    """The value in a few words; whatever is in it has been looked at."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        return "object(" + ", ".join(told(one, depth + 1) for one in value.ravel()[:3]) + ")"
    if isinstance(value, np.ndarray):
        assert value.dtype.kind != "f" or np.isfinite(value).all(), "NaN"
        return "%s%s" % (value.dtype, list(value.shape))
    if isinstance(value, dict):
        inner = ["%s: %s" % (key, told(one, depth + 1)) for key, one in value.items()]
        return "{" + ", ".join(inner if depth < 2 else inner[:3]) + "}"
    if isinstance(value, (list, tuple)):
        return "[%d of %s]" % (len(value), told(value[0], depth + 1) if value else "nothing")
    assert value is None or isinstance(value, (bool, int, float, str, bytes, np.generic)), type(value)
    return type(value).__name__

def read(name, content):
    kind = name.rsplit(".", 1)[-1]
    if kind in ("npy", "npz"):
        loaded = np.load(io.BytesIO(content), allow_pickle=True)
        return told(dict(loaded) if kind == "npz" else loaded)
    if kind in ("pkl", "pickle", "pyd"):
        return told(pickle.loads(content))
    if kind == "json":
        return told(json.loads(content.decode("utf-8")))
    if kind == "tar":
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            members = [(one.name, tar.extractfile(one).read()) for one in tar if one.isfile()]
        return "; ".join("%s %s" % (one, read(one, inner)) for one, inner in members)
    return "%d bytes" % len(content)

print("numpy", np.__version__, "python", sys.version.split()[0])
failed = 0
for path in sys.argv[1:]:
    try:
        print("ok    ", path, read(path, open(path, "rb").read())[:300])
    except Exception as error:
        failed += 1
        print("FAILED", path, type(error).__name__, error)
print(len(sys.argv) - 1 - failed, "of", len(sys.argv) - 1, "files read")
sys.exit(bool(failed))
'''


def main() -> int:
    """0: everything was read; 1: not; 2: no such environment can be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", help="a Python from 3.8 to 3.11")
    python = parser.parse_args().python or old_python()
    if python is None:
        print(f"no Python is here that has a wheel of NumPy {OLD}: --python PATH names one")
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files: list[str] = []
        for format in FORMATS.values():
            target = folder / f"{format.facts.name}{format.facts.suffix}"
            made = export_people.write(format, target, people_for(format, folder))
            files += [path.relative_to(folder).as_posix() for path in made.files]
        try:
            environment = environment_of(python, folder / "environment")
        except subprocess.CalledProcessError as error:
            print(f"no environment with NumPy {OLD}: {error}")
            return 2
        # outside our folder and without our paths: nothing of ours can be imported
        bare = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        command = [str(environment), "-I", "-c", READER, *files]
        return subprocess.run(command, cwd=folder, env=bare, check=False).returncode


def people_for(format: DatasetFormat, folder: Path) -> list[export_people.DatasetPerson]:
    """A few people of the format's kind of body, each in a grey photo of one."""
    people = export_people.everybody(
        *([] if format.facts.kind is None else [format.facts.kind]), children=False
    )[:PEOPLE]
    if format.facts.photos is Photos.NONE:
        return people
    found: list[export_people.DatasetPerson] = []
    for number, person in enumerate(people):
        photo = folder / "photos" / f"{number}.jpg"
        photo.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((120, 100, 3), 128, np.uint8)).save(photo)
        found.append(dataclasses.replace(person, image=photo.name, photo=photo))
    return found


def old_python() -> str | None:
    """One on the path or among those of pyenv."""
    for name in PYTHONS:
        found = shutil.which(name)
        if found and _runs(found):
            return found
        version = name.removeprefix("python")
        root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
        for path in sorted((root / "versions").glob(f"{version}.*/bin/python")):
            if _runs(str(path)):
                return str(path)
    return None


def environment_of(python: str, folder: Path) -> Path:
    """The Python of a new environment with the old NumPy. Raises CalledProcessError."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    own = folder / "bin" / "python"
    install = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--only-binary=:all:", f"numpy=={OLD}"], check=True)
    return own


def _runs(python: str) -> bool:
    """Whether it starts: pyenv has names on the path that stand for no version."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
