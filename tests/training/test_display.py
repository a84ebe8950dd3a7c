import math
import re

import pytest

from i2pmae.training.hooks import display
from i2pmae.training.hooks.base import StepRecord
from i2pmae.training.hooks.display import ProgressDisplay


@pytest.mark.parametrize("width", [80, 140])
def test_a_terminal_shows_everything_that_matters(monkeypatch, capsys, width):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    with ProgressDisplay(start=40, steps=19680, epochs=300, shown=True) as progress:
        for step in range(41, 60):
            progress.update(step, 12, {"coordinates": 0.2, "semantics": 0.1, "metric/x": 7.0}, 275.4)
    out, err = capsys.readouterr()
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", err).strip().splitlines()[-1].split("\r")[-1]
    for part in ("epoch 12/300", "coordinates 0.2", "semantics 0.1", "275 clouds/s", "left"):
        assert part in last
    assert ("59/19680" in last) == (width == 140)
    assert "metric" not in last
    assert out == ""


def test_losses_are_smoothed_in_lines_too(capsys, monkeypatch):
    monkeypatch.setattr(display, "LINE_SECONDS", math.inf)  # the last line is always shown
    with ProgressDisplay(start=0, steps=2, epochs=1, shown=True) as progress:
        progress.update(1, 1, {"near": 1.0}, 100)
        progress.update(2, 1, {"near": 2.0}, 100)
    assert capsys.readouterr().err == "epoch 1/1, step 2/2, near 1.1, 100 clouds/s, 0:00:00 left\n"


def test_the_share_of_the_time_in_which_data_is_waited_for_is_shown(capsys, monkeypatch):
    monkeypatch.setattr(display, "LINE_SECONDS", math.inf)
    step = StepRecord(1, 1, {"near": 1.0}, 1e-3, 1.0, clouds=10, latest=True, took=2.0, seconds=2.0, waited=0.5)
    with ProgressDisplay(start=0, steps=1, epochs=1, shown=True) as progress:
        progress.after_step(step)
    assert capsys.readouterr().err == "epoch 1/1, step 1/1, near 1, 5 clouds/s, 25% waiting, 0:00:00 left\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_names_of_losses_are_shown_as_they_are(capsys, monkeypatch, terminal):
    if terminal:
        for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "140"}.items():
            monkeypatch.setenv(name, value)
    with ProgressDisplay(start=0, steps=1, epochs=1, shown=True) as progress:
        progress.say("the class [/red]")
        progress.update(1, 1, {"[/near]": 1.0}, 100)
    err = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "[/near] 1" in err
    assert "the class [/red]" in err
