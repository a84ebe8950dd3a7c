import html
import re
from dataclasses import fields, replace
from html.parser import HTMLParser

import numpy as np
import pytest

from i2pmae.common.errors import I2PError
from i2pmae.viz import CloudPictures, ReportContent, RunContext, write_report
from i2pmae.viz.story import after_pretraining, opening
from i2pmae.viz.text import plain
from tests.viz.test_text import NASTY

VOID = {"meta", "img", "br", "link", "input"}


class Checker(HTMLParser):
    """Collects tags, attributes and text; fails where tags do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text += data


def parsed(path) -> Checker:
    checker = Checker()
    checker.feed(path.read_text(encoding="utf-8"))
    checker.close()
    assert checker.stack == []
    return checker


@pytest.fixture(scope="module")
def report(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, content)
    return path


def test_everything_is_there(report):
    text = parsed(report).text
    for part in (
        "A run",
        "Untrained encoder",
        "50.0",
        "75.0",
        "Linear SVM, C by cross-validation.",
        "adds 25.0 points",
    ):
        assert part in text
    for part in ("3D coordinates", "Learning rate", "own curve", "tables/one.off", "bare", "chair", "recipe: tiny"):
        assert part in text
    for part in ("Views", "Saliency", "Masking and reconstruction", "Features as colours", "Embeddings", "nearest"):
        assert part in text


def test_nothing_is_loaded_from_elsewhere(report):
    for tag, attributes in parsed(report).tags:
        assert tag not in ("link", "iframe", "object")
        for name in ("src", "href", "xlink:href", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value[:60])
        assert not (tag == "script" and "src" in attributes)
    page = report.read_text(encoding="utf-8")
    assert not re.search(r"url\(\s*['\"]?(?!#)", page) and "@import" not in page
    assert "default-src 'none'" in page


def test_pictures_have_descriptions(report):
    tags = parsed(report).tags
    pictures = [attributes for tag, attributes in tags if tag == "img"]
    assert len(pictures) >= 15
    assert all(picture["alt"] and picture["width"] and picture["height"] for picture in pictures)
    assert all("aria-label" in attributes or "aria-hidden" in attributes for tag, attributes in tags if tag == "svg")


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        ("random:a-vit", "a frozen 2D image model (random:a-vit), with random weights where that is said, sees in"),
        ("a-vit+b-vit", "frozen 2D image models side by side (a-vit+b-vit) see in depth maps"),
        ("run:runs/a+b", "an encoder that was trained before (run:runs/a+b) predicts of a 2D image model"),
    ],
)
def test_page_says_what_kind_of_teacher_there_was(content, teacher, said):
    assert said in opening(replace(content, run=replace(content.run, teacher=teacher)))


def test_page_says_what_it_is(report, tmp_path, content):
    text = parsed(report).text.replace("\u202f", " ")
    for part in (
        "This page reports one pre-training run of i2pmae.",
        "An encoder of 3D point clouds (I2P-MAE) was trained on 20 clouds of solids",
        "frozen 2D image model (a-vit)",
        "names the right class of 75.0 % of the test clouds",
        "before training it names 50.0 %",
    ):
        assert part in text
    assert text.index("This page reports") < text.index("Linear probe")
    write_report(tmp_path / "report.html", replace(content, run=None, probe=None))
    text = parsed(tmp_path / "report.html").text
    assert "An encoder of 3D point clouds was trained, without" in text and "names the right class" not in text


def test_commands_go_on_from_the_run(report, tmp_path, content):
    text = parsed(report).text
    for command in (
        "i2pmae embed runs/a 'my data' --up z --output vectors.parquet",
        "i2pmae probe runs/a 'my data' --up z",
        "i2pmae finetune runs/a 'my data' --up z --output runs/a-classes",
        "i2pmae view runs/a 'my data' --up z --output view.html",
    ):
        assert command in text
    assert "stands for" not in text
    write_report(tmp_path / "report.html", replace(content, run=replace(content.run, labelled=False, folder="-x")))
    text = parsed(tmp_path / "report.html").text
    assert "probe ./-x LABELLED_CLOUDS" in text and "LABELLED_CLOUDS stands for a folder" in text
    assert "embed ./-x 'my data'" in text
    write_report(tmp_path / "report.html", replace(content, run=None))
    assert f"embed {tmp_path} CLOUDS" in parsed(tmp_path / "report.html").text


def test_commands_are_ones_that_the_program_knows():
    from i2pmae.cli.arguments import in_order
    from i2pmae.cli.embed import Embed
    from i2pmae.cli.finetune import COMMAND
    from i2pmae.cli.options import parse
    from i2pmae.cli.probe import Probe
    from i2pmae.cli.view import View

    kinds = {"embed": Embed, "probe": Probe, "view": View}
    given = {step.words[1]: step.words for step in after_pretraining(RunContext("runs/a", "data", ("--up", "z")))}
    assert given.keys() == {*kinds, "finetune"} and {words[0] for words in given.values()} == {"i2pmae"}
    for command, kind in kinds.items():
        options = parse(kind, command, in_order(kind, command, ("checkpoint", "data"), given[command][2:]))
        assert (options.checkpoint, options.data, options.reading.up) == ("runs/a", "data", "z")
    read = COMMAND.read(given["finetune"][2:])
    assert read is not None
    assert (read.config.task.checkpoint, read.config.data.source, read.config.data.up) == ("runs/a", "data", "z")


def test_pictures_have_captions(report):
    captions = (
        "Each mark is a test cloud|✓ is of the same class|The thin line is the edge of the map|Where the 2D teacher"
    )
    captions += "|tokens were shown to the encoder|like colour have like features"
    text = parsed(report).text
    assert [caption for caption in captions.split("|") if caption not in text] == []


def test_ids_are_not_repeated(report):
    ids = [attributes["id"] for _, attributes in parsed(report).tags if "id" in attributes]
    # Marker shapes of equal charts are equal, so a repeated id of theirs still names the same shape.
    assert all(re.fullmatch(r"[a-z][0-9a-f]{8,}", name) for name in ids)


@pytest.mark.parametrize("bad", ['<script>alert("x")</script>&\'</figure>', *NASTY])
def test_what_users_name_is_escaped(tmp_path, content, cloud, bad):
    evil = replace(
        content,
        title=bad,
        summary={bad: bad},
        probe=replace(content.probe, protocol=bad),
        history={bad: ([0, 1], [1, 2])},
        clouds=[replace(cloud, id=bad, label=bad)],
        embeddings=replace(content.embeddings, classes=[bad] * 4, ids=[bad] * 24),
        config_yaml=bad,
        run=RunContext(bad, bad, (bad,), True, bad, bad, bad),
    )
    write_report(tmp_path / "evil.html", evil)
    page = parsed(tmp_path / "evil.html")
    source = (tmp_path / "evil.html").read_text(encoding="utf-8")
    assert "<script>alert" not in source and "\0" not in source and html.escape(plain(bad), quote=True) in source
    assert page.text.count(plain(bad)) >= 20
    assert sum(tag == "script" for tag, _ in page.tags) == 2, "the viewer's data and the page's script"


def test_all_parts_may_be_absent(tmp_path, content):
    path = tmp_path / "report.html"
    write_report(path, ReportContent("Nothing"))
    assert parsed(path).text.count("Nothing") == 2
    defaults, content = ReportContent("x"), replace(content, clouds=content.clouds[1:])
    for field in fields(ReportContent)[1:]:
        write_report(path, replace(content, **{field.name: getattr(defaults, field.name)}))
        parsed(path)
    write_report(path, replace(content, probe=replace(content.probe, chance=None, trained=0.4)))
    assert "costs 10.0 points" in parsed(path).text and "is chance" not in parsed(path).text
    write_report(path, replace(content, embeddings=replace(content.embeddings, untrained=None)))
    assert "Trained (PCA)" in parsed(path).text and "Untrained (PCA)" not in parsed(path).text


def test_same_content_is_the_same_file(tmp_path, content, report):
    write_report(tmp_path / "again.html", content)
    assert (tmp_path / "again.html").read_bytes() == report.read_bytes()


def test_folder_that_cannot_be_written(tmp_path, content):
    (tmp_path / "file").write_text("")
    with pytest.raises(I2PError, match="Cannot write"):
        write_report(tmp_path / "file" / "report.html", ReportContent("x"))


@pytest.mark.slow
def test_report_of_six_clouds_is_small(tmp_path, content):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2048, 3)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    shown = np.arange(2048) < 500
    ramp = np.linspace(0, 1, 224)[:, None] * np.linspace(0, 1, 224)
    clouds = [
        CloudPictures(
            id=f"sphere {i}",
            points=points,
            views=np.stack([ramp, ramp**2, ramp**3]),
            saliency_maps=rng.uniform(size=(3, 14, 14)),
            point_saliency=points[:, 0],
            token_centres=points[:64],
            token_visible=np.arange(64) < 13,
            token_saliency=points[:64, 0],
            point_visible=shown,
            reconstruction=points[~shown],
            masked_truth=points[~shown],
            point_features=rng.normal(size=(2048, 384)),
            before_features=rng.normal(size=(2048, 384)),
        )
        for i in range(6)
    ]
    write_report(tmp_path / "report.html", replace(content, clouds=clouds))
    assert (tmp_path / "report.html").stat().st_size < 6e6
