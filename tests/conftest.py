"""What all tests share: shape annotations are checked at run time, and randomness starts from the same seed."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may wait for a network

import pytest
from jaxtyping import install_import_hook

import tests.typechecker  # noqa: F401  (the hook looks it up by name)

install_import_hook(
    ["i2pmae.ops", "i2pmae.projection", "i2pmae.models", "i2pmae.objectives"], "tests.typechecker.check_types"
)

import torch


@pytest.fixture(autouse=True)
def _same_seed() -> None:
    torch.manual_seed(0)
