"""Latency and throughput of `i2pmae serve` for several clients at once, and its memory over time.

python benchmarks/serve.py [CHECKPOINT] [--clients 1 8 64] [--points 1024] [--seconds 20] [--threads 1]

The server is a process of its own on this machine, and so share it the clients, which send one cloud after the other as
.npy and wait for its embedding. Its memory is what the system says it holds, after each number of clients.
"""

import argparse
import http.client
import io
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

NUMPY = "application/x-npy"


def resident(process: int) -> float:
    """Megabytes that a process holds; NaN where the system does not say."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def client(port: int, body: bytes, until: float, taken: list[float], failed: list[int]) -> None:
    """Asks until it is time to stop; seconds of each answer, and the status of those that were none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while time.perf_counter() < until:
        begun = time.perf_counter()
        connection.request("POST", "/embed", body, {"Content-Type": NUMPY})
        answer = connection.getresponse()
        answer.read()
        (taken if answer.status == 200 else failed).append(
            time.perf_counter() - begun if answer.status == 200 else answer.status  # type: ignore[arg-type]
        )
    connection.close()


def load(port: int, clients: int, body: bytes, seconds: float) -> tuple[list[float], list[int], float]:
    """Seconds of each answer, failures, and how long it took altogether."""
    taken: list[float] = []
    failed: list[int] = []
    begun = time.perf_counter()
    threads = [
        threading.Thread(target=client, args=(port, body, begun + seconds, taken, failed)) for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken, failed, time.perf_counter() - begun


def started(checkpoint: str, threads: int) -> tuple["subprocess.Popen[str]", int, threading.Thread]:
    """The server, its port, and what reads what it says, so that it never waits for a reader."""
    command = [sys.executable, "-m", "i2pmae", "serve", checkpoint, "--port", "0", "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "COLUMNS": "1000"}
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert server.stderr is not None
    for line in server.stderr:
        found = re.search(r"at http://[^:]+:(\d+)", line)
        if found:
            reader = threading.Thread(target=server.stderr.read, daemon=True)
            reader.start()
            return server, int(found[1]), reader
    raise SystemExit(f"the server did not start: status {server.wait()}")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", nargs="?", default="tiny")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--points", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--threads", type=int, default=1)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    file = io.BytesIO()
    np.save(file, np.random.default_rng(0).normal(size=(options.points, 3)).astype(np.float32))
    server, port, reader = started(options.checkpoint, options.threads)
    try:
        load(port, 1, file.getvalue(), min(2.0, options.seconds))  # what is compiled at first use is not measured
        print("| clients | clouds a second | median, ms | 95 %, ms | refused | server, MB |")
        print("|---|---|---|---|---|---|")
        for clients in options.clients:
            taken, failed, seconds = load(port, clients, file.getvalue(), options.seconds)
            middle, late = 1e3 * np.percentile(taken, [50, 95]) if taken else (float("nan"),) * 2
            cells = (f"{len(taken) / seconds:.1f}", f"{middle:.0f}", f"{late:.0f}", f"{len(failed)}")
            print(f"| {clients} | " + " | ".join(cells) + f" | {resident(server.pid):.0f} |", flush=True)
    finally:
        server.terminate()
        server.wait()
        reader.join()
        assert server.stderr is not None
        server.stderr.close()


if __name__ == "__main__":
    main()
