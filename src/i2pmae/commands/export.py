"""``export``: the encoder of a pre-trained model alone, small enough to hand on."""

from pathlib import Path
from typing import Any, Literal

import i2pmae.methods
import i2pmae.tasks  # noqa: F401  (both make known what weights can be for)
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.runs.record import RunRecord
from i2pmae.weights.card import PROBES
from i2pmae.weights.named import RECORD_FILE, WEIGHTS_FILE, locate
from i2pmae.weights.store import save_weights
from i2pmae.weights.transfer import encoder_alone, load_pretrained

__all__ = ["export"]


def export(checkpoint: str | Path, output: str | Path, *, precision: Literal["fp16", "fp32"] = "fp16") -> Path:
    """The folder, which was made, with the encoder of a pre-trained model and all that it takes to embed clouds.

    What it was trained with (decoder, heads) is left behind. It embeds as the model does; in half precision with
    weights rounded to 11 binary digits. The notes of its record say how good it is, where its run measured that. It is
    a weights folder as any: embed, fine-tune, or go on with pre-training from it.

    >>> i2pmae.export("runs/tiny", "weights/tiny")

    Args:
        checkpoint: a run folder or weights folder of pre-training, or a name (:func:`i2pmae.list_models`).
        output: folder to write the weights to.
        precision: of the weights on disk; what is loaded is float32 either way.

    Raises:
        CheckpointError: for weights of a downstream task, or that cannot be read.
        UsageError: for an output that holds weights already, and weights that are too large for half precision.
    """
    if precision not in ("fp16", "fp32"):
        raise UsageError(f"Unknown precision {precision!r}: expected fp16 or fp32.")
    folder = Path(output)
    held = [name for name in (WEIGHTS_FILE, RECORD_FILE) if (folder / name).exists()]
    if held:
        raise UsageError(f"{folder} already holds weights ({', '.join(held)}): choose another folder, or remove them.")
    model, record = encoder_alone(*load_pretrained(checkpoint))
    record = record.changed(notes={**record.notes, **_probe(locate(checkpoint))})
    save_weights(folder, model, record, precision=precision)
    return folder


def _probe(folder: Path) -> dict[str, Any]:
    """What the run in a folder found about its weights; nothing where it measured nothing, or there is no run."""
    try:
        found = RunRecord.load(folder)
    except CheckpointError:
        return {}
    if found.kind != "pretrain" or "accuracy" not in found.scores:
        return {}
    before = {} if found.twin is None else {PROBES["twin"]: found.twin.accuracy}
    return {PROBES["accuracy"]: found.accuracy, **before, PROBES["data"]: found.data}
