"""Where a run goes, and what is made of it beside its weights."""

from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from i2pmae.common.config import Config

__all__ = ["OutputConfig"]


class OutputConfig(Config):
    """Where a run goes, and what is made of it. Nothing here changes its weights."""

    leading: ClassVar[str | None] = "folder"

    folder: Annotated[Path, tyro.conf.arg(name="output")] = Path("runs/run")
    """Run folder."""
    report: bool = True
    """Write report.html with pictures."""
