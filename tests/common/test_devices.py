import pytest
import torch

from i2pmae.common.devices import explaining_limits, resolve_device
from i2pmae.common.errors import I2PError, UsageError


@pytest.fixture
def gpus(monkeypatch):
    def set_count(count: int, apple: bool = False) -> None:
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: apple)
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
    with pytest.raises(UsageError, match="no GPU of Apple's here"):
        resolve_device("mps")


def test_the_gpu_of_a_mac_is_taken_where_there_is_no_other(gpus):
    gpus(0, apple=True)
    assert resolve_device("auto") == resolve_device("mps") == resolve_device(torch.device("mps", 0))
    assert resolve_device("auto") == torch.device("mps")
    assert resolve_device("cpu") == torch.device("cpu")
    gpus(1, apple=True)
    assert resolve_device("auto") == torch.device("cuda", 0)


@pytest.mark.parametrize(
    "error",
    [
        TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."),
        NotImplementedError("The operator 'aten::x' is not currently implemented for the MPS device.\nMore"),
    ],
)
def test_what_the_gpu_of_a_mac_cannot_do_is_explained(error):
    with pytest.raises(I2PError, match=r"MPS.*Use the device cpu"), explaining_limits(torch.device("mps")):
        raise error
    with pytest.raises(type(error)), explaining_limits(torch.device("cpu")):
        raise error
    with pytest.raises(TypeError, match="mine"), explaining_limits(torch.device("mps")):
        raise TypeError("mine")


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cuda:-1", "", "mps:1", "cuda:" + "9" * 5000, "cuda:٣"])
def test_unknown_devices_are_refused(name):
    with pytest.raises(UsageError, match="auto, cpu, cuda or cuda:N"):
        resolve_device(name)
