import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.commands.use import load
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.common.seeds import numpy_generator
from i2pmae.data.clouds import normalise
from i2pmae.data.open.source import open_clouds
from i2pmae.data.shapes import make_shapes
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.weights.clouds import copy_of, filled_up
from i2pmae.weights.encoder import Encoder
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import load_model
from tests.weights.small_models import MODELS, save_model

WIDTH, POINT_WIDTH, LEAST = 24, 60, 16


@pytest.fixture
def encoder(folder: Path) -> Encoder:
    return load(folder, device="cpu")


def test_it_introduces_itself(encoder: Encoder) -> None:
    assert (encoder.embedding_dim, encoder.min_points) == (WIDTH, LEAST)
    assert "24 channels" in repr(encoder)


def test_arrays_give_arrays_and_tensors_tensors(encoder: Encoder, clouds: np.ndarray) -> None:
    out = encoder.embed(clouds)
    assert isinstance(out, np.ndarray)
    assert (out.shape, out.dtype) == ((5, WIDTH), np.float32)
    as_tensor = encoder.embed(torch.from_numpy(clouds))
    assert isinstance(as_tensor, torch.Tensor)
    np.testing.assert_array_equal(as_tensor.numpy(), out)


def test_single_clouds_lose_the_axis(encoder: Encoder, clouds: np.ndarray) -> None:
    all_of_them = encoder.embed(clouds)
    np.testing.assert_allclose(encoder.embed(clouds[2]), all_of_them[2], atol=1e-5)
    assert encoder.embed(torch.from_numpy(clouds[2])).shape == (WIDTH,)
    assert encoder.point_features(clouds[2]).shape == (64, POINT_WIDTH)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_an_embedding_does_not_depend_on_its_batch(encoder: Encoder, clouds: np.ndarray, batch_size: int) -> None:
    expected = encoder.embed(clouds[3:4])[0]
    np.testing.assert_allclose(encoder.embed(clouds, batch_size=batch_size)[3], expected, atol=1e-5)
    np.testing.assert_allclose(
        encoder.point_features(clouds, batch_size=batch_size)[3], encoder.point_features(clouds[3]), atol=1e-5
    )


def test_lists_of_different_sizes_keep_their_order(encoder: Encoder) -> None:
    sizes = [40, 16, 200, 40, 64]
    generator = np.random.default_rng(1)
    clouds = [generator.normal(size=(size, 3)) for size in sizes]
    out = encoder.embed(clouds, batch_size=2)
    assert out.shape == (5, WIDTH)
    for row, cloud in zip(out, clouds, strict=True):
        np.testing.assert_allclose(row, encoder.embed(cloud), atol=1e-5)
    features = encoder.point_features([torch.from_numpy(cloud) for cloud in clouds])
    assert isinstance(features, list)
    assert [tuple(part.shape) for part in features] == [(size, POINT_WIDTH) for size in sizes]
    assert all(isinstance(part, torch.Tensor) for part in features)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_every_floating_point_type_is_taken(encoder: Encoder, clouds: np.ndarray, kind: str) -> None:
    expected = encoder.embed(clouds.astype(kind).astype(np.float32))
    np.testing.assert_allclose(encoder.embed(clouds.astype(kind)), expected, atol=1e-5)
    tensor = torch.from_numpy(clouds.astype(kind))
    out = encoder.embed(tensor)
    assert out.dtype == torch.float32
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-5)


def test_bfloat16_tensors_and_strided_arrays_are_taken(encoder: Encoder, clouds: np.ndarray) -> None:
    assert encoder.embed(torch.from_numpy(clouds).bfloat16()).shape == (5, WIDTH)
    wide = np.concatenate([clouds, clouds], axis=-1)
    np.testing.assert_array_equal(encoder.embed(wide[..., :3]), encoder.embed(clouds))


def test_place_and_size_do_not_matter(encoder: Encoder, clouds: np.ndarray) -> None:
    expected = encoder.embed(clouds)
    moved = clouds.astype(np.float64) * 250 + np.array([5e6, -3e6, 100.0])
    np.testing.assert_allclose(encoder.embed(moved), expected, atol=1e-4)
    np.testing.assert_allclose(encoder.embed(clouds.astype(np.float64) * 1e200), expected, atol=1e-5)
    assert np.abs(encoder.embed(clouds, normalise=False) - expected).max() > 1e-3


def test_up_turns_the_cloud(encoder: Encoder, clouds: np.ndarray) -> None:
    x, y, z = np.moveaxis(clouds, -1, 0)
    z_up = np.stack([x, -z, y], axis=-1)
    np.testing.assert_allclose(encoder.embed(z_up, up="z"), encoder.embed(clouds), atol=1e-5)
    assert np.abs(encoder.embed(z_up) - encoder.embed(clouds)).max() > 1e-3


def test_many_points_are_thinned_to_the_number_of_training(encoder: Encoder) -> None:
    cloud = np.random.default_rng(2).normal(size=(500, 3))
    thinned, whole = encoder.embed(cloud), encoder.embed(cloud, max_points=None)
    assert np.abs(thinned - whole).max() > 1e-4
    np.testing.assert_array_equal(encoder.embed(cloud, max_points=500), whole)
    np.testing.assert_array_equal(encoder.embed(cloud), thinned)
    assert encoder.point_features(cloud).shape == (500, POINT_WIDTH)


def test_max_points_below_the_tokens_is_refused(encoder: Encoder, clouds: np.ndarray) -> None:
    with pytest.raises(UsageError, match="max_points=8 is less than the 16"):
        encoder.embed(clouds, max_points=8)


def test_point_features_are_those_of_the_model(encoder: Encoder, clouds: np.ndarray, model: I2PMAE) -> None:
    unit = torch.from_numpy(clouds) - torch.from_numpy(clouds).mean(1, keepdim=True)
    unit = unit / unit.norm(dim=-1).amax(1)[:, None, None]
    with torch.no_grad():
        expected = model.eval().point_features(unit)
        pooled = model.embed(unit, "mean+max")
    np.testing.assert_allclose(encoder.point_features(clouds), expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(encoder.embed(clouds, pooling="mean+max"), pooled.numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in MODELS if "vocabulary" not in kind])
def test_a_model_embeds_as_its_encoder_does(kind: str, tmp_path: Path, clouds: np.ndarray) -> None:
    folder = save_model(tmp_path, kind)
    encoder, (loaded, record) = load(folder, "cpu"), load_model(folder)
    with torch.no_grad():
        expected = loaded.embed(torch.from_numpy(clouds)).numpy()
    assert loaded.pooling == record.pooling == encoder.pooling
    assert expected.shape == (5, loaded.embedding_dim())
    np.testing.assert_allclose(encoder.embed(clouds, normalise=False), expected, atol=1e-5)


def test_results_can_be_trained_on(encoder: Encoder, clouds: np.ndarray) -> None:
    out = encoder.embed(torch.from_numpy(clouds))
    assert not out.requires_grad
    weight = torch.zeros(WIDTH, requires_grad=True)
    (out @ weight).sum().backward()
    assert weight.grad is not None


def test_no_clouds_give_no_rows(encoder: Encoder) -> None:
    assert encoder.embed(np.zeros((0, 64, 3))).shape == (0, WIDTH)
    assert encoder.point_features(torch.zeros(0, 64, 3)).shape == (0, 64, POINT_WIDTH)


def broken(clouds: np.ndarray, index: int, value: float) -> np.ndarray:
    clouds = clouds.copy()
    clouds[index, 7, 1] = value
    return clouds


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda c: broken(c, 3, np.nan), r"Cloud 3 has NaN or infinite.*1 of its 64 points, the first at point 7"),
        (lambda c: broken(c, 1, np.inf), "Cloud 1 has NaN or infinite"),
        (lambda c: np.where(np.arange(5)[:, None, None] == 2, np.float32(0.1), c), "Cloud 2.*all its points are equal"),
        (lambda c: c[:, :2], "Cloud 0 has no shape: it has only 2 different points"),
        (lambda c: [c[0], c[1, :1]], "Cloud 1 has no shape: all its points are equal"),
        (lambda c: [c[0], c[1, :0]], "Cloud 1 has no points"),
        (lambda c: np.concatenate([c, c], -1), r"got shape \(5, 64, 6\).*points\[\.\.\., :3\]"),
        (lambda c: c[..., :2], r"got shape \(5, 64, 2\)"),
        (lambda c: c.transpose(0, 2, 1), "transpose"),
        (lambda c: c[None], r"\(clouds, points, 3\).*got \(1, 5, 64, 3\)"),
        (lambda c: c[0, 0], r"got \(3,\)"),
        (lambda c: (c * 100).astype(np.int64), r"floating-point.*int64.*astype"),
        (lambda c: torch.ones(2, 64, 3, dtype=torch.int32), r"floating-point.*int32.*\.float\(\)"),
        (lambda c: c.astype(object), "floating-point.*object"),
        (lambda c: c.astype(complex), "floating-point.*complex"),
        (lambda c: [c[0], c[1].astype(int)], "cloud 1: .*int64"),
        (lambda c: [c[0], c], r"cloud 1: .*\(5, 64, 3\)"),
        (lambda c: c.tolist(), "np.asarray"),
        (lambda c: [], "empty list"),
        (lambda c: "chair.off", "got str"),
        (lambda c: None, "got NoneType"),
    ],
)
@pytest.mark.parametrize("method", ["embed", "point_features"])
def test_unusable_points_are_refused_with_a_reason(
    encoder: Encoder, clouds: np.ndarray, make: object, said: str, method: str
) -> None:
    with pytest.raises(UsageError, match=said):
        getattr(encoder, method)(make(clouds))  # type: ignore[operator]


@pytest.mark.parametrize("method", ["embed", "point_features"])
@pytest.mark.parametrize("scale", [1e19, 1e25, 1e30])
def test_a_result_that_is_not_finite_is_refused(
    encoder: Encoder, clouds: np.ndarray, method: str, scale: float
) -> None:
    far = clouds.copy()
    far[3] *= np.float32(scale)
    with pytest.raises(UsageError, match=r"Cloud 3, whose coordinates reach \d.*not finite.*Leave normalise on"):
        getattr(encoder, method)(far, normalise=False, batch_size=2)
    assert np.isfinite(getattr(encoder, method)(far)).all()
    assert np.isfinite(getattr(encoder, method)(clouds * np.float32(1e3), normalise=False)).all()


@pytest.mark.parametrize("method", ["embed", "point_features"])
def test_weights_that_are_not_finite_are_noticed(
    model: I2PMAE, record: ModelRecord, clouds: np.ndarray, method: str
) -> None:
    damaged = copy.deepcopy(model)
    with torch.no_grad():
        damaged.encoder.norms[2].bias[0] = torch.nan
    with pytest.raises(CheckpointError, match=r"Cloud 0.*unit sphere: the weights are damaged"):
        getattr(Encoder(damaged, record, "cpu"), method)(clouds)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"up": "w"}, "up axis 'w'"), ({"batch_size": 0}, "at least 1"), ({"pooling": "min"}, "pooling 'min'")],
)
def test_unusable_options_are_refused(encoder: Encoder, clouds: np.ndarray, options: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        encoder.embed(clouds, **options)


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "cpu:x", ""])
def test_unknown_devices_are_refused(folder: Path, device: str) -> None:
    with pytest.raises(UsageError, match="evice"):
        load(folder, device=device)


def test_the_encoder_is_frozen(model: I2PMAE, record: ModelRecord, clouds: np.ndarray) -> None:
    encoder = Encoder(model.train(), record, "cpu")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = encoder.embed(clouds)
    np.testing.assert_array_equal(encoder.embed(clouds), first)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_caller_keeps_its_array(encoder: Encoder, clouds: np.ndarray) -> None:
    copy = clouds.copy()
    encoder.embed(clouds, up="z")
    encoder.point_features(torch.from_numpy(clouds), up="z")
    np.testing.assert_array_equal(clouds, copy)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_agrees_with_the_cpu(folder: Path, clouds: np.ndarray) -> None:
    expected = load(folder, "cpu").embed(clouds)
    tensor = load(folder, "cuda").embed(torch.from_numpy(clouds).cuda())
    assert tensor.is_cuda
    np.testing.assert_allclose(tensor.cpu().numpy(), expected, atol=1e-4)


def test_small_clouds_are_filled_up_with_their_own_points(encoder: Encoder, clouds: np.ndarray) -> None:
    for count in (3, 10, 15):
        small = clouds[0, :count].astype(np.float64)
        expected = encoder.embed(small[filled_up(count, LEAST)])
        np.testing.assert_array_equal(encoder.embed(small), expected)
        several = encoder.embed([clouds[1], small, clouds[2]])
        np.testing.assert_allclose(several[1], expected, atol=1e-5)
        features = encoder.point_features(small)
        assert features.shape == (count, POINT_WIDTH)
        places = [list(filled_up(count, LEAST)).index(point) for point in range(count)]
        whole = encoder.point_features(small[filled_up(count, LEAST)])
        np.testing.assert_array_equal(features, whole[places])


def test_a_small_cloud_is_what_its_file_would_be(
    encoder: Encoder, clouds: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same points are taken, the same happens to them; where a file's name decides, here the sizes do."""
    (tmp_path / "files").mkdir()
    np.savetxt(tmp_path / "files" / "scrap.xyz", clouds[0, :10] * 3 + 7, fmt="%.18e")
    read = open_clouds(tmp_path / "files", points=LEAST, cache=tmp_path / "cache")
    monkeypatch.setattr(
        "i2pmae.weights.clouds.numpy_generator", lambda *_: numpy_generator(0, "cloud", str(read.ids[0]))
    )
    scrap = np.loadtxt(tmp_path / "files" / "scrap.xyz")
    np.testing.assert_allclose(encoder.embed(read)[0], encoder.embed(scrap), atol=1e-5)


def test_a_set_of_clouds_is_taken_as_it_is(encoder: Encoder, clouds: np.ndarray) -> None:
    shapes = make_shapes(count=4, points=64)
    np.testing.assert_array_equal(encoder.embed(shapes), encoder.embed(shapes.points))
    np.testing.assert_array_equal(encoder.point_features(shapes), encoder.point_features(shapes.points))
    with pytest.raises(UsageError, match=r"y up already.*up='z'"):
        encoder.embed(shapes, up="z")


def test_it_says_what_it_is(encoder: Encoder, model: I2PMAE, folder: Path) -> None:
    info = encoder.info
    expected = {"method": "i2p-mae", "task": "pretraining", "teacher": "embedded", "points": 64, "channels": WIDTH}
    assert expected.items() <= info.items()
    assert (info["files_up"], info["min_points"], info["point_channels"]) == ("y", LEAST, POINT_WIDTH)
    assert info["parameters"] == sum(values.numel() for values in model.encoder.parameters())
    record = encoder.record.changed(files_up="z", notes={"recipe": "tiny", "data": "scans", "epochs": 3})
    told = Encoder(model, record, "cpu").info
    assert (told["recipe"], told["data"], told["files_up"], told["notes"]) == ("tiny", "scans", "z", {"epochs": 3})


def unit(clouds: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(normalise(clouds).astype(np.float32))


def test_the_module_is_the_embedding(encoder: Encoder, clouds: np.ndarray) -> None:
    module = encoder.module
    assert module is encoder.module
    assert not module.training
    found = module(unit(clouds))
    assert found.requires_grad
    torch.testing.assert_close(found.detach(), torch.from_numpy(encoder.embed(clouds)), atol=1e-5, rtol=1e-5)
    assert {id(values) for values in module.parameters()} == {id(v) for v in encoder.model.encoder.parameters()}
    assert sorted(module.state_dict()) == [f"encoder.{name}" for name in sorted(encoder.model.encoder.state_dict())]


def test_the_module_learns_in_a_loop_of_ones_own(encoder: Encoder, clouds: np.ndarray) -> None:
    points, labels = unit(clouds), torch.tensor([0, 1, 2, 0, 1])
    before = encoder.embed(clouds)
    body, head = encoder.module.train(), torch.nn.Linear(encoder.embedding_dim, 3)
    optimiser = torch.optim.AdamW([*body.parameters(), *head.parameters()], lr=1e-2)
    losses = []
    for _ in range(12):
        loss = torch.nn.functional.cross_entropy(head(body(points)), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    after = encoder.embed(clouds)
    assert np.abs(after - before).max() > 1e-3
    assert body.training and body.encoder.training, "embedding leaves the mode of training as it is"
    np.testing.assert_array_equal(encoder.embed(clouds), after)  # and statistics are not updated by it
    with torch.no_grad():
        torch.testing.assert_close(body.eval()(points), torch.from_numpy(after), atol=1e-5, rtol=1e-5)


def test_the_module_refuses_what_the_encoder_cannot_take(encoder: Encoder, clouds: np.ndarray) -> None:
    with pytest.raises(UsageError, match="16"):
        encoder.module(unit(clouds)[:, :10])


def test_another_read_out_is_the_same_encoder(encoder: Encoder, clouds: np.ndarray) -> None:
    wide = encoder.read_out("levels:mean|max")
    assert wide.pooling == "levels:mean|max" and wide.embedding_dim == 2 * sum(encoder.model.encoder.widths)
    found = wide.embed(clouds)
    np.testing.assert_array_equal(found, encoder.embed(clouds, pooling="levels:mean|max"))
    coarsest = encoder.embed(clouds, pooling="mean|max")
    np.testing.assert_array_equal(found[:, -coarsest.shape[1] :], coarsest)
    assert encoder.read_out(None) is encoder and encoder.pooling != wide.pooling
    with pytest.raises(UsageError, match="Unknown pooling 'mode'"):
        encoder.read_out("mode")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"needs an encoder with a \[CLS\] token"):
        encoder.read_out("class|max")


def test_copies_are_averaged_the_same_in_any_batch(encoder: Encoder, clouds: np.ndarray) -> None:
    plain, three = encoder.embed(clouds), encoder.embed(clouds, copies=3)
    np.testing.assert_array_equal(encoder.embed(clouds, copies=1), plain)
    points = unit(clouds)
    total = encoder.model.embed(points)
    for number in (1, 2):
        copy = copy_of(points, number)
        ratio = copy.sort(1).values / points.sort(1).values
        assert copy.shape == points.shape and not torch.equal(copy, points)
        # The same three factors for all clouds, within a tenth of 1, on points in another order.
        torch.testing.assert_close(ratio, ratio[:1, :1].expand_as(ratio), atol=1e-4, rtol=1e-4)
        assert ((ratio - 1).abs() <= 0.1001).all()
        total = total + encoder.model.embed(copy)
    np.testing.assert_allclose(three, total.detach().numpy() / 3, atol=1e-5)
    np.testing.assert_allclose(encoder.embed(clouds[1], copies=3), three[1], atol=1e-5)
    assert np.abs(three - plain).max() > 1e-4
    with pytest.raises(UsageError, match="copies must be at least 1, got 0"):
        encoder.embed(clouds, copies=0)
