"""``view``: pictures of chosen clouds."""

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from i2pmae.commands.explaining import known_teacher, method_config, reopened, teacher_of
from i2pmae.commands.reading import Reading, open_data
from i2pmae.commands.use import load_any
from i2pmae.common.devices import resolve_device
from i2pmae.common.errors import UsageError, near_names
from i2pmae.common.seeds import torch_generator
from i2pmae.data.choosing import one_per_class
from i2pmae.data.clouds import CloudSet
from i2pmae.methods.pictures import pictured
from i2pmae.projection.config import ProjectionConfig
from i2pmae.teachers.lessons import PointTeacher
from i2pmae.viz import write_view
from i2pmae.weights.named import locate

__all__ = ["view"]

POINTS = 2048
"""Points per cloud where no encoder says how many."""


def view(
    data: str | Path | CloudSet,
    checkpoint: str | Path | None = None,
    *,
    output: str | Path = "view.html",
    count: int = 6,
    select: Sequence[str] = (),
    teacher: str | None = None,
    device: str = "auto",
    shown: bool = True,
    **reading: Unpack[Reading],
) -> Path:
    """The page or sheet of pictures that was written: clouds as a 2D model and an encoder see them.

    Without a checkpoint, depth maps and what the teacher finds salient; with one of pre-training also what would be
    masked and reconstructed; with any, the encoder's features as colours.

    Args:
        data: folder, file, data set, or clouds that were opened.
        checkpoint: a run folder or weights folder, of any command, or a name (:func:`i2pmae.list_models`).
        output: an .html page whose clouds can be turned, or a .png sheet.
        count: most clouds to draw; spread over the classes where there are labels.
        select: names of clouds to draw, or patterns such as "chairs/*".
        teacher: 2D model; where absent that of the checkpoint, if any; ``embedded`` without a checkpoint.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        shown: whether progress is shown.
        reading: see :class:`~i2pmae.commands.reading.Reading`.

    Raises:
        UsageError: for an output that is no picture, or a name that no cloud has. Errors of reading and loading.
    """
    output = Path(output)
    _check(output, count)
    place = resolve_device(device)
    record, model = (None, None) if checkpoint is None else load_any(checkpoint, place)
    config = None if record is None or checkpoint is None else method_config(locate(checkpoint), record)
    if record is None:
        looking, own = teacher_of(teacher, record, str(place)), False
    else:
        looking, own = known_teacher(teacher, record, str(place), shown)
    if config is None and isinstance(looking, PointTeacher):
        raise UsageError(
            f"The teacher {looking.name!r} sees no images that could be drawn. Give a run as the checkpoint: "
            "i2pmae view RUN DATA."
        )
    clouds = open_data(data, POINTS if record is None else record.points, record, reading, shown)
    rows = _choose(clouds, select, count)
    task = None if config is None or model is None or not own else reopened(config, model, looking)
    pictures = [
        pictured(
            clouds,
            row,
            model,
            task=task,
            teacher=looking,
            projection=ProjectionConfig() if task is None else task.projection,
            rng=torch_generator(reading.get("seed", 0), "picture", row, device=place),
        )
        for row in rows
    ]
    write_view(output, pictures, title=f"{clouds.name}: {len(rows)} of {len(clouds)} clouds")
    return output


def _check(output: Path, count: int) -> None:
    """Wrong calls that need no work to notice."""
    if output.suffix.lower() not in (".html", ".png"):
        raise UsageError(f"Pictures are written as .html or .png, not {output.suffix!r}: rename {output}.")
    if count < 1:
        raise UsageError(f"count must be at least 1, got {count}.")


def _choose(clouds: CloudSet, patterns: Sequence[str], count: int) -> list[int]:
    """At most ``count`` rows whose names match a pattern; :class:`UsageError` for a pattern that matches none."""
    if not patterns:
        return one_per_class(clouds, count)
    chosen: dict[int, None] = {}
    for pattern in patterns:
        found = [row for row, name in enumerate(clouds.ids) if fnmatch.fnmatchcase(str(name), pattern)]
        if not found:
            near = near_names(pattern, clouds.ids) if len(clouds) <= 20 else f"The first is {clouds.ids[0]!r}."
            raise UsageError(f"No cloud of {clouds.name} is called {pattern!r}. {near}")
        chosen |= dict.fromkeys(found)
    rows = np.array(list(chosen))
    return rows[one_per_class(clouds.subset(rows), count)].tolist()
