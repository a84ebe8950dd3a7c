"""What stands in for srun: ``python -m tests.srun TASKS COMMAND...`` starts so many tasks of a step on this machine.

Each finds in its environment what SLURM says to a task; the exit status is the largest of theirs, as srun's is.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence


def said(task: int, tasks: int) -> dict[str, str]:
    """What SLURM says to one task of a step that has all its tasks on one node; its job may have more tasks."""
    node, several = platform.node(), f"{tasks}"
    job = {"SLURM_JOB_ID": f"{os.getpid()}", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_NODELIST": node}
    step = {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": several, "SLURM_STEP_NUM_NODES": "1"}
    step |= {"SLURM_STEP_NODELIST": node, "SLURM_STEP_TASKS_PER_NODE": several, "SLURM_NTASKS": several}
    own = {"SLURM_PROCID": f"{task}", "SLURM_LOCALID": f"{task}", "SLURM_NODEID": "0", "SLURM_NODELIST": node}
    return job | step | own


def run(tasks: int, command: Sequence[str]) -> int:
    """The exit status of a step."""
    started = [subprocess.Popen(command, env=os.environ | said(task, tasks)) for task in range(tasks)]
    codes = [process.wait() for process in started]
    return max(128 - code if code < 0 else code for code in codes)


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), sys.argv[2:]))
