import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from i2pmae.common.errors import CheckpointError, I2PError, UsageError
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import load_model, save_weights


def test_weights_come_back_unchanged(folder: Path, model: I2PMAE, record: ModelRecord) -> None:
    loaded, read = load_model(folder)
    assert read == record
    assert not loaded.training
    state, expected = loaded.state_dict(), model.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_the_folder_holds_two_files_and_can_be_named_by_either(folder: Path, record: ModelRecord) -> None:
    assert sorted(file.name for file in folder.iterdir()) == ["model.safetensors", "model.yaml"]
    assert load_model(folder / "model.safetensors")[1] == record
    assert load_model(str(folder / "model.yaml"))[1] == record


def test_the_record_says_what_the_model_was_trained_with(folder: Path) -> None:
    values = yaml.safe_load((folder / "model.yaml").read_text())
    assert values["method"] == "i2p-mae"
    assert (values["points"], values["up"], values["teacher"]) == (64, "y", "embedded")
    assert values["i2pmae_version"]
    assert (values["model"]["group_counts"], values["model"]["semantic_dim"]) == ([16, 8, 4], 6)


def test_saving_again_replaces(folder: Path, model: I2PMAE, record: ModelRecord) -> None:
    other = I2PMAE(model.config)
    save_weights(folder, other, record.changed(teacher="another"))
    loaded, read = load_model(folder)
    assert read.teacher == "another"
    assert torch.equal(loaded.coordinate_head.weight, other.coordinate_head.weight)


SAVE = """
import sys
import torch
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights
from tests.weights.small_models import POINTS, TINY_I2P

torch.manual_seed(0)
record = ModelRecord(method="i2p-mae", points=POINTS, teacher="embedded", pooling="max", model=TINY_I2P)
save_weights(sys.argv[1], I2PMAE(TINY_I2P), record)
"""


def test_equal_weights_make_equal_files_in_every_process(tmp_path: Path) -> None:
    contents = set()
    for number in range(3):
        code = [sys.executable, "-c", SAVE, str(tmp_path / str(number))]
        environment = {**os.environ, "PYTHONHASHSEED": str(number)}
        subprocess.run(code, check=True, env=environment, cwd=Path(__file__).parents[2])
        contents.add((tmp_path / str(number) / "model.safetensors").read_bytes())
    assert len(contents) == 1
    [content] = contents
    length = struct.unpack("<Q", content[:8])[0]
    assert length % 8 == 0
    assert list(json.loads(content[8 : 8 + length])["__metadata__"]) == ["format", "method", "sha256"]


def test_both_files_have_the_rights_of_new_files(folder: Path) -> None:
    (folder / "new").touch()
    rights = {path.name: path.stat().st_mode for path in folder.iterdir()}
    assert len(rights) == 3
    assert len(set(rights.values())) == 1


def test_a_failed_write_leaves_the_old_weights(
    folder: Path, model: I2PMAE, record: ModelRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(I2PError, match="No space left on device"):
        save_weights(folder, I2PMAE(model.config), record)
    assert torch.equal(load_model(folder)[0].coordinate_head.weight, model.coordinate_head.weight)
    assert len(list(folder.iterdir())) == 2


def test_a_record_of_another_model_is_refused_on_saving(tmp_path: Path, model: I2PMAE, record: ModelRecord) -> None:
    other = record.changed(model=record.model.changed(heads=3))
    with pytest.raises(UsageError, match="differs"):
        save_weights(tmp_path, model, other)


def edit_record(folder: Path, **changes: object) -> None:
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def test_weights_of_an_unknown_method_are_refused(folder: Path) -> None:
    edit_record(folder, method="point-brt")
    with pytest.raises(CheckpointError, match=r"the method 'point-brt'.*Did you mean 'point-bert'"):
        load_model(folder)


def test_weights_of_an_unknown_task_are_refused(folder: Path) -> None:
    edit_record(folder, task="clasification")
    with pytest.raises(CheckpointError, match=r"the task 'clasification'.*Did you mean 'classification'"):
        load_model(folder)


def test_a_record_of_a_later_format_says_which_version_wrote_it(folder: Path) -> None:
    edit_record(folder, format=3, i2pmae_version="9.9")
    with pytest.raises(CheckpointError, match=r"format 3.*9\.9"):
        load_model(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2", "damaged"),
        ("just words", "does not describe a model"),
        ("method: i2p-mae\nmethod: i2p-mae", "damaged.*given twice"),
        ("[" * 10_000, "damaged"),
        ("method: [i2p-mae]", r"the method \['i2p-mae'\]"),
        ("method: {}", r"the method \{\}"),
        ("method: i2p-mae\nformat: [1, 2]", r"format \[1, 2\]"),
        ("method: i2p-mae\nformat: 1\n", "points: is missing"),
        ("method: i2p-mae\nformat: 1\npionts: 3\n", "Did you mean 'points'"),
    ],
)
def test_a_damaged_record_is_an_error_that_says_so(folder: Path, text: str, said: str) -> None:
    (folder / "model.yaml").write_text(text)
    with pytest.raises(CheckpointError, match=said):
        load_model(folder)


def test_every_misfit_is_listed(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["extra.weight"] = torch.zeros(2)
    tensors["module.coordinate_head.weight"] = tensors.pop("coordinate_head.weight")
    tensors["coordinate_head.bias"] = torch.zeros(7)
    save_file(tensors, path)
    with pytest.raises(CheckpointError) as error:
        load_model(folder)
    message = str(error.value)
    assert "missing: coordinate_head.weight" in message
    assert "left over: extra.weight, module.coordinate_head.weight" in message
    assert "coordinate_head.bias: shape (7,), but the model has (12,)" in message


def test_weights_of_another_size_are_refused(folder: Path) -> None:
    model = yaml.safe_load((folder / "model.yaml").read_text())["model"]
    edit_record(folder, model=model | {"encoder_dims": [12, 24, 36], "decoder_dims": [36, 12]})
    with pytest.raises(CheckpointError, match=r"do not fit.*(?s:.*)shape \(24.*but the model has \(36"):
        load_model(folder)


def test_truncated_weights_are_noticed(folder: Path) -> None:
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    for length in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="damaged"):
            load_model(folder)


def test_a_flipped_bit_is_noticed(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    header = struct.unpack("<Q", content[:8])[0]
    assert json.loads(content[8 : 8 + header])
    content[8 + header + 1001] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="contents differ"):
        load_model(folder)


def test_a_pickle_is_not_loaded(folder: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="damaged or not a safetensors file"):
        load_model(folder)


def test_a_path_that_does_not_exist_names_near_folders(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint .*wieghts.*Did you mean 'weights'"):
        load_model(folder.parent / "wieghts")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_model(folder.parent / "nowhere" / "at" / "all")


def test_a_file_is_not_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="is a file: expected the folder"):
        load_model(tmp_path / "last.ckpt")


def test_other_folders_are_told_apart(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(CheckpointError, match="not a run or weights folder"):
        load_model(other)
    shutil.copy(folder / "model.safetensors", other)
    with pytest.raises(CheckpointError, match=r"incomplete: model\.yaml is missing"):
        load_model(other)
    (other / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="Hugging Face"):
        load_model(other)


def test_an_unfinished_run_says_how_to_continue(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_text("seed: 0\n")
    with pytest.raises(CheckpointError, match="stopped before its first checkpoint"):
        load_model(run)
    (run / "checkpoints" / "last.ckpt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"has no weights yet.*--resume --output"):
        load_model(run)


def test_a_folder_of_runs_names_them(tmp_path: Path) -> None:
    for name in ("tiny/seed-0", "tiny/seed-1"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "model.safetensors").write_bytes(b"x")
    (tmp_path / "config.yaml").write_text("recipes: [tiny]\n")
    with pytest.raises(CheckpointError, match=r"several runs.*tiny/seed-0, tiny/seed-1"):
        load_model(tmp_path)


def test_half_precision_weights_load(folder: Path, record: ModelRecord) -> None:
    model = load_model(folder)[0].to(torch.bfloat16)
    save_weights(folder, model, record)
    assert torch.equal(load_model(folder)[0].coordinate_head.weight, model.coordinate_head.weight.float())


def test_only_folders_with_weights_are_named_as_near(folder: Path) -> None:
    (folder.parent / "wieght").mkdir()
    with pytest.raises(CheckpointError, match=r"Did you mean 'weights'\?"):
        load_model(folder.parent / "wieghts")


def test_half_precision_is_half_the_size_and_read_as_float32(
    folder: Path, model: I2PMAE, record: ModelRecord, tmp_path: Path
) -> None:
    for norm in (module for module in model.modules() if hasattr(module, "running_var")):
        norm.running_var.fill_(1e6)  # beyond half precision
    save_weights(tmp_path / "half", model, record, precision="fp16")
    loaded, read = load_model(tmp_path / "half")
    assert read == record
    stored, expected = load_file(tmp_path / "half" / "model.safetensors"), model.state_dict()
    parameters = dict(model.named_parameters())
    for name, value in loaded.state_dict().items():
        assert value.dtype == expected[name].dtype
        assert stored[name].dtype == (torch.float16 if name in parameters else expected[name].dtype)
        assert torch.equal(value, expected[name].half().float() if name in parameters else expected[name])
    sizes = [(place / "model.safetensors").stat().st_size for place in (tmp_path / "half", folder)]
    assert sizes[0] < 0.7 * sizes[1]


def test_weights_beyond_half_precision_are_refused(model: I2PMAE, record: ModelRecord, tmp_path: Path) -> None:
    other = I2PMAE(model.config)
    with torch.no_grad():
        other.coordinate_head.bias[0] = 1e5
    with pytest.raises(UsageError, match=r"coordinate_head.bias reach 1e\+05.*fp32"):
        save_weights(tmp_path, other, record, precision="fp16")
    assert not list(tmp_path.iterdir())
