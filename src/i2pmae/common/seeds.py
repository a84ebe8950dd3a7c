"""Random generators that follow from names: nothing random has to be saved, and a resumed run repeats exactly."""

import hashlib

import numpy as np
import torch

from i2pmae.common.exchange import PartGenerator
from i2pmae.common.ranks import Part

__all__ = ["derive", "numpy_generator", "torch_generator"]


def derive(seed: int, *names: int | str) -> int:
    """A 63-bit seed that follows from ``seed`` and the names (epoch, step, rank, purpose), the same anywhere."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def torch_generator(
    seed: int, *names: int | str, device: torch.device | str = "cpu", part: Part | None = None
) -> torch.Generator:
    """A ``torch.Generator`` on ``device``, seeded by :func:`derive`; its draws are a ``part`` of those of a batch."""
    made = torch.Generator(device=device) if part is None else PartGenerator(device=device).of(part)
    return made.manual_seed(derive(seed, *names))


def numpy_generator(seed: int, *names: int | str) -> np.random.Generator:
    """A NumPy generator, seeded by :func:`derive`."""
    return np.random.default_rng(derive(seed, *names))
