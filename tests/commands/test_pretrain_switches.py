"""What I2P-MAE can learn beside what was published, from a configuration to an embedding."""

import numpy as np
import pytest

from i2pmae import load, pretrain, recipe
from i2pmae.common.errors import UsageError
from tests.steps import Painter


def test_layers_rollout_levels_and_a_class_token_in_one_run(tmp_path):
    """The switches together, from the command's configuration to an embedding."""
    config = recipe("tiny").changed(
        {
            "data.clouds": 24,
            "data.points": 512,
            "training.epochs": 1,
            "training.batch_size": 8,
            "teacher_layers": (2, 4),
            "guidance.saliency": "rollout",
            "loss.levels": "all",
            "model.class_token": True,
            "whole.regression": 1.0,
            "whole.reads": "class|max",
            "pooling": "class|max",
            "output": tmp_path / "run",
            "probe": False,
            "report": False,
        }
    )
    record = pretrain(config, shown=False)
    assert 0 < record.figures["semantics"] < 3
    encoder = load(tmp_path / "run")
    assert encoder.pooling == "class|max" and encoder.embedding_dim == 2 * 192
    sizes = encoder.model.config
    assert (sizes.semantic_levels, sizes.semantic_dim) == (2, 3 * 3 * 192)


def test_shapes_beside_the_clouds_are_learnt_from_and_not_probed(tmp_path):
    """An epoch has all of both; probe and pictures are of the clouds alone."""
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 3
    points = rng.normal(size=(24, 512, 3)) * (1 + labels[:, None, None] * np.array([0, 1, 2]))
    np.savez(tmp_path / "own.npz", points=points.astype(np.float32), labels=labels)
    config = recipe("tiny").changed(
        {
            "data.source": tmp_path / "own.npz",
            "data.points": 512,
            "shapes_beside": 16,
            "training.epochs": 1,
            "training.batch_size": 8,
            "watch_epochs": 1,
            "output": tmp_path / "run",
        }
    )
    record = pretrain(config, shown=False)
    assert record.figures["clouds"] == 40 and record.figures["steps"] == 5
    assert round(record.chance, 6) == round(1 / 3, 6), "three classes, none of them of shapes"
    assert (tmp_path / "run" / "watch.csv").exists()
    assert "24 clouds and 16 built-in shapes" in (tmp_path / "run" / "report.html").read_text()
    assert load(tmp_path / "run").info["notes"]["shapes_beside"] == 16


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"teacher": "run:runs/x", "guidance.kind": "random", "teacher_layers": (1,)}, "no layers of a 2D model"),
        ({"teacher_layers": (1,), "guidance.saliency": "feature-norm"}, "several teachers or layers"),
        ({"whole.regression": 1.0, "whole.reads": "class|max"}, "set model.class_token"),
    ],
)
def test_switches_that_contradict_are_refused(changes, says):
    with pytest.raises(UsageError, match=says):
        recipe("tiny").changed(changes)


def test_there_are_no_shapes_beside_shapes(tmp_path):
    config = recipe("tiny").changed({"data.clouds": 8, "shapes_beside": 10, "output": tmp_path / "run"})
    with pytest.raises(UsageError, match="built-in shapes already"):
        pretrain(config, shown=False)


def test_layers_are_asked_of_teachers_by_name(tmp_path):
    config = recipe("tiny").changed({"data.clouds": 8, "teacher_layers": (1,), "output": tmp_path / "run"})
    with pytest.raises(UsageError, match="loaded by name"):
        pretrain(config, teacher=Painter(), shown=False)
