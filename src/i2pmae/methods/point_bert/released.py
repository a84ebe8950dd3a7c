"""Files that Point-BERT's authors released, those of its vocabulary among them: names, and what their shapes tell."""

from collections.abc import Mapping, Sequence

from i2pmae.methods.point_bert.config import GRID, DiscreteVAEConfig, PointBERTConfig, PointBERTMethodConfig
from i2pmae.methods.released import PLAIN, PRETRAINED_ON, embed_widths, embedding_names
from i2pmae.weights.kinds import PRETRAINING
from i2pmae.weights.released.shapes import Shapes, agree
from i2pmae.weights.released.spec import Found, ReleasedHead, ReleasedNames

__all__ = ["RELEASED"]

GRAPHS: Mapping[str, str] = {"dgcnn_1": "to_logits", "dgcnn_2": "from_codes"}
"""Graph networks of the discrete VAE; their layers 1 to 4 are edge convolutions, and layer 5 joins these."""


def _group_size(found: Found, layer: str) -> int:
    """Points per group, from the layer that predicts a quarter of them."""
    size, set_to = found.shapes.outputs(layer) // 3 * GRID**2, found.settings.group_sizes[0]
    agree(size, set_to, layer, "group_sizes", set_to)
    return size


def _vocabulary_sizes(found: Found) -> DiscreteVAEConfig:
    shapes = found.shapes
    return DiscreteVAEConfig(
        group_count=found.settings.group_counts[0],
        group_size=_group_size(found, "decoder.mlp.4"),
        embed_widths=embed_widths(shapes, "encoder"),
        embed_dim=shapes.outputs("encoder.second_conv.3"),
        codes=shapes.outputs("dgcnn_1.layer5.0"),
        code_dim=shapes.inputs("dgcnn_2.input_trans"),
        decoder_dim=shapes.inputs("decoder.mlp.0"),
        graph_input=shapes.outputs("dgcnn_1.input_trans"),
        graph_widths=tuple(shapes.outputs(f"dgcnn_1.layer{layer}.0") for layer in range(1, 5)),
        fold_widths=(shapes.outputs("decoder.mlp.0"), shapes.outputs("decoder.final_conv.0")),
    )


def _sizes(found: Found) -> PointBERTConfig:
    shapes, encoder = found.shapes, dict(found.encoder)
    vae: dict[str, object] = {
        "codes": shapes.outputs("lm_head"),
        "embed_widths": encoder["embed_widths"],
        "embed_dim": encoder["token_width"] or encoder["width"],
    }
    if "dvae.codebook" in shapes:
        _group_size(found, "dvae.decoder.mlp.4")
        vae |= {"code_dim": shapes["dvae.codebook"][-1], "decoder_dim": shapes.inputs("dvae.decoder.mlp.0")}
    settings = found.settings
    words = DiscreteVAEConfig(group_count=settings.group_counts[0], group_size=settings.group_sizes[0], **vae)
    return PointBERTConfig(**encoder, class_width=shapes.outputs("cls_head.2"), vae=words)


def _mistaken(names: Sequence[str]) -> str | None:
    """Names and shapes of fine-tuned Point-MAE are ours, but for the layer that brings tokens to width."""
    trained = any(name.startswith("blocks.blocks.") for name in names)
    if trained and not any(name.startswith("reduce_dim.") for name in names):
        return "lacks reduce_dim, which Point-BERT has: use --from point-mae"
    return None


def _vocabulary_names(_: Shapes) -> Mapping[str, str]:
    joined, edges = ((0, "join"), (1, "join_norm")), ((0, "edges"), (1, "norms"))
    return {
        **embedding_names("encoder", "embedding"),
        **{rf"^{theirs}\.input_trans\.": rf"{ours}.input." for theirs, ours in GRAPHS.items()},
        **{rf"^{a}\.layer5\.{i}\.": rf"{b}.{c}." for a, b in GRAPHS.items() for i, c in joined},
        **{
            rf"^{a}\.layer{layer}\.{i}\.": rf"{b}.{c}.{layer - 1}."
            for a, b in GRAPHS.items()
            for layer in range(1, 5)
            for i, c in edges
        },
        r"^decoder\.mlp\.": r"folding.coarse.",
        r"^decoder\.final_conv\.0\.": r"folding.fine_in.",
        r"^decoder\.final_conv\.1\.": r"folding.fine_in_norm.",
        r"^decoder\.final_conv\.3\.": r"folding.fine_inner.",
        r"^decoder\.final_conv\.4\.": r"folding.fine_inner_norm.",
        r"^decoder\.final_conv\.6\.": r"folding.fine_out.",
    }


_PRETRAINING = ReleasedHead(
    task=PRETRAINING,
    sign=r"lm_head\.",
    sizes=_sizes,
    settings=PRETRAINED_ON,
    names=lambda _: {r"^lm_head\.": r"token_head.", r"^cls_head\.": r"class_head."},
)
_VOCABULARY = ReleasedHead(
    task="vocabulary",
    sign=r"codebook$",
    sizes=_vocabulary_sizes,
    settings=PRETRAINED_ON,
    names=_vocabulary_names,
    alone=True,
)
RELEASED = ReleasedNames(
    title="Point-BERT",
    encoder=PLAIN,
    pooling=PointBERTMethodConfig().pooling,
    signs=(r"(?:transformer_q\.)?(?:reduce_dim|lm_head)\.", r"codebook$"),
    heads=(_PRETRAINING, _VOCABULARY),
    assumed=("shapenet", "modelnet40", "scanobjectnn", "shapenetpart"),
    dropped={
        r"transformer_k\.": "momentum encoder, used in training alone",
        r"queue(?:_ptr)?$": "queue of the contrast, used in training alone",
        r"dvae\.": "discrete autoencoder, used in training alone",
    },
    refused={
        "dgcnn_pro": "Point-BERT's part segmenter, whose head of graph convolutions has no counterpart here",
    },
    mistaken=_mistaken,
)
"""What the files look like."""
