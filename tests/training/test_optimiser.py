import math

import pytest
import torch
from torch import nn

from i2pmae.encoders.config import PlainConfig
from i2pmae.tasks.classifier.config import ClassifierConfig
from i2pmae.tasks.classifier.model import Classifier
from i2pmae.training.config import OptimiserConfig, TrainingConfig
from i2pmae.training.optimiser import build_optimiser, decays, distance_to_head, learning_rate
from tests.small import SMALL


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token_embed = nn.Linear(3, 4)
        self.norm = nn.LayerNorm(4)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.cls_position = nn.Parameter(torch.zeros(1, 1, 4))
        self.frozen = nn.Parameter(torch.zeros(2, 2), requires_grad=False)


def test_only_matrices_decay():
    names = {name for name, parameter in Tokens().named_parameters() if decays(name, parameter)}
    assert names == {"token_embed.weight", "frozen"}


def test_a_token_is_known_by_its_own_name_at_any_depth():
    assert not decays("decoder.mask_token", torch.zeros(1, 4))
    assert not decays("table.bias", torch.zeros(3, 3))
    assert decays("mask_token.projection", torch.zeros(3, 3))


def test_groups_hold_every_trainable_parameter_once():
    model = Tokens()
    optimiser = build_optimiser(model, OptimiserConfig(weight_decay=0.3, betas=(0.8, 0.9)))
    with_decay, without = optimiser.param_groups
    assert (with_decay["weight_decay"], without["weight_decay"], with_decay["betas"]) == (0.3, 0.0, (0.8, 0.9))
    found = [id(p) for group in optimiser.param_groups for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.1),
        (10, 0.1 + 0.9 * 0.5),
        (19, 0.1 + 0.9 * 0.95),
        (20, 1.0),
        (60, 0.2 + 0.8 * 0.5),
        (40, 0.2 + 0.8 * (1 + math.cos(math.pi / 4)) / 2),
        (100, 0.2),
        (150, 0.2),
    ],
)
def test_warm_up_is_linear_then_half_a_cosine(step, expected):
    config = OptimiserConfig(learning_rate=1.0, start_rate=0.1, final_rate=0.2, warmup_epochs=2)
    assert learning_rate(step, steps_per_epoch=10, epochs=10, config=config) == pytest.approx(expected, abs=1e-12)


def test_the_rate_follows_the_clouds_of_a_step_where_it_is_stated_for_some():
    optimiser = OptimiserConfig(learning_rate=1e-3, rate_batch=32, accumulate=2)
    settings = TrainingConfig(batch_size=64, optimiser=optimiser)
    assert settings.scheduled.learning_rate == pytest.approx(4e-3)
    assert settings.optimiser.learning_rate == 1e-3, "what was asked for stays in the record"
    plain = settings.changed({"optimiser.rate_batch": None})
    assert plain.scheduled is plain.optimiser


def test_a_longer_schedule_is_cut_off():
    config = OptimiserConfig(learning_rate=1.0, final_rate=0.0, warmup_epochs=0, schedule_epochs=400)
    assert learning_rate(3000, 10, 300, config) == pytest.approx((1 + math.cos(math.pi * 0.75)) / 2)


def test_a_warm_up_as_long_as_the_run_only_rises():
    config = OptimiserConfig(learning_rate=1.0, start_rate=0.0, warmup_epochs=2)
    assert [learning_rate(step, 2, 2, config) for step in range(4)] == [0.0, 0.25, 0.5, 0.75]


def classifier(kind: str) -> Classifier:
    plain = PlainConfig(
        group_count=4, group_size=4, embed_widths=(4, 8, 8), width=12, depth=3, heads=2, class_token=True
    )
    encoder = SMALL if kind == "levels" else plain
    return Classifier(ClassifierConfig(encoder=encoder, classes=("a", "b"), head_widths=(8,)))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "levels",
            {
                "head.0.weight": 0,
                "encoder.norms.2.weight": 1,
                "encoder.stages.2.0.mlp.0.weight": 1,
                "encoder.embeddings.2.lift.weight": 1,
                "encoder.stages.1.0.norm1.weight": 2,
                "encoder.positions.1.0.weight": 2,
                "encoder.stages.0.0.norm1.weight": 3,
                "encoder.embeddings.0.lift.weight": 4,
                "encoder.positions.0.0.weight": 4,
            },
        ),
        (
            "plain",
            {
                "head.0.weight": 0,
                "encoder.norm.weight": 1,
                "encoder.blocks.2.norm1.weight": 1,
                "encoder.blocks.0.norm1.weight": 3,
                "encoder.cls_token": 4,
                "encoder.position.0.weight": 4,
                "encoder.embedding.out.weight": 4,
            },
        ),
    ],
)
def test_distances_count_blocks_from_the_head(kind, expected):
    found = distance_to_head([name for name, _ in classifier(kind).named_parameters()])
    assert {name: found[name] for name in expected} == expected


def test_with_layer_decay_groups_differ_in_rate_and_still_hold_everything_once():
    model = classifier("levels")
    groups = build_optimiser(model, OptimiserConfig(weight_decay=0.3, layer_decay=0.5)).param_groups
    assert [group["rate_scale"] for group in groups[::2]] == [1, 0.5, 0.25, 0.125, 0.0625]
    assert [group["weight_decay"] for group in groups] == [0.3, 0.0] * 5
    found = [id(p) for group in groups for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in model.parameters())
    assert {id(p) for group in groups[:2] for p in group["params"]} == {id(p) for p in model.head.parameters()}
