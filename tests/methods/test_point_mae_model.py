"""Point-MAE: what it may see, which tokens it predicts, and its masks."""

import pytest
import torch
from pydantic import ValidationError

from i2pmae.encoders.masking import block_mask, block_sizes, most_masked
from i2pmae.methods.point_mae.config import PointMAEConfig
from i2pmae.methods.point_mae.model import PointMAE
from tests.small import POINT_MAE


def cloud(batch: int = 3, points: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, points, 3, generator=torch.Generator().manual_seed(seed))


def first_visible(model: PointMAE, points: torch.Tensor, count: int = 6) -> torch.Tensor:
    visible = torch.zeros(len(points), model.config.group_count, dtype=torch.bool)
    visible[:, torch.randperm(model.config.group_count, generator=torch.Generator().manual_seed(1))[:count]] = True
    return visible


def test_a_block_is_a_token_and_its_nearest() -> None:
    centres = cloud(5, 20)
    counts = torch.tensor([1, 4, 7, 20, 2])
    masked = block_mask(centres, counts, torch.Generator().manual_seed(0))
    assert torch.equal(masked.sum(1), counts)
    for places, mask in zip(centres, masked, strict=True):
        distance = torch.cdist(places[mask], places)
        outside = distance[:, ~mask].amin(1) if (~mask).any() else torch.full((int(mask.sum()),), torch.inf)
        # Around one of its tokens the block is a ball: none outside is nearer than any inside.
        assert (distance[:, mask].amax(1) <= outside).any()


def test_block_sizes_are_shares_between_two() -> None:
    sizes = block_sizes(torch.zeros(4000, 64, 3), (0.25, 0.45), torch.Generator().manual_seed(0))
    assert (int(sizes.min()), int(sizes.max())) == (16, 28)
    assert sizes.float().mean() == pytest.approx(0.35 * 64 - 0.5, abs=0.3)
    assert int(block_sizes(torch.zeros(5, 2, 3), (0.1, 0.2), torch.Generator().manual_seed(0)).min()) == 1


@pytest.mark.parametrize(("tokens", "high"), [(64, 0.45), (16, 0.5), (10, 0.7), (100, 0.29), (3, 0.99)])
def test_no_block_is_larger_than_the_most(tokens: int, high: float) -> None:
    sizes = block_sizes(torch.zeros(20_000, tokens, 3), (high - 1e-7, high), torch.Generator().manual_seed(0))
    assert int(sizes.max()) <= most_masked(tokens, (high - 1e-7, high)) <= tokens


def test_blocks_follow_from_the_generator_and_differ() -> None:
    centres, counts = cloud(1, 32).expand(50, -1, -1), torch.full((50,), 8)
    first, again = (block_mask(centres, counts, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert len({tuple(mask.tolist()) for mask in first}) > 10


def test_masked_points_reach_nothing_but_the_target() -> None:
    model = PointMAE(POINT_MAE).eval()
    hierarchy = model.tokenise(cloud())
    visible = first_visible(model, cloud())
    hidden = ~visible[:, :, None, None]
    spoilt = (hierarchy[0]._replace(offsets=hierarchy[0].offsets + 5 * hidden),)
    before, after = model(hierarchy, visible), model(spoilt, visible)
    torch.testing.assert_close(before.offsets, after.offsets)
    assert torch.equal(before.masked, ~visible)
    assert not torch.allclose(
        model.target_offsets(hierarchy, before.masked), model.target_offsets(spoilt, before.masked)
    )


def test_predictions_stand_in_the_order_of_their_targets() -> None:
    model = PointMAE(POINT_MAE).eval()
    hierarchy = model.tokenise(cloud())
    visible = first_visible(model, cloud())
    with torch.no_grad():
        found = model(hierarchy, visible)
        alone = [
            model((type(hierarchy[0])(*(part[b : b + 1] for part in hierarchy[0])),), visible[b : b + 1])
            for b in range(3)
        ]
    torch.testing.assert_close(found.offsets, torch.cat([one.offsets for one in alone]), rtol=1e-4, atol=1e-5)
    assert found.offsets.shape == model.target_offsets(hierarchy, found.masked).shape == (3 * 10, 8, 3)


def test_every_parameter_learns() -> None:
    model = PointMAE(POINT_MAE).train()
    hierarchy = model.tokenise(cloud())
    model(hierarchy, first_visible(model, cloud())).offsets.square().sum().backward()
    assert not {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}


def test_embedding() -> None:
    model = PointMAE(POINT_MAE).eval()
    assert model.embed(cloud()).shape == (3, 24) == (3, model.embedding_dim())
    assert model.embed(cloud(), "mean|max").shape == (3, 48)
    assert model.point_features(cloud()).shape == (3, 64, model.point_feature_dim)


@pytest.mark.parametrize("change", [{"decoder_heads": 5}, {"mask_ratio": 1.0}, {"mask_kind": "half"}, {"depth": 0}])
def test_sizes_that_do_not_fit_are_refused(change: dict) -> None:
    with pytest.raises(ValidationError):
        PointMAEConfig(**POINT_MAE.model_dump() | change)
