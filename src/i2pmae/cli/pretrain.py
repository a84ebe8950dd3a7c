"""``i2pmae pretrain``: a recipe or a stored configuration, with overrides, becomes a run."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from i2pmae.cli.configured import ConfiguredCommand
from i2pmae.cli.spread import print_once, spread

if TYPE_CHECKING:
    from i2pmae.methods.config import PretrainConfig
    from i2pmae.runs.record import RunRecord

__all__ = ["COMMAND", "run"]

ABOUT = """
Pre-train an encoder: by I2P-MAE, Point-M2AE, Point-MAE or Point-BERT, as the recipe says.

The run folder gets weights (model.safetensors, model.yaml), config.yaml, metrics.csv, results.json
and report.html. The options are those of the recipe's method.

examples:
  i2pmae pretrain
  i2pmae pretrain point-mae-tiny --data meshes/ --up z
  i2pmae pretrain --data scans/ --up z                goes on from the weights in the package, as the recipe adapt
  i2pmae pretrain best --data meshes/ --up z --output runs/meshes --epochs 50                begins anew
  i2pmae pretrain --config runs/meshes/config.yaml --output runs/again --seed 1
  i2pmae pretrain --output runs/meshes --resume
"""


def run(arguments: Sequence[str]) -> None:
    """Pre-train, then say what came out and where it is."""
    given = COMMAND.read(arguments)
    if given is None:
        return
    spread(given.config.training.devices, given.config.training.device, "pretrain", arguments)
    from i2pmae.commands.pretrain import pretrain

    print_once(_summary(pretrain(given.config, resume=given.resume)))


def _kind() -> "type[PretrainConfig]":
    from i2pmae.methods.config import PretrainConfig

    return PretrainConfig


def _recipes() -> "Mapping[str, Callable[[], PretrainConfig]]":
    from i2pmae.methods import recipes

    return recipes()


class PretrainCommand(ConfiguredCommand["PretrainConfig"]):
    """Pre-training: a recipe, then options."""

    def prepared(self, base: "PretrainConfig", spelled: Mapping[str, str]) -> "PretrainConfig":
        """The recipe for the data, where none is named, with the sizes of the weights that it is to go on from."""
        data = spelled.get("data", base.data.source)
        if "start" not in spelled and data == base.data.source:
            return base
        from i2pmae.commands.pretrain_start import usual_recipe, with_sizes

        if base.recipe == self.default:
            sized = any(name.startswith("model.") for name in spelled)
            base = self.recipes()[usual_recipe(data, sized=sized)]()
        return with_sizes(base, spelled["start"]) if "start" in spelled else base


COMMAND = PretrainCommand(
    "pretrain",
    ABOUT,
    _kind,
    _recipes,
    "default",
    (
        *("data", "output", "start", "up", "labels", "points", "clouds", "teacher", "epochs", "batch-size"),
        *("seed", "device", "devices", "precision", "probe"),
    ),
)


def _summary(record: "RunRecord") -> str:
    """What a person wants to know at the end of a run."""
    assert record.output is not None
    figures, report = record.figures, record.output / "report.html"
    rows = {
        "run folder": str(record.output),
        "report": str(report),
        "trained": f"{figures['clouds']:.0f} clouds, {figures['steps']:.0f} steps, {record.seconds or 0:.0f} s",
        "losses": ", ".join(f"{name} {value:.4f}" for name, value in record.losses.items()),
    }
    if not report.is_file():
        del rows["report"]
    if record.primary and record.twin is not None and record.chance is not None:
        start = record.children.get("start")
        begun = "" if start is None else f"at the start {start.accuracy:.1%}, "
        rows["linear probe"] = (
            f"untrained {record.twin.accuracy:.1%}, {begun}trained {record.accuracy:.1%} (chance {record.chance:.1%}; "
            f"{record.train_clouds} clouds to train, {record.test_clouds} to test)"
        )
        if start is not None and start.accuracy > record.accuracy:
            rows["advice"] = "the weights that it went on from score better here: stay with them"
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows.items())
