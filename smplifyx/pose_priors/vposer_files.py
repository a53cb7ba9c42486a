"""Reads VPoser as its makers publish it: v1.0 and v2.0, a folder or the checkpoint itself.

Only the weights are read: no code of a folder runs, and its settings are not needed, for the sizes
are those of the weights and what else differs is fixed by the version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .arrays import PriorFileError, Shape, check
from .joint_angles import ANGLES
from .torch_files import read_weights
from .vae import Affine, VaePrior

WIDEST = 4096  # of a layer; VPoser's have 512
_NORM_EPSILON = 1e-5  # what torch's BatchNorm adds to the variance unless told otherwise
_ENDINGS = (".pt", ".ckpt")
_EPOCH = re.compile(r"(?:epoch=|_E)(\d+)")


@dataclass(frozen=True)
class _Version:
    """What the layers of a published version are called, and how they are put together.

    The layers of one group follow each other directly; a leaky rectifier stands between groups.
    """

    slope: float  # of the rectifiers, below zero
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

    Raises PriorFileError, one line that names the file and what is wrong with it.
    """
    file = find_snapshot(path) if path.is_dir() else path
    weights = read_weights(file)
    for version in (_V1, _V2):
        prefix = _prefix(weights, version)
        if prefix is not None:
            own_names = {key.removeprefix(prefix): value for key, value in weights.items()}
            return _build(file, version, own_names)
    raise PriorFileError(
        f"{file}: none of VPoser's layers is in it, expected {_V1.mark} (v1.0) or {_V2.mark} (v2.0)"
    )


def find_snapshot(folder: Path) -> Path:
    """The checkpoint of the last epoch in a folder or its folder `snapshots`, by the epoch in the
    name.

    Raises PriorFileError where there is none; links that lead out of the folder do not count.
    """
    home = folder.resolve()
    snapshots: list[Path] = []
    for place in (folder / "snapshots", folder):
        if not place.is_dir():
            continue
        for file in sorted(place.iterdir()):
            is_checkpoint = file.suffix in _ENDINGS and file.is_file()
            if is_checkpoint and file.resolve().is_relative_to(home):
                snapshots.append(file)
    if not snapshots:
        raise PriorFileError(
            f"{folder}: found no snapshot in it, "
            "expected snapshots/*.pt or snapshots/*.ckpt as VPoser has"
        )
    return max(snapshots, key=_epoch)


def _epoch(file: Path) -> int:
    """The epoch that a file's name tells; -1 where it tells none."""
    found = _EPOCH.findall(file.stem)
    return int(found[-1]) if found else -1


def _prefix(weights: Mapping[str, Tensor], version: _Version) -> str | None:
    """What stands before the names of a version's layers; None where it is not that version.

    Lightning puts the name of the module's attribute before the keys, and has other modules in the
    same dictionary.
    """
    for key in weights:
        if key == version.mark or key.endswith(f".{version.mark}"):
            return key.removesuffix(version.mark)
    return None


def _build(file: Path, version: _Version, weights: Mapping[str, Tensor]) -> VaePrior:
    try:
        encoder = _half(version, version.encoder, weights, inputs=ANGLES)
        latent_dim = encoder[-1].bias.shape[0]
        decoder = _half(version, version.decoder, weights, inputs=latent_dim)
        return VaePrior(decoder, encoder, version.slope)
    except ValueError as error:
        raise PriorFileError(f"{file}: {error}") from error


def _half(
    version: _Version,
    groups: tuple[tuple[str, ...], ...],
    weights: Mapping[str, Tensor],
    inputs: int,
) -> tuple[Affine, ...]:
    """The layers of one half, every group folded into one, in double precision until then."""
    layers: list[Affine] = []
    for group in groups:
        folded: Affine | None = None
        for name in group:
            if name in version.norms:
                layer = _norm(weights, name, inputs)
            else:
                layer = _linear(weights, name, inputs)
            folded = layer if folded is None else folded.then(layer)
            inputs = layer.bias.shape[0]
        if folded is not None:
            layers.append(folded.to(dtype=torch.float32))
    return tuple(layers)


def _linear(weights: Mapping[str, Tensor], name: str, inputs: int) -> Affine:
    # in memory of its own: strides decide how products round, and so whether rows are independent
    matrix = _entry(weights, f"{name}.weight", (None, inputs)).T.contiguous()
    # products of layers and diagonal matrices grow with the square of the width
    if matrix.shape[1] > WIDEST:
        raise ValueError(f"{name} is {matrix.shape[1]} wide, expected at most {WIDEST}")
    bias = _entry(weights, f"{name}.bias", (matrix.shape[1],))
    return Affine(matrix, bias)


def _norm(weights: Mapping[str, Tensor], name: str, inputs: int) -> Affine:
    """A batch normalisation as it acts once training is over: a diagonal layer."""
    weight = _entry(weights, f"{name}.weight", (inputs,))
    bias = _entry(weights, f"{name}.bias", (inputs,))
    mean = _entry(weights, f"{name}.running_mean", (inputs,))
    variance = _entry(weights, f"{name}.running_var", (inputs,))
    if (variance < 0).any():
        raise ValueError(f"{name}.running_var holds negative values")
    scale = weight / (variance + _NORM_EPSILON).sqrt()
    return Affine(torch.diag(scale), bias - mean * scale)


def _entry(weights: Mapping[str, Tensor], key: str, shape: Shape) -> Tensor:
    return check(key, weights.get(key), shape).double()
