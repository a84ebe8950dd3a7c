"""The published formulation that speed is compared with computes what ours does."""

import pytest
import torch

from benchmarks.published.model import PublishedI2PMAE
from benchmarks.published.steps import losses
from i2pmae.data.shapes import make_shapes
from i2pmae.methods.i2p_mae.config import GuidanceConfig, I2PMAEMethodConfig, LossConfig
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.i2p_mae.task import I2PMAETask
from i2pmae.teachers.untrained import untrained_clip
from i2pmae.teachers.vision import VisionTeacher
from tests.small import SMALL

POINTS = 96


@pytest.fixture(scope="module")
def teacher() -> VisionTeacher:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
    return untrained_clip(precision="fp32", **sizes, projection_dim=16)


@pytest.fixture
def task(teacher: VisionTeacher) -> I2PMAETask:
    config = I2PMAEMethodConfig(
        model=SMALL.changed(drop_path=0.0, semantic_dim=3 * teacher.feature_dim),
        guidance=GuidanceConfig(kind="paper"),
        loss=LossConfig(targets="raw"),
    )
    torch.manual_seed(0)
    return I2PMAETask(I2PMAE(config.model), config, teacher, points=POINTS)


def clouds() -> torch.Tensor:
    return torch.as_tensor(make_shapes(5, POINTS).points)


def test_the_losses_and_gradients_are_the_same(task: I2PMAETask, teacher: VisionTeacher) -> None:
    batch, model = {"points": clouds(), "index": torch.arange(5)}, task.model
    twin = PublishedI2PMAE(model.config).take(model)
    found = task.losses(batch, torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(0)
    points = task.drawn(batch, rng)[1]
    hierarchy, saliency = task.look_at(points)
    top = task.choose_visible(saliency, hierarchy, rng)[-1]
    expected = losses(twin, teacher, points, top)
    for name, value in expected.items():
        torch.testing.assert_close(found[name].value, value, rtol=1e-5, atol=1e-6)
    sum(found[name].value for name in expected).backward()
    sum(expected.values()).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    known = {name: parameter.grad for name, parameter in twin.named_parameters() if parameter.grad is not None}
    assert known.keys() == {name for name, gradient in gradients.items() if gradient is not None}
    most = max(gradient.abs().max().item() for gradient in known.values())
    for name, gradient in known.items():
        # What is added before a BatchNorm has no slope: both have rounding errors there.
        near = 1e-3 * gradient.abs().max().item() + 1e-5 * most
        torch.testing.assert_close(gradients[name].view_as(gradient), gradient, rtol=0, atol=near)


def test_the_embedding_is_the_same(task: I2PMAETask) -> None:
    twin = PublishedI2PMAE(task.model.config).take(task.model).eval()
    with torch.no_grad():
        torch.testing.assert_close(task.model.eval().embed(clouds()), twin.embed(clouds()), rtol=1e-4, atol=1e-5)


def test_other_weights_are_noticed(task: I2PMAETask) -> None:
    twin = PublishedI2PMAE(task.model.config).take(task.model).eval()
    with torch.no_grad():
        twin.encoder.norms[-1].bias += 0.01
        assert (task.model.eval().embed(clouds()) - twin.embed(clouds())).abs().max() > 0.005
