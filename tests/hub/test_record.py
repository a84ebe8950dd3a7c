from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from i2pmae import hub
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.hub import ModelRecord, load_model, save_weights
from i2pmae.models import ClassifierConfig, I2PMAEConfig, PointMAE
from tests.hub.small_models import MODELS, TINY, TINY_MAE, TINY_PLAIN, make_model, save_model


@pytest.mark.parametrize("kind", MODELS)
def test_models_of_every_method_and_task_come_back(kind: str, tmp_path: Path) -> None:
    model, record = make_model(kind)
    save_weights(tmp_path, model, record)
    loaded, read = load_model(tmp_path)
    assert read == record
    assert type(read.model) is type(record.model)
    assert type(loaded) is type(model)
    state, expected = loaded.state_dict(), model.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[name], expected[name]) for name in expected)


@pytest.mark.parametrize("kind", MODELS)
def test_every_model_embeds(kind: str, tmp_path: Path, clouds: np.ndarray) -> None:
    encoder = hub.load(save_model(tmp_path, kind), "cpu")
    vectors = encoder.embed(clouds)
    assert vectors.shape == (5, encoder.embedding_dim)
    assert np.isfinite(vectors).all()
    assert encoder.point_features(clouds).shape == (5, 64, encoder.model.point_feature_dim)


@pytest.mark.parametrize(
    ("kind", "pooling", "width"),
    [
        ("i2p-mae pretraining", "max", 24),
        ("point-m2ae pretraining", "mean+max", 24),
        ("point-mae pretraining", "mean+max", 24),
        ("point-bert pretraining", "class|max", 48),
        ("point-mae classification", "class|max", 48),
        ("i2p-mae classification", "mean+max", 24),
    ],
)
def test_embeddings_are_pooled_as_the_method_does(
    kind: str, pooling: str, width: int, tmp_path: Path, clouds: np.ndarray
) -> None:
    encoder = hub.load(save_model(tmp_path, kind), "cpu")
    assert (encoder.pooling, encoder.embedding_dim) == (pooling, width)
    np.testing.assert_array_equal(encoder.embed(clouds), encoder.embed(clouds, pooling=pooling))


def test_the_record_may_say_otherwise(tmp_path: Path, clouds: np.ndarray) -> None:
    model, record = make_model("i2p-mae pretraining")
    save_weights(tmp_path, model, record.model_copy(update={"pooling": "mean|max"}))
    encoder = hub.load(tmp_path, "cpu")
    assert encoder.embed(clouds).shape == (5, 48)


def test_a_pooling_that_the_encoder_cannot_do_is_refused(tmp_path: Path, clouds: np.ndarray) -> None:
    encoder = hub.load(save_model(tmp_path, "point-mae pretraining"), "cpu")
    with pytest.raises(UsageError, match=r"an encoder with a \[CLS\] token"):
        encoder.embed(clouds, pooling="class|max")


def test_records_of_the_first_version_are_read(folder: Path) -> None:
    """Written when there was one method: no task, no pooling."""
    values = yaml.safe_load((folder / "model.yaml").read_text())
    for name in ("task", "pooling"):
        del values[name]
    (folder / "model.yaml").write_text(yaml.safe_dump(values))
    record = load_model(folder)[1]
    assert (record.method, record.task) == ("i2p-mae", "pretraining")
    assert (record.embedding_pooling, record.semantic_dim) == ("max", 6)


@pytest.mark.parametrize(
    ("kind", "edit", "said"),
    [
        (
            "point-mae pretraining",
            {"decoder_dpeth": 1},
            "decoder_dpeth: no such field. Did you mean .decoder_depth",
        ),
        ("point-mae pretraining", {"heads": 0}, "model.heads: Input should be greater"),
        ("i2p-mae classification", {"dropout": 2}, "model.dropout: Input should be less than 1"),
        ("i2p-mae classification", {"encoder": {"group_counts": [4, 8]}}, "group_counts"),
        ("point-bert classification", {"encoder": {"group_counts": [8, 4, 2]}}, "group_counts: no such field"),
    ],
)
def test_errors_name_the_fields_of_one_kind(kind: str, edit: dict, said: str, tmp_path: Path) -> None:
    path = save_model(tmp_path, kind) / "model.yaml"
    values = yaml.safe_load(path.read_text())
    values["model"] |= edit
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(CheckpointError, match=said) as error:
        load_model(tmp_path)
    assert "Config." not in str(error.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"method": "point-mae", "model": TINY}, "needs a PointMAEConfig, not I2PMAEConfig"),
        ({"method": "i2p-mae", "model": TINY_MAE}, "needs a I2PMAEConfig, not PointMAEConfig"),
        ({"method": "point-mae", "task": "encoder", "model": TINY_MAE}, "needs a PlainConfig"),
        (
            {
                "method": "i2p-mae",
                "task": "classification",
                "model": ClassifierConfig(encoder=TINY_PLAIN, classes=("a", "b")),
            },
            "no encoder that a PlainConfig describes",
        ),
        ({"method": "point-m2ae", "semantic_dim": 6, "model": TINY}, "only .* i2p-mae"),
        ({"method": "point-mea", "model": TINY}, "method"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ModelRecord(points=64, **fields)


def test_a_record_of_another_kind_is_refused_on_saving(tmp_path: Path) -> None:
    model, _ = make_model("point-mae pretraining")
    _, record = make_model("point-mae encoder")
    assert isinstance(model, PointMAE)
    with pytest.raises(UsageError, match="differs"):
        save_weights(tmp_path, model, record)
    assert not list(tmp_path.iterdir())


def test_plain_values_are_read_as_the_method_says() -> None:
    record = ModelRecord.from_dict({"method": "point-m2ae", "points": 8, "model": {}})
    assert record.model == I2PMAEConfig()
