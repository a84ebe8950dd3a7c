"""The pre-trained models that torch-pointcloud publishes again, as safetensors: its names, turned into the authors'.

That package builds the same layers from other parts: ``local_mlp.lins.0`` is the authors' ``first_conv.0``. Where a
finer level meets a coarser one, its first layer reads them in the other order.
"""

import re
from collections.abc import Mapping

import torch

from i2pmae.typing import Tensor

__all__ = ["as_published"]

SIGN = ".local_mlp.lins."
"""What names of that package alone have."""
NAMES: Mapping[str, str] = {
    r"\.local_mlp\.lins\.0\.": r".first_conv.0.",
    r"\.local_mlp\.norms\.0\.module\.": r".first_conv.1.",
    r"\.local_mlp\.lins\.1\.": r".first_conv.3.",
    r"\.global_mlp\.lins\.0\.": r".second_conv.0.",
    r"\.global_mlp\.norms\.0\.module\.": r".second_conv.1.",
    r"\.global_mlp\.lins\.1\.": r".second_conv.3.",
    r"(pos_embeds?(?:\.\d+)?)\.lins\.0\.": r"\1.0.",
    r"(pos_embeds?(?:\.\d+)?)\.lins\.1\.": r"\1.2.",
    r"(blocks\.\d+\.mlp)\.lins\.0\.": r"\1.fc1.",
    r"(blocks\.\d+\.mlp)\.lins\.1\.": r"\1.fc2.",
    r"^blocks\.(\d+)\.": r"blocks.blocks.\1.",
    r"^(increase_dim|cls_head)\.lins\.0\.": r"\1.0.",
    r"^cls_head\.lins\.1\.": r"cls_head.2.",
    r"^(token_prop\.\d+)\.fp\.mlp\.lins\.0\.": r"\1.fuse.net.0.",
    r"^(token_prop\.\d+)\.fp\.mlp\.norms\.0\.module\.": r"\1.fuse.net.1.",
    r"^(token_prop\.\d+)\.extraction\.0\.net(\d)\.lins\.0\.": r"\1.extraction.operation.0.net\2.0.",
    r"^(token_prop\.\d+)\.extraction\.0\.net(\d)\.norms\.0\.module\.": r"\1.extraction.operation.0.net\2.1.",
}
FUSED = re.compile(r"token_prop\.(\d+)\.fuse\.net\.0\.weight")


def as_published(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as the authors have them, where the names are those of torch-pointcloud; else as they are."""
    if not any(SIGN in name for name in tensors):
        return dict(tensors)
    renamed = {}
    for name, tensor in tensors.items():
        for pattern, theirs in NAMES.items():
            name = re.sub(pattern, theirs, name)
        renamed[name] = tensor
    for name, tensor in renamed.items():
        found = FUSED.fullmatch(name)
        coarse = renamed.get(f"decoder_pos_embeds.{found[1]}.2.weight") if found else None
        if coarse is not None:
            width = len(coarse)  # the coarser level comes first there, and last in the authors' layer
            renamed[name] = torch.cat([tensor[:, width:], tensor[:, :width]], dim=1)
    return renamed
