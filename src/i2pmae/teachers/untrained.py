"""The paper's teacher with random weights, for what depends on its size alone: how long a step takes."""

import torch

from i2pmae.teachers.attention import register
from i2pmae.teachers.catalogue import TEACHERS
from i2pmae.teachers.families import FAMILIES
from i2pmae.teachers.vision import DTYPES, Precision, VisionTeacher, choose_precision

__all__ = ["PUBLISHED", "untrained_clip"]

PUBLISHED = "clip-vit-b16"
"""The catalogue's name of the model whose sizes it has: CLIP ViT-B/16."""
SIZES = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "patch_size": 16,
    "image_size": 224,
    "projection_dim": TEACHERS[PUBLISHED].feature_dim,
}


def untrained_clip(*, precision: Precision = "auto", device: torch.device | str = "cpu", **sizes: int) -> VisionTeacher:
    """A teacher as large and as fast as CLIP ViT-B/16, made without a download; what it says means nothing.

    Its weights are the same each time. ``sizes`` change those of the model, under the names of Hugging Face's
    ``CLIPVisionConfig``. ``precision`` is that of :func:`~i2pmae.teachers.loading.load_teacher`.
    """
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    device, family = torch.device(device), FAMILIES["clip"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CLIPVisionModelWithProjection(CLIPVisionConfig(**(SIZES | sizes), attn_implementation=register()))
    model = model.to(device, DTYPES[choose_precision(precision, device)])
    mean, std = family.mean_std
    size = int(model.config.image_size)
    return VisionTeacher(model, family, name=f"{PUBLISHED} (random weights)", mean=mean, std=std, image_size=size)
