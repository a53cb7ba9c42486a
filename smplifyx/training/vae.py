"""The variational autoencoder of VPoser v2's architecture, trained on poses and the joints they
place.

Architecture and file layout: Pavlakos et al. 2019 and its published successor V02_05, as layer
names and shapes; the loss is the evidence lower bound under Gaussian errors of joint positions and
of rotations.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import yaml
from jaxtyping import Float
from torch import Tensor, nn

from ..core import rotations
from ..pose_priors import sixd
from ..pose_priors.limits import body_limits
from .contract import Description, History, Material
from .skeleton import joint_positions, joints_and_ends

POSE, WIDTH, LATENT = 63, 512, 32
SAMPLES = 1000  # drawn to see how many lie inside the joint limits
PREFIX = "vp_model."


@dataclass(frozen=True)
class VaeSettings:
    """The loss, in units of what is to be told apart.

    `place` (metres) and `turn` (radians) are the standard deviations of the errors that count one
    each; the divergence of the latent from N(0, 1) counts `kl`, reached linearly over the first
    `warm_up` of the training. A latent's first `free` nats cost nothing (free bits, Kingma et al.
    2016), and `turn` counts more than the joints' places alone ask for: else weak movements
    (wrists, shoulders) never get a latent of their own. `dropout` is 0.1 in VPoser; augmented poses
    need none.
    """

    place: float = 0.03
    turn: float = 0.08
    kl: float = 1.0
    warm_up: float = 0.3
    free: float = 0.5
    dropout: float = 0.0


class Normal(nn.Module):
    """The encoder's last layer: mean and log of the spread of the latent."""

    def __init__(self) -> None:
        super().__init__()
        self.mu, self.logvar = nn.Linear(WIDTH, LATENT), nn.Linear(WIDTH, LATENT)

    def forward(
        self, hidden: Float[Tensor, "b 512"]
    ) -> tuple[Float[Tensor, "b 32"], Float[Tensor, "b 32"]]:
        """Mean and standard deviation: softplus(logvar), despite the name that v2 gives the layer."""
        return self.mu(hidden), nn.functional.softplus(self.logvar(hidden))


class Rotations(nn.Module):
    """The decoder's last step: six numbers a joint to rotation matrices."""

    def forward(self, numbers: Float[Tensor, "b 126"]) -> Float[Tensor, "b 21 3 3"]:
        """See `sixd`."""
        return sixd.to_rotation(numbers.unflatten(-1, (-1, 6)))


class VPoser(nn.Module):
    """The network under v2's names: encoder_net of 63 axis-angles, decoder_net of 32 latents."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.encoder_net = nn.Sequential(
            nn.Flatten(),
            nn.BatchNorm1d(POSE),
            nn.Linear(POSE, WIDTH),
            nn.LeakyReLU(),
            nn.BatchNorm1d(WIDTH),
            nn.Dropout(dropout),
            nn.Linear(WIDTH, WIDTH),
            nn.Linear(WIDTH, WIDTH),
            Normal(),
        )
        self.decoder_net = nn.Sequential(
            nn.Linear(LATENT, WIDTH),
            nn.LeakyReLU(),
            nn.Dropout(dropout),
            nn.Linear(WIDTH, WIDTH),
            nn.LeakyReLU(),
            nn.Linear(WIDTH, 2 * POSE),
            Rotations(),
        )


class VaeTrainee:
    """A `VPoser` in training. A `Trainee`."""

    def __init__(self, material: Material, settings: VaeSettings) -> None:
        self._network, self._settings, self._rest = (
            VPoser(settings.dropout),
            settings,
            material.rest_joints,
        )

    @property
    def module(self) -> nn.Module:
        """The network."""
        return self._network

    def loss(
        self, rotation: Float[Tensor, "batch 21 3 3"], progress: float, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Minus the evidence lower bound per pose, the divergence weighted and in part free."""
        mean, spread = self._network.encoder_net(rotations.log(rotation))
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        fit = self._misfit(self._network.decoder_net(mean + spread * noise), rotation)
        weight = self._settings.kl * min(1.0, progress / max(self._settings.warm_up, 1e-9))
        return (
            fit.mean()
            + weight * divergence(mean, spread).mean(0).clamp(min=self._settings.free).sum()
        )

    def validate(self, rotation: Float[Tensor, "poses 21 3 3"]) -> dict[str, float]:
        """The loss at the latent's mean, the mean error of the joints in mm, the divergence in
        nats, and how many percent of samples lie inside the joint limits."""
        mean, spread = self._network.encoder_net(rotations.log(rotation))
        decoded = self._network.decoder_net(mean)
        error = (self._joints(decoded) - self._joints(rotation)).norm(dim=-1)[:, 1:]
        kl = divergence(mean, spread).sum(-1)
        noise = torch.randn(SAMPLES, LATENT, generator=torch.Generator().manual_seed(0)).to(mean)
        sampled = rotations.log(self._network.decoder_net(noise))
        return {
            "loss": float((self._misfit(decoded, rotation) + self._settings.kl * kl).mean()),
            "joints_mm": 1000 * float(error.mean()),
            "kl_nats": float(kl.mean()),
            "samples_inside_percent": 100
            * float(body_limits(sampled).inside(sampled).float().mean()),
        }

    def reconstruct(self, rotation: Float[Tensor, "poses 21 3 3"]) -> Float[Tensor, "poses 21 3 3"]:
        """Decoded from the latent's mean."""
        return self._network.decoder_net(self._network.encoder_net(rotations.log(rotation))[0])

    def export(self, out: Path, history: History) -> Path:
        """Write the folder `out` as VPoser v2 lies on disk: `<name>.yaml` and
        `snapshots/<name>_epoch=..ckpt`.
        """
        name, last = out.name, history[-1]
        snapshots = out / "snapshots"
        snapshots.mkdir(parents=True, exist_ok=True)
        for old in snapshots.glob("*.ckpt"):
            old.unlink()  # readers take the newest, whatever its name
        config = {
            "general": {"expr_id": name},
            "model_params": {"latentD": LATENT, "num_neurons": WIDTH},
            "train_parms": {"epochs": last.index},
        }
        (out / f"{name}.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        path = (
            snapshots
            / f"{name}_epoch={last.index:02d}_val_loss={last.validation['joints_mm'] / 1000:.4f}.ckpt"
        )
        weights = {PREFIX + key: value.cpu() for key, value in self._network.state_dict().items()}
        torch.save({"state_dict": weights}, path)
        return path

    def describe(self) -> Description:
        """For the card."""
        return Description(
            what="variational autoencoder of body poses in VPoser v2's architecture and file layout: latent of 32, "
            "N(0, 1); rotations of the 21 SMPL-X body joints relative to their parents, six numbers each",
            fields={
                "state_dict": f"{PREFIX}encoder_net.*: 63 axis-angles (radians) to mean and spread (softplus of "
                f"'logvar') of the latent; {PREFIX}decoder_net.*: latent to 21 x 6, two columns, interleaved"
            },
            settings=asdict(self._settings),
        )

    def _misfit(self, decoded: Tensor, rotation: Tensor) -> Tensor:
        rest = self._rest.to(rotation)
        place = (
            (joints_and_ends(decoded, rest) - joints_and_ends(rotation, rest))
            .square()
            .sum((-1, -2))
        )
        # |R - S|^2 / 2 = (angle between)^2, where small
        turn = (decoded - rotation).square().sum((-1, -2, -3)) / 2
        return (place / self._settings.place**2 + turn / self._settings.turn**2) / 2

    def _joints(self, rotation: Tensor) -> Float[Tensor, "batch 22 3"]:
        return joint_positions(rotation, self._rest.to(rotation))


def divergence(
    mean: Float[Tensor, "b latent"], spread: Float[Tensor, "b latent"]
) -> Float[Tensor, "b latent"]:
    """Kullback-Leibler divergence of N(mean, spread^2) from N(0, 1), nats per latent."""
    return (mean.square() + spread.square() - 1 - 2 * spread.log()) / 2
