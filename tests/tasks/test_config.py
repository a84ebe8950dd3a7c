from pathlib import Path

import pytest

from i2pmae.common.errors import UsageError
from i2pmae.tasks import TASKS, recipes
from i2pmae.tasks.classification.config import ClassificationConfig
from i2pmae.tasks.config import TaskRunConfig

FLAT = """
recipe: scanobjectnn-bg
checkpoint: runs/paper
model: tiny
data: scanobjectnn-bg=data/scanobjectnn
output: runs/old
epochs: 300
batch_size: 32
input_points: 2048
candidates: null
seed: 3
device: cpu
precision: bf16
compile: false
checkpoint_minutes: 7.0
freeze: false
layer_decay: 0.7
twin: true
report: false
clouds: {points: 2048, up: z, labels: folder, parts: named, clouds: 100, max_bad_share: 0.2, workers: 2, cache: kept}
augment: {kind: scale-rotate, scale: null, shift: [-0.2, 0.2], degrees: 90.0}
encoder: {group_counts: null, group_sizes: [32, 16, 16], attention_radii: [0.32, 0.64, 1.28], drop_path: null}
optimiser: {learning_rate: 0.0005, weight_decay: 0.05, warmup_epochs: 10.0, start_rate: 1.0e-06, final_rate: 1.0e-06,
  schedule_epochs: null, clip_norm: 10.0, accumulate: 2, betas: [0.9, 0.999]}
"""
VALIDATED = "validation_share: 0.2\nvalidate_epochs: 2\nvotes: 3\n"
HEAD = "pooling: mean|max\nhead_widths: [64]\nhead_norm: null\ndropout: 0.4\nsmoothing: 0.1\n"
OWN = {
    "finetune": VALIDATED + HEAD,
    "segment": VALIDATED
    + "propagation_widths: [32, 16]\ncontext: tokens\ncategory_width: 8\nhead_widths: [16]\ndropout: 0.4\n",
    "fewshot": HEAD + "mode: linear\nways: 10\nshots: 20\nqueries: 5\nfolds: 2\n",
}


@pytest.mark.parametrize("name", OWN)
def test_configurations_of_the_first_format_are_read(name: str) -> None:
    found = TaskRunConfig.from_yaml(FLAT + OWN[name])
    task, data, training = found.task, found.data, found.training
    assert (type(task), found.format, found.recipe) == (TASKS[name].Config, 2, "scanobjectnn-bg")
    assert (task.checkpoint, task.input_points, task.twin) == ("runs/paper", 2048, True)
    assert (task.encoder.group_sizes, task.augment.degrees) == ((32, 16, 16), 90)
    assert (data.source, data.up, data.clouds, data.max_bad_share, data.cache) == (
        *("scanobjectnn-bg=data/scanobjectnn", "z", 100, 0.2),
        Path("kept"),
    )
    assert (*training.length, training.seed, training.precision, training.loaders) == (300, 32, 3, "bf16", 2)
    assert (training.optimiser.layer_decay, training.optimiser.accumulate) == (0.7, 2)
    assert (found.output.folder, found.output.report) == (Path("runs/old"), False)
    assert task.dropout == 0.4
    assert TaskRunConfig.from_yaml(found.to_yaml()) == found


@pytest.mark.parametrize(("name", "sign"), [("finetune", ""), ("segment", "context: null"), ("fewshot", "ways: 5")])
def test_what_the_first_format_left_out_is_as_it_was(name: str, sign: str) -> None:
    found, own = TaskRunConfig.from_yaml(f"data: scans\n{sign}\n"), recipes(name)["own"]()
    assert found == own.changed({"recipe": "custom", "data": "scans", **_shares(own)})


def _shares(config: TaskRunConfig) -> dict[str, float]:
    """The recipes for own data hold more back than a configuration without a recipe."""
    return {"validation_share": 0.1} if "validation_share" in type(config.task).model_fields else {}


def test_what_is_wrong_in_the_first_format_is_named() -> None:
    with pytest.raises(UsageError, match=r"task\.batch_sise: no such field"):
        TaskRunConfig.from_yaml(FLAT + "batch_sise: 3\n")
    with pytest.raises(UsageError, match=r"training\.optimiser: .*\(got 3\)"):
        TaskRunConfig.from_yaml("data: scans\noptimiser: 3\n")


@pytest.mark.parametrize("task", TASKS)
def test_every_recipe_is_read_back_as_it_was(task: str) -> None:
    for name, make in recipes(task).items():
        config = make()
        assert (config.recipe, config.task.name) == (name, task)
        assert make.__doc__
        assert TaskRunConfig.from_yaml(config.to_yaml()) == config


def test_a_task_is_told_by_its_name() -> None:
    assert TaskRunConfig.from_dict({"task": "finetune"}).task == ClassificationConfig()
    with pytest.raises(UsageError, match=r"unknown task 'finetuning'.*'finetune'"):
        TaskRunConfig.from_dict({"task": {"name": "finetuning"}})
    with pytest.raises(UsageError, match="which task is meant must be said"):
        TaskRunConfig.from_dict({"task": {}})
