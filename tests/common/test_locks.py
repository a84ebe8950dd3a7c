import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from i2pmae.common.errors import I2PError, UsageError
from i2pmae.common.locks import lock

HOLD = """
import sys
from pathlib import Path
from i2pmae.common.locks import lock
with lock(Path(sys.argv[1]), blocking=False, what="the run"):
    if len(sys.argv) > 2:
        Path(sys.argv[1]).unlink()
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold():
    """Starts a process that holds a lock until its standard input is closed."""
    started = []

    def start(path: Path, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, str(path), *more]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        with process:  # closes its pipes
            pass


def test_one_process_at_a_time(tmp_path: Path, hold) -> None:
    path = tmp_path / "new" / ".lock"
    other = hold(path)
    with (
        pytest.raises(UsageError, match=rf"Process {other.pid} is working on the run\. Wait for it\.$"),
        lock(path, blocking=False, what="the run", advice="Wait for it."),
    ):
        pass
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    with lock(path, blocking=False, what="the run"):
        assert path.read_text() == f"{os.getpid()}\n"


def test_waiting_ends_when_the_other_does(tmp_path: Path, hold) -> None:
    path = tmp_path / ".lock"
    other, said = hold(path), []

    def say(message: str) -> None:
        said.append(message)
        assert other.stdin is not None
        other.stdin.close()

    with lock(path, blocking=True, what="the maps", say=say):
        assert other.wait() == 0
    assert said == [f"Waiting for process {other.pid}, which is working on the maps."]


def test_a_lock_that_its_holder_removed_is_not_shared(tmp_path: Path, hold) -> None:
    path = tmp_path / ".lock"
    hold(path, "remove")
    with lock(path, blocking=False, what="the run"):
        assert path.exists()


def test_threads_exclude_each_other_too(tmp_path: Path) -> None:
    path, order, said = tmp_path / ".lock", [], []
    waiting = threading.Event()

    def second() -> None:
        with lock(path, blocking=True, what="the maps", say=lambda message: (said.append(message), waiting.set())):
            order.append("second")

    thread = threading.Thread(target=second)
    with lock(path, blocking=True, what="the maps"):
        with pytest.raises(UsageError, match="already working on the maps"), lock(path, blocking=True, what="the maps"):
            pass
        thread.start()
        assert waiting.wait(60)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert said == ["Waiting for another thread, which is working on the maps."]


def test_a_lock_is_free_after_a_failure(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), lock(tmp_path / ".lock", blocking=False, what="the run"):
            raise KeyError


def test_a_folder_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, error in ((tmp_path / "file" / ".lock", I2PError), (tmp_path / "a\0b" / ".lock", UsageError)):
        with pytest.raises(error, match="folder"), lock(path, blocking=False, what="the run"):
            pass
    (tmp_path / ".lock").mkdir()
    with pytest.raises(I2PError, match="Cannot use the folder"), lock(tmp_path / ".lock", blocking=False, what="it"):
        pass
