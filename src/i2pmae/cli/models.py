"""``i2pmae models``: the weights that have a name."""

from collections.abc import Sequence
from dataclasses import dataclass

from i2pmae.cli.options import parse

__all__ = ["run"]


@dataclass(frozen=True)
class Models:
    """List the pre-trained weights that have a name, with what is known about them.

    The name stands for a checkpoint in every command that takes one; a folder
    that is called the same is meant by ./NAME. Weights that are not in the
    package lie in $I2PMAE_WEIGHTS, a folder for each, else in weights in the
    cache folder (see `i2pmae cache`). Nothing is downloaded.

    Examples:
      i2pmae models
      i2pmae embed tiny scans/ --output vectors.parquet
    """


def run(arguments: Sequence[str]) -> None:
    """Print a table of what is here, then what is not and where it is looked for."""
    parse(Models, "models", arguments)
    from i2pmae.commands.models import list_models
    from i2pmae.common.text import columns, size_in_words
    from i2pmae.weights.named import SHIPPED

    known = list_models(pretrained=False)
    rows = [
        (
            *(model.name, str(model.channels), f"{model.parameters / 1e6:.1f} M", size_in_words(model.size)),
            *(model.what, model.licence, model.probe or "not measured"),
            "in this package" if model.folder.parent == SHIPPED else str(model.folder),
        )
        for model in known
        if model.here
    ]
    if rows:
        print(columns([("NAME", "CHANNELS", "PARAMETERS", "SIZE", "WHAT", "LICENCE", "LINEAR PROBE", "WHERE"), *rows]))
    else:
        print("No weights with a name are here.")
    for model in known:
        if not model.here:
            print(f"{model.name} ({model.what}) is not here; it would be in {model.folder}")
