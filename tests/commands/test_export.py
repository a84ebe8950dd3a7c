"""The encoder of a run alone, and the list of what has a name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch

import i2pmae
from i2pmae.cli import main
from i2pmae.commands import export as exporting
from i2pmae.commands.export import Exported, Parity, exported
from i2pmae.common.errors import CheckpointError, I2PError, UsageError
from i2pmae.data.clouds import normalise
from i2pmae.runs.record import RunRecord, Score
from i2pmae.weights import named, portable
from tests.weights.small_models import POINTS, save_model

Weights = Callable[..., Path]


def probed(folder: Path) -> None:
    """A result as a run of pre-training leaves it."""
    found = RunRecord(kind="pretrain", primary="accuracy", scores={"accuracy": Score.of([0.83])}, data="solids")
    found.with_twin(found.changed(scores={"accuracy": Score.of([0.6])})).save(folder / "results.json")


def test_an_exported_encoder_is_small_and_embeds_the_same(weights: Weights, tmp_path: Path) -> None:
    run, output = weights(), tmp_path / "out"
    assert i2pmae.export(run, output) == output
    whole, alone = i2pmae.load(run, "cpu"), i2pmae.load(output, "cpu")
    points = np.random.default_rng(0).normal(size=(3, POINTS, 3)).astype(np.float32)
    np.testing.assert_allclose(alone.embed(points), whole.embed(points), atol=1e-2)
    assert (alone.record.task, alone.record.files_up, alone.pooling) == ("encoder", "z", whole.pooling)
    assert alone.record.notes == whole.record.notes, "nobody has probed it"
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (output, run)]
    assert sizes[0] < 0.6 * sizes[1]
    exact = i2pmae.load(i2pmae.export(run, tmp_path / "exact", precision="fp32"), "cpu")
    assert np.array_equal(exact.embed(points), whole.embed(points))


def test_what_cannot_be_exported_says_why(weights: Weights, tmp_path: Path) -> None:
    run = weights()
    with pytest.raises(UsageError, match="already holds weights"):
        i2pmae.export(run, run)
    with pytest.raises(CheckpointError, match=r"holds a classifier.* not an encoder alone"):
        i2pmae.export(weights("i2p-mae classification"), tmp_path / "out")
    with pytest.raises(UsageError, match="expected fp16 or fp32"):
        i2pmae.export(run, tmp_path / "out", precision="fp8")
    assert not (tmp_path / "out").exists()


def test_a_list_of_models_says_how_good_they_are(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(named, "SHIPPED", tmp_path / "shipped")
    assert i2pmae.list_models() == []
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("No weights with a name are here.\ntiny (") and out.count("is not here") == 2
    run = weights()
    probed(run)
    assert main(["export", str(run), "--output", str(tmp_path / "shipped" / "tiny")]) == 0
    assert "the encoder alone, fp16" in capsys.readouterr().out
    [model] = i2pmae.list_models()
    encoder = i2pmae.load("tiny", "cpu")
    assert (model.name, model.licence, model.channels) == ("tiny", "Apache-2.0", encoder.embedding_dim)
    assert model.parameters == sum(value.numel() for value in encoder.model.parameters())
    assert model.probe == "83.0% (untrained 60.0%), solids"
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "83.0% (untrained 60.0%), solids" in out and "in this package" in out and "small (" in out
    assert main(["models"]) == 0 and capsys.readouterr().out == out, "in the same order"


def test_a_damaged_model_is_named(ship: Callable[..., Path]) -> None:
    torch.save({}, ship() / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"shipped/tiny/model.safetensors is damaged"):
        i2pmae.list_models()


def test_exported_weights_are_exported_again(tmp_path: Path) -> None:
    first = i2pmae.export(save_model(tmp_path / "a", "point-mae pretraining"), tmp_path / "b")
    second = i2pmae.export(first, tmp_path / "c")
    assert all(
        (first / name).read_bytes() == (second / name).read_bytes() for name in ("model.safetensors", "model.yaml")
    )


def clouds(count: int, points: int) -> np.ndarray:
    return normalise(np.random.default_rng(5).normal(size=(count, points, 3))).astype(np.float32)


def program(path: Path) -> Callable[..., np.ndarray]:
    """A written program, run by what others run it with."""
    if path.suffix == ".pt2":
        module = torch.export.load(str(path)).module()
        return lambda *given: module(*map(torch.from_numpy, given)).detach().numpy()
    session = pytest.importorskip("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return lambda *given: session.run(None, dict(zip(names, given, strict=True)))[0]


FORMATS = [pytest.param("torch-export", ".pt2"), pytest.param("onnx", ".onnx", marks=pytest.mark.slow)]


@pytest.fixture
def sizes_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Annotations are not checked: while a program is traced, sizes are symbols and no numbers."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def needs(form: str) -> None:
    if form == "onnx":
        for package in portable.PACKAGES["onnx"]:
            pytest.importorskip(package)


@pytest.mark.usefixtures("sizes_are_free")
@pytest.mark.parametrize(("form", "suffix"), FORMATS)
@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("i2p-mae pretraining", "embedding"),
        ("i2p-mae encoder", "points"),
        ("point-mae classification", "classifier"),
        ("point-mae classification", "embedding"),
        ("i2p-mae segmentation", "segmenter"),
        ("point-m2ae segmentation", "segmenter"),
    ],
)
def test_a_program_gives_what_pytorch_does(
    weights: Weights, tmp_path: Path, kind: str, part: Any, form: Any, suffix: str
) -> None:
    needs(form)
    run, path = weights(kind), tmp_path / f"model{suffix}"
    done = exported(run, path, form, part, "fp16", True, 1e-4)
    done.check()
    assert {row.clouds for row in done.parity} == {1, 3} and len({row.points for row in done.parity}) == 3
    points, run_program = clouds(4, 150), program(path)  # a batch and a size of which there was no talk
    if part == "segmenter":
        model: Any = i2pmae.load_predictor(run, "cpu")
        names = ["plane", "chair", "chair", "plane"] if model.categories else None
        expected = model.predict(points, category=names, max_points=None).probabilities
        told = () if names is None else (np.array([model.categories.index(name) for name in names]),)
        found = run_program(points, *told)
        assert found.shape == (4, 150, len(model.parts))
    else:
        model = (i2pmae.load_predictor if part == "classifier" else i2pmae.load)(run, "cpu")
        if part == "classifier":
            expected = model.predict(points, max_points=None).probabilities
        else:
            call = model.embed if part == "embedding" else model.point_features
            expected = call(points, max_points=None)
        found = run_program(points)
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


@pytest.mark.usefixtures("sizes_are_free")
def test_a_program_says_what_it_is(weights: Weights, tmp_path: Path) -> None:
    i2pmae.export(weights("i2p-mae classification"), tmp_path / "a.pt2", format="torch-export", part="classifier")
    extra = {"i2pmae.json": ""}
    torch.export.load(str(tmp_path / "a.pt2"), extra_files=extra)
    notes = json.loads(extra["i2pmae.json"])
    assert notes["classes"] == ["stick", "plate", "ball"] and (notes["up"], notes["files_up"]) == ("y", "z")


@pytest.mark.slow
@pytest.mark.usefixtures("sizes_are_free")
def test_an_onnx_program_has_free_sizes_and_notes(weights: Weights, tmp_path: Path) -> None:
    needs("onnx")
    import onnx

    i2pmae.export(weights("i2p-mae segmentation"), tmp_path / "a.onnx", format="onnx", part="segmenter")
    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model)
    assert [value.name for value in model.graph.input] == ["points", "category"]
    sizes = [dim.dim_param for dim in model.graph.input[0].type.tensor_type.shape.dim[:2]]
    assert all(sizes) and sizes[0] != sizes[1]
    notes = json.loads(next(entry.value for entry in model.metadata_props if entry.key == "i2pmae"))
    assert notes["categories"] == ["chair", "plane"] and notes["parts"] == ["leg", "seat", "wing"]


@pytest.mark.usefixtures("sizes_are_free")
def test_the_command_prints_parity_and_fails_beyond_the_tolerance(
    weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, path = str(weights()), str(tmp_path / "a.pt2")
    command = ["export", run, "--format", "torch-export", "--output", path, "--verify"]
    assert main(command) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"{path}: embedding as torch-export") and out[1].split()[:2] == ["CLOUDS", "POINTS"]
    assert len(out) == 2 + 6
    monkeypatch.setattr(exporting, "opened", lambda *_: lambda inputs: np.ones((len(inputs["points"]), 24), np.float32))
    assert main(command) == 1
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 8 and "differs from PyTorch" in printed.err
    with pytest.raises(I2PError, match="differs from PyTorch by nan"):
        Exported(Path("x"), (Parity(1, 64, float("nan"), 1, 1),), 1e-4).check()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "onnx"}, r"end in \.onnx"),
        ({"format": "torch-export", "output": "a.pt2", "part": "classifier"}, None),
        ({"format": "tflite"}, "expected safetensors, onnx or torch-export"),
        ({"part": "head"}, "expected embedding, points"),
        ({"part": "points"}, "encoder alone"),
        ({"verify": True}, "whenever they are loaded"),
        ({"tolerance": -1.0}, "at least 0"),
    ],
)
def test_wrong_exports_say_why(weights: Weights, tmp_path: Path, options: dict[str, Any], said: str | None) -> None:
    options = dict(options)
    output = tmp_path / options.pop("output", "out")
    error: type[Exception] = UsageError if said else CheckpointError
    with pytest.raises(error, match=said or "not a classifier"):
        i2pmae.export(weights(), output, **options)
    assert not output.exists()
    with pytest.raises(UsageError, match="not a segmenter"):
        i2pmae.export(weights("i2p-mae classification"), tmp_path / "a.pt2", format="torch-export", part="segmenter")


def test_missing_packages_are_named(weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "PACKAGES", {"onnx": ("onnx", "no_such_package")})
    with pytest.raises(UsageError, match=r"onnx needs .*no_such_package: pip install 'i2pmae\[export\]'"):
        i2pmae.export(weights(), tmp_path / "a.onnx", format="onnx")


def test_what_pytorch_cannot_export_leaves_nothing(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no rule for this")

    (tmp_path / "a.pt2").write_bytes(b"as before")
    monkeypatch.setattr(torch.export, "export", fail)
    with pytest.raises(I2PError, match="cannot export this model as torch-export: RuntimeError: no rule for this"):
        i2pmae.export(weights(), tmp_path / "a.pt2", format="torch-export")
    assert (tmp_path / "a.pt2").read_bytes() == b"as before"
