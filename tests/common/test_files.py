from pathlib import Path

import pytest

from i2pmae.common.errors import I2PError, UsageError
from i2pmae.common.files import near_folders, replacing, write_bytes, write_text


def test_a_file_has_the_rights_of_a_new_one_whatever_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    with replacing(tmp_path / "mine") as part:
        assert not part.exists()
        part.touch(mode=0o600)
    assert (tmp_path / "mine").stat().st_mode == (tmp_path / "new").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "new"]


def test_what_utf8_cannot_hold_is_spelled_out(tmp_path: Path) -> None:
    write_text(tmp_path / "list.txt", "bad: caf\udce9.ply \ud800\n")
    assert (tmp_path / "list.txt").read_text(encoding="utf-8") == "bad: caf\\udce9.ply \\ud800\n"


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_an_impossible_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the path"):
        write_bytes(tmp_path / name / "file", b"")
    with pytest.raises(UsageError, match="cannot be the path"):
        write_bytes(tmp_path / name, b"")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "old")
    with pytest.raises(I2PError, match="Cannot write"), replacing(tmp_path / "file") as part:
        part.write_text("new")
        raise OSError(28, "No space left on device")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_folders_of_near_names_are_found(tmp_path: Path) -> None:
    for name in ("pretrain", "prepared", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "pretrain" / "config.yaml").touch()
    assert near_folders(tmp_path / "pretrian", holding="config.yaml") == " Did you mean 'pretrain'?"
    assert "'prepared'" in near_folders(tmp_path / "prepard")
    assert near_folders(tmp_path / "x" / "y") == near_folders(tmp_path / "a", holding="none") == ""
