"""What all tests share: shape annotations are checked at run time, and randomness starts from the same seed."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may wait for a network
os.environ.setdefault("PYDANTIC_ERRORS_INCLUDE_URL", "0")  # as the command sets it: pydantic reads it once a process
if "PYTEST_XDIST_WORKER" in os.environ:  # one thread each: threads of several processes would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

import tests.typechecker  # noqa: F401  (the hook looks it up by name)

install_import_hook(
    ["i2pmae.ops", "i2pmae.projection", "i2pmae.encoders", "i2pmae.methods", "i2pmae.tasks"],
    "tests.typechecker.check_types",
)

import torch


@pytest.fixture(autouse=True)
def _same_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_named_weights(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests give their own weights: what the package or a folder of this machine holds must not change them."""
    nowhere = Path(tmp_path_factory.getbasetemp()) / "no-weights"
    monkeypatch.setattr("i2pmae.weights.named.SHIPPED", nowhere / "shipped")
    monkeypatch.setenv("I2PMAE_WEIGHTS", str(nowhere / "own"))


@pytest.fixture
def ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts random weights of a kind into what is taken for the package, under a name; gives their folder."""
    from tests.weights.small_models import save_model

    place = tmp_path / "shipped"
    monkeypatch.setattr("i2pmae.weights.named.SHIPPED", place)
    return lambda name="tiny", kind="i2p-mae encoder": save_model(place / name, kind)


@pytest.fixture
def file_limit() -> Iterator[Callable[[int], None]]:
    """Sets how many bytes a file may have; writing more fails as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        most = before[1] if before[1] != resource.RLIM_INFINITY else 1 << 60
        resource.setrlimit(resource.RLIMIT_FSIZE, (min(size, most), before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
