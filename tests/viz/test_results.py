"""Pictures and pages of results: confusion, parts, comparison, the report of a task."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2pmae.common.errors import I2PError, UsageError
from i2pmae.viz import (
    ComparisonPoint,
    NextStep,
    PartPicture,
    ScoreRow,
    TaskContent,
    comparison_figure,
    confusion_figure,
    parts_figure,
    write_comparison,
    write_confusion,
    write_parts,
    write_task_report,
)
from i2pmae.viz.parts import WRONG, part_colours, part_panels
from tests.viz.test_report import parsed


def dark(image: np.ndarray) -> int:
    """Pixels that are far from white."""
    return int((image.min(-1) < 100).sum())


@pytest.fixture(scope="module")
def chair() -> PartPicture:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (400, 3)) * [0.6, 1, 0.6]
    truth = np.where(points[:, 1] > 0, 7, 9)
    predicted = np.where(points[:, 1] > 0.1, 7, 9)
    return PartPicture("chairs/1", points, truth, predicted, {7: "back", 9: "leg"}, {7: 0.9, 9: 0.91}, "chair")


@pytest.mark.parametrize("count", [1, 3, 40, 120])
def test_matrices_of_any_size_are_drawn(count: int) -> None:
    names = [f"class {i}" for i in range(count)]
    matrix = 9 * np.eye(count, dtype=int) + np.eye(count, k=1, dtype=int)
    image = confusion_figure(matrix, names, "Probe")
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    assert 300 < image.shape[0] < 4000 and 300 < image.shape[1] < 4000
    assert dark(image) > dark(confusion_figure(np.zeros_like(matrix), names)) + 500, "full cells are dark"


def test_rows_are_true_classes() -> None:
    """A full lower left cell: the last class is always taken for the first."""
    image = confusion_figure([[0, 0], [5, 0]], ("a", "b"))
    blue = (image[..., 2].astype(int) - image[..., 0] > 80) & (image[..., 0] < 40)
    blue[:, int(0.75 * image.shape[1]) :] = False  # the colour bar
    rows, columns = np.nonzero(blue)
    assert rows.mean() > image.shape[0] / 2 and columns.mean() < image.shape[1] / 2


def test_foreign_and_long_names_are_drawn(tmp_path: Path) -> None:
    path = write_confusion(tmp_path / "new" / "c.png", [[1, 0], [0, 1]], ("椅子 $x^2$", "a\nvery " * 20))
    with Image.open(path) as image:
        assert image.size[0] < 2000
    again = write_confusion(tmp_path / "again.png", [[1, 0], [0, 1]], ("椅子 $x^2$", "a\nvery " * 20))
    assert path.read_bytes() == again.read_bytes()


@pytest.mark.parametrize(
    ("matrix", "classes", "said"),
    [
        ([[1, 0]], ("a", "b"), r"expected an array of shape \(2, 2\)"),
        ([], (), "at least one class"),
        ([[-1]], ("a",), "got -1"),
        ([[float("nan")]], ("a",), "NaN"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(matrix: list, classes: tuple, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        confusion_figure(matrix, classes)


def test_results_are_pictured_as_png_alone(tmp_path: Path, chair: PartPicture) -> None:
    for write in (
        lambda path: write_confusion(path, [[1]], ("a",)),
        lambda path: write_parts(path, [chair]),
        lambda path: write_comparison(path, [ComparisonPoint("a", 1, 0.5)]),
    ):
        with pytest.raises(UsageError, match=r"written as \.png, not '\.jpg'"):
            write(tmp_path / "a.jpg")
        assert write(tmp_path / "a.png").is_file()


def test_a_row_of_parts_has_three_pictures(chair: PartPicture) -> None:
    panels = part_panels(chair, 120)
    assert [panel.title for panel in panels] == ["True parts", "Predicted parts", f"Errors: {chair.wrong.mean():.1%}"]
    red = [int(((panel.image[..., :3] - 255 * 0.8 * WRONG) ** 2).sum(-1).__lt__(2500).sum()) for panel in panels]
    assert red[2] > 0
    flawless = replace(chair, predicted=chair.truth)
    true, same, none = (panel.image for panel in part_panels(flawless, 120))
    np.testing.assert_array_equal(true, same)
    colours = none[none[..., 3] == 255][:, :3].astype(int)
    assert (np.ptp(colours, axis=1) < 40).all(), "no error, no red"


def test_parts_have_the_same_colours_in_every_cloud(chair: PartPicture) -> None:
    other = replace(chair, truth=np.full(400, 9), predicted=np.full(400, 9))
    for part, colour in part_colours(chair).items():
        np.testing.assert_array_equal(part_colours(other)[part], colour)


def test_sheets_grow_with_clouds_and_parts(chair: PartPicture) -> None:
    one, two = parts_figure([chair]), parts_figure([chair, replace(chair, label=None, ious={})])
    assert one.shape[1] == two.shape[1] and one.shape[0] < two.shape[0] < 2 * one.shape[0]
    many = replace(chair, parts={i: f"part {i} with a rather long name" for i in range(30)}, ious={})
    assert parts_figure([many]).shape[0] > two.shape[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"truth": np.zeros(400)}, "truth holds part 0, but the parts are"),
        ({"predicted": np.full(400, 8)}, "predicted holds part 8"),
        ({"truth": np.zeros(3)}, r"chairs/1: truth: expected an array of shape \(400\)"),
        ({"points": np.zeros((0, 3)), "truth": np.zeros(0), "predicted": np.zeros(0)}, "no points"),
        ({"ious": {7: 1.5}}, "IoU between 0 and 1"),
        ({"ious": {1: 0.5}}, "known parts"),
    ],
)
def test_parts_that_do_not_fit_are_refused(chair: PartPicture, change: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        replace(chair, **change)
    with pytest.raises(UsageError, match="no clouds"):
        parts_figure([])


@pytest.mark.parametrize("minutes", [(3, 5), (0.1, 60), (0, 0), (0, 100)])
def test_recipes_are_compared(minutes: tuple[float, float]) -> None:
    points = [ComparisonPoint(f"recipe {i}", m, 0.8, 0.01) for i, m in enumerate(minutes)]
    image = comparison_figure([*points, ComparisonPoint("recipe 0", 7, 0.9)])
    assert image.shape[2] == 3 and (image != 255).any(-1).sum() > 1000


def test_many_recipes_fit(tmp_path: Path) -> None:
    points = [ComparisonPoint(f"a recipe@with.a=very.long.name,{i}", i, i / 40) for i in range(40)]
    assert comparison_figure(points).shape[0] > comparison_figure(points[:3]).shape[0]


@pytest.mark.parametrize("change", [{"mean": 84.0}, {"mean": float("nan")}, {"minutes": -1}, {"std": float("inf")}])
def test_points_that_are_none_are_refused(change: dict) -> None:
    with pytest.raises(UsageError, match="a: expected a score between 0 and 1"):
        ComparisonPoint(**({"name": "a", "minutes": 1, "mean": 0.5} | change))
    with pytest.raises(UsageError, match="nothing to compare"):
        comparison_figure([])


@pytest.fixture(scope="module")
def task(chair: PartPicture) -> TaskContent:
    return TaskContent(
        title="Fine-tuning on solids",
        scores=[ScoreRow("accuracy", 0.8, 0.01, 0.7, 0.02), ScoreRow("mean_class_accuracy", 0.75)],
        protocol="Test clouds were scored once.",
        chance=0.25,
        summary={"Machine": "a computer"},
        history={"training loss": (range(10), np.linspace(1, 0.5, 10))},
        classes=("stick", "ball"),
        confusion=((3, 1), (0, 4)),
        parts=[chair],
        per_class={"stick": 0.75, "ball": 1.0},
        twin_per_class={"stick": 0.5},
        config_yaml="epochs: 3",
        opening="An encoder was fine-tuned on solids.",
        next_steps=[NextStep(("i2pmae", "predict", "my runs/a", "NEW"), "Names the class of new clouds.")],
    )


def test_the_report_of_a_task_has_everything(tmp_path: Path, task: TaskContent) -> None:
    write_task_report(tmp_path / "report.html", task)
    page = parsed(tmp_path / "report.html")
    told = "Fine-tuning on solids|mean class accuracy|scored once|a computer|training loss|Confusion|By class|stick"
    told += "|80.0 ± 1.0\u2009%|70.0 ± 2.0\u2009%|+10.0|25.0\u2009%|50.0\u2009%|True parts|Predicted parts|back 0.90"
    for part in (*told.split("|"), "chairs/1", "epochs: 3"):
        assert part in page.text, part
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert "This page reports one task" in page.text and "An encoder was fine-tuned on solids." in page.text
    assert "On the test clouds: accuracy 80.0\u202f%." in page.text and "without pre-training: 70.0\u202f%" in page.text
    assert "i2pmae predict 'my runs/a' NEW" in page.text and "Names the class of new clouds." in page.text
    assert len(pictures) == 4 and all(picture["alt"] for picture in pictures)
    assert page.text.index("ball100") > page.text.index("stick75"), "the weakest class comes first"


def test_parts_of_the_report_of_a_task_may_be_absent(tmp_path: Path, task: TaskContent) -> None:
    path = tmp_path / "report.html"
    write_task_report(path, TaskContent("Nothing"))
    assert parsed(path).text.count("Nothing") == 2
    defaults = TaskContent("x")
    for field in fields(TaskContent)[1:]:
        if field.name != "classes":
            write_task_report(path, replace(task, **{field.name: getattr(defaults, field.name)}))
            parsed(path)
    write_task_report(path, replace(task, scores=[ScoreRow("accuracy", 0.8)], twin_per_class={}))
    assert "From scratch" not in parsed(path).text


def test_names_in_the_report_of_a_task_are_escaped(tmp_path: Path, task: TaskContent, chair: PartPicture) -> None:
    bad = "<script>alert(1)</script>"
    evil = TaskContent(
        title=bad, scores=[ScoreRow(bad, 0.5)], protocol=bad, summary={bad: bad}, history={bad: ([0, 1], [1, 2])},
        classes=(bad,), confusion=[[1]], per_class={bad: 0.5}, config_yaml=bad,
        parts=[replace(chair, id=bad, label=bad, parts={7: bad, 9: bad})],
    )  # fmt: skip
    write_task_report(tmp_path / "evil.html", evil)
    assert "<script>alert" not in (tmp_path / "evil.html").read_text(encoding="utf-8")
    assert parsed(tmp_path / "evil.html").text.count(bad) >= 8


def test_wrong_reports_leave_no_file(tmp_path: Path, task: TaskContent) -> None:
    with pytest.raises(UsageError, match="confusion matrix"):
        write_task_report(tmp_path / "report.html", replace(task, classes=("a", "b", "c")))
    with pytest.raises(UsageError, match="between 0 and 1"):
        ScoreRow("accuracy", 80.0)
    (tmp_path / "file").write_text("")
    with pytest.raises(I2PError, match="Cannot write"):
        write_task_report(tmp_path / "file" / "report.html", task)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
