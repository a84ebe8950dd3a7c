"""``probe``: how well a simple classifier tells classes apart by an encoder's frozen features."""

from functools import partial
from pathlib import Path
from typing import Literal, Unpack

from i2pmae.commands.reading import Reading, given, open_data, source_name
from i2pmae.commands.use import encoder_for
from i2pmae.common import ranks
from i2pmae.data.clouds import CloudSet
from i2pmae.data.sources.named import is_shapes
from i2pmae.encoders.pooling import Pooling
from i2pmae.evaluation.embed import check_output, embed_to_file
from i2pmae.evaluation.features import embed_set
from i2pmae.evaluation.probe import probe_encoder
from i2pmae.runs.record import RunRecord
from i2pmae.training.processes import joined
from i2pmae.weights.encoder import Encoder

__all__ = ["probe"]


def probe(
    checkpoint: str | Path | Encoder | None = None,
    data: str | Path | CloudSet | None = None,
    *,
    classifier: Literal["svm", "knn", "logistic"] = "svm",
    output: str | Path | None = None,
    features: str | Path | None = None,
    folds: int = 5,
    batch_size: int = 64,
    device: str = "auto",
    pooling: Pooling | None = None,
    copies: int = 1,
    shown: bool = True,
    **reading: Unpack[Reading],
) -> RunRecord:
    """The record of a classifier of frozen features: its score on test clouds, with everything that it means.

    C, or k, is chosen by cross-validation on the training clouds alone; the test clouds are scored once. They are those
    of the data's own split, else a quarter, held out by the seed.

    >>> i2pmae.probe("runs/pretrain", "folder_of_classes", labels="folder").accuracy

    Args:
        checkpoint: a run folder, a weights folder or a name (:func:`i2pmae.list_models`), or an encoder that was
            loaded; the encoder in the package where absent.
        data: labelled clouds; in a folder, sub-folders are classes unless ``labels="none"``.
        classifier: linear SVM, k nearest neighbours by cosine similarity, or logistic regression.
        output: a JSON file to write the record to; :func:`i2pmae.results` reads it.
        features: a .parquet or .npz file to write the features of all clouds to.
        folds: folds of the cross-validation.
        batch_size: clouds at a time.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        pooling: how tokens become a vector, as in :meth:`i2pmae.Encoder.embed`; as the weights say where absent.
        copies: of each cloud, whose vectors are averaged, as in :meth:`i2pmae.Encoder.embed`.
        shown: whether progress is shown.
        reading: see :class:`~i2pmae.commands.reading.Reading`; ``seed`` also decides folds and what is held out.

    Raises:
        DataError: for clouds without labels, or too few of a class; and the errors of reading and loading.
    """
    if features is not None:
        check_output(features)
    data, seed = given(data), reading.get("seed", 0)
    if "labels" not in reading and not isinstance(data, CloudSet):
        reading["labels"] = "none" if is_shapes(data) else "folder"
    with joined(device):
        encoder, where = encoder_for(checkpoint, data, device, shown)
        encoder = encoder.read_out(pooling)
        clouds = open_data(data, encoder.points, encoder.record, reading, shown)
        embeddings = None
        if features is not None:
            embeddings = embed_set(encoder, clouds, batch_size=batch_size, copies=copies, shown=shown)
            embed_to_file(encoder, clouds, features, embeddings=embeddings, shown=False)
        record = probe_encoder(
            encoder,
            clouds,
            classifier=classifier,
            seed=seed,
            folds=folds,
            batch_size=batch_size,
            copies=copies,
            embeddings=embeddings,
            shown=shown,
        )
        record = record.changed(data=source_name(data), encoder=where)
        if output is not None:
            ranks.on_main(partial(record.save, output))
        return record
