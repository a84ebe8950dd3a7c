"""Every family's maps equal what its model says when it is run plainly."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers

from i2pmae.common.errors import TeacherError
from i2pmae.teachers.base import TeacherMaps
from i2pmae.teachers.loading import load_teacher

from .conftest import BUILDERS

MEAN = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)
STD = torch.tensor([0.2, 0.3, 0.25]).view(3, 1, 1)


def image_batch(side: int = 64) -> torch.Tensor:
    return torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(5))


def plain(kind: str, folder: Path, images: torch.Tensor, interpolate: bool = False) -> TeacherMaps:
    """The maps by the slow road: transformers' own eager attention maps, written out family by family."""
    options = {"interpolate_pos_encoding": True} if interpolate else {}
    pixels = (images - MEAN) / STD
    eager = {"attn_implementation": "eager", "dtype": torch.float32}
    side = images.shape[-1] // 16

    def square(tokens: torch.Tensor) -> torch.Tensor:
        return tokens.transpose(1, 2).reshape(len(images), -1, side, side)

    def beside(summary: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        return torch.cat([summary, patches.mean(1)], dim=1)

    with torch.no_grad():
        if kind.startswith("clip"):
            model = transformers.CLIPVisionModelWithProjection.from_pretrained(folder, **eager).eval()
            out = model(pixels, output_attentions=True, **options)
            tokens = model.visual_projection(model.vision_model.post_layernorm(out.last_hidden_state))
            attention = out.attentions[-1].mean(1)[:, 0, 1:].view(-1, side, side)
            return TeacherMaps(square(tokens[:, 1:]), attention, beside(out.image_embeds, tokens[:, 1:]))
        if kind.startswith("siglip"):
            model = transformers.SiglipVisionModel.from_pretrained(folder, **eager).eval()
            out = model(pixels, **options)
            tokens = out.last_hidden_state
            probe, attention = (
                next(value for name, value in model.state_dict().items() if name.endswith(ending))
                for ending in ("head.probe", "head.attention.in_proj_weight")
            )
            bias = next(value for name, value in model.state_dict().items() if name.endswith("attention.in_proj_bias"))
            query = torch.nn.functional.linear(probe, attention[:32], bias[:32]).view(1, 1, 4, 8)
            key = torch.nn.functional.linear(tokens, attention[32:64], bias[32:64]).view(3, -1, 4, 8)
            scores = torch.einsum("bqhc,nkhc->nhk", query, key) / 8**0.5
            saliency = scores.softmax(-1).mean(1).view(-1, side, side)
            return TeacherMaps(square(tokens), saliency, beside(out.pooler_output, tokens))
        if kind in ("resnet", "convnext", "convnextv2"):
            features = transformers.AutoModel.from_pretrained(folder).eval()(pixels).last_hidden_state
            return TeacherMaps(features, features.max(1).values, features.flatten(2).mean(2))
        if kind == "dinov3_convnext":
            tokens = transformers.AutoModel.from_pretrained(folder).eval()(pixels).last_hidden_state
            features = tokens[:, 1:].transpose(1, 2).reshape(len(images), -1, side // 2, side // 2)
            return TeacherMaps(features, features.max(1).values, beside(tokens[:, 0], tokens[:, 1:]))
        model = transformers.AutoModel.from_pretrained(folder, **eager).eval()
        out = model(pixels, output_attentions=True, **options)
        first = {"deit": 2, "dinov2_with_registers": 5, "dinov3_vit": 4}.get(kind, 1)
        attention = out.attentions[-1].mean(1)[:, 0, first:]
        tokens = out.last_hidden_state
        summary = beside(tokens[:, 0], tokens[:, first:])
        return TeacherMaps(square(tokens[:, first:]), attention.view(-1, side, side), summary)


@pytest.mark.parametrize("kind", BUILDERS)
def test_maps_equal_the_model_run_plainly(kind: str, model_folder: Callable[[str], Path]) -> None:
    teacher = load_teacher(model_folder(kind), precision="fp32")
    images = image_batch()
    maps, expected = teacher(images), plain(kind, model_folder(kind), images)
    assert maps.features.shape[1:] == (teacher.feature_dim, teacher.grid_size, teacher.grid_size)
    torch.testing.assert_close(maps.features, expected.features, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(maps.saliency, expected.saliency, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(maps.pooled, expected.pooled, rtol=1e-4, atol=1e-4)
    assert maps.features.std() > 1e-3 and maps.saliency.flatten(1).std(1).min() > 1e-5, "the comparison is empty"


@pytest.mark.parametrize("kind", ["vit", "deit", "clip", "siglip", "dinov2", "dinov2_with_registers", "dinov3_vit"])
def test_another_image_size_interpolates_positions(kind: str, model_folder: Callable[[str], Path]) -> None:
    teacher = load_teacher(model_folder(kind), precision="fp32", image_size=96)
    images = image_batch(96)
    told = kind in ("vit", "deit", "clip", "siglip")
    maps, expected = teacher(images), plain(kind, model_folder(kind), images, interpolate=told)
    assert teacher.grid_size == 6
    torch.testing.assert_close(maps.features, expected.features, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(maps.saliency, expected.saliency, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "total"), [("siglip", 1.0), ("vit", None), ("dinov3_vit", None)])
def test_attention_saliency_is_a_share(kind: str, total: float | None, model_folder: Callable[[str], Path]) -> None:
    sums = load_teacher(model_folder(kind), precision="fp32")(image_batch()).saliency.sum((1, 2))
    if total is None:
        assert (sums < 1).all() and (sums > 0).all(), "[CLS] and registers take their share"
    else:
        torch.testing.assert_close(sums, torch.full_like(sums, total))


@pytest.mark.parametrize("kind", ["vit", "clip", "siglip", "dinov3_vit", "convnext"])
def test_bf16_is_close_to_fp32(kind: str, model_folder: Callable[[str], Path]) -> None:
    images = image_batch()
    exact = load_teacher(model_folder(kind), precision="fp32")(images)
    rounded = load_teacher(model_folder(kind), precision="bf16")(images)
    assert rounded.features.dtype == rounded.saliency.dtype == torch.float32
    assert not torch.equal(rounded.features, exact.features)
    assert (rounded.features - exact.features).norm() < 0.05 * exact.features.norm()
    assert (rounded.saliency - exact.saliency).norm() < 0.05 * exact.saliency.norm()


ATTENDING = ["vit", "deit", "clip", "dinov2", "dinov2_with_registers", "dinov3_vit"]


@pytest.mark.parametrize("kind", ATTENDING)
def test_rollout_multiplies_the_attention_of_all_layers(kind: str, model_folder: Callable[[str], Path]) -> None:
    images, folder = image_batch(), model_folder(kind)
    teacher = load_teacher(folder, precision="fp32", saliency="rollout")
    model_class = transformers.CLIPVisionModelWithProjection if kind == "clip" else transformers.AutoModel
    model = model_class.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        attentions = model((images - MEAN) / STD, output_attentions=True).attentions
    rollout = torch.eye(attentions[0].shape[-1])
    for attention in attentions:
        rollout = (attention.mean(1) + torch.eye(attention.shape[-1])) / 2 @ rollout
    expected = rollout[:, 0, -16:].view(-1, 4, 4)
    maps, plainly = teacher(images), load_teacher(folder, precision="fp32")(images)
    torch.testing.assert_close(maps.saliency, expected, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(maps.saliency, plainly.saliency, rtol=1e-2), "the comparison is empty"
    torch.testing.assert_close(maps.features, plainly.features)


@pytest.mark.parametrize("kind", [*ATTENDING, "siglip"])
def test_layers_are_features_beside_those_of_the_end(kind: str, model_folder: Callable[[str], Path]) -> None:
    images, folder = image_batch(), model_folder(kind)
    teacher, plainly = load_teacher(folder, precision="fp32", layers=(1,)), load_teacher(folder, precision="fp32")
    classes = {"clip": transformers.CLIPVisionModelWithProjection, "siglip": transformers.SiglipVisionModel}
    model = classes.get(kind, transformers.AutoModel).from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        hidden = model((images - MEAN) / STD, output_hidden_states=True).hidden_states[1]
    maps, end = teacher(images), plainly(images)
    width = hidden.shape[-1]
    assert teacher.feature_dim == width + plainly.feature_dim
    expected = torch.nn.functional.layer_norm(hidden[:, -16:], (width,)).transpose(1, 2).reshape(3, width, 4, 4)
    torch.testing.assert_close(maps.features[:, :width], expected, rtol=1e-3, atol=1e-4)
    of_end = torch.nn.functional.layer_norm(end.features.movedim(1, -1), (plainly.feature_dim,)).movedim(-1, 1)
    torch.testing.assert_close(maps.features[:, width:], of_end, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(maps.saliency, end.saliency)
    torch.testing.assert_close(maps.pooled, end.pooled)
    assert len({teacher.fingerprint(), plainly.fingerprint()}) == 2


def test_what_a_family_has_not_is_refused(model_folder: Callable[[str], Path]) -> None:
    with pytest.raises(TeacherError, match="no attention rollout can be made"):
        load_teacher(model_folder("siglip"), saliency="rollout")
    with pytest.raises(TeacherError, match="gives no features of single layers"):
        load_teacher(model_folder("resnet"), layers=(1,))
    for layers in ((2,), (0,), (1, 1)):
        with pytest.raises(TeacherError, match="are 1 to 1, each once"):
            load_teacher(model_folder("vit"), layers=layers)
