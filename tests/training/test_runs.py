import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from i2pmae.common.errors import UsageError
from i2pmae.training.config import DataConfig, OptimiserConfig, PretrainConfig
from i2pmae.training.runs import prepare_run_folder, stored_config


@pytest.fixture
def config(tmp_path) -> PretrainConfig:
    return PretrainConfig(output=tmp_path / "run", epochs=7)


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
    assert stored_config(folder) == config


def test_another_run_is_not_overwritten(config):
    begin(config.output, config)
    with (
        pytest.raises(UsageError, match=r"another run.*--resume.*--output"),
        prepare_run_folder(config.output, config, False),
    ):
        pass


def test_the_same_run_is_resumed_also_where_what_does_not_matter_differs(config):
    begin(config.output, config)
    changed = config.model_copy(
        update={"device": "cuda", "checkpoint_minutes": 1.0, "clouds": DataConfig(workers=3), "report": False}
    )
    with prepare_run_folder(config.output, changed, resume=True) as run:
        assert (run.resumed, run.note) == (True, None)
    assert stored_config(config.output) == config


def test_a_changed_configuration_is_refused_and_every_field_named(config):
    begin(config.output, config)
    changed = config.model_copy(update={"epochs": 8, "optimiser": OptimiserConfig(learning_rate=0.5)})
    with pytest.raises(UsageError) as caught, prepare_run_folder(config.output, changed, resume=True):
        pass
    assert "  epochs: 7 in the folder, 8 now\n  optimiser.learning_rate: 0.0001 in the folder, 0.5 now\n" in str(
        caught.value
    )


def test_resuming_nothing_starts_with_a_note(config):
    with prepare_run_folder(config.output, config, resume=True) as run:
        assert not run.resumed
        assert "Nothing to resume" in run.note


def test_a_run_that_ended_before_its_first_checkpoint_may_be_started_anew(config):
    with prepare_run_folder(config.output, config, resume=False):
        (config.output / "metrics.csv").touch()
    other = config.model_copy(update={"epochs": 9})
    with prepare_run_folder(config.output, other, resume=False) as run:
        assert not run.resumed
    assert stored_config(config.output).epochs == 9


@pytest.mark.parametrize("name", ["thesis.tex", "config.yaml", "model.safetensors"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_with_other_files_is_left_alone(config, name, resume):
    config.output.mkdir()
    (config.output / name).write_text("precious: true")
    with (
        pytest.raises(UsageError, match=rf"no run of this program \({name}\)"),
        prepare_run_folder(config.output, config, resume),
    ):
        pass
    assert [(path.name, path.read_text()) for path in config.output.iterdir()] == [(name, "precious: true")]


def test_a_file_is_no_folder(config):
    config.output.write_text("")
    with pytest.raises(UsageError, match="is a file"), prepare_run_folder(config.output, config, False):
        pass


def test_one_process_at_a_time_and_a_dead_one_holds_nothing(config):
    script = (
        "import sys, time; from pathlib import Path\n"
        "from i2pmae.training.runs import prepare_run_folder; from i2pmae.training.config import PretrainConfig\n"
        "folder = Path(sys.argv[1])\n"
        "with prepare_run_folder(folder, PretrainConfig(output=folder, epochs=7), False):\n"
        "    print('ready', flush=True); time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", script, config.output], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with (
            pytest.raises(UsageError, match=f"Process {other.pid} is working"),
            prepare_run_folder(config.output, config, True),
        ):
            pass
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other.communicate()
    with prepare_run_folder(config.output, config, False) as run:
        assert not run.resumed
        assert (config.output / ".lock").read_text() == f"{os.getpid()}\n"
        with pytest.raises(UsageError, match="already working"), prepare_run_folder(config.output, config, True):
            pass
