"""What a process finds in its environment about those that were started with it."""

import os

import pytest

from i2pmae.common.errors import UsageError
from i2pmae.common.ranks import ALONE, Place
from i2pmae.common.started import started

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
SRUN = {
    "SLURM_JOB_ID": "4012345",
    "SLURM_STEP_ID": "3",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_STEP_NODELIST": "n[08-09]",
    "SLURM_JOB_NODELIST": "n[07-09,12],gpu1",
    "SLURM_NODELIST": "n[07-09,12],gpu1",
}
"""Of a step of four tasks on two of the job's nodes, the last."""
BATCH = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODELIST": "n1"}
"""Of a batch script, which may start eight tasks, and is none of them."""


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Sets variables; what those of another test left is gone, and what is set for torch.distributed goes again."""
    for name in [*os.environ, *TORCHRUN, "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT"]:
        if name.startswith(("SLURM_", "MASTER_", "TORCHELASTIC_")) or name in (*TORCHRUN, "GROUP_RANK"):
            monkeypatch.setenv(name, "")  # what is set from now on is undone
            monkeypatch.delenv(name)

    def given(values):
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return given


def test_the_place_of_a_process_is_what_torchrun_says(environment):
    assert started() == ALONE
    environment(TORCHRUN)
    assert started() == Place(3, 4, 1, 2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"LOCAL_RANK": "one"}, "other variables of torchrun.*cannot be used"),
        ({"WORLD_SIZE": "some"}, "WORLD_SIZE is some"),
        ({"RANK": "4"}, "as many processes as the others"),
        ({"LOCAL_WORLD_SIZE": "3"}, "as many processes as the others"),
    ],
)
def test_places_that_cannot_be_are_refused(environment, changes, said):
    environment(TORCHRUN | changes)
    with pytest.raises(UsageError, match=said):
        started()


def test_the_place_of_a_process_is_what_srun_says(environment):
    environment(SRUN)
    assert started() == started() == Place(3, 4, 1, 2)
    assert os.environ["MASTER_ADDR"] == "n08" and 1024 < int(os.environ["MASTER_PORT"]) < 32768


def test_what_a_script_took_from_slurm_is_completed(environment):
    environment(SRUN | {"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "n08"})
    assert started() == Place(3, 4, 1, 2)


def test_where_tasks_meet_can_be_said_and_steps_of_a_job_do_not_meet(environment):
    environment(SRUN | {"MASTER_ADDR": "here", "MASTER_PORT": "12"})
    started()
    assert (os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]) == ("here", "12")
    ports = set()
    for step in ("0", "1"):
        environment({"SLURM_STEP_ID": step, "MASTER_PORT": "", "RANK": ""})
        started()
        ports.add(os.environ["MASTER_PORT"])
    assert len(ports) == 2


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("n[07-09,12],gpu1", "n07"),
        ("n[7,9]", "n7"),
        ("a-1,b-2", "a-1"),
        ("rack[0-1]node[3-4].site", "rack0node3.site"),
    ],
)
def test_tasks_meet_on_the_first_node(environment, nodes, first):
    environment(SRUN | {"SLURM_STEP_NODELIST": "", "SLURM_JOB_NODELIST": nodes})
    started()
    assert os.environ["MASTER_ADDR"] == first


def test_tasks_of_one_node_meet_there(environment):
    environment(SRUN | {"SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_TASKS_PER_NODE": "4", "SLURM_LOCALID": "3"})
    assert started() == Place(3, 4, 3, 4)
    assert os.environ["MASTER_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize(
    "values",
    [
        BATCH,
        BATCH | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_ID": "4294967290"},  # the shell that salloc starts on a node
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8"},  # that on the machine where it was called
        SRUN | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"},
    ],
)
def test_one_task_is_alone_however_many_its_job_may_have(environment, values):
    environment(values)
    assert started() == ALONE and "RANK" not in os.environ


def test_what_torchrun_starts_in_each_task_has_its_own_place(environment):
    environment(SRUN | TORCHRUN | {"RANK": "9", "WORLD_SIZE": "32", "TORCHELASTIC_RUN_ID": "x"})
    assert started() == Place(9, 32, 1, 2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"SLURM_PROCID": "4"}, "cannot be together: SLURM_PROCID=4, SLURM_LOCALID=1, SLURM_STEP_NUM_TASKS=4"),
        ({"SLURM_LOCALID": "2"}, "cannot be together: SLURM_PROCID=3, SLURM_LOCALID=2"),
        ({"SLURM_LOCALID": "x"}, "cannot be together: SLURM_LOCALID=x"),
        ({"SLURM_STEP_NUM_TASKS": ""}, "cannot be together: SLURM_PROCID=3, SLURM_STEP_NUM_TASKS="),
        ({"SLURM_STEP_NUM_TASKS": "5"}, "5 tasks on 2 nodes.*start as many on each .--ntasks-per-node"),
        ({"SLURM_STEP_TASKS_PER_NODE": "3,1"}, r"4 tasks on 2 nodes \(3,1 of them\): start as many on each"),
        ({"SLURM_STEP_NODELIST": "n7"}, "a step on 2 nodes, and that they are 'n7': expected as many names"),
        ({"SLURM_STEP_NODELIST": "n[7-"}, r"they are 'n\[7-'"),
        ({"RANK": "0", "WORLD_SIZE": "1"}, "RANK=0 and WORLD_SIZE=1, and srun that this is task 3 of 4: unset"),
    ],
)
def test_variables_of_slurm_that_contradict_each_other(environment, changes, said):
    environment(SRUN | changes)
    with pytest.raises(UsageError, match=said):
        started()
