"""Configurations by name with changes to single fields, and the named sets of them that papers compare."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from i2pmae.common.errors import UsageError, near_names
from i2pmae.common.yaml import load_yaml
from i2pmae.methods import recipes
from i2pmae.methods.config import PretrainConfig

__all__ = ["ABLATIONS", "Variant", "expand", "parse_variant"]

BASE = "BASE"
"""Stands for the base recipe in a set."""
BETWEEN = re.compile(r",(?![^\[]*\])")
"""A comma between changes, not one within a list."""

ABLATIONS: Mapping[str, tuple[str, ...]] = {
    "methods": ("tiny", "point-m2ae-tiny", "point-mae-tiny", "point-bert-tiny"),
    "objectives": (
        "BASE",
        "BASE@whole.regression=1",
        "BASE@whole.contrast=0.1,whole.others=512",
        "BASE@whole.regression=1,whole.contrast=0.1,whole.others=512",
    ),
    "guidance-and-semantics": (
        "BASE",
        "BASE@guidance.kind=random",
        "BASE@loss.semantics=0",
        "BASE@guidance.kind=random,loss.semantics=0",
    ),
    "guidance": (
        "BASE@guidance.kind=random",
        "BASE@guidance.kind=paper",
        "BASE@guidance.kind=standardised,guidance.temperature=1",
        "BASE@guidance.kind=standardised,guidance.temperature=0.5",
    ),
    "mask-ratios": tuple(f"BASE@model.mask_ratio={ratio}" for ratio in (0.6, 0.7, 0.8, 0.9)),
    "teachers": tuple(
        f"BASE@teacher={name}" for name in ("embedded", "random:embedded", "clip-vit-b16", "dinov2-s14", "resnet50")
    ),
    "data-fractions": tuple(f"BASE@fraction={share}" for share in (0.05, 0.2, 0.5, 1.0)),
}
"""Sets of variants: the four methods at one size; targets of whole views, and the ablations of I2P-MAE §4.4, on top of
a base recipe."""


@dataclass(frozen=True)
class Variant:
    """A pre-training configuration to be compared."""

    name: str
    """As it was asked for."""
    config: PretrainConfig
    """The recipe with its changes."""


def expand(names: Sequence[str], base: str) -> list[Variant]:
    """The variants that ``names`` ask for, in order: sets of :data:`ABLATIONS`, recipes, recipes with changes.

    :class:`UsageError` for an unknown name or field, a value that does not fit, or the same variant twice.
    """
    spelled = [member.replace(BASE, base) for name in names for member in ABLATIONS.get(name, (name,))]
    repeated = sorted({name for name in spelled if spelled.count(name) > 1})
    if repeated:
        raise UsageError(f"{', '.join(repeated)} was asked for more than once: name each variant once.")
    return [parse_variant(name) for name in spelled]


def parse_variant(text: str) -> Variant:
    """The variant of ``RECIPE`` or ``RECIPE@field=value,field.field=value``; values are written as in YAML."""
    recipe, _, spelled = text.partition("@")
    known = recipes()
    if recipe not in known:
        raise UsageError(f"Unknown recipe or set {recipe!r}. {near_names(recipe, [*known, *ABLATIONS])}")
    changes: dict[str, Any] = {}
    for change in filter(None, BETWEEN.split(spelled)):
        field, equals, value = change.partition("=")
        if not equals:
            raise UsageError(f"{text}: expected field=value after @, got {change!r}.")
        changes[field] = load_yaml(value, f"{text}: the value of {field}")
    try:
        return Variant(text, known[recipe]().changed(changes))
    except UsageError as error:
        raise UsageError(f"{text}: {error}") from None
