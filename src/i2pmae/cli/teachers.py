"""``i2pmae teachers``: the 2D models that can teach."""

from collections.abc import Sequence
from dataclasses import dataclass

from i2pmae.cli.options import parse

__all__ = ["run"]


@dataclass(frozen=True)
class Teachers:
    """List the 2D models with a short name.

    pretrain --teacher also takes any Hugging Face name (org/model) of the same
    families, and local folders; random:NAME for the control with random weights;
    NAME+NAME for several; run:FOLDER for a trained run. All but the embedded one
    and the controls are downloaded once, on first use.
    """


def run(arguments: Sequence[str]) -> None:
    """Print a table of names, channels, descriptions and licences."""
    parse(Teachers, "teachers", arguments)
    from i2pmae.common.text import columns
    from i2pmae.teachers.catalogue import TEACHERS

    rows = [("NAME", "CHANNELS", "WHAT", "LICENCE", "HUGGING FACE")] + [
        (name, str(spec.feature_dim), spec.description, spec.licence, spec.repository or "(in this package)")
        for name, spec in TEACHERS.items()
    ]
    print(columns(rows))
