"""A trained run as the teacher of another one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import i2pmae
from i2pmae.common.errors import TeacherError, UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.encoders.masking import propagate
from i2pmae.methods.config import PretrainConfig
from i2pmae.methods.i2p_mae.build import open_teacher
from i2pmae.methods.i2p_mae.config import I2PMAEMethodConfig, ViewPredictorConfig
from i2pmae.methods.i2p_mae.learned import CachedPredictions, LearnedTeacher, Predicted, open_run
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.i2p_mae.task import I2PMAETask
from i2pmae.methods.pictures import pictured
from i2pmae.projection.config import ProjectionConfig
from i2pmae.teachers.lessons import PointTeacher, Projected, as_point_teacher
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import save_weights
from tests.small import POINT_MAE, SMALL
from tests.steps import Painter

CHANNELS, VIEWS, VECTOR = 6, 3, 5
PREDICTOR = ViewPredictorConfig(views=VIEWS, channels=VECTOR, width=16)


def model(features: bool = True, vectors: bool = True, seed: int = 0) -> I2PMAE:
    torch.manual_seed(seed)
    return I2PMAE(SMALL.changed(semantic_dim=CHANNELS * features, view_predictor=PREDICTOR if vectors else None))


def ball(clouds: int = 3, points: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(clouds, points, 3, generator=generator), dim=-1)


def cloud_set(count: int = 20) -> CloudSet:
    return CloudSet(ball(count).numpy(), [f"cloud-{i}" for i in range(count)])


def stored(folder: Path, model: I2PMAE, method: str = "i2p-mae") -> Path:
    record = ModelRecord(method=method, points=64, pooling="max", model=model.config)
    save_weights(folder, model, record)
    return folder


def test_features_at_the_points_that_are_predicted_are_the_mean_of_all_predictions():
    student = model().eval()
    points = ball()
    said = LearnedTeacher(student, "run:x").teach(points)
    hierarchy = student.tokenise(points)
    visible = propagate(torch.ones(3, 4, dtype=torch.bool), hierarchy)
    with torch.no_grad():
        found = student(hierarchy, visible)
        predicted = student.semantics(found)
    sums = [[[] for _ in range(16)] for _ in range(3)]
    row = 0
    for cloud in range(3):
        for token in range(8):
            if visible[1][cloud, token]:
                for member, index in enumerate(hierarchy[1].neighbours[cloud, token].tolist()):
                    sums[cloud][index].append(predicted[row, member])
                row += 1
    assert row == len(predicted)
    at = hierarchy[0].centres
    features = said.features(at)
    assert features.shape == (3, 16, 1, CHANNELS)
    covered = 0
    for cloud in range(3):
        for index in range(16):
            if sums[cloud][index]:
                covered += 1
                expected = torch.stack(sums[cloud][index]).mean(0)
                torch.testing.assert_close(features[cloud, index, 0], expected, rtol=1e-4, atol=1e-5)
    assert covered > 24
    assert said.pooled.shape == (3, VIEWS, VECTOR) and said.saliency(at) is None and said.seen(points, at) is None
    torch.testing.assert_close(said.pooled, found.views)


def test_points_that_no_token_predicts_take_what_their_neighbours_are_given():
    centres = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1000, 1000, 1000]]])
    values = torch.tensor([[[1.0], [2.0], [3.0], [np.nan]]]).nan_to_num(-1e6)
    found = Predicted(centres, values, None).features(torch.tensor([[[0.1, 0.1, 0.0], [1, 0, 0]]]))
    assert 1 < float(found[0, 0, 0, 0]) < 2 and float(found[0, 1, 0, 0]) == pytest.approx(2)


def test_it_is_frozen_and_told_apart_by_its_weights():
    teacher = LearnedTeacher(model(), "run:x")
    assert isinstance(teacher, PointTeacher) and as_point_teacher(teacher, ProjectionConfig()) is teacher
    assert not isinstance(Painter(), PointTeacher)
    assert isinstance(as_point_teacher(Painter(), ProjectionConfig()), Projected)
    points = ball().requires_grad_()
    assert not teacher.teach(points).features(points[:, :4]).requires_grad
    assert teacher.fingerprint() == LearnedTeacher(model(), "run:y").fingerprint()
    assert teacher.fingerprint() != LearnedTeacher(model(seed=1), "run:x").fingerprint()


def test_a_run_is_opened_by_name(tmp_path: Path):
    folder = stored(tmp_path / "run", model())
    teacher = open_run(f"run:{folder}")
    assert (teacher.name, teacher.feature_dim) == (f"run:{folder}", CHANNELS)
    assert teacher.views == 1 and teacher.summarises
    assert teacher.fingerprint() == LearnedTeacher(model(), "").fingerprint()
    with pytest.raises(TeacherError, match=r"cannot teach\. There is no checkpoint"):
        open_run(f"run:{tmp_path / 'nowhere'}")
    with pytest.raises(TeacherError, match="predicts nothing of a 2D model"):
        open_run(f"run:{stored(tmp_path / 'none', model(False, False))}")


def test_another_method_predicts_nothing_of_a_2d_model(tmp_path: Path):
    from i2pmae.methods.point_mae.model import PointMAE

    with pytest.raises(TeacherError, match="pretraining of point-mae"):
        open_run(f"run:{stored(tmp_path, PointMAE(POINT_MAE), 'point-mae')}")


def config(teacher: str = "embedded", **changes) -> I2PMAEMethodConfig:
    values = {"model": SMALL.model_dump(), "teacher": teacher, "guidance": {"kind": "random"}}
    return I2PMAEMethodConfig.from_dict({**values, **changes}, "method")


def test_guidance_without_saliency_is_refused():
    for changes in ({"guidance": {"kind": "standardised"}}, {"sampling": {"alpha": 1.0}}):
        with pytest.raises(UsageError, match=r"set guidance\.kind random"):
            config("run:runs/mine", **changes)
    config("run:runs/mine", guidance={"kind": "rank", "saliency": "feature-norm"}, sampling={"alpha": 1.0})
    with pytest.raises(UsageError, match="all features have the same length"):
        config("embedded+vit-ti16", guidance={"kind": "rank", "saliency": "feature-norm"})
    with pytest.raises(UsageError, match="does not say how much points matter"):
        open_teacher(config(guidance={"kind": "paper"}), given=LearnedTeacher(model(), "mine"))


@pytest.mark.parametrize(
    ("teacher", "changes", "said"),
    [
        ((False, True), {}, "the features of points"),
        ((True, False), {"whole": {"regression": 1.0}}, "vectors of whole views"),
        ((True, True), {"whole": {"regression": 1.0, "views": "orbit:4"}, "cache_teacher": True}, "other views"),
    ],
)
def test_what_a_run_was_not_taught_it_does_not_teach(teacher: tuple[bool, bool], changes: dict, said: str):
    with pytest.raises(UsageError, match=said):
        open_teacher(config(**changes), given=LearnedTeacher(model(*teacher), "mine"))


def test_the_task_learns_what_the_run_predicts():
    teacher = LearnedTeacher(model(seed=1), "run:x")
    task = I2PMAETask(model(vectors=False), config(loss={"targets": "raw"}, augment=False), teacher, points=64)
    points = ball()
    hierarchy = task.model.tokenise(points)
    every = [torch.ones_like(level.origin, dtype=torch.bool) for level in hierarchy]
    lesson = teacher.teach(points)
    features, rows, seen = task.targets(lesson, points, hierarchy, every)
    assert seen is None and features.shape == (3 * 16, CHANNELS) and rows.shape == (3 * 8, 4)
    losses = task.losses({"points": points, "index": torch.arange(3)}, torch.Generator().manual_seed(0))
    assert losses.keys() == {"coordinates", "semantics", "explained"}, "no saliency, so none is watched"
    assert task.look_at(points)[1] is None
    config_by_length = config(guidance={"saliency": "feature-norm"}, loss={"targets": "raw"}, sampling={"alpha": 1.0})
    by_length = I2PMAETask(model(vectors=False), config_by_length, teacher, points=64)
    assert by_length.look_at(points)[1].shape == (3, 4)


@pytest.mark.parametrize(("features", "pooled"), [(True, True), (True, False), (False, True)])
def test_what_is_kept_is_what_was_said(tmp_path: Path, features: bool, pooled: bool):
    teacher, clouds = LearnedTeacher(model(), "run:x"), cloud_set()
    kept = CachedPredictions(tmp_path, teacher, clouds, shown=False, features=features, pooled=pooled)
    rows = torch.tensor([7, 0, 19])
    points = torch.as_tensor(clouds.points)[rows]
    said, found = teacher.teach(points), kept.lesson(rows, points)
    if features:
        at = points[:, :5]
        torch.testing.assert_close(found.features(at), said.features(at), rtol=1e-2, atol=2e-2)
    if pooled:
        torch.testing.assert_close(kept.pooled(rows), said.pooled, rtol=1e-3, atol=1e-3)
    assert (found.pooled is not None, found.predicted is not None) == (pooled, features)
    model_now = teacher._model
    teacher._model = None  # nobody asks again
    teacher.fingerprint = lambda: LearnedTeacher(model_now, "").fingerprint()
    again = CachedPredictions(tmp_path, teacher, clouds, shown=False, features=features, pooled=pooled)
    assert again.folder == kept.folder and again.seconds == kept.seconds > 0


def test_there_is_nothing_to_draw_of_what_it_sees():
    found = pictured(cloud_set(), 0, None, teacher=LearnedTeacher(model(), "run:x"))
    assert found.views is None and found.point_saliency is None


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., PretrainConfig]:
    points = np.random.default_rng(0).normal(size=(24, 40, 3)).astype(np.float32)
    np.savez(tmp_path / "clouds.npz", points=points)

    def settings(name: str, **changes) -> PretrainConfig:
        given = {"data": str(tmp_path / "clouds.npz"), "points": 32, "epochs": 1, "batch_size": 8, "device": "cpu"}
        given |= {"model": SMALL, "output": tmp_path / name, "probe": False, "report": True, "whole.regression": 1.0}
        return i2pmae.recipe("tiny").changed(given | changes)

    return settings


@pytest.mark.parametrize("cached", [False, True])
def test_a_run_teaches_a_run_that_teaches_a_run(
    trained: Callable[..., PretrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
):
    first = trained("first", **{"projection.image_size": 64})
    i2pmae.pretrain(first, shown=False)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a 2D model was loaded")

    monkeypatch.setattr("i2pmae.methods.i2p_mae.build.load_teacher", refuse)
    monkeypatch.setattr("i2pmae.teachers.maps.look", refuse)
    for before, name in (("first", "second"), ("second", "third")):
        changes = {"teacher": f"run:{tmp_path / before}", "guidance.kind": "random", "cache_teacher": cached}
        record = i2pmae.pretrain(trained(name, **changes), shown=False)
        assert {"coordinates", "semantics", "views"} <= record.losses.keys()
        encoder = i2pmae.load(tmp_path / name, device="cpu")
        assert encoder.record.teacher == f"run:{tmp_path / before}"
        assert encoder.model.config.semantic_dim == 3 * 192
        report = (tmp_path / name / "report.html").read_text(encoding="utf-8")
        assert "an encoder that was trained before" in report
    clouds = tmp_path / "clouds.npz"
    assert i2pmae.view(clouds, tmp_path / "third", output=tmp_path / "v.png", count=1, shown=False).is_file()
    with pytest.raises(UsageError, match="sees no images"):
        i2pmae.view(clouds, teacher=f"run:{tmp_path / 'third'}", output=tmp_path / "v.png", shown=False)
