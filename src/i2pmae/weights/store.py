"""Weights folders: ``model.safetensors`` with every tensor, ``model.yaml`` with everything needed to rebuild the model.

Tensors and record are both written whole or not at all; the tensors carry their own checksum, so that a file damaged
anywhere is noticed. Nothing is ever loaded in part: a missing, left-over or mis-shaped tensor is an error that names
it.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from i2pmae.common.errors import CheckpointError, UsageError, near_names
from i2pmae.common.files import near_folders, write_bytes
from i2pmae.common.text import printable, shortened
from i2pmae.common.yaml import load_yaml
from i2pmae.encoders.base import PointModel
from i2pmae.weights import format1
from i2pmae.weights.kinds import ENCODER, KINDS, PRETRAINING, ModelKind
from i2pmae.weights.named import HUB, NAMED, RECORD_FILE, WEIGHTS_FILE, locate, on_hub
from i2pmae.weights.record import ModelRecord, wrong_task

__all__ = ["load_kind", "load_model", "read_record", "save_weights"]


def save_weights(
    folder: Path | str, model: nn.Module, record: ModelRecord, *, precision: Literal["fp32", "fp16"] = "fp32"
) -> None:
    """Write the model's weights and its record into ``folder``, each file whole or not at all.

    With ``fp16`` parameters are rounded to half precision, which halves the file; statistics of norms, which are few
    and may be of any size, stay as they are, and so does the record. What is loaded is float32 either way.

    :class:`UsageError` where the record describes another model, or a weight is too large for half precision;
    :class:`I2PError` where the disk is full or read-only.
    """
    described = getattr(model, "config", None)
    if type(record.model) is not type(described) or record.model != described:
        raise UsageError("The record's model configuration differs from the configuration of the model to be saved.")
    folder = Path(folder)
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    if precision == "fp16":
        tensors |= {name: _halved(name, tensors[name]) for name, _ in model.named_parameters()}
    header = {"format": "pt", "method": record.method, "sha256": _checksum(tensors)}
    write_bytes(folder / WEIGHTS_FILE, _serialised(tensors, header))
    record.save(folder / RECORD_FILE)


def _halved(name: str, values: Tensor) -> Tensor:
    """The values in half precision; :class:`UsageError` where one of them is too large for it."""
    half = values.to(torch.float16)
    if not torch.equal(half.isfinite(), values.isfinite()):
        raise UsageError(f"The weights {name} reach {values.abs().max():.3g}, too large for fp16: store them as fp32.")
    return half


def _serialised(tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """The content of a safetensors file: the same bytes for the same tensors and metadata.

    The library writes the metadata in an order that changes from call to call. A file is the length of its header in
    eight bytes, the header as JSON with spaces up to a multiple of eight, and the data, whose places the header counts
    from its own end (https://huggingface.co/docs/safetensors).
    """
    content = memoryview(save(tensors, metadata=metadata))
    data = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(bytes(content[8:data])) | {"__metadata__": dict(sorted(metadata.items()))}
    text = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, content[data:]))


def load_model(path: Path | str) -> tuple[PointModel, ModelRecord]:
    """The model (evaluation mode, on the CPU) and the record in a run folder or weights folder, or of a name.

    :class:`CheckpointError` says what is wrong: no such folder or name, no weights (yet), an unknown method's weights,
    a damaged file, or tensors that do not fit the model, each by name.
    """
    model, record = _load(path)
    if not isinstance(model, PointModel):
        raise wrong_task(path, record, KINDS.get(record.method, KINDS[ENCODER]))
    return model, record


def load_kind(path: Path | str, kind: ModelKind) -> nn.Module:
    """The model (evaluation mode, on the CPU) of this kind in a run folder or weights folder.

    :class:`CheckpointError` as :func:`load_model`, and where the folder holds something else.
    """
    model, record = _load(path)
    if record.kind != kind:
        raise wrong_task(path, record, kind)
    return model


def read_record(path: Path | str) -> ModelRecord:
    """The record in a run folder or weights folder, or of a name; :class:`CheckpointError` as :func:`load_model`."""
    return _read_record(_find_folder(locate(path)))


def _load(path: Path | str) -> tuple[nn.Module, ModelRecord]:
    try:
        return _load_folder(_find_folder(locate(path)))
    except CheckpointError as error:
        if not on_hub(path) or HUB in str(error):
            raise
        raise CheckpointError(
            f"The weights {path} cannot be used: {error}\nIf this copy is at fault, fetch it again with "
            "i2pmae.Encoder.from_pretrained(..., force_download=True); if the repository is, tell its authors."
        ) from None


def _load_folder(folder: Path) -> tuple[nn.Module, ModelRecord]:
    record = _read_record(folder)
    tensors = _read_tensors(folder / WEIGHTS_FILE)
    model = record.build()
    _check_fit(folder, tensors, model.state_dict())
    model.load_state_dict(tensors)
    return model.eval(), record


def _find_folder(path: Path) -> Path:
    """The folder that holds both files, given the folder or one of the files."""
    if path.name in (WEIGHTS_FILE, RECORD_FILE) and path.is_file():
        path = path.parent
    if not path.exists():
        near = near_folders(path, holding=RECORD_FILE, others=NAMED if len(path.parts) == 1 else ())
        raise CheckpointError(
            f"There is no checkpoint {path}: expected a run folder, a weights folder, a name of `i2pmae models`, or "
            f"hf-hub:ORG/NAME.{near}"
        )
    if not path.is_dir():
        raise CheckpointError(
            f"{path} is a file: expected the folder that holds {WEIGHTS_FILE} and {RECORD_FILE} (a run folder will do)."
        )
    missing = [name for name in (WEIGHTS_FILE, RECORD_FILE) if not (path / name).is_file()]
    if missing:
        raise CheckpointError(_why_missing(path, missing))
    return path


def _why_missing(folder: Path, missing: list[str]) -> str:
    if (folder / "config.yaml").is_file() and WEIGHTS_FILE in missing:
        if (folder / "checkpoints" / "last.ckpt").is_file():
            return (
                f"The run in {folder} has no weights yet: it is not finished. Continue it with the command that "
                f"started it (`i2pmae pretrain`, say) and --resume --output {folder}."
            )
        runs = sorted(str(found.parent.relative_to(folder)) for found in folder.glob(f"*/*/{WEIGHTS_FILE}"))
        if runs:
            more = f" and {len(runs) - 4} more" if len(runs) > 4 else ""
            return f"{folder} holds several runs: give the folder of one of them, {', '.join(runs[:4])}{more}."
        return f"The run in {folder} has no weights yet: it stopped before its first checkpoint. Start it again."
    if (folder / "config.json").is_file():
        return (
            f"{folder} holds a config.json and no {RECORD_FILE}: it looks like a Hugging Face model. Such a model can "
            "be a teacher (--teacher FOLDER), but not an encoder of point clouds."
        )
    if len(missing) == 1:
        return f"{folder} is incomplete: {missing[0]} is missing. Copy both {WEIGHTS_FILE} and {RECORD_FILE}."
    return f"{folder} is not a run or weights folder: it holds neither {WEIGHTS_FILE} nor {RECORD_FILE}."


def _read_record(folder: Path) -> ModelRecord:
    path = folder / RECORD_FILE
    try:
        values = load_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError, UsageError) as error:
        raise CheckpointError(f"{path} cannot be read, it is damaged: {error}") from None
    if not isinstance(values, dict) or "method" not in values:
        raise CheckpointError(f"{path} does not describe a model: expected a field 'method'.")
    _check_known(folder, values)
    form = values.get("format", 1)
    if type(form) is not int or form not in (1, 2):
        writer = printable(str(values.get("i2pmae_version", "of unknown version")))[:40]
        raise CheckpointError(
            f"{path} has format {shortened(form)}, but this version of i2pmae ({version('i2pmae')}) reads formats 1 "
            f"and 2. The weights were written by i2pmae {writer}: install that version or a newer one."
        )
    if form == 1:
        values = format1.upgrade(values, format1.files_up(folder))
    try:
        return ModelRecord.from_dict(values, str(path))
    except UsageError as error:
        raise CheckpointError(str(error)) from None


def _check_known(folder: Path, values: dict[str, object]) -> None:
    """:class:`CheckpointError` where nobody has made this kind of model known."""
    task = values.get("task", PRETRAINING)
    what, name = ("method", values["method"]) if task == PRETRAINING else ("task", task)
    if not isinstance(name, str) or name not in KINDS:
        raise CheckpointError(
            f"{folder} holds weights of the {what} {shortened(name)}, which this version of i2pmae "
            f"({version('i2pmae')}) does not know. {near_names(str(name), KINDS)} What comes from another package must "
            "be registered before."
        )


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of the file, checked against the checksum in its header where there is one."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or not a safetensors file ({error}). Copy it again, or train again."
        ) from None
    if header.get("sha256", _checksum(tensors)) != _checksum(tensors):
        raise CheckpointError(f"{path} is damaged: its contents differ from what was written. Copy it again.")
    return tensors


def _checksum(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        # As bytes: NumPy lacks some types, bfloat16 among them.
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _check_fit(folder: Path, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """:class:`CheckpointError` that lists every tensor that is missing, left over or of another shape or type."""
    differences = {"missing": expected.keys() - found.keys(), "left over": found.keys() - expected.keys()}
    problems = [f"  {what}: {_listed(sorted(names))}" for what, names in differences.items() if names]
    for name in sorted(expected.keys() & found.keys()):
        have, want = found[name], expected[name]
        if have.shape != want.shape:
            problems.append(f"  {name}: shape {tuple(have.shape)}, but the model has {tuple(want.shape)}")
        elif have.dtype.is_floating_point != want.dtype.is_floating_point:
            problems.append(f"  {name}: type {have.dtype}, but the model has {want.dtype}")
    if problems:
        raise CheckpointError(
            f"The weights in {folder} do not fit the model that {RECORD_FILE} describes:\n" + "\n".join(problems)
        )


def _listed(names: list[str], most: int = 20) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
