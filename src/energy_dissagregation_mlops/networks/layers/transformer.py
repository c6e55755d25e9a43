"""A transformer's block: every sample of a window looks at every other, then each thinks for itself.

Vaswani et al. 2017, "Attention is all you need", arXiv:1706.03762, with the normalisation before each
part (Xiong et al. 2020, arXiv:2002.04745), which learns without a long warm-up.

Shapes: N windows, T tokens, D width, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_HIDDEN = 4  # times the width, between the two layers after attention


class _Attention(nn.Module):
    """Scaled dot products over H heads; with ``masked`` a token never looks at itself."""

    def __init__(self, width: int, *, heads: int, dropout: float, masked: bool, bias: bool) -> None:
        super().__init__()
        assert width % heads == 0
        self.heads, self.dropout, self.masked = heads, dropout, masked
        self.queries = nn.Linear(width, width, bias=bias)
        self.keys = nn.Linear(width, width, bias=bias)
        self.values = nn.Linear(width, width, bias=bias)
        self.join = nn.Linear(width, width, bias=bias)

    def forward(self, tokens: Tensor) -> Tensor:
        num = tokens.shape[1]

        def split(part: Tensor) -> Tensor:
            return part.reshape(part.shape[0], num, self.heads, -1).transpose(1, 2)  # (N, H, T, D / H)

        others = ~torch.eye(num, dtype=torch.bool, device=tokens.device) if self.masked else None
        found = F.scaled_dot_product_attention(
            split(self.queries(tokens)), split(self.keys(tokens)), split(self.values(tokens)),
            attn_mask=others, dropout_p=self.dropout if self.training else 0.0,
        )  # fmt: skip
        joined: Tensor = self.join(found.transpose(1, 2).flatten(2))
        return joined


class Block(nn.Module):
    """Attention, then two layers on each token, each added to what came in: (N, T, D) to (N, T, D)."""

    def __init__(self, width: int, *, heads: int, dropout: float, masked: bool, bias: bool) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attention = _Attention(width, heads=heads, dropout=dropout, masked=masked, bias=bias)
        self.before_layers = nn.LayerNorm(width)
        self.layers = nn.Sequential(
            nn.Linear(width, _HIDDEN * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(_HIDDEN * width, width),
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T, D) after one block."""
        seen = tokens + self.drop(self.attention(self.before_attention(tokens)))
        answer: Tensor = seen + self.drop(self.layers(self.before_layers(seen)))
        return answer
