"""``--devices``: the same command in several processes on this machine, watched until all have ended."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Literal

from i2pmae.common.ranks import ALONE
from i2pmae.common.started import started

__all__ = ["print_once", "run_together", "spread"]

GRACE = 30.0
"""Seconds that the others have to end by themselves when one process has failed; they say why."""
POLL = 0.1


def spread(devices: int | Literal["auto"], device: str, command: str, arguments: Sequence[str]) -> None:
    """Run the command in as many processes as ``devices`` says and end with their exit status; return where it is one.

    It also returns where this process is one of several already.
    """
    if devices == 1:
        return
    from i2pmae.training.processes import count_devices

    count = count_devices(devices, device)
    if count > 1 and started() == ALONE:
        raise SystemExit(run_together(count, [sys.executable, "-m", "i2pmae", command, *arguments]))


def print_once(text: str, end: str = "\n") -> None:
    """Print a result; of several processes of a run, which all have it, the first does."""
    if started().rank == 0:
        print(text, end=end)


def run_together(count: int, command: Sequence[str]) -> int:
    """The exit status of a command in ``count`` processes that find one another; that of the first of them, if it has
    failed, else of any that has.

    SIGTERM is passed on to all; Ctrl-C reaches them by itself.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    threads = max(1, (os.cpu_count() or 1) // count)
    environment = {"OMP_NUM_THREADS": str(threads), **os.environ, **{name: str(of) for name, of in shared.items()}}
    processes: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        for process in processes:
            process.send_signal(number)

    before = signal.signal(signal.SIGTERM, pass_on), signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for rank in range(count):
            place = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            # Ctrl-C is not ignored there: what is ignored stays so in a child.
            processes.append(subprocess.Popen(command, env=environment | place, preexec_fn=_as_usual))
        return _watched(processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])


def _as_usual() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _watched(processes: Sequence["subprocess.Popen[bytes]"]) -> int:
    failed: float | None = None
    while any(process.poll() is None for process in processes):
        if failed is None and any(process.returncode for process in processes):
            failed = time.monotonic()
        if failed is not None and time.monotonic() - failed > GRACE:
            break
        time.sleep(POLL)
    codes = [process.poll() for process in processes]
    if all(code is not None and code < 0 for code in codes):
        sys.stderr.write(f"error: All {len(codes)} processes were killed. Go on with --resume.\n")
    return next((code for code in codes if code is not None and code > 0), int(any(code != 0 for code in codes)))
