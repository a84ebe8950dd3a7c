"""Single against double precision: what the stored runs, which are in single precision, cannot tell.

Gradients of layers with kinks (ReLU, maximum) jump where rounding moves a value over one, in any implementation. Only
groups that are far from all kinks are given a gradient here; what remains is the exactness of the sums.
"""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from i2pmae.encoders import pointnet
from i2pmae.encoders.masking import propagate
from i2pmae.encoders.pointnet import MiniPointNet
from i2pmae.encoders.tokenizer import tokenise
from i2pmae.methods.i2p_mae.config import I2PMAEConfig
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.ops import chamfer_l2
from tests.parity.cases import named_weight

CLOUDS, GROUPS, MEMBERS = 4, 512, 16
"""Rows of the first embedding layer: 32 768."""
MARGIN = 4e-6
"""How far from a kink counts as far, relative to the largest value: several times the rounding of a layer's output."""


def weighted(module: nn.Module, seed: int = 3) -> nn.Module:
    module.load_state_dict({name: named_weight(name, tuple(v.shape), seed) for name, v in module.state_dict().items()})
    return module.train()


def spheres(clouds: int, points: int) -> torch.Tensor:
    drawn = torch.randn(clouds, points, 3, generator=torch.Generator().manual_seed(4))
    return drawn / drawn.norm(dim=-1, keepdim=True)


def far_from_kinks(embedding: MiniPointNet, groups: torch.Tensor) -> torch.Tensor:
    """For each group, whether all that its token is made of stays on its side of every kink when rounded."""
    far = torch.ones(len(groups), dtype=torch.bool)

    def look_at_relu(_: nn.Module, __: object, out: torch.Tensor) -> None:
        near = (out.abs() < MARGIN * out.abs().max()).view(len(groups), -1)
        far.logical_and_(~near.any(1))

    def look_at_maximum(_: nn.Module, __: object, out: torch.Tensor) -> None:
        first, second = out.view(*groups.shape[:2], -1).topk(2, dim=1).values.unbind(1)
        far.logical_and_(~(first - second < MARGIN * out.abs().max()).any(1))

    layers = [embedding.lift_norm, embedding.join_norm, embedding.inner, embedding.out]
    looks = [look_at_relu, look_at_relu, look_at_maximum, look_at_maximum]
    hooks = [layer.register_forward_hook(look) for layer, look in zip(layers, looks, strict=True)]
    with torch.no_grad():
        embedding.plain(groups)
    for hook in hooks:
        hook.remove()
    return far


def embedding_gradient_error(
    call: Callable[[MiniPointNet, torch.Tensor], torch.Tensor] = MiniPointNet.forward,
) -> float:
    """Of the first embedding layer's weight, in training mode: relative to its largest entry in double precision."""
    groups = tokenise(spheres(CLOUDS, 2048), (GROUPS,), (MEMBERS,))[0].offsets.flatten(0, 1)
    single = weighted(MiniPointNet(3, (128, 256, 512), 96))
    assert isinstance(single, MiniPointNet)
    double = copy.deepcopy(single).double()
    far = far_from_kinks(double, groups.double())
    assert far.float().mean() > 0.5
    weights = torch.randn(len(groups), 96, generator=torch.Generator().manual_seed(5)) * far[:, None]
    gradients = []
    for embedding, kind in ((single, torch.float32), (double, torch.float64)):
        (call(embedding, groups.to(kind)) * weights.to(kind)).sum().backward()
        assert embedding.lift.weight.grad is not None
        gradients.append(embedding.lift.weight.grad.double())
    return ((gradients[0] - gradients[1]).abs().max() / gradients[1].abs().max()).item()


@pytest.mark.parametrize("call", [MiniPointNet.forward, MiniPointNet.plain])
def test_gradients_of_the_first_layer_in_training(call: Callable[[MiniPointNet, torch.Tensor], torch.Tensor]) -> None:
    assert embedding_gradient_error(call) < 1e-4


def test_sums_in_single_precision_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pointnet, "BatchNorm", nn.BatchNorm1d)
    assert embedding_gradient_error(MiniPointNet.plain) > 1e-4


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_the_whole_model(mode: str) -> None:
    """What it predicts, its loss, and all tokens of the coarsest level."""
    config = I2PMAEConfig(encoder_depths=(1, 1, 1), drop_path=0.0)
    single = weighted(I2PMAE(config))
    assert isinstance(single, I2PMAE)
    single.train(mode == "train")
    double = copy.deepcopy(single).double()
    hierarchy = single.tokenise(spheres(2, 1024))
    top = torch.zeros(hierarchy[-1].centres.shape[:2], dtype=torch.bool)
    top[:, ::5] = True
    results = []
    for model, kind in ((single, torch.float32), (double, torch.float64)):
        given = tuple(
            level._replace(centres=level.centres.to(kind), offsets=level.offsets.to(kind)) for level in hierarchy
        )
        found = model(given, propagate(top, given))
        loss = chamfer_l2(found.offsets, model.target_offsets(given, found.masked))
        results.append([value.detach().double() for value in (found.offsets, loss, model.encode(given)[-1].tokens)])
    for ours, exact in zip(*results, strict=True):
        assert (ours - exact).abs().max() < 2e-5 * exact.abs().max()
