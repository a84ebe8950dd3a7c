"""Requests that are refused, in words, and bodies that are read within limits."""

import asyncio

from fastapi import Request
from fastapi.responses import JSONResponse

__all__ = ["Refused", "limited_body", "refusal"]


class Refused(Exception):
    """A request that gets no other answer than a status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


async def refusal(_: Request, error: Exception) -> JSONResponse:
    """The answer to a request that was refused."""
    assert isinstance(error, Refused)
    headers = {"Retry-After": "1"} if error.status == 503 else {}
    return JSONResponse({"detail": error.why}, status_code=error.status, headers=headers)


async def limited_body(request: Request, most: int, seconds: float) -> bytes:
    """The body of a request, of at most ``most`` bytes; :class:`Refused` for more, and one that takes too long.

    It has half of the ``seconds`` in which the request is to be answered.
    """
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > most:
        raise Refused(413, f"A body may have {most} bytes, not {said}.")
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds / 2):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise Refused(413, f"A body may have {most} bytes.")
                parts.append(part)
    except TimeoutError:
        raise Refused(408, f"The body did not come within {seconds / 2:g} seconds.") from None
    return b"".join(parts)
