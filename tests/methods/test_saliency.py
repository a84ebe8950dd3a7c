"""What a 2D model finds salient decides masks and where tokens are; clouds that are turned."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from i2pmae.common.seeds import torch_generator
from i2pmae.encoders.tokenizer import point_indices
from i2pmae.methods.config import METHOD_CONFIGS, PretrainConfig
from i2pmae.methods.i2p_mae.config import I2PMAEMethodConfig
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.i2p_mae.task import I2PMAETask, PointM2AETask
from i2pmae.methods.point_bert.dvae import DiscreteVAE
from i2pmae.methods.point_bert.model import PointBERT
from i2pmae.methods.point_bert.stage_one import StageOne
from i2pmae.methods.point_bert.task import PointBERTTask
from i2pmae.methods.point_mae.model import PointMAE
from i2pmae.methods.point_mae.task import PointMAETask
from i2pmae.methods.saliency import point_saliency
from i2pmae.ops import fps, gather
from i2pmae.projection.rasterise import view_frame
from i2pmae.projection.views import AXIS_VIEWS
from i2pmae.teachers.base import TeacherMaps
from i2pmae.teachers.maps import Lifted, ViewMaps
from tests.methods.test_fixed_shapes import Painter
from tests.reference import projection
from tests.small import POINT_BERT, POINT_MAE, SMALL, VAE

SIZE = 224


def ball(clouds: int = 3, points: int = 300) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(clouds, points, 3, generator=rng()), dim=-1)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(points: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"points": points, "index": torch.arange(len(points))}


def task(**values) -> I2PMAETask:
    config = I2PMAEMethodConfig(model=SMALL, **values)
    torch.manual_seed(0)
    return I2PMAETask(I2PMAE(config.model.changed(semantic_dim=18)), config, Painter(), points=256)


class Upper(Painter):
    """A teacher that finds salient what is high: in two of the three views rows or columns are heights."""

    def __call__(self, images):
        features = super().__call__(images).features
        height = (torch.arange(14.0) / 2).exp()
        rows = height[:, None].expand(14, 14)
        views = torch.stack([height[None].expand(14, 14), torch.ones(14, 14), rows])
        return TeacherMaps(features, views.repeat(len(images) // 3, 1, 1))


@pytest.mark.parametrize("kind", ["attention", "feature-norm"])
def test_saliency_of_points_is_that_of_the_enlarged_maps(kind) -> None:
    points = ball(2, 1100)  # more than are looked up at a time
    maps = ViewMaps(torch.randn(2, 3, 5, 14, 14, generator=rng(1)), torch.rand(2, 3, 14, 14, generator=rng(2)))
    found = point_saliency(Lifted(maps, view_frame(points, AXIS_VIEWS)), points, kind)
    assert found.shape == (2, 1100)
    for b in range(2):
        cloud = points[b].numpy()
        values = np.zeros(1100)
        for v, view in enumerate(AXIS_VIEWS.numpy()):
            lowest, cell, shift = projection.frame(cloud, view, SIZE)
            pixels = [projection.pixel(point, view, lowest, cell, shift) for point in cloud]
            if kind == "attention":
                values += projection.lifted(maps.saliency[b, v][None], pixels, SIZE)[:, 0].numpy()
            else:
                values += projection.lifted(maps.features[b, v], pixels, SIZE).norm(dim=1).numpy()
        np.testing.assert_allclose(found[b], values / 3, rtol=1e-4, atol=1e-5)


def test_masks_are_guided_by_the_saliency_that_is_asked_for() -> None:
    points = ball()
    found = {}
    for kind in ("attention", "feature-norm"):
        own = task(guidance={"saliency": kind})
        hierarchy, saliency = own.look_at(points)
        maps, frame, _ = look(own, points)
        centres = gather(points, point_indices(hierarchy, -1))
        assert saliency is not None
        torch.testing.assert_close(saliency, point_saliency(Lifted(maps, frame), centres, kind))
        found[kind] = saliency
    assert not torch.allclose(found["attention"], found["feature-norm"])


def look(own: I2PMAETask, points: torch.Tensor):
    from i2pmae.teachers.maps import look

    assert own.teacher is not None
    return look(own.teacher, points, own.projection)


def test_without_alpha_nothing_is_sampled_otherwise() -> None:
    points = ball()
    hierarchy, _ = task().look_at(points)
    assert torch.equal(hierarchy[0].origin, fps(points, 16))
    plain = task().losses(batch(points), torch_generator(0, "step"))
    same = task(sampling={"alpha": 0}).losses(batch(points), torch_generator(0, "step"))
    other = task(sampling={"alpha": 1}).losses(batch(points), torch_generator(0, "step"))
    assert all(torch.equal(plain[name].value, same[name].value) for name in plain)
    assert not torch.equal(plain["coordinates"].value, other["coordinates"].value)


def test_tokens_of_all_levels_are_denser_where_saliency_is_high() -> None:
    points = ball(4, 600)
    heights = {}
    for alpha in (0.0, 0.5, 1.0):
        own = task(sampling={"alpha": alpha})
        own.teacher = Upper()
        hierarchy, _ = own.look_at(points)
        heights[alpha] = [level.centres[..., 1].mean().item() for level in hierarchy]
    assert all(a < b < c for a, b, c in zip(*heights.values(), strict=True))


def test_embeddings_sample_without_saliency() -> None:
    points = ball()
    first, second = (task(sampling={"alpha": alpha}).model.eval() for alpha in (0.0, 1.0))
    assert torch.equal(first.embed(points), second.embed(points))


def test_sampling_alone_needs_a_teacher_and_its_maps() -> None:
    method = PretrainConfig.from_dict({"method": "i2p-mae"}).method.changed(
        {"guidance.kind": "random", "loss.semantics": 0}
    )
    assert not method.needs_teacher
    assert method.changed({"sampling.alpha": 0.5}).needs_maps


def tasks(**values) -> dict:
    """One of each method."""
    torch.manual_seed(0)
    sizes = {"i2p-mae": SMALL, "point-m2ae": SMALL, "point-mae": POINT_MAE, "point-bert": POINT_BERT}
    of = {name: METHOD_CONFIGS[name](model=model, **values) for name, model in sizes.items()}
    words = StageOne(DiscreteVAE(VAE))
    return {
        "i2p-mae": I2PMAETask(I2PMAE(SMALL), of["i2p-mae"], Painter(), points=200),
        "point-m2ae": PointM2AETask(I2PMAE(SMALL), of["point-m2ae"], 200),
        "point-mae": PointMAETask(PointMAE(POINT_MAE), of["point-mae"], 200),
        "point-bert": PointBERTTask(PointBERT(POINT_BERT), of["point-bert"], words, 200),
    }


@pytest.mark.parametrize("method", METHOD_CONFIGS)
def test_what_the_model_sees_is_turned_and_what_is_stored_stays(method, monkeypatch) -> None:
    points = ball(8)
    still, turned = (tasks(augment=False, turn=degrees)[method] for degrees in (0.0, 180.0))
    assert all(part is other for part, other in [still.drawn(batch(points), rng())])
    canonical, seen = turned.drawn(batch(points), rng())
    assert torch.equal(canonical, still.drawn(batch(points), rng())[0])
    assert torch.equal(seen[..., 1], canonical[..., 1])
    angles = (seen[..., 2].atan2(seen[..., 0]) - canonical[..., 2].atan2(canonical[..., 0])).rad2deg() % 360
    assert all((angle - angle[0] + 180) % 360 == pytest.approx(180, abs=0.5) for angle in angles.double().numpy())
    assert len({round(angle) for angle in angles[:, 0].tolist()}) > 5, "each cloud by an angle of its own"
    shown = []
    student = type(turned.student)
    tokenise = student.tokenise
    monkeypatch.setattr(student, "tokenise", lambda model, at, *rest: shown.append(at) or tokenise(model, at, *rest))
    turned.model.train()
    turned.losses(batch(points), rng())
    assert torch.equal(shown[0], seen)


def test_a_turn_comes_after_the_scale_and_is_within_its_range() -> None:
    points = ball(50)
    both = tasks(augment=True, turn=10.0)["point-mae"]
    scaled = tasks(augment=True)["point-mae"].drawn(batch(points), rng())[1]
    seen = both.drawn(batch(points), rng())[1]
    torch.testing.assert_close(seen.norm(dim=-1), scaled.norm(dim=-1))
    cosine = torch.nn.functional.cosine_similarity(seen[..., ::2], scaled[..., ::2], dim=-1)
    assert np.cos(np.radians(10)) - 1e-5 <= cosine.min() < np.cos(np.radians(8))


def test_cached_maps_are_read_where_the_points_are_stored() -> None:
    """However a cloud is turned, what its points are to predict is the same."""
    points = ball()
    maps = ViewMaps(torch.randn(3, 3, 6, 14, 14, generator=rng(1)), torch.rand(3, 3, 14, 14, generator=rng(2)))
    saliency = {}
    for degrees in (0.0, 180.0):
        own = task(augment=False, turn=degrees, cache_teacher=True)
        own.cached = SimpleNamespace(
            lesson=lambda index, stored: Lifted(maps, view_frame(stored, AXIS_VIEWS)), seconds=0.0
        )
        canonical, seen = own.drawn(batch(points), rng())
        looked = own._ask_teacher(batch(points), canonical, seen)
        assert looked is not None
        saliency[degrees] = point_saliency(*looked)
    assert torch.equal(saliency[0.0], saliency[180.0])
