"""Does pseudo-ground-truth pay? One small network, trained on labels of several kinds.

    python -m benchmarks.pseudo_gt [--count 3072] [--seeds 3] [--mocap FOLDER] [--cache FOLDER]

Training people are generated in poses of the subjects that are not held out, half of them by each
protocol of `benchmarks.real`, every third with wrong or hidden keypoints (`benchmarks.damage`), and
fitted with the guessed focal length, as photos are. The same network (keypoints of a body to the
rotations and shape of a body; an MLP) learns them with the labels of each row:

    truth         the bodies that they were generated from
    2019          fits of the preset `smplify_x_2019`
    fits          fits of the default preset, all of them
    gated         the same without those that the gate rejects, each joint weighed by how sure the
                  fit is of it (`FitResult.joint_covariance`)

Tested on people in poses of the held-out subjects, drawn by another seed. MPJPE: mm, 22 joints from
the pelvis, nothing aligned; PA: after similarity alignment. label: MPJPE of the labels themselves,
of those that are used. Figures are means over networks of several seeds; +-: their standard error.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from smplifyx.body.joints import JOINT_NAMES
from smplifyx.body.loading.files import load_body
from smplifyx.body.model import BodyModel
from smplifyx.body.params import BodyParams
from smplifyx.config import load_preset
from smplifyx.core import rotations
from smplifyx.data.mocap import HELD_OUT, SUBJECTS, heldout_poses, plausible, subject_poses
from smplifyx.data.retarget import Poses, concatenate
from smplifyx.data.synthetic import GeneratedPeople, generate_people
from smplifyx.evaluation.metrics import pa_mpjpe
from smplifyx.fitting.result import FitResult
from smplifyx.gates.facts import GateFacts
from smplifyx.gates.gate import load_gate
from smplifyx.gates.verdict import judge_all, values_of
from smplifyx.keypoints import Keypoints, names
from smplifyx.pose_priors.sixd import to_rotation
from smplifyx.writers.joint_orders import seen_index

from .damage import damaged
from .quality import fit_in_batches, guessed, table
from .real import PROTOCOLS

JOINTS = 22  # of the body, with the pelvis
BETAS = 10
TEST_SEED = 7919
EPOCHS = 120
BATCH = 128
WIDTH = 512
GATE = "smplifyx"
DAMAGED_EVERY = 3  # of the training people
SURE = 0.05  # metres: a joint with this standard deviation counts half as much as a sure one
ROTATION_WEIGHT = 0.1  # of a unit of the matrices' entries, beside a metre of the joints
SHAPE_WEIGHT = 0.01


@dataclass(frozen=True)
class Labels:
    """What a network learns of n people.

    weights: of each joint, 0 for people who are left out.
    """

    params: BodyParams
    weights: Float[Tensor, "n 22"]


@dataclass(frozen=True)
class People:
    """People to learn from or to be tested on, both protocols together."""

    inputs: Float[Tensor, "n features"]
    truth: BodyParams
    keypoints: Keypoints


class Network(nn.Module):
    """Keypoints to rotations and shape."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = nn.Linear(features, WIDTH)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Dropout(0.1))
            for _ in range(3)
        )
        self.last = nn.Linear(WIDTH, JOINTS * 6 + BETAS)

    def forward(
        self, inputs: Float[Tensor, "n features"]
    ) -> tuple[Float[Tensor, "n 22 3 3"], Float[Tensor, "n 10"]]:
        """Rotations of the root and the 21 body joints, and betas."""
        hidden = self.first(inputs)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        six, betas = self.last(hidden).split([JOINTS * 6, BETAS], -1)
        identity = six.new_tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
        return to_rotation(six.unflatten(-1, (JOINTS, 6)) + identity), betas


@dataclass(frozen=True)
class Skeleton:
    """The 22 joints of a body from rotations, which is all that the network's loss looks at."""

    rest: Float[Tensor, "22 3"]
    directions: Float[Tensor, "22 3 10"]
    parents: tuple[int, ...]

    @classmethod
    def of(cls, body: BodyModel) -> Skeleton:
        """Of the adult body."""
        return cls(
            body.joint_template[:JOINTS].float(),
            body.joint_directions[:JOINTS, :, :BETAS].float(),
            body.parents[:JOINTS],
        )

    def joints(
        self, turns: Float[Tensor, "n 22 3 3"], betas: Float[Tensor, "n 10"]
    ) -> Float[Tensor, "n 22 3"]:
        """From the pelvis, metres."""
        rest = self.rest + torch.einsum("jan,bn->bja", self.directions, betas)
        orient, place = [turns[:, 0]], [torch.zeros_like(rest[:, 0])]
        for joint in range(1, JOINTS):
            parent = self.parents[joint]
            bone = rest[:, joint] - rest[:, parent]
            place.append(place[parent] + (orient[parent] @ bone[..., None])[..., 0])
            orient.append(orient[parent] @ turns[:, joint])
        return torch.stack(place, 1)


def inputs_of(keypoints: Keypoints) -> Float[Tensor, "n features"]:
    """The 25 body points in their box, unseen ones zero, and the confidences."""
    xy = keypoints.xy[:, names.BODY]
    confidence = keypoints.confidence[:, names.BODY]
    seen = (confidence > 0)[..., None]
    count = seen.sum(1).clamp(min=1)
    middle = (xy * seen).sum(1) / count
    size = ((xy - middle[:, None]) * seen).square().sum((1, 2)).div(count[:, 0]).sqrt()
    local = (xy - middle[:, None]) / size.clamp(min=1.0)[:, None, None] * seen
    return torch.cat([local.flatten(1), confidence], -1)


def turns_of(params: BodyParams) -> Float[Tensor, "n 22 3 3"]:
    """Root and body joints as matrices."""
    return rotations.exp(params.full_pose()[:, :JOINTS])


def trained(people: People, labels: Labels, skeleton: Skeleton, seed: int) -> Network:
    """A network after EPOCHS; the people of weight 0 never appear."""
    torch.manual_seed(seed)
    used = (labels.weights.sum(-1) > 0).nonzero().flatten()
    turns, betas = turns_of(labels.params), labels.params.betas[:, :BETAS]
    joints = skeleton.joints(turns, betas)
    network = Network(people.inputs.shape[-1])
    # as many steps whatever is left out: no row learns longer than another
    steps = EPOCHS * len(people.inputs) // BATCH
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        at = used[torch.randint(len(used), (BATCH,), generator=generator)]
        found, shape = network(people.inputs[at])
        weight = labels.weights[at]
        off = (skeleton.joints(found, shape) - joints[at]).norm(dim=-1)
        turned = (found - turns[at]).abs().mean((-1, -2))
        loss = (weight * (off + ROTATION_WEIGHT * turned)).sum() / weight.sum()
        loss = loss + SHAPE_WEIGHT * (shape - betas[at]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def errors(
    found: Float[Tensor, "n 22 3"], truth: Float[Tensor, "n 22 3"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """MPJPE from the pelvis and PA-MPJPE of each person, mm."""
    return 1000 * (found - truth).norm(dim=-1).mean(-1), pa_mpjpe(found, truth)


def people_of(generated: Sequence[GeneratedPeople]) -> People:
    """All of them, one after the other."""
    keypoints = Keypoints.cat([each.keypoints for each in generated])
    truth = BodyParams.cat([each.truth for each in generated])
    return People(inputs_of(keypoints), truth, keypoints)


def generated(body: BodyModel, poses: Poses, count: int, seed: int) -> list[GeneratedPeople]:
    """`count` people, half of them by each protocol."""
    each = count // len(PROTOCOLS)
    return [generate_people(body, poses, each, seed, options) for options in PROTOCOLS.values()]


def with_damage(people: GeneratedPeople, seed: int) -> GeneratedPeople:
    """The same people, the keypoints of every third as photos spoil them."""
    spoiled, _ = damaged(people.keypoints, seed)
    rows = torch.arange(0, len(people.keypoints.confidence), DAMAGED_EVERY)
    keypoints = people.keypoints.put(rows, spoiled[rows])
    return dataclasses.replace(people, keypoints=keypoints)


def fits(
    people: Sequence[GeneratedPeople], body: BodyModel, preset: str, cache: Path | None
) -> FitResult:
    """Everybody's fit; kept in `cache` where there is one."""
    path = None if cache is None else cache / f"{preset}.pt"
    if path is not None and path.is_file():
        return torch.load(path, weights_only=False)  # our own file of a run before
    keypoints = Keypoints.cat([each.keypoints for each in people])
    camera = guessed(type(people[0].camera).cat([each.camera for each in people]))
    result, seconds = fit_in_batches(keypoints, camera, body, load_preset(preset))
    print(f"{preset}: {len(keypoints.confidence)} people in {seconds:.0f} s", flush=True)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(result, path)
    return result


def joint_weights(result: FitResult) -> Float[Tensor, "n 22"]:
    """By how sure the fit is of each joint: 1 for a sure one."""
    assert result.joint_covariance is not None
    index = seen_index(JOINT_NAMES[:JOINTS])
    variance = result.joint_covariance[:, index].diagonal(dim1=-2, dim2=-1).sum(-1)
    return SURE**2 / (SURE**2 + variance.nan_to_num(1.0))


def kept_by_gate(result: FitResult, name: str) -> Bool[Tensor, " n"]:
    """Who is good enough."""
    gate = load_gate(name)
    verdicts = judge_all(gate, values_of(gate, GateFacts.of(result)))
    return torch.tensor([verdict.kept for verdict in verdicts])


def labels_of(people: People, default: FitResult, old: FitResult) -> dict[str, Labels]:
    """The labels of each row."""
    count = len(people.inputs)
    everybody = torch.ones(count, JOINTS)
    finite = default.params.transl.isfinite().all(-1)[:, None] * everybody
    old_finite = old.params.transl.isfinite().all(-1)[:, None] * everybody
    gate = kept_by_gate(default, GATE)[:, None]
    return {
        "truth": Labels(people.truth, everybody),
        "2019": Labels(old.params, old_finite),
        "fits": Labels(default.params, finite),
        "gated": Labels(default.params, finite * gate * joint_weights(default)),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mocap", type=Path, default=Path("../shared/data/mocap"))
    parser.add_argument("--count", type=int, default=3072, help="training people")
    parser.add_argument("--test", type=int, default=1024, help="people of the test")
    parser.add_argument("--seeds", type=int, default=3, help="networks of each row")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--cache", type=Path, help="keep the fits there for another run")
    asked = parser.parse_args(arguments)

    torch.set_num_threads(asked.threads)
    body = load_body(None)
    rest = body.joint_template.double().numpy()
    subjects = [subject for subject in SUBJECTS if subject not in HELD_OUT]
    recorded = concatenate(list(subject_poses(asked.mocap, rest, subjects).values()))
    recorded = recorded[plausible(recorded)]
    training = [with_damage(some, 0) for some in generated(body, recorded, asked.count, 0)]
    test = people_of(generated(body, heldout_poses(asked.mocap, rest), asked.test, TEST_SEED))
    people = people_of(training)
    default = fits(training, body, "smplx", asked.cache)
    old = fits(training, body, "smplify_x_2019", asked.cache)

    skeleton = Skeleton.of(body)
    truth = skeleton.joints(turns_of(people.truth), people.truth.betas[:, :BETAS])
    tested = skeleton.joints(turns_of(test.truth), test.truth.betas[:, :BETAS])
    rows: dict[str, dict[str, float]] = {}
    for name, labels in labels_of(people, default, old).items():
        used = labels.weights.sum(-1) > 0
        own = skeleton.joints(turns_of(labels.params), labels.params.betas[:, :BETAS])
        found = []
        for seed in range(asked.seeds):
            network = trained(people, labels, skeleton, seed)
            with torch.no_grad():
                off, aligned = errors(skeleton.joints(*network(test.inputs)), tested)
            found.append((float(off.mean()), float(aligned.mean())))
        each = torch.tensor(found)
        rows[name] = {
            "people": int(used.sum()),
            "label": float(errors(own, truth)[0][used].mean()),
            "MPJPE": float(each[:, 0].mean()),
            "PA": float(each[:, 1].mean()),
            "+-": float(each[:, 0].std() / len(each) ** 0.5) if len(each) > 1 else float("nan"),
        }
        print(name, rows[name], flush=True)
    print(
        f"{platform.machine()}, torch {torch.__version__}; {asked.count} people, {asked.seeds} seeds"
    )
    print(table("A network trained on labels of several kinds", rows))


if __name__ == "__main__":
    main()
