import re
import subprocess
import sys

import pytest

import i2pmae
from i2pmae import cli
from i2pmae.cli import COMMANDS, main
from i2pmae.common.errors import DataError, TrainingInterrupted, UsageError
from tests.cli.conftest import Call


def i2pmae_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from i2pmae.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_help_and_version_do_not_wait_for_pytorch() -> None:
    done = i2pmae_process("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(name in done.stdout for name in COMMANDS)


HEAVY = ("torch", "numpy", "sklearn", "pyarrow", "matplotlib", "transformers", "numba")


@pytest.mark.parametrize(
    "line",
    ["--version", "--help", "pretrain --help", "pretrain --help-all", "finetune --help", "recipes --help", "recipes"],
)
def test_what_needs_no_computing_imports_nothing_heavy(line: str) -> None:
    loaded = f"[name for name in {HEAVY} if name in sys.modules]"
    code = f"import sys; from i2pmae.cli import main; main({line.split()}); print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_wrong_call_has_status_2_and_prints_no_result() -> None:
    done = i2pmae_process("prob", "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'probe'?" in done.stderr


def test_a_reader_that_goes_away_is_no_failure_worth_a_word() -> None:
    code = "import sys; from i2pmae.cli import main; sys.exit(main(['recipes', 'paper']))"
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -c \"$0\" | true; exit ${{PIPESTATUS[0]}}", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode in (0, 1)


def test_a_call_without_a_command_explains_itself(call: Call) -> None:
    status, out, err = call()
    assert (status, out) == (2, "")
    assert "usage: i2pmae COMMAND" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(call: Call, command: str) -> None:
    status, out, err = call(command, "--help")
    assert (status, err) == (0, "")
    assert f"usage: i2pmae {command}" in out
    assert command == "teachers" or f"i2pmae {command}" in re.split("[Ee]xamples:", out)[1]
    assert "``" not in out


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_has_status_2(call: Call, command: str) -> None:
    needed = {"embed": ("a", "b", "--output", "c.npz"), "probe": ("a", "--data", "b"), "view": ("a",)}
    needed |= {
        "predict": ("a", "b"),
        "convert": ("a", "--from", "point-mae", "--output", "b"),
        "export": ("a", "--output", "b"),
        "index": ("a", "--output", "b"),
        "explore": ("a",),
        "push": ("a", "b/c"),
        "replay": ("a",),
        "show": ("a",),
        "search": ("a", "b"),
    }
    status, out, err = call(command, *needed.get(command, ()), "--devcie", "cpu")
    assert (status, out) == (2, "")
    assert "--devcie" in err
    assert "Traceback" not in err


def test_an_unknown_option_names_the_nearest(call: Call) -> None:
    assert "--epochs" in call("pretrain", "--epoch", "3")[2]
    assert "--output" in call("embed", "a", "b", "--ouptut", "x.npz", "--output", "x.npz")[2]
    assert "--version" in call("--versoin")[2]


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (DataError("no such [bold]cloud[/bold]"), 1, "error: no such [bold]cloud[/bold]\n"),
        (UsageError("no such call"), 2, "error: no such call\n"),
        (TrainingInterrupted("Stopped at step 3."), 1, "Stopped at step 3.\n"),
        (KeyboardInterrupt(), 1, "Stopped.\n"),
        (MemoryError(), 1, "error: Out of memory. Use a smaller --batch-size or fewer --points.\n"),
    ],
)
def test_failures_are_one_message(
    call: Call, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, said: str
) -> None:
    def fail(arguments: list[str]) -> None:
        raise error

    monkeypatch.setattr(cli, "_dispatch", fail)
    assert call("probe") == (status, "", said)


def test_a_bug_asks_to_be_reported(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: list[str]) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(cli, "_dispatch", fail)
    status, _, err = call("probe")
    assert status == 1
    assert "internal error: ZeroDivisionError: division by zero" in err
    assert "report" in err and "Traceback" not in err


@pytest.mark.parametrize("way", ["option", "variable"])
def test_tracebacks_are_shown_on_request(call: Call, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    if way == "variable":
        monkeypatch.setenv("I2PMAE_DEBUG", "1")
    status, _, err = call("recipes", "tny", *(["--debug"] if way == "option" else []))
    assert status == 2
    assert "Traceback" in err
    assert "Did you mean 'tiny'?" in err


def test_arguments_of_the_process_are_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["i2pmae", "--version"])
    assert main() == 0
    assert capsys.readouterr().out == f"i2pmae {i2pmae.__version__}\n"
