"""``convert``: a weights folder from a checkpoint that a method's authors released."""

from collections.abc import Sequence
from pathlib import Path

from i2pmae.common.errors import UsageError, pick
from i2pmae.methods import METHODS
from i2pmae.tasks import TASKS
from i2pmae.weights.released.convert import Conversion
from i2pmae.weights.released.convert import convert as convert_released
from i2pmae.weights.released.settings import ConvertOptions
from i2pmae.weights.released.spec import ReleasedHead

__all__ = ["Conversion", "convert"]


def convert(
    file: str | Path,
    method: str,
    output: str | Path,
    *,
    settings: str | None = None,
    group_counts: Sequence[int] | None = None,
    group_sizes: Sequence[int] | None = None,
    attention_radii: Sequence[float] | None = None,
    heads: int | None = None,
    points: int | None = None,
    classes: str | Path | Sequence[str] | None = None,
    encoder_only: bool = False,
) -> Conversion:
    """What became of every tensor of a released file, from which a weights folder was made.

    Pre-trained, fine-tuned and part segmentation files are told apart by their names, and sizes are read off the
    shapes. What no shape shows is taken from the published settings, told from the task and the number of classes, or
    as said here. Nothing in the file is executed, and nothing is converted in part. ``print`` shows the summary.

    >>> print(i2pmae.convert("pre-train.pth", "i2p-mae", "weights/i2p-mae"))
    >>> i2pmae.load("weights/i2p-mae").embed(points)

    Args:
        file: the released file (.pth), or one of torch-pointcloud (.safetensors).
        method: the method that the weights belong to.
        output: folder to write the weights to.
        settings: published settings that they were trained with, such as modelnet40 or scanobjectnn-pb.
        group_counts: tokens per level, finest first.
        group_sizes: neighbours per token of every level.
        attention_radii: how far a token attends, per level; zeros for no limit.
        heads: attention heads.
        points: points per cloud in training.
        classes: names of the classes, or of the parts of a segmenter: a benchmark's name (modelnet40, scanobjectnn), a
            text file with one per line, or the names themselves. Those of the settings, or numbers, where absent.
        encoder_only: convert the encoder alone and leave its head behind.

    Raises:
        CheckpointError: for a file that cannot be read, is of another method, or has tensors that are unknown, missing,
            of another shape or not finite.
        UsageError: for settings that cannot be told from the weights, or don't fit them; for an output that holds
            weights already.
    """
    tasks = [task.released for task in TASKS.values() if task.released is not None]
    options = ConvertOptions.from_dict(
        {
            "settings": settings,
            "group_counts": group_counts,
            "group_sizes": group_sizes,
            "attention_radii": attention_radii,
            "heads": heads,
            "points": points,
            "classes": None if classes is None else _names(classes, tasks),
            "encoder_only": encoder_only,
        },
        "The options",
    )
    spec = pick("method", method, METHODS)
    if spec.released is None:
        raise UsageError(f"No released files of {method} are known: nothing says what their tensors are called.")
    methods = {name: known.released for name, known in METHODS.items() if known.released is not None}
    return convert_released(file, method, output, options, methods=methods, heads=tasks)


def _names(given: str | Path | Sequence[str], tasks: Sequence[ReleasedHead]) -> Sequence[str]:
    """The names that are given, that a benchmark has, or that a file lists."""
    if not isinstance(given, (str, Path)):
        return given
    benchmarks = {name: names for task in tasks for name, names in task.benchmarks.items()}
    if str(given) in benchmarks:
        return benchmarks[str(given)]
    try:
        lines = Path(given).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or no possible path
        raise UsageError(
            f"--classes {given} is neither {' nor '.join(benchmarks)} nor a readable text file: {error}"
        ) from None
    return tuple(line.strip() for line in lines if line.strip())
