"""Measuring one call: time, peak memory, FLOPs, and the rate at which the device multiplies matrices meanwhile."""

import contextlib
import ctypes
import gc
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from i2pmae.teachers.vision import choose_precision

__all__ = ["Call", "MatrixRates", "Measured", "PeakMemory", "count_flops", "measure", "seconds_of", "synchronise"]

Call = Callable[[], object]
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LEAST = 0.02
"""Seconds that a repeat takes at least: a shorter call is made several times."""
WARM_UPS = 2
"""Further calls of a GPU before the first that counts."""
SIDES = {"cpu": 1024, "cuda": 8192, "mps": 2048}
"""Side of the matrices whose product tells the rate."""
PRODUCTS, PATIENCE = 40, 0.2
"""Most products, and seconds, that a rate is measured on."""


@dataclass(frozen=True)
class Measured:
    """What was found about a call."""

    seconds: float
    """The shortest repeat: what the machine can do."""
    median: float
    """The middle one: what it did beside whatever else ran."""
    repeats: int
    """How often it was measured."""
    memory: int | None
    """Bytes at the peak of a call beyond those before it; absent where the system does not tell."""
    flops: float
    """Floating-point operations of its matrix products, two for each multiplication with addition."""


def measure(call: Call, device: torch.device, repeats: int, limit: float, counted: bool = True) -> Measured:
    """Time, memory and FLOPs of a call, which is made once or more before the repeats that count.

    Repeats end after ``limit`` seconds. Where the first call alone takes longer, it is the measurement: what it spends
    on being the first is then small. FLOPs are 0 where they need not be ``counted``.
    """
    flops = 0.0
    with PeakMemory(device) as peak:
        start = time.perf_counter()
        if counted:
            flops = count_flops(call)
        else:
            call()
        synchronise(device)
        first = time.perf_counter() - start
    if first > limit:
        return Measured(first, first, 1, peak.bytes, flops)
    if 3 * first < limit:
        with PeakMemory(device) as peak:  # without what only a first call leaves behind
            call()
            synchronise(device)
    for _ in range(WARM_UPS if device.type == "cuda" else 0):
        call()
    times = seconds_of(call, device, repeats, limit)
    return Measured(min(times), statistics.median(times), len(times), peak.bytes, flops)


def seconds_of(call: Call, device: torch.device, repeats: int, limit: float = math.inf) -> list[float]:
    """The seconds of each repeat, at least one; no further begins when ``limit`` seconds are over."""
    begun, inner, times = time.perf_counter(), 1, list[float]()
    while len(times) < repeats and (not times or time.perf_counter() - begun + times[-1] * inner <= limit):
        synchronise(device)
        start = time.perf_counter()
        for _ in range(inner):
            call()
        synchronise(device)
        spent = time.perf_counter() - start
        if spent < LEAST and not times:
            inner = max(math.ceil(inner * LEAST / max(spent, 1e-7)), inner + 1)
            continue
        times.append(spent / inner)
    return times


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def count_flops(call: Call) -> float:
    """Floating-point operations of the matrix products, convolutions and attention of a call, backward included.

    Element-wise work, sorting and distances count nothing. PyTorch's counter lacks attention on a CPU, which is added.
    """
    with FlopCounterMode(display=False, custom_mapping=_cpu_attention()) as counter:
        call()
    return float(counter.get_total_flops())


def _cpu_attention() -> dict[Any, Any]:
    """Formulas for PyTorch's operators of attention on a CPU, where this version has them."""

    def forward(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        b, h, rows, width = query
        return 2 * b * h * rows * key[2] * (width + value[3])

    def backward(gradient: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        # Five products: the scores once more, and the gradients of scores, query, key and value.
        del gradient
        b, h, rows, width = query
        return 2 * b * h * rows * key[2] * (3 * width + 2 * value[3])

    name = "_scaled_dot_product_flash_attention_for_cpu"
    formulas = {name: forward, f"{name}_backward": backward}
    return {getattr(torch.ops.aten, name): each for name, each in formulas.items() if hasattr(torch.ops.aten, name)}


class PeakMemory:
    """A block whose peak of memory, beyond what there was at its start, is then in :attr:`bytes`.

    On a GPU by PyTorch's own count; on Linux by the peak of the process's resident set, which is reset first, after
    free memory was given back; elsewhere ``None``.
    """

    bytes: int | None = None

    def __init__(self, device: torch.device) -> None:
        self._device, self._start = device, 0

    def __enter__(self) -> "PeakMemory":
        gc.collect()
        if self._device.type == "cuda":
            synchronise(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
            self._start = torch.cuda.memory_allocated(self._device)
        elif self._device.type == "cpu":
            _give_back()
            self._start = _resident("VmRSS") if _reset_peak() else 0
        return self

    def __exit__(self, *_: object) -> None:
        if self._device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated(self._device) - self._start
        elif self._start:
            self.bytes = max(0, _resident("VmHWM") - self._start)


def _give_back() -> None:
    """Let the C library give freed memory back, so that it does not hide what a call takes (glibc alone can)."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def _reset_peak() -> bool:
    """Whether the peak of the resident set begins anew, which Linux can be asked for."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _resident(name: str) -> int:
    """Bytes of the process's memory: ``VmRSS`` now, ``VmHWM`` at its peak; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


@dataclass
class MatrixRates:
    """How fast a device multiplies matrices, in FLOP/s by arithmetic: what a model's speed is compared with."""

    device: torch.device
    seen: dict[str, list[float]] = field(default_factory=dict)
    """Every measurement."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The arithmetic that the device has in hardware."""
        if self.device.type == "cuda":
            newer = torch.cuda.get_device_capability(self.device)[0] >= 8
            return ("fp32", "tf32", "bf16", "fp16") if newer else ("fp32", "fp16")
        if self.device.type == "mps":
            return ("fp32", "fp16")
        return ("fp32", "bf16") if choose_precision("auto", self.device) == "bf16" else ("fp32",)

    def measure(self, kind: str = "fp32") -> float:
        """The rate now: the best of some products."""
        side = SIDES[self.device.type]
        left, right = (torch.randn(side, side, device=self.device).to(DTYPES[kind]) for _ in range(2))
        with _products_in(kind), torch.no_grad():
            torch.mm(left, right)
            times = seconds_of(lambda: torch.mm(left, right), self.device, PRODUCTS, PATIENCE)
        rate = 2 * side**3 / min(times)
        self.seen.setdefault(kind, []).append(rate)
        return rate

    def measure_all(self) -> None:
        """The rate of every arithmetic that there is."""
        for kind in self.kinds:
            self.measure(kind)

    @contextlib.contextmanager
    def beside(self, *kinds: str) -> Iterator[dict[str, float]]:
        """A block after which the dictionary holds the better of the rates before and after it."""
        before = {kind: self.measure(kind) for kind in kinds}
        found: dict[str, float] = {}
        yield found
        found.update({kind: max(rate, self.measure(kind)) for kind, rate in before.items()})

    @property
    def best(self) -> Mapping[str, float]:
        """The highest rate of each arithmetic."""
        return {kind: max(rates) for kind, rates in self.seen.items()}

    @property
    def lowest(self) -> Mapping[str, float]:
        """The lowest rate of each arithmetic."""
        return {kind: min(rates) for kind, rates in self.seen.items()}


@contextlib.contextmanager
def _products_in(kind: str) -> Iterator[None]:
    """A block in which products of fp32 matrices are computed in fp32 or in TF32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if kind == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
