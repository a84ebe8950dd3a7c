"""Which processes of a run are still there: by connections, which the operating system closes at their death."""

import contextlib
import os
import secrets
import selectors
import socket
import sys
import threading
from dataclasses import dataclass
from typing import Any

from i2pmae.common.ranks import Place

__all__ = ["Lost", "Peers"]

NOTICED = 5.0
"""Seconds within which the connections of torch.distributed mostly notice a death themselves. NCCL's do not: then the
process is ended from here."""
KEY = "i2pmae/peers"
DONE, FAILED = b"done", b"failed"
LONGEST = 4000
"""Bytes of a message."""


@dataclass(frozen=True)
class Lost:
    """A process that ended before the run did."""

    message: str
    """What to say of it."""
    speaks: bool
    """Whether it is this process that says it."""


class Peers:
    """Connections from the process of rank 0 to all others.

    Whoever ends in an orderly way says so first: that it is done, or that it failed and by which error. A connection
    that closes without a word is a death. Of another's death or error rank 0 tells the user, of that of rank 0 the
    first of the others; where a process does not come back from what it waits for, it is ended.
    """

    def __init__(self, store: Any, where: Place) -> None:
        """Connect; ``store`` is that of torch.distributed."""
        self.where = where
        self._lost: Lost | None = None
        self._noticed, self._closed = threading.Event(), threading.Event()
        self._told = b""
        address = os.environ.get("MASTER_ADDR", "127.0.0.1")
        if where.rank == 0:
            self._links = _accept(store, "" if where.world > where.local_world else "127.0.0.1", where.world)
        else:
            port, token = store.get(KEY).decode().split()
            near = "127.0.0.1" if where.world == where.local_world else address
            link = socket.create_connection((near, int(port)), timeout=60)
            link.sendall(f"{where.rank} {token}\n".encode())
            self._links = {0: link}
        self._thread = threading.Thread(target=self._watch, name="peers", daemon=True)
        self._thread.start()

    def lost(self, wait: bool = False) -> Lost | None:
        """Which process was lost, if any; with ``wait``, after a while in which that may show."""
        if wait:
            self._noticed.wait(NOTICED)
        return self._lost

    def tell(self, message: str) -> None:
        """Let rank 0 say by which error this process ends."""
        self._told = message.encode()[:LONGEST]

    def close(self, finished: bool) -> None:
        """Say goodbye: this process is done, or ends by an error."""
        self._closed.set()
        word = DONE if finished else FAILED + b" " + self._told
        for link in self._links.values():
            with contextlib.suppress(OSError):
                link.sendall(word)
                link.shutdown(socket.SHUT_WR)
        if not finished:
            return
        self._thread.join(NOTICED)
        for link in self._links.values():
            link.close()

    def _watch(self) -> None:
        """Read what the others say until all have gone; note the first that was lost."""
        with selectors.DefaultSelector() as waiting:
            said = dict.fromkeys(self._links, b"")
            for number, link in self._links.items():
                link.setblocking(True)
                waiting.register(link, selectors.EVENT_READ, number)
            while waiting.get_map():
                for key, _ in waiting.select():
                    try:
                        word = self._links[key.data].recv(LONGEST)
                    except OSError:
                        word = b""
                    said[key.data] += word
                    if not word:
                        waiting.unregister(key.fileobj)
                        if said[key.data] != DONE:
                            self._note(key.data, said[key.data])

    def _note(self, number: int, said: bytes) -> None:
        if self._lost is not None:
            return
        which = f"Process {number + 1} of {self.where.world} of this run"
        if said.startswith(FAILED):
            why = said[len(FAILED) + 1 :].decode("utf-8", "replace")
            message = f"{which} failed{': ' + why if why else ''}"
            speaks = self.where.rank == 0
        else:
            message = (
                f"{which} died without a word: it was killed, or its machine ran out of memory. The others stopped. "
                "Run the same command with --resume to go on from the last checkpoint, also with another number of "
                "processes."
            )
            speaks = self.where.rank == (0 if number else 1)
        self._lost = Lost(message, speaks)
        self._noticed.set()
        if not self._closed.wait(2 * NOTICED):
            if speaks:
                sys.stderr.write(f"error: {message}\n")
                sys.stderr.flush()
            os._exit(1)


def _accept(store: Any, host: str, world: int) -> dict[int, socket.socket]:
    """The connections of all others, by their rank; those that do not know the word that is in the store are none."""
    token = secrets.token_hex(16)
    with socket.create_server((host, 0), backlog=world) as server:
        server.settimeout(600)
        store.set(KEY, f"{server.getsockname()[1]} {token}")
        found: dict[int, socket.socket] = {}
        while len(found) < world - 1:
            link, _ = server.accept()
            link.settimeout(60)
            with link.makefile("rb", buffering=0) as reader:
                number, _, given = reader.readline(200).decode("ascii", "replace").strip().partition(" ")
            if given == token and number.isdigit() and 0 < int(number) < world:
                found[int(number)] = link
            else:
                link.close()
    return found
