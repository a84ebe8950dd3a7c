"""Point-BERT's discrete VAE and masked transformer against stored outputs of the published code."""

from pathlib import Path

import pytest
import torch

from i2pmae.methods.point_bert.config import DiscreteVAEConfig, PointBERTConfig
from i2pmae.methods.point_bert.dvae import DiscreteVAE
from i2pmae.methods.point_bert.losses import uniform_divergence, vae_reconstruction_loss
from i2pmae.methods.point_bert.model import PointBERT
from tests.parity.cases import Case, cases, read
from tests.parity.naming import fill


@pytest.fixture(params=cases("bert-dvae"))
def vae_case(request: pytest.FixtureRequest) -> Case:
    path: Path = request.param
    return read(path)


def build_vae(case: Case) -> DiscreteVAE:
    stored = case.config
    config = DiscreteVAEConfig(
        group_count=stored["num_group"],
        group_size=stored["group_size"],
        embed_dim=stored["encoder_dims"],
        codes=stored["num_tokens"],
        code_dim=stored["tokens_dims"],
        decoder_dim=stored["decoder_dims"],
    )
    model = DiscreteVAE(config)
    fill(model, case, "point-bert", "vocabulary")
    return model


@torch.no_grad()
def test_discrete_vae(vae_case: Case) -> None:
    model = build_vae(vae_case)
    hierarchy = model.tokenise(vae_case.given("points"))
    level = hierarchy[0]
    logits = model.logits(hierarchy)
    coarse, fine = model.decode(logits.softmax(-1), level.centres)
    vae_case.check("centers", level.centres)
    vae_case.check("token_logits", logits)
    vae_case.check("softmax_coarse", coarse)
    vae_case.check("softmax_fine", fine)
    vae_case.check("loss_reconstruction", vae_reconstruction_loss(coarse, fine, level.offsets))
    vae_case.check("loss_kl", uniform_divergence(logits))


@pytest.mark.parametrize("path", cases("bert-masked"))
@torch.no_grad()
def test_masked_transformer(path: Path) -> None:
    case = read(path)
    stored, words = case.config["transformer_config"], case.config["dvae_config"]
    sizes = {"group_count": words["num_group"], "group_size": words["group_size"]}
    config = PointBERTConfig(
        **sizes,
        token_width=words["encoder_dims"],
        width=stored["trans_dim"],
        depth=stored["depth"],
        heads=stored["num_heads"],
        drop_path=stored["drop_path_rate"],
        class_width=stored["cls_dim"],
        mask_ratio=stored["mask_ratio"],
        vae=DiscreteVAEConfig(**sizes, embed_dim=words["encoder_dims"], codes=words["num_tokens"]),
    )
    model = PointBERT(config)
    fill(model, case, "point-bert")
    hierarchy = model.tokenise(case.given("points"))
    masked = case.given("mask")
    case.check("centers", hierarchy[0].centres)
    logits = model.token_head(model.contextualise(hierarchy, masked)[0])
    case.check("token_logits", logits)
    found = model(hierarchy, masked)
    case.check("cls_feature", found.cloud)
    torch.testing.assert_close(found.words, logits[masked])
