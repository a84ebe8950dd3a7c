"""The 2D models with a short name."""

from dataclasses import dataclass
from pathlib import Path

from i2pmae.common.errors import UsageError, pick
from i2pmae.common.text import shortened

__all__ = [
    "JOINED",
    "OPEN_CLIP",
    "PACKAGES",
    "RANDOM",
    "RUN",
    "TEACHERS",
    "TIMM",
    "TeacherSpec",
    "check_teacher",
    "members",
]

RANDOM = "random:"
"""Before a teacher's name: the same architecture with random weights, the control."""
JOINED = "+"
"""Between the names of teachers that teach side by side."""
TIMM, OPEN_CLIP = "timm:", "open_clip:"
PACKAGES = (TIMM, OPEN_CLIP)
"""Before the names of models of other packages."""
RUN = "run:"
"""Before the folder of a trained run that is to teach."""


@dataclass(frozen=True)
class TeacherSpec:
    """What a short name stands for."""

    repository: str | None
    """Name on the Hugging Face hub; absent for the teacher that is part of this package."""
    feature_dim: int
    """Channels of the feature map."""
    description: str
    """One sentence: the architecture and what it was trained on."""
    licence: str
    """Terms of the weights as their authors state them; read them before you redistribute anything."""


TEACHERS: dict[str, TeacherSpec] = {
    "embedded": TeacherSpec(
        None, 192, "ViT/16 with 6 layers in this package, distilled from an ImageNet ViT-Ti; no network.", "Apache-2.0"
    ),
    "clip-vit-b16": TeacherSpec(
        "openai/clip-vit-base-patch16", 512, "CLIP ViT-B/16, 400 M image-text pairs; the paper's teacher.", "MIT"
    ),
    "clip-vit-b32": TeacherSpec("openai/clip-vit-base-patch32", 512, "CLIP ViT-B/32: a 7 × 7 grid.", "MIT"),
    "clip-vit-l14": TeacherSpec("openai/clip-vit-large-patch14", 768, "CLIP ViT-L/14: a 16 × 16 grid.", "MIT"),
    "siglip-b16": TeacherSpec(
        "google/siglip-base-patch16-224", 768, "SigLIP ViT-B/16, WebLI image-text pairs.", "Apache-2.0"
    ),
    "siglip2-b16": TeacherSpec(
        "google/siglip2-base-patch16-224", 768, "SigLIP 2 ViT-B/16 at a fixed size.", "Apache-2.0"
    ),
    "dinov2-s14": TeacherSpec("facebook/dinov2-small", 384, "DINOv2 ViT-S/14, self-supervised.", "Apache-2.0"),
    "dinov2-b14": TeacherSpec("facebook/dinov2-base", 768, "DINOv2 ViT-B/14, self-supervised.", "Apache-2.0"),
    "dinov2-s14-registers": TeacherSpec(
        "facebook/dinov2-with-registers-small", 384, "DINOv2 ViT-S/14 with four register tokens.", "Apache-2.0"
    ),
    "dinov2-b14-registers": TeacherSpec(
        "facebook/dinov2-with-registers-base", 768, "DINOv2 ViT-B/14 with four register tokens.", "Apache-2.0"
    ),
    "dinov3-s16": TeacherSpec(
        "facebook/dinov3-vits16-pretrain-lvd1689m",
        384,
        "DINOv3 ViT-S/16, self-supervised; register tokens, rotary positions.",
        "DINOv3 License: accept it on the hub first",
    ),
    "dinov3-b16": TeacherSpec(
        "facebook/dinov3-vitb16-pretrain-lvd1689m",
        768,
        "DINOv3 ViT-B/16, self-supervised; register tokens, rotary positions.",
        "DINOv3 License: accept it on the hub first",
    ),
    "vit-ti16": TeacherSpec(
        "WinKawaks/vit-tiny-patch16-224", 192, "ViT-Ti/16, ImageNet-21k then ImageNet-1k labels.", "Apache-2.0"
    ),
    "vit-b16": TeacherSpec(
        "google/vit-base-patch16-224", 768, "ViT-B/16, ImageNet-21k then ImageNet-1k labels.", "Apache-2.0"
    ),
    "deit-s16": TeacherSpec("facebook/deit-small-patch16-224", 384, "DeiT-S/16, ImageNet-1k labels.", "Apache-2.0"),
    "deit-s16-distilled": TeacherSpec(
        "facebook/deit-small-distilled-patch16-224", 384, "DeiT-S/16 with a distillation token.", "Apache-2.0"
    ),
    "resnet50": TeacherSpec("microsoft/resnet-50", 2048, "ResNet-50, ImageNet-1k labels: a 7 × 7 grid.", "Apache-2.0"),
    "resnet101": TeacherSpec(
        "microsoft/resnet-101", 2048, "ResNet-101, ImageNet-1k labels: a 7 × 7 grid.", "Apache-2.0"
    ),
    "convnext-t": TeacherSpec(
        "facebook/convnext-tiny-224", 768, "ConvNeXt-T, ImageNet-1k labels: a 7 × 7 grid.", "Apache-2.0"
    ),
}
"""Every short name. Any other Hugging Face name or local folder of a known family works as well."""


def members(name: str) -> tuple[str, ...]:
    """The teachers that a name stands for: ``A+B`` for two that teach side by side, else itself.

    A local folder whose name has a ``+`` stays one teacher, and so does a run. :class:`UsageError` where a name is
    missing.
    """
    if name.startswith(RUN) or Path(name).expanduser().is_dir():
        return (name,)
    found = tuple(name.split(JOINED))
    if not all(member.removeprefix(RANDOM) for member in found):
        raise UsageError(
            f"{shortened(name)} lacks the name of a teacher: write NAME, {RANDOM}NAME, or NAME{JOINED}NAME for several."
        )
    return found


def check_teacher(name: str) -> str:
    """``name`` itself, where it can be a teacher's; :class:`UsageError` where it cannot. Nothing is loaded.

    A name of :data:`TEACHERS`, a local folder, ``org/name`` on the hub, ``timm:NAME`` or ``open_clip:NAME/WEIGHTS``;
    one of these after ``random:``; several of these, joined by ``+``; or ``run:`` and the folder of a run. The nearest
    names are listed for an unknown one.
    """
    if name.startswith(RUN):
        if name == RUN:
            raise UsageError(f"{RUN!r} needs the folder of a run behind it: {RUN}runs/pretrain, say.")
        return name
    for member in members(name):
        plain = member.removeprefix(RANDOM)
        if plain.startswith(PACKAGES):
            if plain in PACKAGES:
                raise UsageError(f"{plain!r} needs the name of a model of that package behind it.")
            continue  # which models there are the package knows, which is imported when the teacher is loaded
        if plain.startswith((RANDOM, RUN)):
            raise UsageError(
                f"{shortened(member)} cannot be one of the teachers of {shortened(name)}. A trained run teaches alone, "
                f"as {RUN}FOLDER, and {RANDOM!r} stands once before the name of a 2D model."
            )
        # A folder may have moved since its name was written, with a + in it.
        elsewhere = "/" in plain or "\\" in plain or name.startswith((".", "/", "~"))
        if not elsewhere and not Path(plain).expanduser().is_dir():
            pick("teacher", plain, TEACHERS)
    return name
