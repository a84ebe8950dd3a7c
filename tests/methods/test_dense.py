"""2D features at points as targets: the forms that the loss can ask for."""

import pytest
import torch

from i2pmae.common.errors import UsageError
from i2pmae.common.seeds import torch_generator
from i2pmae.methods.i2p_mae.config import I2PMAEMethodConfig, LossConfig
from i2pmae.methods.i2p_mae.dense import DenseTargets
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.i2p_mae.task import I2PMAETask
from i2pmae.methods.losses import semantic_loss
from i2pmae.projection.lift import lift
from i2pmae.projection.rasterise import ViewFrame, seen_points, view_frame
from i2pmae.projection.views import AXIS_VIEWS
from i2pmae.teachers.maps import Lifted, ViewMaps
from tests.methods.test_whole import SMALL
from tests.steps import Painter

CHANNELS = 6


def ball(clouds: int = 3, points: int = 600) -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(clouds, points, 3, generator=torch.Generator().manual_seed(0)), dim=-1
    )


def maps(clouds: int = 3) -> ViewMaps:
    generator = torch.Generator().manual_seed(1)
    return ViewMaps(
        torch.randn(clouds, 3, CHANNELS, 14, 14, generator=generator) * 3 + 1, torch.rand(clouds, 3, 14, 14)
    )


def targets(**loss) -> tuple[DenseTargets, torch.Tensor, torch.Tensor | None]:
    """The targets of some points, beside the features that they are made from."""
    points, said = ball(), maps()
    frame = view_frame(points, AXIS_VIEWS)
    made = DenseTargets(LossConfig(**loss), CHANNELS)
    features = lift(said.features, points[:, :64], frame)
    made.settle(features)
    return (made, features, *made(Lifted(said, frame), points, points[:, :64]))


def test_targets_are_what_they_are_called():
    _, features, normalised, seen = targets()
    assert seen is None
    torch.testing.assert_close(normalised.mean(-1), torch.zeros(3, 64, 3), atol=1e-5, rtol=0)
    assert torch.equal(targets(targets="raw")[2], features)
    torch.testing.assert_close(targets(targets="unit")[2].norm(dim=-1), torch.ones(3, 64, 3))
    standardised = targets(targets="standardised")[2].flatten(0, 1)
    torch.testing.assert_close(standardised.mean(0), torch.zeros(3, CHANNELS), atol=1e-4, rtol=0)
    torch.testing.assert_close(standardised.std(0, correction=0), torch.ones(3, CHANNELS), atol=1e-4, rtol=0)


def test_a_random_projection_keeps_likeness_and_is_the_same_each_time():
    made, features, first, _ = targets(targets="raw", channels=64)
    again = targets(targets="raw", channels=64)[2]
    assert made.channels == first.shape[-1] == 64 and torch.equal(first, again)
    likeness = torch.nn.functional.cosine_similarity
    a, b = features.flatten(0, 2)[:-1], features.flatten(0, 2)[1:]
    c, d = first.flatten(0, 2)[:-1], first.flatten(0, 2)[1:]
    assert torch.corrcoef(torch.stack([likeness(a, b), likeness(c, d)]))[0, 1] > 0.9


def naive(head, tokens, features, rows, counted, distance, views, seen):
    total, count = 0.0, 0
    for token, members, counts in zip(tokens, rows, counted, strict=True):
        said = head(token).view(len(members), views, -1)
        for member, predicted in zip(members, said, strict=True):
            for view in range(views):
                if not counts or not seen[member, view]:
                    continue
                a, b = predicted[view], features[member].view(views, -1)[view]
                if distance == "cosine":
                    total += 1 - float(a @ b / a.norm() / b.norm())
                else:
                    away = (a - b).abs()
                    each = (
                        away.square() if distance == "squared" else torch.where(away < 1, away.square() / 2, away - 0.5)
                    )
                    total += float(each.mean())
                count += 1
    return total / count


@pytest.mark.parametrize("distance", ["squared", "smooth-l1", "cosine"])
@pytest.mark.parametrize("left_out", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_the_loss_equals_a_loop(distance, left_out, padded):
    generator = torch.Generator().manual_seed(3)
    head = torch.nn.Linear(5, 2 * 3 * CHANNELS)
    tokens = torch.randn(7, 5, generator=generator)
    features = 2 * torch.randn(20, 3 * CHANNELS, generator=generator)
    rows = torch.randint(20, (7, 2), generator=generator)
    seen = torch.rand(20, 3, generator=generator) < (0.5 if left_out else 2)
    counted = torch.rand(7, generator=generator) < (0.6 if padded else 2)
    with torch.no_grad():
        found = semantic_loss(
            head, tokens, features, rows, counted if padded else None, distance, 3, seen if left_out else None
        )
        expected = naive(head, tokens, features, rows, counted, distance, 3, seen)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def task(second: float | None = None, mask_ratio: float = 0.8, **loss) -> I2PMAETask:
    values = {"model": {**SMALL.model_dump(), "mask_ratio": mask_ratio}, "loss": {"second_mask_ratio": second, **loss}}
    config = I2PMAEMethodConfig.from_dict(values, "method")
    torch.manual_seed(0)
    dense = DenseTargets(config.loss, CHANNELS)
    levels = len(config.model.decoder_dims) if config.loss.levels == "all" else 1
    model = I2PMAE(config.model.changed(semantic_dim=3 * dense.channels, semantic_levels=levels))
    return I2PMAETask(model, config, Painter(), points=512, dense=dense)


def test_all_tokens_may_have_targets():
    some, every = task(), task(tokens="all")
    batch = {"points": ball(), "index": torch.arange(3)}
    first, second = (one.losses(batch, torch_generator(0, "step"))["semantics"].value for one in (some, every))
    assert not torch.allclose(first, second)
    hierarchy = every.model.tokenise(ball())
    visible = every.choose_visible(None, hierarchy, torch_generator(0))
    found = every.model(hierarchy, visible)
    assert len(found.tokens) == 3 * 24 > len(found.shown)
    said, frame = maps(), view_frame(ball(), AXIS_VIEWS)
    lesson = Lifted(said, frame)
    features, rows, _ = every.targets(lesson, ball(), hierarchy, [torch.ones_like(level) for level in visible])
    centres = torch.stack(
        [hierarchy[0].centres[cloud, row] for cloud in range(3) for row in hierarchy[1].neighbours[cloud].flatten()]
    )
    expected = every.dense(lesson, ball(), centres.view(3, -1, 3))[0].flatten(2).flatten(0, 1)
    torch.testing.assert_close(features[rows.flatten()], expected)


@pytest.mark.parametrize("tokens", ["visible", "all"])
def test_every_level_of_the_decoder_may_predict(tokens):
    finest, every = task(tokens=tokens), task(tokens=tokens, levels="all")
    every.model.load_state_dict(finest.model.state_dict(), strict=False)
    batch = {"points": ball(), "index": torch.arange(3)}
    first, second = (one.losses(batch, torch_generator(0, "step")) for one in (finest, every))
    assert torch.equal(first["coordinates"].value, second["coordinates"].value)
    assert torch.equal(first["semantics"].value, second["semantics"].value)
    coarse = second["semantics_2"].value
    assert first["semantics"].weight == second["semantics"].weight + second["semantics_2"].weight
    hierarchy = every.model.tokenise(ball())
    visible = every.choose_visible(None, hierarchy, torch_generator(0))
    (found,) = every.model(hierarchy, visible).coarser
    assert (found.level, len(found.tokens)) == (2, 3 * every.model.config.group_counts[2])
    said, frame = maps(), view_frame(ball(), AXIS_VIEWS)
    features, rows, _ = every.targets(Lifted(said, frame), ball(), hierarchy, visible, level=2)
    if tokens == "visible":
        shown = [(cloud, int(row)) for cloud in range(3) for row in visible[2][cloud].nonzero()[:, 0]]
        centres = [hierarchy[1].centres[cloud, hierarchy[2].neighbours[cloud, row]] for cloud, row in shown]
        for (cloud, _), at, place in zip(shown, centres, rows, strict=True):
            lesson = Lifted(
                ViewMaps(said.features[cloud : cloud + 1], said.saliency[cloud : cloud + 1]), _one(frame, cloud)
            )
            expected = every.dense(lesson, ball()[cloud : cloud + 1], at[None])[0].flatten(2)[0]
            torch.testing.assert_close(features[place], expected, rtol=1e-4, atol=1e-4)
    assert torch.isfinite(coarse) and coarse > 0.5
    total = sum(loss.value * (loss.weight or 0) for loss in second.values())
    total.backward()
    assert every.model.coarser_heads[0].weight.grad.abs().sum() > 0


def _one(frame: ViewFrame, cloud: int) -> ViewFrame:
    """The frame of one cloud of a batch."""
    own = slice(cloud, cloud + 1)
    return frame._replace(lowest=frame.lowest[own], cell=frame.cell[own], shift=frame.shift[own])


def test_a_second_pass_has_a_mask_of_its_own():
    batch = {"points": ball(), "index": torch.arange(3)}
    once = task(mask_ratio=0.5).losses(batch, torch_generator(0, "step"))
    twice = task(second=0.0, mask_ratio=0.5).losses(batch, torch_generator(0, "step"))
    assert torch.equal(once["coordinates"].value, twice["coordinates"].value)
    assert not torch.equal(once["semantics"].value, twice["semantics"].value)
    alone = task(second=0.0, coordinates=0.0)
    calls = []
    alone.model.register_forward_pre_hook(lambda _, inputs: calls.append([int(level.sum()) for level in inputs[1]]))
    alone.losses(batch, torch_generator(0, "step"))
    assert len(calls) == 1 and calls[0][-1] == 3 * 12, "without coordinates there is no first pass"


def test_hidden_points_may_be_left_out():
    made = targets(hidden="left out")[3]
    points = ball()
    assert torch.equal(made, seen_points(points, points[:, :64], view_frame(points, AXIS_VIEWS)))
    assert 0.3 < made.float().mean() < 0.8, "a ball hides half of itself"


def test_forms_that_there_are_not_are_refused():
    with pytest.raises(UsageError, match="standardised"):
        I2PMAEMethodConfig.from_dict({"loss": {"targets": "standardized"}}, "method")
