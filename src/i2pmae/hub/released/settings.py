"""What a released file doesn't say: the neighbourhoods, attention radii and names that its authors used."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import Field

from i2pmae.common.config import Config
from i2pmae.common.errors import UsageError, pick
from i2pmae.data.benchmarks.modelnet import CLASSES_40
from i2pmae.data.benchmarks.scanobjectnn import CLASSES as SCANOBJECTNN
from i2pmae.data.benchmarks.shapenetpart import CATEGORIES, PARTS
from i2pmae.hub.record import HIERARCHICAL, HOLDS, Method, ModelTask

__all__ = ["ConvertOptions", "Settings", "class_names", "part_names", "settings_for"]


class ConvertOptions(Config):
    """What the shapes in a released file leave open; the published settings where absent."""

    settings: str | None = None
    """The published settings that the weights were trained with: shapenet (pre-training), modelnet40, modelnet40-8k,
    scanobjectnn (OBJ-BG and OBJ-ONLY), scanobjectnn-pb, or shapenetpart."""
    group_counts: tuple[int, ...] | None = None
    """Tokens per level, finest first; one number for Point-MAE and Point-BERT."""
    group_sizes: tuple[int, ...] | None = None
    """Neighbours per token of every level."""
    attention_radii: tuple[float, ...] | None = None
    """How far a token attends, per level; zeros for attention without limit."""
    heads: int | None = Field(None, ge=1)
    """Attention heads."""
    points: int | None = Field(None, ge=1)
    """Points per cloud in training."""
    classes: tuple[str, ...] | None = None
    """Names of the classes of a classifier, or of the parts of a segmenter."""
    encoder_only: bool = False
    """Take the encoder and leave everything else in the file behind."""


class Settings(NamedTuple):
    """What decides about a model's outputs, yet shows in no shape."""

    group_counts: tuple[int, ...]
    group_sizes: tuple[int, ...]
    attention_radii: tuple[float, ...] | None
    points: int
    heads: int = 6


LEVELS = (512, 256, 64)
HIERARCHICAL_SETTINGS: Mapping[str, Settings] = {
    "shapenet": Settings(LEVELS, (16, 8, 8), None, 2048),
    "modelnet40": Settings(LEVELS, (48, 24, 24), (0.24, 0.48, 0.96), 1024),
    "scanobjectnn": Settings(LEVELS, (32, 16, 16), (0.32, 0.64, 1.28), 2048),
    "scanobjectnn-pb": Settings(LEVELS, (32, 16, 16), (0.48, 0.96, 1.92), 2048),
    "shapenetpart": Settings(LEVELS, (16, 8, 8), (0.32, 0.64, 1.28), 2048),
}
"""I2P-MAE and Point-M2AE."""
PLAIN_SETTINGS: Mapping[str, Settings] = {
    "shapenet": Settings((64,), (32,), None, 1024),
    "modelnet40": Settings((64,), (32,), None, 1024),
    "modelnet40-8k": Settings((512,), (32,), None, 8192),
    "scanobjectnn": Settings((128,), (32,), None, 2048),
    "scanobjectnn-pb": Settings((128,), (32,), None, 2048),
    "shapenetpart": Settings((128,), (32,), None, 2048),
}
"""Point-MAE and Point-BERT."""
BENCHMARK_CLASSES: Mapping[str, tuple[str, ...]] = {
    "modelnet40": tuple(CLASSES_40),
    "scanobjectnn": tuple(SCANOBJECTNN),
}
"""Class names in the order of the labels, by the first word of the settings' name."""


def settings_for(method: Method, task: ModelTask, outputs: int, options: ConvertOptions) -> tuple[str, Settings]:
    """The name of the published settings that hold (empty where none do) and the settings, the options' own included.

    ``outputs`` is the number of classes of a classifier. :class:`UsageError` for settings of another task, and where
    neither the options nor the weights say which to take: a wrong guess would work badly without a sign of it.
    """
    table = HIERARCHICAL_SETTINGS if method in HIERARCHICAL else PLAIN_SETTINGS
    classifiers = [name for name in table if not name.startswith("shapenet")]
    fitting = {"classification": classifiers, "segmentation": ["shapenetpart"]}.get(task, ["shapenet"])
    name = options.settings or _default(method, task, outputs)
    base = pick("settings", name, table) if name else None
    if name and name not in fitting:
        raise UsageError(
            f"The settings {name} are of another task: the file holds {HOLDS[task]}. Fitting: {', '.join(fitting)}."
        )
    given = {key: getattr(options, key) for key in Settings._fields if getattr(options, key) is not None}
    if base is None:
        needed = ["group_counts", "group_sizes", "points"]
        needed += ["attention_radii"] if method in HIERARCHICAL else []
        missing = [f"--{key.replace('_', '-')}" for key in needed if key not in given]
        if missing:
            raise UsageError(
                f"The file holds a {method} classifier of {outputs} classes; its neighbourhoods show nowhere in it. "
                f"Name the published settings with --settings ({', '.join(fitting)}), or give {', '.join(missing)}."
            )
        base = Settings(**({"attention_radii": None} | given))
    settings = base._replace(**given)
    radii = settings.attention_radii
    if radii is not None and not any(radii):
        settings = settings._replace(attention_radii=None)
    if method not in HIERARCHICAL and (len(settings.group_counts), len(settings.group_sizes)) != (1, 1):
        raise UsageError(f"{method} has one level: give one number each for --group-counts and --group-sizes.")
    if method not in HIERARCHICAL and settings.attention_radii is not None:
        raise UsageError(f"{method} attends without limit: leave --attention-radii out.")
    return name, settings


def _default(method: Method, task: ModelTask, outputs: int) -> str:
    """The published settings that a file can only have, or an empty name where several are possible."""
    if task == "segmentation":
        return "shapenetpart"
    if task != "classification":
        return "shapenet"
    if outputs == len(CLASSES_40) and method != "point-m2ae":
        return "modelnet40"
    if outputs == len(SCANOBJECTNN) and method not in HIERARCHICAL:
        return "scanobjectnn"
    return ""


def class_names(name: str, count: int, options: ConvertOptions) -> tuple[str, ...]:
    """Names for so many classes: the given ones, those of the settings' benchmark, or numbers."""
    if options.classes is not None:
        return _counted(options.classes, count, "classes")
    names = BENCHMARK_CLASSES.get(name.removesuffix("-8k").removesuffix("-pb"), ())
    return names if len(names) == count else tuple(f"class {index}" for index in range(count))


def part_names(
    count: int, categories: int, options: ConvertOptions
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Names of parts and categories and the parts of each category: those of ShapeNetPart, or numbers."""
    if (count, categories) == (len(PARTS), len(CATEGORIES)) and options.classes is None:
        starts = [sum(category.parts for category in CATEGORIES[:index]) for index in range(len(CATEGORIES))]
        owned = [range(start, start + category.parts) for start, category in zip(starts, CATEGORIES, strict=True)]
        return tuple(PARTS), tuple(category.name for category in CATEGORIES), tuple(map(tuple, owned))
    parts = options.classes or tuple(f"part {index}" for index in range(count))
    return _counted(parts, count, "parts"), tuple(f"category {index}" for index in range(categories)), ()


def _counted(names: tuple[str, ...], count: int, what: str) -> tuple[str, ...]:
    if len(names) != count:
        raise UsageError(f"The file has {count} {what}, but {len(names)} names were given.")
    if len(set(names)) != count:
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise UsageError(f"The names of {what} must differ, but {', '.join(repeated)} stand twice.")
    return names
