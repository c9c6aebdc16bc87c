"""Draws scene recipes: which activity, with which objects, for which split.

Labels in one scene are distinct, so that a question about "the chair" has one answer.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch

from interactvlm.synthetic import hand_tasks, postures, surroundings
from interactvlm.synthetic.articulation import fast_body
from interactvlm.synthetic.draft import SIDES, Draft
from interactvlm.synthetic.scene import Side
from interactvlm.synthetic.solver import SceneRecipe
from object_retrieval.procedural.objects import CATEGORIES, InstancePool

Split = Literal["train", "val", "test", "test_unseen"]
SPLITS: tuple[Split, ...] = ("train", "val", "test", "test_unseen")

Main = tuple[float, str, Callable[[Draft, str, Side], object]]


def _plain(act: Callable[[Draft, str], object]) -> Callable[[Draft, str, Side], object]:
    return lambda draft, category, side: act(draft, category)


def _standing(act: Callable[..., object], *, sided: bool) -> Callable[[Draft, str, Side], object]:
    def run(draft: Draft, category: str, side: Side) -> object:
        postures.stand(draft)
        return act(draft, category, side) if sided else act(draft, category)

    return run


def _lean_one(draft: Draft, category: str, side: Side) -> object:
    return hand_tasks.lean(draft, category, (side,))


def _lean_both(draft: Draft, category: str, side: Side) -> object:
    return hand_tasks.lean(draft, category, SIDES)


SIT, STAND_ON, LIE, RIDE = (
    _plain(f) for f in (postures.sit, postures.stand_on, postures.lie, postures.ride)
)
PUSH = _plain(hand_tasks.push)
HOLD, CARRY, PULL = (
    _standing(f, sided=True) for f in (hand_tasks.hold, hand_tasks.carry, hand_tasks.pull)
)
HOLD_BOTH = _standing(hand_tasks.hold_both, sided=False)
SWING = _standing(hand_tasks.swing_both, sided=False)
WEAR = _standing(surroundings.wear, sided=False)
TYPE_ONE = _standing(
    lambda draft, category, side: hand_tasks.use_on_table(draft, category, (side,)), sided=True
)
TYPE = _standing(lambda draft, category: hand_tasks.use_on_table(draft, category), sided=False)

MAIN: tuple[Main, ...] = (
    (3.0, "chair", SIT), (1.2, "chair", STAND_ON), (1.6, "chair", _lean_both),
    (0.6, "chair", _lean_one),
    (2.0, "stool", SIT), (1.2, "stool", STAND_ON), (0.8, "stool", postures.step_on),
    (1.6, "bench", SIT), (1.2, "bench", LIE), (1.0, "bench", STAND_ON),
    (1.4, "sofa", SIT), (1.4, "sofa", LIE), (1.0, "sofa", STAND_ON),
    (1.3, "bed", SIT), (1.6, "bed", LIE), (1.0, "bed", STAND_ON),
    (1.6, "table", _lean_both), (1.0, "table", _lean_one), (1.0, "table", SIT),
    (0.9, "table", STAND_ON),
    (1.0, "laptop", TYPE), (0.5, "laptop", HOLD_BOTH), (1.6, "laptop", TYPE_ONE),
    (1.2, "cup", HOLD), (0.9, "bottle", HOLD), (1.4, "bottle", postures.kick),
    (2.2, "backpack", WEAR), (1.8, "backpack", CARRY),
    (1.6, "suitcase", PULL), (1.4, "suitcase", CARRY), (0.9, "suitcase", SIT),
    (1.2, "umbrella", HOLD), (0.6, "umbrella", SWING),
    (1.2, "ball", HOLD_BOTH), (2.4, "ball", postures.kick), (1.4, "ball", postures.step_on),
    (1.0, "bat", HOLD), (1.0, "bat", SWING),
    (2.2, "bicycle", RIDE), (1.0, "bicycle", PUSH), (1.6, "bicycle", PULL),
    (1.0, "skateboard", STAND_ON), (1.6, "skateboard", postures.step_on),
    (1.8, "skateboard", HOLD_BOTH),
    (2.0, "box", HOLD_BOTH), (1.4, "box", PUSH), (1.0, "box", SIT), (0.8, "box", STAND_ON),
    (0.9, "box", postures.kick),
    (0.8, "trolley", PUSH), (1.2, "trolley", PULL), (1.0, "trolley", postures.kick),
)  # fmt: skip

UNSEEN_MAIN: tuple[Main, ...] = (
    (1.0, "scooter", STAND_ON), (1.0, "barrel", SIT), (1.0, "barrel", _lean_both),
    (1.0, "racket", HOLD),
    (1.0, "racket", SWING), (1.0, "surfboard", STAND_ON), (1.0, "bucket", CARRY),
)  # fmt: skip

ONE_HAND = ("cup", "bottle", "umbrella", "bat")
CARRY_ONE_HAND = ("backpack", "suitcase")
_SECOND_TASK_POSTURES = ("stand", "sit", "stand_on", "kick", "step_on", "lie")


def draw_recipe(split: Split, seed: int) -> SceneRecipe:
    """The recipe of one scene; the same (split, seed) always gives the same one."""
    rng = np.random.default_rng([SPLITS.index(split), seed])
    unseen = split == "test_unseen"
    table = UNSEEN_MAIN if unseen else MAIN
    weights = np.array([row[0] for row in table])
    _, category, act = table[rng.choice(len(table), p=weights / weights.sum())]
    side = SIDES[int(rng.integers(2))]
    draft = _new_draft(rng, "test" if split.startswith("test") else "train")
    act(draft, category, side)
    _add_second_tasks(draft)
    return draft.recipe(seed)


def _new_draft(rng: np.random.Generator, pool: InstancePool) -> Draft:
    phenotypes = rng.uniform(0.05, 0.95, size=6).astype(np.float32)
    phenotypes[1] = rng.uniform(0.55, 0.9)  # adults: below 0.5 Anny's age axis means children
    phenotypes[3] = np.clip(phenotypes[4] + rng.normal(0, 0.25), 0.1, 0.9)  # weight follows height
    phenotypes[5] = rng.uniform(0.3, 0.9)
    hips, shoulders = _rest_heights(phenotypes)
    return Draft(rng, pool, phenotypes, hips, shoulders)


@torch.no_grad()
def _rest_heights(phenotypes: np.ndarray) -> tuple[float, float]:
    """Height of the hips above the soles and of the shoulders above the hips, metres."""
    body = fast_body()
    output = body(
        torch.tensor(phenotypes)[None],
        torch.eye(3).expand(1, len(body.bone_names), 3, 3),
        torch.zeros(1, 3),
    )
    shoulder = output.bone_heads[0, body.bone_names.index("upperarm01.L"), 2]
    return -float(output.vertices[0, :, 2].min()), float(shoulder)


def _add_second_tasks(draft: Draft) -> None:
    rng = draft.rng
    used = {plan.instance.category for plan in draft.objects}

    def fresh(categories: tuple[str, ...]) -> str | None:
        left = [c for c in categories if c not in used]
        choice = str(rng.choice(left)) if left else None
        used.update({choice} if choice else set())
        return choice

    seated = draft.posture == "sit" and len(draft.free_hands) == 2
    if seated and rng.random() < 0.08 and fresh(("laptop",)) and "table" not in used:
        used.add("table")
        hand_tasks.use_on_table(draft, "laptop")
    for side in sorted(draft.free_hands):
        chance = 0.2 if len(draft.free_hands) == 2 else 0.12
        if draft.posture not in _SECOND_TASK_POSTURES or rng.random() > chance:
            continue
        upright = draft.posture in ("stand", "stand_on")
        if upright and rng.random() < 0.25:
            if category := fresh(CARRY_ONE_HAND):
                hand_tasks.carry(draft, category, side)
        elif category := fresh(ONE_HAND):
            hand_tasks.hold(draft, category, side)
    two_free = len(draft.free_hands) == 2 and draft.posture in ("sit", "stand_on")
    if two_free and rng.random() < 0.1 and (category := fresh(("ball", "box"))):
        hand_tasks.hold_both(draft, category)
    if draft.back_free and rng.random() < 0.07 and (category := fresh(("backpack",))):
        surroundings.wear(draft, category)
    floor = tuple(c for c in CATEGORIES if c not in ("umbrella", "bat", "cup", "bottle", "laptop"))
    small = ("ball", "box", "suitcase", "backpack", "stool", "chair", "bottle", "cup", "skateboard")
    may_reach = bool(draft.free_hands) and draft.posture in ("stand", "push")
    if may_reach and rng.random() < 0.3 and (category := fresh(small)):
        hand_tasks.reach(draft, category, _any_of(sorted(draft.free_hands), rng))
    if rng.random() < 0.5 and (category := fresh(floor)):
        surroundings.bystander(draft, category)


def _any_of(sides: list[Side], rng: np.random.Generator) -> Side:
    return sides[int(rng.integers(len(sides)))]
