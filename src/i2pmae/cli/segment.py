"""``i2pmae segment``: an encoder and clouds with a label per point become a part segmenter."""

from collections.abc import Callable, Mapping, Sequence

import tyro
from pydantic import ConfigDict, Field

from i2pmae.cli.configured import ConfiguredCommand, RecipeName, Start
from i2pmae.cli.summary import task_summary
from i2pmae.training.config import DataConfig
from i2pmae.training.finetune_config import SegmentConfig

__all__ = ["SegmentOptions", "run"]

DEFAULT_RECIPE = "own"


class SegmentOptions(SegmentConfig, Start):
    """Train a segmenter that names the part of every point, from a pre-trained encoder or from scratch.

    The category of a cloud is its class; the parts are those of the set. The epoch
    is chosen on clouds held out from training; the test clouds are scored once, at
    the end. The run folder gets weights (for `i2pmae predict`), config.yaml,
    metrics.csv, validation.csv, results.json, parts.png and report.html.

    Examples:
      i2pmae segment tiny --checkpoint runs/tiny --data parts.npz
      i2pmae segment shapenetpart --checkpoint runs/paper --data shapenetpart=PATH --twin
      i2pmae segment --output runs/segment --resume
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    recipe: RecipeName = DEFAULT_RECIPE
    """Configuration to start from; options override its fields. `i2pmae recipes --command segment` lists them."""
    clouds: tyro.conf.OmitArgPrefixes[DataConfig] = Field(default_factory=lambda: DataConfig(labels="folder"))
    """Reading of the data."""


def run(arguments: Sequence[str]) -> None:
    """Train the segmenter, then say what came out and where it is."""
    config, resume = COMMAND.read(arguments)
    from i2pmae.recipes.segment import segment

    print(task_summary(segment(config, resume=resume), config.output))


def _recipes() -> Mapping[str, Callable[[], SegmentConfig]]:
    from i2pmae.recipes.downstream_recipes import SEGMENT_RECIPES

    return SEGMENT_RECIPES


COMMAND = ConfiguredCommand("segment", SegmentConfig, lambda _: SegmentOptions, _recipes, DEFAULT_RECIPE)
