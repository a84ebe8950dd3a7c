import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from i2pmae.commands.finetune import finetune
from i2pmae.common.errors import CheckpointError, DataError, TrainingInterrupted, UsageError
from i2pmae.encoders.config import PlainConfig
from i2pmae.evaluation.probe import logistic_probe
from i2pmae.methods.point_bert.config import DiscreteVAEConfig, PointBERTConfig
from i2pmae.runs.record import RunRecord
from i2pmae.tasks import TASKS, recipes
from i2pmae.tasks.base import ValidatedSpec
from i2pmae.tasks.classification.config import ClassificationConfig
from i2pmae.tasks.classifier.model import Classifier
from i2pmae.tasks.classifier.task import ClassificationTask, classify
from i2pmae.tasks.config import AugmentConfig, TaskRunConfig
from i2pmae.tasks.run import set_up
from i2pmae.tasks.segmentation.config import SegmentationConfig
from i2pmae.tasks.start import adapted_encoder, open_start, settle
from i2pmae.training.config import OptimiserConfig
from i2pmae.weights.store import load_model, save_weights
from tests.small import SMALL
from tests.tasks.conftest import solids, untrained, write

RECIPES = recipes("finetune")


def config(tmp_path: Path, data: Path, weights: Path | None, **changes: object) -> TaskRunConfig:
    base = TaskRunConfig(task=ClassificationConfig())
    short = {
        "checkpoint": weights,
        "data": str(data),
        "output": tmp_path / "run",
        "epochs": 2,
        "batch_size": 16,
        "device": "cpu",
        "report": False,
        "head_widths": (8,),
        "dropout": 0.0,
        "encoder.drop_path": 0.0,
        "augment": AugmentConfig(kind="none"),
        "points": 40,
        "optimiser": OptimiserConfig(learning_rate=3e-2, warmup_epochs=0, clip_norm=10),
    }
    return base.changed(short | changes)


def of(weights: Path | None, **changes: object) -> TaskRunConfig:
    return TaskRunConfig(task=ClassificationConfig(checkpoint=weights)).changed(changes)


def stored(folder: Path) -> dict[str, torch.Tensor]:
    return load_model(folder)[0].state_dict()


def same(first: Path, second: Path) -> bool:
    one, two = stored(first), stored(second)
    return all(torch.equal(one[name], two[name]) for name in one)


def test_a_run_leaves_everything_and_says_how_it_was_measured(tmp_path, archive, weights):
    wanted = config(tmp_path, archive, weights, epochs=12, batch_size=8, votes=2, twin=True, report=True)
    result = finetune(wanted, shown=False)
    assert result == RunRecord.load(tmp_path / "run")
    assert result.accuracy > 0.6 > result.chance
    assert (result.train_clouds, result.validation_clouds, result.test_clouds) == (42, 6, 12)
    assert (result.points, result.method, result.encoder) == (32, "i2p-mae", str(weights))
    assert result.selected["settings"] == {"input_points": 32, "encoder.group_sizes": [8, 4, 4]}
    assert len(result.scores["voted_accuracy"].values) == 2
    assert result.twin is not None and result.twin.encoder == "from scratch"
    assert np.sum(result.confusion) == 12
    assert "6 clouds held out from training" in result.protocol
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"config.yaml", "metrics.csv", "validation.csv", "confusion.png", "report.html", "model.yaml"}
    assert "best" not in names
    model, record = load_model(tmp_path / "run")
    assert isinstance(model, Classifier)
    assert (record.task, record.points, record.notes["epoch"]) == ("classification", 32, result.selected["epoch"])
    assert not same(tmp_path / "run", tmp_path / "run" / "scratch")
    again = finetune(wanted, resume=True, shown=False)
    assert again == result


def test_the_stored_weights_are_those_of_the_best_epoch(tmp_path, archive, weights):
    result = finetune(config(tmp_path, archive, weights, epochs=6), shown=False)
    rows = [line.split(",") for line in (tmp_path / "run" / "validation.csv").read_text().splitlines()[1:]]
    best = max(rows, key=lambda row: (float(row[1]), -float(row[2])))
    assert result.selected["epoch"] == int(best[0])
    assert result.selected["validation_accuracy"] == float(best[1])


def test_test_labels_change_nothing_but_the_score(tmp_path, weights):
    points, labels = solids(60)
    found = []
    for name, told in (("one", labels), ("two", np.zeros_like(labels))):
        altered = np.where(np.arange(60) < 48, labels, told)
        (tmp_path / name).mkdir()
        data = write(tmp_path / name / "set.npz", points, altered)
        found.append(finetune(config(tmp_path, data, weights, output=tmp_path / name / "run"), shown=False))
    assert same(tmp_path / "one" / "run", tmp_path / "two" / "run")
    assert found[0].selected == found[1].selected
    assert found[0].confusion != found[1].confusion


def test_the_test_set_is_read_once_after_training(tmp_path, archive, weights, monkeypatch):
    read: list[str] = []
    predict, save = ClassificationTask.predict, save_weights
    monkeypatch.setattr(
        ClassificationTask,
        "predict",
        lambda self, clouds, **more: read.append(clouds.name) or predict(self, clouds, **more),
    )
    monkeypatch.setattr(
        "i2pmae.tasks.validated.save_weights", lambda *arguments: read.append("weights") or save(*arguments)
    )
    finetune(config(tmp_path, archive, weights), shown=False)
    assert read == ["solids.npz (validation)"] * 2 + ["weights", "solids.npz (test)"]


@pytest.mark.parametrize("step", [2, 5])
def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path, archive, weights, monkeypatch, step):
    wanted = config(tmp_path, archive, weights, epochs=3)  # two steps an epoch
    whole = finetune(wanted.changed(output=tmp_path / "whole"), shown=False)
    losses, calls = ClassificationTask.losses, []

    def stopping(self, batch, rng):
        calls.append(1)
        if len(calls) == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return losses(self, batch, rng)

    monkeypatch.setattr(ClassificationTask, "losses", stopping)
    with pytest.raises(TrainingInterrupted, match="--resume"):
        finetune(wanted, shown=False)
    with pytest.raises(UsageError, match="holds another run"):
        finetune(wanted, shown=False)
    resumed = finetune(wanted, resume=True, shown=False)
    assert same(tmp_path / "whole", tmp_path / "run")
    assert (tmp_path / "whole" / "validation.csv").read_text() == (tmp_path / "run" / "validation.csv").read_text()
    assert (resumed.scores, resumed.selected) == (whole.scores, whole.selected)


def test_a_frozen_encoder_is_that_of_the_checkpoint(tmp_path, archive, weights):
    finetune(config(tmp_path, archive, weights, freeze=True), shown=False)
    before, after = stored(weights), stored(tmp_path / "run")
    shared = [name for name in after if name.startswith("encoder.")]
    assert shared and all(torch.equal(before[name], after[name]) for name in shared)


def test_from_scratch_needs_no_checkpoint(tmp_path, archive, monkeypatch):
    recipe = open_start(ClassificationConfig()).encoder
    assert recipe.encoder_dims == (48, 96, 192)
    with pytest.raises(UsageError, match="needs at least 256 points"):
        finetune(config(tmp_path, archive, None), shown=False)


def test_one_level_gets_a_class_token(tmp_path, archive, one_level):
    wanted = config(tmp_path, archive, one_level, **{"optimiser.layer_decay": 0.7})
    result = finetune(wanted, shown=False)
    found, record = load_model(tmp_path / "run")
    assert isinstance(found, Classifier) and isinstance(found.config.encoder, PlainConfig)
    assert (result.method, found.config.pooling, found.config.encoder.class_token) == ("point-mae", "class|max", True)
    assert record.pooling == "class|max"
    with pytest.raises(UsageError, match="attends without limit"):
        finetune(wanted, output=tmp_path / "other", shown=False, **{"encoder.attention_radii": (0.1, 0.2, 0.3)})


def test_point_bert_has_a_head_of_its_own(tmp_path, archive):
    groups = {"group_count": 8, "group_size": 4, "embed_widths": (8, 8, 16)}
    sizes = PointBERTConfig(
        **groups,
        **{"token_width": 10, "width": 12, "depth": 2, "heads": 2, "class_width": 6},
        vae=DiscreteVAEConfig(**groups, embed_dim=10, codes=8),
    )
    folder = untrained(tmp_path / "bert", "point-bert", sizes)
    finetune(config(tmp_path, archive, folder, head_widths=None, epochs=1), shown=False)
    found = load_model(tmp_path / "run")[0].config
    assert (found.head_widths, found.head_norm, found.encoder.class_token) == ((256,), False, True)


def test_a_batch_of_one_cloud_goes_without_batch_norm(tmp_path, archive, weights):
    wanted = config(tmp_path, archive, weights, epochs=1, batch_size=1)
    finetune(wanted, shown=False)
    assert not load_model(tmp_path / "run")[0].config.head_norm
    with pytest.raises(UsageError, match="batches of 2 clouds or more"):
        wanted.changed(head_norm=True)


@pytest.mark.parametrize("pooling", [None, "mean+max"])
def test_a_fitted_head_begins_as_the_regression_on_the_embeddings(tmp_path, archive, weights, pooling):
    wanted = config(tmp_path, archive, weights, head_widths=None, head_start="fitted", pooling=pooling, epochs=1)
    still = OptimiserConfig(learning_rate=1e-12, start_rate=1e-12, final_rate=1e-12, weight_decay=0)
    changing = AugmentConfig(kind="scale-shift")  # so that the statistics of training are others
    result = finetune(wanted.changed(optimiser=still, augment=changing), shown=False)
    model, record = load_model(tmp_path / "run")
    assert isinstance(model, Classifier) and len(model.head) == 1
    assert record.pooling == model.config.pooling == (pooling or "max"), "where nobody says, as in pre-training"
    spec = TASKS["finetune"]
    assert isinstance(spec, ValidatedSpec)
    setup, material = set_up(spec, wanted, str, shown=False)
    task, splits = spec.build(setup, material.parts, 0), material.parts
    assert isinstance(task, ClassificationTask)
    fresh = task.model.state_dict()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, fresh[name], atol=1e-6, rtol=0, msg=name)
    task.model.head = nn.Sequential()
    train, test = (classify(task, part).numpy() for part in (splits.train, splits.test))
    expected = logistic_probe(train, splits.train.labels, test, splits.test.labels, folds=3, seed=0)
    assert result.accuracy == pytest.approx(expected.accuracy)


def test_a_fitted_head_is_one_layer(weights):
    with pytest.raises(UsageError, match="one linear layer: leave head_widths out"):
        of(weights, head_start="fitted", head_widths=(8,))


@pytest.mark.parametrize(
    ("clouds", "batch", "epochs"), [(10, 4, 200), (60, 4, 134), (140, 16, 200), (9843, 32, 20), (30000, 32, 20)]
)
def test_absent_settings_follow_from_the_set(weights, clouds, batch, epochs):
    config = of(weights)
    source = open_start(config.task)
    settled, chosen = settle(config, source, clouds)
    assert (*settled.training.length, settled.task.input_points) == (epochs, batch, 32)
    assert set(chosen) == {"batch_size", "epochs", "input_points", "encoder.group_sizes"}
    given = settled.changed(epochs=3)
    assert settle(given, source, clouds) == (given, {})


def test_denser_clouds_get_larger_groups(weights):
    config = of(weights, input_points=64)
    source = open_start(config.task)
    settled, _ = settle(config, source, 100)
    assert settled.task.encoder.group_sizes == (16, 4, 4)
    assert adapted_encoder(source, settled.task.encoder) == SMALL.alone().changed(group_sizes=(16, 4, 4))


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_fit_the_encoders_they_are_for(name):
    recipe = RECIPES[name]()
    assert recipe.recipe == name
    model = ("point-mae" if "plain" in name else "paper") + ("-tiny" if "tiny" in name else "")
    source = open_start(recipe.task.changed(model=model.removeprefix("paper-")))
    settled, _ = settle(recipe, source, 1000)
    adapted_encoder(source, settled.task.encoder)


def test_published_recipes_say_which_encoders_they_are_for():
    several, one = RECIPES["scanobjectnn-pb"](), RECIPES["scanobjectnn-pb-plain"]()
    plain = open_start(several.task.changed(model="point-mae"))
    encoder = adapted_encoder(plain, one.task.encoder, class_token=True)
    assert (encoder.group_count, encoder.group_size, encoder.class_token) == (128, 32, True)
    with pytest.raises(UsageError, match=r"one level and attends without limit.* -plain"):
        settle(several, plain, 1000)
    with pytest.raises(UsageError, match=r"3 levels, but encoder.group_counts 128, .*without -plain"):
        settle(one, open_start(one.task.changed(model="paper")), 1000)
    assert one.task.pooling is None
    assert (one.data, one.training) == (several.data, several.training)
    for field in ("augment", "candidates", "smoothing", "input_points"):
        assert getattr(one.task, field) == getattr(several.task, field)


def test_published_settings():
    many, one = RECIPES["modelnet40"](), RECIPES["scanobjectnn-pb"]()
    task = many.task
    assert (task.encoder.group_sizes, task.encoder.attention_radii) == ((48, 24, 24), (0.24, 0.48, 0.96))
    assert (task.pooling, task.smoothing, task.input_points, task.candidates) == ("mean+max", 0.2, 1024, 1200)
    assert (many.data.source, many.data.points, many.data.labels) == ("modelnet40=data/modelnet40", 2048, "folder")
    task = one.task
    assert (task.encoder.group_sizes, task.encoder.attention_radii) == ((32, 16, 16), (0.48, 0.96, 1.92))
    assert (task.pooling, task.smoothing, task.augment.kind) == ("mean|max", 0.0, "scale-rotate")
    assert task.augment.factors == (0.9, 1.1)
    for recipe in (many, one):
        optimiser = recipe.training.optimiser
        assert (*recipe.training.length, optimiser.learning_rate) == (300, 32, 5e-4)
        assert (optimiser.warmup_epochs, optimiser.weight_decay, optimiser.clip_norm) == (10, 0.05, 10)
    tiny = RECIPES["modelnet40-tiny"]()
    assert (tiny.training.epochs, tiny.training.optimiser.warmup_epochs, tiny.data.points) == (20, 1, 1024)


def test_wrong_checkpoints_are_refused(tmp_path, archive, weights):
    finetune(config(tmp_path, archive, weights, epochs=1), shown=False)
    other = {"output": tmp_path / "other"}
    with pytest.raises(CheckpointError, match="holds a classifier"):
        finetune(config(tmp_path, archive, tmp_path / "run", **other), shown=False)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        finetune(config(tmp_path, archive, tmp_path / "nowhere", **other), shown=False)


def test_wrong_data_is_refused_before_training(tmp_path, weights):
    points, labels = solids(24)
    other = np.arange(24)
    cases = {
        "classification needs at least 2 classes": {"points": points, "labels": 0 * labels, "classes": ["a"]},
        "has no labels": {"points": points},
        "has only 1": {"points": points, "labels": np.where(other == 23, 2, other % 2)},
        "has the split train alone": {"points": points, "labels": labels, "split": ["train"] * 24},
    }
    for said, arrays in cases.items():
        np.savez(tmp_path / "set.npz", **{name: np.asarray(values) for name, values in arrays.items()})
        with pytest.raises(DataError, match=said):
            finetune(config(tmp_path, tmp_path / "set.npz", weights), shown=False)
        (tmp_path / "set.npz").unlink()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"input_points": 64, "points": 40}, "cannot see 64 points"),
        ({"input_points": 32, "candidates": 20, "points": 40}, "candidates must lie between"),
        ({"twin": True}, "needs a checkpoint"),
        ({"model": "tyni"}, "unknown recipe 'tyni' of pre-training.*'tiny'"),
        ({"head_norm": True, "batch_size": 1}, "batches of 2 clouds or more"),
        ({"widths": 3}, "no field 'widths'"),
    ],
)
def test_contradictions_are_refused(changes, said):
    with pytest.raises(UsageError, match=said):
        TaskRunConfig(task=ClassificationConfig()).changed(changes)


def test_a_class_token_can_be_pooled_where_there_can_be_one():
    for model in ("point-mae-tiny", "tiny"):
        config = TaskRunConfig(task=ClassificationConfig(pooling="class|max", model=model))
        assert config.task.pooling == "class|max"


def test_part_segmentation_takes_batches_of_two_or_more():
    with pytest.raises(UsageError, match="batches of 2 clouds or more"):
        TaskRunConfig(task=SegmentationConfig()).changed(batch_size=1)


def test_a_configuration_of_another_task_is_refused(tmp_path):
    with pytest.raises(UsageError, match="configuration of segment, not of finetune"):
        finetune(TaskRunConfig(task=SegmentationConfig()), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_files_are_read_with_the_axis_of_the_checkpoint(tmp_path, weights):
    model, record = load_model(weights)
    save_weights(tmp_path / "turned", model, record.changed(files_up="z"))
    points, labels = solids(60)
    z_up = write(tmp_path / "z.npz", points[..., [0, 2, 1]] * np.array([1, -1, 1], np.float32), labels)
    y_up = write(tmp_path / "y.npz", points, labels)
    silent = finetune(config(tmp_path, z_up, tmp_path / "turned", output=tmp_path / "one"), shown=False)
    told = finetune(config(tmp_path, y_up, tmp_path / "turned", output=tmp_path / "two", up="y"), shown=False)
    assert silent.selected == told.selected and same(tmp_path / "one", tmp_path / "two")
    assert load_model(tmp_path / "one")[1].files_up == "z"
