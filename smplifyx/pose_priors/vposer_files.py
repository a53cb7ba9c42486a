"""Reads VPoser as its makers publish it: v1.0 and v2.0, a folder or the checkpoint itself.

Only the weights are read: no code of a folder runs, and its settings are not needed, for the sizes
are those of the weights and what else differs is fixed by the version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .arrays import Shape, check
from .torch_files import read_weights
from .vae import JOINTS, Affine, VaePrior

_NORM_EPSILON = 1e-5  # what torch's BatchNorm adds to the variance unless told otherwise
_ENDINGS = (".pt", ".ckpt")
_EPOCH = re.compile(r"(?:epoch=|_E)(\d+)")


@dataclass(frozen=True)
class _Version:
    """Names of the layers.

    Those of one group follow each other directly, a leaky rectifier stands between groups.
    """

    slope: float
    decoder: tuple[tuple[str, ...], ...]
    encoder: tuple[tuple[str, ...], ...]
    norms: tuple[str, ...]  # which of them are batch normalisations

    @property
    def mark(self) -> str:
        """The key that tells the version."""
        return f"{self.decoder[0][0]}.weight"


_V1 = _Version(
    slope=0.2,
    decoder=(("bodyprior_dec_fc1",), ("bodyprior_dec_fc2",), ("bodyprior_dec_out",)),
    encoder=(
        ("bodyprior_enc_bn1", "bodyprior_enc_fc1"),
        ("bodyprior_enc_bn2", "bodyprior_enc_fc2"),
        ("bodyprior_enc_mu",),
    ),
    norms=("bodyprior_enc_bn1", "bodyprior_enc_bn2"),
)
_V2 = _Version(
    slope=0.01,
    decoder=(("decoder_net.0",), ("decoder_net.3",), ("decoder_net.5",)),
    encoder=(
        ("encoder_net.1", "encoder_net.2"),
        ("encoder_net.4", "encoder_net.6", "encoder_net.7", "encoder_net.8.mu"),
    ),
    norms=("encoder_net.1", "encoder_net.4"),
)


def load_vposer(path: Path) -> VaePrior:
    """VPoser from a .pt or .ckpt file, or from the last snapshot of a folder; float32.

    Raises ValueError, one line that names the file and what is wrong with it.
    """
    file = find_snapshot(path) if path.is_dir() else path
    weights = read_weights(file)
    for version in (_V1, _V2):
        for key in weights:
            # Lightning puts the name of the module's attribute before the keys, and has other
            # modules beside it.
            if key == version.mark or key.endswith(f".{version.mark}"):
                prefix = key.removesuffix(version.mark)
                return _build(
                    file, version, {k.removeprefix(prefix): v for k, v in weights.items()}
                )
    raise ValueError(
        f"{file}: none of VPoser's layers is in it, expected {_V1.mark} (v1.0) or {_V2.mark} (v2.0)"
    )


def find_snapshot(folder: Path) -> Path:
    """The checkpoint of the last epoch in a folder or its folder `snapshots`, by the epoch in the
    name.

    Raises ValueError where there is none; links that lead out of the folder do not count.
    """
    home = folder.resolve()
    files = [
        f
        for place in (folder / "snapshots", folder)
        if place.is_dir()
        for f in sorted(place.iterdir())
    ]
    inside = [
        f
        for f in files
        if f.suffix in _ENDINGS and f.is_file() and f.resolve().is_relative_to(home)
    ]
    if not inside:
        raise ValueError(
            f"{folder}: found no snapshot in it, expected snapshots/*.pt or snapshots/*.ckpt as VPoser has"
        )
    return max(inside, key=_epoch)


def _epoch(file: Path) -> int:
    found = _EPOCH.findall(file.stem)
    return int(found[-1]) if found else -1


def _build(file: Path, version: _Version, weights: dict[str, Tensor]) -> VaePrior:
    try:
        encoder = _half(version, version.encoder, weights, 3 * JOINTS)
        decoder = _half(version, version.decoder, weights, encoder[-1].bias.shape[0])
        return VaePrior(decoder, encoder, version.slope)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _half(
    version: _Version, groups: tuple[tuple[str, ...], ...], weights: dict[str, Tensor], inputs: int
) -> tuple[Affine, ...]:
    """The layers of one half, every group folded into one."""
    layers = []
    for group in groups:
        folded = Affine(
            torch.eye(inputs, dtype=torch.float64), torch.zeros(inputs, dtype=torch.float64)
        )
        for name in group:
            read = _norm if name in version.norms else _linear
            folded = folded.then(read(weights, name, inputs))
            inputs = folded.bias.shape[0]
        layers.append(folded.to(dtype=torch.float32))
    return tuple(layers)


def _linear(weights: dict[str, Tensor], name: str, inputs: int) -> Affine:
    matrix = _entry(weights, f"{name}.weight", (None, inputs)).T
    return Affine(matrix, _entry(weights, f"{name}.bias", (matrix.shape[1],)))


def _norm(weights: dict[str, Tensor], name: str, inputs: int) -> Affine:
    """A batch normalisation as it acts once training is over: a diagonal layer."""
    fields = ("weight", "bias", "running_mean", "running_var")
    scale, shift, mean, variance = (
        _entry(weights, f"{name}.{field}", (inputs,)) for field in fields
    )
    scale = scale / (variance + _NORM_EPSILON).sqrt()
    return Affine(torch.diag(scale), shift - mean * scale)


def _entry(weights: dict[str, Tensor], key: str, shape: Shape) -> Tensor:
    return check(key, weights.get(key), shape).double()
