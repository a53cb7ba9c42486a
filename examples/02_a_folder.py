"""A folder of keypoints as a resumable job, from Python.

On the command line: smplifyx fit KEYPOINTS --out OUT.

python examples/02_a_folder.py
"""

from pathlib import Path

from smplifyx.jobs.job import JobConfig
from smplifyx.jobs.runner import run_job
from smplifyx.jobs.summary import read_summary

DATA = Path(__file__).parent / "data"


def main(out: Path = Path("out")) -> None:
    job = JobConfig(keypoints=DATA / "keypoints", images=DATA, out=out / "folder", preset="fast")
    outcome = run_job(job)
    print(outcome.fitted, "people fitted")
    for line in read_summary(outcome.store.summary):
        print(line.stem, line.person, line.status.value, line.body_percent)


if __name__ == "__main__":  # a large job is fitted in other processes, which import this file
    main()
