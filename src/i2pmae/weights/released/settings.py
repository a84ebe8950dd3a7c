"""What a released file doesn't say: the neighbourhoods, attention radii and names that its authors used."""

from typing import TYPE_CHECKING

from pydantic import Field

from i2pmae.common.config import Config
from i2pmae.common.errors import UsageError, pick
from i2pmae.encoders.published import Settings
from i2pmae.weights.kinds import KINDS

if TYPE_CHECKING:
    from i2pmae.weights.released.shapes import Shapes
    from i2pmae.weights.released.spec import ReleasedHead, ReleasedNames

__all__ = ["ConvertOptions", "counted", "settings_for"]


class ConvertOptions(Config):
    """What the shapes in a released file leave open; the published settings where absent."""

    settings: str | None = None
    """The published settings that the weights were trained with: shapenet (pre-training), modelnet40, modelnet40-8k,
    scanobjectnn (OBJ-BG and OBJ-ONLY), scanobjectnn-pb, or shapenetpart."""
    group_counts: tuple[int, ...] | None = None
    """Tokens per level, finest first; one number for an encoder of one level."""
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


def settings_for(
    name: str, method: "ReleasedNames", head: "ReleasedHead", shapes: "Shapes", options: ConvertOptions
) -> tuple[str, Settings]:
    """The name of the published settings that hold (empty where none do) and the settings, the options' own included.

    ``name`` is the method's, for messages. :class:`UsageError` for settings of another task, and where neither the
    options nor the weights say which to take: a wrong guess would work badly without a sign of it.
    """
    encoder = method.encoder
    table, holds = encoder.settings, KINDS[name if head.task == "pretraining" else head.task].holds
    fitting = [known for known in table if known in head.settings]
    source = options.settings or _assumed(method, head, shapes)
    base = pick("settings", source, table) if source else None
    if source and source not in fitting:
        raise UsageError(
            f"The settings {source} are of another task: the file holds {holds}. Fitting: {', '.join(fitting)}."
        )
    given = {key: getattr(options, key) for key in Settings._fields if getattr(options, key) is not None}
    if base is None:
        needed = ["group_counts", "group_sizes", "points"]
        needed += ["attention_radii"] if encoder.levelled else []
        missing = [f"--{key.replace('_', '-')}" for key in needed if key not in given]
        if missing:
            classes = "" if head.classes is None else f" of {head.classes(shapes)} classes"
            published = (
                f"Name the published settings with --settings ({', '.join(fitting)}), or give" if fitting else "Give"
            )
            raise UsageError(
                f"The file holds {holds}{classes} ({name}); its neighbourhoods show nowhere in it. {published} "
                f"{', '.join(missing)}."
            )
        base = Settings(**({"attention_radii": None} | given))
    settings = base._replace(**given)
    radii = settings.attention_radii
    if radii is not None and not any(radii):
        settings = settings._replace(attention_radii=None)
    if not encoder.levelled and (len(settings.group_counts), len(settings.group_sizes)) != (1, 1):
        raise UsageError(f"{name} has one level: give one number each for --group-counts and --group-sizes.")
    if not encoder.levelled and settings.attention_radii is not None:
        raise UsageError(f"{name} attends without limit: leave --attention-radii out.")
    return source, settings


def _assumed(method: "ReleasedNames", head: "ReleasedHead", shapes: "Shapes") -> str:
    """The published settings that a file can only have, or an empty name where several are possible."""
    for name in method.assumed:
        if name in head.settings and (
            head.classes is None or head.classes(shapes) == len(head.benchmarks.get(name, ()))
        ):
            return name
    return ""


def counted(names: tuple[str, ...], count: int, what: str) -> tuple[str, ...]:
    """The names themselves; :class:`UsageError` where they are not so many, or not different."""
    if len(names) != count:
        raise UsageError(f"The file has {count} {what}, but {len(names)} names were given.")
    if len(set(names)) != count:
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise UsageError(f"The names of {what} must differ, but {', '.join(repeated)} stand twice.")
    return names
