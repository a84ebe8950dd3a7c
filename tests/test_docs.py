"""The site has everything that the package offers."""

import re
from pathlib import Path

import pytest
import yaml

import i2pmae
from i2pmae.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs/reference"


@pytest.mark.skipif(not REFERENCE.exists(), reason="the package runs without its sources")
def test_every_public_name_and_command_has_a_place_in_the_reference() -> None:
    pages = "\n".join(path.read_text() for path in sorted(REFERENCE.glob("*.md")))
    described = {name.rpartition(".")[2] for name in re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE)}
    assert sorted(set(i2pmae.__all__) - described) == []
    helped = set(re.findall(r"^<!-- help: (\w+) -->$", pages, re.MULTILINE))
    assert helped == set(COMMANDS)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the package runs without its sources")
def test_the_citation_names_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["version"], cited["license"]) == (i2pmae.__version__, "Apache-2.0")
    assert all("arXiv:" in paper["identifiers"][0]["value"] for paper in cited["references"])
