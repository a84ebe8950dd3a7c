"""Sizes of the encoders, and what the tasks that build on one need to know about its kind."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import tyro
from pydantic import Field, model_validator

from i2pmae.common.choices import Choices
from i2pmae.common.config import Config
from i2pmae.common.errors import UsageError
from i2pmae.encoders.pooling import Pooling

if TYPE_CHECKING:
    from i2pmae.encoders.base import TokenEncoder

__all__ = ["ENCODERS", "EncoderConfig", "GuidanceKind", "HierarchicalConfig", "PlainConfig"]

GuidanceKind = Literal["standardised", "log", "rank", "paper", "random"]
"""In what units saliency guides masks: see :func:`~i2pmae.encoders.masking.guidance_logits`."""


class EncoderConfig(Config):
    """Sizes of an encoder. Each kind says how it is built and how a task may change its neighbourhoods."""

    architecture: str
    """Which kind of encoder it is."""
    heads: int = Field(6, ge=1)
    """Attention heads of every block."""
    drop_path: float = Field(0.1, ge=0, lt=1)
    """Stochastic depth of the last encoder block; rises linearly from 0 over all encoder blocks."""

    def build(self, norms: Literal["all", "last"] = "all") -> "TokenEncoder":
        """The encoder with initial weights; ``norms`` says which levels' outputs are normalised."""
        raise NotImplementedError

    def alone(self) -> "EncoderConfig":
        """These sizes without those of what else a method trains with its encoder."""
        raise NotImplementedError

    @property
    def levels(self) -> int:
        """Levels of tokens."""
        raise NotImplementedError

    @property
    def min_points(self) -> int:
        """Fewest points of a cloud that the encoder takes."""
        raise NotImplementedError

    @property
    def finest(self) -> tuple[int, ...]:
        """Neighbours per token of every level, finest first."""
        raise NotImplementedError

    @property
    def head_pooling(self) -> Pooling:
        """How a classifier reads the tokens where nobody says (as published for this kind)."""
        raise NotImplementedError

    @property
    def class_head(self) -> Mapping[str, Any]:
        """What the published head for classification of this kind has: ``head_widths`` and ``head_norm``."""
        return {"head_widths": (256, 256), "head_norm": True}

    @property
    def part_head(self) -> Mapping[str, Any]:
        """What the published head for part segmentation of this kind has: ``context`` and ``head_widths``."""
        raise NotImplementedError

    def adapted(self, changes: Mapping[str, tuple[float, ...]], class_token: bool, name: str) -> "EncoderConfig":
        """These sizes with other ``group_counts``, ``group_sizes`` and ``attention_radii``, one entry per level.

        ``class_token`` asks for a [CLS] token, where the kind can have one. :class:`UsageError` where the changes don't
        fit; ``name`` says whose encoder it is.
        """
        raise NotImplementedError

    def _only(self, kind: type[Self]) -> Self:
        """Exactly the fields of ``kind``."""
        return self if type(self) is kind else kind(**{field: getattr(self, field) for field in kind.model_fields})


ENCODERS: Choices[EncoderConfig] = Choices("encoder", "architecture")
"""Every kind of encoder."""


@ENCODERS.add
class HierarchicalConfig(EncoderConfig):
    """Sizes of the hierarchical encoder (I2P-MAE §3.1; Point-M2AE §3). The defaults are the paper's."""

    architecture: tyro.conf.Suppress[Literal["hierarchical"]] = "hierarchical"
    """Which kind of encoder it is."""
    group_counts: tuple[int, ...] = (512, 256, 64)
    """Tokens per level, finest first."""
    group_sizes: tuple[int, ...] = (16, 8, 8)
    """Neighbours per token: points at level 0, tokens of the level below after that."""
    embed_widths: tuple[int, int, int] = (128, 256, 512)
    """Widths of the mini-PointNet that turns the points of a group into a level-0 token."""
    encoder_dims: tuple[int, ...] = (96, 192, 384)
    """Channels per level."""
    encoder_depths: tuple[int, ...] = (5, 5, 5)
    """Transformer blocks per level."""
    mlp_ratio: float = Field(4.0, gt=0)
    """Hidden width of a block's MLP over its channels."""
    attention_radii: tuple[float, ...] | None = None
    """Per level, how far (in units of the unit sphere) a token attends; global where absent, as in pre-training."""
    embed_visible_only: bool = False
    """Embed only visible tokens in pre-training: less work. In evaluation mode nothing changes; in
    training mode batch statistics see visible tokens only."""
    class_token: bool = False
    """Whether a learnt [CLS] token, with a learnt position, takes part at the coarsest level (not as published)."""

    @model_validator(mode="after")
    def _check_levels(self) -> Self:
        levels = len(self.group_counts)
        for field in ("group_sizes", "encoder_dims", "encoder_depths"):
            if len(getattr(self, field)) != levels:
                raise ValueError(f"{field} must have one entry per level ({levels}), got {getattr(self, field)}")
        if self.attention_radii is not None and len(self.attention_radii) != levels:
            raise ValueError(f"attention_radii must have one entry per level ({levels}), got {self.attention_radii}")
        if list(self.group_counts) != sorted(set(self.group_counts), reverse=True):
            raise ValueError(f"group_counts must fall from level to level, got {self.group_counts}")
        for level, size in enumerate(self.group_sizes[1:]):
            if size > self.group_counts[level]:
                raise ValueError(f"group_sizes[{level + 1}]={size} exceeds the {self.group_counts[level]} tokens below")
        for width in self.encoder_dims:
            if width % self.heads:
                raise ValueError(f"width {width} is not a multiple of the {self.heads} heads")
        return self

    def build(self, norms: Literal["all", "last"] = "all") -> "TokenEncoder":
        """The encoder with initial weights; ``norms`` says which levels' outputs are normalised."""
        from i2pmae.encoders.hierarchical import HierarchicalEncoder

        return HierarchicalEncoder(self, norms)

    def alone(self) -> "HierarchicalConfig":
        """These sizes without those of a decoder."""
        return self._only(HierarchicalConfig)

    @property
    def levels(self) -> int:
        """Levels of tokens."""
        return len(self.group_counts)

    @property
    def min_points(self) -> int:
        """Fewest points of a cloud that the encoder takes."""
        return max(self.group_counts[0], self.group_sizes[0])

    @property
    def finest(self) -> tuple[int, ...]:
        """Neighbours per token of every level, finest first."""
        return self.group_sizes

    @property
    def head_pooling(self) -> Pooling:
        """How a classifier reads the tokens where nobody says."""
        return "mean+max"

    @property
    def part_head(self) -> Mapping[str, Any]:
        """The head of Point-M2AE §4.2."""
        return {"context": "points", "head_widths": (1024, 512, 256)}

    def adapted(self, changes: Mapping[str, tuple[float, ...]], class_token: bool, name: str) -> "HierarchicalConfig":
        """These sizes with other neighbourhoods, one entry per level, and with a [CLS] token where asked for."""
        if changes and all(len(value) == 1 for value in changes.values()):
            raise UsageError(
                f"The encoder of {name} has {self.levels} levels, but {_listed(changes)} has one entry: give one per "
                "level, or take the recipe without -plain, which is for encoders of one level."
            )
        return self.changed({**changes, "class_token": class_token or self.class_token})


@ENCODERS.add
class PlainConfig(EncoderConfig):
    """Sizes of the encoder of one level (Point-BERT §3; Point-MAE §3). The defaults are the papers'."""

    architecture: tyro.conf.Suppress[Literal["plain"]] = "plain"
    """Which kind of encoder it is."""
    group_count: int = Field(64, ge=2)
    """Tokens."""
    group_size: int = Field(32, ge=1)
    """Points per token."""
    embed_widths: tuple[int, int, int] = (128, 256, 512)
    """Widths of the mini-PointNet that turns the points of a group into a token."""
    token_width: int | None = Field(None, ge=1)
    """Channels of a token before a linear layer brings it to ``width`` (Point-BERT: 256); without such a layer where
    absent."""
    width: int = Field(384, ge=1)
    """Channels of the transformer."""
    depth: int = Field(12, ge=1)
    """Transformer blocks."""
    mlp_ratio: float = Field(4.0, gt=0)
    """Hidden width of a block's MLP over its channels."""
    class_token: bool = False
    """Whether a learnt [CLS] token takes part, with a learnt position."""

    @model_validator(mode="after")
    def _check_plain(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of the {self.heads} heads")
        return self

    def build(self, norms: Literal["all", "last"] = "all") -> "TokenEncoder":
        """The encoder with initial weights; its one level is always normalised."""
        del norms
        from i2pmae.encoders.plain import PlainEncoder

        return PlainEncoder(self)

    def alone(self) -> "PlainConfig":
        """These sizes without those of a decoder or of a vocabulary."""
        return self._only(PlainConfig)

    @property
    def levels(self) -> int:
        """One."""
        return 1

    @property
    def min_points(self) -> int:
        """Fewest points of a cloud that the encoder takes."""
        return max(self.group_count, self.group_size)

    @property
    def finest(self) -> tuple[int, ...]:
        """Neighbours per token of the one level."""
        return (self.group_size,)

    @property
    def head_pooling(self) -> Pooling:
        """How a classifier reads the tokens where nobody says."""
        return "class|max"

    @property
    def class_head(self) -> Mapping[str, Any]:
        """The head of Point-MAE §4.2, or that of Point-BERT, which alone has tokens of a width of their own."""
        return {"head_widths": (256,), "head_norm": False} if self.token_width else super().class_head

    @property
    def part_head(self) -> Mapping[str, Any]:
        """The head of Point-MAE §4.2."""
        return {"context": "tokens", "head_widths": (512, 256)}

    def adapted(self, changes: Mapping[str, tuple[float, ...]], class_token: bool, name: str) -> "PlainConfig":
        """These sizes with other neighbourhoods, one entry each, and with a [CLS] token where asked for."""
        wrong = {field: value for field, value in changes.items() if len(value) != 1 or field == "attention_radii"}
        if wrong:
            raise UsageError(
                f"The encoder of {name} has one level and attends without limit: leave encoder.attention_radii out and "
                "give one entry in encoder.group_counts and encoder.group_sizes, or take a recipe whose name ends in "
                f"-plain. Found {_listed(wrong)}."
            )
        own: dict[str, Any] = {field.removesuffix("s"): value[0] for field, value in changes.items()}
        return self.changed(own | {"class_token": class_token or self.class_token})


def _listed(fields: Mapping[str, Sequence[float]]) -> str:
    return ", ".join(f"encoder.{name} {' '.join(map(str, value))}" for name, value in fields.items())
