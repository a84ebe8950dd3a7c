"""WebDataset shards: a .tar of .npy clouds, each with what belongs to it under one key.

A key is the path up to the first dot of the file name: ``a/0001.npy`` is the cloud, ``a/0001.cls`` or ``a/0001.json``
its label. The members are looked at one by one and no list of them is kept by the archive; clouds are read at their
places, one at a time.
"""

import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.base import Block
from i2pmae.data.formats.beside import UNNAMED
from i2pmae.data.formats.keys import COLUMN_KEYS, LABEL_WORDS, PART_KEYS, POINT_KEYS, SPLIT_KEYS
from i2pmae.data.formats.parts import whole_labels
from i2pmae.data.labels import SPLIT_NAMES, label_indices, split_name
from i2pmae.data.npy import array_of, shape_of
from i2pmae.data.paths import portable, printable
from i2pmae.data.reasons import reasons

__all__ = ["TarSet", "describe_tar"]

LABELS = {"cls": 4096, "json": 1 << 20}
"""Extensions of labels, and the most bytes that one may have."""
BLOCK = 512
"""Bytes of a header, and of the zeros that end an archive."""
PIECE = 1 << 20
HEAD = 256
"""Bytes of a .npy that say its shape, mostly."""

Sample = dict[str, tuple[int, int]]
"""Where the members of one key are, by extension: first byte and size."""


@dataclass(frozen=True)
class TarSet:
    """The clouds of one shard."""

    path: Path
    keys: Sequence[str]
    samples: Sequence[Sample]
    ids: Sequence[str]
    labels: np.ndarray | None
    """``(clouds,)`` int64, -1 for none."""
    classes: tuple[str, ...] | None
    splits: np.ndarray | None
    wrong: dict[int, str]
    """What is wrong with a cloud, by its index."""
    size: int | None
    extras: bool
    parts: None = None

    def __len__(self) -> int:
        return len(self.keys)

    def blocks(self, columns: Sequence[str] = ()) -> Iterator[Block]:
        """The clouds one by one: they need not have equally many points."""
        with self.path.open("rb") as file:
            for row in range(len(self)):
                try:
                    if row in self.wrong:
                        raise DataError(self.wrong[row])
                    yield self._block(file, row, columns)
                except DataError as error:
                    yield Block(row, np.empty((0, 1, 3)), bad=[(row, str(error))])

    def _block(self, file: IO[bytes], row: int, wanted: Sequence[str]) -> Block:
        found = members(self.keys[row], self.samples[row])
        name = _member(self.keys[row], found["points"])
        table = self._read(file, row, found["points"])
        if table.ndim != 2 or table.shape[1] < 3 or table.dtype.kind not in "fiu" or not len(table):
            raise DataError(f"{name} holds shape {table.shape} of {table.dtype}; expected (points, 3) numbers")
        columns = {UNNAMED: table[None, :, 3:]} if table.shape[1] == 6 and wanted else {}
        columns |= {kind: self._read(file, row, found[kind])[None] for kind in wanted if kind in found}
        parts = whole_labels(self._read(file, row, found["parts"])) if "parts" in found else None
        if parts is not None and parts.shape != (len(table),):
            told = _member(self.keys[row], found["parts"])
            raise DataError(f"{name} has {len(table)} points, but {told} has shape {parts.shape}")
        return Block(row, table[None, :, :3], None if parts is None else parts[None], columns)

    def _read(self, file: IO[bytes], row: int, extension: str) -> np.ndarray:
        at, size = self.samples[row][extension]
        file.seek(at)
        name = _member(self.keys[row], extension)
        with reasons(f"{name} is no .npy"):
            return array_of(name, file.read(size))


def describe_tar(path: Path, name: str) -> TarSet:
    """What a shard called ``name`` holds; :class:`DataError` where it is damaged, or no shard of clouds.

    A cloud whose members cannot be used is one of those that are left out; what is said of it names the member.
    """
    labels: list[int | str | None] = []
    splits: list[str | None] = []
    shapes = set()
    word = _split_of(path.stem)
    with path.open("rb") as file:
        samples, texts, wrong = _index(file)
        for key, sample in samples.items():
            label, split = None, word
            try:
                if key not in wrong:
                    label, said = _facts(key, texts.get(key, {}))
                    split = word if said is None else split_name(said)
                    at, size = sample[members(key, sample)["points"]]
                    file.seek(at)
                    shapes.add(shape_of(file.read(min(size, HEAD))))
            except DataError as error:
                wrong[key] = str(error)
            labels.append(label)
            splits.append(split)
    _check_labels(list(samples), labels)
    known, classes = label_indices(labels)
    sizes = {shape[0] for shape in shapes if shape}
    rows = {key: row for row, key in enumerate(samples)}
    return TarSet(
        path,
        list(samples),
        list(samples.values()),
        [portable(f"{name}/{printable(key)}") for key in samples],
        known,
        classes,
        np.array(splits, dtype=object) if any(splits) else None,
        {rows[key]: reason for key, reason in wrong.items()},
        sizes.pop() if len(sizes) == 1 else None,
        any(shape is not None and len(shape) == 2 and shape[1] > 3 for shape in shapes),
    )


def _index(file: IO[bytes]) -> tuple[dict[str, Sample], dict[str, dict[str, bytes]], dict[str, str]]:
    """The members of each key that has a cloud or a label, the texts of the labels, and what is wrong with some."""
    samples: dict[str, Sample] = {}
    texts: dict[str, dict[str, bytes]] = {}
    wrong: dict[str, str] = {}
    others: Counter[str] = Counter()
    last = "its beginning"
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # else all that was passed is kept
                last = member.name
                key, extension = _key(member.name)
                kind = extension.rpartition(".")[2]
                if not key or member.isdir() or (kind != "npy" and extension not in LABELS):
                    others[kind or "no extension"] += not member.isdir()
                    continue
                sample = samples.setdefault(key, {})
                if extension in sample:
                    wrong[key] = f"there are two members {printable(member.name)}"
                elif not member.isreg() or member.issparse():
                    wrong[key] = f"{printable(member.name)} is a link or no usual file"
                elif member.size > LABELS.get(extension, member.size):
                    wrong[key] = f"{printable(member.name)} has {member.size} bytes, which is no label"
                sample[extension] = (member.offset_data, member.size)
                if extension in LABELS and key not in wrong:
                    file.seek(member.offset_data)
                    texts.setdefault(key, {})[extension] = file.read(member.size)
            _check_end(file, archive.offset, last)
    except tarfile.TarError as error:
        raise DataError(f"the archive is damaged or cut short after {printable(last)} ({error})") from None
    if not any(extension.endswith("npy") for sample in samples.values() for extension in sample):
        held = ", ".join(f"{count} × {kind}" for kind, count in others.most_common(5)) or "no members"
        raise DataError(f"the archive holds no cloud: expected members such as 0001.npy and 0001.cls ({held})")
    return samples, texts, wrong


def _check_end(file: IO[bytes], at: int, last: str) -> None:
    """:class:`DataError` where an archive does not end as one does, in zeros: ``tarfile`` takes any end for one."""
    file.seek(at)
    if file.read(BLOCK) != bytes(BLOCK):
        raise DataError(f"the archive is damaged or cut short after {printable(last)}: no end of it follows")
    while piece := file.read(PIECE):
        if piece.count(0) != len(piece):
            raise DataError(
                f"after its end behind {printable(last)}, the archive goes on: archives that were joined byte by byte "
                "are not read. Leave them apart, as shards"
            )


def _key(name: str) -> tuple[str, str]:
    """Key and extension, the latter in lower case; no key for a hidden file."""
    path = PurePosixPath(name)
    stem, _, extension = path.name.partition(".")
    return (str(path.with_name(stem)) if stem else ""), extension.lower()


def _member(key: str, extension: str) -> str:
    return printable(f"{key}.{extension}")


def members(key: str, sample: Sample) -> dict[str, str]:
    """Which extension is the cloud (``points``), and which its parts and columns, if it has any.

    :class:`DataError` where that cannot be told.
    """
    found: dict[str, str] = {}
    clouds = []
    for extension in sample:
        word = extension.removesuffix("npy").strip(".").rpartition(".")[2]
        if not extension.endswith("npy"):
            continue
        kind = next((kind for kind, words in COLUMN_KEYS.items() if word in words), None)
        kind = "parts" if word in PART_KEYS else kind
        if kind is None:
            clouds.append(extension)
        else:
            found[kind] = extension
    plain = [extension for extension in clouds if extension == "npy"]
    named = [extension for extension in clouds if extension.removesuffix(".npy") in (*POINT_KEYS, "xyz")]
    clouds = plain or named[:1] or clouds
    if not clouds:
        raise DataError(f"there is {_member(key, next(iter(sample)))}, but no {_member(key, 'npy')}")
    if len(clouds) > 1:
        told = ", ".join(_member(key, extension) for extension in clouds)
        raise DataError(f"which of {told} is the cloud cannot be told: call it {_member(key, 'npy')}")
    return {"points": clouds[0], **found}


def _facts(key: str, texts: dict[str, bytes]) -> tuple[int | str | None, str | None]:
    """The label and the split that the members of a key say."""
    label: Any = None
    split: Any = None
    name = _member(key, "json")
    if "json" in texts:
        try:
            content = json.loads(texts["json"])
        except (ValueError, RecursionError):
            raise DataError(f"{name} is no JSON") from None
        facts = content if isinstance(content, dict) else {LABEL_WORDS[0]: content}
        label = next((facts[word] for word in LABEL_WORDS if word in facts), None)
        split = next((facts[word] for word in SPLIT_KEYS if word in facts), None)
    if "cls" in texts:
        name = _member(key, "cls")
        try:
            text = texts["cls"].decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            raise DataError(f"{name} is no text in UTF-8") from None
        label = int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else text
    fits = label is None or (isinstance(label, str) and label) or (type(label) is int and 0 <= label < 2**63)
    if not fits or not isinstance(split, str | None):
        raise DataError(f"{name} says {str(split if fits else label)[:60]!r}; expected the number or name of a class")
    return label, split


def _check_labels(keys: Sequence[str], labels: Sequence[int | str | None]) -> None:
    """:class:`DataError` where some clouds have numbers for labels and some have names."""
    first = {type(label): row for row, label in reversed(list(enumerate(labels))) if label is not None}
    if len(first) > 1:
        told = " and ".join(f"that of {printable(keys[row])} is {labels[row]!r}" for row in sorted(first.values()))
        raise DataError(f"some labels are numbers and some are names: {told}")


def _split_of(stem: str) -> str | None:
    """The split that the name of a shard says, as ``train-000001`` does."""
    words = {SPLIT_NAMES[word] for word in re.split(r"[^a-z]+", stem.lower()) if word in SPLIT_NAMES}
    return words.pop() if len(words) == 1 else None
