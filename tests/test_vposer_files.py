"""VPoser as its makers publish it: every layout reads as they meant it, no code of a folder runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from make_priors import (
    VPoser1,
    VPoser2,
    random_vposer,
    write_v1,
    write_v2,
)
from torch import nn

from smplifyx.core import rotations
from smplifyx.pose_priors import load_prior
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


def test_a_folder_s_code_is_not_run(tmp_path: Path) -> None:
    write_v1(tmp_path / "snapshots" / "TR00_E096.pt", random_vposer(VPoser1))
    (tmp_path / "vposer_smpl.py").write_text(f"open({str(tmp_path / 'flag')!r}, 'w')")
    load_prior(tmp_path)
    assert not (tmp_path / "flag").exists()
