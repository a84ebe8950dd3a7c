"""Pre-training of I2P-MAE and Point-M2AE against stored outputs of the published code."""

from pathlib import Path

import pytest
import torch

from i2pmae.encoders.masking import propagate
from i2pmae.encoders.tokenizer import Hierarchy, point_indices, tokenise
from i2pmae.encoders.tokens import pool
from i2pmae.methods.config import METHOD_CONFIGS
from i2pmae.methods.i2p_mae.config import I2PMAEConfig
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.losses import coordinate_loss, semantic_loss
from i2pmae.ops import gather
from i2pmae.projection.lift import lift
from i2pmae.projection.rasterise import project
from i2pmae.projection.views import AXIS_VIEWS
from tests.parity.cases import STORED, Case, cases, read
from tests.parity.naming import fill, our_names

VIEWS = len(AXIS_VIEWS)


@pytest.fixture(params=cases("i2p-pretrain", "m2ae-pretrain"))
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
        semantic_dim=VIEWS * stored["clip_config"]["feat_dim"] if "clip_config" in stored else 0,
    )
    model = I2PMAE(config)
    model.pooling = METHOD_CONFIGS[method_of(case)].model_fields["pooling"].default
    fill(model, case, method_of(case))
    return model


def method_of(case: Case) -> str:
    return "i2p-mae" if "clip_config" in case.config else "point-m2ae"


def by_cloud(maps: torch.Tensor) -> torch.Tensor:
    """Stored maps lie view by view; ours cloud by cloud."""
    return maps.unflatten(0, (VIEWS, -1)).transpose(0, 1)


def hierarchy_of(case: Case) -> Hierarchy:
    return tokenise(case.given("points"), case.config["num_groups"], case.config["group_sizes"])


def visible_of(case: Case, hierarchy: Hierarchy) -> list[torch.Tensor]:
    return list(propagate(~case.given("mask_top"), hierarchy))


def test_groups(case: Case) -> None:
    hierarchy = hierarchy_of(case)
    below = case.records["points"].shape[1]
    for number, level in enumerate(hierarchy):
        offset = torch.arange(len(level.neighbours))[:, None, None] * below
        case.check(f"level{number}.centers", level.centres)
        case.check(f"level{number}.flat_neighbor_index", level.neighbours + offset)
        case.check(f"level{number}.neighborhoods", level.offsets)
        below = level.centres.shape[1]
    # Without groups of its own, a run still shows by its masks which token groups which.
    for number, mask in enumerate(visible_of(case, hierarchy)):
        case.check(f"level{number}.mask", ~mask)


@pytest.mark.parametrize("path", cases("i2p-pretrain"))
def test_depth_maps(path: Path) -> None:
    case = read(path)
    images = project(case.given("points")).images
    case.check("depth_maps", images.transpose(0, 1).flatten(0, 1))


@pytest.mark.parametrize("path", cases("i2p-pretrain"))
def test_saliency_cloud(path: Path) -> None:
    case = read(path)
    patches = case.given("teacher_cls_attention")[:, 1:]
    side = int(patches.shape[1] ** 0.5)
    maps = by_cloud(patches.unflatten(1, (1, side, side)))
    points, hierarchy = case.given("points"), hierarchy_of(case)
    centres = gather(points, point_indices(hierarchy, -1))
    case.check("saliency_cloud", lift(maps, centres, project(points).frame).mean((2, 3)))


def test_masks_and_visible_tokens(case: Case) -> None:
    hierarchy = hierarchy_of(case)
    visible = visible_of(case, hierarchy)
    with torch.no_grad():
        encoded = build(case).eval().encode(hierarchy, visible)
    for number, (mask, level) in enumerate(zip(visible, encoded, strict=True)):
        valid = level.packing.valid
        case.check(f"level{number}.mask", ~mask)
        case.check(f"level{number}.visible_valid", valid)
        case.check(f"level{number}.visible_tokens", level.tokens, where=valid)


# Batch statistics of visible tokens differ from those of all tokens by design, so not in training.
@pytest.mark.parametrize(("mode", "embed_visible_only"), [("eval", False), ("eval", True), ("train", False)])
def test_losses_and_gradients(case: Case, mode: str, embed_visible_only: bool) -> None:
    points, hierarchy = case.given("points"), hierarchy_of(case)
    model = build(case).train(mode == "train")
    model.encoder.config = model.config.changed(embed_visible_only=embed_visible_only)
    found = model(hierarchy, visible_of(case, hierarchy))
    loss = coordinates = coordinate_loss(found.offsets, model.target_offsets(hierarchy, found.masked))
    case.check(f"{mode}.loss_3d", coordinates)
    if model.semantic_head is not None:
        if not case.has("teacher_features"):
            return  # the recorded gradients are those of both losses
        maps = by_cloud(case.records["teacher_features"])
        features = lift(maps, gather(points, model.target_points(hierarchy)), project(points).frame).flatten(2)
        rows = model.target_rows(hierarchy, found.masked)
        semantics = semantic_loss(model.semantic_head, found.shown, features.flatten(0, 1), rows)
        case.check(f"{mode}.loss_2d", semantics)
        loss = coordinates + semantics
    loss.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    names = our_names(model, case, method_of(case))
    for name in case.gradients(mode):
        # Below the maxima over neighbourhoods a near tie falls either way, by the processor: float64 differs as much.
        case.check(f"{mode}.grad.{name}", gradients[names[name]], 3e-3 if "token_embed.0" in name else 1e-3)


def test_embedding(case: Case) -> None:
    with torch.no_grad():
        case.check("embedding", build(case).eval().embed(case.given("points")))


def test_the_embedding_hides_what_no_coarser_token_groups() -> None:
    """The run of published size has such a token; to show it moves the embedding by more than the tolerance."""
    case = read(STORED / "m2ae-pretrain-full.json")
    model = build(case).eval()
    hierarchy = hierarchy_of(case)
    grouped = model.encoder.grouped(hierarchy)
    assert grouped is not None
    assert [int((~level).sum()) for level in grouped] == [0, 1, 0]
    with torch.no_grad():
        shown = pool(model.encode(hierarchy), model.pooling)
    with pytest.raises(AssertionError, match="embedding: off by"):
        case.check("embedding", shown)


def test_a_wrong_value_is_noticed(case: Case) -> None:
    with pytest.raises(AssertionError, match="points"):
        case.check("points", case.given("points") + 1e-3)
