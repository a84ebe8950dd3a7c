"""The names of torch-pointcloud's files, as its modules have them, beside those of the authors' files."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import i2pmae
from i2pmae.common.errors import CheckpointError
from i2pmae.weights.released.torch_pointcloud import as_published
from i2pmae.weights.store import load_model
from tests.weights.published import published_plain
from tests.weights.small_models import make_model

PAIRS = {
    "MAE_encoder.encoder.local_mlp.lins.0.weight": "MAE_encoder.encoder.first_conv.0.weight",
    "MAE_encoder.encoder.local_mlp.norms.0.module.running_var": "MAE_encoder.encoder.first_conv.1.running_var",
    "MAE_encoder.encoder.local_mlp.lins.1.bias": "MAE_encoder.encoder.first_conv.3.bias",
    "MAE_encoder.encoder.global_mlp.lins.0.weight": "MAE_encoder.encoder.second_conv.0.weight",
    "MAE_encoder.encoder.global_mlp.norms.0.module.num_batches_tracked": (
        "MAE_encoder.encoder.second_conv.1.num_batches_tracked"
    ),
    "MAE_encoder.encoder.global_mlp.lins.1.weight": "MAE_encoder.encoder.second_conv.3.weight",
    "MAE_encoder.pos_embed.lins.1.bias": "MAE_encoder.pos_embed.2.bias",
    "MAE_encoder.blocks.blocks.11.attn.qkv.weight": "MAE_encoder.blocks.blocks.11.attn.qkv.weight",
    "MAE_encoder.blocks.blocks.11.mlp.lins.0.weight": "MAE_encoder.blocks.blocks.11.mlp.fc1.weight",
    "MAE_decoder.blocks.3.mlp.lins.1.bias": "MAE_decoder.blocks.3.mlp.fc2.bias",
    "decoder_pos_embed.lins.0.weight": "decoder_pos_embed.0.weight",
    "increase_dim.lins.0.bias": "increase_dim.0.bias",
    "blocks.0.norm1.weight": "blocks.blocks.0.norm1.weight",
    "blocks.7.mlp.lins.1.weight": "blocks.blocks.7.mlp.fc2.weight",
    "cls_head.lins.0.weight": "cls_head.0.weight",
    "cls_head.lins.1.bias": "cls_head.2.bias",
    "lm_head.weight": "lm_head.weight",
    "reduce_dim.bias": "reduce_dim.bias",
    "h_encoder.token_embed.2.local_mlp.lins.1.weight": "h_encoder.token_embed.2.first_conv.3.weight",
    "h_encoder.encoder_pos_embeds.1.lins.0.weight": "h_encoder.encoder_pos_embeds.1.0.weight",
    "h_encoder.encoder_blocks.2.blocks.4.mlp.lins.0.bias": "h_encoder.encoder_blocks.2.blocks.4.mlp.fc1.bias",
    "h_decoder.1.blocks.0.mlp.lins.1.bias": "h_decoder.1.blocks.0.mlp.fc2.bias",
    "token_prop.0.fp.mlp.norms.0.module.bias": "token_prop.0.fuse.net.1.bias",
    "token_prop.0.extraction.0.net2.lins.0.weight": "token_prop.0.extraction.operation.0.net2.0.weight",
    "token_prop.0.extraction.0.net1.norms.0.module.weight": "token_prop.0.extraction.operation.0.net1.1.weight",
    "rec_head.weight": "rec_head.weight",
    "mask_token": "mask_token",
}


@pytest.mark.parametrize(("theirs", "authors"), PAIRS.items())
def test_every_layer_has_the_authors_name(theirs: str, authors: str) -> None:
    given = {"any.local_mlp.lins.0.bias": torch.zeros(1), theirs: torch.ones(2)}
    assert torch.equal(as_published(given)[authors], torch.ones(2))


def test_levels_that_meet_are_read_in_the_authors_order() -> None:
    coarse, fine = torch.full((4, 5), 2.0), torch.full((4, 3), 1.0)
    given = {
        "x.local_mlp.lins.0.bias": torch.zeros(1),
        "token_prop.0.fp.mlp.lins.0.weight": torch.cat([coarse, fine], dim=1),
        "decoder_pos_embeds.0.lins.1.weight": torch.zeros(5, 5),
    }
    assert torch.equal(as_published(given)["token_prop.0.fuse.net.0.weight"], torch.cat([fine, coarse], dim=1))


def test_other_files_stay_as_they_are() -> None:
    given = {"blocks.0.mlp.lins.0.weight": torch.zeros(1)}
    assert as_published(given).keys() == given.keys()


def theirs(name: str) -> str:
    """An authors' name of an encoder of one level, as that package has it."""
    for pattern, other in (
        (r"first_conv\.0", "local_mlp.lins.0"),
        (r"first_conv\.1", "local_mlp.norms.0.module"),
        (r"first_conv\.3", "local_mlp.lins.1"),
        (r"second_conv\.0", "global_mlp.lins.0"),
        (r"second_conv\.1", "global_mlp.norms.0.module"),
        (r"second_conv\.3", "global_mlp.lins.1"),
        (r"^pos_embed\.0", "pos_embed.lins.0"),
        (r"^pos_embed\.2", "pos_embed.lins.1"),
        (r"^blocks\.blocks\.", "blocks."),
        (r"mlp\.fc1", "mlp.lins.0"),
        (r"mlp\.fc2", "mlp.lins.1"),
    ):
        name = re.sub(pattern, other, name)
    return name


def test_a_file_becomes_the_weights_that_the_authors_file_does(tmp_path: Path) -> None:
    published = published_plain(make_model("point-bert classification")[0])
    torch.save(published, tmp_path / "authors.pth")
    save_file({theirs(name): value.contiguous() for name, value in published.items()}, tmp_path / "a.safetensors")
    options = {"encoder_only": True, "settings": "modelnet40", "group_counts": (8,), "group_sizes": (8,), "heads": 2}
    for file, output in (("a.safetensors", "first"), ("authors.pth", "second")):
        i2pmae.convert(tmp_path / file, "point-bert", tmp_path / output, **options)  # type: ignore[arg-type]
    first, second = (load_model(tmp_path / name)[0].state_dict() for name in ("first", "second"))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"\x08" + b"\x00" * 40)
    with pytest.raises(CheckpointError, match="damaged or not a safetensors file"):
        i2pmae.convert(tmp_path / "a.safetensors", "point-mae", tmp_path / "out")
