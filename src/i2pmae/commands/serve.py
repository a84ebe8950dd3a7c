"""``serve``: a model over HTTP."""

from pathlib import Path

from i2pmae.commands.use import Encoder
from i2pmae.common.errors import UsageError
from i2pmae.common.progress import say
from i2pmae.serving.listening import check_can_serve, check_port, listening
from i2pmae.weights.named import DEFAULT, default_weights
from i2pmae.weights.store import load_model

__all__ = ["serve"]

QUEUES = 8
"""So many full batches may wait."""


def serve(
    checkpoint: str | Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    device: str = "auto",
    batch_size: int = 32,
    max_clouds: int = 64,
    max_points: int = 100_000,
    max_megabytes: float = 64,
    timeout: float = 60,
    shown: bool = True,
) -> None:
    """Answers HTTP requests until it is stopped: ``/embed``, and ``/classify`` or ``/segment`` by what the model is.

    Clouds come as JSON (``{"points": [[x, y, z], ...]}``, or a list of clouds) or as a .npy file. Requests that come
    while the model computes are computed together. ``/docs`` and ``/openapi.json`` describe the interface, ``/info``
    the model, ``/health`` says that it is there.

    >>> i2pmae.serve("runs/classifier", port=9000)

    Args:
        checkpoint: a run folder, a weights folder or a name; the encoder in the package where absent.
        host: address to listen at; by default only this machine can ask.
        port: to listen at; 0 for any that is free.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        batch_size: clouds that are computed together.
        max_clouds: of a request.
        max_points: of a cloud.
        max_megabytes: of a body.
        timeout: seconds until a request is answered, or given up.
        shown: whether the address is said.

    Raises:
        UsageError: for a port that is in use, limits that cannot be, and where the extra ``serve`` is not installed.
        CheckpointError: for weights that cannot be read.
    """
    check_can_serve()
    if min(batch_size, max_clouds, max_points) < 1 or min(max_megabytes, timeout) <= 0:
        raise UsageError("Batch size and limits are at least 1; megabytes and seconds are above 0.")
    check_port(port)
    named = default_weights() if checkpoint is None else checkpoint
    if named is None:
        raise UsageError(f"Say which checkpoint: the weights {DEFAULT!r} are not in this package.")
    import uvicorn

    from i2pmae.serving.app import make_app
    from i2pmae.serving.bodies import Limits

    model, record = load_model(named)
    encoder = Encoder(model, record, device)
    predictor = None if record.kind.applied is None else record.kind.applied(model, record, device)
    limits = Limits(int(max_megabytes * 1e6), max_clouds, max_points, timeout)
    waiting = max(QUEUES * batch_size, max_clouds)
    app = make_app(encoder, predictor, limits, batch=batch_size, waiting=waiting)
    with listening(host, port) as place:
        if shown:
            address = f"http://{host}:{place.getsockname()[1]}"
            say(f"Serving {predictor or encoder} at {address} (Ctrl-C stops; /docs explains).")
        config = uvicorn.Config(app, log_level="warning", timeout_keep_alive=30, limit_concurrency=1024)
        uvicorn.Server(config).run(sockets=[place])
