"""Text from data: in pages, scripts, pictures and on command lines."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from i2pmae.viz import ComparisonPoint, confusion_figure, write_comparison
from i2pmae.viz.charts import curve_chart
from i2pmae.viz.drawing import fitted, font
from i2pmae.viz.text import embedded, escape, line, plain, shell

NASTY = [
    "<script>alert(1)</script>",
    "[/red]",
    'it\'s "quoted"',
    "a\0b",
    "half \ud800 pair",
    "byte \udcff",
    "two\nlines",
    "\x1b[0m",
]
"""What files may be called, and worse."""


@pytest.mark.parametrize("text", NASTY)
def test_text_can_be_written_and_read(text: str) -> None:
    for found in (plain(text), escape(text), line(text)):
        found.encode("utf-8")
        assert "\0" not in found and "\x1b" not in found
    element = ElementTree.fromstring(f'<p title="{escape(text)}">{escape(text)}</p>')
    assert element.text == plain(text)
    assert "\n" not in line(text)


@pytest.mark.parametrize("text", NASTY)
def test_data_in_scripts_is_read_back_and_ends_nothing(text: str) -> None:
    found = embedded({text: [text]})
    assert found.isascii() and "<" not in found and json.loads(found) == {text: [text]}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("word", ["plain", "two words", "$HOME", "it's", "", "two\nlines", "\\x41\t'", "b\udcff1", "ü"])
def test_commands_can_be_pasted(word: str) -> None:
    found = subprocess.run(["bash", "-c", f"printf %s {shell(word)}"], capture_output=True, check=True)
    assert found.stdout == os.fsencode(word)
    assert "\n" not in shell(word)


@pytest.mark.parametrize("text", NASTY)
def test_pictures_of_results_take_any_name(tmp_path: Path, text: str) -> None:
    from PIL import Image, ImageDraw

    draw = ImageDraw.Draw(Image.new("RGB", (100, 20)))
    draw.text((0, 0), fitted(draw, text, font(12), 90), (0, 0, 0), font(12))
    assert confusion_figure([[1, 0], [0, 1]], [text, "b"], text).dtype == np.uint8
    assert write_comparison(tmp_path / "c.png", [ComparisonPoint(text, 1, 0.5)], text).is_file()
    ElementTree.fromstring(curve_chart(text, [0, 1], [1, 2]))
