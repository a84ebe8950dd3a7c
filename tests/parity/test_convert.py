"""Stored runs as released files, converted by the command, against the outputs of the published code."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from i2pmae.cli import main
from i2pmae.commands.use import load, load_predictor
from i2pmae.common.errors import CheckpointError
from i2pmae.methods.point_bert import VOCABULARY
from i2pmae.methods.point_bert.model import PointBERT
from i2pmae.methods.point_mae.model import PointMAE
from i2pmae.weights.store import load_kind, load_model
from tests.parity.cases import STORED, Case, cases, read

HIERARCHICAL_PRETRAIN = [("i2p-mae", case) for case in cases("i2p-pretrain")]
HIERARCHICAL_PRETRAIN += [("point-m2ae", case) for case in cases("m2ae-pretrain")]
CLIP = {
    "clip_model.logit_scale": torch.tensor(4.6),
    "clip_model.visual.conv1.weight": torch.zeros(4, 3, 2, 2),
    "clip_model.transformer.resblocks.0.attn.in_proj_weight": torch.zeros(6, 2, dtype=torch.float16),
}


def released(path: Path, weights: Mapping[str, torch.Tensor], wrap: str = "base_model", prefix: str = "") -> Path:
    """The weights as training scripts store them: wrapped, prefixed, with scores and an optimiser beside them."""
    named = {prefix + name: tensor for name, tensor in weights.items()}
    beside = {"epoch": 300, "metrics": {"acc": np.float64(92.1)}, "optimizer": {"state": {}, "param_groups": []}}
    torch.save({wrap: named, **beside} if wrap else named, path)
    return path


@pytest.fixture
def convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Path, str]]:
    """Converts by the command; gives the weights folder and what was printed."""

    def run(file: Path, method: str, *options: Any) -> tuple[Path, str]:
        output = tmp_path / "weights"
        given = ["convert", str(file), "--from", method, "--output", str(output), *map(str, options)]
        status = main(given)
        printed = capsys.readouterr()
        assert status == 0, printed.err
        return output, " ".join(printed.out.split())

    return run


def sizes(case: Case, group_sizes: bool = True) -> list[Any]:
    """The options that a case needs because it is smaller than what was published."""
    stored = case.config.get("dvae_config", case.config)
    counts = stored["num_groups"] if "num_groups" in stored else [stored["num_group"]]
    members = stored["group_sizes"] if "group_sizes" in stored else [stored["group_size"]]
    return ["--group-counts", *counts, *(["--group-sizes", *members] if group_sizes else [])]


@pytest.mark.parametrize(("method", "path"), [pytest.param(m, *c.values, id=c.id) for m, c in HIERARCHICAL_PRETRAIN])
@pytest.mark.parametrize(("wrap", "prefix"), [("base_model", ""), ("model", "module."), ("", "module.base_model.")])
def test_hierarchical_pretraining(
    method: str, path: Path, wrap: str, prefix: str, tmp_path: Path, convert: Callable[..., tuple[Path, str]]
) -> None:
    case = read(path)
    extra = CLIP if method == "i2p-mae" else {}
    file = released(tmp_path / "pre-train.pth", {**case.weights, **extra}, wrap, prefix)
    folder, said = convert(file, method, *sizes(case, group_sizes=False))
    encoder = load(folder, "cpu")
    assert (encoder.record.method, encoder.record.task, encoder.record.points) == (method, "pretraining", 2048)
    case.check("embedding", encoder.embed(case.given("points"), normalise=False, max_points=None))
    assert f"used {len(case.weights)} tensors" in said
    assert ("3, 2D model, not part of the encoder: clip_model.logit_scale" in said) == (method == "i2p-mae")
    model = load_model(folder)[0]
    if "clip_config" in case.config:
        assert model.config.semantic_dim == 3 * case.config["clip_config"]["feat_dim"]
    head = next(case.weights[name] for name in ("rec_head.weight", "rec_head_3d.weight") if name in case.weights)
    assert torch.equal(model.get_parameter("coordinate_head.weight"), head[..., 0])


PUBLISHED_CLASSES = {"airplane": 40, "bag": 15}
"""How many classes the set has whose first class is so called."""
CLASSIFIERS = {
    "i2p-modelnet40": ("i2p-mae", ["--settings", "modelnet40"], "airplane"),
    "i2p-scanobjectnn": ("i2p-mae", ["--settings", "scanobjectnn-pb"], "bag"),
    "mae-modelnet40": ("point-mae", [], "airplane"),
    "bert-modelnet40": ("point-bert", [], "airplane"),
}


@pytest.mark.parametrize(("kind", "path"), [pytest.param(k, *c.values, id=c.id) for k in CLASSIFIERS for c in cases(k)])
def test_classifiers(kind: str, path: Path, tmp_path: Path, convert: Callable[..., tuple[Path, str]]) -> None:
    case = read(path)
    method, options, first = CLASSIFIERS[kind]
    radii = ["--attention-radii", *case.config["local_radius"]] if "local_radius" in case.config else []
    file = released(tmp_path / "best.pth", case.weights, prefix="module.")
    folder, _ = convert(file, method, *options, *sizes(case), *radii)
    classifier = load_predictor(folder, "cpu")
    if len(classifier.classes) == PUBLISHED_CLASSES[first]:
        assert classifier.classes[0] == first
    found = classifier.predict(case.given("points"), normalise=False, max_points=None)
    expected = case.given("logits").softmax(-1)
    torch.testing.assert_close(found.probabilities, expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        case.check("logits", classifier.model(case.given("points")))
    assert found.labels == [classifier.classes[index] for index in expected.argmax(-1)]


@pytest.mark.parametrize("path", cases("m2ae-partseg"))
def test_part_segmentation(path: Path, tmp_path: Path, convert: Callable[..., tuple[Path, str]]) -> None:
    case = read(path)
    folder, _ = convert(released(tmp_path / "seg.pth", case.weights, "model_state_dict", "module."), "point-m2ae")
    segmenter = load_predictor(folder, "cpu")
    assert (segmenter.categories[0], segmenter.parts[:2]) == ("Airplane", ("Airplane/0", "Airplane/1"))
    told = case.given("category_one_hot").argmax(1)
    with torch.no_grad():
        case.check("log_probabilities", segmenter.model(case.given("points"), told).log_softmax(-1))


@pytest.mark.parametrize("path", cases("mae-pretrain"))
@pytest.mark.parametrize("prefix", ["", "module."])
def test_point_mae(path: Path, prefix: str, tmp_path: Path, convert: Callable[..., tuple[Path, str]]) -> None:
    case = read(path)
    folder, said = convert(released(tmp_path / "pretrain.pth", case.weights, prefix=prefix), "point-mae", *sizes(case))
    model = load_model(folder)[0]
    assert isinstance(model, PointMAE)
    hierarchy = model.tokenise(case.given("points"))
    with torch.no_grad():
        case.check("all_tokens", model.encode(hierarchy).tokens)
        case.check("visible_tokens", model.encode(hierarchy, ~case.given("mask")).tokens)
    assert f"used {len(case.weights)} tensors" in said
    tokens = case.given("all_tokens")
    embedding = load(folder, "cpu").embed(case.given("points"), normalise=False, max_points=None)
    torch.testing.assert_close(embedding, tokens.mean(1) + tokens.amax(1), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("path", cases("bert-dvae"))
def test_discrete_vae(path: Path, tmp_path: Path, convert: Callable[..., tuple[Path, str]]) -> None:
    case = read(path)
    file = released(tmp_path / "dVAE.pth", case.weights, prefix="module.")
    folder, said = convert(file, "point-bert", *sizes(case))
    vae = load_kind(folder, VOCABULARY)
    level = (hierarchy := vae.tokenise(case.given("points")))[0]
    with torch.no_grad():
        case.check("token_logits", logits := vae.logits(hierarchy))
        coarse, fine = vae.decode(logits.softmax(-1), level.centres)
    case.check("softmax_coarse", coarse)
    case.check("softmax_fine", fine)
    assert "the discrete VAE of stage one of point-bert" in said and f"used {len(case.weights)} tensors" in said
    with pytest.raises(CheckpointError, match="holds the discrete VAE"):
        load(folder)
    assert main(["convert", str(file), "--from", "point-mae", "--output", str(tmp_path / "other")]) == 1
    assert main(["convert", str(file), "--from", "point-bert", "--encoder-only", "--output", str(tmp_path / "o")]) == 1


def fitting_dvae(case: Case) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Configuration and weights of the discrete VAE whose words a masked transformer was made for."""
    wanted = case.config["dvae_config"]
    for parameter in cases("bert-dvae"):
        dvae = read(parameter.values[0])
        if wanted.items() <= dvae.config.items():
            return dvae.config, dvae.weights
    pytest.skip(f"no discrete VAE of the sizes {wanted} is stored")


@pytest.mark.parametrize("path", cases("bert-masked"))
@pytest.mark.parametrize("wrap", ["base_model", ""])
def test_point_bert(path: Path, wrap: str, tmp_path: Path, convert: Callable[..., tuple[Path, str]]) -> None:
    case = read(path)
    weights = {f"transformer_q.{name}": tensor for name, tensor in case.weights.items()}
    weights |= {f"transformer_k.{name}": tensor + 1 for name, tensor in case.weights.items()}
    weights |= {"queue": torch.zeros(40, 8), "queue_ptr": torch.zeros(1, dtype=torch.int64)}
    dvae, words = fitting_dvae(case)
    weights |= {f"dvae.{name}": tensor for name, tensor in words.items()}
    folder, said = convert(released(tmp_path / "bert.pth", weights, wrap, "module."), "point-bert", *sizes(case))
    model = load_model(folder)[0]
    assert isinstance(model, PointBERT)
    with torch.no_grad():
        found = model(model.tokenise(case.given("points")), case.given("mask"))
    case.check("cls_feature", found.cloud)
    assert "momentum encoder" in said
    assert "queue of the contrast" in said
    assert "discrete autoencoder, used in training alone: dvae." in said
    sizes_of_dvae = (model.config.vae.codes, model.config.vae.code_dim, model.config.vae.decoder_dim)
    assert sizes_of_dvae == tuple(dvae[name] for name in ("num_tokens", "tokens_dims", "decoder_dims"))
    expected = case.given("token_logits")[case.records["mask"]]
    torch.testing.assert_close(found.words, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("method", "path"), [pytest.param(m, *c.values, id=c.id) for m, c in HIERARCHICAL_PRETRAIN])
def test_an_encoder_alone_embeds_alike(
    method: str, path: Path, tmp_path: Path, convert: Callable[..., tuple[Path, str]]
) -> None:
    case = read(path)
    file = released(tmp_path / "pre-train.pth", case.weights)
    folder, said = convert(file, method, "--encoder-only", *sizes(case, group_sizes=False))
    encoder = load(folder, "cpu")
    assert encoder.record.task == "encoder"
    case.check("embedding", encoder.embed(case.given("points"), normalise=False, max_points=None))
    assert "not part of the encoder" in said


def test_a_wrong_embedding_is_noticed(tmp_path: Path, convert: Callable[..., tuple[Path, str]]) -> None:
    method, case = "i2p-mae", read(STORED / "i2p-pretrain.json")
    weights = dict(case.weights)
    weights["h_encoder.encoder_norms.2.bias"] = weights["h_encoder.encoder_norms.2.bias"] + 0.01
    folder, _ = convert(released(tmp_path / "a.pth", weights), method, *sizes(case, group_sizes=False))
    with pytest.raises(AssertionError, match="embedding"):
        embedding = load(folder, "cpu").embed(case.given("points"), normalise=False, max_points=None)
        case.check("embedding", embedding)
