"""What is said of an installation and a machine, and what counts as broken."""

import json
from importlib import metadata
from pathlib import Path

import pytest

import i2pmae
from i2pmae.cli import main
from i2pmae.commands import doctor as module
from i2pmae.commands.doctor import Check


@pytest.fixture
def requirements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the package asks for."""
    asked = ["numpy>=1.26", "torch>=2.6", 'nothing-of-that-name>=1; extra == "search"', 'pytest>=1; extra == "dev"']
    monkeypatch.setattr(metadata, "requires", lambda name: asked)
    return asked


def found(name: str) -> Check:
    return next(check for check in i2pmae.doctor(hub=False).checks if check.name == name)


def test_what_is_here_is_listed_and_absent_extras_are_no_fault(
    requirements: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    rows = {(row["section"], row["name"]): row for row in told["checks"]}
    assert told["broken"] == 0
    assert rows["versions", "torch"]["found"] == metadata.version("torch")
    assert rows["extras", "search"]["found"] == "not installed: pip install 'i2pmae[search]'"
    assert rows["hub", "Hugging Face"]["state"] == "note" and "HF_HUB_OFFLINE" in rows["hub", "Hugging Face"]["found"]
    assert "times as fast as fp32" in rows["devices", "bf16 on the cpu"]["found"]
    assert "free" in rows["cache", "disk"]["found"] and rows["weights", "tiny"]["state"] == "note"
    assert ("extras", "dev") not in rows and ("devices", "kernels") in rows
    assert main(["doctor", "--no-hub"]) == 0
    page = capfd.readouterr().out
    assert page.rstrip().endswith("Nothing is broken.") and "Hugging Face" not in page


def test_a_package_that_is_missing_or_too_old_is_broken(
    requirements: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    requirements[:] = ["numpy>=999", "nothing-of-that-name>=2"]
    assert main(["doctor", "--no-hub"]) == 1
    printed = capfd.readouterr()
    assert "2 things are broken (!)." in printed.out and "pip install 'nothing-of-that-name>=2'" in printed.err
    assert "outside of >=999: pip install 'numpy>=999'" in printed.err


def test_a_cache_that_cannot_be_written_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("I2PMAE_CACHE", str(tmp_path / "file" / "cache"))
    assert found("folder").state == "broken" and "I2PMAE_CACHE" in found("folder").found
    monkeypatch.setenv("I2PMAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module.tempfile, "TemporaryFile", lambda dir: (_ for _ in ()).throw(OSError(30, "Read-only")))
    assert found("disk").state == "broken" and "cannot be written: Read-only. Name another" in found("disk").found


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FULL", float("inf"))
    assert found("disk").state == "note" and "cache clear" in found("disk").found


def test_the_hub_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "why_unreachable", lambda file: None)
    assert next(check for check in i2pmae.doctor().checks if check.section == "hub").found.startswith("answers")
