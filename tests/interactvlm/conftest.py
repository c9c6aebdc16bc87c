"""Fixtures of this folder: golden tensors, tiny models, a small surface in place of a body."""

import json
import os
import zlib
from pathlib import Path

import numpy as np
import pytest


class Golden:
    """Golden numbers and the weights their formula describes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def arrays(self, name: str):
        """All arrays of one section."""
        return np.load(self.folder / f"{name}.npz", allow_pickle=False)

    def keys(self, name: str) -> dict:
        """The key table of one section."""
        return json.loads((self.folder / f"{name}_keys.json").read_text(encoding="utf-8"))

    def weights(self, table: dict, seed: int):
        """The state dict a key table describes; computed buffers left out."""
        import torch

        state = {}
        for key, spec in table.items():
            if "scale" not in spec:
                continue
            rng = np.random.default_rng(zlib.crc32(key.encode()) + seed)
            value = spec["offset"] + spec["scale"] * rng.standard_normal(spec["shape"])
            value = value.astype(np.float32)
            assert abs(float(value.astype(np.float64).sum()) - spec["sum"]) < 1e-6, key
            state[key] = torch.from_numpy(value)
        return state


@pytest.fixture(scope="session")
def golden() -> Golden:
    """The golden set, or a skip that says where it was looked for."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "golden"
    folder = Path(os.environ.get("INTERACTVLM_GOLDEN") or beside)
    if not (folder / "01_sam.npz").is_file():
        pytest.skip(f"golden tensors not found at {folder}; set INTERACTVLM_GOLDEN")
    return Golden(folder)


@pytest.fixture(scope="session")
def tiny_config():
    """A whole model of a few thousand parameters."""
    from interactvlm.config import (
        InteractVLMConfig,
        LanguageConfig,
        LocalizerConfig,
        LoraConfig,
        TokenConfig,
        VisionConfig,
    )

    return InteractVLMConfig(
        vision=VisionConfig(
            kind="clip", image_size_px=28, patch_px=14, width=16, depth=2, heads=2, mlp_width=32
        ),
        language=LanguageConfig(
            vocab_size=600, hidden=32, layers=2, heads=4, key_value_heads=2, mlp_width=48,
            max_positions=256, projector="mlp", lora=LoraConfig(rank=2, alpha=4.0, dropout=0.0),
        ),
        localizer=LocalizerConfig(
            image_size_px=64, patch_px=16, width=16, depth=1, heads=2, window=0, global_blocks=(),
            dim=32, decoder_heads=2, decoder_mlp_width=32, camera_width=8,
        ),
        tokens=TokenConfig(strip_around=("<HCON>", "<OCON>")),
        view_resolution_px=64,
        lift_resolution_px=64,
        template_style="short",
        max_new_tokens=12,
    )  # fmt: skip


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_config):
    from interactvlm import templates
    from interactvlm.tokens import Tokenizer

    texts = templates.corpus(["chair", "tennis racket", "bicycle"], ["left hand", "torso"])
    return Tokenizer.train(texts, tiny_config.tokens, vocab_size=400)


@pytest.fixture
def tiny_model(tiny_config, tiny_tokenizer):
    """A random model in evaluation mode; weights large enough that answers differ."""
    import torch

    from interactvlm.model import InteractVLM

    torch.manual_seed(0)
    model = InteractVLM(tiny_config, tiny_tokenizer).eval()
    with torch.no_grad():
        for parameter in model.language.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    return model


@pytest.fixture
def tiny_surface(tiny_model, tmp_path):
    """A sphere in place of the canonical body, set as the model's human views."""
    import torch
    import trimesh

    from interactvlm.surface_views import SurfaceViews
    from renders.canonical import build_human_view_set
    from renders.mesh import Mesh

    sphere = trimesh.creation.icosphere(subdivisions=2, radius=0.8)
    mesh = Mesh(
        torch.tensor(np.asarray(sphere.vertices), dtype=torch.float32),
        torch.tensor(np.asarray(sphere.faces), dtype=torch.int64),
    )
    views = build_human_view_set(mesh, 64, tmp_path)
    surface = SurfaceViews(
        embeddings=tiny_model.localizer.encode_views(views.images),
        cameras=views.camera_vectors,
        surface_map=views.surface_map,
        view_set=views,
    )
    tiny_model._human_views = surface
    return surface


@pytest.fixture
def ball_body(monkeypatch, tmp_path):
    """A ball as the SMPL+H body of everything that asks for one; caches stay in the test."""
    import human_recovery.topology
    from tests.interactvlm.ball_body import ball_topology

    ball = ball_topology()
    monkeypatch.setattr(human_recovery.topology, "get_topology", lambda *_: ball)
    monkeypatch.setenv("INTERACTVLM_CACHE", str(tmp_path / "cache"))
    return ball
