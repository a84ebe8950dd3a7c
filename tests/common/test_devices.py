import pytest
import torch

from i2pmae.common.devices import resolve_device
from i2pmae.common.errors import UsageError


@pytest.fixture
def gpus(monkeypatch):
    def set_count(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return set_count


def test_devices_where_there_are_gpus(gpus):
    gpus(2)
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda", 0)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(UsageError, match="sees 2 GPUs here"):
        resolve_device("cuda:2")


def test_devices_where_there_is_none(gpus):
    gpus(0)
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(UsageError, match="no usable GPU"):
        resolve_device("cuda")


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cuda:-1", ""])
def test_unknown_devices_are_refused(name):
    with pytest.raises(UsageError, match="auto, cpu, cuda or cuda:N"):
        resolve_device(name)
