"""``i2pmae finetune``: an encoder and labelled clouds become a classifier."""

from collections.abc import Callable, Mapping, Sequence

import tyro
from pydantic import ConfigDict, Field

from i2pmae.cli.configured import ConfiguredCommand, RecipeName, Start
from i2pmae.cli.summary import task_summary
from i2pmae.training.config import DataConfig
from i2pmae.training.finetune_config import FinetuneConfig

__all__ = ["FinetuneOptions", "run"]

DEFAULT_RECIPE = "own"


class FinetuneOptions(FinetuneConfig, Start):
    """Train a classifier on labelled clouds, from a pre-trained encoder or from scratch.

    The epoch is chosen on clouds held out from training; the test clouds are scored
    once, at the end. The run folder gets weights (for `i2pmae predict`),
    config.yaml, metrics.csv, validation.csv, results.json, confusion.png and
    report.html.

    Examples:
      i2pmae finetune --checkpoint runs/pretrain --data folder_of_classes --up z
      i2pmae finetune modelnet40-tiny --checkpoint runs/tiny --data modelnet40.npz
      i2pmae finetune scanobjectnn-pb --checkpoint runs/paper --data scanobjectnn-pb=PATH --twin
      i2pmae finetune --output runs/finetune --resume
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    recipe: RecipeName = DEFAULT_RECIPE
    """Configuration to start from; options override its fields. `i2pmae recipes --command finetune` lists them."""
    clouds: tyro.conf.OmitArgPrefixes[DataConfig] = Field(default_factory=lambda: DataConfig(labels="folder"))
    """Reading of the data."""


def run(arguments: Sequence[str]) -> None:
    """Fine-tune, then say what came out and where it is."""
    config, resume = COMMAND.read(arguments)
    from i2pmae.recipes.finetune import finetune

    print(task_summary(finetune(config, resume=resume), config.output))


def _recipes() -> Mapping[str, Callable[[], FinetuneConfig]]:
    from i2pmae.recipes.downstream_recipes import FINETUNE_RECIPES

    return FINETUNE_RECIPES


COMMAND = ConfiguredCommand("finetune", FinetuneConfig, lambda _: FinetuneOptions, _recipes, DEFAULT_RECIPE)
