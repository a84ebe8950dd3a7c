import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from i2pmae.common import memory

FAULTS = """
import resource, sys
from pathlib import Path
import numpy as np
from i2pmae.common.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
if sys.argv[1] == "train":
    from tests.training.small import SmallTask, settings, small_clouds
    from i2pmae.training.engine import fit
    fit(SmallTask(), small_clouds(), settings(epochs=1), Path(sys.argv[2]), shown=False)
if sys.argv[1] == "embed":
    from i2pmae.weights.encoder import Encoder
    from tests.weights.small_models import make_model
    Encoder(*make_model("i2p-mae pretraining"), "cpu")
for _ in range(3):
    np.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(2**23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux") or not hasattr(ctypes.CDLL(None), "mallopt"), reason="glibc")
def test_freed_memory_is_used_again(tmp_path):
    def faults(how: str, **environment: str) -> int:
        code = [sys.executable, "-c", FAULTS, how, str(tmp_path / how)]
        # Huge pages, which old versions of NumPy ask for, hide how often memory is given back.
        environment = os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"} | environment
        done = subprocess.run(
            code, capture_output=True, check=True, text=True, env=environment, cwd=Path(__file__).parents[2]
        )
        return int(done.stdout)

    default = faults("default")
    for how in ("keep", "train", "embed"):
        assert faults(how) < default / 10, how
    assert faults("embed", I2PMAE_KEEP_MEMORY="0") > default / 2


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.delenv("I2PMAE_KEEP_MEMORY", raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not memory.keep_freed_memory()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not memory.keep_freed_memory()
