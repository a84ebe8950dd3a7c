"""Several processes as one run: how they find one another, and how they end together."""

import contextlib
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

import torch

from i2pmae.common import ranks
from i2pmae.common.devices import resolve_device
from i2pmae.common.errors import I2PError, ToldElsewhere, TrainingInterrupted, UsageError
from i2pmae.common.ranks import ALONE, Place, placed
from i2pmae.common.started import started
from i2pmae.training.peers import Peers

__all__ = ["count_devices", "joined"]

MEETING = timedelta(minutes=10)
"""How long processes wait for one another at the start."""
WORKING = timedelta(days=30)
"""How long one may wait for another afterwards: as long as that one lives, which is watched."""
_met = 0
"""How often processes have met: a script may do several runs, one after the other."""
_store: Any = None
"""Where they meet."""


@contextlib.contextmanager
def joined(device: str = "auto", devices: int | Literal["auto"] = 1) -> Iterator[None]:
    """A block in which the processes that torchrun, srun or ``--devices`` started together are one run.

    All must come here, and leave together. An error ends all of them: the main process alone raises it, the others
    raise :class:`ToldElsewhere`. Where a process dies, the others raise within seconds, wherever they are, an
    :class:`I2PError` that says so.

    :class:`UsageError` for several ``devices`` in a process that was started alone. Within such a block, and where this
    is the only process, nothing is done.
    """
    where = started()
    if ranks.world() > 1 or where == ALONE:
        if where == ALONE and (wanted := count_devices(devices, device)) > 1:
            raise UsageError(
                f"devices {devices} means {wanted} processes, and this is the only one: start the program by `torchrun "
                f"--nproc-per-node {wanted}`, or use the command line with --devices."
            )
        yield
        return
    with placed(where), _connected(where, device) as peers:
        try:
            yield
            ranks.barrier()  # the others wait for what the main process writes at the end
        except ToldElsewhere:
            raise
        except Exception as error:
            ended = _ended(error, peers, where)
            if ended is error:
                raise
            raise ended from error


def count_devices(devices: int | Literal["auto"], device: str) -> int:
    """How many processes ``--devices`` means on this machine: for ``auto``, one for each GPU, or one on a CPU."""
    if devices != "auto":
        return devices
    return max(1, torch.cuda.device_count()) if resolve_device(device).type == "cuda" else 1


@contextlib.contextmanager
def _connected(where: Place, device: str) -> Iterator[Peers]:
    """A block in which torch.distributed connects the processes: by gloo on CPUs, and by NCCL between GPUs."""
    import torch.distributed as dist

    chosen = resolve_device(device)
    backend = "gloo"
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
        backend = "cpu:gloo,cuda:nccl"
    global _met, _store
    try:
        if _store is None:
            _store, _, _ = next(dist.rendezvous("env://", where.rank, where.world, timeout=MEETING))
        _met += 1
        store = dist.PrefixStore(f"run {_met}", _store)
        dist.init_process_group(backend, store=store, rank=where.rank, world_size=where.world, timeout=WORKING)
        peers = Peers(store, where)
    except (RuntimeError, ValueError, OSError) as error:
        raise I2PError(
            f"The {where.world} processes of the run did not find one another at "
            f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')} within {MEETING.seconds // 60} minutes: "
            f"{str(error).splitlines()[0][:200]}"
        ) from error
    whole = False
    try:
        yield peers
        whole = True
    finally:
        peers.close(finished=whole)
        if whole:  # else its connections may hang: they end with the process
            dist.destroy_process_group()


def _ended(error: Exception, peers: Peers, where: Place) -> Exception:
    """The error with which this process ends: its own, or that of another that died."""
    own = isinstance(error, (I2PError, MemoryError))
    lost = None if own else peers.lost(wait=True)
    if lost is not None:
        return I2PError(lost.message) if lost.speaks else ToldElsewhere(lost.message)
    if where.rank == 0:
        return error
    peers.tell(str(error) if isinstance(error, I2PError) else f"internal error: {type(error).__name__}: {error}")
    told = ToldElsewhere(str(error))
    told.status = 75 if isinstance(error, TrainingInterrupted) and error.again else 1
    return told
