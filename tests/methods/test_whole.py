"""Vectors of whole views as targets."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from i2pmae.common.errors import UsageError
from i2pmae.common.seeds import torch_generator
from i2pmae.methods.i2p_mae.config import (
    I2PMAEMethodConfig,
    PointM2AEMethodConfig,
    ViewPredictorConfig,
    WholeConfig,
)
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.i2p_mae.predictor import ViewPredictor
from i2pmae.methods.i2p_mae.recipes import SIZES
from i2pmae.methods.i2p_mae.task import I2PMAETask
from i2pmae.methods.i2p_mae.whole import WholeTargets
from i2pmae.methods.losses import view_contrast, view_regression
from i2pmae.training.config import OptimiserConfig
from i2pmae.training.optimiser import build_optimiser, decays

CLOUDS, VIEWS, CHANNELS = 24, 3, 6


def vectors() -> torch.Tensor:
    scale = torch.tensor([1.0, 10.0, 0.1, 5.0, 2.0, 0.0])  # the last channel says nothing
    return torch.randn(CLOUDS, VIEWS, CHANNELS, generator=torch.Generator().manual_seed(2)) * scale + 3


def kept(values: torch.Tensor) -> SimpleNamespace:
    return SimpleNamespace(pooled=lambda index, device="cpu": values[index].to(device), seconds=0.0)


def targets(values: torch.Tensor | None = None, **objective) -> WholeTargets:
    values = vectors() if values is None else values
    return WholeTargets(
        WholeConfig(**{"regression": 1.0, **objective}), CLOUDS, 0, lambda rows: values[rows], kept(values)
    )


def cosine(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(first @ second / first.norm() / second.norm())


@pytest.mark.parametrize("distance", ["squared", "smooth-l1", "cosine"])
def test_regression_equals_a_loop(distance):
    generator = torch.Generator().manual_seed(1)
    said, true = torch.randn(2, 5, VIEWS, CHANNELS, generator=generator).mul(2).unbind(0)
    errors = []
    for a, b in zip(said.flatten(0, 1), true.flatten(0, 1), strict=True):
        if distance == "cosine":
            errors.append(1 - cosine(a, b))
        else:
            away = [abs(float(x - y)) for x, y in zip(a, b, strict=True)]
            squared = distance == "squared"
            errors.append(sum(d * d if squared else d * d / 2 if d < 1 else d - 0.5 for d in away) / CHANNELS)
    assert float(view_regression(said, true, distance)) == pytest.approx(sum(errors) / len(errors), rel=1e-5)


def test_contrast_equals_a_loop():
    generator = torch.Generator().manual_seed(1)
    said, true = torch.randn(2, 4, VIEWS, CHANNELS, generator=generator).unbind(0)
    others = torch.randn(5, VIEWS, CHANNELS, generator=generator)
    scale = math.log(7.0)
    which, whose = [], []
    for view in range(VIEWS):
        for own in range(4):
            all_targets = [*true[:, view], *others[:, view]]
            scores = [7 * cosine(said[own, view], target) for target in all_targets]
            which.append(math.log(sum(map(math.exp, scores))) - scores[own])
            scores = [7 * cosine(said[cloud, view], true[own, view]) for cloud in range(4)]
            whose.append(math.log(sum(map(math.exp, scores))) - scores[own])
    expected = (sum(which) / len(which) + sum(whose) / len(whose)) / 2
    assert float(view_contrast(said, true, others, torch.tensor(scale))) == pytest.approx(expected, rel=1e-5)
    perfect = view_contrast(true, true, others, torch.tensor(math.log(100)))
    assert float(perfect) < 0.01 < float(view_contrast(true.flip(0), true, others, torch.tensor(math.log(100))))


def test_standardised_targets_are_those_of_the_training_clouds():
    values = vectors()
    prepared = targets(values).prepared(values)
    torch.testing.assert_close(prepared.mean(0), torch.zeros(VIEWS, CHANNELS), atol=1e-4, rtol=0)
    deviation = prepared.std(0, correction=0)
    torch.testing.assert_close(deviation[:, :5], torch.ones(VIEWS, 5), atol=1e-4, rtol=0)
    assert (deviation[:, 5] == 0).all(), "a channel that is the same for all clouds is nothing to predict"
    unit = targets(values, targets="unit").prepared(values)
    torch.testing.assert_close(unit.norm(dim=-1), torch.ones(CLOUDS, VIEWS))
    assert torch.equal(targets(values, targets="raw").prepared(values), values)


def test_vectors_that_are_not_kept_are_asked_for():
    values, asked = vectors(), []

    def ask(rows: np.ndarray) -> torch.Tensor:
        asked.extend(rows.tolist())
        return values[rows]

    found = WholeTargets(WholeConfig(regression=1.0), CLOUDS, 0, ask)
    assert sorted(asked) == list(range(CLOUDS))
    torch.testing.assert_close(found.centre, values.mean(0))
    assert (found.views, found.channels) == (VIEWS, CHANNELS)


def test_the_others_are_not_of_the_batch_and_follow_from_the_step():
    whole = targets(contrast=1.0, others=200)
    index = torch.tensor([3, 7, 11])
    first, again, next_step = (whole._drawn(index, torch_generator(0, "step", step)) for step in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, next_step)
    assert set(first.tolist()) == set(range(CLOUDS)) - set(index.tolist())


SMALL = SIZES["tiny"].changed(group_counts=(48, 24, 12), group_sizes=(8, 4, 4))


def small_task(whole: WholeTargets, **changes) -> I2PMAETask:
    values = {"augment": False, "cache_teacher": True, "whole": whole.config, "guidance": {"kind": "random"}, **changes}
    values["loss"] = {"coordinates": 0.0, "semantics": 0.0, **changes.get("loss", {})}
    config = I2PMAEMethodConfig.from_dict({"model": SMALL.model_dump(), **values}, "method")
    sizes = ViewPredictorConfig(views=VIEWS, channels=CHANNELS, width=32, reads=whole.config.reads)
    torch.manual_seed(0)
    return I2PMAETask(I2PMAE(config.model.changed(view_predictor=sizes)), config, None, points=512, whole=whole)


def batch() -> dict[str, torch.Tensor]:
    """Ellipsoids from a disc to a ball."""
    points = torch.randn(CLOUDS, 600, 3, generator=torch.Generator().manual_seed(0))
    points = torch.nn.functional.normalize(points, dim=-1)
    points[..., 0] *= torch.linspace(0.05, 1, CLOUDS)[:, None]
    return {"points": points, "index": torch.arange(CLOUDS)}


@pytest.mark.parametrize("mask_ratio", [0.0, 0.5])
def test_vectors_of_views_are_learnt_without_decoder_and_teacher(mask_ratio):
    slope = torch.linspace(-1, 1, CLOUDS)[:, None, None]
    values = slope * torch.randn(1, VIEWS, CHANNELS, generator=torch.Generator().manual_seed(2))
    task = small_task(targets(values, contrast=0.1), model=SMALL.changed(mask_ratio=mask_ratio).model_dump())
    optimiser = build_optimiser(task.model, OptimiserConfig())
    optimiser.param_groups[0]["lr"] = optimiser.param_groups[1]["lr"] = 2e-3
    explained = []
    for step in range(40):
        losses = task.losses(batch(), torch_generator(0, step))
        assert losses.keys() == {"views", "view_contrast", "views_explained"}
        optimiser.zero_grad()
        sum(loss.weighted for loss in losses.values() if loss.weight is not None).backward()
        optimiser.step()
        explained.append(float(losses["views_explained"].value))
    assert explained[0] < 0.1 and explained[-1] > 0.25, explained
    touched = {name.split(".")[0] for name, value in task.model.named_parameters() if value.grad is not None}
    assert touched == {"encoder", "view_predictor"}


def test_a_view_is_told_from_the_others_and_views_are_no_matrices():
    task = small_task(targets())
    predictor = task.model.view_predictor
    assert isinstance(predictor, ViewPredictor)
    hierarchy = task.model.tokenise(batch()["points"][:2])
    said = predictor(task.model.encode(hierarchy))
    assert said.shape == (2, VIEWS, CHANNELS) and not torch.allclose(said[:, 0], said[:, 1])
    assert not decays("view_predictor.view_tokens", predictor.view_tokens)
    assert decays("view_predictor.read.weight", predictor.read.weight)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": {"coordinates": 0.0, "semantics": 0.0}}, "nothing is to be learnt"),
        ({"model": {"mask_ratio": 0.0}}, "mask_ratio is 0: set loss.coordinates 0"),
        ({"whole": {"contrast": 1.0, "others": 64}}, "whole.others needs the vectors of all clouds at hand"),
        ({"whole": {"regression": 1.0, "views": "orbit:6"}}, "whole.views needs the vectors of all clouds at hand"),
        ({"whole": {"distance": "cosinus"}}, "cosine"),
        ({"whole": {"reads": "class|max"}}, r"needs a \[CLS\] token"),
    ],
)
def test_objectives_that_cannot_be_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        I2PMAEMethodConfig.from_dict(values, "method")


def test_nothing_is_pictured_that_was_not_learnt():
    points = batch()["points"][:1]
    alone = small_task(targets())
    assert not {"reconstruction", "masked_truth"} & alone.explain(points, torch_generator(0, "picture")).keys()
    both = small_task(targets(), loss={"coordinates": 1.0})
    assert {"reconstruction", "masked_truth"} <= both.explain(points, torch_generator(0, "picture")).keys()


def test_contrast_alone_says_no_share_of_variance():
    task = small_task(targets(regression=0.0, contrast=1.0))
    assert task.losses(batch(), torch_generator(0)).keys() == {"view_contrast"}


def test_point_m2ae_has_to_mask():
    with pytest.raises(UsageError, match="mask_ratio is 0: mask some"):
        PointM2AEMethodConfig.from_dict({"model": {"mask_ratio": 0.0}}, "method")
