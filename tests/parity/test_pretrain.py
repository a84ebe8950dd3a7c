"""Pre-training of I2P-MAE and Point-M2AE against stored outputs of the published code."""

from pathlib import Path

import pytest
import torch

from i2pmae.hub.released.names import rename
from i2pmae.models import I2PMAE, Hierarchy, I2PMAEConfig, point_indices, propagate, tokenise
from i2pmae.objectives import coordinate_loss, semantic_loss
from i2pmae.ops import gather
from i2pmae.projection import AXIS_VIEWS, lift, project
from tests.parity.cases import Case, cases, read

VIEWS = len(AXIS_VIEWS)


KINDS = ("i2p-pretrain", "m2ae-pretrain")


@pytest.fixture(params=[case for kind in KINDS for case in cases(kind)])
def case(request: pytest.FixtureRequest) -> Case:
    path: Path = request.param
    return read(path)


def build(case: Case) -> I2PMAE:
    stored = case.config
    config = I2PMAEConfig(
        group_counts=stored["num_groups"],
        group_sizes=stored["group_sizes"],
        encoder_dims=stored["encoder_dims"],
        encoder_depths=stored["encoder_depths"],
        decoder_dims=stored["decoder_dims"],
        decoder_depths=stored["decoder_depths"],
        heads=stored["num_heads"],
        drop_path=stored["drop_path_rate"],
        mask_ratio=stored["mask_ratio"],
        # The public Point-M2AE predicts as many points as a level-0 group has.
        predicted_points=None if "clip_config" in stored else stored["group_sizes"][0],
    )
    model = I2PMAE(config, VIEWS * stored["clip_config"]["feat_dim"] if "clip_config" in stored else 0)
    model.load_state_dict(rename(case.weights, model.state_dict()))
    return model


def by_cloud(maps: torch.Tensor) -> torch.Tensor:
    """Stored maps lie view by view; ours cloud by cloud."""
    return maps.unflatten(0, (VIEWS, -1)).transpose(0, 1)


def hierarchy_of(case: Case) -> Hierarchy:
    return tokenise(case.records["points"], case.config["num_groups"], case.config["group_sizes"])


def visible_of(case: Case, hierarchy: Hierarchy) -> list[torch.Tensor]:
    return list(propagate(~case.records["mask_top"], hierarchy))


def test_groups(case: Case) -> None:
    hierarchy = hierarchy_of(case)
    below = case.records["points"].shape[1]
    for number, level in enumerate(hierarchy):
        offset = torch.arange(len(level.neighbours))[:, None, None] * below
        case.check(f"level{number}.centers", level.centres)
        case.check(f"level{number}.flat_neighbor_index", level.neighbours + offset)
        case.check(f"level{number}.neighborhoods", level.offsets)
        below = level.centres.shape[1]


def test_depth_maps(case: Case) -> None:
    images = project(case.records["points"]).images
    case.check("depth_maps", images.transpose(0, 1).flatten(0, 1))


def test_saliency_cloud(case: Case) -> None:
    if "teacher_cls_attention" not in case.records:
        pytest.skip("the case has no attention record")
    patches = case.records["teacher_cls_attention"][:, 1:]
    side = int(patches.shape[1] ** 0.5)
    maps = by_cloud(patches.unflatten(1, (1, side, side)))
    points, hierarchy = case.records["points"], hierarchy_of(case)
    centres = gather(points, point_indices(hierarchy, -1))
    case.check("saliency_cloud", lift(maps, centres, project(points).frame).mean((2, 3)))


def test_masks_and_visible_tokens(case: Case) -> None:
    hierarchy = hierarchy_of(case)
    visible = visible_of(case, hierarchy)
    with torch.no_grad():
        encoded = build(case).eval().encode(hierarchy, visible)
    for number, (mask, level) in enumerate(zip(visible, encoded, strict=True)):
        case.check(f"level{number}.mask", ~mask)
        case.check(f"level{number}.visible_valid", level.packing.valid)
        record = f"level{number}.visible_tokens"
        if record in case.records:
            shown = level.packing.valid[..., None]
            torch.testing.assert_close(level.tokens * shown, case.records[record] * shown, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("embed_visible_only", [False, True])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_losses_and_gradients(case: Case, mode: str, embed_visible_only: bool) -> None:
    if mode == "train" and embed_visible_only:
        pytest.skip("batch statistics of visible tokens differ from those of all tokens by design")
    points, hierarchy = case.records["points"], hierarchy_of(case)
    model = build(case).train(mode == "train")
    model.encoder.config = model.config.model_copy(update={"embed_visible_only": embed_visible_only})
    found = model(hierarchy, visible_of(case, hierarchy))
    loss = coordinates = coordinate_loss(found.offsets, model.target_offsets(hierarchy, found.masked))
    case.check(f"{mode}.loss_3d", coordinates)
    if "teacher_features" in case.records and found.semantics is not None:
        maps = by_cloud(case.records["teacher_features"])
        features = lift(maps, gather(points, model.target_points(hierarchy)), project(points).frame).flatten(2)
        semantics = semantic_loss(found.semantics, model.target_semantics(hierarchy, features, found.masked))
        case.check(f"{mode}.loss_2d", semantics)
        loss = coordinates + semantics
    loss.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    recorded = [name for name in case.weights if f"{mode}.grad.{name}" in case.records]
    for name in recorded:
        (ours,) = rename({name: case.weights[name]}, model.state_dict())
        case.check(f"{mode}.grad.{name}", gradients[ours], 1e-3)


def test_embedding(case: Case) -> None:
    with torch.no_grad():
        pooling = "max" if "clip_config" in case.config else "mean+max"
        case.check("embedding", build(case).eval().embed(case.records["points"], pooling))


def test_there_are_cases() -> None:
    assert all(cases(kind) for kind in KINDS)


def test_a_wrong_value_is_noticed(case: Case) -> None:
    with pytest.raises(AssertionError, match="points"):
        case.check("points", case.records["points"] + 1e-3)
