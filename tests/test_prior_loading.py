"""Priors by name and by path: told apart by what is in a file, faults on one line, nothing in a file
ever runs.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_files import BOMBS, laughs, mutated, npy_header, npz, pickled, zip_bomb
from make_bodies import Evil
from make_priors import (
    VPoser1,
    VPoser2,
    flow_arrays,
    mixture_moments,
    random_vposer,
    write_flow,
    write_gmm_dict,
    write_gmm_object,
    write_v1,
    write_v2,
)
from torch import nn

from smplifyx.core import assets
from smplifyx.pose_priors import GaussianPrior, kind_of, load_prior
from smplifyx.pose_priors.flow import FlowPrior
from smplifyx.pose_priors.free import FreePrior
from smplifyx.pose_priors.mixture import MixturePrior
from smplifyx.pose_priors.torch_files import LEGACY_MAGIC

DOUBLE = torch.float64


def save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def save_without(path: Path, kind: type[nn.Module], key: str) -> Path:
    return save(
        path,
        {name: value for name, value in random_vposer(kind).state_dict().items() if name != key},
    )


def save_v1_with(path: Path, key: str, value: torch.Tensor) -> Path:
    return save(path, random_vposer(VPoser1).state_dict() | {key: value})


def quaternions() -> dict[str, torch.Tensor]:
    return random_vposer(VPoser1).state_dict() | {
        "bodyprior_dec_out.weight": torch.zeros(84, 40),
        "bodyprior_dec_out.bias": torch.zeros(84),
    }


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-2000])
    return path


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def compressed(path: Path) -> Path:
    source = save(path.with_suffix(".tmp"), random_vposer(VPoser1).state_dict())
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return path


# what is wrong with a file -> how to write it, what the line must say
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no decoder layer": (
        lambda p: save_without(p, VPoser1, "bodyprior_dec_out.weight"),
        "key 'bodyprior_dec_out.weight' is missing",
    ),
    "no statistics": (
        lambda p: save_without(p, VPoser2, "encoder_net.4.running_var"),
        "key 'encoder_net.4.running_var' is missing",
    ),
    "other network": (
        lambda p: save(p, nn.Linear(3, 4).state_dict()),
        "none of VPoser's layers is in it",
    ),
    "no names": (lambda p: save(p, [torch.zeros(3)]), "holds no tensors by name"),
    "no tensors": (lambda p: save(p, {"state_dict": {"a": 1}}), "holds no tensors by name"),
    "quaternions": (lambda p: save(p, quaternions()), "do not lead from 32 to 126"),
    "23 joints": (
        lambda p: save_v1_with(p, "bodyprior_enc_fc1.weight", torch.zeros(40, 69)),
        "bodyprior_enc_fc1.weight has shape [40, 69], expected [any, 63]",
    ),
    "bias": (
        lambda p: save_v1_with(p, "bodyprior_dec_fc1.bias", torch.zeros(41)),
        "bodyprior_dec_fc1.bias has shape [41], expected [40]",
    ),
    "vector": (
        lambda p: save_v1_with(p, "bodyprior_dec_fc1.weight", torch.zeros(40)),
        "bodyprior_dec_fc1.weight has shape [40], expected [any, 32]",
    ),
    "not a number": (
        lambda p: save_v1_with(p, "bodyprior_dec_fc2.bias", torch.full((40,), torch.nan)),
        "bodyprior_dec_fc2.bias holds values that are not finite",
    ),
    "negative variance": (
        lambda p: save(
            p,
            random_vposer(VPoser2).state_dict() | {"encoder_net.4.running_var": -torch.ones(40)},
        ),
        "encoder_net.4.running_var holds negative values",
    ),
    "infinite soon": (
        lambda p: save_v1_with(p, "bodyprior_dec_fc2.bias", torch.full((40,), 3e38)),
        "its mean pose is not made of finite numbers",
    ),
    "wide": (
        lambda p: save_v1_with(p, "bodyprior_enc_fc1.weight", torch.zeros(5000, 63)),
        "bodyprior_enc_fc1 is 5000 wide, expected at most 4096",
    ),
    "mixture beyond single precision": (
        lambda p: write_gmm_dict(p, {**mixture_moments(2), "means": np.full((2, 69), 1e300)}),
        "too large for single precision",
    ),
    "lfs": (
        lambda p: written(p, b"version https://git-lfs.github.com/spec/v1\n"),
        "a Git LFS pointer, not the file: git lfs pull",
    ),
    "zip bomb": (lambda p: written(p, zip_bomb("means", 300)), "unpacks to 300 MiB"),
    "claims": (
        lambda p: written(
            p,
            npz(means=npy_header("<f8", "(300000000, 63)"), covariances=npy_header("<f8", "(0,)")),
        ),
        "means: float64 of shape [300000000, 63] in 0 bytes",
    ),
    "laughs": (lambda p: written(p, pickled(laughs(), "means")), "spells out far more"),
    "pipe": (lambda p: os.mkfifo(p), "not a regular file"),
    "cut zip": (lambda p: cut(save(p, random_vposer(VPoser1).state_dict())), "not readable"),
    "cut old": (lambda p: cut(write_v1(p, random_vposer(VPoser1))), "not a whole checkpoint"),
    "compressed": (compressed, "not a whole checkpoint: a compressed archive"),
    "empty": (lambda p: written(p, b""), "not a whole pickle: an empty file"),
    "text": (lambda p: written(p, b"<html>not found</html>"), "not a whole pickle: a web page"),
    "other npz": (
        lambda p: np.savez(p.open("wb"), a=np.zeros(3)),
        "found keys a, expected those of",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line_that_names_the_file(tmp_path: Path, fault: str) -> None:
    write, message = FAULTS[fault]
    write(tmp_path / "mine.pt")
    with pytest.raises(ValueError) as error:
        load_prior(tmp_path / "mine.pt")
    assert (
        message in str(error.value)
        and "mine.pt" in str(error.value)
        and "\n" not in str(error.value)
    )


@pytest.mark.parametrize("case", BOMBS)
@pytest.mark.parametrize("place", ["new", "old"])
def test_bombs_in_checkpoints_are_one_line(tmp_path: Path, case: str, place: str) -> None:
    data, _ = BOMBS[case]
    path = tmp_path / "a.ckpt"
    if place == "old":
        path.write_bytes(
            LEGACY_MAGIC + b"\x80\x02M\xe9\x03." + b"\x80\x02}." + data + b"\x80\x02]."
        )
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", data)
    with pytest.raises(ValueError) as caught:
        load_prior(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_damaged_priors_load_or_are_one_clear_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    network = random_vposer(VPoser1, width=8, latent=3)
    goods = [
        save(tmp_path / "a.ckpt", network.state_dict()).read_bytes(),
        write_v1(tmp_path / "a.pt", network).read_bytes(),
        write_gmm_dict(tmp_path / "a.pkl", mixture_moments(1)).read_bytes(),
        (assets.folder("priors") / "pose" / "gaussian.npz").read_bytes(),
    ]
    for round_ in range(120):
        path = tmp_path / f"{round_}.pt"
        path.write_bytes(mutated(goods[round_ % len(goods)], rng))
        try:
            load_prior(path)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error)


def evil_files(tmp_path: Path, evil: Evil) -> dict[str, Path]:
    """A call hidden in every kind of file."""
    network = random_vposer(VPoser1)
    state, moments = network.state_dict(), mixture_moments(2)
    files = {key: tmp_path / f"{key}.pt" for key in ("new", "old", "beside", "gmm", "object")}
    torch.save(state | {"extra": evil}, files["new"])
    torch.save(state | {"extra": evil}, files["old"], _use_new_zipfile_serialization=False)
    write_v2(files["beside"], random_vposer(VPoser2), extra=evil)
    write_gmm_dict(files["gmm"], moments | {"extra": evil})
    write_gmm_object(files["object"], "sklearn.mixture.gmm", "GMM", moments | {"extra": evil})
    return files


@pytest.mark.parametrize("kind", ["new", "old", "beside", "gmm", "object"])
@pytest.mark.parametrize("function", [os.system, eval], ids=["os.system", "eval"])
def test_calls_are_refused_and_not_run(tmp_path: Path, kind: str, function: Callable) -> None:
    flag = tmp_path / "flag"
    evil = Evil(function, f"touch {flag}" if function is os.system else f"open({str(flag)!r}, 'w')")
    path = evil_files(tmp_path, evil)[kind]
    with pytest.raises(ValueError, match="refused global .*so it is not run") as error:
        load_prior(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value) and not flag.exists()


def test_our_own_files_are_told_apart(tmp_path: Path) -> None:
    moments = mixture_moments(3, 63)
    arrays = {
        "means": moments["means"],
        "covariances": moments["covars"],
        "weights": moments["weights"],
    }
    np.savez(tmp_path / "a.npz", floor=np.zeros(63), **arrays)
    assert isinstance(load_prior(tmp_path / "a.npz"), MixturePrior)
    assert isinstance(
        load_prior(str(assets.folder("priors") / "pose" / "gaussian.npz")), GaussianPrior
    )


@pytest.mark.parametrize(("name", "kind"), [("gaussian", GaussianPrior), ("none", FreePrior)])
def test_priors_that_ship(name: str, kind: type) -> None:
    prior = load_prior(name)
    assert isinstance(prior, kind) and prior.decode(prior.mean()).shape == (21, 3, 3)


@pytest.mark.parametrize("name", ["vposr", "/nowhere/vposer.pt"])
def test_unknown_names_list_the_known(name: str) -> None:
    with pytest.raises(ValueError, match="expected vposer, flow, gmm, gaussian, none or a path"):
        load_prior(name)


def test_found_by_name_and_by_content(tmp_path: Path) -> None:
    assert isinstance(load_prior("flow"), FlowPrior)
    assert isinstance(load_prior(str(write_flow(tmp_path, flow_arrays()))), FlowPrior)


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for mean in (np.zeros(63), np.ones(63)):
        np.savez(path, mean=mean, covariance=np.eye(63), floor=np.zeros(63))
        os.utime(path, ns=(0, int(1e9 * (1 + mean[0]))))
        assert load_prior(path) is load_prior(str(path))
        assert torch.equal(load_prior(path).mean(), torch.from_numpy(mean).float())
    assert load_prior("gmm") is load_prior("gmm")


@pytest.mark.parametrize("name", ["vposer", "flow", "gmm", "gaussian", "none"])
def test_kinds_are_told(name: str) -> None:
    assert kind_of(name) == name
