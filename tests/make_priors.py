"""Pose priors in the layouts that users bring, with random weights, and VPoser written anew as
plain torch modules.
"""

from __future__ import annotations

import contextlib
import math
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from smplifyx.pose_priors import PosePrior

LATENT, WIDTH = 32, 40  # VPoser's own latent; a smaller width is quicker


class VPoser1(nn.Module):
    """VPoser v1.0: its layers by their published names."""

    def __init__(self, width: int = WIDTH, latent: int = LATENT) -> None:
        super().__init__()
        self.bodyprior_enc_bn1, self.bodyprior_enc_fc1 = nn.BatchNorm1d(63), nn.Linear(63, width)
        self.bodyprior_enc_bn2, self.bodyprior_enc_fc2 = (
            nn.BatchNorm1d(width),
            nn.Linear(width, width),
        )
        self.bodyprior_enc_mu, self.bodyprior_enc_logvar = (
            nn.Linear(width, latent),
            nn.Linear(width, latent),
        )
        self.bodyprior_dec_fc1, self.bodyprior_dec_fc2 = (
            nn.Linear(latent, width),
            nn.Linear(width, width),
        )
        self.bodyprior_dec_out = nn.Linear(width, 126)
        self.bend = nn.LeakyReLU(0.2)

    def decoded(self, latent: Tensor) -> Tensor:
        hidden = self.bend(self.bodyprior_dec_fc2(self.bend(self.bodyprior_dec_fc1(latent))))
        return rotations_of(self.bodyprior_dec_out(hidden))

    def encoded(self, rotvec: Tensor) -> Tensor:
        hidden = self.bend(self.bodyprior_enc_fc1(self.bodyprior_enc_bn1(rotvec)))
        return self.bodyprior_enc_mu(
            self.bend(self.bodyprior_enc_fc2(self.bodyprior_enc_bn2(hidden)))
        )


class _Spread(nn.Module):
    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        self.mu, self.logvar = nn.Linear(width, latent), nn.Linear(width, latent)

    def forward(self, x: Tensor) -> Tensor:
        return self.mu(x)


class VPoser2(nn.Module):
    """VPoser v2.0: two sequences of layers."""

    def __init__(self, width: int = WIDTH, latent: int = LATENT) -> None:
        super().__init__()
        self.encoder_net = nn.Sequential(
            nn.Flatten(), nn.BatchNorm1d(63), nn.Linear(63, width), nn.LeakyReLU(), nn.BatchNorm1d(width),
            nn.Dropout(0.1), nn.Linear(width, width), nn.Linear(width, width), _Spread(width, latent),
        )  # fmt: skip
        self.decoder_net = nn.Sequential(
            nn.Linear(latent, width), nn.LeakyReLU(), nn.Dropout(0.1), nn.Linear(width, width), nn.LeakyReLU(),
            nn.Linear(width, 126),
        )  # fmt: skip

    def decoded(self, latent: Tensor) -> Tensor:
        return rotations_of(self.decoder_net(latent))

    def encoded(self, rotvec: Tensor) -> Tensor:
        return self.encoder_net(rotvec)


def rotations_of(six: Tensor) -> Tensor:
    """Rotation matrices [n, 21, 3, 3] of a network's 126 numbers: first column along a1, third
    across a1 and a2.
    """
    columns = six.view(-1, 21, 3, 2)
    first = columns[..., 0] / columns[..., 0].norm(dim=-1, keepdim=True)
    third = torch.linalg.cross(columns[..., 0], columns[..., 1])
    third = third / third.norm(dim=-1, keepdim=True)
    return torch.stack([first, torch.linalg.cross(third, first), third], -1)


def random_vposer(kind: type[nn.Module], seed: int = 0, **sizes: int) -> nn.Module:
    """A network of that kind with random weights and statistics, ready to answer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = kind(**sizes)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d):
                for value in (module.weight.data, module.running_var):
                    value.uniform_(0.3, 2.0)
                for value in (module.bias.data, module.running_mean):
                    value.normal_()
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=1.4 / math.sqrt(module.in_features))
                nn.init.normal_(module.bias, std=0.3)
    return network.eval()


def write_v1(path: Path, network: nn.Module, zipped: bool = False) -> Path:
    """A plain state_dict as torch 1.0 serialised it, or as torch does now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=zipped)
    return path


def write_v2(path: Path, network: nn.Module, **more: object) -> Path:
    """A Lightning checkpoint: a prefix, a body model's buffers beside, and objects of packages that
    are not here.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {f"vp_model.{key}": value for key, value in network.state_dict().items()}
    state |= {
        "bm_train.v_template": torch.zeros(7, 3),
        "bm_train.faces": torch.zeros(4, 3, dtype=torch.int64),
    }
    with foreign_objects() as objects:
        torch.save(
            {
                "epoch": 13,
                "state_dict": state,
                "lr_schedulers": [{"best": 0.03}],
                **objects,
                **more,
            },
            path,
        )
    return path


@contextlib.contextmanager
def foreign_objects() -> Iterator[dict[str, object]]:
    """Objects as training leaves them in a checkpoint: of classes that can be imported only while
    they are written.
    """
    with _module("strange.settings") as settings:
        DotMap = type("DotMap", (dict,), {"__module__": settings})
        Rows = type("Rows", (list,), {"__module__": settings})
        Plain = type("Plain", (), {"__module__": settings})
        for kind in (DotMap, Rows, Plain):
            setattr(sys.modules[settings], kind.__name__, kind)
        plain = Plain()
        plain.fields = {
            "kl": 0.005,
            "path": Path("/nowhere"),
            "number": np.float64(3),
            "parent": plain,
        }
        nested = DotMap(a=1, inner=DotMap(b=Rows([1, 2, plain])))
        yield {
            "hyper_parameters": nested,
            "callbacks": {Plain: {"best": plain}},
            "rows": Rows([nested]),
        }


@contextlib.contextmanager
def _module(path: str) -> Iterator[str]:
    parts = path.split(".")
    names = [".".join(parts[: depth + 1]) for depth in range(len(parts))]
    sys.modules |= {name: types.ModuleType(name) for name in names}
    try:
        yield path
    finally:
        for name in names:
            del sys.modules[name]


def mixture_moments(components: int = 8, angles: int = 69, seed: int = 0) -> dict[str, np.ndarray]:
    """Random moments of a mixture under the keys of `gmm_08.pkl`."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(components, angles, angles))
    covars = roots @ roots.transpose(0, 2, 1) / angles + 0.05 * np.eye(angles)
    weights = rng.uniform(0.2, 1, components)
    return {
        "means": rng.normal(0, 0.5, (components, angles)),
        "covars": covars,
        "weights": weights / weights.sum(),
    }


def write_gmm_dict(path: Path, moments: dict[str, object], protocol: int = 2) -> Path:
    """A pickled dictionary."""
    path.write_bytes(pickle.dumps(moments, protocol))
    return path


def write_gmm_object(
    path: Path, module: str, name: str, attributes: dict[str, object], protocol: int = 2
) -> Path:
    """A pickled object of scikit-learn, which need not be installed."""
    with _module(module):
        kind = type(name, (), {"__module__": module})
        setattr(sys.modules[module], name, kind)
        estimator = kind()
        vars(estimator).update(
            attributes, covariance_type="full", random_state=np.random.RandomState(0), n_iter=100
        )
        path.write_bytes(pickle.dumps(estimator, protocol))
    return path


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normal numbers, the same at every call."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def velocity_by_autograd(prior: PosePrior, latent: Tensor) -> Tensor:
    """[63, latent] for one latent: the axial part of dR R^T."""
    rotation = prior.decode(latent)
    change = torch.autograd.functional.jacobian(prior.decode, latent, vectorize=True)
    spin = torch.einsum("jabz,jcb->jacz", change, rotation)
    torch.testing.assert_close(spin, -spin.transpose(1, 2), rtol=0, atol=1e-9)
    return torch.stack([spin[:, 2, 1], spin[:, 0, 2], spin[:, 1, 0]], 1).flatten(0, 1)
