"""What an encoder is worth: probes of frozen features, metrics, records of results, and tables of features."""

from i2pmae.evaluation.embed import embed_to_file
from i2pmae.evaluation.features import embed_set
from i2pmae.evaluation.probe import knn_probe, linear_probe, logistic_probe, probe_encoder
from i2pmae.evaluation.records import Result, Score

__all__ = [
    "Result",
    "Score",
    "embed_set",
    "embed_to_file",
    "knn_probe",
    "linear_probe",
    "logistic_probe",
    "probe_encoder",
]
