"""``i2pmae pretrain``: a recipe or a stored configuration, with overrides, becomes a run."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from pydantic import ConfigDict, Field

from i2pmae.cli.options import parse, tidy_help
from i2pmae.common.config import Config
from i2pmae.common.errors import UsageError, pick
from i2pmae.training.config import DataConfig, PretrainConfig

if TYPE_CHECKING:
    from i2pmae.recipes.pretrain import RunResult

__all__ = ["PretrainOptions", "read_options", "run"]

DEFAULT_RECIPE = "default"


class _Start(Config):
    """Where the configuration comes from."""

    recipe: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="[RECIPE]")] = DEFAULT_RECIPE
    """Configuration to start from; every option below overrides one of its fields. `i2pmae recipes` lists them."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Start from a stored configuration instead: the config.yaml of a run repeats that run."""
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on with the run in the output folder. Without recipe or --config, its own configuration is used."""


class PretrainOptions(PretrainConfig, _Start):
    """Pre-train an I2P-MAE encoder.

    The run folder gets weights (model.safetensors, model.yaml), config.yaml,
    metrics.csv, results.json and report.html.

    Examples:
      i2pmae pretrain
      i2pmae pretrain tiny --data meshes/ --up z --output runs/meshes --epochs 50
      i2pmae pretrain --config runs/meshes/config.yaml --output runs/again --seed 1
      i2pmae pretrain --output runs/meshes --resume
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    recipe: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="[RECIPE]")] = DEFAULT_RECIPE
    """Configuration to start from; every option below overrides one of its fields. `i2pmae recipes` lists them."""
    clouds: tyro.conf.OmitArgPrefixes[DataConfig] = Field(default_factory=DataConfig)
    """Reading of the data."""


def run(arguments: Sequence[str]) -> None:
    """Pre-train, then say what came out and where it is."""
    config, resume = read_options(arguments)
    from i2pmae.recipes.pretrain import pretrain

    print(_summary(pretrain(config, resume=resume)))


def read_options(arguments: Sequence[str]) -> tuple[PretrainConfig, bool]:
    """The configuration that the arguments ask for, and whether to resume.

    :class:`UsageError` for an unknown recipe or an unusable file; ``SystemExit`` with status 2 for unknown options.
    """
    recipe = arguments[0] if arguments and not arguments[0].startswith("-") else None
    base = _base(recipe, arguments)
    options = _parse(base, arguments)
    if recipe is None and options.recipe != base.recipe:  # named after the options
        base = _base(options.recipe, arguments)
        options = _parse(base, arguments)
    values = {name: getattr(options, name) for name in PretrainConfig.model_fields}
    return PretrainConfig(**(values | {"recipe": base.recipe})), options.resume


def _base(recipe: str | None, arguments: Sequence[str]) -> PretrainConfig:
    """What the options override: a stored configuration, that of the run to be resumed, or a recipe."""
    from i2pmae.recipes import RECIPES

    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    early.add_argument("--config", type=Path)
    early.add_argument("--output", type=Path, default=RECIPES[DEFAULT_RECIPE]().output)
    early.add_argument("--resume", action="store_true")
    try:
        given, _ = early.parse_known_args(list(arguments))
    except argparse.ArgumentError:  # the full parser will say it better
        return RECIPES[DEFAULT_RECIPE]()
    if given.config is not None:
        if recipe is not None:
            raise UsageError(f"Start from the recipe {recipe!r} or from --config {given.config}, not from both.")
        return PretrainConfig.load(given.config)
    stored = given.output / "config.yaml"
    if recipe is None and given.resume and stored.is_file():
        return PretrainConfig.load(stored).model_copy(update={"output": given.output})
    return pick("recipe", recipe or DEFAULT_RECIPE, RECIPES)()


def _parse(base: PretrainConfig, arguments: Sequence[str]) -> PretrainOptions:
    tidy_help(PretrainOptions)
    fields = {name: getattr(base, name) for name in PretrainConfig.model_fields}
    return parse(PretrainOptions, "pretrain", arguments, PretrainOptions.model_construct(**fields))


def _summary(result: "RunResult") -> str:
    """What a person wants to know at the end of a run."""
    rows = {
        "run folder": str(result.output),
        "report": str(result.output / "report.html"),
        "trained": f"{result.clouds} clouds, {result.steps} steps, {result.seconds:.0f} s",
        "losses": ", ".join(f"{name} {value:.4f}" for name, value in result.losses.items()),
    }
    if not (result.output / "report.html").is_file():
        del rows["report"]
    if result.probe is not None:
        before, after = result.probe.untrained, result.probe.trained
        rows["linear probe"] = (
            f"untrained {before.accuracy:.1%}, trained {after.accuracy:.1%} (chance {after.chance:.1%}; "
            f"{after.train_clouds} clouds to train, {after.test_clouds} to test)"
        )
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows.items())
