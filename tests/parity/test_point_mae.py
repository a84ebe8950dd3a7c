"""Pre-training of Point-MAE against stored outputs of the published code."""

from pathlib import Path

import pytest
import torch

from i2pmae.hub.released.names import PLAIN_NAMES, rename
from i2pmae.models import PointMAE, PointMAEConfig
from i2pmae.objectives import coordinate_loss
from tests.parity.cases import Case, cases, read

NAMES = {
    r"^MAE_encoder\.": r"",
    **PLAIN_NAMES,
    r"^MAE_decoder\.blocks\.": r"decoder.",
    r"^MAE_decoder\.norm\.": r"decoder_norm.",
    r"^decoder_pos_embed\.": r"decoder_position.",
    r"^increase_dim\.0\.": r"coordinate_head.",
}


@pytest.fixture(params=cases("mae-pretrain"))
def case(request: pytest.FixtureRequest) -> Case:
    path: Path = request.param
    return read(path)


def build(case: Case) -> PointMAE:
    stored = case.config["transformer_config"]
    config = PointMAEConfig(
        group_count=case.config["num_group"],
        group_size=case.config["group_size"],
        width=stored["trans_dim"],
        depth=stored["depth"],
        heads=stored["num_heads"],
        drop_path=stored["drop_path_rate"],
        decoder_depth=stored["decoder_depth"],
        decoder_heads=stored["decoder_num_heads"],
        mask_ratio=stored["mask_ratio"],
    )
    model = PointMAE(config)
    model.load_state_dict(rename(case.weights, model.state_dict(), NAMES))
    return model


def test_tokens(case: Case) -> None:
    model = build(case).eval()
    hierarchy = model.tokenise(case.records["points"])
    case.check("centers", hierarchy[0].centres)
    with torch.no_grad():
        case.check("all_tokens", model.encode(hierarchy).tokens)
        case.check("visible_tokens", model.encode(hierarchy, ~case.records["mask"]).tokens)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_loss_and_gradients(case: Case, mode: str) -> None:
    model = build(case).train(mode == "train")
    hierarchy = model.tokenise(case.records["points"])
    found = model(hierarchy, ~case.records["mask"])
    loss = coordinate_loss(found.offsets, model.target_offsets(hierarchy, found.masked))
    case.check(f"{mode}.loss_3d", loss)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    for name, weight in case.weights.items():
        (ours,) = rename({name: weight}, model.state_dict(), NAMES)
        if f"{mode}.grad.{name}" in case.records:
            case.check(f"{mode}.grad.{name}", gradients[ours], 1e-3)


def test_there_is_a_case() -> None:
    assert cases("mae-pretrain")
