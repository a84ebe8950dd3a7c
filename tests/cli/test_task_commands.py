"""``finetune``, ``segment`` and ``fewshot``: from arguments to a result."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from i2pmae.cli import COMMANDS
from i2pmae.cli.fewshot import COMMAND as FEWSHOT
from i2pmae.runs.record import RunRecord, Score
from i2pmae.tasks import TASKS
from tests.cli.conftest import Call

TABLES = {name: task.recipes for name, task in TASKS.items()}
QUICK = "--device cpu --epochs 1 --points 40 --no-report --augment.kind none"


def read(command: str, *arguments: str):
    return importlib.import_module(f"i2pmae.cli.{command}").COMMAND.read(arguments)


@pytest.mark.parametrize("command", TABLES)
def test_every_recipe_can_be_named_and_own_is_the_default(command: str) -> None:
    assert command in COMMANDS
    assert read(command) == (TABLES[command]["own"](), False)
    for name, make in TABLES[command].items():
        assert read(command, name)[0] == make()


@pytest.mark.parametrize("command", TABLES)
def test_recipes_are_listed_and_printed(call: Call, command: str) -> None:
    status, out, _ = call("recipes", "--command", command)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == list(TABLES[command])
    assert all(len(line.split()) > 5 for line in out.splitlines())  # each says what it is
    name = list(TABLES[command])[-1]
    assert call("recipes", name, "--command", command)[1] == TABLES[command][name]().to_yaml()


def test_options_override_the_recipe() -> None:
    line = "modelnet40 --checkpoint c --data d --output o --up z --points 1500 --input-points 512 --candidates 600"
    line += " --seed 3 --encoder.group-sizes 8 4 4 --encoder.attention-radii None --augment.kind none"
    line += " --optimiser.learning-rate 1"
    config, resume = read("finetune", *line.split(), "--twin", "--freeze", "--resume")
    assert resume
    task, data, training = config.task, config.data, config.training
    assert (task.checkpoint, data.source, config.output.folder, training.seed) == ("c", "d", Path("o"), 3)
    assert (data.up, data.points, task.input_points, task.candidates) == ("z", 1500, 512, 600)
    assert (task.encoder.group_sizes, task.encoder.attention_radii) == ((8, 4, 4), None)
    assert (training.optimiser.learning_rate, training.optimiser.warmup_epochs) == (1, 10)
    assert (task.augment.kind, task.twin, task.freeze, task.smoothing) == ("none", True, True, 0.2)


def test_the_value_of_an_option_is_no_recipe() -> None:
    own, tiny = (TABLES["segment"][name]() for name in ("own", "tiny"))
    assert read("segment", "--model", "tiny")[0] == own.changed(model="tiny") != tiny
    assert read("segment", "--output", "tiny")[0] == own.changed(output="tiny")
    assert read("segment", "--no-report", "tiny")[0] == tiny.changed(report=False)
    assert read("segment", "--checkpoint", "c", "--twin", "tiny")[0] == tiny.changed(checkpoint="c", twin=True)


def test_words_stand_for_checkpoint_and_data(tmp_path: Path) -> None:
    expected = TABLES["finetune"]["modelnet40"]().changed(checkpoint=tmp_path, data="shapes", epochs=3)
    for line in (
        f"modelnet40 {tmp_path} shapes",
        f"{tmp_path} modelnet40 shapes",
        f"modelnet40 {tmp_path} --data shapes",
    ):
        assert read("finetune", *line.split(), "--epochs", "3")[0] == expected
    named = f"modelnet40 shapes --checkpoint {tmp_path} --epochs 3"
    assert read("finetune", *named.split())[0] == expected


@pytest.mark.parametrize("command", TABLES)
def test_a_stored_configuration_repeats_a_run(command: str, tmp_path: Path) -> None:
    stored = TABLES[command]["own"]().changed(seed=9, output=tmp_path)
    stored.save(tmp_path / "config.yaml")
    assert read(command, "--config", str(tmp_path / "config.yaml"), "--epochs", "4")[0] == stored.changed(epochs=4)
    assert read(command, "--output", str(tmp_path), "--resume") == (stored, True)


def test_a_classifier_from_the_command_line(call: Call, weights: Path, folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = f"--checkpoint {weights} --data {folder} --output {run} {QUICK} --head-widths 8"
    status, out, err = call("finetune", *line.split())
    assert status == 0, err
    assert out.startswith("accuracy") and "chance" in out and str(run / "confusion.png") in out
    assert "Chosen: input_points 32, batch_size 4" in err
    status, again, err = call("finetune", "--output", run, "--resume")
    assert (status, again) == (0, out)
    assert "is finished" in err
    status, _, err = call("finetune", *line.split())
    assert status == 2 and "holds another run" in err
    status, _, err = call("finetune", "--output", run, "--resume", "--epochs", "7")
    assert status == 2 and "training.epochs: 1 in the folder, 7 now" in err
    status, _, err = call("segment", "--output", run, "--resume")
    assert status == 2 and "This is a configuration of finetune, not of segment" in err


def test_parts_from_the_command_line(call: Call, weights: Path, tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(24, 40, 3)).astype(np.float32)
    split = np.array(["train"] * 18 + ["test"] * 6)
    np.savez(tmp_path / "parts.npz", points=points, part_labels=(points[..., 0] > 0).astype(int), split=split)
    line = f"tiny --checkpoint {weights} --data {tmp_path / 'parts.npz'} --output {tmp_path / 'run'} {QUICK}"
    status, out, err = call("segment", *line.split(), "--propagation-widths", "8", "--head-widths", "8")
    assert status == 0, err
    assert out.startswith("instance miou") and str(tmp_path / "run" / "parts.png") in out


def test_few_shots_from_the_command_line(call: Call, weights: Path, archive: Path, tmp_path: Path) -> None:
    line = f"--checkpoint {weights} --data {archive} --output {tmp_path / 'run'} {QUICK} --mode linear --twin"
    line += " --ways 2 --shots 3 --queries 2 --folds 2"
    status, out, err = call("fewshot", *line.split())
    assert status == 0, err
    assert out.startswith("accuracy") and "from scratch" in out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("finetune modelnet", "Did you mean 'modelnet40'"),
        ("finetune modelnet40 --config x.yaml", "not from both"),
        ("finetune --poolng max", "--pooling"),
        ("finetune --input-points 4000", "cannot see 4000 points"),
        ("finetune --twin", "needs a checkpoint"),
        ("finetune --checkpoint nowhere", "There is no checkpoint nowhere"),
        ("finetune --data nowhere", "nowhere"),
        ("finetune --model smal", "Did you mean 'small'"),
        ("segment --batch-size 1", "needs batches of 2 clouds or more: raise --batch-size"),
        ("segment --data shapes --clouds 40", "has no part labels"),
        ("fewshot --ways 1", "ways: must be at least 2"),
    ],
)
def test_wrong_calls_are_explained(call: Call, tmp_path: Path, line: str, said: str) -> None:
    command, *arguments = line.split()
    status, out, err = call(command, *arguments, "--output", tmp_path / "run", "--device", "cpu")
    assert status in (1, 2) and out == ""
    assert said in " ".join(err.split())
    assert "Traceback" not in err


def test_the_summary_puts_the_twin_beside_the_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = RunRecord(
        kind="fewshot", primary="accuracy", scores={"accuracy": Score.of([0.5, 0.75])}, protocol="How.",
        train_clouds=8, test_clouds=2, points=32, chance=0.25, per_class={"a": 0.5},
    )  # fmt: skip
    (tmp_path / "report.html").touch()
    FEWSHOT.show(result.with_twin(result).changed(output=tmp_path))
    text = capsys.readouterr().out.rstrip("\n")
    assert text.startswith("accuracy         62.50 ± 17.68 %  (from scratch 62.50 ± 17.68 %)\nchance           25.00 %")
    assert "8 train, 2 test, 32 points each" in text
    assert str(tmp_path / "report.html") in text and "parts.png" not in text
    assert text.endswith("\n\nHow.")
