import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.common.errors import CheckpointError, I2PError
from i2pmae.data.clouds import CloudSet
from i2pmae.training.checkpoint import UNMARKED, checkpoint_path, load_checkpoint, save_checkpoint
from i2pmae.training.engine import fit
from tests.training.small import Acting, SmallTask, same, settings, small_clouds, weights


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    """A checkpoint of the first of two epochs."""
    folder = tmp_path_factory.mktemp("run")

    def crash(_):
        raise MemoryError

    with pytest.raises(MemoryError):
        fit(Acting(7, crash), small_clouds(), settings(epochs=2), folder, shown=False)
    return checkpoint_path(folder).read_bytes()


@pytest.fixture
def path(tmp_path) -> Path:
    path = checkpoint_path(tmp_path)
    path.parent.mkdir()
    return path


def resume(folder: Path, clouds: CloudSet | None = None, shown: bool = False) -> SmallTask:
    task = SmallTask()
    fit(task, small_clouds() if clouds is None else clouds, settings(epochs=2), folder, resume=True, shown=shown)
    return task


def as_written_before(path: Path, content: bytes) -> None:
    """Store a checkpoint in the older form: no checksum, no digest of the clouds, nothing about arithmetic."""
    path.write_bytes(content)
    saved = dict(load_checkpoint(path))
    del saved["arithmetic"], saved["stamp"]["content"]
    torch.save(saved | {"format": UNMARKED}, path)


def test_every_damage_is_noticed(path, content):
    chosen = random.Random(3)
    places = {*range(120), len(content) - 1, *(chosen.randrange(len(content)) for _ in range(300))}
    damages = [
        content[:place] + bytes([content[place] ^ 1 << chosen.randrange(8)]) + content[place + 1 :] for place in places
    ]
    damages += [content[:length] for length in (0, 4, 26, 90, 91, len(content) // 2, len(content) - 1)]
    for damaged in [*damages, content + b"x"]:
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(path)
    path.write_bytes(content)
    assert load_checkpoint(path)["step"] == 5


def test_a_damaged_file_without_checksum_is_an_error_or_a_checkpoint_but_never_a_crash(tmp_path, path, content):
    as_written_before(path, content)
    whole, chosen, refused = path.read_bytes(), random.Random(4), 0
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(8):
            damaged[chosen.randrange(len(whole))] = chosen.randrange(256)
        path.write_bytes(damaged)
        try:
            load_checkpoint(path)
        except CheckpointError:
            refused += 1
    assert refused > 10


def test_a_file_without_checksum_is_gone_on_with(tmp_path, path, content):
    path.write_bytes(content)
    expected = weights(resume(tmp_path))
    as_written_before(path, content)
    assert same(weights(resume(tmp_path)), expected)


@pytest.mark.parametrize("change", [{"step": "five"}, {"stamp": None}, {"model": {"a": 1}}, {"optimiser": []}])
def test_a_file_with_other_content_is_refused(path, content, change):
    as_written_before(path, content)
    torch.save(torch.load(path, weights_only=True) | change, path)
    with pytest.raises(CheckpointError, match=f"{next(iter(change))} cannot be used"):
        load_checkpoint(path)


def test_the_state_of_another_optimiser_is_refused(tmp_path, path, content):
    as_written_before(path, content)
    saved = torch.load(path, weights_only=True)
    torch.save(saved | {"optimiser": {"state": {}, "param_groups": []}}, path)
    with pytest.raises(CheckpointError, match="optimiser's state does not fit"):
        resume(tmp_path)


def test_a_later_format_is_refused(path, content):
    path.write_bytes(content)
    save_checkpoint(path, load_checkpoint(path) | {"format": 3})
    with pytest.raises(CheckpointError, match="has checkpoint format 3, this version reads 2 and 1"):
        load_checkpoint(path)


def changed_clouds(part: str) -> CloudSet:
    clouds = small_clouds()
    points, labels = clouds.points.copy(), np.array(clouds.labels)
    if part == "points":
        points[40, 3, 1] += 1e-6
    elif part == "labels":
        labels[40] = 3
    else:
        return dataclasses.replace(clouds, part_labels=np.zeros(points.shape[:2], np.int64))
    return dataclasses.replace(clouds, points=points, labels=labels)


@pytest.mark.parametrize("part", ["points", "labels", "part_labels"])
def test_other_content_under_the_same_ids_is_another_run(tmp_path, path, content, part):
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="another run:\n  content: "):
        resume(tmp_path, changed_clouds(part))


def test_the_digest_tells_sets_apart_and_forms_of_storage_not(tmp_path):
    clouds = small_clouds()
    assert clouds.digest() == small_clouds().digest()
    np.save(tmp_path / "points.npy", clouds.points)
    mapped = dataclasses.replace(clouds, points=np.load(tmp_path / "points.npy", mmap_mode="r"))
    assert mapped.digest() == clouds.digest()
    others = [changed_clouds(part) for part in ("points", "labels", "part_labels")]
    others += [
        clouds.subset(np.arange(44)[::-1]),
        clouds.subset(np.arange(43)),
        dataclasses.replace(clouds, labels=None),
    ]
    others += [
        dataclasses.replace(clouds, ids=["a\nb", *clouds.ids[1:]]),
        dataclasses.replace(clouds, ids=["\udcff"] * 44),
    ]
    digests = {other.digest() for other in [clouds, *others]}
    assert len(digests) == len(others) + 1


def test_another_number_of_threads_is_said(tmp_path, path, content, capfd):
    path.write_bytes(content)
    torch.set_num_threads(2)
    resume(tmp_path, shown=True)
    assert "computed in fp32 on a CPU with 1 thread so far, and goes on in fp32 on a CPU with 2 threads" in (
        " ".join(capfd.readouterr().err.split())
    )
    path.write_bytes(content)
    torch.set_num_threads(1)
    resume(tmp_path, shown=True)
    assert "last bit" not in capfd.readouterr().err


def test_a_folder_in_its_place_and_an_unreadable_file_are_explained(path):
    path.mkdir()
    with pytest.raises(CheckpointError, match="Is a directory"):
        load_checkpoint(path)
    with pytest.raises(I2PError, match="Cannot write"):
        save_checkpoint(path / "x" / ("n" * 300), {})
