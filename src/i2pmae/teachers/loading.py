"""Finding and reading teachers: short names, local folders, Hugging Face names."""

import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from i2pmae.common.errors import TeacherError, UsageError, pick
from i2pmae.common.text import shortened
from i2pmae.teachers.attention import register
from i2pmae.teachers.catalogue import RANDOM, RUN, TEACHERS, check_teacher, members
from i2pmae.teachers.families import FAMILIES, Family, TeacherSaliency
from i2pmae.teachers.hub import fetch
from i2pmae.teachers.packages import is_packaged, load_packaged
from i2pmae.teachers.several import SeveralTeachers
from i2pmae.teachers.untrained import ARCHITECTURES, Architecture, untrained_model
from i2pmae.teachers.vision import DTYPES, Precision, VisionTeacher, choose_precision

__all__ = ["EMBEDDED_FOLDER", "load_teacher"]

EMBEDDED_FOLDER = Path(__file__).parent / "weights"
"""The weights of the teacher that is part of this package, as a Hugging Face folder."""


def load_teacher(
    name_or_folder: str | Path = "embedded",
    *,
    precision: Precision = "auto",
    image_size: int | None = None,
    device: torch.device | str = "cpu",
    saliency: TeacherSaliency = "attention",
    layers: Sequence[int] = (),
) -> VisionTeacher | SeveralTeachers:
    """The teacher of that name, frozen and ready.

    ``name_or_folder``: a name in :data:`TEACHERS`, a local Hugging Face folder (``config.json`` and safetensors), or
    any ``org/name`` on the hub of a family in :data:`~i2pmae.teachers.families.FAMILIES`; a hub model is downloaded
    once and then read from the local cache. ``timm:NAME`` and ``open_clip:NAME/WEIGHTS`` are models of these packages,
    where they are installed. With ``random:`` before it, the same architecture with random weights,
    always the same ones; those of the catalogue need no download, others their configuration alone. Several of these,
    joined by ``+``, teach side by side (:class:`~i2pmae.teachers.several.SeveralTeachers`). ``image_size`` in pixels
    defaults to each model's own; another one must be a multiple of its patch. ``precision`` ``auto`` is bf16 where that
    is fast on ``device``, else fp32.

    ``saliency`` ``rollout`` is attention rollout over all layers in the place of the last layer's attention. ``layers``
    are those of a ViT whose patch tokens are features beside those of its end, counted from 1; each part then has zero
    mean and unit deviation over its channels.

    :class:`UsageError` for an unknown name or value; :class:`TeacherError` for a model that can't be found, reached,
    read or used, with what to do.
    """
    if not isinstance(name_or_folder, str):
        return _load(name_or_folder, precision, image_size, device, saliency, layers)
    if name_or_folder.startswith(RUN):
        raise UsageError(
            f"{shortened(name_or_folder)} is a trained run, which teaches what it says of points and sees no images: "
            "only pretrain takes it for a teacher."
        )
    names = members(check_teacher(name_or_folder))
    found = [_load(name, precision, image_size, device, saliency, layers) for name in names]
    return found[0] if len(found) == 1 else SeveralTeachers(found)


def _load(
    name_or_folder: str | Path,
    precision: Precision,
    image_size: int | None,
    device: torch.device | str,
    saliency: TeacherSaliency,
    layers: Sequence[int],
) -> VisionTeacher:
    """One teacher."""
    if isinstance(name_or_folder, str) and is_packaged(name_or_folder):
        return load_packaged(
            name_or_folder,
            precision=precision,
            image_size=image_size,
            device=device,
            saliency=saliency,
            layers=layers,
        )
    device = torch.device(device)
    dtype = DTYPES[choose_precision(precision, device)]
    if isinstance(name_or_folder, str) and name_or_folder.startswith(RANDOM):
        name, about = name_or_folder, _architecture(name_or_folder.removeprefix(RANDOM))
        folder = None
    else:
        name, folder = _locate(name_or_folder)
        about = _read_architecture(folder, name)
    family = _family(about.config, name)
    mean, std = _normalisation(about.processing, family, name)
    size = _image_size(about.config, about.processing, image_size, name)
    if folder is None:
        model = _untrained(about.config, family, name).to(dtype)
    else:
        model = _read_model(folder, family, dtype, name)
    return VisionTeacher(
        model.to(device),
        family,
        name=name,
        mean=mean,
        std=std,
        image_size=size,
        saliency=saliency,
        layers=layers,
    )


def _architecture(name: str) -> Architecture:
    """What is known of a teacher but its weights."""
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    return _read_architecture(_locate(name, weights=False)[1], name)


def _read_architecture(folder: Path, name: str) -> Architecture:
    config = _read_json(folder / "config.json", name)
    return Architecture(config, _read_json(folder / "preprocessor_config.json", name, required=False))


def _untrained(config: dict[str, Any], family: Family, name: str) -> torch.nn.Module:
    try:
        with _quiet():
            return untrained_model(config, _known(family, name))
    except Exception as error:  # whatever sizes that cannot be raise where they are used
        raise TeacherError(
            f"The configuration of {name!r} describes no {family.class_name}: {type(error).__name__}: "
            f"{str(error).strip()[:500]}. Copy or download its config.json again."
        ) from error


def _locate(name_or_folder: str | Path, weights: bool = True) -> tuple[str, Path]:
    """What to call the teacher, and the local folder that holds it."""
    name = os.fspath(name_or_folder)
    if isinstance(name_or_folder, str) and name in TEACHERS:
        repository = TEACHERS[name].repository
        return name, EMBEDDED_FOLDER if repository is None else fetch(repository, weights)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(name_or_folder), folder
    looks_like_path = isinstance(name_or_folder, Path) or name.startswith((".", "/", "~")) or name.count("/") > 1
    if looks_like_path or "\\" in name:
        raise TeacherError(
            f"There is no folder {folder} with a teacher. Give a folder with config.json and model.safetensors, a name "
            f"of the catalogue ({', '.join(TEACHERS)}), or a Hugging Face name such as 'facebook/dinov2-small'."
        )
    if "/" in name:
        return name, fetch(name, weights)
    pick("teacher", name, TEACHERS)
    raise AssertionError("unreachable: known names return above")


def _read_json(path: Path, name: str, required: bool = True) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if not required:
            return {}
        raise TeacherError(
            f"The teacher {name!r} has no {path.name} in {path.parent}. Expected a Hugging Face model folder: "
            "config.json, model.safetensors and, for its own normalisation, preprocessor_config.json."
        ) from None
    except (OSError, ValueError) as error:
        raise TeacherError(f"Cannot read {path} of the teacher {name!r}: {error}. Download the model again.") from error
    if not isinstance(values, dict):
        raise TeacherError(f"{path} of the teacher {name!r} holds no configuration. Download the model again.")
    return values


def _family(config: dict[str, Any], name: str) -> Family:
    kind = config.get("model_type")
    if kind not in FAMILIES:
        raise TeacherError(
            f"The teacher {name!r} is of the family {kind!r}, which gives no maps here. Known families: "
            f"{', '.join(sorted(FAMILIES))}."
        )
    return FAMILIES[kind]


def _normalisation(processing: dict[str, Any], family: Family, name: str) -> tuple[tuple[float, ...], ...]:
    """The model's own mean and deviation; the family's where its folder states none."""
    if processing.get("do_normalize") is False:
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    mean = tuple(processing.get("image_mean") or family.mean_std[0])
    std = tuple(processing.get("image_std") or family.mean_std[1])
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise TeacherError(
            f"preprocessor_config.json of the teacher {name!r} must state three means and three positive deviations, "
            f"but states {mean} and {std}."
        )
    return mean, std


def _image_size(config: dict[str, Any], processing: dict[str, Any], wanted: int | None, name: str) -> int:
    """The side of the images: as asked, else what the model's folder says it is fed with, else 224."""
    vision = config.get("vision_config") or config
    patch = _side(vision.get("patch_size")) or 1
    if wanted is None:
        fed = (processing.get("crop_size"), processing.get("size"), vision.get("image_size"), 224)
        size = next(side for side in map(_side, fed) if side)
        return max(size // patch, 1) * patch
    if wanted < patch or wanted % patch:
        lower = max(wanted // patch, 1) * patch
        raise UsageError(
            f"Image size {wanted} doesn't divide into the patches of {patch} × {patch} pixels of the teacher {name!r}. "
            f"Choose a multiple, such as {lower} or {lower + patch}."
        )
    return wanted


def _side(size: Any) -> int | None:
    """The side in any form that configurations use: 224, [224, 224], {"height": 224}, {"shortest_edge": 224}."""
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    if isinstance(size, list | tuple):
        size = size[0]
    return int(size) if size else None


def _known(family: Family, name: str) -> Family:
    """The family itself, where transformers has its class."""
    import transformers

    if not hasattr(transformers, family.class_name):
        raise TeacherError(f"The teacher {name!r} needs a newer transformers than {transformers.__version__}.")
    return family


def _read_model(folder: Path, family: Family, dtype: torch.dtype, name: str) -> torch.nn.Module:
    """The model with every weight from the folder; :class:`TeacherError` where one is missing or doesn't fit."""
    import transformers

    _known(family, name)
    implementation = {"attn_implementation": register()} if family.attends else {}
    try:
        with _quiet():
            model, info = getattr(transformers, family.class_name).from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                output_loading_info=True,
                **implementation,
                **dict(family.arguments),
            )
    except Exception as error:  # whatever a damaged file raises inside the readers
        raise TeacherError(
            f"Cannot read the teacher {name!r} from {folder}: {type(error).__name__}: {str(error).strip()[:500]}. "
            "Expected config.json and whole weights (model.safetensors) of the same model; copy or download them again."
        ) from error
    bad = sorted(map(str, info["missing_keys"])) + sorted(str(key[0]) for key in info.get("mismatched_keys", ()))
    if bad:
        raise TeacherError(
            f"The weights in {folder} are not those of its config.json ({family.class_name}): {len(bad)} are missing "
            f"or of another shape, among them {', '.join(bad[:3])}. Copy or download the model again."
        )
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars, reports and warnings to itself."""
    from transformers.utils import logging as reports

    verbosity, bars = reports.get_verbosity(), reports.is_progress_bar_enabled()
    reports.set_verbosity(logging.CRITICAL)
    reports.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        reports.set_verbosity(verbosity)
        if bars:
            reports.enable_progress_bar()
