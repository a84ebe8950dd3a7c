"""A method from outside brings its own names of released files; the engine knows nothing of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from i2pmae.common.config import Config
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.encoders.base import EncoderModel
from i2pmae.encoders.config import PlainConfig
from i2pmae.encoders.published import Settings
from i2pmae.methods import METHODS
from i2pmae.weights.kinds import KINDS, PRETRAINING, ModelKind, add_kind
from i2pmae.weights.released.convert import convert
from i2pmae.weights.released.settings import ConvertOptions
from i2pmae.weights.released.shapes import Shapes
from i2pmae.weights.released.spec import Found, ReleasedEncoder, ReleasedHead, ReleasedNames
from i2pmae.weights.store import load_model
from tests.weights.small_models import TINY_PLAIN


def _sizes(shapes: Shapes, settings: Settings) -> PlainConfig:
    assert shapes.outputs("core.position.2") == TINY_PLAIN.width
    return TINY_PLAIN.changed(group_count=settings.group_counts[0])


def _whole(found: Found) -> Config:
    return found.encoder


TOY = ReleasedNames(
    title="Toy",
    encoder=ReleasedEncoder(
        what="one small level",
        example="core.",
        sign=r"core\.",
        names={r"^core\.": "encoder."},
        sizes=_sizes,
        wide="mean|max",
        width=lambda shapes: shapes.outputs("core.position.2"),
        settings={"toys": Settings((8,), (8,), None, 64)},
        levelled=False,
    ),
    pooling="mean+max",
    signs=(r"toy_head\.",),
    heads=(ReleasedHead(PRETRAINING, r"toy_head\.", _whole, ("toys",), lambda _: {}),),
    assumed=("toys",),
    dropped={r"toy_head\.": "head of the toy"},
)


@pytest.fixture
def methods() -> Iterator[dict[str, ReleasedNames]]:
    add_kind(ModelKind("toy", "a pre-trained toy", "`toy`", PlainConfig.model_validate, EncoderModel))
    yield {**{name: m.released for name, m in METHODS.items() if m.released is not None}, "toy": TOY}
    del KINDS["toy"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    weights = EncoderModel(TINY_PLAIN).state_dict()
    path = tmp_path / "toy.pth"
    torch.save({name.replace("encoder.", "core."): value for name, value in weights.items()}, path)
    return path


def test_its_files_are_converted(methods: dict[str, ReleasedNames], file: Path, tmp_path: Path) -> None:
    done = convert(file, "toy", tmp_path / "out", ConvertOptions(encoder_only=True), methods=methods)
    assert (done.record.method, done.record.task, done.source) == ("toy", "encoder", "toys")
    expected = torch.load(file, weights_only=True)
    found = load_model(tmp_path / "out")[0].state_dict()
    assert done.used == len(expected) == len(found)
    assert all(torch.equal(found[name.replace("core.", "encoder.")], value) for name, value in expected.items())


def test_others_are_told_from_it(methods: dict[str, ReleasedNames], file: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="an encoder of one small level: use --from toy"):
        convert(file, "point-mae", tmp_path / "out", methods=methods)
    torch.save({"toy_head.weight": torch.zeros(3)}, file)
    with pytest.raises(CheckpointError, match="holds weights of toy: use --from toy"):
        convert(file, "i2p-mae", tmp_path / "out", methods=methods)
    torch.save({"strange.weight": torch.zeros(3)}, file)
    with pytest.raises(CheckpointError, match=r"such as h_encoder\.… \(I2P-MAE, Point-M2AE\) or .* or core\.… \(Toy\)"):
        convert(file, "i2p-mae", tmp_path / "out", methods=methods)
    with pytest.raises(UsageError, match=r"Unknown method 'toi'. Did you mean 'toy'"):
        convert(file, "toi", tmp_path / "out", methods=methods)
