"""AdamW with its decay groups, and the learning rate of every step (I2P-MAE, arXiv 2212.06785, §4.1)."""

import math

import torch
from torch import nn

from i2pmae.training.config import OptimiserConfig

__all__ = ["build_optimiser", "decays", "learning_rate"]

TOKEN_PARAMETERS = ("mask_token", "mask_tokens", "cls_token", "cls_position")
"""Names of parameters that are learnt tokens, or positions of such tokens, themselves."""


def decays(name: str, parameter: torch.Tensor) -> bool:
    """Whether weight decay applies: to matrices and larger, but not to biases, norms and learnt tokens.

    Tokens are known by the last part of their name, so the layer ``token_embed.weight`` decays.
    """
    leaf = name.rpartition(".")[2]
    return parameter.ndim > 1 and leaf != "bias" and leaf not in TOKEN_PARAMETERS


def build_optimiser(model: nn.Module, config: OptimiserConfig) -> torch.optim.AdamW:
    """AdamW over the model's trainable parameters in two groups: with and without weight decay, in that order."""
    trainable = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = [
        {
            "params": [parameter for name, parameter in trainable if decays(name, parameter) == with_decay],
            "weight_decay": config.weight_decay if with_decay else 0.0,
        }
        for with_decay in (True, False)
    ]
    return torch.optim.AdamW(groups, lr=config.start_rate, betas=config.betas)


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
