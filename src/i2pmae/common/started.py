"""How this process was started as one of several: by torchrun or ``--devices``, or by srun in a job of SLURM.

Both say it in the environment. Nothing here imports PyTorch, and nothing needs the other processes.
"""

import os
import re

from i2pmae.common.errors import UsageError
from i2pmae.common.ranks import ALONE, Place

__all__ = ["heed_slurm", "started"]

FIRST_PORT, PORTS = 20_000, 12_000
"""Ports at which the tasks of a step meet: below those that systems give to whoever asks."""


def started() -> Place:
    """The place that torchrun (or ``--devices``) or srun gave to this process; :data:`ALONE` where neither did.

    :class:`UsageError` for places that cannot be.
    """
    heed_slurm()
    given = os.environ
    if "RANK" not in given or given.get("WORLD_SIZE", "") in ("", "1"):
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
    if not (0 <= place.rank < world and 0 <= place.local_rank < local) or world % local:
        raise UsageError(f"Started as {place}: every machine must have as many processes as the others.")
    return place


def heed_slurm() -> None:
    """Put what srun says of this task, where it is one of several, to where torchrun would have said it.

    A shell or script of salloc or sbatch is no step of several tasks, however many the job may start, and neither is
    what torchrun started within a step. :class:`UsageError` for what cannot be together.
    """
    given = os.environ
    if "SLURM_PROCID" not in given or "TORCHELASTIC_RUN_ID" in given:
        return
    if not given.get("SLURM_STEP_NUM_TASKS"):
        if given["SLURM_PROCID"] not in ("", "0") and "RANK" not in given:
            raise _contradiction("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")
        return
    world = _number("SLURM_STEP_NUM_TASKS")
    if world == 1:
        return
    rank, local_rank = _number("SLURM_PROCID"), _number("SLURM_LOCALID")
    machines = _number("SLURM_STEP_NUM_NODES", "1")
    each = given.get("SLURM_STEP_TASKS_PER_NODE", "")  # 4(x2), or 3,1
    if world % max(1, machines) or "," in each:
        spread = f" ({each} of them)" if each else ""
        raise UsageError(
            f"srun started {world} tasks on {machines} nodes{spread}: start as many on each (--ntasks-per-node)."
        )
    local = world // max(1, machines)
    if rank >= world or local_rank >= local:
        raise _contradiction("SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES")
    told = {name: given.get(name) or is_so for name, is_so in (("RANK", f"{rank}"), ("WORLD_SIZE", f"{world}"))}
    if told != {"RANK": f"{rank}", "WORLD_SIZE": f"{world}"}:
        raise UsageError(
            f"The environment says RANK={told['RANK']} and WORLD_SIZE={told['WORLD_SIZE']}, and srun that this is task "
            f"{rank} of {world}: unset RANK and WORLD_SIZE, or start one task."
        )
    given.update(told)
    given.update(LOCAL_RANK=f"{local_rank}", LOCAL_WORLD_SIZE=f"{local}", GROUP_RANK=given.get("SLURM_NODEID", "0"))
    if not given.get("MASTER_ADDR"):
        given["MASTER_ADDR"] = "127.0.0.1" if machines == 1 else _first_node(machines)
    if not given.get("MASTER_PORT"):
        job, step = _number("SLURM_JOB_ID", "0"), _number("SLURM_STEP_ID", "0")
        given["MASTER_PORT"] = str(FIRST_PORT + (10 * job + step) % PORTS)


def _first_node(machines: int) -> str:
    """The name of the node where the first task runs: ``n07`` of ``n[07-09,12],gpu1``."""
    names = ("SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST")
    nodes = next((os.environ[name] for name in names if os.environ.get(name)), "")
    first = re.sub(r"\[([^][,-]+)[^][]*\]", r"\1", nodes).split(",")[0].strip()
    if first == nodes or not re.fullmatch(r"[\w.-]+", first):
        raise UsageError(
            f"srun says that this is a step on {machines} nodes, and that they are {nodes!r}: expected as many names. "
            "Say in MASTER_ADDR on which node the first task runs."
        )
    return first


def _number(name: str, absent: str = "") -> int:
    text = os.environ.get(name, absent)
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise _contradiction(name)
    return int(text)


def _contradiction(*names: str) -> UsageError:
    said = ", ".join(f"{name}={os.environ[name]}" if name in os.environ else f"no {name}" for name in names)
    return UsageError(f"SLURM's variables cannot be together: {said}. Start the tasks by srun, and set none of them.")
