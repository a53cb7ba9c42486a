"""Training of priors: runs that stop and go on, what files come out, the command."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from make_recordings import write_bvh_folder

from smplifyx.cli import main
from smplifyx.core import assets, rotations
from smplifyx.pose_priors.torch_files import CheckpointError
from smplifyx.training.card import Recordings
from smplifyx.training.contract import PoseSet, Schedule
from smplifyx.training.fill import SPREAD
from smplifyx.training.kinds import plan
from smplifyx.training.mixture import MixtureSettings
from smplifyx.training.options import Kind
from smplifyx.training.poses import Balance
from smplifyx.training.skeleton import resting_joints
from smplifyx.training.train import Request, train_prior
from smplifyx.training.vae import VaeSettings

REST = torch.from_numpy(resting_joints()[:22]).float()
SCHEDULE = Schedule(epochs=2, batch=32)
ORIGIN = Recordings("made by the test", "none", "pytest")
V2 = {  # VPoser v2.0's layers, as published
    "encoder_net.1": (63,), "encoder_net.2": (512, 63), "encoder_net.4": (512,), "encoder_net.6": (512, 512),
    "encoder_net.7": (512, 512), "encoder_net.8.mu": (32, 512), "encoder_net.8.logvar": (32, 512),
    "decoder_net.0": (512, 32), "decoder_net.3": (512, 512), "decoder_net.5": (126, 512),
}  # fmt: skip


class Silent:
    """A progress that counts, and may stop the training as a user would."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.left, self.total = stop_after, 0

    def begin(self, what: str, total: int) -> None:
        self.total = total

    def advance(self, note: str) -> None:
        if self.left is not None:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bvh_folder(tmp_path_factory.mktemp("bvh"))


def request(recordings: Path, out: Path, kind: Kind = Kind.VPOSER) -> Request:
    return Request(
        recordings, kind, out, ORIGIN, SCHEDULE, balance=Balance(radius=0.01), validation=("03",)
    )


def poses_of(angles: torch.Tensor) -> PoseSet:
    return PoseSet(rotations.exp(angles), torch.full((len(angles),), 1 / len(angles)))


# ---- training


def weights_in(folder: Path) -> dict[str, torch.Tensor]:
    (snapshot,) = (folder / "snapshots").glob("*.ckpt")
    return torch.load(snapshot, weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def vposer(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VPoser trained for two epochs."""
    out = tmp_path_factory.mktemp("trained") / "mine"
    train_prior(request(recordings, out), Silent())
    return out


def test_vposer_has_the_layout_of_v2(vposer: Path) -> None:
    weights = weights_in(vposer)
    shapes = {key.removeprefix("vp_model."): tuple(value.shape) for key, value in weights.items()}
    assert all(key.startswith("vp_model.") for key in weights)
    norms = {"encoder_net.1", "encoder_net.4"}
    wanted = {f"{layer}.weight": shape for layer, shape in V2.items()}
    wanted |= {f"{layer}.bias": shape[:1] for layer, shape in V2.items()}
    wanted |= {
        f"{layer}.{field}": V2[layer]
        for layer in norms
        for field in ("running_mean", "running_var")
    }
    wanted |= {f"{layer}.num_batches_tracked": () for layer in norms}
    assert shapes == wanted
    config = yaml.safe_load((vposer / "mine.yaml").read_text())
    assert config["model_params"] == {"latentD": 32, "num_neurons": 512}


def test_vposer_loads_as_a_prior(vposer: Path) -> None:
    from smplifyx.pose_priors import load_prior

    prior = load_prior(str(vposer))
    assert prior.latent_dim == 32
    pose = prior.decode(torch.zeros(2, 32))
    assert torch.allclose(pose @ pose.mT, torch.eye(3).expand_as(pose), atol=1e-5)
    assert torch.isfinite(prior.encode(pose)).all()


def test_card_and_curve(vposer: Path) -> None:
    card = yaml.safe_load((vposer.parent / "mine.card.yaml").read_text())
    file = vposer.parent / card["file"]
    assert (
        file.suffix == ".ckpt" and card["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    )
    assert all(
        card[key]
        for key in ("what", "fields", "source", "licence", "command", "settings", "figures")
    )
    assert card["figures"]["subjects"] == {
        "training": ["01", "02"],
        "validation": ["03"],
        "held_out": [],
    }
    assert set(SPREAD) | {"rhythm", "jitter", "recombine"} <= set(card["settings"]["holes"])
    assert (vposer.parent / "mine.curve.png").read_bytes()[1:4] == b"PNG"
    assert not list(vposer.parent.glob("*.checkpoint*"))


@pytest.mark.parametrize("stop_after", [1, 2])
def test_a_stopped_run_ends_as_one_that_was_not(
    recordings: Path, tmp_path: Path, vposer: Path, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smplifyx.training.train.KEEP_EVERY", 0.0)
    out, again = tmp_path / "mine", Silent()
    with pytest.raises(KeyboardInterrupt):
        train_prior(request(recordings, out), Silent(stop_after))
    assert (tmp_path / "mine.checkpoint").exists() and not out.exists()
    train_prior(request(recordings, out), again)
    assert again.total == SCHEDULE.epochs - stop_after
    straight, resumed = weights_in(vposer), weights_in(out)
    assert all(torch.equal(straight[key], resumed[key]) for key in straight)


def test_a_checkpoint_of_other_settings_is_refused(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smplifyx.training.train.KEEP_EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        train_prior(request(recordings, tmp_path / "mine"), Silent(1))
    other = replace(request(recordings, tmp_path / "mine"), schedule=replace(SCHEDULE, seed=1))
    with pytest.raises(ValueError, match="mine.checkpoint.*other settings"):
        train_prior(other, Silent())


POISONED = {
    "empty": b"",
    "text": b"hello",
    "list": pickle.dumps([1, 2]),
    "evil": b"cos\nsystem\n(S'touch /nowhere/x'\ntR.",
    "memo": b"\x80\x02}r\xff\xff\xff\x0f.",
}


@pytest.mark.parametrize("case", POISONED)
def test_a_poisoned_checkpoint_is_one_line(
    case: str, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "mine.checkpoint"
    checkpoint.write_bytes(POISONED[case])
    with pytest.raises(CheckpointError) as caught:
        train_prior(request(recordings, tmp_path / "mine"), Silent())
    assert str(checkpoint) in str(caught.value) and "\n" not in str(caught.value)


def test_a_checkpoint_of_something_else_is_one_line(recordings: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "mine.checkpoint"
    for content in ([1, 2], {"signature": 3}, {"epoch": 1}, torch.zeros(3)):
        torch.save(content, checkpoint)
        with pytest.raises(CheckpointError, match="mine.checkpoint.*delete it to begin anew"):
            train_prior(request(recordings, tmp_path / "mine"), Silent())


def test_seeds_matter_and_time_ends_a_run(recordings: Path, tmp_path: Path, vposer: Path) -> None:
    short = replace(SCHEDULE, seed=1, minutes=1e-6)
    trained = train_prior(replace(request(recordings, tmp_path / "mine"), schedule=short), Silent())
    assert "epoch=01" in trained.file.name
    key = "vp_model.decoder_net.0.weight"
    assert not torch.equal(weights_in(tmp_path / "mine")[key], weights_in(vposer)[key])


def test_training_learns(recordings: Path, tmp_path: Path) -> None:
    asked = replace(
        request(recordings, tmp_path / "mine"), schedule=Schedule(epochs=25, batch=64, rate=2e-3)
    )
    figures = train_prior(asked, Silent()).figures["validation"]
    assert figures["joints_mm"] < 60  # a quarter of what the mean pose gives
    assert figures["kl_nats"] > 1


def test_mixture(recordings: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    quick = MixtureSettings(draws=1000, starts=1, iterations=5)
    for name in ("a.npz", "b.npz"):
        trained = train_prior(
            replace(request(recordings, tmp_path / name, Kind.GMM), mixture=quick), Silent()
        )
    assert trained.curve is None and trained.card.name == "b.card.yaml"
    files = [dict(np.load(tmp_path / name)) for name in ("a.npz", "b.npz")]
    shapes = {
        "means": (8, 63),
        "covariances": (8, 63, 63),
        "weights": (8,),
        "floor": (63,),
        "joints": (21,),
    }
    assert {key: value.shape for key, value in files[0].items()} == shapes
    assert all(np.array_equal(files[0][key], files[1][key]) for key in shapes)
    assert (
        files[0]["weights"].sum() == pytest.approx(1, abs=1e-5)
        and (np.diff(files[0]["weights"]) <= 0).all()
    )
    for covariance in files[0]["covariances"]:
        assert np.linalg.eigvalsh(covariance + np.diag(files[0]["floor"] ** 2)).min() > 1e-3


def test_a_mixture_joined_with_another(recordings: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    quick = MixtureSettings(components=3, draws=1000, starts=1, iterations=5)
    alone = replace(request(recordings, tmp_path / "alone.npz", Kind.GMM), mixture=quick)
    first = train_prior(alone, Silent()).file
    again = replace(alone, out=tmp_path / "both.npz", joined_with=first)
    one, both = (dict(np.load(file)) for file in (first, train_prior(again, Silent()).file))
    assert both["weights"].shape == (6,)
    for half in (slice(0, 3), slice(3, 6)):
        np.testing.assert_allclose(both["means"][half], one["means"], atol=1e-6)
        np.testing.assert_allclose(both["weights"][half], one["weights"] / 2, atol=1e-6)


def test_what_is_missing_is_said_first(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smplifyx.training.train.find_spec", lambda name: None)
    for kind in Kind:
        with pytest.raises(ImportError, match=r"smplifyx\[train\]"):
            train_prior(request(recordings, tmp_path / "mine", kind), Silent())


@pytest.mark.parametrize("kind", Kind)
def test_shipped_priors_are_what_their_cards_say(kind: Kind) -> None:
    """The file is the one described, by the settings that the code has now, and no held-out subject
    was seen.
    """
    folder = assets.folder("priors") / "pose"
    card = yaml.safe_load((folder / f"{kind.value}.card.yaml").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256((folder / card["file"]).read_bytes()).hexdigest()
    mixture = MixtureSettings(components=16)  # of many people, beside the usual 8 of CMU's
    settings = {Kind.VPOSER: VaeSettings(), Kind.GMM: mixture}.get(kind)
    assert settings is None or asdict(settings).items() <= card["settings"].items()
    usual = plan(kind).schedule
    if kind is Kind.FLOW:  # of many people, hence fewer than usual
        usual = replace(usual, epochs=14)
    assert kind is Kind.GMM or card["settings"]["schedule"] == asdict(usual)
    subjects = card["figures"]["subjects"]
    assert not {"13", "14", "cmu 13", "cmu 14", *subjects.get("held_out", ())} & {
        *subjects["training"],
        *subjects["validation"],
    }


# ---- the command


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return caught.value.code or 0


def test_command(recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine"
    options = ("--epochs", 1, "--held-out", "01", "--validation", "02")
    assert (
        call("train-prior", "--data", recordings, "--kind", "vposer", "--out", out, *options) == 0
    )
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1 and "mine.card.yaml" in captured.out
    card = yaml.safe_load((tmp_path / "mine.card.yaml").read_text())
    assert card["figures"]["subjects"] == {
        "training": ["03"],
        "validation": ["02"],
        "held_out": ["01"],
    }
    assert card["figures"]["held_out"]["joints_mm"] > 0
    assert card["command"].endswith(
        "--kind vposer --out mine --epochs 1 --held-out 01 --validation 02"
    )


WRONG = {
    "no data": ("--data", "nowhere", "no such file"),
    "no epochs": ("--data", ".", "--epochs", "0", "at least 1"),
    "unknown subject": ("--data", ".", "--held-out", "99", "no subjects 99"),
    "out is there": ("--data", ".", "--out", "01_01.bvh", "exists already"),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_are_one_line(
    recordings: Path, case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recordings)
    *arguments, message = WRONG[case]
    assert call("train-prior", "--out", "x.npz", *arguments, "--kind", "gmm") == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") <= 1
