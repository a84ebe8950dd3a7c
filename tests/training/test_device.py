import pytest
import torch

from i2pmae.common.errors import UsageError
from i2pmae.training.device import check_compiler, repeatable, resolve_precision


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16"), (False, "fp32")])
def test_automatic_precision(monkeypatch, has_bf16, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16)
    assert resolve_precision("auto", torch.device("cuda", 0)) == expected
    assert resolve_precision("auto", torch.device("cpu")) == "fp32"
    assert resolve_precision("bf16", torch.device("cpu")) == "bf16"


def test_fp16_needs_a_gpu():
    assert resolve_precision("fp16", torch.device("cuda", 0)) == "fp16"
    with pytest.raises(UsageError, match="needs a GPU"):
        resolve_precision("fp16", torch.device("cpu"))
    with pytest.raises(UsageError, match="Unknown precision"):
        resolve_precision("fp8", torch.device("cpu"))


def test_compiling_without_a_compiler_is_explained(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(UsageError, match=r"needs a C\+\+ compiler"):
        check_compiler()


def test_repeatable_restores_what_it_changes():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    with repeatable(torch.device("cpu")):
        torch.rand(5)
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory
