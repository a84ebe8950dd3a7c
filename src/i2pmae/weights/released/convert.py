"""Checkpoints that the methods' authors released, turned into weights folders with every tensor accounted for."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError
from torch import Tensor

from i2pmae.common.config import Config
from i2pmae.common.errors import CheckpointError, UsageError, pick
from i2pmae.encoders.published import Settings
from i2pmae.weights.kinds import ENCODER, KINDS
from i2pmae.weights.named import RECORD_FILE, WEIGHTS_FILE
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.released.names import rename
from i2pmae.weights.released.reading import Released, read_released
from i2pmae.weights.released.settings import ConvertOptions, settings_for
from i2pmae.weights.released.shapes import Shapes
from i2pmae.weights.released.spec import Found, ReleasedEncoder, ReleasedHead, ReleasedNames
from i2pmae.weights.store import save_weights

__all__ = ["Conversion", "convert"]

MOST, FEW = 12, 4
"""Tensors that an error lists, and a line of the summary."""


@dataclass(frozen=True)
class Conversion:
    """What became of the tensors of a released file."""

    output: Path
    record: ModelRecord
    source: str
    """Name of the published settings that were taken, if any."""
    settings: Settings
    """The settings that were taken, with what the options say instead."""
    used: int
    """Tensors that the model was made from."""
    dropped: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Tensors and other entries that the model has no use for, by the reason."""
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Tensors that the file lacks, by what was done about them."""

    def __str__(self) -> str:
        """The summary for a person: what it is, then what became of the tensors."""
        rows = [("settings", self._settings_line()), ("used", f"{self.used} tensors")]
        rows += [("dropped", _line(why, names)) for why, names in self.dropped.items()]
        rows += [("missing", _line(why, names)) for why, names in self.missing.items()]
        width = max(len(name) for name, _ in rows)
        first = f"{self.output}: {self.record.kind.holds} of {self.record.method}"
        return "\n".join([first, *(f"  {name:{width}}  {text}" for name, text in rows)])

    def _settings_line(self) -> str:
        """Where the settings come from, and what they are."""
        taken = self.settings
        counts, sizes = ("/".join(map(str, numbers)) for numbers in (taken.group_counts, taken.group_sizes))
        radii = "everywhere" if taken.attention_radii is None else f"within {'/'.join(map(str, taken.attention_radii))}"
        return (
            f"{self.source or 'as given'}: {taken.points} points, {counts} tokens of {sizes} neighbours, "
            f"{taken.heads} heads that attend {radii}"
        )


def _line(why: str, names: Sequence[str]) -> str:
    return f"{len(names)}, {why}: {_listed(names, FEW)}"


def convert(
    file: Path | str,
    method: str,
    output: Path | str,
    options: ConvertOptions | None = None,
    *,
    methods: Mapping[str, ReleasedNames],
    heads: Sequence[ReleasedHead] = (),
) -> Conversion:
    """Make a weights folder from a released file and say what became of every tensor.

    Nothing in the file is executed, and nothing is converted in part: :class:`CheckpointError` names tensors that are
    unknown, missing, of another shape or not finite, and says where the file seems to be of another method.
    :class:`UsageError` where the published settings cannot be told from the weights, or don't fit them.

    ``methods`` are those whose files are known, by name, so that a wrong ``method`` is noticed; ``heads`` those of the
    tasks that follow pre-training.
    """
    names = pick("method", method, methods)
    options, output = options or ConvertOptions(), Path(output)
    held = [name for name in (WEIGHTS_FILE, RECORD_FILE) if (output / name).exists()]
    if held:
        raise UsageError(f"{output} already holds weights ({', '.join(held)}): choose another folder, or remove them.")
    released = read_released(file)
    _check_method(released, method, methods)
    kept, dropped = _sort_out(released, names)
    head = _head(released, kept, method, names, heads, options.encoder_only)
    shapes = Shapes({names.encoder.bare(name): tuple(tensor.shape) for name, tensor in released.tensors.items()})
    source, settings = settings_for(method, names, head, shapes, options)
    found = Found(names, shapes, source, settings, options)
    config = _config(found, head, options.encoder_only)
    record = ModelRecord(
        method=method,
        task=ENCODER if options.encoder_only else head.task,
        points=settings.points,
        notes={"converted_from": released.path.name, "sha256": released.sha256, "settings": source},
        pooling=None if head.alone else getattr(config, "pooling", names.pooling),
        model=config,
    )
    model = record.build()
    expected = model.state_dict()
    renamed = rename(kept, expected, names.names(head, shapes))
    if len(renamed) < len(kept):
        raise CheckpointError(f"{released.path} names some tensors twice, with and without a prefix of the encoder.")
    if options.encoder_only:
        rest = tuple(theirs for theirs, ours in zip(kept, renamed, strict=True) if not ours.startswith("encoder."))
        dropped |= {"not part of the encoder": rest} if rest else {}
        renamed = {ours: tensor for ours, tensor in renamed.items() if ours.startswith("encoder.")}
    missing = _fill(renamed, expected, names.encoder.restarted if options.encoder_only else {})
    if head.adjust is not None and not options.encoder_only:
        head.adjust(renamed, config)
    _check_fit(released, method, renamed, expected)
    model.load_state_dict(renamed)
    save_weights(output, model, record)
    used = len(renamed) - sum(map(len, missing.values()))
    return Conversion(output, record, source, settings, used, dropped, missing)


def _config(found: Found, head: ReleasedHead, encoder_only: bool) -> Config:
    """What describes the model that the weights are for.

    :class:`CheckpointError` where layers are missing or disagree, :class:`UsageError` where the settings do.
    """
    try:
        return found.encoder.alone() if encoder_only else head.sizes(found)
    except ValidationError as error:
        reasons = "; ".join(item["msg"].removeprefix("Value error, ") for item in error.errors())
        raise UsageError(f"The weights and the settings don't fit together: {reasons}.") from None


def _check_method(released: Released, method: str, methods: Mapping[str, ReleasedNames]) -> None:
    """:class:`CheckpointError` where the names are those of another method, or of no method."""
    names, own = released.tensors, methods[method]
    for owner, other in methods.items():
        if owner != method and any(re.match(sign, name) for sign in other.signs for name in names):
            raise CheckpointError(f"{released.path} holds weights of {owner}: use --from {owner}.")
    mistaken = None if own.mistaken is None else own.mistaken([own.encoder.bare(name) for name in names])
    if mistaken:
        raise CheckpointError(f"{released.path} {mistaken}.")
    if own.encoder.is_in(names):
        return
    families = _families(methods)
    for encoder, members in families:
        if encoder.is_in(names):
            others = " or ".join(name for name, _ in members)
            raise CheckpointError(f"{released.path} holds an encoder of {encoder.what}: use --from {others}.")
    known = [f"{encoder.example}… ({', '.join(title for _, title in members)})" for encoder, members in families]
    raise CheckpointError(
        f"{released.path} holds no weights of a method known here: expected names such as {' or '.join(known)}, found "
        f"{_listed(sorted(names)[:4])}."
    )


def _families(methods: Mapping[str, ReleasedNames]) -> list[tuple[ReleasedEncoder, list[tuple[str, str]]]]:
    """Every kind of encoder with the names and titles of the methods that have it."""
    families: dict[str, tuple[ReleasedEncoder, list[tuple[str, str]]]] = {}
    for name, method in methods.items():
        families.setdefault(method.encoder.sign, (method.encoder, []))[1].append((name, method.title))
    return list(families.values())


def _sort_out(released: Released, method: ReleasedNames) -> tuple[dict[str, Tensor], dict[str, tuple[str, ...]]]:
    """The tensors that a model is made from, and those that none is, by the reason."""
    dropped: dict[str, tuple[str, ...]] = {"not a tensor": released.others} if released.others else {}
    reasons = dict(method.dropped)
    reasons |= {old: why for name, (old, why) in method.encoder.superseded.items() if name in released.tensors}
    kept = {}
    for name, tensor in released.tensors.items():
        reason = next((why for pattern, why in reasons.items() if re.match(pattern, name)), None)
        if reason is None:
            kept[name] = tensor
        else:
            dropped[reason] = (*dropped.get(reason, ()), name)
    return kept, dropped


def _head(
    released: Released,
    kept: Iterable[str],
    method: str,
    spec: ReleasedNames,
    heads: Sequence[ReleasedHead],
    encoder_only: bool,
) -> ReleasedHead:
    """What the weights were trained for, by the names of their heads."""
    names = [spec.encoder.bare(name) for name in kept]
    for pattern, what in spec.refused.items():
        if not encoder_only and any(re.match(pattern, name) for name in names):
            raise CheckpointError(f"{released.path} holds {what}. Its encoder can be converted: add --encoder-only.")
    for head in (*heads, *spec.heads):
        if any(re.match(head.sign, name) for name in names):
            if encoder_only and head.alone:
                raise CheckpointError(
                    f"{released.path} holds {KINDS[head.task].holds}, which has no encoder: convert it without "
                    "--encoder-only."
                )
            return head
    if encoder_only:
        return ReleasedHead(ENCODER, "", lambda found: found.encoder, spec.heads[0].settings, lambda _: {})
    raise CheckpointError(
        f"{released.path} holds an encoder of {method} without any head: add --encoder-only to convert it as it is."
    )


def _fill(
    renamed: dict[str, Tensor], expected: Mapping[str, Tensor], restarted: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Put the initial values of tensors that a file may lack in their place; they come back by what was done."""
    allowed = {r".*\.num_batches_tracked": "counters of batches, which start at 0", **restarted}
    missing: dict[str, tuple[str, ...]] = {}
    for name in sorted(expected.keys() - renamed.keys()):
        why = next((why for pattern, why in allowed.items() if re.fullmatch(pattern, name)), None)
        if why is not None:
            renamed[name] = expected[name]
            missing[why] = (*missing.get(why, ()), name)
    return missing


def _check_fit(released: Released, method: str, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """:class:`CheckpointError` that lists tensors that are unknown, missing, mis-shaped or not finite."""
    problems = []
    for what, names in (
        ("unknown", sorted(found.keys() - expected.keys())),
        ("missing", sorted(expected.keys() - found.keys())),
        ("with NaN or infinite values", sorted(name for name, value in found.items() if not value.isfinite().all())),
    ):
        problems += [f"  {what}: {_listed(names)}"] if names else []
    for name in sorted(expected.keys() & found.keys()):
        have, want = tuple(found[name].shape), tuple(expected[name].shape)
        problems += [f"  {name}: shape {have}, but the model has {want}"] if have != want else []
    if problems:
        raise CheckpointError(
            f"{released.path} is not a complete checkpoint of {method}, or of a variant that is not known here:\n"
            + "\n".join(problems)
        )


def _listed(names: Sequence[str], most: int = MOST) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
