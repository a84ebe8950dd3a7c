import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from i2pmae.common.errors import DataError, TeacherError, TrainingInterrupted, UsageError
from i2pmae.methods import recipes
from i2pmae.methods.config import PretrainConfig
from i2pmae.runs.folder import prepare_run_folder, stored_config


@pytest.fixture
def config(tmp_path) -> PretrainConfig:
    return recipes()["tiny"]().changed(output=tmp_path / "run", epochs=7)


def begin(folder: Path, config: PretrainConfig, resume: bool = False) -> None:
    """A run that got as far as a checkpoint."""
    with prepare_run_folder(folder, config, resume):
        (folder / "checkpoints").mkdir(exist_ok=True)
        (folder / "checkpoints" / "last.ckpt").touch()


@pytest.mark.parametrize("exists", [False, True])
def test_a_new_or_empty_folder_is_taken(tmp_path, config, exists):
    folder = tmp_path / "some" / "run"
    if exists:
        folder.mkdir(parents=True)
    with prepare_run_folder(folder, config, resume=False) as run:
        assert (run.path, run.resumed, run.note) == (folder, False, None)
    assert stored_config(folder, PretrainConfig) == config


def test_another_run_is_not_overwritten(config):
    begin(config.output.folder, config)
    with (
        pytest.raises(UsageError, match=r"another run.*--resume.*--output"),
        prepare_run_folder(config.output.folder, config, False),
    ):
        pass


def test_the_same_run_is_resumed_also_where_what_does_not_matter_differs(config):
    begin(config.output.folder, config)
    changed = config.changed(device="cuda", checkpoint_minutes=1.0, workers=3, report=False)
    with prepare_run_folder(config.output.folder, changed, resume=True) as run:
        assert (run.resumed, run.note) == (True, None)
    assert stored_config(config.output.folder, PretrainConfig) == config


def test_a_changed_configuration_is_refused_and_every_field_named(config):
    begin(config.output.folder, config)
    changed = config.changed({"epochs": 8, "optimiser.learning_rate": 0.5})
    with pytest.raises(UsageError) as caught, prepare_run_folder(config.output.folder, changed, resume=True):
        pass
    assert (
        "  training.epochs: 7 in the folder, 8 now\n  training.optimiser.learning_rate: 0.001 in the folder, 0.5 now\n"
        in str(caught.value)
    )


def test_there_must_be_a_run_to_resume(config, tmp_path):
    begin(tmp_path / "runs", config)
    for folder, near in ((config.output.folder, " Did you mean 'runs'?"), (tmp_path / "x" / "y", "")):
        with (
            pytest.raises(UsageError, match=rf"no run in {folder} to resume\.{re.escape(near)} Leave out --resume"),
            prepare_run_folder(folder, config, resume=True),
        ):
            pass
        folder.mkdir(parents=True)
        with pytest.raises(UsageError, match="no run in"), prepare_run_folder(folder, config, resume=True):
            pass
        assert not list(folder.iterdir())


def test_a_part_of_a_larger_run_may_start(config):
    with prepare_run_folder(config.output.folder, config, resume=True, may_start=True) as run:
        assert not run.resumed


@pytest.mark.parametrize("left", ["config.yaml", ".lock"])
def test_a_run_that_was_killed_before_its_first_checkpoint_is_resumed_from_the_beginning(config, left):
    with prepare_run_folder(config.output.folder, config, resume=False):
        pass
    for path in config.output.folder.iterdir():
        if path.name != left:
            path.unlink()
    with prepare_run_folder(config.output.folder, config, resume=True) as run:
        assert not run.resumed
        assert "Nothing to resume" in run.note


@pytest.mark.parametrize("error", [DataError, TeacherError, KeyboardInterrupt])
def test_a_start_that_fails_leaves_no_folder(tmp_path, config, error):
    folder = tmp_path / "a" / "b" / "run"
    with pytest.raises(error), prepare_run_folder(folder, config, resume=False):
        assert stored_config(folder, PretrainConfig) == config
        raise error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["a/mine.txt", "a/run/mine.txt", "a/run/checkpoints/last.ckpt"])
def test_a_start_that_fails_removes_nothing_else(tmp_path, config, place):
    folder = tmp_path / "a" / "run"
    with pytest.raises(DataError), prepare_run_folder(folder, config, resume=False):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
        raise DataError
    assert (tmp_path / place).is_file()
    assert (stored_config(folder, PretrainConfig) == config) == ("run" in place)


@pytest.mark.parametrize("error", [DataError, TrainingInterrupted])
def test_what_was_there_before_or_can_be_gone_on_with_stays(config, error):
    if error is DataError:
        config.output.folder.mkdir()
    with pytest.raises(error), prepare_run_folder(config.output.folder, config, resume=False):
        raise error
    assert stored_config(config.output.folder, PretrainConfig) == config


def test_a_run_that_ended_before_its_first_checkpoint_may_be_started_anew(config):
    with prepare_run_folder(config.output.folder, config, resume=False):
        (config.output.folder / "metrics.csv").touch()
    other = config.changed(epochs=9)
    with prepare_run_folder(config.output.folder, other, resume=False) as run:
        assert not run.resumed
    assert stored_config(config.output.folder, PretrainConfig).training.epochs == 9


@pytest.mark.parametrize("name", ["thesis.tex", "config.yaml", "model.safetensors"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_with_other_files_is_left_alone(config, name, resume):
    config.output.folder.mkdir()
    (config.output.folder / name).write_text("precious: true")
    with (
        pytest.raises(UsageError, match=rf"no run of this program \({name}\)"),
        prepare_run_folder(config.output.folder, config, resume),
    ):
        pass
    assert [(path.name, path.read_text()) for path in config.output.folder.iterdir()] == [(name, "precious: true")]


def test_a_file_is_no_folder(config):
    config.output.folder.write_text("")
    with pytest.raises(UsageError, match="is a file"), prepare_run_folder(config.output.folder, config, False):
        pass


def test_one_process_at_a_time_and_a_dead_one_holds_nothing(config):
    script = (
        "import sys, time; from pathlib import Path\n"
        "from i2pmae.runs.folder import prepare_run_folder; from i2pmae.methods import recipes\n"
        "folder = Path(sys.argv[1])\n"
        "with prepare_run_folder(folder, recipes()['tiny']().changed(output=folder, epochs=7), False):\n"
        "    print('ready', flush=True); time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", script, config.output.folder], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with (
            pytest.raises(UsageError, match=f"Process {other.pid} is working"),
            prepare_run_folder(config.output.folder, config, True),
        ):
            pass
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other.communicate()
    with prepare_run_folder(config.output.folder, config, False) as run:
        assert not run.resumed
        assert (config.output.folder / ".lock").read_text() == f"{os.getpid()}\n"
        with pytest.raises(UsageError, match="already working"), prepare_run_folder(config.output.folder, config, True):
            pass
