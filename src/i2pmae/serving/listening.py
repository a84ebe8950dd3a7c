"""A place at which a server listens, had before anything that takes time is done for it."""

import contextlib
import importlib.util
import socket

from i2pmae.common.errors import UsageError

__all__ = ["check_can_serve", "check_port", "listening"]

BACKLOG = 1024
"""Connections that may wait to be accepted."""
TRIED = 20
"""Ports after one that is in use among which a free one is looked for."""


def check_can_serve(otherwise: str = "") -> None:
    """:class:`UsageError` where what serving needs is not installed; ``otherwise`` says what can be done without."""
    absent = [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
    if absent:
        raise UsageError(f"Serving needs {' and '.join(absent)}: pip install 'i2pmae[serve]'.{otherwise}")


def check_port(port: int) -> None:
    """:class:`UsageError` for a number that is no port."""
    if not 0 <= port <= 65535:
        raise UsageError(f"A port is a number from 0 to 65535, not {port}.")


def listening(host: str, port: int) -> socket.socket:
    """A socket at an address, 0 for any free port; :class:`UsageError` where that cannot be had, with a free one."""
    try:
        return _bound(host, port)
    except OSError as error:
        free = _free(host, port)
        raise UsageError(
            f"Cannot listen at {host}:{port}: {error.strerror or error}. Is something running there? Choose another "
            f"port{f', such as {free}, which is free' if free else ''}, or 0 for any that is free."
        ) from None


def _bound(host: str, port: int) -> socket.socket:
    place = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((host, port))
        place.listen(BACKLOG)  # whoever asks as soon as the address is said waits until the server is up
    except OSError:
        place.close()
        raise
    return place


def _free(host: str, port: int) -> int | None:
    """The next port that is free."""
    for other in range(port + 1, min(port + 1 + TRIED, 65536)):
        with contextlib.suppress(OSError), _bound(host, other):
            return other
    return None
