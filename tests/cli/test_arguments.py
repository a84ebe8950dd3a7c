"""What a command works on may stand in front, or be named."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import ReadingOptions, parse
from i2pmae.common.errors import UsageError


@dataclass(frozen=True)
class Command:
    """A command with every kind of option."""

    checkpoint: Path
    """A run."""
    data: str
    """Clouds."""
    fast: tyro.conf.FlagCreatePairsOff[bool] = False
    """A flag."""
    tidy: bool = True
    """A flag with two names."""
    select: tuple[str, ...] = ()
    """A list."""
    batch_size: int = 64
    """A number."""
    reading: tyro.conf.OmitArgPrefixes[ReadingOptions] = field(default_factory=ReadingOptions)


NAMES = ("checkpoint", "data")


def read(line: str, optional: int = 0) -> Command:
    return parse(Command, "do", in_order(Command, "do", NAMES, line.split(), optional))


@pytest.mark.parametrize(
    "line",
    [
        "run clouds",
        "--checkpoint run --data clouds",
        "--data clouds --checkpoint run",
        "--data=clouds --checkpoint=run",
        "run --data clouds",
        "--data clouds run",
        "clouds --checkpoint run",
        "--checkpoint=run clouds",
    ],
)
@pytest.mark.parametrize("options", ["", "--fast --no-tidy --batch-size 3 --up z"])
def test_words_and_names_are_the_same_in_any_order(line: str, options: str) -> None:
    for whole in (f"{line} {options}", f"{options} {line}"):
        found = read(whole)
        assert (found.checkpoint, found.data) == (Path("run"), "clouds")
        expected = (True, False, 3, "z") if options else (False, True, 64, None)
        assert (found.fast, found.tidy, found.batch_size, found.reading.up) == expected


def test_options_stand_between_words() -> None:
    found = read("--batch-size=3 run --fast clouds --points 64")
    assert (found.checkpoint, found.data, found.fast, found.batch_size) == (Path("run"), "clouds", True, 3)
    assert found.reading.points == 64


def test_lists_end_at_the_next_option_or_with_the_line() -> None:
    assert read("run clouds --select a b c").select == ("a", "b", "c")
    assert read("run clouds --select a b --fast").select == ("a", "b")
    found = read("--select a b --checkpoint run --data clouds")
    assert (found.select, found.checkpoint, found.data) == (("a", "b"), Path("run"), "clouds")
    assert read("run clouds --select=a").select == ("a",)


def test_values_that_look_like_something_else() -> None:
    assert read("run name=place").data == "name=place"
    assert read("run --data=name=place").data == "name=place"
    assert read("./-x clouds").checkpoint == Path("./-x")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "Say which checkpoint and data: `i2pmae do CHECKPOINT DATA [OPTIONS]`."),
        ("run", "Say which data: `i2pmae do CHECKPOINT DATA [OPTIONS]`."),
        ("--fast run", "Say which data: `i2pmae do CHECKPOINT DATA [OPTIONS]`."),
        ("--data clouds", "Say which checkpoint: `i2pmae do CHECKPOINT DATA [OPTIONS]`."),
        ("run clouds more", "There is no place for 'more': expected `i2pmae do CHECKPOINT DATA [OPTIONS]`."),
        ("run clouds --fast more", "There is no place for 'more': expected `i2pmae do CHECKPOINT DATA [OPTIONS]`."),
        ("run clouds --data again", "There is no place for 'clouds': expected `i2pmae do CHECKPOINT DATA [OPTIONS]`."),
        ("run --data", "--data needs a value."),
    ],
)
def test_what_is_missing_or_superfluous_is_said_with_the_right_call(line: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(line)
    assert str(caught.value) == said


def test_the_first_names_may_be_optional() -> None:
    def named(line: str) -> list[str]:
        return in_order(Command, "do", NAMES, line.split(), optional=1)

    assert named("clouds") == named("--data clouds") == ["--data", "clouds"]
    both = ["--checkpoint", "run", "--data", "clouds"]
    assert named("run clouds") == named("--checkpoint run clouds") == named("--data clouds run") == both
    with pytest.raises(UsageError, match="Say which data"):
        named("--checkpoint run")


@pytest.mark.parametrize("line", ["--help", "-h", "run --help", "run clouds more -h"])
def test_help_needs_nothing_else(line: str) -> None:
    assert in_order(Command, "do", NAMES, line.split()) == ["--help"]


def test_unknown_options_are_left_to_the_parser(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read("run clouds --fsat")
    assert caught.value.code == 2 and "--fast" in capsys.readouterr().err
