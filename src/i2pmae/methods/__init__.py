"""Methods of pre-training: one folder each, and the one list of them.

A new method is its own folder and one line below; one from outside the package is made known by :func:`register`.
"""

from collections.abc import Callable

from i2pmae.encoders.starts import STARTS, Start
from i2pmae.methods.base import Method, Recipes
from i2pmae.methods.config import METHOD_CONFIGS, PretrainConfig
from i2pmae.methods.i2p_mae import I2P_MAE, POINT_M2AE
from i2pmae.methods.point_bert import POINT_BERT
from i2pmae.methods.point_mae import POINT_MAE
from i2pmae.weights.kinds import ModelKind, add_kind

__all__ = ["METHODS", "Method", "recipes", "register"]

METHODS: dict[str, Method] = {}
"""Every method by name."""


def register(method: Method) -> None:
    """Make a method known: to configurations, recipes, stored weights and every command."""
    METHOD_CONFIGS.add(method.Config)
    METHODS[method.name] = method
    add_kind(
        ModelKind(
            name=method.name,
            holds="a pre-trained encoder",
            command="`i2pmae pretrain`",
            read=method.sizes.model_validate,
            build=method.module,
        )
    )
    for kind in method.more_kinds:
        add_kind(kind)
    STARTS.update({recipe: _start(make) for recipe, make in method.recipes.items()})


def _start(make: Callable[[], PretrainConfig]) -> Callable[[], Start]:
    """What gives the encoder of a recipe to a task that trains it from scratch."""

    def start() -> Start:
        """The encoder, made when it is asked for: a recipe takes a moment."""
        config = make()
        method = config.method
        return Start(method.name, method.model.alone(), config.data.points, method.pooling)

    return start


for _method in (I2P_MAE, POINT_M2AE, POINT_MAE, POINT_BERT):
    register(_method)


def recipes() -> Recipes:
    """Every recipe of pre-training by name, those of a method together."""
    return {name: make for method in METHODS.values() for name, make in method.recipes.items()}
