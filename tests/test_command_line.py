"""What the command says: every fault in one line that names option, value and range; help; Ctrl-C and broken streams."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from job_tools import person, write_folder, write_frame

from smplifyx import __version__
from smplifyx.cli import main
from smplifyx.commands.table import COMMANDS
from smplifyx.config import ConfigError, load_preset
from smplifyx.jobs.job import HEADINGS, JobConfig

ROOT = Path(__file__).parent.parent
INTERNALS = ("tyro", "pydantic", "constrained", "dummy", "http", "argparse", "<class", "Traceback")


def said(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `smplifyx ARGUMENTS`."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return int(caught.value.code or 0), printed.out, printed.err


def is_one_line(error: str) -> bool:
    return error.startswith("smplifyx: ") and error.count("\n") == 1


FAULTS = {  # options after `fit KEYPOINTS --out OUT`: the words of the line
    "--height 175": "--height: 175 m is not between 0.3 and 2.8 m (centimetres?)",
    "--height 5.9": "--height: 5.9 m is not between 0.3 and 2.8 m (feet?)",
    "--height 0": "--height: 0 m is not between 0.3 and 2.8 m",
    "--height -3": "--height: -3 m is not between 0.3 and 2.8 m",
    "--height nan": "--height: nan m is not between",
    "--height": "--height: its value is missing: --height M",
    "--focal 0": "--focal: 0 px is not between 10 and 1000000 px",
    "--fov 200": "--fov: 200 degrees is not between 0.1 and 150 degrees",
    "--focal-35mm x": "--focal-35mm: 'x' is not a number between 3 and 3000 mm",
    "--focal 900 --fov 40": "--focal and --fov: the same is said twice: give one",
    "--batch-size 0": "--batch-size: 0 is not auto or a whole number of at least 1",
    "--batch_size x": "--batch-size: 'x' is not auto or a whole number of at least 1",
    "--processes 0": "--processes: 0 is not auto or a whole number between 1 and 64",
    "--min-size x": "--min-size: 'x' is not a number of at least 0 px",
    "--min-size -1": "--min-size: -1 px is not at least 0 px",
    "--largest 0": "--largest: 0 is not a whole number of at least 1",
    "--largest 1.5": "--largest: 1.5 is not a whole number of at least 1",
    "--min-keypoints 26": "--min-keypoints: 26 is not a whole number between 0 and 25",
    "--gender x": "--gender: 'x' is not one of neutral, female, male, label, auto, input",
    "--age x": "--age: 'x' is not one of adult, child, auto",
    "--mesh stl": "--mesh: 'stl' is not one of obj, ply, glb",
    "--layout foo": "--layout: 'foo' is not one of body_25,",
    "--keypoint-size 0 5": "--keypoint-size: 0 px is not a whole number between 1 and 1000000 px",
    "--keypoint-size 5": "--keypoint-size: its value is missing: --keypoint-size W H",
    "--seen -1": "--seen: -1 is not at least 0",
    "--cameras nowhere.csv": "--cameras: nowhere.csv: there is no such file",
    "--images nowhere": "--images: nowhere: there is no such file",
    "--model nowhere": "--model: nowhere: there is no such file",
    "--preset splendid": "--preset: no preset 'splendid'; there are best, fast",
    "--preset mine.yaml": "--preset: mine.yaml: there is no such file",
    "--prior splendid": "--prior: no pose prior 'splendid'",
    "--device tpu": "--device: 'tpu': expected auto, cpu, cuda or cuda:N",
    "--overlai": "--overlai: smplifyx fit has no such option; did you mean --overlay?",
    "--collision": "--collision: smplifyx fit has no such option; did you mean --no-collision?",
    "--overlay=yes": "--overlay: takes no value",
    "-x": "-x: smplifyx fit has no such option",
    "more": "'more' is one word too many: smplifyx fit takes KEYPOINTS",
}


@pytest.mark.parametrize("options", FAULTS)
def test_a_fault_is_one_line_with_option_value_and_range(
    tmp_path: Path, options: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keypoints = write_folder(tmp_path / "in", frames=1)
    arguments = ("fit", keypoints, "--out", tmp_path / "out", *options.split())
    code, out, error = said(*arguments, capsys=capsys)
    assert code == 2 and not out and is_one_line(error) and FAULTS[options] in error
    assert not any(word in error for word in INTERNALS)
    assert not (tmp_path / "out").exists()


OTHER_FAULTS = {
    "fit": "KEYPOINTS: missing (folder or file",
    "fit somewhere": "--out: missing (output folder",
    "fit nowhere --out o": "KEYPOINTS: nowhere: there is no such file or folder",
    "run": "JOB.yaml: missing",
    "run nowhere.yaml": "nowhere.yaml",
    "render": "OUT: missing",
    "gate": "OUT: missing",
    "train-prior": "--kind: missing",
    "train-prior --data x --kind y --out z": "--kind: 'y' is not one of vposer, flow, gmm",
    "train-prior --data x --kind gmm --out z --epochs 0": "--epochs: 0 is not a whole number of",
    "presets x": "'x' is one word too many",
    "doctor --x": "--x: smplifyx doctor has no such option",
    "dance": "'dance' is no command; there are fit, photo, predict, track, refine, convert, run",
    "fitt": "'fitt' is no command; did you mean fit?",
    "--bogus": "'--bogus' is no command",
    f"{ROOT} --out o": f"did you mean smplifyx fit {ROOT}?",
}


@pytest.mark.parametrize("line", OTHER_FAULTS)
def test_a_fault_of_any_command_is_one_line(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = said(*line.split(), capsys=capsys)
    assert code == 2 and not out and is_one_line(error) and OTHER_FAULTS[line] in error
    assert not any(word in error for word in INTERNALS)


JOB_FAULTS = {  # what a job file says besides: the words of the line
    "height: 175": "height: 175 m is not between 0.3 and 2.8 m (centimetres?)",
    "heigth: 1.75": "heigth: there is no such field; did you mean height?",
    "gender: x": "gender: 'x' is not one of neutral, female, male, label, auto, input",
    "recursive: 7": "recursive: 7 is not true or false",
    "images: 3": "images: 3 is not a path",
    "batch_size: {}": "batch_size: a table of names is not auto or a whole number",
    "keypoint_size: [0, 5]": "keypoint_size.0: 0 px is not a whole number between",
    "keypoint_size: 5": "keypoint_size: 5 px is not a list of 2 values",
    "largest: [1]": "largest: a list is not a whole number of at least 1",
    "cameras: nowhere.csv": "cameras: nowhere.csv: there is no such file",
    "preset: splendid": "preset: no preset 'splendid'",
    "focal: 900\nfocal_35mm: 50": "focal and focal_35mm: the same is said twice",
}


@pytest.mark.parametrize("text", JOB_FAULTS)
def test_a_fault_of_a_job_file_is_one_line_with_file_field_and_range(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keypoints = write_folder(tmp_path / "in", frames=1)
    job = tmp_path / "job.yaml"
    job.write_text(f"keypoints: {keypoints}\nout: {tmp_path / 'out'}\n{text}\n")
    code, out, error = said("run", job, capsys=capsys)
    assert code == 2 and not out and is_one_line(error)
    assert f"{job}: {JOB_FAULTS[text]}" in error and not any(w in error for w in INTERNALS)


PRESET_FAULTS = {
    "betas: -1": "betas: -1 is not a whole number between 0 and 1000",
    "sumary: x": "sumary: there is no such field; did you mean summary?",
    "stages: []": "stages: has too few entries",
    "stages: 3": "stages: 3 is not a list",
    "stages: [3]": "stages.0: 3 is not a table of names and values",
    "first_guess: {kind: foo}": "first_guess.kind: 'foo' is not one of pnp, similar_triangles",
    "stages: [{name: a, free: [nose]}]": "stages.0.free.0: 'nose' is not one of global_orient",
    "stages: [{name: a, free: [body], solver: {max_steps: 0}}]": "solver.max_steps: 0 is not a",
    "stages: [{name: a, free: [body], weights: {shape: .nan}}]": "weights.shape: nan is not a num",
}


@pytest.mark.parametrize("text", PRESET_FAULTS)
def test_a_fault_of_a_preset_names_its_field(tmp_path: Path, text: str) -> None:
    good = {"name": "x", "summary": "y", "stages": [{"name": "a", "free": ["body"]}]}
    path = tmp_path / "preset.yaml"
    path.write_text(yaml.safe_dump(good | yaml.safe_load(text)))
    with pytest.raises(ConfigError) as caught:
        load_preset(path)
    line = str(caught.value)
    assert PRESET_FAULTS[text] in line and "\n" not in line
    assert not any(word in line for word in INTERNALS)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert said("--version", capsys=capsys) == (0, f"smplifyx {__version__}\n", "")


def test_alone_it_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = said(capsys=capsys)
    assert code == 2 and not error and all(command.name in out for command in COMMANDS)
    assert said("--help", capsys=capsys) == (0, out, "")


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_help_fits_a_terminal_and_has_no_internals(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = said(command, "--help", capsys=capsys)
    assert code == 0 and out.startswith(f"usage: smplifyx {command}")
    assert all(len(line) <= 80 for line in out.split("\n")[1:])
    assert not any(word in out for word in (*INTERNALS, "None", "STR", "False", "options options"))


def test_help_of_fit_says_what_each_flag_does(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said("fit", "--help", capsys=capsys)
    text = " ".join(out.split())
    assert "--no-collision let bodies pass through themselves" in text
    assert "KEYPOINTS folder or file of OpenPose" in text
    assert "(default: smplx)" in text and "coco_wholebody_133" in text


def test_every_option_of_fit_stands_under_one_heading() -> None:
    listed = [name for names in HEADINGS.values() for name in names]
    assert sorted([*listed, "keypoints"]) == sorted(JobConfig.model_fields)


def test_help_does_not_load_torch() -> None:
    code = (
        "import sys\nfrom smplifyx.cli import main\n"
        "try: main(['fit', '--help'])\n"
        "except SystemExit: sys.exit('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0 and b"--height" in done.stdout


def command_of(tmp_path: Path, frames: int) -> list[str]:
    for index in range(frames):
        write_frame(tmp_path / "in", f"f{index:03d}", [person(index)])
    options = ("--preset", "fast", "--batch-size", "1", "--out", str(tmp_path / "out"))
    return [sys.executable, "-m", "smplifyx", "fit", str(tmp_path / "in"), *options]


ENDS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.mark.parametrize(
    "number, seconds",
    [(signal.SIGINT, 0.5), (signal.SIGINT, 1.5), (signal.SIGINT, 3.0), (signal.SIGTERM, 2.0)],
)
def test_asked_to_end_while_it_loads_it_says_one_line(
    tmp_path: Path, number: signal.Signals, seconds: float
) -> None:
    command = [*command_of(tmp_path, frames=300), "--quiet"]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    running.send_signal(number)
    _, error = running.communicate(timeout=60)
    assert running.returncode == ENDS[number] and is_one_line(error)


def test_ctrl_c_that_an_import_swallows_is_not_lost(tmp_path: Path) -> None:
    """A library that catches everything, as some do around their own imports."""
    (tmp_path / "greedy.py").write_text(
        "import os, signal, time\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(0.3)\n"
        "except BaseException:\n"
        "    print('swallowed')\n"
    )
    code = (
        "import sys, time\n"
        "from smplifyx.commands.stopping import Interrupted, Stopping\n"
        "stopping = Stopping()\n"
        "with stopping.heard():\n"
        "    if 'work' in sys.argv: stopping.work_begins()\n"
        "    try:\n"
        "        import greedy\n"
        "        time.sleep(5)\n"
        "    except Interrupted as interrupted:\n"
        "        sys.exit(interrupted.code)\n"
    )
    for argument in ("load", "work"):
        command = [sys.executable, "-c", code, argument]
        environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 130 and not done.stdout, done.stderr
        assert "Traceback" not in done.stderr


STREAMS = {  # how the shell runs it: what is told where that can be read
    "{} 2>&-": "2 poor",
    "{} >&- 2>&- <&-": "",
    "{} >/dev/full": "smplifyx: stdout: No space left on device",
    "{} 2>/dev/full": "2 poor",
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("line", STREAMS)
def test_a_stream_that_cannot_be_written_costs_no_work(tmp_path: Path, line: str) -> None:
    command = " ".join(command_of(tmp_path, frames=2))
    done = subprocess.run(
        line.format(command), shell=True, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0 and STREAMS[line] in told and "Traceback" not in told
    assert len(list((tmp_path / "out").rglob("000.npz"))) == 2


@pytest.mark.parametrize("rest", ["--help", "fit --help", "presets"])
def test_a_reader_that_has_read_enough_is_no_fault(rest: str) -> None:
    line = f"{sys.executable} -m smplifyx {rest} | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count("\n") == 1 and not done.stderr
