"""``show``: what weights or a run are, what they were trained on, what they reached, and what they may be used for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from i2pmae.commands.stored import command_of, progress, run_config
from i2pmae.commands.use import Encoder, known_of
from i2pmae.common.text import printable
from i2pmae.methods.config import PretrainConfig
from i2pmae.runs.folder import CONFIG_FILE
from i2pmae.runs.record import RESULTS_FILE, START, RunRecord
from i2pmae.tasks.config import TaskRunConfig
from i2pmae.weights.named import NAMED, holds_weights, is_name, locate, on_hub
from i2pmae.weights.reached import Reached
from i2pmae.weights.store import load_model

__all__ = ["Description", "show"]

Rows = Mapping[str, Any]
TITLES = {
    "what": "What it is",
    "trained": "What it was trained on",
    "reached": "What it reached",
    "use": "What it may be used for",
    "state": "State",
}
"""What the parts of a description are called."""


@dataclass(frozen=True)
class Description:
    """What is known about weights or a run, in rows of name and value; as text it is a page for a terminal."""

    name: str
    """What was asked about."""
    what: Rows = field(default_factory=dict)
    """Method, task, sizes, read-out."""
    trained: Rows = field(default_factory=dict)
    """Data, teacher, recipe, length."""
    reached: Rows = field(default_factory=dict)
    """Scores beside those without pre-training, and how they were measured."""
    use: Rows = field(default_factory=dict)
    """Terms, and the clouds that it knows."""
    state: Rows = field(default_factory=dict)
    """Of a run, whether it is finished, else how far it is."""

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        parts = [printable(self.name)]
        for place, title in TITLES.items():
            rows = {name: printable(str(value)) for name, value in getattr(self, place).items()}
            width = max(map(len, rows), default=0)
            lines = [f"  {name:{width}}  {value}" for name, value in rows.items()]
            parts += ["\n".join([title, *lines])] if lines else []
        return "\n\n".join(parts)


def show(checkpoint: str | Path) -> Description:
    """What weights or a run are: method and sizes, what they were trained on, reached, and may be used for.

    >>> print(i2pmae.show("tiny"))
    >>> i2pmae.show("runs/finetune").reached["accuracy"]

    Args:
        checkpoint: a run folder, also of a run that is not finished or of a comparison, a weights folder, a name
            (:func:`i2pmae.list_models`), or a repository of the hub, ``hf-hub:ORG/NAME``.

    Raises:
        CheckpointError: where there is neither a run nor weights, or what is there is damaged.
        UsageError: for a configuration that cannot be read.
    """
    place = locate(checkpoint)
    folder = place.parent if place.is_file() else place
    record = RunRecord.load(folder) if (folder / RESULTS_FILE).is_file() else None
    is_run = (folder / CONFIG_FILE).is_file()
    if not (holds_weights(folder) or is_run or record is not None):
        load_model(checkpoint)  # says what is missing, and which folders are near
    what, trained, reached, use = _of_weights(checkpoint) if holds_weights(folder) else ({}, {}, {}, {})
    state: Rows = {}
    if is_run:
        what, trained, state = _of_run(folder, what, trained, record)
    if record is not None:
        reached, trained = _scores(record), {**trained, **_training(record)}
    return Description(str(checkpoint), *map(_filled, (what, trained, reached, use, state)))


def _of_weights(checkpoint: str | Path) -> tuple[Rows, Rows, Rows, Rows]:
    """What the record of weights says: what they are, were trained on, reached and may be used for."""
    model, record = load_model(checkpoint)
    record = record.changed(notes={**record.notes, **known_of(checkpoint)})
    info = Encoder(model, record, "cpu").info
    what = {
        "weights": record.kind.holds,
        "what": NAMED[str(checkpoint)].what if is_name(checkpoint) else "",
        "method": info["method"],
        "parameters": f"{info['parameters'] / 1e6:.2f} M of the encoder{_whole(model, info['parameters'])}",
        "points": f"{info['points']} a cloud, at least {info['min_points']}",
        "embedding": f"{info['channels']} channels, {info['point_channels']} of a point",
        "read-out": info["pooling"],
        "names": ", ".join(getattr(model.config, "classes", ()) or getattr(model.config, "parts", ())),
    }
    trained = {"data": info["data"], "2D teacher": info["teacher"], "recipe": info["recipe"], **info["notes"]}
    found = Reached.of(record)
    reached = {} if found is None else {"linear probe": str(found)}
    return what, trained, reached, _terms(checkpoint, info)


def _whole(model: Any, encoder: int) -> str:
    count = sum(values.numel() for values in model.parameters())
    return "" if count == encoder else f", {count / 1e6:.2f} M in all"


def _terms(checkpoint: str | Path, info: Mapping[str, Any]) -> Rows:
    """Under which terms weights may be used, and on what."""
    unsaid = "not stated with the weights: see the page of the repository" if on_hub(checkpoint) else "not stated"
    return {
        "licence": info["licence"] or unsaid,
        "clouds": f"single objects, coordinates alone; files are read with {info['files_up']} up",
        "version": f"stored by i2pmae {info['i2pmae_version']}",
    }


def _of_run(folder: Path, what: Rows, trained: Rows, record: RunRecord | None) -> tuple[Rows, Rows, Rows]:
    """What the configuration of a run says beside its weights, if it has any yet, and how far the run is."""
    config = run_config(folder)
    command = command_of(config)
    what = {"run": f"of {command}", **what}
    trained = {**trained, "data": config.data.source}
    if isinstance(config, PretrainConfig):
        what = {**what, "method": config.method.name}
        trained |= {"recipe": config.recipe, "start": config.start}
    elif isinstance(config, TaskRunConfig):
        trained |= {"recipe": config.recipe, "encoder": config.task.checkpoint or "from scratch"}
    else:
        trained |= {"recipes": ", ".join(config.recipes)}
    if record is not None:
        return what, trained, {"run": f"finished{_took(record)}", "machine": record.machine}
    folders = [place.parent for place in sorted(folder.glob("**/metrics.csv"))]
    steps = {_inner(folder, place): str(progress(place)) for place in folders} or {"training": "not begun"}
    go_on = f"i2pmae {command} --output {folder} --resume"
    return what, trained, {"run": "not finished", **steps, "to go on": go_on}


def _inner(folder: Path, place: Path) -> str:
    """What to call a training within a run: there are several in a comparison, and where a twin is trained."""
    return "training" if place == folder else place.relative_to(folder).as_posix()


def _took(record: RunRecord) -> str:
    return "" if record.seconds is None else f", {record.seconds / 60:.1f} minutes"


def _training(record: RunRecord) -> Rows:
    """How a finished run was trained."""
    figures = record.figures
    length = f"{figures['epochs']:.0f} epochs, {figures['steps']:.0f} steps" if "epochs" in figures else ""
    clouds = record.train_clouds or figures.get("clouds")
    return {
        "clouds": f"{clouds:.0f}" if clouds else "",
        "epochs": length,
        "seed": ", ".join(map(str, record.seeds)),
        "commit": record.commit,
    }


def _scores(record: RunRecord) -> Rows:
    """The scores of a run beside those of its twin; of a comparison, those of its recipes."""
    if record.kind == "compare":
        rows = {name: str(child.score) for name, child in record.children.items() if child.primary}
        return {**rows, "measured": record.protocol}
    rows = {}
    for name, score in record.scores.items():
        beside = {"untrained": record.twin, "before": record.children.get(START)}
        others = [f"{what} {row.scores[name]}" for what, row in beside.items() if row and name in row.scores]
        rows[name.replace("_", " ")] = f"{score}" + (f" ({', '.join(others)})" if others else "")
    return {
        **rows,
        "on": f"{record.test_clouds} test clouds" if record.test_clouds else "",
        "by chance": "" if record.chance is None else f"{record.chance:.1%}",
        "measured": record.protocol,
        "scores": "" if rows else "none: the data had no labels, or no probe was wanted",
    }


def _filled(rows: Rows) -> dict[str, Any]:
    """The rows that have a value."""
    return {name: value for name, value in rows.items() if value not in ("", None)}
