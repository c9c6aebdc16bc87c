"""Contact on generated scenes: the model's generated answers, baselines, ceilings and controls."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from interactvlm.assets_dir import default_weights, file_sha256
from interactvlm.errors import AssetError
from interactvlm.evaluation.config import EvaluateConfig
from interactvlm.evaluation.object_side import agreement, ask_objects, object_scores
from interactvlm.evaluation.priors import ContactPriors
from interactvlm.metrics import (
    ContactSample,
    bootstrap_interval,
    contact_scores,
    distance_on_topology,
    false_contact_rate,
    geodesic_error,
    unite_labels,
)
from interactvlm.model import InteractVLM
from interactvlm.perception import normalize_pixels
from interactvlm.surface_views import SurfaceViews
from interactvlm.synthetic.config import DATA_VERSION, SynthConfig
from interactvlm.synthetic.shards import SceneShards

Report = dict[str, Any]

FALSE_CONTACT = 0.08
"""Share of untouched questions that may find contact on `val`."""
EXCESS_COST = 2.0
"""Mean F1 that one more such share is worth giving up."""


@dataclass(frozen=True)
class Calibration:
    """Thresholds fixed on `val`, shipped with the weights."""

    model: float
    direct: float
    label_mean: float
    interaction_oracle: float
    no_contact_bias: float
    """Of the model's answers; see `InteractVLMConfig.no_contact_bias`."""

    @staticmethod
    def load(path: Path) -> "Calibration":
        """Read `calibration.json`. Raises AssetError when it is missing or damaged."""
        try:
            return Calibration(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise AssetError(f"calibration cannot be read ({error}): {str(path)!r}") from None


@dataclass(frozen=True)
class Question:
    """One label of one scene, its truth, and what each method says (probabilities)."""

    scene: int
    label: str
    truth: Bool[Tensor, "verts"]
    said: dict[str, Float[Tensor, "verts"]]
    no_contact_margin: float = 0.0
    """How far the model's first word leaned to "no contact"."""


def evaluate(config: EvaluateConfig) -> Report:
    """All numbers of one split. Progress bar on stderr."""
    folder = config.weights or default_weights()
    shards = load_split(config)
    model = InteractVLM.from_pretrained(folder)
    calibration = Calibration.load(folder / "calibration.json")
    questions = list(ask_all(model, folder, shards, config))
    thresholds = {
        "model": calibration.model, "direct": calibration.direct, "lift": 0.5,
        "label_mean": calibration.label_mean, "interaction_oracle": calibration.interaction_oracle,
    }  # fmt: skip
    samples = {name: list(_samples(questions, name, at)) for name, at in thresholds.items()}
    report = scores(samples["model"], geodesic=config.geodesic)
    report = {
        "dataset": "synthetic",
        "split": config.split,
        "count": len(shards.scenes[: config.count]),
    } | report
    report["baselines"] = {
        n: scores(samples[n], geodesic=config.geodesic) for n in ("label_mean", "direct")
    }
    touched = {n: [s for s in samples[n] if s.target.any()] for n in ("lift", "interaction_oracle")}
    report["ceilings"] = {name: _mean_f1(group) for name, group in touched.items()}
    if "object" in model.config.trained_for:
        body = {(q.scene, q.label): q.said["model"] >= calibration.model for q in questions}
        objects = list(ask_objects(model, folder, shards, config, body))
        report["object"] = object_scores(objects, "model")
        report["baselines"]["label_mean"]["object"] = object_scores(objects, "label_mean")
        report["body_to_object"] = agreement(objects)
    report["shuffled_images"] = config.shuffle_images
    report["provenance"] = {
        "weights": str(config.weights or "mini"),
        "weights_sha256": file_sha256(folder / "model.safetensors"),
        "thresholds": thresholds, "data_version": DATA_VERSION, "data_seed": config.seed,
    }  # fmt: skip
    if config.json is not None:
        from renders.cache import atomic_write

        with atomic_write(config.json) as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n")
    return report


def load_split(config: EvaluateConfig) -> SceneShards:
    """The split's shards; generated first when too few are there."""
    folder = config.data / config.split
    try:
        shards = SceneShards(folder)
        enough = len(shards.scenes) >= config.count
    except AssetError:
        enough = False
    if not enough:
        from interactvlm.synthetic.dataset import generate

        generate(
            SynthConfig(out=config.data, split=config.split, count=config.count, seed=config.seed)
        )
        shards = SceneShards(folder)
    return shards


def ask_all(
    model: InteractVLM, folder: Path, shards: SceneShards, config: EvaluateConfig
) -> Iterator[Question]:
    """Every label of every scene through the model, the direct head and the priors."""
    from tqdm import tqdm

    priors = ContactPriors.load(folder / "priors.npz")
    direct = load_direct(model, folder)
    scenes = shards.scenes[: config.count]
    views = model.human_views()
    known = set(model.config.labels)
    for index, scene in enumerate(tqdm(scenes, desc=f"evaluate {config.split}", unit="photo")):
        shown = scenes[(index + len(scenes) // 2) % len(scenes)] if config.shuffle_images else scene
        rgb = shards.picture(shown).rgb
        truth = torch.from_numpy(shards.contact(scene))
        labels = [o.label for o in scene.objects]
        maps = model.predict_contact(Image.fromarray(rgb), labels, known_only=False)
        answers = direct(
            torch.from_numpy(rgb), [label if label in known else "" for label in labels]
        )
        ceiling = lift_ceiling(model, views, truth.float())
        for i, record in enumerate(scene.objects):
            said = {
                "model": maps[i].vertex_probability, "direct": answers[i], "lift": ceiling[i],
                "label_mean": priors.label(record.label),
                "interaction_oracle": priors.interaction(
                    record.label, record.interaction, record.side
                ),
            }  # fmt: skip
            yield Question(index, record.label, truth[i], said, maps[i].no_contact_margin)


def load_direct(
    model: InteractVLM, folder: Path
) -> Callable[[Tensor, Sequence[str]], Float[Tensor, "labels verts"]]:
    """The direct per-vertex regressor that was trained beside the model."""
    from interactvlm.training.objective import DirectRegressor
    from interactvlm.weights import load_weights

    size = model.human_views().surface_map.num_vertices
    head = DirectRegressor(model.language.vision.width, len(model.config.labels), size)
    load_weights(head, folder / "direct")
    head.eval()
    index = ["", *model.config.labels]

    @torch.no_grad()
    def ask(rgb: Tensor, labels: Sequence[str]) -> Float[Tensor, "labels verts"]:
        tokens = model.language.vision(normalize_pixels(rgb[None]))
        chosen = torch.tensor([index.index(label) for label in labels])
        return head(tokens.expand(len(labels), -1, -1), chosen).sigmoid()

    return ask


def lift_ceiling(
    model: InteractVLM, views: SurfaceViews, contact: Float[Tensor, "labels verts"]
) -> Float[Tensor, "labels verts"]:
    """True masks at the decoder's resolution, lifted: what perfect masks would score."""
    from interactvlm.training.token_banks import low_res_targets

    target, _ = low_res_targets(views, contact, model.config.localizer.low_res_px)
    logits = torch.logit(target.clamp(1e-4, 1 - 1e-4))
    return views.view_set.fill_unseen(model.lift(logits, views))


def _samples(questions: Sequence[Question], name: str, threshold: float) -> Iterator[ContactSample]:
    for question in questions:
        predicted = question.said[name] >= threshold
        yield ContactSample(str(question.scene), question.label, predicted, question.truth)


def scores(samples: Sequence[ContactSample], *, geodesic: bool) -> Report:
    """Semantic scores over touched questions, binary over photos, false contact over untouched.

    `touched_denied`: share of the touched questions for which no contact was predicted at all.
    """
    touched = [s for s in samples if s.target.any()]
    photos = [s for s in unite_labels(samples) if s.target.any()]
    labels = sorted({s.label for s in touched})
    semantic = _group(touched, geodesic)
    semantic["per_label"] = {
        label: _group([s for s in touched if s.label == label], False) for label in labels
    }
    f1 = contact_scores(
        torch.stack([s.predicted for s in touched]), torch.stack([s.target for s in touched])
    ).f1
    semantic["f1_interval_95"] = list(bootstrap_interval(f1.tolist()))
    return {
        "binary": _group(photos, geodesic), "semantic": semantic,
        "untouched_false_contact": false_contact_rate(samples),
        "untouched_count": sum(not bool(s.target.any()) for s in samples),
        "touched_denied": sum(not bool(s.predicted.any()) for s in touched) / len(touched),
    }  # fmt: skip


def _group(samples: Sequence[ContactSample], geodesic: bool) -> Report:
    each = contact_scores(
        torch.stack([s.predicted for s in samples]), torch.stack([s.target for s in samples])
    )
    report: Report = {
        "count": len(samples), "f1": float(each.f1.mean()),
        "precision": float(each.precision.mean()), "recall": float(each.recall.mean()),
    }  # fmt: skip
    if geodesic:
        distance = distance_on_topology("anny")
        errors = [geodesic_error(s.predicted, s.target, distance) for s in samples]
        report["geodesic_cm"] = {
            "false_positive": float(np.mean([100 * e.false_positive_m for e in errors])),
            "false_negative": float(np.mean([100 * e.false_negative_m for e in errors])),
        }
    return report


def _mean_f1(samples: Sequence[ContactSample]) -> float:
    return _group(samples, False)["f1"]


def calibrate(questions: Sequence[Question], grid: Sequence[float] | None = None) -> Calibration:
    """The threshold of best mean F1 over touched questions, per method.

    The model's is chosen together with its bias to refuse, on answers that never refused.
    """
    grid = grid or [round(0.02 * i, 2) for i in range(2, 41)]
    best = {}
    for name in ("direct", "label_mean", "interaction_oracle"):
        touched = [q for q in questions if q.truth.any()]
        truth = torch.stack([q.truth for q in touched])
        said = torch.stack([q.said[name] for q in touched])
        f1 = [float(contact_scores(said >= at, truth).f1.mean()) for at in grid]
        best[name] = grid[int(np.argmax(f1))]
    choices = [calibrate_refusal(questions, at) for at in grid]
    chosen = int(np.argmax([worth for _, worth in choices]))
    return Calibration(model=grid[chosen], no_contact_bias=choices[chosen][0], **best)


def calibrate_refusal(questions: Sequence[Question], threshold: float) -> tuple[float, float]:
    """The least bias of most worth, and its worth.

    Worth is the mean F1 of touched questions less `EXCESS_COST` times the share of untouched ones
    that find contact, as far as it exceeds `FALSE_CONTACT`.
    """
    found = torch.stack([q.said["model"] >= threshold for q in questions])
    truth = torch.stack([q.truth for q in questions])
    margin = torch.tensor([q.no_contact_margin for q in questions], dtype=torch.float64)
    touched = truth.any(1)
    f1 = contact_scores(found, truth).f1 * touched / touched.sum()
    stray = found.any(1) & ~touched
    share = stray / (~touched).sum().clamp(min=1)
    keeps_all = min(0.0, float(-margin.max()) - 1e-3)
    best, most = keeps_all, -torch.inf
    for bias in sorted({keeps_all, *(float(-m) + 1e-3 for m in margin[stray])}):
        kept = margin + bias < 0  # the answers that still find contact
        excess = max(0.0, float(share[kept].sum()) - FALSE_CONTACT)
        worth = float(f1[kept].sum()) - EXCESS_COST * excess
        if worth > most + 1e-9:
            best, most = bias, worth
    return best, most


def format_report(report: Report) -> str:
    """A plain table for the terminal."""
    rows = [("", "F1", "precision", "recall", "geodesic fp / fn cm", "untouched touched", "denied")]
    for name, part in (("model", report), *report["baselines"].items()):
        for kind in ("semantic", "binary"):
            s = part[kind]
            geo = s.get("geodesic_cm", {})
            distance = f"{geo['false_positive']:.1f} / {geo['false_negative']:.1f}" if geo else "-"
            stray = f"{part['untouched_false_contact']:.1%}" if kind == "semantic" else ""
            denied = f"{part['touched_denied']:.1%}" if kind == "semantic" else ""
            rows.append(
                (
                    f"{name}, {kind}",
                    f"{s['f1']:.3f}",
                    f"{s['precision']:.3f}",
                    f"{s['recall']:.3f}",
                    distance,
                    stray,
                    denied,
                )
            )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    ceilings = ", ".join(f"{k} {v:.3f}" for k, v in report["ceilings"].items())
    return "\n".join([*lines, f"ceilings: {ceilings}", *_object_lines(report)])


def _object_lines(report: Report) -> list[str]:
    """Heat on objects, where the weights were trained for it."""
    if "object" not in report:
        return []
    lines = []
    for name, part in (("model", report), ("label_mean", report["baselines"]["label_mean"])):
        s = part["object"]
        lines.append(
            f"objects, {name}: SIM {s['sim']:.3f}, AUC {s['auc']:.3f}, aIOU {s['aiou']:.3f}, "
            f"MAE {s['mae']:.3f} over {s['count']}"
        )
    apart = report["body_to_object"]
    if apart["count"]:
        lines.append(
            f"contact of the body lies {apart['distance_cm']:.1f} cm from that of the object, over "
            f"{apart['count']} questions"
        )
    return lines
