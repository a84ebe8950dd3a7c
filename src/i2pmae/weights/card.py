"""The page that explains weights to others: a model card as the hub shows it (README.md)."""

from collections.abc import Mapping, Sequence
from typing import Any

from i2pmae.common.text import printable
from i2pmae.common.yaml import dump_yaml
from i2pmae.weights.reached import Reached
from i2pmae.weights.record import ModelRecord

__all__ = ["cell", "data_name", "model_card", "table"]

PAPER = "https://arxiv.org/abs/2212.06785"


def cell(value: Any) -> str:
    """A value as text that no table or link of Markdown can be broken by."""
    text = " ".join(printable(str(value)).split())
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, "\\" + sign)
    return text


def data_name(source: str) -> str:
    """What data are called where others read it: paths of a machine are nobody's business."""
    return source.rstrip("/\\").replace("\\", "/").rpartition("/")[2]


def table(rows: Mapping[str, Any]) -> str:
    """A table of two columns; rows without a value are left out."""
    lines = [f"| {cell(name)} | {cell(value)} |" for name, value in rows.items() if value not in ("", None)]
    return "\n".join(["| | |", "|---|---|", *lines])


def model_card(
    repository: str,
    record: ModelRecord,
    facts: Mapping[str, Any],
    *,
    licence: str = "",
    results: str = "",
    pictures: Sequence[tuple[str, str]] = (),
) -> str:
    """The card as Markdown with the hub's fields in front.

    ``facts`` are rows of the table of what it is; ``results`` a section in Markdown, where absent what the notes of the
    record say of a probe; ``pictures`` are files with what they show; ``licence`` is the hub's name of one.
    """
    embeds = record.kind.applied is None
    fields: dict[str, Any] = {"library_name": "i2pmae"}
    if licence:
        fields["license"] = licence
    fields["pipeline_tag"] = "feature-extraction" if embeds else "other"
    fields["tags"] = ["point-cloud", "3d", "self-supervised-learning", record.method, record.task]
    name = repository.rpartition("/")[2]
    parts = [
        f"# {cell(name)}",
        f"{record.kind.holds[:1].upper()}{record.kind.holds[1:]} for 3D point clouds, of the method "
        f"{cell(record.method)}, stored by i2pmae {cell(record.i2pmae_version)} ([I2P-MAE]({PAPER})).",
        "## Use",
        _usage(repository, record, embeds),
        "## What it is",
        table(facts),
        "## How good it is",
        results or _noted(record),
        "## Limits",
        "It knows clouds like those that it was trained on: single objects, coordinates alone, moved into the unit "
        f"sphere, y up (files were {record.files_up} up), about {record.points} points. On other clouds measure it "
        "first: `i2pmae probe`.",
        "## Licence",
        cell(licence)
        if licence
        else "Whoever published these weights has not said under which terms they may be used.",
    ]
    parts += [f"![{cell(what)}]({file})\n\n{cell(what)}" for file, what in pictures]
    return f"---\n{dump_yaml(fields)}---\n\n" + "\n\n".join(parts) + "\n"


def _usage(repository: str, record: ModelRecord, embeds: bool) -> str:
    if embeds:
        lines = [f'encoder = i2pmae.load("hf-hub:{repository}")', f'encoder.embed(points, up="{record.files_up}")']
        last = "  # (b, n, 3) to (b, c)"
    else:
        lines = [
            f'model = i2pmae.load_predictor("hf-hub:{repository}")',
            f'model.predict(points, up="{record.files_up}")',
        ]
        last = "  # (b, n, 3)"
    return "\n".join(["```python", "import i2pmae", "", lines[0], lines[1] + last, "```"])


def _noted(record: ModelRecord) -> str:
    found = Reached.of(record)
    if found is None:
        return "Not measured."
    before = found.untrained
    untrained = "" if before is None else f", that of the same encoder with initial weights {before:.1%}"
    where = f" on {cell(data_name(found.data))}" if found.data else ""
    return f"The accuracy of a linear SVM on its frozen embeddings{where} is {found.accuracy:.1%}{untrained}."
