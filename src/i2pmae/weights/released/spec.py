"""What a method and a task say about the files that authors released; the engine knows nothing else of them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from i2pmae.common.config import Config
from i2pmae.encoders.config import EncoderConfig
from i2pmae.encoders.pooling import Pooling
from i2pmae.encoders.published import Settings
from i2pmae.weights.released.settings import ConvertOptions
from i2pmae.weights.released.shapes import Shapes

if TYPE_CHECKING:
    from i2pmae.typing import Tensor

__all__ = ["Found", "ReleasedEncoder", "ReleasedHead", "ReleasedNames"]

Names = Mapping[str, str]
"""Patterns of published names, and what takes their place here; they are replaced one after the other."""


@dataclass(frozen=True)
class ReleasedEncoder:
    """The names of an encoder as several methods publish it, and its sizes from shapes."""

    what: str
    """Its kind in words, such as "one level"."""
    example: str
    """The beginning of a name that only such encoders have, for messages."""
    sign: str
    """A pattern that such a name begins with; here and below after the prefix."""
    names: Names
    """Names of its layers."""
    sizes: Callable[[Shapes, Settings], EncoderConfig]
    """Its configuration."""
    wide: Pooling
    """How a head reads the tokens whose input has twice the encoder's channels; else it takes mean plus maximum."""
    width: Callable[[Shapes], int]
    """Its channels."""
    settings: Mapping[str, Settings]
    """Published settings by the data sets that it was trained on."""
    levelled: bool = True
    """Whether it has several levels, and attention within radii."""
    prefix: str = ""
    """A pattern of what pre-training puts before its names."""
    superseded: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Where a file has the tensor of this name, those that match the pattern have no use, and why."""
    restarted: Names = field(default_factory=dict)
    """Tensors (as named here) that the file of a task may lack where the encoder alone is wanted, and why."""

    def bare(self, name: str) -> str:
        """A published name without the prefix."""
        return re.sub(rf"^(?:{self.prefix})", "", name) if self.prefix else name

    def is_in(self, names: Iterable[str]) -> bool:
        """Whether a file with these names holds such an encoder."""
        return any(re.match(self.sign, self.bare(name)) for name in names)


@dataclass(frozen=True)
class Found:
    """What is known of a file."""

    method: "ReleasedNames"
    """Whose it is."""
    shapes: Shapes
    """Shapes of its weights, by bare name."""
    source: str
    """Name of the published settings that were taken, if any."""
    settings: Settings
    """The settings, with what the options say instead."""
    options: ConvertOptions
    """What the caller wants."""

    @cached_property
    def encoder(self) -> EncoderConfig:
        """The configuration of the encoder."""
        return self.method.encoder.sizes(self.shapes, self.settings)


@dataclass(frozen=True)
class ReleasedHead:
    """What a file holds beside an encoder, or instead of one: the heads of pre-training or of a task."""

    task: str
    """What the weights were trained for, as a record of weights has it."""
    sign: str
    """A pattern that a name begins with that only such files have."""
    sizes: Callable[[Found], Config]
    """The configuration of the whole model."""
    settings: tuple[str, ...]
    """The published settings that can hold."""
    names: Callable[[Shapes], Names]
    """Names of its layers."""
    alone: bool = False
    """Whether there is no encoder, so that ``names`` are those of the whole model."""
    classes: Callable[[Shapes], int] | None = None
    """How many classes it tells apart, where that may tell which settings hold."""
    benchmarks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of the classes by the settings that they go with."""
    adjust: "Callable[[dict[str, Tensor], Config], None] | None" = None
    """Changes renamed weights, in place, where ours are ordered in another way."""


@dataclass(frozen=True)
class ReleasedNames:
    """The files that a method's authors released."""

    title: str
    """The method in prose."""
    encoder: ReleasedEncoder
    """Its encoder."""
    pooling: Pooling
    """How tokens become an embedding where no head says it."""
    signs: tuple[str, ...]
    """Patterns that names begin with that only files of this method have, prefixes included."""
    heads: tuple[ReleasedHead, ...]
    """Its own models: that of pre-training first, then others such as that of a stage one."""
    assumed: tuple[str, ...]
    """Published settings that hold where nobody names any and the classes are theirs, if classes there are."""
    dropped: Names = field(default_factory=dict)
    """Tensors that no model here needs, by the beginning of their names, and why."""
    refused: Names = field(default_factory=dict)
    """Tensors of heads that have no counterpart here, by the beginning of their bare names, and what they are."""
    mistaken: Callable[[Sequence[str]], str | None] | None = None
    """Why bare names that are nobody's alone cannot be this method's, if so."""

    def names(self, head: ReleasedHead, shapes: Shapes) -> Names:
        """All patterns for a file with this head."""
        prefix = {rf"^(?:{self.encoder.prefix})": ""} if self.encoder.prefix else {}
        return {**prefix, **({} if head.alone else self.encoder.names), **head.names(shapes)}
