"""How fast people become datasets, in how much memory: `python -m benchmarks.export`.

People are made up in memory, some hundred distinct ones over and over; no fit is run. Each
measurement is a process of its own, which tells its peak of memory. With `--folder`, also from an
output folder of result files. At last an export is killed and goes on: the bytes must be the same.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from smplifyx.fitting.result import program_versions
from smplifyx.jobs.exporting import ExportRules, JobPeople, export_people, reader_body
from smplifyx.jobs.pictures.recorded_job import recorded_job
from smplifyx.jobs.store import MADE_BY, Store, open_store
from smplifyx.jobs.summary import row_of, writing_summary
from smplifyx.writers.dataset_rows import DatasetPerson
from smplifyx.writers.datasets import FORMATS
from smplifyx.writers.export import PeopleBlock, export
from smplifyx.writers.reader_body import ReaderBody

sys.path.append(str(Path(__file__).parent.parent / "tests"))
import export_people as made_up

BLOCK = 1000
DISTINCT = 200
MIB = 2**20
KILLED_AFTER = 3  # parts


def people(count: int) -> list[DatasetPerson]:
    """Distinct adults."""
    return [made_up.person("adult", seed=seed) for seed in range(count)]


def blocks(count: int, distinct: Sequence[DatasetPerson]) -> Iterator[PeopleBlock]:
    """So many people, over and over the same but for their ids."""
    for first in range(0, count, BLOCK):
        here = range(first, min(first + BLOCK, count))

        def read(here: range = here) -> list[DatasetPerson]:
            chosen = [distinct[number % len(distinct)] for number in here]
            return [
                dataclasses.replace(
                    one, id=f"photo_{number:07d}/0", image=f"photo_{number:07d}.jpg"
                )
                for number, one in zip(here, chosen, strict=True)
            ]

        yield PeopleBlock(len(here), str(first), read)


def write_folder(out: Path, count: int) -> None:
    """An output folder of so many people."""
    distinct = people(DISTINCT)
    record: dict[str, object] = {
        MADE_BY: {"versions": program_versions()},
        "job": {"preset": "smplx", "model": None},
        "preset": {},
        "models": {},
    }
    with open_store(out, record, [], overwrite=False) as store:
        with writing_summary(store.summary) as summary:
            for number in range(count):
                result, stem = distinct[number % DISTINCT].result, f"photo_{number:07d}"
                result.save(store.result(stem, 0))
                summary.write(row_of(stem, result))


def one(name: str, count: int, target: Path, folder: Path | None) -> dict[str, float]:
    """One export in this process."""
    format = FORMATS[name]
    began, cpu = time.perf_counter(), time.process_time()
    if folder is None:
        distinct = people(DISTINCT)
        model = made_up.body_of()
        kind = format.facts.kind
        reader = ReaderBody(kind, format.facts.genders, None if kind is None else model)
        began, cpu = time.perf_counter(), time.process_time()
        export(blocks(count, distinct), format, target, reader)
    else:
        model_file = made_up.load_body(None, made_up.Gender.NEUTRAL)
        reader = dataclasses.replace(reader_body(format, None), model=model_file)
        store = Store(folder)
        job = JobPeople(store, recorded_job(store), ExportRules(format, reader))
        export_people(job, target, lambda people: None)
    seconds = time.perf_counter() - began
    return {
        "rows_per_second": count / seconds,
        "rows_per_cpu_second": count / (time.process_time() - cpu),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB,
    }


def in_process(name: str, count: int, target: Path, folder: Path | None = None) -> str:
    """What `one` says in a process of its own, as a line."""
    done = subprocess.run(command(name, count, target, folder), capture_output=True, text=True)
    if done.returncode:
        return done.stderr[-500:]
    told = json.loads(done.stdout.splitlines()[-1])
    where = "memory" if folder is None else "folder"
    return (
        f"{name:<12}{where:<8}{count:>8} people {told['rows_per_second']:>8.0f} rows/s "
        f"{told['rows_per_cpu_second']:>8.0f} rows/s of CPU "
        f"{told['peak_mib']:>7.0f} MiB"
    )


def command(name: str, count: int, target: Path, folder: Path | None = None) -> list[str]:
    """That runs `one`."""
    words = ["--one", name, "--count", str(count), "--target", str(target)]
    words += [] if folder is None else ["--from-folder", str(folder)]
    return [sys.executable, "-m", "benchmarks.export", *words]


def killed(name: str, count: int, folder: Path) -> str:
    """Kills an export after some parts, and compares what the next makes with one in a go."""
    suffix = FORMATS[name].facts.suffix
    whole, resumed = folder / f"whole{suffix}", folder / f"resumed{suffix}"
    subprocess.run(command(name, count, whole), check=True, capture_output=True)
    process = subprocess.Popen(command(name, count, resumed), stdout=subprocess.DEVNULL)
    parts = folder / f".{resumed.name}.parts"
    while process.poll() is None and len(list(parts.glob("*-*"))) < KILLED_AFTER:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len([part for part in parts.glob("*-*") if not part.name.endswith(".tmp")])
    subprocess.run(command(name, count, resumed), check=True, capture_output=True)
    same = digests(whole) == digests(resumed)
    return f"{name:<12}killed with {kept} of {-(-count // BLOCK)} parts; the same bytes: {same}"


def digests(target: Path) -> dict[str, str]:
    """Of each file of an export."""
    paths = [target] if target.is_file() else [p for p in target.rglob("*") if p.is_file()]
    base = target.parent if target.is_file() else target
    return {
        path.relative_to(base).as_posix().removeprefix(target.stem): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(paths)
    }


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--formats", nargs="+", default=["bedlam", "parquet"])
    parser.add_argument("--folder", type=int, default=0, help="people of an output folder")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--target", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--from-folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one, options.count, options.target, options.from_folder)))
        return
    print(f"{torch.get_num_threads()} threads of torch")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for format in options.formats:
            suffix = FORMATS[format].facts.suffix
            for count in (options.count // 10, options.count):
                print(in_process(format, count, root / f"{format}_{count}{suffix}"), flush=True)
            print(killed(format, options.count // 10, root), flush=True)
        if options.folder:
            write_folder(root / "out", options.folder)
            for format in options.formats:
                suffix = FORMATS[format].facts.suffix
                target = root / f"{format}_folder{suffix}"
                print(in_process(format, options.folder, target, root / "out"), flush=True)


if __name__ == "__main__":
    main()
