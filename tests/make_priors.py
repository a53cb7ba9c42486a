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
from smplifyx.pose_priors.vae import Affine, VaePrior

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


def random_vae(
    latent: int = 32, width: int = 512, slope: float = 0.2, dtype: torch.dtype = torch.float32
) -> VaePrior:
    """A decoder and an encoder of three and two layers, with random weights."""
    generator = torch.Generator().manual_seed(latent + width)

    def layer(inputs: int, outputs: int) -> Affine:
        matrix = (
            torch.randn(inputs, outputs, generator=generator, dtype=torch.float64)
            * 1.4
            / inputs**0.5
        )
        return Affine(matrix, 0.3 * torch.randn(outputs, generator=generator, dtype=torch.float64))

    decoder = (layer(latent, width), layer(width, width), layer(width, 126))
    encoder = (layer(63, width), layer(width, latent))
    return VaePrior(decoder, encoder, slope).to(dtype=dtype)


def flow_arrays(
    seed: int = 0, layers: int = 3, hidden: int = 9, pieces: int = 5
) -> dict[str, np.ndarray]:
    """A flow that bends far more than one that was trained."""
    generator = np.random.default_rng(seed)
    normal = generator.normal

    def rising() -> np.ndarray:
        steps = generator.uniform(0.5, 2, (63, pieces))
        inside = 8 * np.cumsum(steps / steps.sum(1, keepdims=True), 1)[:, :-1] - 4
        return np.concatenate([np.full((63, 1), -4.0), inside, np.full((63, 1), 4.0)], 1)

    slopes = np.concatenate(
        [np.ones((63, 1)), generator.uniform(0.3, 3, (63, pieces - 1)), np.ones((63, 1))], 1
    )
    return {
        "flow_center": normal(0, 0.2, 63), "flow_spread": generator.uniform(0.1, 0.4, 63), "flow_knots": rising(),
        "flow_heights": rising(), "flow_slopes": slopes, "flow_whitening": np.eye(63) + normal(0, 0.05, (63, 63)),
        "flow_inner": normal(0, 0.2, (layers, 32, hidden)), "flow_inner_bias": normal(0, 0.5, (layers, hidden)),
        "flow_outer": normal(0, 0.2, (layers, hidden, 2, 32)), "flow_outer_bias": normal(0, 0.2, (layers, 2, 32)),
    }  # fmt: skip


def write_flow(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    """The arrays as float32 in an .npz of that folder."""
    path = folder / "some.npz"
    np.savez(path, **{key: value.astype(np.float32) for key, value in arrays.items()})
    return path
