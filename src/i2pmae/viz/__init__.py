"""Pictures: clouds, depth maps, saliency, masks, features, parts and scores, as images and as HTML pages."""

from i2pmae.viz.comparison import ComparisonPoint, comparison_figure, write_comparison
from i2pmae.viz.confusion import confusion_figure, write_confusion
from i2pmae.viz.content import CloudPictures, EmbeddingScatter, NextStep, ProbePair, ReportContent, RunContext
from i2pmae.viz.parts import PartPicture, parts_figure, write_parts
from i2pmae.viz.report import write_report
from i2pmae.viz.task_report import ScoreRow, TaskContent, write_task_report
from i2pmae.viz.view import write_view

__all__ = [
    "CloudPictures",
    "ComparisonPoint",
    "EmbeddingScatter",
    "NextStep",
    "PartPicture",
    "ProbePair",
    "ReportContent",
    "RunContext",
    "ScoreRow",
    "TaskContent",
    "comparison_figure",
    "confusion_figure",
    "parts_figure",
    "write_comparison",
    "write_confusion",
    "write_parts",
    "write_report",
    "write_task_report",
    "write_view",
]
