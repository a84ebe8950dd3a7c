"""How each family of Hugging Face vision models gives a feature map and a saliency map."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch.nn import functional

from i2pmae.teachers.attention import listening
from i2pmae.teachers.base import TeacherMaps
from i2pmae.typing import Float, Tensor

__all__ = ["FAMILIES", "IMAGENET", "OPENAI", "Asked", "Family", "Reader", "TeacherSaliency", "grid", "summed_up"]

TeacherSaliency = Literal["attention", "rollout"]
"""Attention of [CLS] in the last layer (what stands for it in the family), or its rollout over all layers."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a model beside its images."""

    forward: dict[str, Any] = field(default_factory=dict)
    """Options of its forward."""
    saliency: TeacherSaliency = "attention"
    """Which saliency; ``rollout`` where :attr:`Family.attends`."""
    layers: tuple[int, ...] = ()
    """Layers whose patch tokens are features beside those of the end, counted from 1; where :attr:`Family.layered`."""

    @property
    def options(self) -> dict[str, Any]:
        """Options of its forward, for these layers."""
        return {**self.forward, "output_hidden_states": True} if self.layers else self.forward


Reader = Callable[[Any, Tensor, Asked], TeacherMaps]
"""Maps from (model, normalised images, what is asked)."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def grid(tokens: Float[Tensor, "b t c"], prefix: int) -> Float[Tensor, "b c h w"]:
    """Patch tokens after ``prefix`` other tokens as a square map."""
    patches = tokens[:, prefix:]
    side = round(patches.shape[1] ** 0.5)
    return patches.transpose(1, 2).unflatten(2, (side, side))


def summed_up(
    summary: Float[Tensor, "b c"], features: Float[Tensor, "b c h w"], saliency: Float[Tensor, "b h w"]
) -> TeacherMaps:
    """Maps with the image's vector: the model's own summary beside the mean of its grid cells."""
    return TeacherMaps(features, saliency, torch.cat([summary, features.mean((2, 3))], dim=-1))


def _with_layers(
    features: Float[Tensor, "b c h w"], output: Any, asked: Asked, prefix: int
) -> Float[Tensor, "b d h w"]:
    """Features of the layers that are asked for, then those of the end: each of zero mean and unit deviation over its
    channels where there are several, so that none outweighs another."""
    if not asked.layers:
        return features
    parts = [*(grid(output.hidden_states[layer], prefix) for layer in asked.layers), features]
    return torch.cat([functional.layer_norm(part.movedim(1, -1), part.shape[1:2]).movedim(-1, 1) for part in parts], 1)


def _prefix_and_saliency(row: Float[Tensor, "b t"], images: Tensor, patch: int) -> tuple[int, Float[Tensor, "b h w"]]:
    """How many tokens stand before the patches ([CLS], registers, a distillation token), and the patches' attention."""
    side = images.shape[-1] // patch
    prefix = row.shape[1] - side * side
    return prefix, row[:, prefix:].unflatten(1, (side, side))


def read_vit(model: Any, images: Tensor, asked: Asked) -> TeacherMaps:
    """ViT, DeiT, DINOv2, DINOv3: tokens of the last layer after the final LayerNorm, [CLS] and patches; attention from
    [CLS].

    Attention is a softmax over all tokens, so what goes to [CLS] itself and to registers is missing from the map's sum.
    """
    with listening(asked.saliency == "rollout") as heard:
        output = model(pixel_values=images, **asked.options)
    tokens = output.last_hidden_state
    prefix, saliency = _prefix_and_saliency(heard.row(), images, model.config.patch_size)
    found = summed_up(tokens[:, 0], grid(tokens, prefix), saliency)
    return found._replace(features=_with_layers(found.features, output, asked, prefix))


def read_clip(model: Any, images: Tensor, asked: Asked) -> TeacherMaps:
    """CLIP: patch tokens after the final LayerNorm and the projection to the joint space (I2P-MAE §3.2), and the
    attention from [CLS] in the last layer."""
    with listening(asked.saliency == "rollout") as heard:
        output = model.vision_model(pixel_values=images, **asked.options)
    prefix, saliency = _prefix_and_saliency(heard.row(), images, model.config.patch_size)
    tokens = model.visual_projection(model.vision_model.post_layernorm(output.last_hidden_state))
    found = summed_up(tokens[:, 0], grid(tokens, prefix), saliency)
    return found._replace(features=_with_layers(found.features, output, asked, prefix))


def read_siglip(model: Any, images: Tensor, asked: Asked) -> TeacherMaps:
    """SigLIP, which has no [CLS]: patch tokens after the final LayerNorm; saliency is the attention with which the
    pooling head's learnt probe reads the patches, mean over heads. It sums to 1."""
    output = model(pixel_values=images, **asked.options)
    tokens = output.last_hidden_state
    head = next((part for part in model.modules() if hasattr(part, "probe")), None)
    if head is None:
        raise ValueError("this SigLIP model has no attention pooling head, so nothing says which patches matter")
    probe = head.probe.expand(len(tokens), -1, -1)
    _, row = head.attention(probe, tokens, tokens, need_weights=True, average_attn_weights=True)
    _, saliency = _prefix_and_saliency(row.squeeze(1), images, model.config.patch_size)
    found = summed_up(output.pooler_output, grid(tokens, 0), saliency)
    return found._replace(features=_with_layers(found.features, output, asked, 0))


def read_cnn(model: Any, images: Tensor, asked: Asked) -> TeacherMaps:
    """ResNet, ConvNeXt: the last stage's feature map (before any pooling or norm); saliency = its largest channel."""
    features = model(pixel_values=images, **asked.forward).last_hidden_state
    return TeacherMaps(features, features.amax(1), features.mean((2, 3)))


def read_cnn_tokens(model: Any, images: Tensor, asked: Asked) -> TeacherMaps:
    """DINOv3 ConvNeXt: the last stage's cells after the final LayerNorm (its pooled token left out); saliency = the
    largest channel."""
    tokens = model(pixel_values=images, **asked.forward).last_hidden_state
    features = grid(tokens, 1)
    return summed_up(tokens[:, 0], features, features.amax(1))


@dataclass(frozen=True)
class Family:
    """What to know about a family to use its models as teachers."""

    class_name: str
    """Class in transformers."""
    read: Reader
    """How it gives its maps."""
    mean_std: tuple[tuple[float, ...], tuple[float, ...]]
    """Normalisation where the model's folder states none: what the family's authors trained with."""
    needs_interpolation: bool = False
    """Whether forward must be told to interpolate its position embeddings to another image size."""
    attends: bool = False
    """Whether the saliency is attention from the first token."""
    layered: bool = False
    """Whether features of any layer can be asked for."""
    arguments: tuple[tuple[str, Any], ...] = ()
    """Arguments of the class that leave out parts without use here."""


FAMILIES: dict[str, Family] = {
    "vit": Family("ViTModel", read_vit, HALF, True, True, True, (("add_pooling_layer", False),)),
    "deit": Family("DeiTModel", read_vit, IMAGENET, True, True, True, (("add_pooling_layer", False),)),
    "dinov2": Family("Dinov2Model", read_vit, IMAGENET, False, True, True),
    "dinov2_with_registers": Family("Dinov2WithRegistersModel", read_vit, IMAGENET, False, True, True),
    "dinov3_vit": Family("DINOv3ViTModel", read_vit, IMAGENET, False, True, True),
    "clip": Family("CLIPVisionModelWithProjection", read_clip, OPENAI, True, True, True),
    "clip_vision_model": Family("CLIPVisionModelWithProjection", read_clip, OPENAI, True, True, True),
    "siglip": Family("SiglipVisionModel", read_siglip, HALF, True, layered=True),
    "siglip_vision_model": Family("SiglipVisionModel", read_siglip, HALF, True, layered=True),
    "resnet": Family("ResNetModel", read_cnn, IMAGENET),
    "convnext": Family("ConvNextModel", read_cnn, IMAGENET),
    "convnextv2": Family("ConvNextV2Model", read_cnn, IMAGENET),
    "dinov3_convnext": Family("DINOv3ConvNextModel", read_cnn_tokens, IMAGENET),
}
"""By the ``model_type`` of a model's ``config.json``."""
