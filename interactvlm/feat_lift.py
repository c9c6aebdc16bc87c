"""FeatLift: one vector of the language model becomes one prompt vector per canonical view.

A camera is five numbers in [0, 1] (`ViewSpec.normalized()`): distance / 10, elevation / 360,
azimuth / 360, (x shift + 1) / 2, (y shift + 1) / 2. Knows no images and no bodies.

Names are honest: what the paper's ablation calls concatenation is `simple` here, which in the
published code adds a camera code. Source: InteractVLM, `cam_pose_encoder`, `attention_splitter`.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interactvlm.config import LocalizerConfig
from interactvlm.errors import InputError

CAMERA_NUMBERS = 5


class FeatLift(nn.Module):
    """Camera-conditioned lift, one of `none`, `simple`, `view_index`, `featlift`.

    One instance serves humans and objects: view slot v uses `views[v]` for both. Cameras of a
    task are constant, so `gates` may be computed once.
    """

    def __init__(self, config: LocalizerConfig) -> None:
        super().__init__()
        self.kind = config.feat_lift
        self.num_views = config.num_views
        dim = config.dim
        if self.kind == "simple":
            self.camera = nn.Linear(CAMERA_NUMBERS, dim)
            return
        if self.kind == "none":
            return
        width = dim if self.kind == "view_index" else config.camera_width
        self.spatial = nn.ModuleList([nn.Linear(CAMERA_NUMBERS, width), nn.Linear(width, width)])
        self.views = nn.ModuleList([nn.Linear(width, dim) for _ in range(self.num_views)])

    def gates(self, cameras: Float[Tensor, "views 5"]) -> Float[Tensor, "views dim"]:
        """The factor (`featlift`, `view_index`) or the addend (`simple`) of each view."""
        if self.kind == "simple":
            return self.camera(cameras).relu()
        if self.kind == "none":
            raise InputError("feat_lift 'none' has no gates: the vector is only repeated")
        if len(cameras) != self.num_views:
            raise InputError(f"expected {self.num_views} cameras, got {len(cameras)}")
        inner = self.spatial[1](self.spatial[0](cameras).relu())
        inner = inner.sigmoid() if self.kind == "view_index" else inner.relu()
        gates = torch.stack([layer(row) for layer, row in zip(self.views, inner, strict=True)])
        return gates if self.kind == "view_index" else gates.sigmoid()

    def forward(
        self, vector: Float[Tensor, "batch dim"], cameras: Float[Tensor, "views 5"]
    ) -> Float[Tensor, "batch views dim"]:
        """One vector per view."""
        repeated = vector[:, None].expand(-1, len(cameras), -1)
        if self.kind == "none":
            return repeated
        gates = self.gates(cameras.to(vector.dtype))
        return repeated + gates if self.kind == "simple" else repeated * gates


class AttentionSplitter(nn.Module):
    """Attention of the view vectors over each other, with its own query for humans and objects.

    Single head, no residual, no norm. Present in the released joint model.
    """

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(dim, width)
        self.query_human = nn.Linear(width, width)
        self.query_object = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.outer = nn.Linear(width, dim)

    def forward(
        self, vectors: Float[Tensor, "batch views dim"], target: Literal["human", "object"]
    ) -> Float[Tensor, "batch views dim"]:
        """Mixed vectors of the human or the object branch."""
        inner = self.inner(vectors)
        query = self.query_human(inner) if target == "human" else self.query_object(inner)
        scores = query @ self.key(inner).transpose(1, 2) / inner.shape[-1] ** 0.5
        return self.outer(scores.softmax(-1) @ self.value(inner))
