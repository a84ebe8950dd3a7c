from pathlib import Path

import pytest

from i2pmae.cli.pretrain import read_options
from i2pmae.common.errors import UsageError
from i2pmae.evaluation import Result, Score
from i2pmae.recipes import RECIPES
from i2pmae.recipes.pretrain import ProbeComparison, RunResult
from i2pmae.training.config import PretrainConfig
from tests.cli.conftest import Call


def test_no_arguments_mean_the_default_recipe() -> None:
    assert read_options([]) == (RECIPES["default"](), False)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_be_named(name: str) -> None:
    assert read_options([name])[0] == RECIPES[name]()


def test_stable_options_override_the_recipe() -> None:
    line = "tiny --data d --output o --teacher t --epochs 3 --batch-size 4 --seed 5 --device cpu --precision bf16"
    config, resume = read_options([*line.split(), "--resume"])
    assert resume
    expected = {"data": "d", "output": Path("o"), "teacher": "t", "epochs": 3, "batch_size": 4, "seed": 5}
    expected |= {"device": "cpu", "precision": "bf16"}
    assert config == RECIPES["tiny"]().model_copy(update=expected)


def test_reading_options_have_no_prefix_and_others_do() -> None:
    line = "--points 512 --up z --labels folder --workers 2 --clouds 99 --max-bad-share 0.5 --cache c"
    line += " --model.mask-ratio 0.7 --model.encoder-depths 1 1 1 --optimiser.clip-norm None --no-augment"
    config, _ = read_options(line.split())
    read = config.clouds
    assert (read.points, read.up, read.labels, read.workers, read.clouds) == (512, "z", "folder", 2, 99)
    assert (read.max_bad_share, read.cache) == (0.5, Path("c"))
    assert (config.model.mask_ratio, config.model.encoder_depths) == (0.7, (1, 1, 1))
    assert config.optimiser.clip_norm is None
    assert not config.augment
    default = RECIPES["default"]()
    assert config.model.encoder_dims == default.model.encoder_dims
    assert config.optimiser.learning_rate == default.optimiser.learning_rate


def test_the_recipe_may_stand_after_the_options() -> None:
    assert read_options(["--epochs", "3", "tiny"])[0] == RECIPES["tiny"]().model_copy(update={"epochs": 3})


def test_a_stored_configuration_repeats_a_run_and_can_be_changed(tmp_path: Path) -> None:
    stored = RECIPES["small"]().model_copy(update={"seed": 7, "data": "mine", "cache_teacher": False})
    stored.save(tmp_path / "config.yaml")
    assert read_options(["--config", str(tmp_path / "config.yaml")])[0] == stored
    changed = read_options([f"--config={tmp_path / 'config.yaml'}", "--seed", "8", "--guidance.kind", "random"])[0]
    assert (changed.seed, changed.guidance.kind, changed.recipe, changed.data) == (8, "random", "small", "mine")


def test_resuming_takes_the_configuration_of_the_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    stored = RECIPES["small"]().model_copy(update={"seed": 7, "output": Path("elsewhere")})
    stored.save(run / "config.yaml")
    config, resume = read_options(["--output", str(run), "--resume"])
    assert resume
    assert config == stored.model_copy(update={"output": run})
    assert read_options(["tiny", "--output", str(run), "--resume"])[0].seed == 0
    assert read_options(["--output", str(run)])[0].seed == 0
    assert read_options(["--output", str(tmp_path / "new"), "--resume"])[0].recipe == "default"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tinny", "Unknown recipe 'tinny'. Did you mean 'tiny'?"),
        ("--epochs 3 tinny", "Unknown recipe 'tinny'"),
        ("tiny --config x.yaml", "not from both"),
        ("--config nowhere.yaml", "Cannot read the configuration nowhere.yaml"),
    ],
)
def test_wrong_starts_are_refused(call: Call, line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        read_options(line.split())
    status, out, err = call("pretrain", *line.split())
    assert (status, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--epoch 3", "--epochs"),
        ("--model.mask-rtio 0.5", "--model.mask-ratio"),
        ("--precision fp8", "fp8"),
        ("--epochs three", "three"),
        ("--epochs", "--epochs"),
        ("--config", "--config"),
        ("--epochs 0", "greater than or equal to 1"),
        ("--model.heads 7", "not a multiple of the 7 heads"),
        ("tiny small", "small"),
    ],
)
def test_wrong_options_have_status_2_and_a_reason(call: Call, line: str, said: str) -> None:
    status, out, err = call("pretrain", *line.split())
    assert (status, out) == (2, "")
    assert said in err
    assert "Traceback" not in err and "errors.pydantic.dev" not in err


def test_a_configuration_with_unknown_fields_names_them(call: Call, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("epochz: 3\nmodel:\n  headz: 2\n")
    status, _, err = call("pretrain", "--config", tmp_path / "c.yaml")
    assert status == 2
    assert "'epochs'" in err and "'heads'" in err


def test_the_outcome_is_printed(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[PretrainConfig, bool]] = []
    score = Result(
        task="linear-probe",
        primary="accuracy",
        scores={"accuracy": Score(mean=0.5)},
        protocol="",
        train_clouds=8,
        test_clouds=2,
        chance=0.25,
    )
    better = score.model_copy(update={"scores": {"accuracy": Score(mean=0.75)}})

    def fake(config: PretrainConfig, *, resume: bool = False) -> RunResult:
        asked.append((config, resume))
        return RunResult(
            output=config.output, clouds=10, steps=30, seconds=61, training_seconds=50, machine="", versions={},
            losses={"coordinates": 0.25, "semantics": 0.5},
            probe=ProbeComparison(untrained=score, trained=better),
        )  # fmt: skip

    monkeypatch.setattr("i2pmae.recipes.pretrain.pretrain", fake)
    (tmp_path / "report.html").touch()
    status, out, err = call("pretrain", "tiny", "--output", tmp_path, "--resume")
    assert (status, err) == (0, "")
    assert asked == [(RECIPES["tiny"]().model_copy(update={"output": tmp_path}), True)]
    assert f"report        {tmp_path / 'report.html'}" in out
    assert "untrained 50.0%, trained 75.0% (chance 25.0%" in out
    assert "coordinates 0.2500, semantics 0.5000" in out
