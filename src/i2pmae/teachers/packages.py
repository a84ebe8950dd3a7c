"""Teachers of other packages than transformers: ``timm:NAME`` and ``open_clip:NAME/WEIGHTS``.

The packages are extras, imported when one of their models is asked for; both need torchvision.
"""

import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import nn

from i2pmae.common.errors import TeacherError, UsageError, near_names
from i2pmae.common.text import shortened
from i2pmae.teachers.base import TeacherMaps
from i2pmae.teachers.catalogue import OPEN_CLIP, PACKAGES, RANDOM, TIMM
from i2pmae.teachers.families import IMAGENET, OPENAI, Asked, Family, TeacherSaliency, grid, summed_up
from i2pmae.teachers.untrained import seeded
from i2pmae.teachers.vision import DTYPES, Precision, VisionTeacher, choose_precision
from i2pmae.typing import Float, Tensor

__all__ = ["is_packaged", "load_packaged"]


class _Built(NamedTuple):
    """A model of a package, and how it is fed and read."""

    model: nn.Module
    family: Family
    mean: Sequence[float]
    std: Sequence[float]
    size: int
    """Side of the images that it was made for."""
    patch: int
    """What their side must be a multiple of."""


def is_packaged(name: str) -> bool:
    """Whether a teacher's name is that of another package's model, with random weights or its own."""
    return name.removeprefix(RANDOM).startswith(PACKAGES)


def load_packaged(
    name: str,
    *,
    precision: Precision,
    image_size: int | None,
    device: torch.device | str,
    saliency: TeacherSaliency = "attention",
    layers: Sequence[int] = (),
) -> VisionTeacher:
    """The teacher that ``timm:NAME`` or ``open_clip:NAME/WEIGHTS`` stands for, ``random:`` before it for its control.

    :class:`UsageError` for names and sizes that cannot be; :class:`TeacherError` where the package, torchvision or the
    weights are missing, or the model gives no maps.
    """
    plain, device = name.removeprefix(RANDOM), torch.device(device)
    prefix = next(prefix for prefix in PACKAGES if plain.startswith(prefix))
    build: Callable[[str, str, bool], _Built] = {TIMM: _timm, OPEN_CLIP: _open_clip}[prefix]
    built = build(plain.removeprefix(prefix), name, plain == name)
    size = built.size if image_size is None else image_size
    if size < built.patch or size % built.patch:
        lower = max(size // built.patch, 1) * built.patch
        raise UsageError(
            f"Image size {size} doesn't divide into the patches of {built.patch} × {built.patch} pixels of the teacher "
            f"{name!r}. Choose a multiple, such as {lower} or {lower + built.patch}."
        )
    model = built.model.to(device, DTYPES[choose_precision(precision, device)])
    mean, std = tuple(built.mean), tuple(built.std)
    return VisionTeacher(
        model, built.family, name=name, mean=mean, std=std, image_size=size, saliency=saliency, layers=layers
    )


def _package(module: str, extra: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        absent = error.name or module
        what = f"{module} is not installed" if absent == module else f"{module} cannot be imported without {absent}"
        raise TeacherError(
            f"The teacher {name!r} needs the package {module}, and torchvision in the version that goes with PyTorch "
            f"{torch.__version__}: {what}. Install both with\n    pip install 'i2pmae[{extra}]'"
        ) from None
    except Exception as error:  # an installed torchvision of another PyTorch fails in ways of its own
        raise TeacherError(
            f"The teacher {name!r} needs {module}, which cannot be imported: {type(error).__name__}: "
            f"{str(error).strip()[:300]}. Often torchvision is of another PyTorch than {torch.__version__}: install "
            "the two together."
        ) from error


def _made(build: Callable[[], Any], pretrained: bool, name: str) -> Any:
    """What a package builds: with its weights, or with random ones that are the same each time."""
    try:
        return build() if pretrained else seeded(build)
    except Exception as error:  # unknown options, no network, no such weights: each package has its own kinds
        raise TeacherError(
            f"Cannot load the teacher {name!r}: {type(error).__name__}: {str(error).strip()[:500]}. Its weights are "
            "downloaded once; without a network use the teacher embedded, or a model that was downloaded before."
        ) from error


def _timm(model_name: str, name: str, pretrained: bool) -> _Built:
    timm = _package("timm", "timm", name)
    if not timm.is_model(model_name):
        architectures = timm.list_models()
        raise UsageError(f"timm has no model {shortened(model_name)}. {near_names(model_name, architectures)}")
    tokens = bool(timm.list_models(model_name.partition(".")[0], module="vision_transformer"))
    options = {"dynamic_img_size": True} if tokens else {}
    model = _made(
        lambda: timm.create_model(model_name, pretrained=pretrained, num_classes=0, **options), pretrained, name
    )
    about = model.pretrained_cfg
    size = int((about.get("input_size") or (3, 224, 224))[-1])
    patch = _patch(getattr(model, "patch_embed", None))
    family = Family("timm", read_timm, IMAGENET)
    return _Built(model, family, about.get("mean") or IMAGENET[0], about.get("std") or IMAGENET[1], size, patch)


def _open_clip(model_name: str, name: str, pretrained: bool) -> _Built:
    package = _package("open_clip", "open-clip", name)
    architecture, _, weights = model_name.partition("/")
    if architecture not in package.list_models():
        near = near_names(architecture, package.list_models())
        raise UsageError(f"open_clip has no model {shortened(architecture)}. {near}")
    known = package.list_pretrained_tags_by_model(architecture)
    if pretrained and weights not in known:
        said = f"has no weights {weights!r}" if weights else "needs the name of its weights"
        raise UsageError(
            f"open_clip's {architecture} {said}: write {OPEN_CLIP}{architecture}/WEIGHTS. {near_names(weights, known)}"
        )
    model = _made(
        lambda: package.create_model(architecture, pretrained=weights if pretrained else None), pretrained, name
    )
    visual = model.visual
    if not all(hasattr(visual, part) for part in ("ln_post", "transformer", "conv1")):
        raise TeacherError(
            f"The teacher {name!r} is no vision transformer of open_clip's own, and gives no maps here. Models that it "
            f"has from timm are had as {TIMM}NAME."
        )
    size = visual.image_size
    return _Built(
        visual,
        Family("open_clip", read_open_clip, OPENAI),
        getattr(visual, "image_mean", None) or OPENAI[0],
        getattr(visual, "image_std", None) or OPENAI[1],
        int(size if isinstance(size, int) else size[0]),
        _patch(visual),
    )


def _patch(part: Any) -> int:
    """The side of a patch, 1 where there are none."""
    size = getattr(part, "patch_size", 1)
    return int(size if isinstance(size, int) else size[0])


def read_timm(model: Any, images: Tensor, _: Asked) -> TeacherMaps:
    """Models of timm: the map before pooling, or the patch tokens after the final norm.

    Saliency is the attention of [CLS] in the last block, mean over heads, where there is a [CLS] and that block attends
    in the plain way; else the largest channel.
    """
    blocks = getattr(model, "blocks", None)
    attention: Any = None if blocks is None or not len(blocks) else getattr(blocks[-1], "attn", None)
    heard: list[Tensor] = []
    plain = type(attention).__name__ == "Attention" and hasattr(attention, "qkv")
    listening = attention.register_forward_pre_hook(lambda _, given: heard.append(given[0])) if plain else None
    try:
        features = model.forward_features(images)
    finally:
        if listening is not None:
            listening.remove()
    if isinstance(features, Tensor) and features.ndim == 4:
        cells = features.movedim(-1, 1) if getattr(model, "output_fmt", "NCHW") == "NHWC" else features
        return TeacherMaps(cells, cells.amax(1))
    prefix = int(getattr(model, "num_prefix_tokens", 0))
    if not isinstance(features, Tensor) or features.ndim != 3 or not _is_square(features.shape[1] - prefix):
        raise ValueError(f"its features are no square map: {getattr(features, 'shape', type(features).__name__)}")
    cells = grid(features, prefix)
    if not prefix:
        return TeacherMaps(cells, cells.amax(1))
    saliency = _of_first(attention, heard[0], prefix, cells) if heard else cells.amax(1)
    return summed_up(features[:, 0], cells, saliency)


def _of_first(attention: Any, tokens: Float[Tensor, "b t c"], prefix: int, cells: Tensor) -> Float[Tensor, "b h w"]:
    """How the first token attends to the patches, mean over heads."""
    b, t, _ = tokens.shape
    query, key, _ = attention.qkv(tokens).reshape(b, t, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key = attention.q_norm(query[:, :, :1]), attention.k_norm(key)
    weight = (query.float() @ key.float().transpose(-2, -1) * attention.scale).softmax(-1)
    return weight[:, :, 0, prefix:].mean(1).unflatten(1, cells.shape[2:])


def read_open_clip(model: Any, images: Tensor, _: Asked) -> TeacherMaps:
    """Vision transformers of open_clip, as CLIP is read: patch tokens after the final norm and the projection to the
    joint space, and the attention from [CLS] in the last block, mean over heads."""
    block = model.transformer.resblocks[-1]
    heard: list[Tensor] = []
    before = block.attn.register_forward_pre_hook(
        lambda _, given, named: heard.append((*given, *named.values())[0]), with_kwargs=True
    )
    after = model.transformer.register_forward_hook(lambda _, __, out: heard.append(out))
    try:
        model(images)
    finally:
        before.remove()
        after.remove()
    asked, tokens = heard
    _, row = block.attn(asked[:, :1], asked, asked, need_weights=True, average_attn_weights=True)
    tokens = model.ln_post(tokens)
    tokens = tokens if model.proj is None else tokens @ model.proj
    cells = grid(tokens, 1)
    return summed_up(tokens[:, 0], cells, row[:, 0, 1:].unflatten(1, cells.shape[2:]))


def _is_square(count: int) -> bool:
    return count > 0 and round(count**0.5) ** 2 == count
