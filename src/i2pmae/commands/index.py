"""``index``: clouds embedded once, to be searched by shape, by part and for near duplicates."""

from pathlib import Path
from typing import Unpack

from i2pmae.commands.reading import Reading, given, open_data
from i2pmae.commands.use import encoder_for
from i2pmae.common.errors import UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.encoders.pooling import Pooling
from i2pmae.retrieval.index import Graphs, Index, make_index
from i2pmae.retrieval.store import check_new
from i2pmae.weights.encoder import Encoder
from i2pmae.weights.named import is_name, on_hub

__all__ = ["index"]


def index(
    checkpoint: str | Path | Encoder | None = None,
    data: str | Path | CloudSet | None = None,
    *,
    output: str | Path,
    regions: int = 32,
    radius: float = 0.25,
    graph: Graphs = "auto",
    batch_size: int = 32,
    device: str = "auto",
    pooling: Pooling | None = None,
    shown: bool = True,
    **reading: Unpack[Reading],
) -> Index:
    """The index of all clouds that ``data`` names, written to a folder, which :func:`i2pmae.search` searches.

    >>> i2pmae.index(data="scans/", output="scans.index")

    Args:
        checkpoint: a run folder, a weights folder or a name (:func:`i2pmae.list_models`), or an encoder that was
            loaded; the encoder in the package where absent.
        data: folder, file, data set, or clouds that were opened.
        output: a new or empty folder for the index.
        regions: places of each cloud that its parts are searched by; 0 for an index of whole shapes alone.
        radius: of a region, where a cloud lies in the unit sphere.
        graph: whether vectors are also kept in a graph, which finds them in less time and not always all:
            ``yes``, ``no``, or ``auto``, from 50 000 clouds on where usearch is installed.
        batch_size: clouds at a time.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        pooling: how tokens become a vector, as in :meth:`i2pmae.Encoder.embed`; as the weights say where absent.
        shown: whether progress is shown.
        reading: see :class:`~i2pmae.commands.reading.Reading`.

    Raises:
        UsageError: for options that cannot be. CheckpointError, DataError: for what cannot be read.
    """
    check_new(output)
    data = given(data)
    encoder, named = encoder_for(checkpoint, data, device, shown)
    encoder = encoder.read_out(pooling)
    clouds = open_data(data, encoder.points, encoder.record, reading, shown)
    return make_index(
        encoder,
        clouds,
        output,
        checkpoint=_lasting(named, checkpoint),
        count=regions,
        radius=radius,
        graph=graph,
        batch_size=batch_size,
        shown=shown,
    )


def _lasting(named: str, given: object) -> str:
    """What the checkpoint is found by from anywhere: its name, or its absolute path; empty for one that was loaded."""
    if not named or (isinstance(given, str | None) and (is_name(named) or on_hub(named))):
        return named
    path = Path(named).expanduser()
    if not path.exists():
        raise UsageError(f"{named} was here and is gone: it cannot be noted in the index.")
    return str(path.resolve())
