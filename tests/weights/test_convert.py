import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.commands.convert import Conversion
from i2pmae.commands.convert import convert as convert_command
from i2pmae.commands.use import load, load_predictor
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.encoders.base import PointModel
from i2pmae.weights.released.settings import ConvertOptions
from i2pmae.weights.store import load_model, save_weights
from tests.weights.published import published_hierarchical, published_plain
from tests.weights.small_models import make_model

PLAIN_SIZES = ConvertOptions(group_counts=(8,), group_sizes=(8,), heads=2)
SIZES = ConvertOptions(group_counts=(16, 8, 4), group_sizes=(8, 4, 4), heads=2, attention_radii=(0, 0, 0), points=64)


def convert(file: Path, method: str, output: Path, options: ConvertOptions | None = None) -> Conversion:
    """The command, with its options in one record."""
    return convert_command(file, method, output, **dict(options or ConvertOptions()))


@pytest.fixture
def segmenter(tmp_path: Path) -> tuple[Path, PointModel]:
    """Point-MAE's part segmenter, and its file: there, the points' own channels come first in the head."""
    model, _ = make_model("point-mae segmentation")
    weights = published_plain(model)
    told, own = 4, 12
    shared, ours = weights["convs1.weight"].split([weights["convs1.weight"].shape[1] - own, own], dim=1)
    maximum, mean, category = shared.split([72, 72, told], dim=1)
    weights["convs1.weight"] = torch.cat([ours, maximum, mean, category], dim=1)[..., None]
    path = tmp_path / "seg.pth"
    torch.save({"model_state_dict": {f"module.{name}": value for name, value in weights.items()}}, path)
    return path, model


def test_point_mae_part_segmentation(segmenter: tuple[Path, PointModel], tmp_path: Path, clouds: np.ndarray) -> None:
    path, model = segmenter
    done = convert(path, "point-mae", tmp_path / "out", PLAIN_SIZES)
    assert (done.record.task, done.source, done.record.points) == ("segmentation", "shapenetpart", 2048)
    assert (done.dropped, done.missing, done.used) == ({}, {}, len(model.state_dict()))
    loaded = load_predictor(tmp_path / "out", "cpu")
    assert loaded.parts == ("part 0", "part 1", "part 2")
    told = torch.tensor([0, 1, 0, 1, 0])
    with torch.no_grad():
        points = torch.from_numpy(clouds)
        torch.testing.assert_close(loaded.model(points, told), model(points, told))


def test_names_of_parts_may_be_given(segmenter: tuple[Path, PointModel], tmp_path: Path) -> None:
    options = PLAIN_SIZES.changed(classes=("leg", "seat", "wing"))
    assert convert(segmenter[0], "point-mae", tmp_path / "out", options).record.model.parts == ("leg", "seat", "wing")
    wrong = PLAIN_SIZES.changed(classes=("leg", "seat"))
    with pytest.raises(UsageError, match="3 parts, but 2 names"):
        convert(segmenter[0], "point-mae", tmp_path / "other", wrong)


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    """A Point-BERT classifier of three classes."""
    return published_plain(make_model("point-bert classification")[0])


NAMED = PLAIN_SIZES.changed(points=512)


def save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize("wrap", ["base_model", "model", "model_state_dict", "state_dict", "net", ""])
@pytest.mark.parametrize("prefix", ["", "module.", "base_model.", "module.base_model.", "model.", "transformer_q."])
def test_wrappers_are_taken_off(
    weights: dict[str, torch.Tensor], wrap: str, prefix: str, tmp_path: Path, clouds: np.ndarray
) -> None:
    named = {prefix + name: value for name, value in weights.items()}
    path = save(tmp_path / "a.pth", {wrap: named, "epoch": 3} if wrap else named)
    done = convert(path, "point-bert", tmp_path / "out", NAMED)
    assert (done.used, done.dropped, done.source) == (len(weights), {}, "")
    assert done.record.notes["converted_from"] == "a.pth"
    expected = make_model("point-bert classification")[0]
    with torch.no_grad():
        points = torch.from_numpy(clouds)
        torch.testing.assert_close(load_model(tmp_path / "out")[0](points), expected(points))


@pytest.mark.parametrize("zipped", [True, False])
def test_scores_beside_the_weights_are_read_without_executing_anything(
    weights: dict[str, torch.Tensor], zipped: bool, tmp_path: Path
) -> None:
    scores = {"acc": np.float64(93.4), "best": np.float32(1), "epoch": np.int64(3), "loss": torch.tensor(0.1)}
    path = tmp_path / "a.pth"
    torch.save({"base_model": weights, "metrics": scores}, path, _use_new_zipfile_serialization=zipped)
    assert convert(path, "point-bert", tmp_path / "out", NAMED).used == len(weights)


def test_half_precision_becomes_single(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    half = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    convert(save(tmp_path / "a.pth", half), "point-bert", tmp_path / "out", NAMED)
    assert load_model(tmp_path / "out")[0].head[0].weight.dtype == torch.float32


def test_what_is_no_tensor_and_what_is_missing_is_said(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    counters = [name for name in weights if name.endswith("num_batches_tracked")]
    rest = {name: value for name, value in weights.items() if name not in counters}
    done = convert(save(tmp_path / "a.pth", rest | {"epoch": 3}), "point-bert", tmp_path / "out", NAMED)
    assert done.dropped == {"not a tensor": ("epoch",)}
    ((why, names),) = done.missing.items()
    assert (why, len(names)) == ("counters of batches, which start at 0", len(counters))
    assert done.used == len(rest)


def test_an_encoder_alone(weights: dict[str, torch.Tensor], tmp_path: Path, clouds: np.ndarray) -> None:
    options = NAMED.changed(encoder_only=True)
    for extra in (
        {},
        {"dgcnn_pro_1.layer1.0.weight": torch.zeros(2, 2), "propagation_0.mlp_convs.0.bias": torch.ones(2)},
    ):
        body = {name: value for name, value in weights.items() if not extra or not name.startswith("cls_head_")}
        path = save(tmp_path / "a.pth", body | extra)
        done = convert(path, "point-bert", tmp_path / f"out{len(extra)}", options)
        assert (done.record.task, done.record.method) == ("encoder", "point-bert")
        (dropped,) = done.dropped.values()
        assert set(dropped) == set(extra or [name for name in weights if name.startswith("cls_head_")])
        expected = make_model("point-bert classification")[0]
        found = load(tmp_path / f"out{len(extra)}", "cpu").embed(torch.from_numpy(clouds), normalise=False)
        with torch.no_grad():
            torch.testing.assert_close(found, expected.embed(torch.from_numpy(clouds), "class|max"))


def test_a_hierarchy_without_norms_of_its_lower_levels(tmp_path: Path, hierarchical: dict[str, torch.Tensor]) -> None:
    options = SIZES.changed(encoder_only=True)
    done = convert(save(tmp_path / "a.pth", hierarchical), "i2p-mae", tmp_path / "out", options)
    ((why, names),) = done.missing.items()
    assert "start anew" in why
    assert names == tuple(f"encoder.norms.{level}.{what}" for level in (0, 1) for what in ("bias", "weight"))


@pytest.fixture
def hierarchical() -> dict[str, torch.Tensor]:
    """An I2P-MAE classifier of three classes."""
    return published_hierarchical(make_model("i2p-mae classification")[0])


def test_norms_that_a_classifier_does_not_read_are_dropped(
    tmp_path: Path, hierarchical: dict[str, torch.Tensor], clouds: np.ndarray
) -> None:
    extra = {f"h_encoder.encoder_norms.{level}.weight": torch.ones(width) for level, width in enumerate((12, 24, 24))}
    done = convert(save(tmp_path / "a.pth", hierarchical | extra), "i2p-mae", tmp_path / "out", SIZES)
    assert [set(names) for names in done.dropped.values()] == [set(extra)]
    assert done.record.model.classes == ("class 0", "class 1", "class 2")
    with torch.no_grad():
        points = torch.from_numpy(clouds)
        expected = make_model("i2p-mae classification")[0](points)
        torch.testing.assert_close(load_model(tmp_path / "out")[0](points), expected)


def test_settings_of_another_task_are_refused(
    weights: dict[str, torch.Tensor], segmenter: tuple[Path, PointModel], tmp_path: Path
) -> None:
    path = save(tmp_path / "a.pth", weights)
    with pytest.raises(UsageError, match=r"holds a classifier. Fitting: modelnet40, modelnet40-8k, scanobjectnn"):
        convert(path, "point-bert", tmp_path / "out", ConvertOptions(settings="shapenetpart"))
    with pytest.raises(UsageError, match=r"holds a part segmenter. Fitting: shapenetpart\."):
        convert(segmenter[0], "point-mae", tmp_path / "out", ConvertOptions(settings="modelnet40"))


def test_settings_that_the_file_does_not_tell_are_asked_for(
    tmp_path: Path, hierarchical: dict[str, torch.Tensor]
) -> None:
    path = save(tmp_path / "a.pth", hierarchical)
    with pytest.raises(UsageError, match=r"classifier of 3 classes.*--settings .*--attention-radii"):
        convert(path, "i2p-mae", tmp_path / "out", SIZES.changed(attention_radii=None))
    with pytest.raises(UsageError, match=r"Unknown settings 'modelnet'.*'modelnet40'"):
        convert(path, "i2p-mae", tmp_path / "out", ConvertOptions(settings="modelnet"))
    done = convert(path, "i2p-mae", tmp_path / "out", ConvertOptions(settings="scanobjectnn-pb", heads=2))
    assert done.settings.attention_radii == (0.48, 0.96, 1.92)
    assert done.record.model.encoder.group_sizes == (32, 16, 16)


class Trap:
    """Leaves a trace where it is unpickled as pickles usually are."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.place),)


def test_code_in_a_file_is_not_run(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"base_model": weights, "args": Trap(tmp_path / "trace")})
    with pytest.raises(CheckpointError, match=r"would run code \(posix.mkdir\), which is never done"):
        convert(path, "point-bert", tmp_path / "out", NAMED)
    assert not (tmp_path / "trace").exists()
    torch.load(path, weights_only=False)
    assert (tmp_path / "trace").exists()


def test_a_whole_model_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", make_model("point-mae encoder")[0])
    with pytest.raises(CheckpointError, match=r"would run code \(i2pmae.encoders.*save its state_dict"):
        convert(path, "point-mae", tmp_path / "out")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_damaged(weights: dict[str, torch.Tensor], share: float, tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", weights)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"damaged|empty"):
        convert(path, "point-bert", tmp_path / "out", NAMED)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content", [b"x", b"<html>404</html>", b"\x80\x04K\x01.", bytes(1000), b"PK\x03\x04" + bytes(99)]
)
def test_other_files_are_not_weights(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"not a file of PyTorch weights|holds int"):
        convert(path, "point-mae", tmp_path / "out")


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    save(tmp_path / "pretrain.pth", {})
    with pytest.raises(CheckpointError, match=r"no file .*Did you mean 'pretrain.pth'"):
        convert(tmp_path / "pretrian.pth", "point-mae", tmp_path / "out")
    with pytest.raises(CheckpointError, match="no file"):
        convert(tmp_path / "no" / "where.pth", "point-mae", tmp_path / "out")
    with pytest.raises(CheckpointError, match="is a folder"):
        convert(tmp_path, "point-mae", tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "holds nothing"),
        ({"epoch": 3, "optimizer": {"state": {}}}, "it holds epoch, optimizer"),
        ([torch.zeros(3)], "holds list, not weights"),
        (torch.zeros(3), "holds Tensor, not weights"),
        ({"conv1.weight": torch.zeros(3), "fc.bias": torch.zeros(3)}, "no weights of a method.*found conv1.weight"),
        ({"codebook": torch.zeros(3, 3), "encoder.first_conv.0.weight": torch.zeros(3)}, "lacks decoder.mlp.4.weight"),
        ({"MAE_encoder.norm.weight": torch.zeros(3)}, "weights of point-mae: use --from point-mae"),
        ({"h_encoder.encoder_norms.0.bias": torch.zeros(3)}, "several levels: use --from i2p-mae or point-m2ae"),
        ({"rec_head.bias": torch.zeros(3)}, "use --from point-m2ae"),
        ({"a": torch.zeros(3), "module.a": torch.zeros(3)}, "holds a twice"),
        ({"a": torch.zeros(3).to_sparse()}, "no plain tensor"),
    ],
)
def test_files_of_something_else_are_refused(content: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=said):
        convert(save(tmp_path / "a.pth", content), "point-bert", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def renamed(weights: dict[str, torch.Tensor], old: str, new: str) -> dict[str, torch.Tensor]:
    return {new if name == old else name: value for name, value in weights.items()}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda w: w | {"surprise.weight": torch.zeros(2)}, r"unknown: surprise\.weight"),
        (lambda w: renamed(w, "norm.bias", "nrom.bias"), r"unknown: nrom\.bias\n  missing: encoder\.norm\.bias"),
        (lambda w: w | {"norm.bias": torch.zeros(7)}, r"encoder\.norm\.bias: shape \(7,\), but the model has \(24,\)"),
        (lambda w: w | {"norm.bias": w["norm.bias"] * np.nan}, r"NaN or infinite values: encoder\.norm\.bias"),
        (lambda w: w | {"reduce_dim.weight": w["reduce_dim.weight"].T}, r"reduce\.weight: shape \(12, 24\), but"),
        (lambda w: {n: v for n, v in w.items() if "pos_embed.2" not in n}, r"lacks pos_embed\.2\.weight"),
        (lambda w: w | {"cls_head_finetune.0.weight": torch.zeros(16, 50)}, "reads 50 channels: expected 24 or 48"),
        (lambda w: {n: v for n, v in w.items() if "reduce_dim" not in n}, "lacks reduce_dim.*use --from point-mae"),
        (lambda w: {n: v for n, v in w.items() if "cls_head" not in n}, "without any head: add --encoder-only"),
        (lambda w: w | {"dgcnn_pro_1.a": torch.zeros(2)}, "part segmenter.*add --encoder-only"),
        (lambda w: w | {"transformer_q.norm.bias": w["norm.bias"]}, "some tensors twice"),
    ],
)
def test_every_tensor_must_fit(weights: dict[str, torch.Tensor], edit: object, said: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", edit(weights))  # type: ignore[operator]
    with pytest.raises(CheckpointError, match=said):
        convert(path, "point-bert", tmp_path / "out", NAMED)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"heads": 5}, "multiple of the 5 heads"),
        ({"group_counts": (8, 4)}, "one level: give one number"),
        ({"attention_radii": (0.3,)}, "attends without limit"),
        ({"classes": ("a", "b")}, "3 classes, but 2 names"),
        ({"classes": ("a", "b", "a")}, "must differ, but a stand"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    weights: dict[str, torch.Tensor], options: dict, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        convert(save(tmp_path / "a.pth", weights), "point-bert", tmp_path / "out", NAMED.changed(options))


def test_weights_are_not_overwritten(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    save_weights(tmp_path / "run", *make_model("point-mae encoder"))
    path = save(tmp_path / "a.pth", weights)
    with pytest.raises(UsageError, match="already holds weights"):
        convert(path, "point-bert", tmp_path / "run", NAMED)
    shutil.rmtree(tmp_path / "run")
    convert(path, "point-bert", tmp_path / "run", NAMED)
