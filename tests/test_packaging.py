"""What is looked for in a wheel and a source archive is what makes them unusable."""

import importlib
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

import i2pmae

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / "scripts").exists(), reason="the package runs without its sources")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("package_contents")


def packed(folder: Path, wheel: set[str], source: set[str], metadata: str) -> Path:
    folder.mkdir()
    with zipfile.ZipFile(folder / "i2pmae-1-py3-none-any.whl", "w") as archive:
        for name in sorted(wheel):
            archive.writestr(name, "")
        archive.writestr("i2pmae-1.dist-info/METADATA", metadata)
        archive.writestr("i2pmae-1.dist-info/licenses/LICENSE", "")
    with tarfile.open(folder / "i2pmae-1.tar.gz", "w:gz") as archive:
        for name in sorted(source):
            archive.addfile(tarfile.TarInfo(f"i2pmae-1/{name}"))
    return folder


def test_archives_with_what_git_knows_are_right_and_others_are_named(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff"}
    own = {name.removeprefix("src/") for name in script.tracked("src")}
    source = top | script.tracked("src") | script.tracked("tests")
    assert "i2pmae/py.typed" in own and "i2pmae/weights/shipped/tiny/model.safetensors" in own
    metadata = f"Name: i2pmae\nVersion: {i2pmae.__version__}\nRequires-Python: >=3.11\n"
    assert script.main([str(packed(tmp_path / "right", own, source, metadata))]) == 0
    wrong = (own - {"i2pmae/py.typed"}) | {"i2pmae/kernels/__pycache__/fps.nbc"}
    leftover = (source - {"LICENSE"}) | {"runs/old/last.ckpt"}
    capsys.readouterr()
    assert (
        script.main([str(packed(tmp_path / "wrong", wrong, leftover, metadata.replace("Version: 0", "Version: 9")))])
        == 1
    )
    told = capsys.readouterr().out
    for fault in (
        "the wheel lacks i2pmae/py.typed",
        "the wheel has i2pmae/kernels/__pycache__/fps.nbc, which git does not know",
        "the wheel says version 9",
        "the source archive lacks LICENSE",
        "the source archive has runs/old/last.ckpt",
    ):
        assert fault in told
    (tmp_path / "none").mkdir()
    assert script.main([str(tmp_path / "none")]) == 1
