"""The masked autoencoder: what it may see, what it must not, and how it fails."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from i2pmae.common.errors import UsageError
from i2pmae.encoders.base import EncoderModel, PointModel
from i2pmae.encoders.config import GuidanceKind
from i2pmae.encoders.masking import guidance_logits, propagate, sample_visible, visible_count
from i2pmae.encoders.tokenizer import Hierarchy, check_points, point_indices, tokenise
from i2pmae.methods.i2p_mae.config import I2PMAEConfig
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.ops import gather
from i2pmae.tasks.classifier.config import ClassifierConfig
from i2pmae.tasks.classifier.model import Classifier

CONFIG = I2PMAEConfig(
    group_counts=(32, 16, 8),
    group_sizes=(8, 4, 4),
    embed_widths=(8, 8, 16),
    encoder_dims=(12, 24, 48),
    encoder_depths=(1, 1, 1),
    decoder_dims=(48, 24),
    decoder_depths=(1, 1),
    heads=2,
    mask_ratio=0.6,
)
WITH_SEMANTICS = CONFIG.changed(semantic_dim=6)


def cloud(batch: int = 3, points: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, points, 3, generator=torch.Generator().manual_seed(seed))


def visible_in(hierarchy, seed: int = 0, count: int = 3) -> list[torch.Tensor]:
    logits = torch.zeros(hierarchy[-1].centres.shape[:2])
    return list(propagate(sample_visible(logits, count, torch.Generator().manual_seed(seed)), hierarchy))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8))
def test_a_fine_token_is_visible_exactly_when_a_visible_coarse_token_groups_it(seed: int, count: int) -> None:
    hierarchy = tokenise(cloud(2, 64, seed), CONFIG.group_counts, CONFIG.group_sizes)
    masks = visible_in(hierarchy, seed, count)
    assert [m.shape[1] for m in masks] == [32, 16, 8]
    for level in (1, 2):
        for b in range(2):
            grouped = {int(i) for i in hierarchy[level].neighbours[b][masks[level][b]].flatten()}
            assert set(masks[level - 1][b].nonzero()[:, 0].tolist()) == grouped


def test_levels_are_prefixes_and_know_their_points() -> None:
    points = cloud()
    hierarchy = tokenise(points, CONFIG.group_counts, CONFIG.group_sizes)
    for number, level in enumerate(hierarchy):
        assert torch.equal(gather(points, point_indices(hierarchy, number)), level.centres)
    assert torch.equal(hierarchy[2].centres, hierarchy[0].centres[:, :8])
    assert (hierarchy[0].offsets[:, :, 0] == 0).all(), "a centre is its own first neighbour"


def test_guidance_prefers_salient_tokens_as_much_as_asked() -> None:
    saliency = torch.linspace(0, 0.02, 64).repeat(2000, 1)
    draws = {}
    for kind, temperature in (
        ("paper", 1.0),
        ("standardised", 1.0),
        ("standardised", 0.5),
        ("log", 1.0),
        ("rank", 1.0),
        ("random", 1.0),
    ):
        logits = guidance_logits(saliency, kind, temperature)
        visible = sample_visible(logits, 13, torch.Generator().manual_seed(0)).float().mean(0)
        draws[kind, temperature] = (visible[-8:].mean() / visible[:8].mean()).item()
    assert draws["random", 1.0] == pytest.approx(1, abs=0.1)
    assert draws["paper", 1.0] == pytest.approx(1, abs=0.1)
    assert min(draws[kind, 1.0] for kind in ("standardised", "log", "rank")) > 5
    assert draws["standardised", 0.5] > 2 * draws["standardised", 1.0]


def test_sampling_follows_the_softmax() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0]).repeat(20000, 1)
    drawn = sample_visible(logits, 1, torch.Generator().manual_seed(0)).float().mean(0)
    torch.testing.assert_close(drawn, logits[0].softmax(0), rtol=0, atol=0.02)


@pytest.mark.parametrize("kind", ["standardised", "log", "rank"])
def test_equal_saliency_gives_equal_chances_and_no_nan(kind: GuidanceKind) -> None:
    for value in (0.3, 0.0, -1.0):
        logits = guidance_logits(torch.full((2, 5), value), kind)
        assert torch.equal(logits, logits[:, :1].expand(2, 5)) and torch.isfinite(logits).all()


@pytest.mark.parametrize(("tokens", "ratio", "expected"), [(64, 0.8, 13), (64, 0.6, 26), (16, 0.8, 4), (4, 0.99, 1)])
def test_the_mask_ratio_counts_masked_tokens(tokens: int, ratio: float, expected: int) -> None:
    assert visible_count(tokens, ratio) == expected


@pytest.mark.parametrize("radii", [None, (0.5, 1.0, 2.0)])
@pytest.mark.parametrize("visible_only", [False, True])
def test_masked_tokens_do_not_reach_the_encoder(radii, visible_only: bool) -> None:
    config = WITH_SEMANTICS.changed(attention_radii=radii, embed_visible_only=visible_only)
    model = I2PMAE(config).eval()
    hierarchy = model.tokenise(cloud())
    visible = visible_in(hierarchy)
    before = model.encode(hierarchy, visible)
    spoilt = list(hierarchy)
    hidden = ~visible[0][:, :, None, None]
    spoilt[0] = hierarchy[0]._replace(offsets=hierarchy[0].offsets + 7 * hidden)
    after = model.encode(tuple(spoilt), visible)
    for level in range(3):
        valid = before[level].packing.valid
        torch.testing.assert_close(before[level].tokens[valid], after[level].tokens[valid])


@pytest.mark.parametrize("radii", [None, (0.5, 1.0, 2.0)])
def test_padding_changes_nothing(radii) -> None:
    model = I2PMAE(WITH_SEMANTICS.changed(attention_radii=radii)).eval()
    points = cloud(4)
    hierarchy = model.tokenise(points)
    visible = visible_in(hierarchy)
    assert len({int(m) for m in visible[0].sum(1)}) > 1, "clouds of different counts, so that there is padding"
    together = model.encode(hierarchy, visible)
    for b in range(4):
        alone = model.encode(model.tokenise(points[b : b + 1]), [m[b : b + 1] for m in visible])
        for level in range(3):
            valid = together[level].packing.valid[b]
            torch.testing.assert_close(together[level].tokens[b][valid], alone[level].tokens[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("radii", [None, (0.3, 0.6, 1.2)])
def test_a_class_token_sees_every_visible_token_and_no_padding(radii) -> None:
    torch.manual_seed(0)
    config = CONFIG.changed(class_token=True, attention_radii=radii, encoder_depths=(1, 1, 2))
    model = I2PMAE(config).eval()
    hierarchy = model.tokenise(cloud())
    visible = visible_in(hierarchy)
    visible[-1][1, visible[-1][1].nonzero()[0, 0]] = False  # one cloud shows fewer, and is padded
    together = model.encode(hierarchy, visible)[-1]
    assert together.class_token.shape == (3, 48) and not together.packing.valid.all()
    for row in range(3):
        alone = model.encode(
            tuple(type(level)(*(part[row : row + 1] for part in level)) for level in hierarchy),
            [level[row : row + 1] for level in visible],
        )[-1]
        torch.testing.assert_close(together.class_token[row], alone.class_token[0], rtol=1e-4, atol=1e-5)
    # By hand: the blocks over [CLS] and the visible tokens of one cloud.
    stage, seen = model.encoder.stages[-1], []
    plain = model.encoder.stages[-1][0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    whole = model.encode(hierarchy)[-1]
    plain.remove()
    x = seen[0]
    position = torch.cat(
        [model.encoder.cls_position.expand(3, 1, 48), model.encoder.positions[-1](hierarchy[-1].centres)], 1
    )
    torch.testing.assert_close(x[:, :1], (model.encoder.cls_token + model.encoder.cls_position).expand(3, 1, 48))
    if radii is None:
        x = stage[1](stage[0](x) + position)
        torch.testing.assert_close(whole.class_token, model.encoder.norms[-1](x[:, 0]), rtol=1e-4, atol=1e-5)
    assert model.embedding_dim("class|max") == 96
    model.pooling = "class|max"
    torch.testing.assert_close(
        model.embed(cloud())[:, :48], model.encode(hierarchy, model.encoder.grouped(hierarchy))[-1].class_token
    )


@pytest.mark.parametrize(("radii", "noticed"), [((0.2, 0.2, 0.2), False), (None, True)])
def test_attention_stays_inside_its_radius(radii, noticed: bool) -> None:
    model = I2PMAE(CONFIG.changed(attention_radii=radii)).eval()
    near = cloud(1, 64) * 0.03
    hierarchy = model.tokenise(torch.cat([near, near + 10], dim=1))
    far = hierarchy[0].centres.norm(dim=-1) > 5
    assert far.any()
    assert not far.all()
    spoilt = (hierarchy[0]._replace(offsets=hierarchy[0].offsets * (1 + far[..., None, None])), *hierarchy[1:])
    before, after = (model.encode(h)[0].tokens[~far] for h in (hierarchy, spoilt))
    assert torch.allclose(before, after, rtol=1e-4, atol=1e-6) is not noticed


LOOSE = CONFIG.changed(group_sizes=(8, 2, 2))
"""Groups so small that some finer tokens are in none."""


def spoilt_where_ungrouped(model: PointModel, points: torch.Tensor) -> Hierarchy:
    """The groups of a cloud, other points in those of the finest level that no coarser token groups."""
    hierarchy = model.encoder.tokenise(points)
    grouped = model.encoder.grouped(hierarchy)
    assert grouped is not None
    for level in (0, 1):
        for b in range(len(points)):
            members = hierarchy[level + 1].neighbours[b][grouped[level + 1][b]]
            assert set(grouped[level][b].nonzero()[:, 0].tolist()) == set(members.flatten().tolist())
    assert grouped[2].all()
    assert 0 < (~grouped[0]).sum() < grouped[0].numel()
    spoilt = hierarchy[0].offsets + 7 * ~grouped[0][..., None, None]
    return (hierarchy[0]._replace(offsets=spoilt), *hierarchy[1:])


def attentive(model: PointModel) -> PointModel:
    """In evaluation mode, with weights so large that tokens heed each other."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(10 if parameter.dim() == 2 else 1)
    return model.eval()


def fine_tuned(config: I2PMAEConfig) -> Classifier:
    return Classifier(ClassifierConfig(encoder=config.alone(), classes=("a", "b"), head_widths=(8,)))


@pytest.mark.parametrize(("make", "moved"), [(I2PMAE, False), (EncoderModel, False), (fine_tuned, True)])
def test_only_fine_tuned_embeddings_see_tokens_that_no_coarser_one_groups(
    make: Callable[[I2PMAEConfig], PointModel], moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, points = attentive(make(LOOSE)), cloud()
    before = model.embed(points)
    spoilt = spoilt_where_ungrouped(model, points)
    monkeypatch.setattr(model, "tokenise", lambda _: spoilt)
    assert (not torch.allclose(before, model.embed(points), rtol=1e-4, atol=1e-5)) is moved


def test_an_embedding_of_a_cloud_does_not_depend_on_what_others_hide() -> None:
    model, points = I2PMAE(LOOSE).eval(), cloud(5)
    together = model.embed(points)
    alone = torch.cat([model.embed(one) for one in points.split(1)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_dense_features_and_heads_see_all_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    points = cloud()
    classifier = fine_tuned(LOOSE).eval()
    assert torch.equal(classifier(points), classifier.head(classifier.embed(points)))
    for model in (I2PMAE(LOOSE).eval(), classifier):
        before = model.point_features(points)
        spoilt = spoilt_where_ungrouped(model, points)
        monkeypatch.setattr(model, "tokenise", lambda _, spoilt=spoilt: spoilt)
        assert not torch.allclose(before, model.point_features(points), rtol=1e-4, atol=1e-5)


def test_nothing_is_hidden_where_every_token_is_grouped() -> None:
    encoder = I2PMAE(CONFIG.changed(group_sizes=(8, 16, 16))).encoder
    assert encoder.grouped(encoder.tokenise(cloud())) is None


def test_the_order_of_points_after_the_first_does_not_matter() -> None:
    model = I2PMAE(WITH_SEMANTICS).eval()
    points = cloud(2)
    shuffled = torch.cat([points[:, :1], points[:, 1:].flip(1)], dim=1)
    torch.testing.assert_close(model.embed(points), model.embed(shuffled), rtol=1e-4, atol=1e-5)


def test_shapes_of_everything() -> None:
    model = I2PMAE(WITH_SEMANTICS)
    hierarchy = model.tokenise(cloud())
    visible = visible_in(hierarchy)
    found = model(hierarchy, visible)
    masked = int((~visible[1]).sum())
    assert found.offsets.shape == (masked, 4, 3) == model.target_offsets(hierarchy, found.masked).shape
    semantics = model.semantics(found)
    assert semantics is not None
    assert semantics.shape == (3 * 16 - masked, 4, 6)
    assert model.target_rows(hierarchy, found.masked).shape == semantics.shape[:2]
    assert model.embed(cloud()).shape == (3, model.embedding_dim()) == (3, 48)
    assert model.point_features(cloud()).shape == (3, 64, 12 + 24 + 48)


def test_every_parameter_learns() -> None:
    model = I2PMAE(WITH_SEMANTICS).train()
    hierarchy = model.tokenise(cloud())
    found = model(hierarchy, visible_in(hierarchy))
    (found.offsets.square().sum() + model.semantics(found).square().sum()).backward()
    idle = {n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert idle == {"encoder.norms.0.weight", "encoder.norms.0.bias"}, "only the decoder's levels are normalised"


def test_without_semantics_there_is_no_semantic_head() -> None:
    model = I2PMAE(CONFIG)
    hierarchy = model.tokenise(cloud())
    assert model.semantics(model(hierarchy, visible_in(hierarchy))) is None
    assert not any(name.startswith("semantic") for name in model.state_dict())


def test_a_batch_of_one_and_a_bf16_model_work() -> None:
    model = I2PMAE(WITH_SEMANTICS).train()
    hierarchy = model.tokenise(cloud(1))
    with torch.autocast("cpu", torch.bfloat16):
        found = model(hierarchy, visible_in(hierarchy))
    assert torch.isfinite(found.offsets.float()).all()


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (torch.zeros(64, 3), r"\(clouds, points, 3\), got \(64, 3\)"),
        (torch.zeros(2, 64, 6), r"points\[\.\.\., :3\]"),
        (torch.zeros(2, 64, 3, dtype=torch.int64), "floating-point"),
        (torch.zeros(0, 64, 3), "at least one cloud"),
        (torch.zeros(2, 31, 3), "at least 32 points"),
    ],
)
def test_wrong_points_are_explained(points: torch.Tensor, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check_points(points, I2PMAE(CONFIG).min_points)


@pytest.mark.parametrize(
    "change",
    [
        {"group_sizes": (8, 4)},
        {"group_counts": (32, 32, 8)},
        {"decoder_dims": (24, 24)},
        {"decoder_depths": (1,)},
        {"heads": 5},
        {"mask_ratio": 1.0},
        {"attention_radii": (1.0,)},
        {"group_sizes": (8, 4, 17)},
    ],
)
def test_sizes_that_do_not_fit_are_refused(change: dict) -> None:
    with pytest.raises(ValidationError):
        I2PMAEConfig(**{**CONFIG.model_dump(), **change})
