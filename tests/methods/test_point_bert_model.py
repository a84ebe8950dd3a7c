"""Point-BERT's discrete VAE and its masked transformer."""

import pytest
import torch
from pydantic import ValidationError

from i2pmae.common.errors import UsageError
from i2pmae.methods.point_bert.config import DiscreteVAEConfig, PointBERTConfig
from i2pmae.methods.point_bert.dvae import DiscreteVAE
from i2pmae.methods.point_bert.model import PointBERT
from tests.small import POINT_BERT, VAE


def cloud(batch: int = 3, points: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, points, 3, generator=torch.Generator().manual_seed(seed))


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_vae_makes_a_quarter_and_then_all_points_of_every_group() -> None:
    vae = DiscreteVAE(VAE)
    hierarchy = vae.tokenise(cloud())
    found = vae(hierarchy, 1.0, draws())
    assert found.coarse.shape == (3, 16, 2, 3)
    assert found.fine.shape == (3, 16, 8, 3) == hierarchy[0].offsets.shape
    assert found.logits.shape == (3, 16, 12)
    words = vae.words(hierarchy)
    assert words.shape == (3, 16) and int(words.max()) < 12


def test_fine_points_lie_around_their_coarse_point() -> None:
    vae = DiscreteVAE(VAE).eval()
    with torch.no_grad():
        vae.folding.fine_out.weight.zero_()
        vae.folding.fine_out.bias.zero_()
        found = vae(vae.tokenise(cloud()), 1.0, draws())
    assert torch.equal(found.fine.unflatten(2, (2, 4)), found.coarse[:, :, :, None].expand(-1, -1, -1, 4, -1))


def test_a_cold_draw_is_one_word_and_follows_from_the_generator() -> None:
    vae = DiscreteVAE(VAE).eval()
    hierarchy = vae.tokenise(cloud())
    seen: list[torch.Tensor] = []
    vae.from_codes.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        for seed in (0, 0, 1):
            vae(hierarchy, 1e-4, draws(seed))
    distance = torch.cdist(seen[0], vae.codebook)
    assert distance.amin(-1).max() < 1e-3
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])


def test_the_graph_looks_at_neighbouring_groups() -> None:
    vae = DiscreteVAE(VAE.model_copy(update={"graph_widths": (8,)})).eval()
    hierarchy = vae.tokenise(cloud(1))
    offsets = hierarchy[0].offsets.clone()
    offsets[0, 3] += 1
    with torch.no_grad():
        # GroupNorm joins all groups, so the plain layer is looked at: the edge convolution before it.
        vae.to_logits.norms[0] = torch.nn.Identity()
        vae.to_logits.join_norm = torch.nn.Identity()
        before, after = vae.logits(hierarchy), vae.logits((hierarchy[0]._replace(offsets=offsets),))
    changed = (before != after).any(-1)[0]
    near = torch.cdist(hierarchy[0].centres[0], hierarchy[0].centres[0]).topk(4, largest=False).indices
    assert torch.equal(changed, (near == 3).any(1))


def test_every_parameter_of_the_vae_learns() -> None:
    vae = DiscreteVAE(VAE).train()
    found = vae(vae.tokenise(cloud()), 0.5, draws())
    (found.coarse.square().sum() + found.fine.square().sum()).backward()
    assert not {name for name, p in vae.named_parameters() if p.grad is None or not p.grad.any()}


@pytest.mark.parametrize(
    "change",
    [{"group_size": 10}, {"codes": 13}, {"graph_widths": (6,)}, {"graph_widths": ()}, {"graph_neighbours": 17}],
)
def test_sizes_of_a_vae_that_do_not_fit_are_refused(change: dict) -> None:
    with pytest.raises(ValidationError):
        DiscreteVAEConfig(**VAE.model_dump() | change)


def test_too_few_points_for_a_vae_are_explained() -> None:
    with pytest.raises(UsageError, match="at least 16 points"):
        DiscreteVAE(VAE).tokenise(cloud(2, 12))


def test_masked_groups_do_not_reach_the_prediction() -> None:
    model = PointBERT(POINT_BERT).eval()
    hierarchy = model.tokenise(cloud())
    masked = torch.rand(3, 16, generator=draws()) < 0.4
    spoilt = (hierarchy[0]._replace(offsets=hierarchy[0].offsets + 5 * masked[:, :, None, None]),)
    before, after = model(hierarchy, masked), model(spoilt, masked)
    torch.testing.assert_close(before.words, after.words)
    torch.testing.assert_close(before.cloud, after.cloud)
    assert before.words.shape == (int(masked.sum()), 12)
    assert before.cloud.shape == (3, 8) == model.describe(hierarchy, masked).shape
    assert not torch.allclose(model(spoilt, ~masked).words, model(hierarchy, ~masked).words)


def test_every_parameter_learns() -> None:
    model = PointBERT(POINT_BERT).train()
    hierarchy = model.tokenise(cloud())
    masked = torch.rand(3, 16, generator=draws()) < 0.4
    found = model(hierarchy, masked)
    (found.words.square().sum() + found.cloud.square().sum()).backward()
    assert not {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}


def test_embedding_is_class_token_and_maximum() -> None:
    model = PointBERT(POINT_BERT).eval()
    level = model.encoder(model.tokenise(cloud()))[0]
    expected = torch.cat([level.class_token, level.tokens.amax(1)], dim=-1)
    assert torch.equal(model.embed(cloud(), "class|max"), expected)
    assert model.embedding_dim("class|max") == expected.shape[1] == 48


@pytest.mark.parametrize(
    "change",
    [
        {"class_token": False},
        {"mask_ratio": (0.5, 0.4)},
        {"group_count": 20},
        {"token_width": 20},
        {"embed_widths": (8, 16, 64)},
        {"temperature": 0.0},
    ],
)
def test_sizes_that_do_not_fit_are_refused(change: dict) -> None:
    with pytest.raises(ValidationError):
        PointBERTConfig(**POINT_BERT.model_dump() | change)
