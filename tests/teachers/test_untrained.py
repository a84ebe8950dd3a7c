"""The stand-in for the published teacher: its sizes, and the same weights each time."""

import pytest
import torch

from i2pmae.teachers.catalogue import TEACHERS
from i2pmae.teachers.untrained import PUBLISHED, untrained_clip

SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}


def test_it_has_the_shapes_of_the_published_one() -> None:
    teacher = untrained_clip(precision="fp32", **SMALL)
    assert (teacher.feature_dim, teacher.grid_size, teacher.image_size) == (TEACHERS[PUBLISHED].feature_dim, 14, 224)
    maps = teacher(torch.rand(2, 1, 224, 224, generator=torch.Generator().manual_seed(0)))
    assert maps.features.shape == (2, 512, 14, 14) and maps.saliency.shape == (2, 14, 14)
    assert maps.features.isfinite().all() and 0 < maps.saliency.sum(dim=(1, 2)).max() <= 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_its_weights_are_always_the_same(precision: str) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = (untrained_clip(precision=precision, **SMALL) for _ in range(2))  # type: ignore[arg-type]
    assert first.precision == precision and first.fingerprint() == second.fingerprint()
    assert torch.equal(torch.get_rng_state(), before), "and nobody else's randomness is touched"
