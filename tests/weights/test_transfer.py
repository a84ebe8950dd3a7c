from pathlib import Path

import pytest
import torch

from i2pmae.common.errors import CheckpointError
from i2pmae.encoders.config import PlainConfig
from i2pmae.tasks.classifier.config import ClassifierConfig
from i2pmae.tasks.classifier.model import Classifier
from i2pmae.tasks.segmentation.model import Segmenter
from i2pmae.weights.transfer import encoder_alone, encoder_config, go_on_from, load_pretrained, start_from
from tests.weights.small_models import CLASSES, POINTS, TINY_ALONE, TINY_I2P, TINY_PLAIN, make_model, save_model


def head(encoder: object, **options: object) -> Classifier:
    return Classifier(ClassifierConfig(encoder=encoder, classes=CLASSES, head_widths=(16,), **options))


def test_a_classifier_starts_from_a_pretrained_encoder(tmp_path: Path) -> None:
    source, _ = make_model("i2p-mae pretraining")
    model = head(TINY_ALONE)
    last = model.head[-1].weight.clone()
    done = start_from(model, save_model(tmp_path, "i2p-mae pretraining"))
    theirs, ours = source.encoder.state_dict(), model.encoder.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert (done.used, done.new) == (len(ours), ())
    assert done.unused == ("norms.0.bias", "norms.0.weight", "norms.1.bias", "norms.1.weight")
    assert torch.equal(model.head[-1].weight, last)
    assert "not needed: norms.0.bias" in str(done)


def test_a_class_token_is_new_to_point_mae() -> None:
    source, _ = make_model("point-mae pretraining")
    model = head(TINY_PLAIN.changed(class_token=True), pooling="class|max")
    token = model.encoder.cls_token.clone()
    done = start_from(model, source)
    assert (done.new, done.unused) == (("cls_position", "cls_token"), ())
    assert torch.equal(model.encoder.cls_token, token)
    assert torch.equal(model.encoder.position[0].weight, source.encoder.position[0].weight)


@pytest.mark.parametrize(
    ("kind", "source", "unused"),
    [
        ("i2p-mae segmentation", "i2p-mae pretraining", ()),
        ("i2p-mae segmentation", "point-m2ae pretraining", ()),
        ("point-mae segmentation", "point-mae pretraining", ()),
        ("point-mae segmentation", "point-mae classification", ("cls_position", "cls_token")),
        ("point-bert classification", "point-bert pretraining", ()),
        ("point-mae classification", "point-mae classification", ()),
    ],
)
def test_what_fits_is_copied(kind: str, source: str, unused: tuple[str, ...]) -> None:
    (start, _), (_, record) = make_model(source), make_model(kind)
    model = record.build()
    done = start_from(model, start)
    assert (done.new, done.unused) == ((), unused)
    theirs = start.encoder.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in model.encoder.state_dict().items())


def test_the_source_is_left_alone() -> None:
    source, _ = make_model("point-mae pretraining")
    before = source.encoder.position[0].weight.clone()
    model = head(TINY_PLAIN)
    start_from(model, source)
    with torch.no_grad():
        model.encoder.position[0].weight.add_(1)
    assert torch.equal(source.encoder.position[0].weight, before)


def test_neighbourhoods_and_radii_may_differ() -> None:
    source, _ = make_model("i2p-mae pretraining")
    encoder = TINY_ALONE.changed(group_sizes=(12, 6, 6), attention_radii=(0.2, 0.4, 0.8))
    assert start_from(head(encoder), source).new == ()


@pytest.mark.parametrize(
    ("encoder", "source", "said"),
    [
        (TINY_ALONE, "point-mae pretraining", "one level .*several levels .*choose the method"),
        (TINY_PLAIN, "i2p-mae pretraining", "several levels .*one level"),
        (TINY_PLAIN.changed(heads=4), "point-mae pretraining", "2 attention heads, but the model has 4"),
        (
            TINY_PLAIN.changed(width=48),
            "point-mae pretraining",
            r"position.2.weight: \(48, 128\) needed, but \(24, 128\) found",
        ),
        (TINY_PLAIN.changed(depth=2), "point-mae pretraining", r"blocks.2.*left over"),
        (TINY_PLAIN.changed(depth=4), "point-mae pretraining", r"blocks.3.*needed, but missing"),
        (TINY_PLAIN, "point-bert pretraining", r"reduce.bias: \(24,\) left over"),
    ],
)
def test_encoders_that_do_not_fit_are_refused_unchanged(encoder: PlainConfig, source: str, said: str) -> None:
    model = head(encoder)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=f"(?s){said}"):
        start_from(model, make_model(source)[0])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_only_some_misfits_are_listed() -> None:
    with pytest.raises(CheckpointError, match=r"and \d+ more$") as error:
        start_from(head(TINY_PLAIN.changed(width=48)), make_model("point-mae pretraining")[0])
    assert len(str(error.value).splitlines()) == 14


@pytest.mark.parametrize("kind", ["point-mae pretraining", "point-bert pretraining", "point-mae encoder"])
def test_an_encoder_is_described_without_its_pretraining(kind: str) -> None:
    model, _ = make_model(kind)
    config = encoder_config(model)
    assert type(config) is PlainConfig
    segmenter = Segmenter(make_model("point-mae segmentation")[1].model.changed(encoder=config))
    assert start_from(segmenter, model).new == ()


def test_a_hierarchy_is_described_as_it_is() -> None:
    assert encoder_config(make_model("i2p-mae classification")[0]) == TINY_ALONE


PRETRAINED = ["i2p-mae pretraining", "point-m2ae pretraining", "point-mae pretraining", "point-bert pretraining"]


@pytest.mark.parametrize("kind", [*PRETRAINED, "i2p-mae encoder"])
def test_an_encoder_alone_embeds_as_the_model_that_it_is_from(kind: str) -> None:
    model, record = make_model(kind)
    alone, described = encoder_alone(model, record)
    points = torch.randn(2, POINTS, 3)
    assert torch.equal(alone.embed(points), model.embed(points))
    assert torch.equal(alone.point_features(points), model.point_features(points))
    assert (described.task, described.method, described.pooling) == ("encoder", record.method, record.pooling)
    assert all(name.startswith("encoder.") for name in alone.state_dict())


@pytest.mark.parametrize("kind", PRETRAINED)
def test_pretraining_goes_on_with_all_that_fits(kind: str) -> None:
    source, record = make_model(kind)
    model = record.build()
    done = go_on_from(model, source)
    assert done.initial == () and done.parts
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in model.state_dict().items())


def test_parts_of_another_size_keep_their_initial_weights() -> None:
    source, record = make_model("i2p-mae pretraining")
    model = record.changed(model=TINY_I2P.changed(predicted_points=3)).build()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    done = go_on_from(model, source)
    assert (done.parts, done.initial) == (("decoder",), ("coordinate_head", "semantic_head"))
    assert "copied too: decoder; with initial weights: coordinate_head, semantic_head" in str(done)
    for name, value in model.state_dict().items():
        expected = before if name.startswith(("coordinate", "semantic")) else source.state_dict()
        assert torch.equal(value, expected[name])


def test_an_encoder_alone_leaves_the_rest_as_it_is() -> None:
    done = go_on_from(make_model("i2p-mae pretraining")[1].build(), make_model("i2p-mae encoder")[0])
    assert (done.parts, done.initial) == ((), ("decoder", "coordinate_head"))


def test_training_starts_from_no_downstream_task(tmp_path: Path) -> None:
    folder = save_model(tmp_path, "i2p-mae classification")
    with pytest.raises(CheckpointError, match="not an encoder alone or a pre-trained encoder"):
        load_pretrained(folder)
