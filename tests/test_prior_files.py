"""The priors that users bring: every published layout reads as its makers meant it, nothing in a
file ever runs.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from make_bodies import Evil
from make_priors import (
    VPoser1,
    VPoser2,
    mixture_moments,
    random_vposer,
    write_gmm_dict,
    write_gmm_object,
    write_v1,
    write_v2,
)
from torch import nn

from smplifyx.core import assets, rotations
from smplifyx.pose_priors import GaussianPrior, load_prior
from smplifyx.pose_priors.free import FreePrior
from smplifyx.pose_priors.mixture import MixturePrior
from smplifyx.pose_priors.torch_files import read_weights
from smplifyx.pose_priors.vae import VaePrior
from smplifyx.pose_priors.vposer_files import find_snapshot

DOUBLE = torch.float64


def data_parallel(network: nn.Module) -> nn.Module:
    """Puts `module.` before every key, as training on several devices does."""
    return nn.ModuleDict({"module": network})


# what is written -> the network, how, where, and what the user names
VPOSERS: dict[str, tuple[type[nn.Module], Callable[[Path, nn.Module], Path], str, str]] = {
    "v1 folder": (VPoser1, write_v1, "vposer_v1_0/snapshots/TR00_E096.pt", "vposer_v1_0"),
    "v1 file": (VPoser1, write_v1, "TR00_E096.pt", "TR00_E096.pt"),
    "v1 zipped": (VPoser1, lambda p, n: write_v1(p, n, zipped=True), "a.pt", "a.pt"),
    "v1 parallel": (VPoser1, lambda p, n: write_v1(p, data_parallel(n)), "a.pt", "a.pt"),
    "v2 folder": (
        VPoser2,
        write_v2,
        "V02_05/snapshots/V02_05_epoch=13_val_loss=0.03.ckpt",
        "V02_05",
    ),
    "v2 snapshots": (VPoser2, write_v2, "V02_05/snapshots/epoch=13.ckpt", "V02_05/snapshots"),
    "v2 file": (VPoser2, write_v2, "a.ckpt", "a.ckpt"),
    "v2 plain": (VPoser2, lambda p, n: write_v1(p, n, zipped=True), "a.ckpt", "a.ckpt"),
    "v2 old": (VPoser2, write_v1, "a.ckpt", "a.ckpt"),
    "v2 misnamed": (VPoser2, write_v2, "gmm_08.pkl", "gmm_08.pkl"),
}


@pytest.mark.parametrize("layout", VPOSERS)
def test_vposer_decodes_and_encodes_as_its_network(tmp_path: Path, layout: str) -> None:
    kind, write, place, named = VPOSERS[layout]
    network = random_vposer(kind)
    write(tmp_path / place, network)
    prior = load_prior(str(tmp_path / named))
    assert (
        isinstance(prior, VaePrior)
        and prior.latent_dim == 32
        and prior.mean().dtype == torch.float32
    )
    prior, network = prior.to(dtype=DOUBLE), network.double()
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(6, 32, generator=generator, dtype=DOUBLE)
    rotvec = 0.5 * torch.randn(6, 63, generator=generator, dtype=DOUBLE)
    with torch.no_grad():
        torch.testing.assert_close(prior.decode(latent), network.decoded(latent), rtol=0, atol=1e-9)
        encoded = prior.encode(rotations.exp(rotvec.unflatten(-1, (21, 3))))
        torch.testing.assert_close(encoded, network.encoded(rotvec), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [VPoser1, VPoser2])
def test_sizes_come_from_the_weights(tmp_path: Path, kind: type[nn.Module]) -> None:
    network = random_vposer(kind, width=24, latent=7)
    prior = load_prior(write_v1(tmp_path / "a.pt", network))
    latent = torch.randn(3, 7, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(prior.decode(latent), network.decoded(latent), rtol=0, atol=1e-5)


def test_human_body_prior_agrees(tmp_path: Path) -> None:
    """Its own class with the weights of the file; no code of a folder runs."""
    module = pytest.importorskip(
        "human_body_prior.train.vposer_smpl", reason="the extra human-body-prior is absent"
    )
    path = write_v1(tmp_path / "a.pt", random_vposer(VPoser1, width=512))
    theirs = module.VPoser(num_neurons=512, latentD=32, data_shape=[1, 21, 3])
    theirs.load_state_dict(torch.load(path, weights_only=True))
    theirs.eval()
    ours, latent = load_prior(path), torch.randn(5, 32, generator=torch.Generator().manual_seed(0))
    rotvec = 0.4 * torch.randn(5, 21, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        decoded, encoded = (
            theirs.decode(latent).reshape(5, 21, 3, 3),
            theirs.encode(rotvec[:, None]).mean,
        )
    torch.testing.assert_close(ours.decode(latent), decoded, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.encode(rotations.exp(rotvec)), encoded, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["TR00_E009.pt", "TR00_E096.pt", "TR00_E010.pt"], "TR00_E096.pt"),
        (
            ["a_epoch=9_val_loss=0.01.ckpt", "a_epoch=13_val_loss=0.03.ckpt"],
            "a_epoch=13_val_loss=0.03.ckpt",
        ),
        (["last.ckpt", "epoch=2.ckpt"], "epoch=2.ckpt"),
        (["notes.txt", "b.pt"], "b.pt"),
    ],
)
def test_the_last_epoch_is_chosen(tmp_path: Path, names: list[str], chosen: str) -> None:
    (tmp_path / "snapshots").mkdir()
    for name in names:
        (tmp_path / "snapshots" / name).touch()
    assert find_snapshot(tmp_path).name == chosen


def test_links_out_of_the_folder_do_not_count(tmp_path: Path) -> None:
    outside = write_v1(tmp_path / "outside" / "E099.pt", random_vposer(VPoser1))
    inside = write_v1(tmp_path / "vposer" / "snapshots" / "E001.pt", random_vposer(VPoser1))
    (inside.parent / "E100.pt").symlink_to(outside)
    assert find_snapshot(tmp_path / "vposer") == inside
    inside.unlink()
    with pytest.raises(ValueError, match="found no snapshot"):
        load_prior(tmp_path / "vposer")


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
    "cut zip": (lambda p: cut(save(p, random_vposer(VPoser1).state_dict())), "cannot be read"),
    "cut old": (lambda p: cut(write_v1(p, random_vposer(VPoser1))), "not a whole checkpoint"),
    "compressed": (compressed, "not a whole checkpoint: a compressed archive"),
    "empty": (lambda p: written(p, b""), "not a whole pickle"),
    "text": (lambda p: written(p, b"<html>not found</html>"), "not a whole pickle"),
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


def test_a_folder_s_code_is_not_run(tmp_path: Path) -> None:
    write_v1(tmp_path / "snapshots" / "TR00_E096.pt", random_vposer(VPoser1))
    (tmp_path / "vposer_smpl.py").write_text(f"open({str(tmp_path / 'flag')!r}, 'w')")
    load_prior(tmp_path)
    assert not (tmp_path / "flag").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_every_kind_and_layout(tmp_path: Path, zipped: bool) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "transposed": base.T, "slice": base[1:3, ::2], "shared": base, "scalar": torch.tensor(3.0),
        "half": base.half(), "bfloat16": base.bfloat16(), "int": base.int(), "bool": base > 3, "empty": base[:0],
        "parameter": nn.Parameter(base),
    }  # fmt: skip
    torch.save(tensors, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    weights = read_weights(tmp_path / "a.pt")
    assert weights.keys() == tensors.keys()
    for key, value in tensors.items():
        assert weights[key].dtype == value.dtype and torch.equal(weights[key], value), key


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
