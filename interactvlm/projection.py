"""From a hidden state of the language model to the vector that prompts the mask decoder.

Source: LISA's `text_hidden_fcs`: two linear layers with a ReLU between. The paper calls it a
projection of two layers of 256; the released weights are hidden -> hidden -> 256.
"""

from jaxtyping import Float
from torch import Tensor, nn


class TokenProjection(nn.Module):
    """Two-layer MLP, `hidden` -> `hidden` -> `out`."""

    def __init__(self, hidden: int, out: int) -> None:
        super().__init__()
        self.inner = nn.Linear(hidden, hidden)
        self.outer = nn.Linear(hidden, out)

    def forward(self, hidden: Float[Tensor, "*batch hidden"]) -> Float[Tensor, "*batch out"]:
        """One vector per state."""
        return self.outer(self.inner(hidden).relu())
