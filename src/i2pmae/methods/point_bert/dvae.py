"""The discrete variational autoencoder of Point-BERT: groups of points as words of a vocabulary (arXiv 2111.14819)."""

from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import nn
from torch.nn import functional

from i2pmae.encoders.masking import gumbel_noise
from i2pmae.encoders.norms import BatchNorm
from i2pmae.encoders.pointnet import MiniPointNet
from i2pmae.encoders.tokenizer import Hierarchy, check_points, tokenise
from i2pmae.methods.point_bert.config import GRID, NORM_GROUPS, DiscreteVAEConfig
from i2pmae.ops import gather, knn
from i2pmae.typing import Float, Int, Tensor

__all__ = ["DiscreteVAE", "VAEReconstruction"]

GRID_EXTENT = 0.05
"""Largest coordinate of the folding grid."""
LEAK = 0.2
"""Slope of the graph layers' LeakyReLU below zero."""


class VAEReconstruction(NamedTuple):
    """Groups of points after a way through the vocabulary."""

    coarse: Float[Tensor, "b m k4 3"]
    """A quarter of the points of each group, relative to its centre."""
    fine: Float[Tensor, "b m k 3"]
    """All points of each group, relative to its centre."""
    logits: Float[Tensor, "b m v"]
    """Per group, one logit per word."""


class _GraphNetwork(nn.Module):
    """Edge convolutions over neighbouring centres, all their outputs joined (DGCNN, arXiv 1801.07829)."""

    def __init__(self, inputs: int, outputs: int, config: DiscreteVAEConfig) -> None:
        super().__init__()
        self.neighbours = config.graph_neighbours
        widths = (config.graph_input, *config.graph_widths)
        self.input = nn.Linear(inputs, widths[0])
        self.edges = nn.ModuleList(nn.Linear(2 * below, width, bias=False) for below, width in pairwise(widths))
        self.norms = nn.ModuleList(nn.GroupNorm(NORM_GROUPS, width) for width in widths[1:])
        self.join = nn.Linear(sum(widths[1:]), outputs, bias=False)
        self.join_norm = nn.GroupNorm(NORM_GROUPS, outputs)

    def forward(self, tokens: Float[Tensor, "b m c"], centres: Float[Tensor, "b m 3"]) -> Float[Tensor, "b m d"]:
        """One vector per token, informed by its neighbours."""
        neighbours = knn(centres, centres, self.neighbours)
        x = self.input(tokens)
        outputs = []
        for module, norm in zip(self.edges, self.norms, strict=True):
            edge = cast(nn.Linear, module)
            # Linear of [neighbour − own, own] is the sum of two, each computed once per token.
            of_difference, of_own = edge.weight.chunk(2, dim=1)
            differences = functional.linear(x, of_difference)
            own = functional.linear(x, of_own) - differences
            y = (gather(differences, neighbours) + own[:, :, None]).movedim(-1, 1)
            x = functional.leaky_relu(norm(y), LEAK).amax(-1).transpose(1, 2)
            outputs.append(x)
        joined = self.join_norm(self.join(torch.cat(outputs, dim=-1)).transpose(1, 2))
        return functional.leaky_relu(joined, LEAK).transpose(1, 2)


class _Folding(nn.Module):
    """Points of a group from its vector: a few coarse ones, each then spread over a small grid (FoldingNet)."""

    grid: Tensor

    def __init__(self, config: DiscreteVAEConfig) -> None:
        super().__init__()
        self.coarse_count = config.group_size // GRID**2
        first, second = config.fold_widths
        width = config.decoder_dim
        self.coarse = nn.Sequential(
            nn.Linear(width, first),
            nn.ReLU(),
            nn.Linear(first, first),
            nn.ReLU(),
            nn.Linear(first, 3 * self.coarse_count),
        )
        self.fine_in = nn.Linear(width + 2 + 3, second)
        self.fine_in_norm = BatchNorm(second)
        self.fine_inner = nn.Linear(second, second)
        self.fine_inner_norm = BatchNorm(second)
        self.fine_out = nn.Linear(second, 3)
        side = torch.linspace(-GRID_EXTENT, GRID_EXTENT, GRID)
        rows, columns = torch.meshgrid(side, side, indexing="ij")
        self.register_buffer("grid", torch.stack([columns, rows], dim=-1).flatten(0, 1), persistent=False)

    def forward(self, groups: Float[Tensor, "g c"]) -> tuple[Float[Tensor, "g k4 3"], Float[Tensor, "g k 3"]]:
        """The coarse and the fine points of each group."""
        coarse = self.coarse(groups).unflatten(-1, (self.coarse_count, 3))
        g, n = len(groups), self.coarse_count * GRID**2
        start = coarse.repeat_interleave(GRID**2, dim=1)
        # Linear of [group, grid, coarse point] is the sum of three: the group's part is the same for all its points.
        of_group, of_grid, of_point = self.fine_in.weight.split([groups.shape[-1], 2, 3], dim=1)
        x = functional.linear(start, of_point) + functional.linear(groups, of_group, self.fine_in.bias)[:, None]
        x = x + functional.linear(self.grid.to(x.dtype), of_grid).repeat(self.coarse_count, 1)
        x = self.fine_in_norm(x.view(g * n, -1)).relu()
        x = self.fine_inner_norm(self.fine_inner(x)).relu()
        return coarse, self.fine_out(x).view(g, n, 3) + start


class DiscreteVAE(nn.Module):
    """Groups of points to words of a vocabulary and back (Point-BERT §3.1)."""

    def __init__(self, config: DiscreteVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = MiniPointNet(3, config.embed_widths, config.embed_dim)
        self.to_logits = _GraphNetwork(config.embed_dim, config.codes, config)
        self.codebook = nn.Parameter(torch.randn(config.codes, config.code_dim))
        self.from_codes = _GraphNetwork(config.code_dim, config.decoder_dim, config)
        self.folding = _Folding(config)

    def tokenise(self, points: Float[Tensor, "b n 3"]) -> Hierarchy:
        """Groups of the one level; :class:`UsageError` for points of the wrong shape or number."""
        check_points(points, self.config.min_points)
        return tokenise(points.float(), (self.config.group_count,), (self.config.group_size,))

    def logits(self, hierarchy: Hierarchy) -> Float[Tensor, "b m v"]:
        """Per group, one logit per word."""
        offsets = hierarchy[0].offsets
        tokens = self.embedding(offsets.flatten(0, 1)).unflatten(0, offsets.shape[:2])
        return self.to_logits(tokens, hierarchy[0].centres)

    def words(self, hierarchy: Hierarchy) -> Int[Tensor, "b m"]:
        """The word of each group."""
        return self.logits(hierarchy).argmax(-1)

    def decode(
        self, weights: Float[Tensor, "b m v"], centres: Float[Tensor, "b m 3"]
    ) -> tuple[Float[Tensor, "b m k4 3"], Float[Tensor, "b m k 3"]]:
        """Coarse and fine points of groups, relative to their centres, from a mixture of words for each."""
        features = self.from_codes(weights @ self.codebook, centres)
        coarse, fine = self.folding(features.flatten(0, 1))
        shape = centres.shape[:2]
        return coarse.unflatten(0, shape), fine.unflatten(0, shape)

    def forward(self, hierarchy: Hierarchy, temperature: float, generator: torch.Generator) -> VAEReconstruction:
        """The way there and back through words drawn softly: Gumbel-softmax at ``temperature`` (arXiv 1611.01144)."""
        logits = self.logits(hierarchy)
        drawn = (logits.float() + gumbel_noise(logits, generator)) / temperature
        coarse, fine = self.decode(drawn.softmax(-1).to(logits.dtype), hierarchy[0].centres)
        return VAEReconstruction(coarse, fine, logits)
