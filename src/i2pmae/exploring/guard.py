"""Who may ask: pages of this server alone, in a browser on this machine."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi.responses import JSONResponse

__all__ = ["LocalOnly"]

LOCAL = ("127.0.0.1", "localhost", "[::1]")
"""What a browser on this machine calls it. Any other name may be one that somebody made point here."""
HEADERS = (
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""What keeps other pages from showing or reading the answers."""
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class LocalOnly:
    """Refuses requests that another site's page made, or that were sent to another name than this machine's own."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 403 with why."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        why = _refused([(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]])
        if why:
            await JSONResponse({"detail": why}, status_code=403)(scope, receive, guarded)
        else:
            await self.app(scope, receive, guarded)


def _refused(headers: list[tuple[bytes, str]]) -> str:
    """Why a request with these headers gets no answer; empty where it does."""

    def values(name: bytes) -> list[str]:
        return [value for key, value in headers if key == name]

    hosts = values(b"host")
    if len(hosts) != 1 or _without_port(hosts[0]) not in LOCAL:
        return "Only this machine may ask, as 127.0.0.1 or localhost."
    if any(origin != f"http://{hosts[0]}" for origin in values(b"origin")):
        return "Only pages of this server may ask."
    asked_by_page = values(b"sec-fetch-mode") != ["navigate"]
    if asked_by_page and any(site in ("cross-site", "same-site") for site in values(b"sec-fetch-site")):
        return "Only pages of this server may ask."
    return ""


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
