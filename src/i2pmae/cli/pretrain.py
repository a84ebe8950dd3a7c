"""``i2pmae pretrain``: a recipe or a stored configuration, with overrides, becomes a run."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from pydantic import ConfigDict, Field, create_model

from i2pmae.cli.configured import ConfiguredCommand, RecipeName, Start
from i2pmae.common.config import Config
from i2pmae.training.config import DataConfig, PretrainConfig

if TYPE_CHECKING:
    from i2pmae.recipes.pretrain import RunResult

__all__ = ["PretrainOptions", "read_options", "run"]

DEFAULT_RECIPE = "default"
TEACHING = ("teacher", "teacher_precision", "cache_teacher", "projection", "guidance", "loss")
"""Fields that methods without a 2D teacher have no use for."""


class PretrainOptions(PretrainConfig, Start):
    """Pre-train an encoder: by I2P-MAE, Point-M2AE, Point-MAE or Point-BERT, as the recipe says.

    The run folder gets weights (model.safetensors, model.yaml), config.yaml,
    metrics.csv, results.json and report.html. The options below are those of
    the recipe's method: `i2pmae pretrain point-mae --help` shows others.

    Examples:
      i2pmae pretrain
      i2pmae pretrain point-mae-tiny --data meshes/ --up z
      i2pmae pretrain tiny --data meshes/ --up z --output runs/meshes --epochs 50
      i2pmae pretrain --config runs/meshes/config.yaml --output runs/again --seed 1
      i2pmae pretrain --output runs/meshes --resume
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    recipe: RecipeName = DEFAULT_RECIPE
    """Configuration to start from; every option below overrides one of its fields. `i2pmae recipes` lists them."""
    clouds: tyro.conf.OmitArgPrefixes[DataConfig] = Field(default_factory=DataConfig)
    """Reading of the data."""


def run(arguments: Sequence[str]) -> None:
    """Pre-train, then say what came out and where it is."""
    config, resume = read_options(arguments)
    from i2pmae.recipes.pretrain import pretrain

    print(_summary(pretrain(config, resume=resume)))


def read_options(arguments: Sequence[str]) -> tuple[PretrainConfig, bool]:
    """The configuration that the arguments ask for, and whether to resume: see :class:`ConfiguredCommand`."""
    return COMMAND.read(arguments)


def _recipes() -> Mapping[str, Callable[[], PretrainConfig]]:
    from i2pmae.recipes import RECIPES

    return RECIPES


def _options(base: PretrainConfig) -> type[Config]:
    """The options of the method of ``base``: the sizes of its model, and nothing that it has no use for."""
    unused = {"method", *(TEACHING if base.method != "i2p-mae" else ()), *(() if base.bert else ("bert",))}
    kinds: dict[str, Any] = {"model": type(base.model), "bert": type(base.bert)}
    fields: dict[str, Any] = {
        name: (Annotated[(kinds.get(name, field.annotation), None, *field.metadata)], copy(field))
        for name, field in PretrainOptions.model_fields.items()
        if name in PretrainConfig.model_fields and name not in unused
    }
    return create_model("PretrainOptions", __base__=Start, __doc__=PretrainOptions.__doc__, **fields)


COMMAND = ConfiguredCommand("pretrain", PretrainConfig, _options, _recipes, DEFAULT_RECIPE)


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
