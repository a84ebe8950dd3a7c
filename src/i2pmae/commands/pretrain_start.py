"""Pre-training that goes on from given weights: their sizes, and what is taken over."""

from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.data.sources.named import files_axis, is_shapes
from i2pmae.encoders.config import EncoderConfig
from i2pmae.methods.config import PretrainConfig
from i2pmae.methods.task import PretrainTask
from i2pmae.weights.transfer import Transfer, load_pretrained, pretrained_record

__all__ = ["begin", "usual_recipe", "with_axis", "with_sizes"]

NO_SIZES = ("mask_ratio", "mask_kind")
"""Fields of a model that are no sizes: what is masked depends on the objectives, and the recipe says it."""


def usual_recipe(source: str, *, sized: bool = False) -> str:
    """The recipe where nobody names one: the main job on built-in shapes, ``adapt`` on clouds of one's own.

    A few hundred clouds make a worse encoder from initial weights than the one in the package is (docs/results.md). A
    model of other sizes (``sized``) cannot go on from it: ``best`` begins anew.
    """
    if is_shapes(source):
        return "default"
    return "best" if sized else "adapt"


def with_sizes(config: PretrainConfig, start: str) -> PretrainConfig:
    """The configuration with ``start`` to go on from, and with the sizes of these weights for its model.

    Of weights of the same kind of model these are all sizes, of others those of the encoder. :class:`UsageError` where
    the method has another kind of encoder, or a decoder that does not fit this one; errors of reading a record.
    """
    config = config.changed(start=start)
    assert config.start is not None
    record, own = pretrained_record(config.start), config.method.model
    theirs = record.model
    assert isinstance(theirs, EncoderConfig)  # pre-training and encoders alone have no others
    if theirs.architecture != own.architecture:
        raise UsageError(
            f"{config.start} has an encoder of another kind ({theirs.architecture}) than the recipe {config.recipe} "
            f"({own.architecture}): name a recipe of {record.method}, see `i2pmae recipes`."
        )
    try:
        taken = dict(theirs if type(theirs) is type(own) else theirs.alone())
        model = own.changed({name: value for name, value in taken.items() if name not in NO_SIZES})
        return config.changed({"method.model": model})
    except UsageError as error:
        raise UsageError(
            f"The encoder of {config.start} and the rest of the model of the recipe {config.recipe} don't fit: name a "
            f"recipe of its size.\n{error}"
        ) from None


def with_axis(config: PretrainConfig) -> tuple[PretrainConfig, str]:
    """The configuration with the axis that its files are read with, and what is to be said about it."""
    if config.start is None:
        return config, ""
    up, said = files_axis(config.data.source, config.data.up, pretrained_record(config.start).files_up)
    return config.changed({"data.up": up}), said


def begin(task: PretrainTask, start: str) -> Transfer:
    """Take over the weights of ``start``, and say what became of them.

    :class:`CheckpointError` lists the sizes that differ, and how to take them over.
    """
    source, _ = load_pretrained(start)
    try:
        return task.go_on_from(source)
    except CheckpointError as error:
        theirs, ours = (model.encoder.config.alone().model_dump() for model in (source, task.student))
        differing = [
            f"  model.{name}: {theirs.get(name)} in the weights, {value} here"
            for name, value in ours.items()
            if theirs.get(name) != value
        ]
        raise CheckpointError(
            "\n".join(
                [
                    f"Pre-training cannot go on from {start}: its encoder is of other sizes.",
                    *(differing or [str(error)]),
                    "Leave the sizes out: `i2pmae pretrain RECIPE --start` and i2pmae.pretrain(start=...) take those "
                    "of the weights. Or begin with initial weights: `i2pmae pretrain best` does.",
                ]
            )
        ) from None
