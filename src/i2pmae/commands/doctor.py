"""``doctor``: what this installation and this machine have, and what is broken about them."""

import contextlib
import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import torch

from i2pmae.commands.bench_machine import machine_facts
from i2pmae.common.errors import I2PError
from i2pmae.common.text import columns, printable, size_in_words
from i2pmae.data.paths import cache_folder
from i2pmae.data.store.cache import list_caches
from i2pmae.teachers.hub import why_unreachable
from i2pmae.teachers.room import list_kept
from i2pmae.teachers.vision import bf16_gain, choose_precision
from i2pmae.weights.named import NAMED, find_named, weights_folder

__all__ = ["Check", "Diagnosis", "doctor"]

SECTIONS = ("versions", "extras", "devices", "cache", "weights", "hub")
FULL = 1e9
"""Bytes that should be free for what is read and kept."""
ELSEWHERE = "Name another folder in I2PMAE_CACHE."
FOR_BUILDERS = ("dev", "docs", "test")
"""Extras that nobody needs who uses the package."""
EXTRA = re.compile(r"""extra == ['"](?P<extra>[\w-]+)['"]""")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    section: str
    """Versions, extras, devices, cache, weights, or hub."""
    name: str
    """What was looked at."""
    found: str
    """What was found, and what to do where it is not as it should be."""
    state: Literal["ok", "note", "broken"] = "ok"
    """``note`` for what is absent or slow and need not be there, ``broken`` for what must work and does not."""


@dataclass(frozen=True)
class Diagnosis:
    """What :func:`doctor` found."""

    checks: tuple[Check, ...]
    """All that was looked at, section by section."""

    @property
    def broken(self) -> tuple[Check, ...]:
        """What must work and does not."""
        return tuple(check for check in self.checks if check.state == "broken")

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return {"broken": len(self.broken), "checks": [asdict(check) for check in self.checks]}

    def __str__(self) -> str:
        marks = {"ok": "", "note": "-", "broken": "!"}
        parts = []
        for section in SECTIONS:
            rows = [(marks[c.state], c.name, printable(c.found)) for c in self.checks if c.section == section]
            parts += [f"{section}\n{columns(rows)}"] if rows else []
        broken = len(self.broken)
        end = "Nothing is broken." if not broken else f"{broken} thing{'s are' if broken > 1 else ' is'} broken (!)."
        return "\n\n".join([*parts, end])


def doctor(hub: bool = True) -> Diagnosis:
    """What is installed, where can be computed, what is kept and how much room is left, and whether the hub answers.

    >>> print(i2pmae.doctor())

    That a network, an extra or a GPU is not there is no fault. Nothing is changed; a file is written into the cache
    folder and removed again, and two matrices are multiplied to see how fast bf16 is.

    Args:
        hub: whether to ask the Hugging Face hub, which takes some seconds where there is no network.
    """
    looks: list[Callable[[], Iterator[Check]]] = [_versions, _extras, _devices, _cache, _weights]
    return Diagnosis(tuple(check for look in [*looks, *([_hub] if hub else [])] for check in look()))


def _versions() -> Iterator[Check]:
    yield Check("versions", "python", f"{platform.python_version()}, {sys.executable}")
    yield Check("versions", "i2pmae", f"{metadata.version('i2pmae')}, {Path(__file__).parents[1]}")
    for requirement, extra in _requirements():
        if extra is None:
            yield _installed(requirement)


def _installed(requirement: str) -> Check:
    """Whether what the package needs is there, in a version that it was made for."""
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        found = f"not installed: pip install '{wanted.name}{wanted.specifier}'"
        return Check("versions", wanted.name, found, "broken")
    if not wanted.specifier.contains(version, prereleases=True):
        found = f"{version}, outside of {wanted.specifier}: pip install '{wanted.name}{wanted.specifier}'"
        return Check("versions", wanted.name, found, "broken")
    return Check("versions", wanted.name, version)


def _requirements() -> Iterator[tuple[str, str | None]]:
    """What the package asks for, each with the extra that it belongs to, if any."""
    for line in metadata.requires("i2pmae") or ():
        requirement, _, marker = line.partition(";")
        extra = EXTRA.search(marker)
        yield requirement.strip(), extra and extra["extra"]


def _extras() -> Iterator[Check]:
    """A line for each extra: whether all of its packages are there, and what installs them."""
    from packaging.requirements import Requirement

    extras: dict[str, list[str]] = {}
    for requirement, extra in _requirements():
        if extra is not None and extra not in FOR_BUILDERS:
            extras.setdefault(extra, []).append(Requirement(requirement).name)
    for extra, names in sorted(extras.items()):
        versions = {name: _version(name) for name in names}
        if None in versions.values():
            yield Check("extras", extra, f"not installed: pip install 'i2pmae[{extra}]'", "note")
        else:
            yield Check("extras", extra, ", ".join(f"{name} {version}" for name, version in versions.items()))


def _version(name: str) -> str | None:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    return None


def _devices() -> Iterator[Check]:
    facts = machine_facts(torch.device("cpu"))
    load = "" if facts["load_average"] is None else f", load {facts['load_average']}"
    yield Check("devices", "cpu", f"{facts['machine']}: {facts['cores']} cores, {facts['threads']} threads{load}")
    used = choose_precision("auto", torch.device("cpu")) == "bf16"
    gain = f"{bf16_gain():.1f} times as fast as fp32"
    yield Check("devices", "bf16 on the cpu", f"{gain}: teachers {'use it' if used else 'stay in fp32'}")
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        yield _gpu(index)
    if torch.backends.mps.is_available():
        yield Check("devices", "mps", "a GPU of Apple's")
    elif not torch.cuda.is_available():
        built = torch.version.cuda or torch.version.hip
        why = f"PyTorch is built for {built}, and sees none" if built else "PyTorch is built for processors alone"
        yield Check("devices", "gpu", f"none: {why}", "note")
    if importlib.util.find_spec("numba") is not None:  # what is absent is said among the versions
        yield Check("devices", "kernels", _kernels())


def _gpu(index: int) -> Check:
    """A GPU, on which something is computed."""
    device = torch.device("cuda", index)
    try:
        torch.ones(8, device=device).sum().item()
        free, total = torch.cuda.mem_get_info(device)
    except RuntimeError as error:
        found = f"{torch.cuda.get_device_name(device)}: cannot compute ({str(error).splitlines()[0]})"
        return Check("devices", str(device), found, "broken")
    bf16 = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no bf16"
    room = f"{size_in_words(free)} of {size_in_words(total)} free"
    return Check("devices", str(device), f"{torch.cuda.get_device_name(device)}, {room}, {bf16}")


def _kernels() -> str:
    """Whether loops are compiled, by an operation that needs them."""
    from i2pmae.ops import fps

    fps(torch.rand(1, 32, 3, generator=torch.Generator().manual_seed(0)), 8)
    return "compiled by numba, with as many threads as PyTorch has"


def _cache() -> Iterator[Check]:
    """The folder that keeps what was read: its size, free space, and whether it can be written."""
    try:
        folder = cache_folder()
        kept = sum(entry.size for entry in list_caches()) + sum(entry.size for entry in list_kept(folder))
    except (I2PError, OSError) as error:
        yield Check("cache", "folder", f"{error}. {ELSEWHERE}", "broken")
        return
    yield Check("cache", "folder", f"{folder}, {size_in_words(kept)}")
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(4096))
        free = shutil.disk_usage(there).free
    except OSError as error:
        yield Check("cache", "disk", f"{there} cannot be written: {error.strerror or error}. {ELSEWHERE}", "broken")
        return
    little = ": little; `i2pmae cache clear` makes room" if free < FULL else ""
    yield Check("cache", "disk", f"writable, {size_in_words(free)} free{little}", "note" if little else "ok")


def _weights() -> Iterator[Check]:
    for name in NAMED:
        place = find_named(name)
        absent = f"not here; it would be in {weights_folder() / name}"
        yield Check("weights", name, absent if place is None else str(place), "note" if place is None else "ok")


def _hub() -> Iterator[Check]:
    why = why_unreachable("api/models")
    offline = f"not reachable ({why}): names in its local cache can be used" if why else ""
    token = ", HF_TOKEN is set" if os.environ.get("HF_TOKEN") else ""
    yield Check("hub", "Hugging Face", offline or f"answers{token}", "note" if why else "ok")
