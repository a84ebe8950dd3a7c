"""Several processes as one run: how they were started, how they find one another, and how they end together."""

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
from i2pmae.training.peers import Peers

__all__ = ["count_devices", "joined", "started"]

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


def started() -> Place:
    """The place that torchrun (or ``--devices``) or srun gave to this process; :data:`ALONE` where neither did.

    :class:`UsageError` for places that cannot be.
    """
    given = os.environ
    if "SLURM_PROCID" in given and int(given.get("SLURM_STEP_NUM_TASKS", "1")) > 1 and "RANK" not in given:
        _translate_slurm()
    if int(given.get("WORLD_SIZE", "1") or 1) == 1 or "RANK" not in given:
        return ALONE
    try:
        world = int(given["WORLD_SIZE"])
        local = int(given.get("LOCAL_WORLD_SIZE", world))
        place = Place(int(given["RANK"]), world, int(given["LOCAL_RANK"]), local)
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"WORLD_SIZE is {given['WORLD_SIZE']}, but the other variables of torchrun (RANK, LOCAL_RANK) cannot be "
            f"used: {error}. Start the run by torchrun, by srun or with --devices."
        ) from None
    if not 0 <= place.rank < world or place.local_rank >= local or world % local:
        raise UsageError(f"Started as {place}: every machine must have as many processes as the others.")
    return place


def _translate_slurm() -> None:
    """Put what srun says of this process where torchrun would have said it."""
    from lightning_fabric.plugins.environments import SLURMEnvironment

    given = os.environ
    given.setdefault("SLURM_NTASKS_PER_NODE", given["SLURM_STEP_NUM_TASKS"])  # which Fabric wants to be said
    slurm = SLURMEnvironment(auto_requeue=False)
    world, machines = int(given["SLURM_STEP_NUM_TASKS"]), int(given.get("SLURM_STEP_NUM_NODES", "1"))
    if world % machines:
        raise UsageError(f"{world} tasks on {machines} nodes: start as many on each (srun --ntasks-per-node).")
    said = {
        "RANK": given["SLURM_PROCID"],
        "WORLD_SIZE": world,
        "LOCAL_RANK": given["SLURM_LOCALID"],
        "LOCAL_WORLD_SIZE": world // machines,
        "GROUP_RANK": given.get("SLURM_NODEID", "0"),
        "MASTER_ADDR": slurm.main_address,
        "MASTER_PORT": slurm.main_port,
    }
    given.update({name: str(value) for name, value in said.items()})


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
