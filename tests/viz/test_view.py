import base64
import json
import re

import numpy as np
import pytest
from PIL import Image

from i2pmae.common.errors import UsageError
from i2pmae.viz import CloudPictures, write_view
from i2pmae.viz.strips import MOST_POINTS, SPAN


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def viewer_data(path) -> list[dict]:
    page = path.read_text(encoding="utf-8")
    return [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)]


def test_contact_sheet(tmp_path, cloud, bare):
    write_view(tmp_path / "sheet.png", [cloud, bare])
    image = pixels(tmp_path / "sheet.png")
    assert image.ndim == 3 and image.shape[1] == 16 + 7 * 236, "seven pictures in a line"
    assert (image[:4] == 255).all() and (image[44:264, 16:236] < 200).any(), "the cloud is where its tile is"
    write_view(tmp_path / "bare.png", [bare])
    alone = pixels(tmp_path / "bare.png")
    assert alone.shape[1] == 16 + 236 and alone.shape[0] < image.shape[0]


def test_contact_sheet_with_long_and_foreign_names(tmp_path, bare):
    write_view(tmp_path / "sheet.PNG", [CloudPictures(id="ordner/" * 50 + "Stühle\n椅.off", points=bare.points)])
    assert pixels(tmp_path / "sheet.PNG").shape[1] == 16 + 236


def test_page_holds_the_points_of_every_scene(tmp_path, cloud):
    write_view(tmp_path / "view.html", [cloud], title="Mine & yours")
    assert "<h1>Mine &amp; yours</h1>" in (tmp_path / "view.html").read_text(encoding="utf-8")
    (data,) = viewer_data(tmp_path / "view.html")
    scenes = {scene["name"]: scene for scene in data["scenes"]}
    names = ["Shape", "Saliency", "Visible and masked", "Reconstruction", "Truth", "Features, untrained", "Features"]
    assert list(scenes) == names
    places = np.frombuffer(base64.b64decode(scenes["Shape"]["places"]), "<i2").reshape(-1, 3)
    centre = (cloud.points.min(0) + cloud.points.max(0)) / 2
    reach = np.linalg.norm(cloud.points - centre, axis=1).max()
    assert np.allclose(places / 32767 * SPAN * reach + centre, cloud.points, atol=1e-4)
    assert "places" not in scenes["Saliency"] and "places" in scenes["Truth"]
    for name in ("Shape", "Saliency", "Features"):
        assert len(base64.b64decode(scenes[name]["colours"])) == 4 * len(cloud.points)
    quiet = np.frombuffer(base64.b64decode(scenes["Visible and masked"]["colours"]), np.uint8)[3::4]
    assert np.array_equal(quiet.astype(bool), ~cloud.point_visible)


def test_large_clouds_are_thinned_in_the_viewer_alone(tmp_path):
    points = np.random.default_rng(0).normal(size=(MOST_POINTS + 5000, 3))
    write_view(tmp_path / "view.html", [CloudPictures(id="large", points=points)])
    (data,) = viewer_data(tmp_path / "view.html")
    assert len(base64.b64decode(data["scenes"][0]["places"])) == 6 * MOST_POINTS
    assert f"{MOST_POINTS} of {len(points)} points" in (tmp_path / "view.html").read_text(encoding="utf-8")


def test_wild_predictions_stay_in_the_viewer(tmp_path, cloud):
    wild = CloudPictures(id="wild", points=cloud.points, reconstruction=np.full((4, 3), 1e8, np.float32))
    write_view(tmp_path / "view.html", [wild])
    write_view(tmp_path / "view.png", [wild])
    (data,) = viewer_data(tmp_path / "view.html")
    places = np.frombuffer(base64.b64decode(data["scenes"][1]["places"]), "<i2")
    assert (places == 32767).all()


def test_wrong_calls(tmp_path, bare):
    for name in ("view.jpg", "view"):
        with pytest.raises(UsageError, match=r"\.html or \.png"):
            write_view(tmp_path / name, [bare])
    with pytest.raises(UsageError, match="no clouds"):
        write_view(tmp_path / "view.html", [])
    assert list(tmp_path.iterdir()) == []


def test_same_clouds_are_the_same_file(tmp_path, cloud):
    for suffix in (".png", ".html"):
        write_view(tmp_path / f"a{suffix}", [cloud])
        write_view(tmp_path / f"b{suffix}", [cloud])
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
