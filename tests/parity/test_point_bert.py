"""Point-BERT's discrete VAE and masked transformer against stored outputs of the published code."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

from i2pmae.hub.released.names import PLAIN_NAMES, VOCABULARY_NAMES, rename
from i2pmae.models import DiscreteVAE, DiscreteVAEConfig, PointBERT, PointBERTConfig
from i2pmae.objectives import uniform_divergence, vae_reconstruction_loss
from tests.parity.cases import Case, cases, read


def load(model: nn.Module, case: Case, names: Mapping[str, str]) -> None:
    model.load_state_dict(rename(case.weights, model.state_dict(), names))
    model.eval()


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
    load(model, case, VOCABULARY_NAMES)
    return model


@torch.no_grad()
def test_discrete_vae(vae_case: Case) -> None:
    model = build_vae(vae_case)
    hierarchy = model.tokenise(vae_case.records["points"])
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
    load(model, case, PLAIN_NAMES)
    hierarchy = model.tokenise(case.records["points"])
    masked = case.records["mask"]
    case.check("centers", hierarchy[0].centres)
    case.check("token_logits", model.token_head(model.contextualise(hierarchy, masked)[0]))
    found = model(hierarchy, masked)
    case.check("cls_feature", found.cloud)
    torch.testing.assert_close(found.words, case.records["token_logits"][masked], rtol=1e-4, atol=1e-4)


def test_there_are_cases() -> None:
    assert cases("bert-dvae") and cases("bert-masked")
