from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from i2pmae.commands.use import load
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.methods.i2p_mae.config import I2PMAEConfig
from i2pmae.methods.point_mae.model import PointMAE
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import load_model, save_weights
from tests.weights.small_models import MODELS, TINY, TINY_MAE, TINY_PLAIN, make_model, save_model


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
    encoder = load(save_model(tmp_path, kind), "cpu")
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
    encoder = load(save_model(tmp_path, kind), "cpu")
    assert (encoder.pooling, encoder.embedding_dim) == (pooling, width)
    np.testing.assert_array_equal(encoder.embed(clouds), encoder.embed(clouds, pooling=pooling))


def test_the_record_may_say_otherwise(tmp_path: Path, clouds: np.ndarray) -> None:
    model, record = make_model("i2p-mae pretraining")
    save_weights(tmp_path, model, record.changed(pooling="mean|max"))
    encoder = load(tmp_path, "cpu")
    assert encoder.embed(clouds).shape == (5, 48)


def test_a_pooling_that_the_encoder_cannot_do_is_refused(tmp_path: Path, clouds: np.ndarray) -> None:
    encoder = load(save_model(tmp_path, "point-mae pretraining"), "cpu")
    with pytest.raises(UsageError, match=r"an encoder with a \[CLS\] token"):
        encoder.embed(clouds, pooling="class|max")


def write(folder: Path, values: dict[str, object]) -> None:
    (folder / "model.yaml").write_text(yaml.safe_dump(values))


@pytest.mark.parametrize("absent", [("task", "pooling"), ("task", "pooling", "format")])
def test_records_of_the_first_version_are_read(folder: Path, absent: tuple[str, ...], record: ModelRecord) -> None:
    """Written when there was one method: no task, no pooling, channels of 2D targets beside the sizes."""
    values = yaml.safe_load((folder / "model.yaml").read_text())
    values |= {"format": 1, "semantic_dim": values["model"].pop("semantic_dim")}
    del values["model"]["architecture"]
    write(folder, {name: value for name, value in values.items() if name not in absent})
    assert load_model(folder)[1] == record


@pytest.mark.parametrize(
    ("config", "axis"),
    [("clouds:\n  up: z\n", "z"), ("clouds:\n  up: w\n", "y"), ("clouds: [1]\n", "y"), ("][", "y"), (None, "y")],
)
def test_the_axis_of_the_first_version_is_that_of_its_run(folder: Path, config: str | None, axis: str) -> None:
    values = yaml.safe_load((folder / "model.yaml").read_text())
    values |= {"format": 1, "semantic_dim": values["model"].pop("semantic_dim")}
    del values["model"]["architecture"], values["files_up"]
    write(folder, values)
    if config is not None:
        (folder / "config.yaml").write_text(config)
    assert load_model(folder)[1].files_up == axis


def test_a_classifier_of_the_first_version_is_read(tmp_path: Path, clouds: np.ndarray) -> None:
    """Its encoder was described with sizes of a decoder, which it has not."""
    path, (model, record) = save_model(tmp_path, "i2p-mae classification"), make_model("i2p-mae classification")
    values = yaml.safe_load((path / "model.yaml").read_text()) | {"format": 1, "semantic_dim": 0}
    values["model"]["encoder"] |= {"decoder_dims": [24, 12], "decoder_depths": [1, 1], "mask_ratio": 0.8}
    for place in (values["model"]["encoder"], values):
        place.pop("architecture", None)
        place.pop("pooling", None)
    write(path, values)
    loaded, read = load_model(path)
    assert read == record
    with torch.no_grad():
        points = torch.from_numpy(clouds)
        torch.testing.assert_close(loaded(points), model(points))


@pytest.mark.parametrize(
    ("kind", "edit", "said"),
    [
        (
            "point-mae pretraining",
            {"decoder_dpeth": 1},
            "decoder_dpeth: no such field. Did you mean .decoder_depth",
        ),
        ("point-mae pretraining", {"heads": 0}, "model.heads: must be at least 1"),
        ("i2p-mae classification", {"dropout": 2}, "model.dropout: must be less than 1"),
        (
            "i2p-mae classification",
            {"encoder": {"architecture": "hierarchical", "group_counts": [4, 8]}},
            r"group_sizes .* level \(2\)",
        ),
        (
            "point-bert classification",
            {"encoder": {"architecture": "plain", "group_counts": [8]}},
            "group_counts: no such field",
        ),
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
        ({"method": "point-mae", "model": TINY}, "is not described by a I2PMAEConfig"),
        ({"method": "i2p-mae", "model": TINY_MAE}, "is not described by a PointMAEConfig"),
        ({"method": "point-mae", "task": "encoder", "model": TINY_MAE}, "is not described by a PointMAEConfig"),
        ({"method": "i2p-mae", "task": "classification", "model": TINY_PLAIN}, "is not described by a PlainConfig"),
        ({"method": "i2p-mae", "pooling": None, "model": TINY}, "say how its tokens are pooled"),
        ({"method": "point-mea", "model": TINY}, "method 'point-mea' are not known here. Did you mean 'point-mae'"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(fields: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ModelRecord(**{"points": 64, "pooling": "max"} | fields)


def test_a_record_of_another_kind_is_refused_on_saving(tmp_path: Path) -> None:
    model, _ = make_model("point-mae pretraining")
    _, record = make_model("point-mae encoder")
    assert isinstance(model, PointMAE)
    with pytest.raises(UsageError, match="differs"):
        save_weights(tmp_path, model, record)
    assert not list(tmp_path.iterdir())


def test_plain_values_are_read_as_the_method_says() -> None:
    record = ModelRecord.from_dict({"method": "point-m2ae", "points": 8, "pooling": "max", "model": {}})
    assert record.model == I2PMAEConfig()
