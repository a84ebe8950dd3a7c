"""What a benchmark says of the machine, and what its files are called after."""

import contextlib
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from i2pmae.runs.record import describe_run

__all__ = ["free_stem", "machine_facts"]


def machine_facts(device: torch.device) -> dict[str, Any]:
    """The fields of a record that say where and when it is made: now, on ``device``, with how much beside it."""
    about = describe_run(device)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _model(device),
        "device": str(device),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": _load(),
        "versions": about["versions"],
        "commit": about["commit"],
    }


def free_stem(folder: Path, date: str, machine: str, kind: str = "") -> Path:
    """A path in ``folder``, without ending, named after date, machine and kind; with a number where that is taken.

    Taken is a name of which there is a Markdown or a JSON file.
    """
    name = "-".join(re.findall(r"[a-z0-9]+", f"{date[:10]} {machine} {kind}".lower()))
    stem, number = Path(folder) / name, 1
    while any(stem.with_suffix(ending).exists() for ending in (".md", ".json")):
        number += 1
        stem = Path(folder) / f"{name}-{number}"
    return stem


def _model(device: torch.device) -> str:
    """The GPU's name, or the processor's, as far as the system tells."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with contextlib.suppress(OSError):
        model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if model:
            return model[1].strip()
    return platform.processor() or platform.machine()


def _load() -> float | None:
    """Processes that wanted to run over the last minute, where the system counts them."""
    with contextlib.suppress(OSError, AttributeError):
        return round(os.getloadavg()[0], 2)
    return None
