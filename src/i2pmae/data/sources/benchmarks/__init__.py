"""Published data sets in the layouts that people have on disk, each read by its own module."""

from pathlib import Path

from i2pmae.common.errors import DataError, I2PError
from i2pmae.data.sources.benchmarks.base import Benchmark
from i2pmae.data.sources.benchmarks.fewshot import FEWSHOT
from i2pmae.data.sources.benchmarks.modelnet import MODELNET10, MODELNET40
from i2pmae.data.sources.benchmarks.scanobjectnn import OBJ_BG, OBJ_ONLY, PB_T50_RS
from i2pmae.data.sources.benchmarks.shapenet55 import SHAPENET55
from i2pmae.data.sources.benchmarks.shapenetpart import SHAPENETPART
from i2pmae.data.sources.plan import Plan

__all__ = ["READERS", "Benchmark", "plan_benchmark", "recognise"]

READERS: dict[str, Benchmark] = {
    reader.name: reader
    for reader in (SHAPENET55, MODELNET40, MODELNET10, OBJ_BG, OBJ_ONLY, PB_T50_RS, SHAPENETPART, FEWSHOT)
}
"""Every data set by the name that stands before its path."""


def plan_benchmark(reader: Benchmark, path: Path) -> Plan:
    """What is to be read of a data set at ``path``; :class:`DataError` where it is not there, or another one is."""
    try:
        return reader.plan(path)
    except DataError as error:
        others = [name for name in recognise(path) if name != reader.name]
        if not others:
            raise
        names = " or ".join(f"{name}={path}" for name in others)
        raise DataError(f"{error}\nThe path looks like another data set: {names}") from None


def recognise(path: Path) -> list[str]:
    """The names of the data sets that ``path`` could be."""
    found = []
    for name, reader in READERS.items():
        try:
            plan = reader.find(path)
        except (I2PError, OSError):
            continue
        if plan is not None and not plan.faults:
            found.append(name)
    return found
