"""``i2pmae fewshot``: how well an encoder learns classes from a few clouds of each."""

from collections.abc import Callable, Mapping, Sequence

import tyro
from pydantic import ConfigDict, Field

from i2pmae.cli.configured import ConfiguredCommand, RecipeName, Start
from i2pmae.cli.summary import task_summary
from i2pmae.training.config import DataConfig
from i2pmae.training.finetune_config import FewShotConfig

__all__ = ["FewShotOptions", "run"]

DEFAULT_RECIPE = "own"


class FewShotOptions(FewShotConfig, Start):
    """Learn a few classes from a few clouds of each, many times over: mean and deviation of the accuracy.

    The folds are drawn by the seed, or are the published ones of ModelNet40 with
    --data modelnet-fewshot=PATH. With --mode linear an SVM learns from frozen
    features. A run that was stopped goes on with the fold it was in.

    Examples:
      i2pmae fewshot --checkpoint runs/pretrain --data folder_of_classes --ways 5 --shots 10
      i2pmae fewshot --checkpoint runs/pretrain --data shapes --mode linear --twin
      i2pmae fewshot modelnet40-5w10s --checkpoint runs/paper --data modelnet-fewshot=PATH
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    recipe: RecipeName = DEFAULT_RECIPE
    """Configuration to start from; options override its fields. `i2pmae recipes --command fewshot` lists them."""
    clouds: tyro.conf.OmitArgPrefixes[DataConfig] = Field(default_factory=lambda: DataConfig(labels="folder"))
    """Reading of the data."""


def run(arguments: Sequence[str]) -> None:
    """Train on every fold, then say what came out and where it is."""
    config, resume = COMMAND.read(arguments)
    from i2pmae.recipes.fewshot import fewshot

    print(task_summary(fewshot(config, resume=resume), config.output))


def _recipes() -> Mapping[str, Callable[[], FewShotConfig]]:
    from i2pmae.recipes.downstream_recipes import FEWSHOT_RECIPES

    return FEWSHOT_RECIPES


COMMAND = ConfiguredCommand("fewshot", FewShotConfig, lambda _: FewShotOptions, _recipes, DEFAULT_RECIPE)
