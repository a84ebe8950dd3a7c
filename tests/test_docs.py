"""The site has everything that the package offers."""

import re
from pathlib import Path

import pytest
import yaml

import i2pmae
from i2pmae.cli import COMMANDS
from i2pmae.common.neutral import neutral_fields
from i2pmae.training.config import TrainingConfig
from i2pmae.training.length import choose_length

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


@pytest.mark.skipif(not REFERENCE.exists(), reason="the package runs without its sources")
def test_the_table_of_what_may_change_on_resume_is_that_of_the_configurations() -> None:
    page = (ROOT / "docs/runs.md").read_text().partition("## What may change")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    told = {name for cell in cells for name in re.findall(r"`(.+?)`", cell)}
    configs = [make() for make in i2pmae.recipes().values()]
    configs += [make() for task in ("finetune", "segment") for make in i2pmae.recipes(task).values()]
    assert told == {name for config in configs for name, _ in neutral_fields(config)}


@pytest.mark.skipif(not REFERENCE.exists(), reason="the package runs without its sources")
def test_the_table_of_lengths_is_what_is_chosen() -> None:
    rows = re.findall(r"^\| ([\d ]+) \| (\d+) \| (\d+) \| (\d+) \|$", (ROOT / "docs/runs.md").read_text(), re.MULTILINE)
    assert len(rows) == 4
    for clouds, batch, epochs, steps in rows:
        count = int(clouds.replace(" ", ""))
        chosen = choose_length(TrainingConfig(epochs="auto", batch_size="auto"), count)
        assert chosen == {"batch_size": int(batch), "epochs": int(epochs)}
        assert int(steps) == int(epochs) * (count // int(batch))
