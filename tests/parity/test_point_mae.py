"""Pre-training of Point-MAE against stored outputs of the published code."""

from pathlib import Path

import pytest
import torch

from i2pmae.methods.losses import coordinate_loss
from i2pmae.methods.point_mae.config import PointMAEConfig
from i2pmae.methods.point_mae.model import PointMAE
from tests.parity.cases import Case, cases, read
from tests.parity.naming import fill, our_names


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
    fill(model, case, "point-mae")
    return model


def test_tokens(case: Case) -> None:
    model = build(case).eval()
    hierarchy = model.tokenise(case.given("points"))
    case.check("centers", hierarchy[0].centres)
    with torch.no_grad():
        case.check("all_tokens", model.encode(hierarchy).tokens)
        case.check("visible_tokens", model.encode(hierarchy, ~case.given("mask")).tokens)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_loss_and_gradients(case: Case, mode: str) -> None:
    model = build(case).train(mode == "train")
    hierarchy = model.tokenise(case.given("points"))
    found = model(hierarchy, ~case.given("mask"))
    loss = coordinate_loss(found.offsets, model.target_offsets(hierarchy, found.masked))
    case.check(f"{mode}.loss_3d", loss)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    names = our_names(model, case, "point-mae")
    for name in case.gradients(mode):
        case.check(f"{mode}.grad.{name}", gradients[names[name]], 1e-3)
