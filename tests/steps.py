"""A small task of every method and every downstream task, and a batch for it."""

import torch

from i2pmae.methods.i2p_mae.config import (
    I2PMAEMethodConfig,
    LossConfig,
    PointM2AEMethodConfig,
    ViewPredictorConfig,
    WholeConfig,
)
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.i2p_mae.recipes import SIZES
from i2pmae.methods.i2p_mae.task import I2PMAETask, PointM2AETask
from i2pmae.methods.i2p_mae.whole import WholeTargets
from i2pmae.methods.point_bert.config import PointBERTMethodConfig, StageOneTraining
from i2pmae.methods.point_bert.dvae import DiscreteVAE
from i2pmae.methods.point_bert.model import PointBERT
from i2pmae.methods.point_bert.stage_one import StageOne
from i2pmae.methods.point_bert.task import PointBERTTask
from i2pmae.methods.point_bert.vae_task import StageOneTask
from i2pmae.methods.point_mae.config import PointMAEMethodConfig
from i2pmae.methods.point_mae.model import PointMAE
from i2pmae.methods.point_mae.task import PointMAETask
from i2pmae.projection.views import parse_views
from i2pmae.tasks.classification.config import ClassificationConfig
from i2pmae.tasks.classifier.config import ClassifierConfig
from i2pmae.tasks.classifier.model import Classifier
from i2pmae.tasks.classifier.task import ClassificationTask
from i2pmae.tasks.config import AugmentConfig
from i2pmae.tasks.fewshot.config import FewShotConfig
from i2pmae.tasks.segmentation.config import SegmentationConfig, SegmenterConfig
from i2pmae.tasks.segmentation.model import Segmenter
from i2pmae.tasks.segmentation.splits import Parts
from i2pmae.tasks.segmentation.task import SegmentationTask
from i2pmae.teachers.base import TeacherMaps
from i2pmae.teachers.loading import load_teacher
from tests.small import POINT_BERT, VAE

POINTS = 512
"""Points that a step sees of a cloud."""
KINDS = ("x", "y", "z")
"""Classes of clouds."""
PARTS = ("low", "high")
"""Parts of clouds of every class."""
PLAIN = PointMAEMethodConfig().model.changed(
    width=48, depth=2, decoder_depth=1, heads=3, decoder_heads=3, drop_path=0.0
)


class Painter:
    """A teacher whose maps follow from the images, without weights."""

    name, feature_dim, grid_size = "painter", 6, 14

    def __call__(self, images):
        pooled = torch.nn.functional.adaptive_avg_pool2d(images, 14)
        features = torch.cat([(20 * (i + 1) * pooled + i).sin() for i in range(6)], 1)
        return TeacherMaps(features, pooled[:, 0] / 196)

    def to(self, device):
        del device
        return self


def i2p_mae(visible_only=True, teacher=None, **changes):
    config = I2PMAEMethodConfig(model=SIZES["tiny"].changed(embed_visible_only=visible_only), **changes)
    teacher = teacher or load_teacher("embedded", precision="fp32")
    wide = teacher.feature_dim * len(parse_views(config.projection.views))
    return I2PMAETask(I2PMAE(config.model.changed(semantic_dim=wide)), config, teacher, points=POINTS)


def dense():
    """2D features of all tokens in a second pass, where a view sees their points."""
    loss = LossConfig(tokens="all", second_mask_ratio=0.3, hidden="left out", distance="smooth-l1", channels=4)
    config = I2PMAEMethodConfig(model=SIZES["tiny"], loss=loss)
    return I2PMAETask(I2PMAE(config.model.changed(semantic_dim=3 * 4)), config, Painter(), points=POINTS)


def every_level():
    """2D features predicted at every level of the decoder, and a [CLS] token."""
    config = I2PMAEMethodConfig(model=SIZES["tiny"].changed(class_token=True), loss=LossConfig(levels="all"))
    model = I2PMAE(config.model.changed(semantic_dim=18, semantic_levels=2))
    return I2PMAETask(model, config, Painter(), points=POINTS)


def sampled():
    """Centres where saliency is high, masks by ranks of the length of features."""
    guidance = {"kind": "rank", "saliency": "feature-norm"}
    config = I2PMAEMethodConfig(model=SIZES["tiny"], guidance=guidance, sampling={"alpha": 0.5})
    return I2PMAETask(I2PMAE(config.model.changed(semantic_dim=18)), config, Painter(), points=POINTS)


class Vectors:
    """Vectors of the views of twenty clouds."""

    seconds = 0.0

    def pooled(self, index, device="cpu"):
        if torch.device(device).type != "cpu":  # from pinned memory, which nothing waits for
            return torch.empty(len(index), 3, 6, device=device)
        return torch.randn(20, 3, 6, generator=torch.Generator().manual_seed(4))[index]


def nothing_asked(rows):
    raise AssertionError(f"vectors are at hand, but those of {rows} were asked for")


def whole():
    """Vectors of whole views, looked up, beside all else."""
    sizes = ViewPredictorConfig(views=3, channels=6, width=32)
    objective = WholeConfig(regression=1.0, contrast=0.1, others=8)
    config = I2PMAEMethodConfig(model=SIZES["tiny"], whole=objective, cache_teacher=True)
    model = I2PMAE(config.model.changed(semantic_dim=18, view_predictor=sizes))
    targets = WholeTargets(objective, 20, 0, nothing_asked, Vectors())
    return I2PMAETask(model, config, Painter(), points=POINTS, whole=targets)


def point_m2ae():
    config = PointM2AEMethodConfig(model=SIZES["tiny"])
    return PointM2AETask(I2PMAE(config.model), config, points=POINTS)


def point_mae(**changes):
    config = PointMAEMethodConfig()
    return PointMAETask(PointMAE(PLAIN.changed(**changes)), config, points=POINTS)


def point_bert():
    config = PointBERTMethodConfig(model=POINT_BERT)
    return PointBERTTask(PointBERT(config.model), config, StageOne(DiscreteVAE(VAE)), points=POINTS)


def stage_one():
    return StageOneTask(DiscreteVAE(VAE), StageOneTraining(augment=True), POINTS)


def classification(encoder, config, pooling):
    model = Classifier(ClassifierConfig(encoder=encoder, classes=KINDS, pooling=pooling, dropout=0.0))
    return ClassificationTask(model, config)


def modelnet():
    config = ClassificationConfig(
        input_points=POINTS, candidates=550, smoothing=0.2, augment=AugmentConfig(kind="scale-rotate")
    )
    return classification(SIZES["tiny"].alone(), config, "mean+max")


def few_shot():
    return classification(POINT_BERT.alone(), FewShotConfig(input_points=POINTS), "class|max")


def segmentation(encoder, context, told=True):
    sizes = {"propagation_widths": (16, 8), "head_widths": (16, 8), "category_width": 4, "dropout": 0.0}
    own = dict.fromkeys(KINDS if told else ("all",), (0, 1))
    categories = tuple(own) if told else ()
    model = Segmenter(SegmenterConfig(encoder=encoder, parts=PARTS, categories=categories, context=context, **sizes))
    return SegmentationTask(model, SegmentationConfig(input_points=POINTS), Parts(PARTS, own, told=told))


TASKS = {
    "i2p-mae": i2p_mae,
    "i2p-mae, all embedded": lambda: i2p_mae(visible_only=False),
    "i2p-mae, dense": dense,
    "i2p-mae, sampled by saliency": sampled,
    "i2p-mae, every level": every_level,
    "i2p-mae, whole views": whole,
    "point-m2ae": point_m2ae,
    "point-mae": point_mae,
    "point-mae, block": lambda: point_mae(mask_kind="block"),
    "point-bert": point_bert,
    "point-bert, stage one": stage_one,
    "classification": modelnet,
    "few-shot": few_shot,
    "segmentation": lambda: segmentation(SIZES["tiny"].alone(), "points"),
    "segmentation, one level": lambda: segmentation(PLAIN.alone(), "tokens"),
    "segmentation, no categories": lambda: segmentation(PLAIN.alone(), "points", told=False),
}
"""What makes the task, by name."""


def batch(clouds, device="cpu", points=600):
    """Points on a sphere, with labels of clouds and of points."""
    values = torch.nn.functional.normalize(torch.randn(clouds, points, 3, device=device), dim=-1)
    label = torch.arange(clouds, device=device) % len(KINDS)
    return {"points": values, "index": torch.arange(clouds), "label": label, "part_label": (values[..., 1] > 0).long()}
