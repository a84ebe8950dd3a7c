import io
import re
import sys

import pytest
from rich.table import Table
from rich.text import Text

from i2pmae.common.progress import console, progress_bar, say, track

AWKWARD = ["[/red]", "[v2]", "[bold]x[/bold]", ":smile:", "a [link=x] b", "[@click=f]z", "é ✓", "a\tb"]


@pytest.mark.parametrize("text", AWKWARD)
def test_text_is_shown_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)
    console().print(Text(text))
    console(stderr=False).print(text)
    list(track([1], text))
    out, err = capsys.readouterr()
    assert out == text.expandtabs() + "\n"
    assert err == (text.expandtabs() + "\n") * 3


def test_a_table_shows_its_cells_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("class")
    table.add_row("[/red] [v2]")
    console(stderr=False).print(table)
    assert "[/red] [v2]" in capsys.readouterr().out


@pytest.mark.parametrize("text", AWKWARD)
def test_a_bar_describes_its_work_as_it_is(text: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)
    with progress_bar() as bar:
        list(bar.track([1], description=text))
    err = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert text.split("\t")[0] in err


def test_what_a_terminal_cannot_take_is_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(content, encoding="ascii"))
    for text in ("\ud800 \udcff", "\x1b[2J\x07", "é", "\u202etxt.exe"):
        say(text)
    list(track([1], "\udcff"))
    sys.stderr.flush()
    assert content.getvalue().decode().splitlines() == [
        r"\ud800 \udcff",
        r"\x1b[2J\x07",
        r"\xe9",
        r"\u202etxt.exe",
        r"\udcff",
    ]


def test_long_messages_are_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    say("word " * 100)
    assert capsys.readouterr().err.count("\n") == 1
