"""Comparing recipes: variants, equal budgets, one table, resuming."""

import json

import numpy as np
import pytest
from PIL import Image

from i2pmae.cli import main
from i2pmae.commands import compare as module
from i2pmae.commands.compare import compare
from i2pmae.commands.compare_config import CompareConfig
from i2pmae.commands.variants import ABLATIONS, expand, parse_variant
from i2pmae.common.errors import DataError, UsageError
from i2pmae.runs.record import RunRecord


def test_a_variant_is_a_recipe_with_changes():
    found = parse_variant("tiny@model.mask_ratio=0.6,teacher=vit-ti16,model.encoder_depths=[1,1,1]").config
    model = found.method.model
    assert (model.mask_ratio, found.method.teacher, model.encoder_depths) == (0.6, "vit-ti16", (1, 1, 1))
    tiny = parse_variant("tiny").config
    assert found.changed(model=tiny.method.model, teacher="embedded") == tiny


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_set_is_valid_and_its_members_differ(name):
    configs = [variant.config for variant in expand([name], "tiny")]
    assert all(a != b for i, a in enumerate(configs) for b in configs[:i])
    assert len({config.training.epochs for config in configs}) == 1


def test_the_methods_share_everything_but_the_method():
    found = [variant.config for variant in expand(["methods"], "tiny")]
    assert [config.method.name for config in found] == ["i2p-mae", "point-m2ae", "point-mae", "point-bert"]
    assert len({(str(config.training), str(config.data), config.method.augment) for config in found}) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tinny", "Did you mean 'tiny'"),
        ("tiny@mask=0.5", "tiny@mask=0.5: PretrainConfig has no field 'mask'"),
        ("tiny@teacher=vit-tiny", "Did you mean 'vit-ti16'"),
        ("tiny@model.mask_ratios=0.5", "Did you mean 'method.model.mask_ratio'"),
        ("tiny@model.mask_ratio", "expected field=value"),
        ("tiny@model.mask_ratio=2", "model.mask_ratio"),
    ],
)
def test_wrong_variants(name, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        parse_variant(name)


def test_the_same_variant_twice_is_refused():
    with pytest.raises(UsageError, match="more than once"):
        expand(["tiny", "methods"], "tiny")


def labelled(folder, each=12):
    """Three classes of boxes, as an array file with a split."""
    generator = np.random.default_rng(0)
    extents = np.repeat([[1, 1, 1], [3, 1, 1], [2, 2, 0.2]], each, axis=0)
    points = generator.uniform(-1, 1, (len(extents), 256, 3)) * extents[:, None]
    split = np.where(np.arange(len(extents)) % each < each * 2 // 3, "train", "test")
    path = folder / f"boxes{each}.npz"
    np.savez(path, points=points.astype(np.float32), labels=np.repeat(np.arange(3), each), split=split)
    return str(path)


def config(folder, **more):
    values = {
        "recipes": ("neither", "point-mae-tiny@model.depth=1"),
        "data": labelled(folder),
        "output": folder / "out",
        "seeds": (0, 1),
        "epochs": 1,
        "points": 256,
        "batch_size": 16,
    }
    return CompareConfig(recipes=("tiny",)).changed(values | more)


def test_one_table_of_stored_runs(tmp_path, monkeypatch):
    result = compare(config(tmp_path), shown=False)
    out = tmp_path / "out"
    assert list(result.children) == ["neither", "point-mae-tiny@model.depth=1"]
    for row in result.children.values():
        assert len(row.score.values) == len(row.twin.score.values) == 2 and row.figures["training_seconds"] > 0
        for seed, score in enumerate(row.score.values):
            stored = json.loads((row.children[f"seed-{seed}"].output / "results.json").read_text())
            assert stored["accuracy"] == score
    assert (out / "table.md").read_text().count("\n") == 4
    assert len((out / "table.csv").read_text().splitlines()) == 5
    with Image.open(out / "comparison.png") as image:
        assert np.asarray(image.convert("L")).std() > 5, "something is drawn"
    assert not (out / "cache").exists()
    assert RunRecord.load(out) == result

    with pytest.raises(UsageError, match="--resume"):
        compare(config(tmp_path), shown=False)
    monkeypatch.setattr("i2pmae.commands.pretrain.fit", None)  # finished cells are not trained again
    assert compare(config(tmp_path), resume=True, shown=False).children == result.children


def test_a_choice_needs_no_test_clouds(tmp_path):
    result = compare(config(tmp_path, seeds=(0,), probe_on="held-out"), shown=False)
    for row in result.children.values():
        run = row.children["seed-0"]
        assert "No test cloud took part" in run.protocol
        assert (run.train_clouds, run.test_clouds) == (18, 6), "of the 24 training clouds, not of all 36"
        assert run.twin.test_clouds == 6


def test_a_stopped_comparison_goes_on(tmp_path, monkeypatch):
    real, done = module.pretrain, []

    def stop_at_third(run, **options):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(run.output.folder)
        return real(run, **options)

    monkeypatch.setattr(module, "pretrain", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        compare(config(tmp_path), shown=False)
    monkeypatch.setattr(module, "pretrain", real)
    times = [(path / "model.safetensors").stat().st_mtime_ns for path in done]
    result = compare(config(tmp_path), resume=True, shown=False)
    assert [(path / "model.safetensors").stat().st_mtime_ns for path in done] == times
    assert all(len(row.score.values) == 2 for row in result.children.values())
    with pytest.raises(UsageError, match="epochs"):
        compare(config(tmp_path, epochs=2), resume=True, shown=False)


def test_what_cannot_be_compared_is_said_before_anything_is_trained(tmp_path):
    with pytest.raises(UsageError, match="different numbers of epochs"):
        compare(config(tmp_path, recipes=("tiny", "paper"), epochs=None), shown=False)
    with pytest.raises(UsageError, match="seeds"):
        compare(config(tmp_path, seeds=(1, 1)), shown=False)
    clouds = tmp_path / "clouds"
    clouds.mkdir()
    for index in range(4):
        (clouds / f"{index}.xyz").write_text("".join(f"{i * index} {i % 3} {i % 5}\n" for i in range(300)))
    with pytest.raises(DataError, match="labels"):
        compare(config(tmp_path, data=str(clouds)), shown=False)
    with pytest.raises(DataError, match="at least 2 training clouds"):
        compare(config(tmp_path, data=labelled(tmp_path, each=2)), shown=False)
    assert not list((tmp_path / "out").glob("*/seed-*"))


def test_devices_are_processes_of_the_same_command(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("i2pmae.cli.spread.run_together", lambda count, command: asked.append((count, command)) or 3)
    line = ["compare", "neither", "--device", "cpu", "--devices", "2", "--output", str(tmp_path / "out")]
    assert main(line) == 3
    assert [(count, command[1:]) for count, command in asked] == [(2, ["-m", "i2pmae", *line])]
    with pytest.raises(UsageError, match="devices 2 means 2 processes"):
        compare(config(tmp_path, devices=2, device="cpu"), shown=False)


def test_the_command(tmp_path, capsys):
    out = str(tmp_path / "out")
    options = ["--data", labelled(tmp_path), "--epochs", "1", "--points", "256", "--seeds", "3", "--output", out]
    assert main(["compare", "neither", *options]) == 0
    assert "| neither | i2p-mae |" in capsys.readouterr().out
    assert main(["compare", "--resume", "--output", out]) == 0
    assert "| neither | i2p-mae |" in capsys.readouterr().out
    assert main(["compare", "--output", out]) == 2
    assert "Name the recipes" in capsys.readouterr().err
    assert main(["compare", "neithr", "--output", str(tmp_path / "new")]) == 2
    assert "'neither'" in capsys.readouterr().err
