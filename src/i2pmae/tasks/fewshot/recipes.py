"""Named configurations of few-shot classification, after I2P-MAE §4.2 and its released settings."""

from pathlib import Path

from i2pmae.runs.config import OutputConfig
from i2pmae.tasks.base import Recipes
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.tasks.fewshot.config import FewShotConfig
from i2pmae.tasks.published import neighbourhoods, plain, published_data, published_training

__all__ = ["RECIPES"]


def own_shots() -> TaskRunConfig:
    """Own data: folds drawn by the seed, epochs, batch size and neighbourhoods chosen from set and checkpoint."""
    return TaskRunConfig(recipe="own", task=FewShotConfig(), output=OutputConfig(folder=Path("runs/fewshot")))


def modelnet40_shots(ways: int, shots: int) -> TaskRunConfig:
    """The published folds of ModelNet40, with the neighbourhoods of fine-tuning on it."""
    name = f"modelnet40-{ways}w{shots}s"
    return TaskRunConfig(
        recipe=name,
        task=FewShotConfig(
            ways=ways, shots=shots, input_points=1024, encoder=neighbourhoods("modelnet40"), pooling="mean+max"
        ),
        data=published_data("modelnet-fewshot=data/modelnet-fewshot", 1024),
        training=published_training(150),
        output=OutputConfig(folder=Path(f"runs/{name}")),
    )


def modelnet40_5w10s() -> TaskRunConfig:
    """ModelNet40, 5 classes, 10 clouds each, for the paper's encoder on a GPU. Published: 97.0 ± 1.8 %."""
    return modelnet40_shots(5, 10)


def modelnet40_5w20s() -> TaskRunConfig:
    """ModelNet40, 5 classes, 20 clouds each, for the paper's encoder on a GPU. Published: 98.3 ± 1.3 %."""
    return modelnet40_shots(5, 20)


def modelnet40_10w10s() -> TaskRunConfig:
    """ModelNet40, 10 classes, 10 clouds each, for the paper's encoder on a GPU. Published: 92.6 ± 5.0 %."""
    return modelnet40_shots(10, 10)


def modelnet40_10w20s() -> TaskRunConfig:
    """ModelNet40, 10 classes, 20 clouds each, for the paper's encoder on a GPU. Published: 95.5 ± 3.0 %."""
    return modelnet40_shots(10, 20)


def modelnet40_5w10s_plain() -> TaskRunConfig:
    """ModelNet40, 5 classes, 10 clouds each, for an encoder of one level on a GPU."""
    return plain(modelnet40_5w10s(), "modelnet40")


def modelnet40_5w20s_plain() -> TaskRunConfig:
    """ModelNet40, 5 classes, 20 clouds each, for an encoder of one level on a GPU."""
    return plain(modelnet40_5w20s(), "modelnet40")


def modelnet40_10w10s_plain() -> TaskRunConfig:
    """ModelNet40, 10 classes, 10 clouds each, for an encoder of one level on a GPU."""
    return plain(modelnet40_10w10s(), "modelnet40")


def modelnet40_10w20s_plain() -> TaskRunConfig:
    """ModelNet40, 10 classes, 20 clouds each, for an encoder of one level on a GPU."""
    return plain(modelnet40_10w20s(), "modelnet40")


RECIPES: Recipes = {
    "own": own_shots,
    "modelnet40-5w10s": modelnet40_5w10s,
    "modelnet40-5w20s": modelnet40_5w20s,
    "modelnet40-10w10s": modelnet40_10w10s,
    "modelnet40-10w20s": modelnet40_10w20s,
    "modelnet40-5w10s-plain": modelnet40_5w10s_plain,
    "modelnet40-5w20s-plain": modelnet40_5w20s_plain,
    "modelnet40-10w10s-plain": modelnet40_10w10s_plain,
    "modelnet40-10w20s-plain": modelnet40_10w20s_plain,
}
"""Every recipe of few-shot tasks by name."""
