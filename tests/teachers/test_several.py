"""Several 2D models as one teacher."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from i2pmae.common.errors import UsageError
from i2pmae.projection.lift import lift
from i2pmae.projection.rasterise import view_frame
from i2pmae.projection.views import AXIS_VIEWS
from i2pmae.teachers.base import TeacherMaps, pooled
from i2pmae.teachers.catalogue import check_teacher, members
from i2pmae.teachers.loading import load_teacher
from i2pmae.teachers.several import SeveralTeachers


class Saying:
    """A teacher that says what it is given to say."""

    def __init__(self, name: str, features: torch.Tensor, saliency: torch.Tensor, vector: torch.Tensor | None = None):
        self.name, self.maps = name, TeacherMaps(features, saliency, vector)
        self.feature_dim, self.grid_size, self.image_size = features.shape[1], features.shape[2], 32
        self.device = "cpu"

    def __call__(self, images: torch.Tensor) -> TeacherMaps:
        return TeacherMaps(*(None if part is None else part.expand(len(images), *part.shape[1:]) for part in self.maps))

    def to(self, device: str) -> "Saying":
        self.device = device
        return self

    def fingerprint(self) -> str:
        return self.name


def saying(name: str, channels: int, grid: int, scale: float = 1.0) -> Saying:
    generator = torch.Generator().manual_seed(channels)
    features = torch.randn(1, channels, grid, grid, generator=generator) * scale + scale
    return Saying(name, features, torch.rand(1, grid, grid, generator=generator) * scale)


def test_every_member_counts_the_same_whatever_its_scale_and_channels() -> None:
    small, large = saying("small", 6, 4, 0.01), saying("large", 30, 4, 500.0)
    both = SeveralTeachers([small, large])
    assert (both.name, both.feature_dim, both.grid_size) == ("small+large", 36, 4)
    features, _, vectors = both(torch.zeros(2, 1, 32, 32))
    assert features.shape == (2, 36, 4, 4) and vectors.shape == (2, 36)
    for part in (features, vectors):
        torch.testing.assert_close(part[:, :6].square().sum(1), part[:, 6:].square().sum(1), rtol=2e-2, atol=0)
    # The whole has unit variance over its channels, and each part says what its member said.
    torch.testing.assert_close(features.square().mean(1), torch.ones(2, 4, 4), rtol=2e-2, atol=0)
    for part, member in ((features[:, :6], small), (features[:, 6:], large)):
        said = member.maps.features - member.maps.features.mean(1, keepdim=True)
        torch.testing.assert_close(torch.cosine_similarity(part, said, dim=1), torch.ones(2, 4, 4))


def test_saliency_is_the_mean_of_ranks() -> None:
    first = torch.tensor([[[0.0, 0.1], [0.2, 9000.0]]])
    second = torch.tensor([[[-3.0, -3.0], [-1.0, -2.0]]])
    features = torch.randn(1, 3, 2, 2)
    both = SeveralTeachers([Saying("a", features, first), Saying("b", features, second)])
    found = both(torch.zeros(1, 1, 8, 8)).saliency
    # Ranks of the first: 0, 1/3, 2/3, 1; of the second: 1/6 (shared), 1/6, 1, 2/3.
    torch.testing.assert_close(found, torch.tensor([[[1 / 12, 1 / 4], [5 / 6, 5 / 6]]]))


def test_smaller_grids_are_enlarged_as_maps_are_carried_to_points() -> None:
    coarse, fine = saying("coarse", 8, 4), saying("fine", 8, 16)
    found = SeveralTeachers([coarse, fine])(torch.zeros(1, 1, 32, 32)).features
    alone = SeveralTeachers([coarse, coarse])(torch.zeros(1, 1, 32, 32)).features
    assert found.shape[-1] == 16
    # To 16 pixels, a map of 16 cells is itself: so the points read what the coarse map says in that image.
    points = torch.nn.functional.normalize(torch.randn(1, 50, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    frame = view_frame(points, AXIS_VIEWS[:1], 16)
    enlarged, direct = (lift(maps[:, None, :8], points, frame) for maps in (found, alone))
    torch.testing.assert_close(enlarged, direct, rtol=1e-4, atol=1e-5)


def test_members_are_moved_and_told_apart() -> None:
    a, b = saying("a", 4, 4), saying("b", 4, 4)
    both = SeveralTeachers([a, b])
    both.to("meta")
    assert a.device == b.device == "meta"
    assert len({both.fingerprint(), SeveralTeachers([b, a]).fingerprint(), SeveralTeachers([a]).fingerprint()}) == 3


def test_names_joined_by_a_plus_are_loaded_with_their_own_normalisation(model_folder: Callable[[str], Path]) -> None:
    vit, resnet = model_folder("vit"), model_folder("resnet")
    both = load_teacher(f"{vit}+random:{resnet}+embedded", precision="fp32")
    assert isinstance(both, SeveralTeachers) and both.name == f"{vit}+random:{resnet}+embedded"
    assert [each.name for each in both.members] == [str(vit), f"random:{resnet}", "embedded"]
    assert both.feature_dim == 32 + 32 + 192 and both.grid_size == 14 and both.precision == "fp32"
    images = torch.rand(2, 1, 224, 224, generator=torch.Generator().manual_seed(0))
    maps, alone = both(images), load_teacher("embedded", precision="fp32")(images)
    torch.testing.assert_close(
        torch.cosine_similarity(maps.features[:, 64:], alone.features - alone.features.mean(1, keepdim=True), dim=1),
        torch.ones(2, 14, 14),
    )
    assert maps.pooled.shape[1] == 64 + 32 + pooled(alone).shape[1]
    assert maps.saliency.min() >= -0.2 and maps.saliency.isfinite().all()


def test_what_a_name_stands_for(tmp_path: Path) -> None:
    assert members("embedded") == ("embedded",) and members("a+random:b/c") == ("a", "random:b/c")
    folder = tmp_path / "mine+yours"
    folder.mkdir()
    assert members(str(folder)) == (str(folder),) and members("run:runs/a+b") == ("run:runs/a+b",)
    for name in (
        "embedded",
        "random:embedded",
        "embedded+random:vit-ti16",
        "a/b+vit-ti16",
        "run:x",
        str(folder),
        "./a+b",
    ):
        assert check_teacher(name) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("embedded+", "lacks the name"),
        ("embedded+embeded", "Did you mean 'embedded'"),
        ("random:embeded", "Did you mean 'embedded'"),
        ("embedded+run:runs/a", "teaches alone"),
        ("random:run:runs/a", "teaches alone"),
        ("run:", "needs the folder"),
    ],
)
def test_names_that_stand_for_nothing(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_teacher(name)


def test_a_run_sees_no_images() -> None:
    with pytest.raises(UsageError, match="only pretrain takes it"):
        load_teacher("run:runs/mine")
