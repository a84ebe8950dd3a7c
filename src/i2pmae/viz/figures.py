"""The pictures of a cloud: scenes (points with colours) and panels (titled images), in groups with one caption each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from i2pmae.viz.arrays import checked, stretch
from i2pmae.viz.colours import (
    MASKED,
    PREDICTED,
    SHOWN,
    TRUTH,
    feature_colours,
    group_colours,
    height_colours,
    saliency_colours,
)
from i2pmae.viz.content import CloudPictures
from i2pmae.viz.render import Camera, render_points

__all__ = ["Panel", "PanelGroup", "Scene", "depth_image", "input_panel", "panel_groups", "saliency_image", "scenes"]


@dataclass(frozen=True)
class Scene:
    """Points with colours: what one picture, or one button of the viewer, shows."""

    name: str
    """What it is called in full."""
    points: np.ndarray
    """``(n, 3)``."""
    colours: np.ndarray
    """``(n, 3)`` in [0, 1]."""
    quiet: np.ndarray | None = None
    """``(n,)`` bool: points that are drawn smaller, so that the others stand out."""


@dataclass(frozen=True)
class Panel:
    """One picture with its title and its description for those who cannot see it."""

    title: str
    alt: str
    image: np.ndarray
    """``(h, w, 3)`` or ``(h, w, 4)`` uint8."""


@dataclass(frozen=True)
class PanelGroup:
    """Pictures that belong together; ``scale`` holds the values at the two ends of the saliency colours, if any."""

    key: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    scale: tuple[float, float] | None = None


def depth_image(view: np.ndarray) -> np.ndarray:
    """A depth map ``(h, w)`` in [0, 1] as a grey image ``(h, w, 3)`` uint8, without any stretching."""
    view = checked("depth map", view, (None, None))
    return np.repeat(np.rint(np.clip(view, 0, 1) * 255).astype(np.uint8)[..., None], 3, -1)


def saliency_image(view: np.ndarray, saliency: np.ndarray, low: float, high: float) -> np.ndarray:
    """Saliency ``(gh, gw)``, enlarged bilinearly, over its depth map ``(h, w)``: ``(h, w, 3)`` uint8.

    ``low`` and ``high`` are the saliencies at the two ends of the colours.
    """
    grey = depth_image(view).astype(np.float32)
    grid = Image.fromarray(checked("saliency map", saliency, (None, None)))
    large = np.asarray(grid.resize(grey.shape[1::-1], Image.Resampling.BILINEAR))
    colours = 255 * saliency_colours(stretch(large, low=low, high=high))
    # The object shows through as light and shade, so that the hues stay those of the colour bar.
    relief = grey - np.median(grey)
    return np.rint(np.clip(0.82 * colours + 0.18 * grey + 0.22 * relief, 0, 255)).astype(np.uint8)


def scenes(clouds: Sequence[CloudPictures]) -> list[dict[str, Scene]]:
    """For each cloud its scenes by key: shape, saliency, groups, shown, reconstruction, truth, before, features.

    A scene is there where the cloud has what it needs. Colours of features mean the same in all the clouds.
    """
    trained = _shared_feature_colours([cloud.point_features for cloud in clouds])
    untrained = _shared_feature_colours([cloud.before_features for cloud in clouds])
    result = []
    for cloud, before, after in zip(clouds, untrained, trained, strict=True):
        points, found = cloud.points, {}
        found["shape"] = Scene("Shape", points, height_colours(points))
        if cloud.point_saliency is not None:
            colours = saliency_colours(stretch(cloud.point_saliency))
            found["saliency"] = Scene("Saliency", points, colours)
        found |= _masking_scenes(cloud)
        if before is not None:
            found["before"] = Scene("Features, untrained", points, before)
        if after is not None:
            found["features"] = Scene("Features", points, after)
        result.append(found)
    return result


def _masking_scenes(cloud: CloudPictures) -> dict[str, Scene]:
    """What was shown and what was masked; what was predicted and the truth, beside what was shown."""
    found: dict[str, Scene] = {}
    shown = np.zeros((0, 3), np.float32)
    if cloud.point_visible is not None:
        shown = cloud.points[cloud.point_visible]
        if cloud.token_centres is not None and cloud.token_visible is not None:
            colours = group_colours(cloud.points, cloud.token_centres, cloud.token_visible, cloud.point_visible)
        else:
            colours = np.where(cloud.point_visible[:, None], SHOWN, MASKED)
        found["groups"] = Scene("Visible and masked", cloud.points, colours, ~cloud.point_visible)
        found["shown"] = Scene("Visible points", shown, np.tile(SHOWN, (len(shown), 1)))
    others = {"reconstruction": ("Reconstruction", cloud.reconstruction, PREDICTED)}
    others["truth"] = ("Truth", cloud.masked_truth, TRUTH)
    for key, (name, points, colour) in others.items():
        if points is not None:
            colours = np.concatenate([np.tile(SHOWN, (len(shown), 1)), np.tile(colour, (len(points), 1))])
            found[key] = Scene(name, np.concatenate([shown, points]), colours)
    return found


def _shared_feature_colours(features: Sequence[np.ndarray | None]) -> list[np.ndarray | None]:
    """Colours of the features of every cloud that has some, from directions shared by those of equal width."""
    colours: list[np.ndarray | None] = [None] * len(features)
    widths = {values.shape[1] for values in features if values is not None}
    for width in sorted(widths):
        rows = [i for i, values in enumerate(features) if values is not None and values.shape[1] == width]
        for i, found in zip(rows, feature_colours([features[i] for i in rows]), strict=True):  # type: ignore[misc]
            colours[i] = found
    return colours


def _draw(scene: Scene, camera: Camera, size: int) -> np.ndarray:
    radius = np.full(len(scene.points), np.clip(1.05 / np.sqrt(max(len(scene.points), 1)), 0.009, 0.04), np.float32)
    if scene.quiet is not None:
        radius[scene.quiet] *= 0.6
    return render_points(scene.points, scene.colours, camera=camera, size=size, radius=radius)


def input_panel(cloud: CloudPictures, found: dict[str, Scene], size: int = 360) -> Panel:
    """The cloud itself."""
    image = _draw(found["shape"], Camera.fitting(cloud.points), size)
    return Panel("Input", f"The point cloud {cloud.id}, {len(cloud.points)} points.", image)


def panel_groups(cloud: CloudPictures, found: dict[str, Scene], size: int = 360) -> list[PanelGroup]:
    """The groups of pictures that a cloud has something for, points drawn at ``size`` pixels, all from one camera."""
    camera = Camera.fitting(cloud.points)
    groups = [*_view_groups(cloud, found, camera, size), *_masking_groups(cloud, found, camera, size)]
    panels = []
    if "before" in found:
        alt = "Features of the untrained encoder as colours."
        panels.append(Panel("Features, untrained", alt, _draw(found["before"], camera, size)))
    if "features" in found:
        alt = "Features of the trained encoder as colours."
        panels.append(Panel("Features, trained", alt, _draw(found["features"], camera, size)))
    if panels:
        caption = (
            "Points of like colour have like features: their three main directions (PCA over all clouds shown, each "
            "cloud's mean taken out) as red, green and blue. Parts should stand out once the encoder is trained."
        )
        groups.append(PanelGroup("features", "Features as colours", caption, tuple(panels)))
    return groups


def _view_groups(cloud: CloudPictures, found: dict[str, Scene], camera: Camera, size: int) -> list[PanelGroup]:
    groups = []
    views, maps = cloud.views, cloud.saliency_maps
    if views is not None:
        panels: tuple[Panel, ...] = (
            input_panel(cloud, found, size),
            *(Panel(f"View {i + 1}", f"Depth map {i + 1} of the cloud.", depth_image(v)) for i, v in enumerate(views)),
        )
        caption = (
            "The cloud and its depth maps, turned as the 2D teacher is given them: the even grey is background, "
            "brighter and darker pixels are the object on either side of its middle."
        )
        groups.append(PanelGroup("views", "Views", caption, panels))
    panels, scale = (), None
    if views is not None and maps is not None and maps.size:
        scale = float(np.percentile(maps, 1)), float(np.percentile(maps, 97))
        panels = tuple(
            Panel(
                f"Saliency, view {i + 1}", f"Saliency over depth map {i + 1}.", saliency_image(view, saliency, *scale)
            )
            for i, (view, saliency) in enumerate(zip(views, maps, strict=True))
        )
    if "saliency" in found:
        alt = "Saliency on the points, from dark violet (low) to yellow (high)."
        panels = (*panels, Panel("Saliency on points", alt, _draw(found["saliency"], camera, size)))
    if panels:
        caption = (
            "Where the 2D teacher looks, from dark violet (little) to yellow (much); on the points: the views' maps "
            "read at each point and averaged, stretched to the full range of colours."
        )
        groups.append(PanelGroup("saliency", "Saliency", caption, panels, scale))
    return groups


def _masking_groups(cloud: CloudPictures, found: dict[str, Scene], camera: Camera, size: int) -> list[PanelGroup]:
    texts = {
        "groups": ("Visible and masked", "The cloud with visible points in colour and masked points grey."),
        "shown": ("Visible", "Only the points that the encoder was shown."),
        "reconstruction": ("Reconstructed", "Visible points in blue, predicted points in orange."),
        "truth": ("Truth", "Visible points in blue, the true points of masked neighbourhoods in green."),
    }
    panels = [Panel(*texts[key], _draw(found[key], camera, size)) for key in texts if key in found]
    if not panels:
        return []
    predicted = "reconstruction" in found
    caption = " ".join(filter(None, [_masking_caption(cloud), _distance_caption(cloud) if predicted else ""]))
    return [PanelGroup("masking", f"Masking{' and reconstruction' * predicted}", caption, tuple(panels))]


def _masking_caption(cloud: CloudPictures) -> str:
    if cloud.point_visible is None:
        return ""
    caption = "Coloured points were shown to the encoder, grey ones were masked."
    if cloud.token_visible is not None:
        count, total = int(cloud.token_visible.sum()), len(cloud.token_visible)
        caption = f"{count} of {total} tokens were shown to the encoder, one hue each; grey points were masked."
    return caption


def _distance_caption(cloud: CloudPictures) -> str:
    caption = "From the visible points (blue) it predicts the masked neighbourhoods (orange); green is the truth."
    predicted, truth = cloud.reconstruction, cloud.masked_truth
    if predicted is not None and truth is not None and len(predicted) and len(truth):
        from scipy.spatial import cKDTree

        there = cKDTree(truth).query(predicted)[0].mean()
        back = cKDTree(predicted).query(truth)[0].mean()
        radius = float(np.linalg.norm(cloud.points - cloud.points.mean(0), axis=1).max()) or 1.0
        caption += (
            f" On average a predicted point is {there / radius:.1%} of the object's radius from the nearest true one, "
            f"a true one {back / radius:.1%} from the nearest predicted one."
        )
    return caption
