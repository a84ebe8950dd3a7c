"""``data``: whether a set is whole, and how to make it fast."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from i2pmae.common.progress import say
from i2pmae.data.clouds import CloudSet
from i2pmae.data.config import DataConfig
from i2pmae.data.open.check import Report, check_source
from i2pmae.data.open.prepared import prepare as write_prepared
from i2pmae.data.open.source import request_for
from i2pmae.data.paths import expanded
from i2pmae.data.read.shares import here
from i2pmae.data.sources.named import plan_source

__all__ = ["check", "prepare"]


def check(
    data: str | Path,
    *,
    labels: Literal["auto", "folder", "none"] = "auto",
    parts: Literal["named", "column", "none"] = "named",
    task: Literal["pretrain", "finetune", "segment", "fewshot", "probe"] | None = None,
    points: int | None = None,
    workers: int | None = None,
    shown: bool = True,
) -> Report:
    """What there is of a set, what is missing or damaged, and, of a ``task``, what it would refuse about it.

    Every file is read once, and nothing is kept.

    >>> i2pmae.check("my/scans", task="finetune").whole

    Args:
        data: ``NAME=PATH``, a folder, a file, a manifest or a prepared folder.
        labels: whether the folder of a file names its class; ``auto``: where there are sub-folders.
        parts: where part labels are read from.
        task: the command that the data is meant for.
        points: points per cloud that the task will have.
        workers: processes that read files; one per processor where absent.
        shown: whether progress is shown.

    Raises:
        DataError: where there is no such set.
    """
    return check_source(data, labels=labels, parts=parts, workers=workers, task=task, points=points, shown=shown)


def prepare(
    data: str | Path,
    output: str | Path,
    *,
    points: int | None = None,
    up: Literal["y", "z", "x"] | None = None,
    labels: Literal["auto", "folder", "none"] = "auto",
    parts: Literal["named", "column", "none"] = "named",
    columns: Sequence[Literal["colour", "normal"]] = (),
    form: Literal["fixed16", "float32"] = "fixed16",
    clouds: int | None = None,
    max_bad_share: float = 0.1,
    workers: int | None = None,
    seed: int = 0,
    shown: bool = True,
) -> CloudSet:
    """The clouds of a set, which are written to one folder that opens at once, read as they are used, with checksums.

    A call that was stopped goes on where it was when it is made again. Where torchrun or srun started several
    processes, on one machine or on several that share the folder, each reads its share of the files.

    >>> i2pmae.prepare("my/scans", "scans", up="z")
    >>> i2pmae.pretrain(data="scans")

    Args:
        data: ``NAME=PATH``, a folder, a file, a manifest or a prepared folder.
        output: the folder to write; it can be given wherever data is asked for.
        points: points per cloud; where absent, as many as the files have, and 2048 of meshes.
        up: the axis that points up in the files; where absent, that of the published set, else y.
        labels: whether the folder of a file names its class; ``auto``: where there are sub-folders.
        parts: where part labels are read from.
        columns: what is kept beside x, y and z: ``colour`` and ``normal``, of files that have it. A file without one of
            them is left out, as one that cannot be used.
        form: how coordinates are stored: in 16 bits each, off by 1.6e-5 of the radius at most, or exactly.
        clouds: take at most so many, of each split its share, spread over classes.
        max_bad_share: largest share of unusable files to accept; they are left out and listed.
        workers: processes that read files; one per processor where absent.
        seed: decides which points are sampled.
        shown: whether progress is shown, and what had to be changed is said.

    Raises:
        DataError: where there is no such set, or too much of it cannot be used. I2PError: for a full disk.
    """
    config = DataConfig().changed(
        {} if points is None else {"points": points},
        source=data,
        up=up,
        labels=labels,
        parts=parts,
        columns=columns,
        clouds=clouds,
        max_bad_share=max_bad_share,
        workers=workers,
    )
    plan = plan_source(config.source, config.labels, config.parts)
    request = request_for(config, plan.up, seed)
    if points is None and plan.points is not None:
        request = replace(request, points=plan.points)
    made = write_prepared(
        plan, expanded(output), request, form=form, workers=workers, max_bad_share=max_bad_share, shown=shown
    )
    for note in made.notes:
        if shown and here().rank == 0:
            say(note)
    return made
