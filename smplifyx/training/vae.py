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
from ..pose_priors.joint_angles import ANGLES, JOINTS
from ..pose_priors.limits import body_limits
from .contract import Description, History, Material
from .skeleton import joint_positions, joints_and_ends

WIDTH = 512  # of the hidden layers
LATENT = 32
SAMPLES = 1000  # drawn to see how many lie inside the joint limits
PREFIX = "vp_model."  # of the keys in a v2 checkpoint


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


class NormalHead(nn.Module):
    """The encoder's last layer: mean and log of the spread of the latent."""

    def __init__(self) -> None:
        super().__init__()
        self.mu = nn.Linear(WIDTH, LATENT)
        self.logvar = nn.Linear(WIDTH, LATENT)

    def forward(
        self, hidden: Float[Tensor, "batch 512"]
    ) -> tuple[Float[Tensor, "batch 32"], Float[Tensor, "batch 32"]]:
        """Mean and standard deviation.

        The latter is softplus(logvar), despite the name that v2 gives the layer.
        """
        return self.mu(hidden), nn.functional.softplus(self.logvar(hidden))


class SixdHead(nn.Module):
    """The decoder's last step: six numbers a joint to rotation matrices."""

    def forward(self, numbers: Float[Tensor, "batch 126"]) -> Float[Tensor, "batch 21 3 3"]:
        """See `sixd`."""
        return sixd.to_rotation(numbers.unflatten(-1, (-1, 6)))


class VPoserNetwork(nn.Module):
    """The network under v2's names: encoder_net of 63 axis-angles, decoder_net of 32 latents."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.encoder_net = nn.Sequential(
            nn.Flatten(),
            nn.BatchNorm1d(ANGLES),
            nn.Linear(ANGLES, WIDTH),
            nn.LeakyReLU(),
            nn.BatchNorm1d(WIDTH),
            nn.Dropout(dropout),
            nn.Linear(WIDTH, WIDTH),
            nn.Linear(WIDTH, WIDTH),
            NormalHead(),
        )
        self.decoder_net = nn.Sequential(
            nn.Linear(LATENT, WIDTH),
            nn.LeakyReLU(),
            nn.Dropout(dropout),
            nn.Linear(WIDTH, WIDTH),
            nn.LeakyReLU(),
            nn.Linear(WIDTH, 6 * JOINTS),
            SixdHead(),
        )


class VaeTrainee:
    """A `VPoserNetwork` in training. A `Trainee`."""

    def __init__(self, material: Material, settings: VaeSettings) -> None:
        self._network = VPoserNetwork(settings.dropout)
        self._settings = settings
        self._rest_joints = material.rest_joints

    @property
    def module(self) -> nn.Module:
        """The network."""
        return self._network

    def loss(
        self, poses: Float[Tensor, "batch 21 3 3"], progress: float, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Minus the evidence lower bound per pose, the divergence weighted and in part free."""
        settings = self._settings
        mean, spread = self._encoded(poses)
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        decoded = self._network.decoder_net(mean + spread * noise)
        misfit = self._misfit(decoded, poses).mean()
        # of each latent over the batch: what is free is free for a latent, not for a pose
        divergences = divergence(mean, spread).mean(0).clamp(min=settings.free)
        # the divergence comes in gradually, or the encoder learns to say nothing at all
        weight = settings.kl * min(1.0, progress / max(settings.warm_up, 1e-9))
        return misfit + weight * divergences.sum()

    def validate(self, poses: Float[Tensor, "poses 21 3 3"]) -> dict[str, float]:
        """The loss at the latent's mean, the mean error of the joints in mm, the divergence in
        nats, and how many percent of samples lie inside the joint limits."""
        mean, spread = self._encoded(poses)
        decoded = self._network.decoder_net(mean)
        kl = divergence(mean, spread).sum(-1)
        loss = self._misfit(decoded, poses) + self._settings.kl * kl
        # without the pelvis, which cannot move
        error = (self._joints(decoded) - self._joints(poses)).norm(dim=-1)[:, 1:]

        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(SAMPLES, LATENT, generator=generator).to(mean)
        sampled = rotations.log(self._network.decoder_net(noise))
        inside = body_limits(sampled).inside(sampled)
        return {
            "loss": float(loss.mean()),
            "joints_mm": 1000 * float(error.mean()),
            "kl_nats": float(kl.mean()),
            "samples_inside_percent": 100 * float(inside.float().mean()),
        }

    def reconstruct(self, poses: Float[Tensor, "poses 21 3 3"]) -> Float[Tensor, "poses 21 3 3"]:
        """Decoded from the latent's mean."""
        mean, _ = self._encoded(poses)
        return self._network.decoder_net(mean)

    def export(self, out: Path, history: History) -> Path:
        """Write the folder `out` as VPoser v2 lies on disk: `<name>.yaml` and
        `snapshots/<name>_epoch=..ckpt`.
        """
        name = out.name
        last = history[-1]
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
        error = last.validation["joints_mm"] / 1000  # metres
        path = snapshots / f"{name}_epoch={last.index:02d}_val_loss={error:.4f}.ckpt"
        weights = {PREFIX + key: value.cpu() for key, value in self._network.state_dict().items()}
        torch.save({"state_dict": weights}, path)
        return path

    def describe(self) -> Description:
        """For the card."""
        return Description(
            what="variational autoencoder of body poses in VPoser v2's architecture and file "
            "layout: latent of 32, N(0, 1); rotations of the 21 SMPL-X body joints relative to "
            "their parents, six numbers each",
            fields={
                "state_dict": f"{PREFIX}encoder_net.*: 63 axis-angles (radians) to mean and spread "
                f"(softplus of 'logvar') of the latent; {PREFIX}decoder_net.*: latent to 21 x 6, "
                "two columns, interleaved"
            },
            settings=asdict(self._settings),
        )

    def _encoded(
        self, poses: Float[Tensor, "batch 21 3 3"]
    ) -> tuple[Float[Tensor, "batch 32"], Float[Tensor, "batch 32"]]:
        """Mean and standard deviation of the latent."""
        return self._network.encoder_net(rotations.log(poses))

    def _misfit(
        self, decoded: Float[Tensor, "batch 21 3 3"], poses: Float[Tensor, "batch 21 3 3"]
    ) -> Float[Tensor, " batch"]:
        """Minus the log likelihood of each pose under the decoder's errors, up to a constant."""
        rest = self._rest_joints.to(poses)
        offset = joints_and_ends(decoded, rest) - joints_and_ends(poses, rest)
        place = offset.square().sum((-1, -2))
        # |R - S|^2 / 2 = (angle between)^2, where small
        turn = (decoded - poses).square().sum((-1, -2, -3)) / 2
        return (place / self._settings.place**2 + turn / self._settings.turn**2) / 2

    def _joints(self, poses: Float[Tensor, "batch 21 3 3"]) -> Float[Tensor, "batch 22 3"]:
        return joint_positions(poses, self._rest_joints.to(poses))


def divergence(
    mean: Float[Tensor, "batch latent"], spread: Float[Tensor, "batch latent"]
) -> Float[Tensor, "batch latent"]:
    """Kullback-Leibler divergence of N(mean, spread^2) from N(0, 1), nats per latent."""
    return (mean.square() + spread.square() - 1 - 2 * spread.log()) / 2
