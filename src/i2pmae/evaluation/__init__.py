"""What frozen features are worth, and tables of them."""

from i2pmae.evaluation.embed import embed_to_file
from i2pmae.evaluation.features import embed_set
from i2pmae.evaluation.probe import LinearProbeResult, linear_probe, probe_encoder

__all__ = ["LinearProbeResult", "embed_set", "embed_to_file", "linear_probe", "probe_encoder"]
