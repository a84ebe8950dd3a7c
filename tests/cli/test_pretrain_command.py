from pathlib import Path

import pytest

from i2pmae.cli.pretrain import COMMAND
from i2pmae.common.errors import UsageError
from i2pmae.methods import recipes
from i2pmae.methods.config import PretrainConfig
from i2pmae.runs.record import START, RunRecord, Score
from tests.cli.conftest import Call

RECIPES = recipes()


def read_options(arguments: list[str]) -> tuple[PretrainConfig, bool]:
    given = COMMAND.read(arguments)
    assert given is not None
    return given.config, given.resume


def test_no_arguments_mean_the_default_recipe() -> None:
    assert read_options([]) == (RECIPES["default"](), False)


@pytest.mark.parametrize(
    ("line", "recipe", "start"),
    [
        ("--data scans/", "adapt", "tiny"),
        ("--data=scans/ --epochs 3", "adapt", "tiny"),
        ("--data modelnet40=folder", "adapt", "tiny"),
        ("--data shapes", "default", None),
        ("best --data scans/", "best", None),
        ("--data scans/ --model.group-counts 128 64 16", "best", None),
    ],
)
def test_on_clouds_of_ones_own_it_goes_on_from_the_weights_in_the_package(
    line: str, recipe: str, start: str | None
) -> None:
    config, _ = read_options(line.split())
    assert (config.recipe, config.start) == (recipe, start)
    rate = RECIPES["best"]().training.optimiser.learning_rate * (0.1 if recipe == "adapt" else 1)
    assert config.training.optimiser.learning_rate == pytest.approx(rate)
    assert recipe == "default" or config.data.clouds is None


def test_a_run_of_ones_own_clouds_is_resumed_beside_one_of_the_main_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("default", "adapt"):
        stored = RECIPES[name]().changed(epochs=7)
        stored.output.folder.mkdir(parents=True)
        stored.save(stored.output.folder / "config.yaml")
    assert read_options(["--resume"])[0].recipe == "default"
    config, _ = read_options(["--data", "scans/", "--resume"])
    assert (config.recipe, config.training.epochs, config.output.folder) == ("adapt", 7, Path("runs/adapt"))


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_be_named(name: str) -> None:
    assert read_options([name])[0] == RECIPES[name]()


def test_stable_options_override_the_recipe() -> None:
    line = "tiny --data d --output o --teacher ./t --epochs 3 --batch-size 4 --seed 5 --device cpu --precision bf16"
    config, resume = read_options([*line.split(), "--resume"])
    assert resume
    expected = {"data": "d", "output": Path("o"), "teacher": "./t", "epochs": 3, "batch_size": 4, "seed": 5}
    expected |= {"device": "cpu", "precision": "bf16"}
    assert config == RECIPES["tiny"]().changed(expected)


def test_which_shapes_are_made_can_be_said() -> None:
    config, _ = read_options(
        ["tiny", "shapes", "--shapes.catalogue", "wide", "--shapes.assemblies", "0.5", "--shapes.partial", "0.2"]
    )
    assert (config.data.shapes.catalogue, config.data.shapes.assemblies, config.data.shapes.partial) == (
        "wide",
        0.5,
        0.2,
    )


def test_reading_options_have_no_prefix_and_others_do() -> None:
    line = "--points 512 --up z --labels folder --workers 2 --clouds 99 --max-bad-share 0.5 --cache c"
    line += " --model.mask-ratio 0.7 --model.encoder-depths 1 1 1 --optimiser.clip-norm None --no-augment"
    config, _ = read_options(line.split())
    read, method, optimiser = config.data, config.method, config.training.optimiser
    assert (read.points, read.up, read.labels, read.workers, read.clouds) == (512, "z", "folder", 2, 99)
    assert (read.max_bad_share, read.cache) == (0.5, Path("c"))
    assert (method.model.mask_ratio, method.model.encoder_depths) == (0.7, (1, 1, 1))
    assert optimiser.clip_norm is None
    assert not method.augment
    default = RECIPES["default"]()
    assert method.model.encoder_dims == default.method.model.encoder_dims
    assert optimiser.learning_rate == default.training.optimiser.learning_rate


def test_the_recipe_may_stand_after_the_options() -> None:
    assert read_options(["--epochs", "3", "tiny"])[0] == RECIPES["tiny"]().changed(epochs=3)


def test_a_word_may_be_the_data(tmp_path: Path) -> None:
    for word in ("shapes", "modelnet40=place", str(tmp_path)):
        assert read_options(["tiny", word])[0] == RECIPES["tiny"]().changed(data=word)
        assert read_options([word, "tiny", "--seed", "3"])[0] == RECIPES["tiny"]().changed(data=word, seed=3)
    assert read_options(["tiny", "--output", "small"])[0] == RECIPES["tiny"]().changed(output="small")


def test_a_stored_configuration_repeats_a_run_and_can_be_changed(tmp_path: Path) -> None:
    stored = RECIPES["small"]().changed(seed=7, data="mine", cache_size=3.0)
    stored.save(tmp_path / "config.yaml")
    assert read_options(["--config", str(tmp_path / "config.yaml")])[0] == stored
    changed = read_options([f"--config={tmp_path / 'config.yaml'}", "--seed", "8", "--guidance.kind", "random"])[0]
    assert (changed.training.seed, changed.method.guidance.kind) == (8, "random")
    assert (changed.recipe, changed.data.source) == ("small", "mine")


def test_resuming_takes_the_configuration_of_the_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    stored = RECIPES["small"]().changed(seed=7, output=Path("elsewhere"))
    stored.save(run / "config.yaml")
    config, resume = read_options(["--output", str(run), "--resume"])
    assert resume
    assert config == stored.changed(output=run)
    assert read_options(["tiny", "--output", str(run), "--resume"])[0].training.seed == 0
    assert read_options(["--output", str(run)])[0].training.seed == 0
    assert read_options(["--output", str(tmp_path / "new"), "--resume"])[0].recipe == "default"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tinny", "neither a recipe nor a folder or file 'tinny'. Did you mean 'tiny'?"),
        ("--recipe tinny", "Unknown recipe 'tinny'. Did you mean 'tiny'?"),
        ("tiny small", "Name one recipe, not tiny and small"),
        ("tiny a b", "no place for 'b'"),
        ("tinny shapes", "neither a recipe nor a folder or file 'tinny'. Did you mean 'tiny'?"),
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
        ("--epochs 0", "at least 1"),
        ("--model.heads 7", "not a multiple of the 7 heads"),
        ("--epochs 3 tinny", "tinny"),
        ("tiny --points 64", "too small for the 256 tokens"),
        ("tiny --pooling class|max", "needs a [CLS] token"),
        ("tiny --teacher embeded", "Did you mean 'embedded'?"),
        ("--optimiser.learning-rate inf", "learning_rate"),
    ],
)
def test_wrong_options_have_status_2_and_a_reason(call: Call, line: str, said: str) -> None:
    status, out, err = call("pretrain", *line.split())
    assert (status, out) == (2, "")
    assert said in err
    assert "Traceback" not in err and "errors.pydantic.dev" not in err


def test_a_configuration_with_unknown_fields_names_them(call: Call, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("method:\n  name: i2p-mae\n  model:\n    headz: 2\ntraining:\n  epochz: 3\n")
    status, _, err = call("pretrain", "--config", tmp_path / "c.yaml")
    assert status == 2
    assert "'epochs'" in err and "'heads'" in err


def test_the_outcome_is_printed(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[PretrainConfig, bool]] = []
    score = RunRecord(
        kind="linear-probe",
        primary="accuracy",
        scores={"accuracy": Score(mean=0.5)},
        train_clouds=8,
        test_clouds=2,
        chance=0.25,
    )
    figures = {"clouds": 10, "steps": 30, "training_seconds": 50, "coordinates": 0.25, "semantics": 0.5}

    def fake(config: PretrainConfig, *, resume: bool = False) -> RunRecord:
        asked.append((config, resume))
        better = score.changed(
            kind="pretrain", scores={"accuracy": Score(mean=0.75)}, output=config.output.folder, figures=figures
        )
        return better.with_twin(score)

    monkeypatch.setattr("i2pmae.commands.pretrain.pretrain", fake)
    (tmp_path / "report.html").touch()
    status, out, err = call("pretrain", "tiny", "--output", tmp_path, "--resume")
    assert (status, err) == (0, "")
    assert asked == [(RECIPES["tiny"]().changed(output=tmp_path), True)]
    assert f"report        {tmp_path / 'report.html'}" in out
    assert "untrained 50.0%, trained 75.0% (chance 25.0%" in out
    assert "coordinates 0.2500, semantics 0.5000" in out
    assert "advice" not in out
    begun = score.changed(scores={"accuracy": Score(mean=0.8)})

    def worse(config: PretrainConfig, *, resume: bool = False) -> RunRecord:
        found = fake(config, resume=resume)
        return found.changed(children={**found.children, START: begun})

    monkeypatch.setattr("i2pmae.commands.pretrain.pretrain", worse)
    _, out, _ = call("pretrain", "tiny", "--output", tmp_path)
    assert "untrained 50.0%, at the start 80.0%, trained 75.0%" in out
    assert "advice        the weights that it went on from score better here" in out
