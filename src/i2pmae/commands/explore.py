"""``explore``: shapes in a browser: their map, what is alike, what is like a part, and what an encoder sees."""

import contextlib
import tempfile
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

from i2pmae.commands.explaining import known_teacher, method_config, reopened
from i2pmae.commands.index import index as make
from i2pmae.commands.reading import Reading
from i2pmae.commands.use import encoder_of
from i2pmae.common.errors import UsageError
from i2pmae.common.files import write_text
from i2pmae.common.progress import say
from i2pmae.common.text import size_in_words
from i2pmae.data.clouds import CloudSet
from i2pmae.exploring.looks import Looks
from i2pmae.exploring.shapes import Shapes
from i2pmae.retrieval.index import Index
from i2pmae.retrieval.store import RECORD
from i2pmae.serving.listening import check_can_serve, check_port, listening
from i2pmae.teachers.base import Teacher
from i2pmae.teachers.lessons import PointTeacher
from i2pmae.weights.encoder import Encoder
from i2pmae.weights.named import locate

__all__ = ["explore"]

HOST = "127.0.0.1"
SAMPLE = 24
"""Shapes by whose features colours are chosen."""


def explore(
    data: str | Path | CloudSet | Index,
    checkpoint: str | Path | Encoder | None = None,
    *,
    output: str | Path | None = None,
    count: int = 2000,
    port: int = 8765,
    browser: bool = True,
    teacher: str | None = None,
    device: str = "auto",
    shown: bool = True,
    **reading: Unpack[Reading],
) -> Path | None:
    """Shows shapes in a browser until it is stopped, or writes one page that shows them; then its path comes back.

    A map of all shapes by their embeddings; one of them, and those that are most like it, turned together; the
    encoder's features as colours, and what there is of saliency, masks, reconstruction and parts. Points that are
    picked on a shape ask which shapes have a part like it. Files that are dropped on the page are embedded.

    >>> i2pmae.explore("scans.index")
    >>> i2pmae.explore("scans.index", output="scans.html")

    Args:
        data: an index (:func:`i2pmae.index`), its folder; or a folder, file, data set or clouds that were opened, which
            are embedded first.
        checkpoint: a run folder, a weights folder or a name, or an encoder that was loaded; where absent, that of the
            index, and the encoder in the package for what is no index. It must be the one that the index was made with.
        output: an .html file to write; the page is served where absent, which needs the extra ``serve``.
        count: most shapes in a file, evenly spread; a page that is served has all.
        port: to listen at, on this machine alone; 0 for any that is free.
        browser: whether the page is opened in a browser.
        teacher: the 2D model whose saliency is shown; where absent that of the checkpoint, if any.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        shown: whether progress and the address are shown.
        reading: see :class:`~i2pmae.commands.reading.Reading`; of an index, ``up`` alone, for files that are dropped.

    Raises:
        UsageError: for options that cannot be, a port that is in use, and an encoder that is not that of the index.
        CheckpointError, DataError, TeacherError: for what cannot be read or loaded.
    """
    _check(output, count, port)
    indexed = isinstance(data, Index) or (isinstance(data, str | Path) and (Path(data) / RECORD).is_file())
    if indexed and (extra := sorted(reading.keys() - {"up", "seed"})):
        raise UsageError(f"An index was read already: leave {', '.join(extra)} out.")
    with contextlib.ExitStack() as stack:
        # A port that is taken is said before anything is computed.
        place = None if output is not None else stack.enter_context(listening(HOST, port))
        found = _index(data, checkpoint, device, shown, reading) if not indexed else contextlib.nullcontext(data)
        opened = stack.enter_context(found)
        index = opened if isinstance(opened, Index) else Index(opened)  # type: ignore[arg-type]
        index.points(0)  # whether there are any
        encoder = encoder_of(index, checkpoint, device)
        if shown:
            say(f"Arranging {len(index)} shapes on the map.")
        shapes = Shapes(index, encoder)
        looks = _looks(shapes, checkpoint, teacher, device, shown)
        if output is not None:
            return _write(Path(output), shapes, looks, count, shown)
        _serve(place, shapes, looks, reading.get("up") or index.record.files_up, browser, shown)
    return None


def _check(output: str | Path | None, count: int, port: int) -> None:
    """Wrong calls that need no work to notice."""
    if output is None:
        check_port(port)
        check_can_serve(" Without it, --output PAGE.html writes the page to a file.")
    elif Path(output).suffix.lower() != ".html":
        raise UsageError(f"The page is written as .html, not {Path(output).suffix!r}: rename {output}.")
    if count < 2:
        raise UsageError(f"A page shows at least 2 shapes, not {count} (count).")


@contextlib.contextmanager
def _index(
    data: Any, checkpoint: str | Path | Encoder | None, device: str, shown: bool, reading: Any
) -> Iterator[Index]:
    """An index of what is none yet, which goes when the page does."""
    with tempfile.TemporaryDirectory(prefix="i2pmae-") as folder:
        if shown and not isinstance(data, CloudSet):
            say(f"To embed these shapes once: i2pmae index {data} --output INDEX, then i2pmae explore INDEX.")
        yield make(checkpoint, data, output=Path(folder) / "index", device=device, shown=shown, **reading)


def _looks(
    shapes: Shapes, checkpoint: str | Path | Encoder | None, teacher: str | None, device: str, shown: bool
) -> Looks:
    """What can be drawn: with the run that the encoder comes from, its teacher and, of a segmenter, its parts."""
    encoder, record = shapes.encoder, shapes.encoder.record
    named = shapes.index.record.encoder if checkpoint is None or isinstance(checkpoint, Encoder) else checkpoint
    looking, own = known_teacher(teacher, record, str(encoder.device), shown)
    config = method_config(locate(named) if named else Path(), record)
    task = None if config is None or not own else reopened(config, encoder.model, looking)
    applied = record.kind.applied
    segmenter = None if applied is None else applied(encoder.model, record, device)
    sees = looking is not None and not isinstance(looking, PointTeacher)
    seeing: Teacher | None = looking if sees else None  # type: ignore[assignment]
    return Looks(
        encoder,
        [shapes.points(row) for row in shapes.spread(SAMPLE)],
        task=task,
        teacher=seeing,
        segmenter=segmenter if hasattr(segmenter, "parts") else None,
    )


def _write(path: Path, shapes: Shapes, looks: Looks, count: int, shown: bool) -> Path:
    from i2pmae.exploring.kept import kept_data
    from i2pmae.exploring.page import explore_page

    write_text(path, explore_page(shapes.index.record.data, kept_data(shapes, looks, count, shown)))
    if shown:
        left = len(shapes) - min(count, len(shapes))
        less = f" It has {count} of {len(shapes)} shapes: a page that is served has all." if left else ""
        say(f"{path}: {size_in_words(path.stat().st_size)}.{less}")
    return path


def _serve(place: Any, shapes: Shapes, looks: Looks, up: str, browser: bool, shown: bool) -> None:
    import uvicorn

    from i2pmae.exploring.app import make_app

    address = f"http://{HOST}:{place.getsockname()[1]}"
    app = make_app(shapes, looks, up=up)
    if shown:
        say(f"Explore {len(shapes)} shapes at {address} (Ctrl-C stops; nobody but this machine can ask).")
    if browser:
        webbrowser.open(address)
    config = uvicorn.Config(app, log_level="warning", timeout_keep_alive=30, limit_concurrency=256)
    uvicorn.Server(config).run(sockets=[place])
