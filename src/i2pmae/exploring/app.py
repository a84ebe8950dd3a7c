"""The page over HTTP, and what it asks for: shapes by number alone, never a path."""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeVar

import anyio
import anyio.to_thread
import numpy as np
from fastapi import Body, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse

from i2pmae.common.errors import DataError, UsageError
from i2pmae.exploring.dropped import read_dropped
from i2pmae.exploring.guard import LocalOnly
from i2pmae.exploring.looks import Looks
from i2pmae.exploring.page import about, explore_page, packed_alike, packed_look, packed_shape
from i2pmae.exploring.shapes import Shapes
from i2pmae.serving.refused import Refused, limited_body, refusal

__all__ = ["ServedLimits", "make_app"]

T = TypeVar("T")
MOST_FOUND = 60
"""Results of a search."""
Number = Annotated[int, Path(ge=0, le=2**31)]
Top = Annotated[int, Query(ge=1, le=MOST_FOUND)]


class ServedLimits(NamedTuple):
    """How much a file that is dropped may hold, and how long it may take to arrive."""

    body: int = 100_000_000
    seconds: float = 120.0


def make_app(shapes: Shapes, looks: Looks, *, up: str, limits: ServedLimits | None = None) -> FastAPI:
    """The application: the page, and what its script asks for; ``up`` is the axis of the files that are dropped."""
    bounds = limits or ServedLimits()
    app = FastAPI(title="i2pmae explore", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(LocalOnly)
    app.add_exception_handler(Refused, refusal)
    app.add_exception_handler(RequestValidationError, _unreadable)
    one_at_a_time = anyio.CapacityLimiter(1)

    async def computed(function: Callable[[], T]) -> T:
        try:
            return await anyio.to_thread.run_sync(function, limiter=one_at_a_time)
        except (UsageError, DataError) as error:
            raise Refused(422, str(error)) from None

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse(explore_page(shapes.index.record.data))

    @app.get("/api/set")
    async def all_of_them() -> dict[str, Any]:
        return await computed(lambda: about(shapes, looks.kinds))

    @app.get("/api/shape/{number}")
    async def shape(number: Number) -> dict[str, Any]:
        return await computed(lambda: packed_shape(shapes, number))

    @app.get("/api/look/{number}/{kind}")
    async def look(number: Number, kind: str) -> dict[str, Any]:
        return await computed(lambda: packed_look(shapes, looks, number, kind))

    @app.get("/api/like/{number}")
    async def like(number: Number, top: Top = 12) -> dict[str, Any]:
        return await computed(lambda: packed_alike(shapes.like(number, top)))

    @app.post("/api/part/{number}")
    async def part(
        number: Number, places: Annotated[list[list[float]], Body(embed=True, max_length=64)], top: Top = 12
    ) -> dict[str, Any]:
        if any(len(place) != 3 for place in places):
            raise Refused(422, "A place has three coordinates.")
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as that
            chosen = np.array(places, dtype=np.float32).reshape(-1, 3)
        return await computed(lambda: packed_alike(shapes.like_part(number, chosen, top)))

    @app.post("/api/drop")
    async def drop(request: Request, name: Annotated[str, Query(max_length=1000)]) -> dict[str, Any]:
        body = await limited_body(request, bounds.body, bounds.seconds)

        def embedded() -> dict[str, Any]:
            called, points = read_dropped(name, body, shapes.index.record.points, up)
            number, place = shapes.drop(called, points)
            return {"number": number, "name": called, "place": [float(value) for value in place]}

        return await computed(embedded)

    return app


async def _unreadable(_: Request, error: Exception) -> JSONResponse:
    """What does not even have the form of a request, in one line."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"detail": f"{where[:100]}: {first['msg'][:200]}"}, status_code=422)
