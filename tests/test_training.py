"""Training of priors: what is read and drawn, how holes are filled, runs that stop and go on, what files come out."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from make_recordings import swinging, write_amass, write_bvh_folder

from smplifyx import assets, rotations
from smplifyx.cli import main
from smplifyx.pose_priors.limits import body_limits
from smplifyx.training.card import Origin
from smplifyx.training.classes import TURNS, PoseClass, classify, kept_turns
from smplifyx.training.contract import PoseSet, Schedule
from smplifyx.training.fill import JOINTS, SPREAD, Fill, FillSettings, kind_of
from smplifyx.training.kinds import plan
from smplifyx.training.mixture import Mixture, MixtureSettings, angles_about
from smplifyx.training.options import Kind
from smplifyx.training.poses import Balance, pose_set, read_subjects, split
from smplifyx.training.skeleton import joint_positions, resting_joints
from smplifyx.training.train import Request, train_prior
from smplifyx.training.vae import VaeSettings

REST = torch.from_numpy(resting_joints()[:22]).float()
SCHEDULE = Schedule(epochs=2, batch=32)
ORIGIN = Origin("made by the test", "none", "pytest")
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
    return Request(recordings, kind, out, ORIGIN, SCHEDULE, balance=Balance(radius=0.01), validation=("03",))


def poses_of(angles: torch.Tensor) -> PoseSet:
    return PoseSet(rotations.exp(angles), torch.full((len(angles),), 1 / len(angles)))


# ---- the data


def test_bvh_and_its_tar_give_the_same(recordings: Path, tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(tmp_path / "clips.tar.xz", "w:xz") as archive:
        archive.add(recordings, "clips")
    wanted = read_subjects(recordings, resting_joints())
    assert list(wanted) == ["01", "02", "03"]
    for data in (tmp_path, tmp_path / "clips.tar.xz"):
        found = read_subjects(data, resting_joints())
        assert list(found) == list(wanted)
        assert all(np.array_equal(found[s].body_pose, wanted[s].body_pose) for s in wanted)


def test_amass_folder(tmp_path: Path) -> None:
    write_amass(tmp_path / "anna" / "a_poses.npz", swinging(20), 30, "smplh")
    write_amass(tmp_path / "anna" / "b_stageii.npz", swinging(20, 1), 30, "smplx")
    write_amass(tmp_path / "otto" / "a_stageii.npz", swinging(20, 2), 30, "smplx_poses")
    found = read_subjects(tmp_path, resting_joints())
    assert {s: len(p.body_pose) for s, p in found.items()} == {"anna": 40, "otto": 20}


@pytest.mark.parametrize("data", ["nowhere", "."])
def test_no_recordings(tmp_path: Path, data: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such|no \.bvh"):
        read_subjects(tmp_path / data, resting_joints())


@pytest.mark.parametrize(
    ("named", "share", "validation"),
    [(("02",), 0.5, {"02"}), ((), 0.1, 1), ((), 0.7, 2), ((), 0.0, {"01", "02", "03"})],
)
def test_split(recordings: Path, named: tuple[str, ...], share: float, validation: set[str] | int) -> None:
    subjects = read_subjects(recordings, resting_joints())
    training, validating = split(subjects, named, share, 0)
    assert set(validating) == validation if isinstance(validation, set) else len(validating) == validation
    assert share == 0 or not set(training) & set(validating)
    assert set(training) | set(validating) == set(subjects)


@pytest.mark.parametrize("named", [("07",), ("01", "02", "03")])
def test_split_refuses(recordings: Path, named: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="no subjects 07|none is left"):
        split(read_subjects(recordings, resting_joints()), named, 0.1, 0)


def test_a_single_subject_is_cut_in_time(recordings: Path) -> None:
    subjects = {"01": read_subjects(recordings, resting_joints())["01"]}
    training, validating = split(subjects, (), 0.25, 0)
    assert (len(training["01"].body_pose), len(validating["01"].body_pose)) == (30, 10)


def test_balance(recordings: Path) -> None:
    """A subject who stands still weighs little with balance, and as its frames without."""
    subjects = dict(read_subjects(recordings, resting_joints()))
    subjects["01"] = subjects["01"][np.zeros(300, dtype=int)]
    shares = []
    for balance in (Balance(0.02, 0.5), Balance(0, 1)):
        poses = pose_set(subjects, resting_joints(), balance)
        still = torch.from_numpy(subjects["01"].body_pose[0]).float()
        near = (rotations.log(poses.rotations) - still).abs().amax((1, 2)) < 1e-3
        shares.append(float(poses.weights[near].sum()))
    assert float(poses.weights.sum()) == pytest.approx(1, abs=1e-5)
    assert shares[1] > 0.38 and shares[0] < 0.12


def test_joint_positions_follow_the_retargeting() -> None:
    from smplifyx.evaluation.retarget import Poses, pose_joints

    angles = swinging(5)[:, 1:]
    wanted = pose_joints(Poses(np.zeros((5, 3)), angles), resting_joints())
    found = joint_positions(rotations.exp(torch.from_numpy(angles)), torch.from_numpy(resting_joints()[:22]))
    assert found.numpy() == pytest.approx(wanted, abs=1e-9)


# ---- the holes


def still_poses(count: int = 4000) -> PoseSet:
    """Arms that swing; everything else hangs."""
    angles = torch.zeros(count, 21, 3)
    generator = torch.Generator().manual_seed(0)
    arms = [JOINTS.index("left_shoulder"), JOINTS.index("right_shoulder")]
    angles[:, arms, 2] = torch.rand(count, 2, generator=generator) * torch.tensor([2.0, -2.0]) - torch.tensor(
        [1.2, -1.2]
    )
    angles[:, arms, 0] = 0.2 * torch.randn(count, 2, generator=generator)
    return poses_of(angles)


def filled(settings: FillSettings) -> tuple[torch.Tensor, torch.Tensor]:
    poses = still_poses()
    fill = Fill.of(poses, REST, settings)
    return poses.rotations, fill(poses.rotations, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", SPREAD)
def test_each_hole_is_filled(kind: str) -> None:
    _, moved = filled(FillSettings(jitter=0.0))
    spread = rotations.log(moved).std(0)
    for joint, name in enumerate(JOINTS):
        if kind_of(name) == kind:
            wanted = torch.tensor(SPREAD[kind][0])
            assert (spread[joint] > 0.7 * wanted).all(), name  # limits cut some of it
            assert (spread[joint] < 1.5 * wanted + 0.05).all(), name


def test_what_moves_already_is_left_alone() -> None:
    wide = poses_of(0.4 * torch.randn(2000, 21, 3, generator=torch.Generator().manual_seed(0)))
    fill = Fill.of(wide, REST, FillSettings(jitter=0.0, recombine=0.0))
    assert not fill.collars and float(fill.added.max()) == 0
    assert torch.allclose(fill(wide.rotations, torch.Generator().manual_seed(0)), wide.rotations, atol=1e-6)


def test_collars_rise_under_arms_that_keep_their_direction() -> None:
    before, after = filled(FillSettings(spread=0.0, jitter=0.0, recombine=0.0))
    for side, sign in (("left", 1), ("right", -1)):
        collar, shoulder = JOINTS.index(f"{side}_collar"), JOINTS.index(f"{side}_shoulder")
        assert torch.allclose(after[:, collar] @ after[:, shoulder], before[:, shoulder], atol=1e-5)
        rise = sign * rotations.log(after[:, collar])[:, 2]
        raised = sign * rotations.log(before[:, shoulder])[:, 2]
        assert float(rise.min()) > -1e-6
        assert float(rise[raised > 0.5].mean()) > float(rise[raised < -0.8].mean()) + 0.1


def test_no_pose_is_pushed_over_its_limits() -> None:
    before, after = filled(FillSettings(jitter=0.2, recombine=0.0, rhythm=0.0))
    limits = body_limits(torch.zeros(()))
    assert bool(limits.inside(rotations.log(before)).all())
    assert float(limits.inside(rotations.log(after)).float().mean()) > 0.999
    assert float((rotations.log(after) - rotations.log(before)).abs().mean()) > 0.05


def test_recombined_poses_mix_legs() -> None:
    angles = torch.zeros(500, 21, 3)
    angles[250:, :, 0] = 0.3
    fill = Fill.of(poses_of(angles), REST, FillSettings(spread=0, rhythm=0, jitter=0, recombine=0.5))
    moved = rotations.log(fill(rotations.exp(angles), torch.Generator().manual_seed(0)))
    mixed = (moved[:, JOINTS.index("left_knee"), 0] - moved[:, JOINTS.index("left_elbow"), 0]).abs() > 0.1
    assert 0.15 < float(mixed.float().mean()) < 0.35
    assert torch.equal(moved[:, JOINTS.index("left_knee")], moved[:, JOINTS.index("right_foot")])


CLASSES = {
    PoseClass.STANDING: {"left_shoulder": (0, 0, -1.2), "right_shoulder": (0, 0, 1.2)},
    PoseClass.SITTING: {"left_hip": (-1.5, 0, 0), "right_hip": (-1.5, 0, 0), "left_knee": (1.5, 0, 0),
                        "right_knee": (1.5, 0, 0)},
    PoseClass.CROUCHING: {"left_hip": (-1.9, 0, 0), "right_hip": (-1.9, 0, 0), "left_knee": (2.3, 0, 0),
                          "right_knee": (2.3, 0, 0)},
    PoseClass.ARMS_OVERHEAD: {"left_shoulder": (0, 0, 1.3), "right_shoulder": (0, 0, -1.3)},
}  # fmt: skip


@pytest.mark.parametrize("wanted", CLASSES)
def test_classes(wanted: PoseClass) -> None:
    angles = torch.zeros(1, 21, 3)
    for joint, value in CLASSES[wanted].items():
        angles[0, JOINTS.index(joint)] = torch.tensor(value, dtype=torch.float32)
    found = {kind for kind, member in classify(rotations.exp(angles), REST).items() if bool(member[0])}
    assert found == {wanted} or (wanted is PoseClass.SITTING and found == {wanted, PoseClass.CROUCHING})


class Half:
    """A prior that turns every joint half as far."""

    def reconstruct(self, rotation: torch.Tensor) -> torch.Tensor:
        return rotations.exp(rotations.log(rotation) / 2)


def test_kept_turns_measure_what_is_left() -> None:
    poses = torch.eye(3).expand(4, 21, 3, 3)
    assert kept_turns(Half(), poses) == pytest.approx(dict.fromkeys(TURNS, 0.5), abs=1e-4)


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
    wanted |= {f"{layer}.{field}": V2[layer] for layer in norms for field in ("running_mean", "running_var")}
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
    assert file.suffix == ".ckpt" and card["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert all(card[key] for key in ("what", "fields", "source", "licence", "command", "settings", "figures"))
    assert card["figures"]["subjects"] == {"training": ["01", "02"], "validation": ["03"], "held_out": []}
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


def test_seeds_matter_and_time_ends_a_run(recordings: Path, tmp_path: Path, vposer: Path) -> None:
    short = replace(SCHEDULE, seed=1, minutes=1e-6)
    trained = train_prior(replace(request(recordings, tmp_path / "mine"), schedule=short), Silent())
    assert "epoch=01" in trained.file.name
    key = "vp_model.decoder_net.0.weight"
    assert not torch.equal(weights_in(tmp_path / "mine")[key], weights_in(vposer)[key])


def test_training_learns(recordings: Path, tmp_path: Path) -> None:
    asked = replace(request(recordings, tmp_path / "mine"), schedule=Schedule(epochs=25, batch=64, rate=2e-3))
    figures = train_prior(asked, Silent()).figures["validation"]
    assert figures["joints_mm"] < 60  # a quarter of what the mean pose gives
    assert figures["kl_nats"] > 1


def test_mixture(recordings: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    quick = MixtureSettings(draws=1000, starts=1, iterations=5)
    for name in ("a.npz", "b.npz"):
        trained = train_prior(replace(request(recordings, tmp_path / name, Kind.GMM), mixture=quick), Silent())
    assert trained.curve is None and trained.card.name == "b.card.yaml"
    files = [dict(np.load(tmp_path / name)) for name in ("a.npz", "b.npz")]
    shapes = {"means": (8, 63), "covariances": (8, 63, 63), "weights": (8,), "floor": (63,), "joints": (21,)}
    assert {key: value.shape for key, value in files[0].items()} == shapes
    assert all(np.array_equal(files[0][key], files[1][key]) for key in shapes)
    assert files[0]["weights"].sum() == pytest.approx(1, abs=1e-5) and (np.diff(files[0]["weights"]) <= 0).all()
    for covariance in files[0]["covariances"]:
        assert np.linalg.eigvalsh(covariance + np.diag(files[0]["floor"] ** 2)).min() > 1e-3


def test_mixture_density_is_that_of_its_parts() -> None:
    """Two narrow components: the density at each mean is its own share, and integrates as a Gaussian does."""
    means, floor = np.zeros((2, 63)), np.full(63, 0.1)
    means[1] = 1.0
    mixture = Mixture(means, np.zeros((2, 63, 63)), np.array([0.75, 0.25]), floor, MixtureSettings())
    peak = -63 / 2 * np.log(2 * np.pi * 0.01)
    assert mixture.log_density(means) == pytest.approx(peak + np.log([0.75, 0.25]), abs=1e-9)


def test_what_is_missing_is_said_first(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smplifyx.training.train.find_spec", lambda name: None)
    for kind in Kind:
        with pytest.raises(ImportError, match=r"smplifyx\[train\]"):
            train_prior(request(recordings, tmp_path / "mine", kind), Silent())


def test_recorded_angles_beyond_the_limits_are_put_back() -> None:
    angles = torch.zeros(100, 21, 3)
    angles[:, JOINTS.index("left_ankle"), 0] = torch.linspace(-1.3, 0.5, 100)
    for clamped, inside in ((True, 1.0), (False, 0.72)):
        fill = Fill.of(poses_of(angles), REST, FillSettings(spread=0, jitter=0, recombine=0, clamped=clamped))
        moved = rotations.log(fill(rotations.exp(angles), torch.Generator().manual_seed(0)))
        assert float(body_limits(angles).inside(moved + 1e-6).float().mean()) == pytest.approx(inside, abs=0.02)


def test_angles_do_not_wrap_about_their_mean() -> None:
    mean = torch.zeros(21, 3)
    mean[15, 1] = 2.8
    angles = mean + 0.6 * torch.linspace(-1, 1, 9)[:, None, None] * torch.tensor([0.0, 1.0, 0.0])
    assert torch.allclose(angles_about(rotations.exp(angles), mean), angles, atol=1e-4)


@pytest.mark.parametrize("kind", Kind)
def test_shipped_priors_are_what_their_cards_say(kind: Kind) -> None:
    """The file is the one described, by the settings that the code has now, and no held-out subject was seen."""
    folder = assets.folder("priors") / "pose"
    card = yaml.safe_load((folder / f"{kind.value}.card.yaml").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256((folder / card["file"]).read_bytes()).hexdigest()
    settings = {Kind.VPOSER: VaeSettings(), Kind.GMM: MixtureSettings()}.get(kind)
    assert settings is None or asdict(settings).items() <= card["settings"].items()
    assert kind is Kind.GMM or card["settings"]["schedule"] == asdict(plan(kind).schedule)
    assert not {"13", "14"} & {*card["figures"]["subjects"]["training"], *card["figures"]["subjects"]["validation"]}


# ---- the command


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return caught.value.code or 0


def test_command(recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine"
    options = ("--epochs", 1, "--held-out", "01", "--validation", "02")
    assert call("train-prior", "--data", recordings, "--kind", "vposer", "--out", out, *options) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1 and "mine.card.yaml" in captured.out
    card = yaml.safe_load((tmp_path / "mine.card.yaml").read_text())
    assert card["figures"]["subjects"] == {"training": ["03"], "validation": ["02"], "held_out": ["01"]}
    assert card["figures"]["held_out"]["joints_mm"] > 0
    assert card["command"].endswith("--kind vposer --out mine --epochs 1 --held-out 01 --validation 02")


WRONG = {
    "no data": ("--data", "nowhere", "no such file"),
    "no epochs": ("--data", ".", "--epochs", "0", "above zero"),
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
