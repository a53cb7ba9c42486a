"""The normalizing flow: one to one, its determinant, derivative and file, and the library it was
trained with.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from make_priors import flow_arrays, write_flow
from mocap_data import random_poses

from smplifyx.core import assets, rotations
from smplifyx.data.retarget import Poses, mirror
from smplifyx.pose_priors.flow import FlowPrior

DOUBLE = torch.float64
SHIPPED = assets.folder("priors") / "pose" / "flow.npz"


@pytest.fixture(params=["odd", "even", "gaussian", "shipped"])
def prior(request: pytest.FixtureRequest, tmp_path: Path) -> FlowPrior:
    if request.param == "shipped":
        return FlowPrior.load(SHIPPED)
    layers = {"odd": 3, "even": 4, "gaussian": 0}[request.param]
    return FlowPrior.load(write_flow(tmp_path, flow_arrays(layers=layers)))


def _latent(*batch: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*batch, 63, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (DOUBLE, 1e-10)], ids=["float", "double"]
)
def test_is_one_to_one(prior: FlowPrior, dtype: torch.dtype, tolerance: float) -> None:
    prior, latent = prior.to(dtype=dtype), _latent(40).to(dtype)
    rotation = prior.decode(latent)
    torch.testing.assert_close(
        prior.decode(prior.encode(rotation)), rotation, rtol=0, atol=tolerance
    )
    angles = prior.rotvec(latent)
    # beyond half a turn another axis-angle means the same rotation
    inside = (angles.norm(dim=-1) < 3).all(-1)
    assert inside.sum() > 5
    back = prior.encode(rotation)[inside]
    torch.testing.assert_close(
        back, latent[inside], rtol=0, atol=tolerance * (1 if dtype == DOUBLE else 10)
    )


def test_latents_of_poses_lead_back_to_them(prior: FlowPrior) -> None:
    rotation = rotations.exp(torch.from_numpy(random_poses(50).body_pose).float())
    torch.testing.assert_close(prior.decode(prior.encode(rotation)), rotation, rtol=0, atol=1e-5)


def test_log_density_is_that_of_the_change_of_variables(prior: FlowPrior) -> None:
    prior, latent = prior.to(dtype=DOUBLE), _latent(6, seed=2)
    for row in latent:
        derivative = torch.autograd.functional.jacobian(lambda z: prior.rotvec(z).flatten(), row)
        expected = (
            torch.distributions.Normal(0, 1).log_prob(row).sum()
            - torch.linalg.slogdet(derivative)[1]
        )
        torch.testing.assert_close(
            prior.log_density(prior.rotvec(row)), expected, rtol=0, atol=1e-8
        )


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_velocity_is_the_derivative(prior: FlowPrior, batch: tuple[int, ...]) -> None:
    prior, latent = prior.to(dtype=DOUBLE), _latent(*batch, seed=3)
    velocity = prior.velocity(latent)
    assert velocity.shape == (*batch, 63, 63) and prior.decode(latent).shape == (*batch, 21, 3, 3)
    row, found = latent.reshape(-1, 63)[-1], velocity.reshape(-1, 63, 63)[-1]
    rotation = prior.decode(row)
    change = torch.autograd.functional.jacobian(prior.decode, row)  # [21, 3, 3, 63]
    cross = torch.einsum("jabz,jcb->jacz", change, rotation)  # [velocity]x = dR R^T
    expected = torch.stack([cross[:, 2, 1], cross[:, 0, 2], cross[:, 1, 0]], 1).flatten(0, 1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_residual_is_the_latent(prior: FlowPrior) -> None:
    latent = _latent(2, 3)
    assert torch.equal(prior.residual(latent), latent)
    assert torch.equal(prior.jacobian(latent), torch.eye(63, dtype=DOUBLE).expand(2, 3, 63, 63))
    assert torch.equal(prior.mean(), torch.zeros(63))


def _rotvec_of(prior: FlowPrior, latent: torch.Tensor) -> torch.Tensor:
    return prior.log_density(prior.rotvec(latent))


@pytest.mark.parametrize(
    "answer",
    [
        FlowPrior.decode,
        FlowPrior.velocity,
        lambda prior, z: prior.encode(prior.decode(z)),
        _rotvec_of,
    ],
    ids=["decode", "velocity", "encode", "density"],
)
def test_a_row_does_not_depend_on_its_batch(
    prior: FlowPrior, answer: Callable[[FlowPrior, torch.Tensor], torch.Tensor]
) -> None:
    latent = _latent(64, seed=5).float()
    together = answer(prior, latent)
    for count in (1, 3, 17):
        for start in (0, 7, 64 - count):
            assert torch.equal(
                answer(prior, latent[start : start + count]), together[start : start + count]
            )


def test_samples_are_standard_normal(prior: FlowPrior) -> None:
    latent = prior.sample(4000, torch.Generator().manual_seed(0))
    assert latent.shape == (4000, 63) and latent.dtype == torch.float32
    torch.testing.assert_close(latent.std(0), torch.ones(63), rtol=0, atol=0.06)
    torch.testing.assert_close(latent.mean(0), torch.zeros(63), rtol=0, atol=0.07)


def test_other_precision_and_back(prior: FlowPrior) -> None:
    latent = _latent(4)
    torch.testing.assert_close(
        prior.to(dtype=DOUBLE).rotvec(latent).float(), prior.rotvec(latent.float())
    )
    assert prior.to(dtype=DOUBLE).mean().dtype == DOUBLE


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"flow_center": None}, "key 'flow_center' is missing"),
        ({"flow_center": np.zeros(69)}, r"flow_center has shape \[69\], expected \[63\]"),
        (
            {"flow_inner": np.zeros((3, 32, 8))},
            r"flow_inner has shape \[3, 32, 8\], expected \[3, 32, 9\]",
        ),
        (
            {"flow_outer": np.zeros((2, 9, 2, 32))},
            r"flow_outer has shape \[2, 9, 2, 32\], expected \[3, 9, 2, 32\]",
        ),
        ({"flow_slopes": np.ones((63, 4))}, r"flow_slopes has shape \[63, 4\], expected \[63, 6\]"),
        ({"flow_center": np.full(63, np.nan)}, "flow_center holds values that are not finite"),
        ({"flow_spread": np.zeros(63)}, "spread is not positive"),
        ({"flow_slopes": np.zeros((63, 6))}, "the splines do not rise everywhere"),
        (
            {"flow_knots": np.tile(np.linspace(-3, 4, 6), (63, 1))},
            "do not begin and end on the diagonal",
        ),
        ({"flow_whitening": np.zeros((63, 63))}, "flow_whitening cannot be inverted"),
    ],
)
def test_bad_files_are_explained(
    tmp_path: Path, changed: dict[str, np.ndarray | None], message: str
) -> None:
    arrays = {key: value for key, value in (flow_arrays() | changed).items() if value is not None}
    path = write_flow(tmp_path, arrays)
    with pytest.raises(ValueError, match=message) as caught:
        FlowPrior.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_shipped_flow_knows_its_mirror() -> None:
    prior = FlowPrior.load(SHIPPED).to(dtype=DOUBLE)
    pose = prior.rotvec(prior.sample(200, torch.Generator().manual_seed(1)).double())
    mirrored = torch.from_numpy(mirror(Poses(np.zeros((200, 3)), pose.numpy())).body_pose)
    difference = prior.log_density(pose) - prior.log_density(mirrored)
    # nats, of a spread of 6; learned from mirrored poses, not built in
    assert difference.abs().mean() < 1


@pytest.mark.parametrize("couplings", [1, 2, 3])
def test_agrees_with_the_library_that_trains_it(couplings: int) -> None:
    pytest.importorskip("zuko", reason="zuko (the extra [train]) is not installed")
    from smplifyx.training.flow import FlowNetwork, FlowSettings, arrays_of

    generator = torch.Generator().manual_seed(7)
    root = torch.randn(63, 63, generator=generator, dtype=DOUBLE)
    moments = (
        torch.randn(63, generator=generator, dtype=DOUBLE) / 10,
        root @ root.T / 200 + torch.eye(63) / 50,
    )
    settings = FlowSettings(couplings=couplings, hidden=9, pieces=5)
    network = FlowNetwork(*moments, torch.full((63,), 0.15, dtype=DOUBLE), settings).double()
    angles = torch.from_numpy(random_poses(30).body_pose)
    gaussian = torch.distributions.MultivariateNormal(network.center, moments[1]).log_prob(
        angles.flatten(1)
    )
    # untrained
    torch.testing.assert_close(network.log_density(angles.flatten(1)), gaussian, rtol=0, atol=1e-3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    prior = FlowPrior.from_arrays(arrays_of(network))
    latent, _ = network(angles.flatten(1))
    torch.testing.assert_close(
        prior.encode(rotations.exp(angles)), latent.detach(), rtol=0, atol=1e-6
    )
    density = network.log_density(angles.flatten(1)).detach()
    torch.testing.assert_close(prior.log_density(angles), density, rtol=0, atol=1e-6)
    assert (density - gaussian).std() > 1
    drawn = network.draw(5).detach()
    noise = torch.randn(5, 63, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(prior.rotvec(noise).flatten(1), drawn, rtol=0, atol=1e-6)
