from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.common.errors import CheckpointError, DataError
from i2pmae.evaluation import Result
from i2pmae.hub import ModelRecord, load_model, save_weights
from i2pmae.models import PointMAE, PointMAEConfig, Segmenter
from i2pmae.recipes.downstream import adapted_encoder, open_start, settle
from i2pmae.recipes.downstream_recipes import SEGMENT_RECIPES
from i2pmae.recipes.finetune import finetune
from i2pmae.recipes.segment import segment
from i2pmae.training.config import DataConfig, OptimiserConfig
from i2pmae.training.finetune_config import AugmentConfig, EncoderChanges, FinetuneConfig, SegmentConfig

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


def config(tmp_path: Path, data: Path, weights: Path | None, **changes: object) -> SegmentConfig:
    return SegmentConfig(
        **{
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
            "encoder": EncoderChanges(drop_path=0.0),
            "augment": AugmentConfig(kind="none"),
            "clouds": DataConfig(points=40, labels="folder"),
            "optimiser": OptimiserConfig(learning_rate=1e-2, warmup_epochs=0, clip_norm=10),
        }
        | changes
    )


def test_parts_are_learnt_and_everything_is_left(tmp_path, weights):
    data = save(tmp_path / "parts.npz", shapes())
    result = segment(config(tmp_path, data, weights, epochs=25, votes=2, report=True), shown=False)
    assert result == Result.load(tmp_path / "run" / "results.json")
    assert (result.task, result.primary, result.classes) == ("segment", "instance_miou", PARTS)
    assert result.score.mean > 0.6 > result.chance
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


def test_an_encoder_of_one_level_gets_its_own_head(tmp_path):
    sizes = {"group_count": 8, "group_size": 4, "embed_widths": (8, 8, 16), "width": 12, "depth": 3, "heads": 2}
    model = PointMAE(PointMAEConfig(**sizes, decoder_depth=1, decoder_heads=2))
    save_weights(tmp_path / "mae", model, ModelRecord(method="point-mae", points=32, model=model.config))
    data = save(tmp_path / "parts.npz", shapes())
    segment(config(tmp_path, data, tmp_path / "mae", epochs=1), shown=False)
    found = load_model(tmp_path / "run")[0].config
    assert (found.context, found.head_widths) == ("tokens", (16, 8))


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
        "no training cloud of their category has: 'stick/right' of 'stick'": unseen,
        "is a 'stick', but has the part 'plate/back'": foreign,
        "at least 2 parts": {**arrays, "part_labels": 0 * arrays["part_labels"], "part_names": np.array(["one"])},
    }
    for number, (said, wrong) in enumerate(cases.items()):
        data = save(tmp_path / f"set{number}.npz", wrong)
        with pytest.raises(DataError, match=said):
            segment(config(tmp_path, data, weights, output=tmp_path / f"run{number}"), shown=False)


def test_a_segmenter_is_no_start_for_a_classifier(tmp_path, weights):
    data = save(tmp_path / "parts.npz", shapes())
    segment(config(tmp_path, data, weights, epochs=1), shown=False)
    with pytest.raises(CheckpointError, match="holds a part segmenter"):
        finetune(FinetuneConfig(checkpoint=tmp_path / "run", data=str(data), output=tmp_path / "other"), shown=False)


@pytest.mark.parametrize("name", SEGMENT_RECIPES)
def test_recipes_fit_the_encoders_they_are_for(name):
    recipe = SEGMENT_RECIPES[name]()
    assert recipe.recipe == name
    models = {"shapenetpart": "paper", "shapenetpart-plain": "point-mae"}
    source = open_start(recipe.model_copy(update={"model": models.get(name, "tiny")}))
    settled, _ = settle(recipe, source, 140)
    adapted_encoder(source, settled.encoder)
    assert settled.batch_size == 16


def test_published_settings():
    found = SEGMENT_RECIPES["shapenetpart"]()
    assert (found.input_points, found.batch_size, found.epochs, found.optimiser.learning_rate) == (2048, 16, 300, 2e-4)
    assert (found.encoder.group_sizes, found.encoder.attention_radii) == ((16, 8, 8), (0.32, 0.64, 1.28))
    assert (found.propagation_widths, found.head_widths) == ((1536, 1024), None)
