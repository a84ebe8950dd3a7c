"""The model of the published formulation; its parameters have the names of ours, and the shapes of convolutions."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.published import geometry
from i2pmae.methods.i2p_mae.config import I2PMAEConfig

FORBIDDEN = -100000.0
"""What is added to the score of a padding token."""


class MiniPointNet(nn.Module):
    """Shared layers, maximum, joined to each member, shared layers, maximum."""

    def __init__(self, inputs: int, widths: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        first, inner, second = widths
        self.lift, self.lift_norm = nn.Conv1d(inputs, first, 1), nn.BatchNorm1d(first)
        self.inner = nn.Conv1d(first, inner, 1)
        self.join, self.join_norm = nn.Conv1d(2 * inner, second, 1), nn.BatchNorm1d(second)
        self.out = nn.Conv1d(second, outputs, 1)

    def forward(self, members: Tensor) -> Tensor:
        x = self.inner(functional.relu(self.lift_norm(self.lift(members.transpose(1, 2)))))
        largest = x.max(2, keepdim=True).values
        x = torch.cat([largest.expand(-1, -1, x.shape[2]), x], dim=1)
        return self.out(functional.relu(self.join_norm(self.join(x)))).max(2).values


class Attention(nn.Module):
    """Self-attention whose matrix is built."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        b, t, c = x.shape
        query, key, value = self.qkv(x).reshape(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-2, -1) * self.scale
        if mask is not None:
            scores = scores + mask[:, None]
        return self.proj((scores.softmax(-1) @ value).transpose(1, 2).reshape(b, t, c))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int, ratio: float, drop: float = 0.0) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        hidden = int(width * ratio)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.drop = drop

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x + self._dropped(self.attention(self.norm1(x), mask))
        return x + self._dropped(self.mlp(self.norm2(x)))

    def _dropped(self, branch: Tensor) -> Tensor:
        if not self.training or self.drop == 0:
            return branch
        keep = (torch.rand(len(branch), 1, 1, device=branch.device) >= self.drop).to(branch)
        return branch / (1 - self.drop) * keep


def position(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, width), nn.GELU(), nn.Linear(width, width))


class Encoder(nn.Module):
    """Stages over ever coarser tokens: all are embedded, then the visible ones are padded, cloud by cloud."""

    def __init__(self, config: I2PMAEConfig) -> None:
        super().__init__()
        dims = config.encoder_dims
        self.embeddings = nn.ModuleList([MiniPointNet(3, config.embed_widths, dims[0])])
        for below, width in pairwise(dims):
            self.embeddings.append(MiniPointNet(below, (below, below, width), width))
        self.positions = nn.ModuleList(position(width) for width in dims)
        rates = torch.linspace(0, config.drop_path, sum(config.encoder_depths)).tolist()
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(width, config.heads, config.mlp_ratio, rates.pop(0)) for _ in range(depth))
            for width, depth in zip(dims, config.encoder_depths, strict=True)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in dims)

    def forward(self, levels: list[geometry.Group], visible: list[Tensor]) -> list[Tensor]:
        """Padded tokens of every level, finest first."""
        encoded, below = [], None
        for level, group in enumerate(levels):
            members = group.offsets if below is None else geometry.pick(below, group.neighbours)
            tokens = self.embeddings[level](members.flatten(0, 1)).view(*members.shape[:2], -1)
            shown = visible[level]
            padded, valid = padded_tokens(tokens, shown)
            where, _ = padded_tokens(group.centres, shown)
            mask = FORBIDDEN * (1 - valid)[:, None].expand(-1, valid.shape[1], -1)
            place = self.positions[level](where)
            for block in self.stages[level]:
                padded = block(padded + place, mask)
            encoded.append(self.norms[level](padded))
            below = put_back(tokens, shown, padded)
        return encoded


def padded_tokens(tokens: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
    """The shown tokens of each cloud, padded with zeros to the longest, and 1 where they are no padding."""
    longest = max(int(mask.sum()) for mask in shown)
    padded = tokens.new_zeros(len(tokens), longest, tokens.shape[-1])
    valid = tokens.new_zeros(len(tokens), longest)
    for cloud, mask in enumerate(shown):
        own = tokens[cloud][mask]
        padded[cloud, : len(own)] = own
        valid[cloud, : len(own)] = 1
    return padded, valid


def put_back(background: Tensor, shown: Tensor, padded: Tensor) -> Tensor:
    """Padded tokens in their places."""
    full = background.clone()
    for cloud, mask in enumerate(shown):
        full[cloud, mask] = padded[cloud, : int(mask.sum())]
    return full


class TokenPropagation(nn.Module):
    """Tokens of a finer level joined with those interpolated from the coarser one."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.fuse, self.fuse_norm = nn.Conv1d(inputs, width, 1), nn.BatchNorm1d(width)
        self.residual1, self.residual1_norm = nn.Conv1d(width, width, 1), nn.BatchNorm1d(width)
        self.residual2, self.residual2_norm = nn.Conv1d(width, width, 1), nn.BatchNorm1d(width)

    def forward(self, fine: Tensor, coarse: Tensor, fine_tokens: Tensor, coarse_tokens: Tensor) -> Tensor:
        spread = geometry.interpolate(fine, coarse, coarse_tokens)
        x = torch.cat([fine_tokens, spread], dim=-1).transpose(1, 2)
        x = functional.gelu(self.fuse_norm(self.fuse(x)))
        branch = functional.gelu(self.residual1_norm(self.residual1(x)))
        return functional.gelu(x + self.residual2_norm(self.residual2(branch))).transpose(1, 2)


class Decoder(nn.Module):
    """Masked tokens filled in from coarse to fine."""

    def __init__(self, config: I2PMAEConfig) -> None:
        super().__init__()
        dims, widths = config.decoder_dims, config.encoder_dims
        self.mask_token = nn.Parameter(torch.zeros(dims[0]))
        self.positions = nn.ModuleList(position(width) for width in dims)
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(width, config.heads, config.mlp_ratio) for _ in range(depth))
            for width, depth in zip(dims, config.decoder_depths, strict=True)
        )
        self.propagations = nn.ModuleList(
            TokenPropagation(widths[-2 - stage] + dims[stage], dims[stage + 1]) for stage in range(len(dims) - 1)
        )
        self.norm = nn.LayerNorm(dims[-1])

    def forward(self, levels: list[geometry.Group], encoded: list[Tensor], visible: list[Tensor]) -> Tensor:
        last = len(levels) - 1
        masked = self.mask_token.expand(*levels[last].centres.shape[:2], -1)
        tokens = put_back(masked, visible[last], encoded[last])
        for stage, blocks in enumerate(self.stages):
            level = last - stage
            centres = levels[level].centres
            if stage > 0:
                empty = tokens.new_zeros(*centres.shape[:2], encoded[level].shape[-1])
                known = put_back(empty, visible[level], encoded[level])
                tokens = self.propagations[stage - 1](centres, levels[level + 1].centres, known, tokens)
            place = self.positions[stage](centres)
            for block in blocks:
                tokens = block(tokens + place)
        return self.norm(tokens)


class PublishedI2PMAE(nn.Module):
    """Encoder, decoder and both heads."""

    def __init__(self, config: I2PMAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.decoded_level = config.levels - len(config.decoder_dims)
        members, width = config.group_sizes[self.decoded_level], config.decoder_dims[-1]
        self.coordinate_head = nn.Conv1d(width, 3 * members, 1)
        self.semantic_head = nn.Conv1d(width, members * config.semantic_dim, 1)

    def take(self, ours: nn.Module) -> "PublishedI2PMAE":
        """Itself, with the weights of our model."""
        own = self.state_dict()
        self.load_state_dict({name: value.view_as(own[name]) for name, value in ours.state_dict().items()})
        return self

    def groups(self, points: Tensor) -> list[geometry.Group]:
        return geometry.groups(points, self.config.group_counts, self.config.group_sizes)

    def embed(self, points: Tensor) -> Tensor:
        """The largest of each channel of the coarsest tokens, (b, c)."""
        levels = self.groups(points)
        shown = torch.ones(levels[-1].centres.shape[:2], dtype=torch.bool, device=points.device)
        return self.encoder(levels, visible_levels(levels, shown))[-1].max(1).values


def visible_levels(levels: list[geometry.Group], top: Tensor) -> list[Tensor]:
    """What is visible of every level, from the coarsest on down, cloud by cloud."""
    masks = [top]
    for level in range(len(levels) - 1, 0, -1):
        neighbours, below = levels[level].neighbours, levels[level - 1].centres.shape[1]
        mask = torch.zeros(len(top), below, dtype=torch.bool, device=top.device)
        for cloud in range(len(top)):
            mask[cloud, neighbours[cloud][masks[0][cloud]].unique()] = True
        masks.insert(0, mask)
    return masks
