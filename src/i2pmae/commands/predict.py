"""``predict``: classes of clouds, or parts of their points, by a fine-tuned model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from i2pmae.commands.pseudo_labels import check_manifest, labelled_rows, pseudo_labels, summary
from i2pmae.commands.reading import Reading, open_data
from i2pmae.commands.use import load_predictor
from i2pmae.common import ranks
from i2pmae.common.errors import UsageError
from i2pmae.common.progress import say
from i2pmae.data.clouds import CloudSet
from i2pmae.data.config import DataConfig
from i2pmae.data.sources.named import files_axis
from i2pmae.evaluation.written import check_table, write_table
from i2pmae.training.processes import joined
from i2pmae.weights.applied import Predictor

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["predict"]


def predict(
    checkpoint: str | Path | Predictor,
    data: str | Path | CloudSet,
    *,
    output: str | Path | None = None,
    top: int | None = None,
    category: str | None = None,
    ply: str | Path | None = None,
    as_manifest: str | Path | None = None,
    confidence: float = 0.9,
    labelled: str | Path | None = None,
    batch_size: int = 32,
    device: str = "auto",
    shown: bool = True,
    **reading: Unpack[Reading],
) -> "pa.Table":
    """One row per cloud, as an Arrow table, which is also written where a file is named.

    A classifier gives ``id``, ``label``, ``probability`` and ``p_CLASS`` for every class, or with ``top`` so many of
    the most probable ones; a segmenter ``id``, mean ``probability`` and ``n_PART`` points of every part.

    >>> i2pmae.predict("runs/finetune", "new/").to_pylist()

    Args:
        checkpoint: a run folder, weights folder or name of a classifier or segmenter, or one that was loaded.
        data: folder, file, data set, or clouds that were opened.
        output: a .csv, .parquet or .json file to write the table to.
        top: of a classifier, the so many most probable classes.
        category: of a segmenter that was trained with categories, what the clouds show.
        ply: of a segmenter, a new or empty folder for a coloured .ply file of each cloud.
        as_manifest: of a classifier, a .csv or .parquet file for the clouds whose class is confident, by their files:
            data for another round of ``finetune``.
        confidence: the least probability of a class that is taken for one.
        labelled: a folder of classes or a manifest whose clouds stand in the manifest too, in the splits that they
            have or that ``finetune`` would draw; predicted ones are for training alone then.
        batch_size: clouds at a time.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        shown: whether progress is shown.
        reading: see :class:`~i2pmae.commands.reading.Reading`.

    Raises:
        UsageError: for an option that the model has no use for, and where no prediction is confident.
        CheckpointError, DataError: for what cannot be read.
    """
    if output is not None:
        check_table(Path(output))
    with joined(device):
        predictor = checkpoint if isinstance(checkpoint, Predictor) else load_predictor(checkpoint, device)
        options: dict[str, Any] = {"top": top, "category": category, "ply": None if ply is None else Path(ply)}
        given = {name: value for name, value in options.items() if value is not None}
        _check(checkpoint, predictor, given)
        manifest, known = None if as_manifest is None else Path(as_manifest), []
        if manifest is not None:
            check_manifest(manifest, predictor, data, confidence, labelled)
        elif labelled is not None:
            raise UsageError("Labelled clouds go into a manifest: name its file by --as-manifest.")
        if labelled is not None:
            known = labelled_rows(labelled, _as_read(predictor, labelled, reading), shown)
        clouds = open_data(data, predictor.points, predictor.record, reading, shown)
        table = predictor.table(clouds, batch_size=batch_size, shown=shown, **given)

        def written() -> None:
            if output is not None:
                write_table(table, Path(output))
            if manifest is not None:
                assert not isinstance(data, CloudSet)  # which was refused
                found = pseudo_labels(table, clouds, data, confidence, known, manifest)
                write_table(found, manifest)
                if shown:
                    say(f"{manifest}: {summary(found, len(clouds))}")

        ranks.on_main(written)
    return table


def _check(checkpoint: str | Path | Predictor, predictor: Predictor, given: dict[str, Any]) -> None:
    """:class:`UsageError` for options that the model has no use for, or that don't fit it."""
    strange = [name for name in given if name not in predictor.options]
    if strange:
        them = "it" if len(strange) == 1 else "them"
        listed = " and ".join(f"--{name}" for name in strange)
        holds = predictor.record.kind.holds
        raise UsageError(f"{checkpoint} holds {holds}, which has no use for {listed}: leave {them} out.")
    predictor.check(**given)


def _as_read(predictor: Predictor, labelled: str | Path, reading: Reading) -> DataConfig:
    """How labelled clouds are read: as those that are predicted, with the classes of folders."""
    up, _ = files_axis(labelled, reading.get("up"), predictor.record.files_up)
    kept = {name: reading[name] for name in ("workers", "cache", "max_bad_share") if name in reading}
    points = reading.get("points") or predictor.points
    return DataConfig(source=str(labelled), points=points, up=up, labels="folder", **kept)
