"""The HTTP interface of a model."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable, Sequence
from importlib.metadata import version
from typing import Any

import anyio.to_thread
import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from i2pmae.common.errors import UsageError
from i2pmae.serving.batching import Batcher, Busy
from i2pmae.serving.bodies import JSON, NUMPY, SCHEMA, Asked, Limits, TooLarge, read_body
from i2pmae.serving.refused import Refused, limited_body, refusal
from i2pmae.weights.applied import Predictor
from i2pmae.weights.encoder import Encoder

__all__ = ["make_app"]

ANSWERS = {
    400: "The body cannot be read.",
    408: "The body came too slowly.",
    413: "The body, or what it holds, is too large.",
    415: "The body is neither JSON nor a .npy file.",
    422: "The clouds cannot be used.",
    503: "Too many requests wait, or the answer took too long.",
}


def make_app(encoder: Encoder, predictor: Predictor | None, limits: Limits, *, batch: int, waiting: int) -> FastAPI:
    """The application: ``/embed``, ``/classify`` or ``/segment`` where there is a predictor, ``/info``, ``/health``.

    ``batch`` clouds are computed together; ``waiting`` may wait.
    """
    batcher = Batcher(lambda wanted, clouds: _compute(encoder, predictor, batch, wanted, clouds), batch, waiting)

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await batcher.stop()

    app = FastAPI(title="i2pmae", version=version("i2pmae"), description=repr(predictor or encoder), lifespan=life)
    app.add_exception_handler(Refused, refusal)
    for path, about in _endpoints(predictor).items():
        _add(app, path, about, encoder, predictor, limits, batcher)

    @app.get("/info", summary="What the model is")
    async def info() -> dict[str, Any]:
        names = {
            name: list(getattr(predictor, name))
            for name in ("classes", "parts", "categories")
            if hasattr(predictor, name)
        }
        return {**encoder.info, **names, "limits": limits._asdict()}

    @app.get("/health", summary="Whether the server answers")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "batches": batcher.batches, "clouds": batcher.clouds, "waiting": batcher.waiting}

    return app


def _endpoints(predictor: Predictor | None) -> dict[str, str]:
    found = {"/embed": "One vector per cloud"}
    if hasattr(predictor, "classes"):
        found["/classify"] = "Classes of clouds with their probabilities"
    if hasattr(predictor, "parts"):
        found["/segment"] = "Parts of points with their probabilities"
    return found


def _add(
    app: FastAPI,
    path: str,
    about: str,
    encoder: Encoder,
    predictor: Predictor | None,
    limits: Limits,
    batcher: Batcher,
) -> None:
    """An endpoint that computes something of clouds."""
    answers: dict[int | str, dict[str, Any]] = {status: {"description": why} for status, why in ANSWERS.items()}
    extra = {"requestBody": {"required": True, "content": SCHEMA}}

    @app.post(path, summary=about, responses=answers, openapi_extra=extra)
    async def endpoint(request: Request) -> JSONResponse:
        try:
            async with asyncio.timeout(limits.seconds):
                asked = await _asked(request, encoder, limits)
                wanted = _wanted(path, asked, predictor)
                found = await batcher.results(wanted, asked.clouds)
        except TimeoutError:
            raise Refused(503, f"No answer within {limits.seconds:g} seconds: try again, with less.") from None
        except Busy:
            raise Refused(503, "Too many clouds are waiting: try again soon.") from None
        content = await anyio.to_thread.run_sync(_answer, path, found, asked, predictor)
        return JSONResponse(content)


async def _asked(request: Request, encoder: Encoder, limits: Limits) -> Asked:
    """The request, read within its limits."""
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind not in (JSON, NUMPY):
        raise Refused(415, f"Send clouds as {JSON} or as {NUMPY}, not {kind[:80]!r}.")
    body = await limited_body(request, limits.body, limits.seconds)
    query = dict(request.query_params.items())
    least, files_up = encoder.min_points, encoder.record.files_up
    try:
        return await anyio.to_thread.run_sync(read_body, body, kind, query, limits, least, files_up)
    except TooLarge as error:
        raise Refused(413, str(error)) from None
    except UsageError as error:
        raise Refused(422, str(error)) from None


def _wanted(path: str, asked: Asked, predictor: Any) -> Hashable:
    """What is to be computed; requests that want the same are computed together."""
    if path != "/segment":
        if asked.category is not None:
            raise Refused(422, "A category is for a segmenter: leave it out.")
        return (path,)
    try:
        predictor.check_category(asked.category)
    except UsageError as error:
        raise Refused(422, str(error)) from None
    return (path, asked.category)


def _compute(
    encoder: Encoder, predictor: Any, batch: int, wanted: Any, clouds: list[np.ndarray]
) -> Sequence[np.ndarray]:
    """What is wanted of clouds that are y up and in the unit sphere."""
    options: dict[str, Any] = {"batch_size": batch, "normalise": False}
    if wanted[0] == "/embed":
        found: Sequence[np.ndarray] = encoder.embed(clouds, **options)
        return found
    options |= {"category": wanted[1]} if len(wanted) > 1 and wanted[1] is not None else {}
    probabilities: Sequence[np.ndarray] = predictor.predict(clouds, **options).probabilities
    return probabilities


def _answer(path: str, found: list[np.ndarray], asked: Asked, predictor: Any) -> dict[str, Any]:
    """What a client gets."""

    def own(values: list[Any]) -> Any:
        return values[0] if asked.single else values

    if path == "/embed":
        return {"embedding": own([np.asarray(row).tolist() for row in found])}
    rows = [np.asarray(row) for row in found]
    names = predictor.classes if path == "/classify" else predictor.parts
    if path == "/classify":
        return {
            "label": own([names[int(row.argmax())] for row in rows]),
            "probabilities": own([dict(zip(names, map(float, row), strict=True)) for row in rows]),
        }
    return {
        "part": own([row.argmax(-1).tolist() for row in rows]),
        "probability": own([row.max(-1).astype(float).round(6).tolist() for row in rows]),
        "parts": list(names),
    }
