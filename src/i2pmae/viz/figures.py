"""The pictures of a cloud: scenes (points with colours) and panels (titled images), in groups with one caption each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from i2pmae.viz.arrays import stretch
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
from i2pmae.viz.maps import depth_image, empty_outliers, saliency_image, saliency_scale, with_margin
from i2pmae.viz.render import Camera, ball_radius, render_points

__all__ = [
    "Panel",
    "PanelGroup",
    "Scene",
    "input_panel",
    "panel_groups",
    "scenes",
]


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
    columns: int | None = None
    """Pictures in a line, where some belong above others."""


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
    radius = np.full(len(scene.points), ball_radius(len(scene.points)), np.float32)
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
        groups.append(PanelGroup("features", "Features as colours", caption, tuple(panels), columns=3))
    return groups


def _view_groups(cloud: CloudPictures, found: dict[str, Scene], camera: Camera, size: int) -> list[PanelGroup]:
    groups = []
    views, maps = cloud.views, cloud.saliency_maps
    if views is not None:
        groups.append(_depth_group(cloud, views, found, size))
    panels: tuple[Panel, ...] = ()
    scale, caption = None, "Where the 2D teacher looks, from dark violet (little) to yellow (much)"
    if views is not None and maps is not None and maps.size:
        scale = saliency_scale(views, maps)
        dark = np.rint(255 * saliency_colours(np.zeros(1))[0])
        panels = tuple(
            Panel(
                f"Saliency, view {i + 1}",
                f"Saliency over depth map {i + 1}.",
                with_margin(saliency_image(view, saliency, *scale), dark),
            )
            for i, (view, saliency) in enumerate(zip(views, maps, strict=True))
        )
        caption += "; the colours span what the object itself has, empty background is pale"
        caption += _outlier_note(views, maps, scale[1])
    else:
        caption += "."
    if "saliency" in found:
        alt = "Saliency on the points, from dark violet (low) to yellow (high)."
        panels = (*panels, Panel("Saliency on points", alt, _draw(found["saliency"], camera, size)))
        caption += " On the points: the views' maps read at each point and averaged, stretched to the full colours."
    if panels:
        groups.append(PanelGroup("saliency", "Saliency: what the 2D model attends to", caption, panels, scale))
    return groups


def _depth_group(cloud: CloudPictures, views: np.ndarray, found: dict[str, Scene], size: int) -> PanelGroup:
    """The depth maps; above those that lie on their side, what is seen from there, upright."""
    depth = tuple(
        Panel(
            f"View {i + 1}",
            f"Depth map {i + 1} of the cloud.",
            with_margin(depth_image(view), np.full(3, np.bincount(depth_image(view)[..., 0].ravel()).argmax())),
        )
        for i, view in enumerate(views)
    )
    caption = (
        "The depth maps that the 2D teacher is given: the even grey is background, brighter and darker pixels are the "
        "object on either side of its middle. The thin line is the edge of the map: the object is scaled to reach it, "
        "nothing is cut off."
    )
    above: tuple[Panel, ...] = (input_panel(cloud, found, size),)
    columns = None
    if cloud.view_axes is not None and not _upright(cloud.view_axes):
        caption += (
            " They lie on their side on purpose: the published method takes the cloud's axes for rows and columns "
            "in turn, and 2D features are only comparable with it that way. Above each: the cloud from the same "
            "direction, upright."
        )
        columns = len(views) if len(views) <= 4 else None
        above = tuple(
            Panel(f"Upright, view {i + 1}", f"The cloud from the direction of view {i + 1}, upright.", image)
            for i, image in enumerate(_from_views(found["shape"], cloud.view_axes, size))
        )
    return PanelGroup("views", "Views: what the 2D model is shown", caption, (*above, *depth), columns=columns)


def _upright(axes: np.ndarray) -> bool:
    """Whether in all views ``(v, 3, 3)`` image rows run down the cloud, as far as it can be seen from there."""
    down, towards = -axes[:, 0, 1], np.abs(axes[:, 2, 1])
    return bool((down > 0.99 * np.sqrt(np.clip(1 - towards**2, 0, 1)))[towards < 0.99].all() and (towards < 0.99).any())


def _from_views(scene: Scene, axes: np.ndarray, size: int) -> list[np.ndarray]:
    """The scene from the direction of each view ``(v, 3, 3)``, upright."""
    images = []
    for x, y, z in axes[:, 2] / np.maximum(np.linalg.norm(axes[:, 2], axis=1, keepdims=True), 1e-12):
        azimuth, elevation = np.degrees(np.arctan2(x, z)), np.degrees(np.arcsin(np.clip(y, -1, 1)))
        images.append(_draw(scene, Camera.fitting(scene.points, float(azimuth), float(elevation)), 2 * size // 3))
    return images


def _outlier_note(views: np.ndarray, maps: np.ndarray, high: float) -> str:
    """The end of a sentence, and where empty cells stand out another that says why."""
    count = sum(int(empty_outliers(view, saliency, high).sum()) for view, saliency in zip(views, maps, strict=True))
    if not count:
        return "."
    return (
        f". {count} framed {'cell stands' if count == 1 else 'cells stand'} out although nothing is there: vision "
        "transformers put global information into empty patches, mostly corners (Darcet et al. 2024), and attention "
        "gathers on them. No point lies there, so next to nothing of it reaches the points or the mask."
    )


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
