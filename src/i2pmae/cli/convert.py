"""``i2pmae convert``: a weights folder from a checkpoint that a method's authors released."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from i2pmae.cli.options import otherwise, parse
from i2pmae.common.errors import UsageError

if TYPE_CHECKING:
    from i2pmae.hub.released.convert import Conversion

__all__ = ["run"]

PUBLISHED = "as in the published settings"
LEVELS = otherwise(PUBLISHED, metavar="FINEST ... COARSEST")
MOST = 4
"""Tensors that a line of the summary names."""


@dataclass(frozen=True)
class Convert:
    """Make a weights folder from a checkpoint that a method's authors released.

    Pre-trained, fine-tuned and part segmentation files are told apart by
    their names, and sizes are read off the shapes. Every tensor is
    accounted for: used, dropped or missing. Nothing in the file is executed.

    Examples:
      i2pmae convert pre-train.pth --from i2p-mae --output weights/i2p-mae
      i2pmae convert modelnet40.pth --from point-mae --output weights/mae-mn40
      i2pmae convert pb.pth --from i2p-mae --settings scanobjectnn-pb --output weights/pb
      i2pmae convert dVAE.pth --from point-bert --output weights/dvae
    """

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """The released file (.pth)."""
    method: Annotated[
        Literal["i2p-mae", "point-m2ae", "point-mae", "point-bert"], tyro.conf.arg(name="from", prefix_name=False)
    ]
    """The method that the weights belong to."""
    output: Path
    """Folder to write the weights to."""
    settings: Annotated[
        Literal["shapenet", "modelnet40", "modelnet40-8k", "scanobjectnn", "scanobjectnn-pb", "shapenetpart"] | None,
        tyro.conf.DisallowNone,
        otherwise("told from the task and the number of classes"),
    ] = None
    """Published settings that the weights were trained with: neighbourhoods, radii, points."""
    group_counts: Annotated[tuple[int, ...] | None, tyro.conf.DisallowNone, LEVELS] = None
    """Tokens per level, finest first."""
    group_sizes: Annotated[tuple[int, ...] | None, tyro.conf.DisallowNone, LEVELS] = None
    """Neighbours per token of every level."""
    attention_radii: Annotated[tuple[float, ...] | None, tyro.conf.DisallowNone, LEVELS] = None
    """How far a token attends, per level; zeros for no limit."""
    heads: Annotated[int | None, tyro.conf.DisallowNone, otherwise(PUBLISHED)] = None
    """Attention heads."""
    points: Annotated[int | None, tyro.conf.DisallowNone, otherwise(PUBLISHED)] = None
    """Points per cloud in training."""
    classes: Annotated[str | None, tyro.conf.DisallowNone, otherwise("those of the settings, or numbers")] = None
    """Names of the classes, or of the parts of a segmenter: modelnet40, scanobjectnn, or a file with one per line."""
    encoder_only: tyro.conf.FlagCreatePairsOff[bool] = False
    """Convert the encoder alone and leave its head behind."""


def run(arguments: Sequence[str]) -> None:
    """Convert, and say what became of every tensor."""
    options = parse(Convert, "convert", arguments)
    from i2pmae.hub.released.convert import convert
    from i2pmae.hub.released.settings import ConvertOptions

    given = {name: getattr(options, name) for name in ConvertOptions.model_fields if name != "classes"}
    names = None if options.classes is None else _names(options.classes)
    done = convert(
        options.file,
        options.method,
        options.output,
        ConvertOptions.from_dict(given | {"classes": names}, "The options"),
    )
    print(_table(done))


def _names(given: str) -> tuple[str, ...]:
    """The names that a benchmark has, or a file lists."""
    from i2pmae.hub.released.settings import BENCHMARK_CLASSES

    if given in BENCHMARK_CLASSES:
        return BENCHMARK_CLASSES[given]
    try:
        lines = Path(given).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--classes {given} is neither {' nor '.join(BENCHMARK_CLASSES)} nor a readable text file: {error}"
        ) from None
    return tuple(line.strip() for line in lines if line.strip())


def _table(done: "Conversion") -> str:
    """The summary for a person: what it is, then what became of the tensors."""
    from i2pmae.hub.record import HOLDS

    record = done.record
    rows = [(str(done.output), f"{HOLDS[record.task]} of {record.method}")]
    rows.append(("settings", _settings(done)))
    rows.append(("used", f"{done.used} tensors"))
    rows += [("dropped", _line(why, names)) for why, names in done.dropped.items()]
    rows += [("missing", _line(why, names)) for why, names in done.missing.items()]
    width = max(len(name) for name, _ in rows[1:])
    first = f"{rows[0][0]}: {rows[0][1]}"
    return "\n".join([first, *(f"  {name:{width}}  {text}" for name, text in rows[1:])])


def _settings(done: "Conversion") -> str:
    """Where the settings come from, and what they are."""
    taken = done.settings
    counts, sizes = ("/".join(map(str, numbers)) for numbers in (taken.group_counts, taken.group_sizes))
    radii = "everywhere" if taken.attention_radii is None else f"within {'/'.join(map(str, taken.attention_radii))}"
    return (
        f"{done.source or 'as given'}: {taken.points} points, {counts} tokens of {sizes} neighbours, "
        f"{taken.heads} heads that attend {radii}"
    )


def _line(why: str, names: Sequence[str]) -> str:
    rest = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return f"{len(names)}, {why}: {', '.join(names[:MOST])}{rest}"
