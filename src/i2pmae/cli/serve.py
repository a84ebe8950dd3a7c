"""``i2pmae serve``: a model over HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from i2pmae.cli.arguments import in_order
from i2pmae.cli.options import otherwise, parse

__all__ = ["run"]


@dataclass(frozen=True)
class Serve:
    """Answer HTTP requests with a model: POST /embed, and /classify or /segment.

    usage: i2pmae serve [CHECKPOINT]

    Clouds come as JSON or as a .npy file; requests that come while the model
    computes are computed together. /docs and /openapi.json describe it, /info
    says what the model is, /health that it is there. Ctrl-C stops it.

    Examples:
      i2pmae serve
      i2pmae serve runs/finetune --port 9000
      curl -H "Content-Type: application/x-npy" --data-binary @chair.npy localhost:9000/classify
    """

    checkpoint: Annotated[str | None, tyro.conf.DisallowNone, otherwise("tiny, in the package")] = None
    """Run folder, weights folder or name (`i2pmae models`); the first word, or named."""
    host: str = "127.0.0.1"
    """Address to listen at; by default only this machine can ask."""
    port: int = 8000
    """To listen at; 0 for any that is free."""
    device: str = "auto"
    """auto, cpu, mps, cuda or cuda:N."""
    batch_size: int = 32
    """Clouds that are computed together."""
    max_clouds: int = 64
    """Clouds of a request."""
    max_points: int = 100_000
    """Points of a cloud."""
    max_megabytes: float = 64
    """Of a body."""
    timeout: float = 60
    """Seconds until a request is answered, or given up."""


def run(arguments: Sequence[str]) -> None:
    """Serve until stopped."""
    options = parse(Serve, "serve", in_order(Serve, "serve", ("checkpoint",), arguments, optional=1))
    from i2pmae.commands.serve import serve

    serve(**vars(options))
