from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.commands.finetune import finetune
from i2pmae.commands.segment import segment
from i2pmae.common.errors import CheckpointError, DataError
from i2pmae.runs.record import RunRecord
from i2pmae.tasks import recipes
from i2pmae.tasks.config import AugmentConfig, TaskRunConfig
from i2pmae.tasks.segmentation.config import SegmentationConfig
from i2pmae.tasks.segmentation.model import Segmenter
from i2pmae.tasks.start import adapted_encoder, open_start, settle
from i2pmae.training.config import OptimiserConfig
from i2pmae.weights.store import load_model

RECIPES = recipes("segment")
PARTS = ("stick/left", "stick/right", "plate/front", "plate/back")


def shapes(count: int = 40) -> dict[str, np.ndarray]:
    """Sticks with a left and a right, plates with a front and a back."""
    labels = np.arange(count) % 2
    scale = np.array([[1, 0.1, 0.1], [1, 0.1, 1]])[labels]
    points = np.random.default_rng(0).normal(size=(count, 40, 3)) * scale[:, None]
    axis = np.where(labels[:, None] == 0, points[..., 0], points[..., 2])
    return {
        "points": points.astype(np.float32),
        "labels": labels,
        "classes": np.array(["stick", "plate"]),
        "split": np.array(["train"] * (count - 10) + ["test"] * 10),
        "part_labels": 2 * labels[:, None] + (axis > 0),
        "part_names": np.array(PARTS),
    }


def save(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(path, **arrays)
    return path


def config(tmp_path: Path, data: Path, weights: Path | None, **changes: object) -> TaskRunConfig:
    short = {
        "checkpoint": weights,
        "data": str(data),
        "output": tmp_path / "run",
        "epochs": 2,
        "batch_size": 5,
        "device": "cpu",
        "report": False,
        "propagation_widths": (16, 8),
        "head_widths": (16, 8),
        "category_width": 4,
        "dropout": 0.0,
        "encoder.drop_path": 0.0,
        "augment": AugmentConfig(kind="none"),
        "points": 40,
        "optimiser": OptimiserConfig(learning_rate=1e-2, warmup_epochs=0, clip_norm=10),
    }
    return TaskRunConfig(task=SegmentationConfig()).changed(short | changes)


def test_parts_are_learnt_and_everything_is_left(tmp_path, weights):
    data = save(tmp_path / "parts.npz", shapes())
    result = segment(config(tmp_path, data, weights, epochs=25, votes=2, report=True), shown=False)
    assert result == RunRecord.load(tmp_path / "run")
    assert (result.kind, result.primary, result.classes) == ("segment", "instance_miou", PARTS)
    assert result.score.mean > 0.5 > result.chance  # 0.60 to 0.63, by the processor
    assert set(result.per_class) == {"stick", "plate"}
    assert len(result.scores["voted_instance_miou"].values) == 2
    assert (result.train_clouds + result.validation_clouds, result.test_clouds, result.points) == (30, 10, 32)
    assert "The category of a test cloud is given" in result.protocol
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"parts.png", "report.html", "validation.csv", "model.safetensors", "config.yaml"}
    model, record = load_model(tmp_path / "run")
    assert isinstance(model, Segmenter)
    assert (record.task, model.config.categories) == ("segmentation", ("stick", "plate"))
    assert model.config.category_parts == ((0, 1), (2, 3))


def test_the_twin_starts_from_other_weights(tmp_path, weights):
    data = save(tmp_path / "parts.npz", shapes())
    result = segment(config(tmp_path, data, weights, epochs=1, twin=True), shown=False)
    assert result.twin is not None and result.twin.encoder == "from scratch"
    one, two = (load_model(tmp_path / "run" / place)[0].state_dict() for place in (".", "scratch"))
    assert not torch.equal(one["encoder.embeddings.0.lift.weight"], two["encoder.embeddings.0.lift.weight"])


def test_one_kind_of_cloud_needs_no_category(tmp_path, weights):
    arrays = shapes()
    plain = {name: arrays[name] for name in ("points", "split")} | {"part_labels": arrays["part_labels"] % 2}
    result = segment(config(tmp_path, save(tmp_path / "parts.npz", plain), weights), shown=False)
    assert load_model(tmp_path / "run")[0].config.categories == ()
    assert result.per_class.keys() == {"all"}
    assert result.classes == ("0", "1")


def test_an_encoder_of_one_level_gets_its_own_head(tmp_path, one_level):
    data = save(tmp_path / "parts.npz", shapes())
    segment(config(tmp_path, data, one_level, epochs=1, head_widths=None), shown=False)
    found, record = load_model(tmp_path / "run")
    assert (found.config.context, found.config.head_widths) == ("tokens", (512, 256))
    assert record.pooling == "mean+max"  # that of the pre-training


def test_the_data_s_own_validation_split_chooses_the_epoch(tmp_path, weights):
    arrays = shapes()
    arrays["split"][20:30] = "val"
    result = segment(config(tmp_path, save(tmp_path / "parts.npz", arrays), weights), shown=False)
    assert (result.train_clouds, result.validation_clouds) == (20, 10)
    assert "the data's own validation split" in result.protocol


def test_what_cannot_be_segmented_is_refused(tmp_path, weights):
    arrays = shapes()
    unseen = {**arrays, "part_labels": arrays["part_labels"].copy()}
    unseen["part_labels"][(arrays["split"] == "train") & (arrays["labels"] == 0)] = 0
    foreign = {**arrays, "part_labels": arrays["part_labels"].copy()}
    foreign["part_labels"][0] = 3
    cases = {
        "has no part labels": {name: values for name, values in arrays.items() if not name.startswith("part")},
        "no training cloud of their category has: stick: 'stick/right' in 5 clouds.*--unseen-parts leave-out": unseen,
        "is a 'stick', but has the part 'plate/back'": foreign,
        "at least 2 parts": {**arrays, "part_labels": 0 * arrays["part_labels"], "part_names": np.array(["one"])},
    }
    for number, (said, wrong) in enumerate(cases.items()):
        data = save(tmp_path / f"set{number}.npz", wrong)
        with pytest.raises(DataError, match=said):
            segment(config(tmp_path, data, weights, output=tmp_path / f"run{number}"), shown=False)


def test_test_clouds_with_unseen_parts_can_be_left_out(tmp_path, weights, capsys):
    arrays = shapes()
    parts = arrays["part_labels"].copy()
    parts[parts == 1] = 0
    lost = np.flatnonzero((arrays["split"] == "test") & (arrays["labels"] == 0))[:2]
    parts[lost, :5] = 1
    data = save(tmp_path / "parts.npz", arrays | {"part_labels": parts})
    result = segment(config(tmp_path, data, weights, epochs=1, unseen_parts="leave-out"))
    assert (result.test_clouds, result.figures["left_out_clouds"]) == (8, 2)
    assert "2 of 10 test clouds left out, for their parts: stick: 'stick/right' in 2 clouds." in result.protocol
    assert "2 of 10 test clouds left out" in capsys.readouterr().err
    rest = {name: np.delete(values, lost, 0) if len(values) == 40 else values for name, values in arrays.items()}
    rest["part_labels"] = np.delete(parts, lost, 0)
    without = segment(
        config(tmp_path, save(tmp_path / "rest.npz", rest), weights, epochs=1, output=tmp_path / "rest"), shown=False
    )
    assert without.scores == result.scores and "left_out_clouds" not in without.figures


def test_a_test_set_of_which_nothing_is_left_is_refused(tmp_path, weights):
    arrays = {name: values for name, values in shapes().items() if name in ("points", "split")}
    arrays["part_labels"] = np.where(shapes()["split"][:, None] == "test", 2, np.arange(40) % 2)
    data = save(tmp_path / "parts.npz", arrays)
    with pytest.raises(DataError, match=r"all 10 test clouds .*: all clouds: '2' in 10 clouds. Nothing is left"):
        segment(config(tmp_path, data, weights, unseen_parts="leave-out"), shown=False)


def test_a_segmenter_is_no_start_for_a_classifier(tmp_path, weights):
    data = save(tmp_path / "parts.npz", shapes())
    segment(config(tmp_path, data, weights, epochs=1), shown=False)
    with pytest.raises(CheckpointError, match=r"holds a part segmenter.* an encoder alone or a pre-trained encoder"):
        finetune(checkpoint=tmp_path / "run", data=str(data), output=tmp_path / "other", shown=False)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_fit_the_encoders_they_are_for(name):
    recipe = RECIPES[name]()
    assert recipe.recipe == name
    models = {"shapenetpart": "paper", "shapenetpart-plain": "point-mae"}
    source = open_start(recipe.task.changed(model=models.get(name, "tiny")))
    settled, _ = settle(recipe, source, 140)
    adapted_encoder(source, settled.task.encoder)
    assert settled.training.batch_size == 16


def test_published_settings():
    found = RECIPES["shapenetpart"]()
    assert (*found.training.length, found.training.optimiser.learning_rate) == (300, 16, 2e-4)
    task = found.task
    assert (task.encoder.group_sizes, task.encoder.attention_radii) == ((16, 8, 8), (0.32, 0.64, 1.28))
    assert (task.input_points, task.propagation_widths, task.head_widths) == (2048, (1536, 1024), None)
    assert RECIPES["own"]().training.optimiser.learning_rate == 2e-4
    assert RECIPES["tiny"]().training.optimiser.learning_rate == 1e-3
