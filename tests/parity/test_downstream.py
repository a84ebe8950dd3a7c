"""Fine-tuned classifiers and part segmentation against stored outputs of the published code."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

from i2pmae.hub.released.names import HIERARCHICAL_NAMES, PLAIN_NAMES, rename
from i2pmae.models import Classifier, ClassifierConfig, I2PMAEConfig, PlainConfig, Segmenter, SegmenterConfig
from i2pmae.objectives import smoothed_cross_entropy
from tests.parity.cases import Case, cases, read

HIERARCHICAL = ("i2p-modelnet40", "i2p-scanobjectnn")
PLAIN = ("mae-modelnet40", "bert-modelnet40")


def load(model: nn.Module, case: Case, names: Mapping[str, str]) -> None:
    model.load_state_dict(rename(case.weights, model.state_dict(), names))
    model.eval()


def hierarchical(case: Case) -> Classifier:
    stored = case.config
    encoder = I2PMAEConfig(
        group_counts=stored["num_groups"],
        group_sizes=stored["group_sizes"],
        encoder_dims=stored["encoder_dims"],
        encoder_depths=stored["encoder_depths"],
        decoder_dims=(stored["encoder_dims"][-1], stored["encoder_dims"][-2]),
        heads=stored["num_heads"],
        drop_path=stored["drop_path_rate"],
        attention_radii=stored["local_radius"],
    )
    read_out, classes = case.weights["cls_head_finetune.0.weight"].shape[1], case.records["logits"].shape[1]
    pooling = "mean|max" if read_out == 2 * stored["encoder_dims"][-1] else "mean+max"
    model = Classifier(ClassifierConfig(encoder=encoder, classes=tuple(map(str, range(classes))), pooling=pooling))
    load(model, case, HIERARCHICAL_NAMES)
    return model


def plain(case: Case) -> Classifier:
    stored = case.config
    encoder = PlainConfig(
        group_count=stored["num_group"],
        group_size=stored["group_size"],
        token_width=stored["encoder_dims"] if "reduce_dim.weight" in case.weights else None,
        width=stored["trans_dim"],
        depth=stored["depth"],
        heads=stored["num_heads"],
        drop_path=stored["drop_path_rate"],
        class_token=True,
    )
    with_norm = "cls_head_finetune.1.running_mean" in case.weights
    config = ClassifierConfig(
        encoder=encoder,
        classes=tuple(map(str, range(stored["cls_dim"]))),
        pooling="class|max",
        head_widths=(256, 256) if with_norm else (256,),
        head_norm=with_norm,
    )
    model = Classifier(config)
    load(model, case, PLAIN_NAMES)
    return model


@pytest.mark.parametrize("path", [case for kind in HIERARCHICAL for case in cases(kind)])
def test_hierarchical_classifier(path: Path) -> None:
    case = read(path)
    with torch.no_grad():
        logits = hierarchical(case)(case.records["points"])
    case.check("logits", logits)
    # The released ScanObjectNN classifier has the setting too, but doesn't use it.
    smoothing = case.config["smooth"] if path.stem == "i2p-modelnet40" else 0.0
    case.check("loss", smoothed_cross_entropy(logits, case.records["labels"], smoothing))


@pytest.mark.parametrize("path", [case for kind in PLAIN for case in cases(kind)])
def test_plain_classifier(path: Path) -> None:
    case = read(path)
    with torch.no_grad():
        case.check("logits", plain(case)(case.records["points"]))


@pytest.mark.parametrize("path", cases("m2ae-partseg"))
def test_part_segmentation(path: Path) -> None:
    case = read(path)
    categories = case.records["category_one_hot"].shape[1]
    config = SegmenterConfig(
        encoder=I2PMAEConfig(attention_radii=(0.32, 0.64, 1.28), drop_path=0.0),
        parts=tuple(map(str, range(case.records["log_probabilities"].shape[-1]))),
        categories=tuple(map(str, range(categories))),
    )
    model = Segmenter(config)
    load(model, case, HIERARCHICAL_NAMES)
    with torch.no_grad():
        logits = model(case.records["points"], case.records["category_one_hot"].argmax(1))
    case.check("log_probabilities", logits.log_softmax(-1))
