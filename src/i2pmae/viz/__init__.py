"""Pictures: point clouds, depth maps, saliency, masks, reconstructions and features, as images and as HTML pages."""

from i2pmae.viz.content import CloudPictures, EmbeddingScatter, ProbePair, ReportContent
from i2pmae.viz.report import write_report
from i2pmae.viz.view import write_view

__all__ = ["CloudPictures", "EmbeddingScatter", "ProbePair", "ReportContent", "write_report", "write_view"]
