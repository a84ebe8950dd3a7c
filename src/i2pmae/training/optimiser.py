"""AdamW with its decay groups, and the learning rate of every step (I2P-MAE, arXiv 2212.06785, §4.1)."""

import math
import re
from collections.abc import Sequence

import torch
from torch import nn

from i2pmae.training.config import OptimiserConfig

__all__ = ["build_optimiser", "decays", "distance_to_head", "learning_rate"]

TOKEN_PARAMETERS = ("mask_token", "mask_tokens", "cls_token", "cls_position", "view_tokens")
"""Names of parameters that are learnt tokens, or positions of such tokens, themselves."""
BLOCK = re.compile(r"encoder\.(?:stages\.(\d+)|blocks)\.(\d+)\.")
"""A parameter of a transformer block: its level, where the encoder has several, and its place."""
OPENING = re.compile(r"encoder\.(?:embeddings|positions)\.(\d+)\.")
"""A parameter of what comes before the blocks of a level."""


def decays(name: str, parameter: torch.Tensor) -> bool:
    """Whether weight decay applies: to matrices and larger, but not to biases, norms and learnt tokens.

    Tokens are known by the last part of their name, so the layer ``token_embed.weight`` decays.
    """
    leaf = name.rpartition(".")[2]
    return parameter.ndim > 1 and leaf != "bias" and leaf not in TOKEN_PARAMETERS


def build_optimiser(model: nn.Module, config: OptimiserConfig, fused: bool = False) -> torch.optim.AdamW:
    """AdamW over the model's trainable parameters in two groups: with and without weight decay, in that order.

    With a ``layer_decay`` there are two groups for each value of a parameter's :func:`distance_to_head`, nearest first;
    their ``rate_scale`` is ``layer_decay`` to the power of the distance.

    ``fused`` changes all weights in one kernel, rounded otherwise.
    """
    layer_decay = config.layer_decay
    trainable = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    away = distance_to_head([name for name, _ in model.named_parameters()]) if layer_decay is not None else {}
    groups = []
    for distance in sorted({away.get(name, 0) for name, _ in trainable}) or [0]:
        near = [(name, parameter) for name, parameter in trainable if away.get(name, 0) == distance]
        groups += [
            {
                "params": [parameter for name, parameter in near if decays(name, parameter) == with_decay],
                "weight_decay": config.weight_decay if with_decay else 0.0,
                "rate_scale": 1.0 if layer_decay is None else layer_decay**distance,
            }
            for with_decay in (True, False)
        ]
    return torch.optim.AdamW(groups, lr=config.start_rate, betas=config.betas, fused=fused or None)


def distance_to_head(names: Sequence[str]) -> dict[str, int]:
    """How many blocks of the encoder lie between each named parameter and the head.

    0 for what is no part of the encoder, 1 for its last block and its norms, one more for each block below, and most
    for what turns points into tokens. What opens a level of a hierarchical encoder counts with that level's first
    block.
    """
    blocks = sorted({(int(match[1] or 0), int(match[2])) for match in map(BLOCK.match, names) if match})
    order = {block: len(blocks) - index for index, block in enumerate(blocks)}
    found = {}
    for name in names:
        block, opening = BLOCK.match(name), OPENING.match(name)
        if block:
            found[name] = order[int(block[1] or 0), int(block[2])]
        elif not name.startswith("encoder."):
            found[name] = 0
        elif name.startswith("encoder.norm"):
            found[name] = 1
        elif opening and int(opening[1]) > 0:
            found[name] = order[int(opening[1]), 0]
        else:
            found[name] = len(blocks) + 1
    return found


def learning_rate(step: int, steps_per_epoch: int, epochs: int, config: OptimiserConfig) -> float:
    """The rate that optimiser step ``step`` (0 is the first) is taken with.

    Linear from ``start_rate`` at step 0 to ``learning_rate`` at the end of the warm-up, then half a cosine that reaches
    ``final_rate`` at the end of ``schedule_epochs`` (of ``epochs`` where absent), and stays there.
    """
    warmup = config.warmup_epochs * steps_per_epoch
    if step < warmup:
        return config.start_rate + (config.learning_rate - config.start_rate) * step / warmup
    end = (config.schedule_epochs or epochs) * steps_per_epoch
    progress = min((step - warmup) / (end - warmup), 1.0) if end > warmup else 1.0
    return config.final_rate + (config.learning_rate - config.final_rate) * (1 + math.cos(math.pi * progress)) / 2
