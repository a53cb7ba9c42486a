"""A folder of keypoints becomes a dataset that a trainer reads, BEDLAM's npz.

On the command line: smplifyx export OUT --format bedlam --to train.npz

python examples/06_a_dataset.py
"""

from pathlib import Path

import numpy as np

from smplifyx.jobs import exporting
from smplifyx.jobs.exporting import ExportRules, JobPeople
from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.pictures.recorded_job import recorded_job
from smplifyx.jobs.runner import run_job

DATA = Path(__file__).parent / "data"


def main(out: Path = Path("out")) -> Path:
    job = JobConfig(keypoints=DATA / "keypoints", images=DATA, out=out / "fits", preset="fast")
    store = run_job(job).store
    bedlam = exporting.dataset_format("bedlam")
    # trainers load the published SMPL-X, and fits of it need no second argument; these are of the
    # embedded body, so the dataset is for who loads that
    body = Path(__file__).parent.parent / "priors" / "bodies" / "neutral.npz"
    rules = ExportRules(bedlam, exporting.reader_body(bedlam, body))
    people = JobPeople(store, recorded_job(store), rules)
    exporting.export_people(people, out / "train.npz", advance=lambda count: None)
    with np.load(out / "train.npz") as file:
        print(len(file["imgname"]), "rows;", ", ".join(file.files))
    return out / "train.npz"


if __name__ == "__main__":  # a large job is fitted in other processes, which import this file
    main()
