"""What a drafted person does with the hands: hold, carry, push, lean, pull, type, reach."""

import numpy as np

from interactvlm.synthetic.articulation import mirror_pose
from interactvlm.synthetic.draft import (
    PUSH,
    REACH_ARM_RIGHT,
    SIDES,
    STAND,
    Draft,
    floor_pose,
    front_reach,
    sided,
    sign_of,
    suffix,
    triple,
)
from interactvlm.synthetic.scene import Side
from interactvlm.synthetic.solver import ObjectPlan, Touch
from object_retrieval.procedural.objects import Anchor, ObjectInstance

CARRIED = {"suitcase": "side_handle", "backpack": "top_handle", "bucket": "handle"}


def hold(draft: Draft, category: str, side: Side) -> int:
    """An upright thing gripped in one hand, thumb up."""
    instance = draft.new(category)
    anchor = instance.anchors["grip"]
    index = _grip(draft, instance, anchor, side, "hold", along="up")
    shoulder = draft.shoulder_height_m
    sign = sign_of(side)
    low = 0.42 if draft.posture in ("sit", "ride") else 0.5
    point = (draft.hip[0] + sign * draft.uniform(0.08, 0.36),
             draft.hip[1] - draft.uniform(0.24, 0.46),
             shoulder - draft.uniform(0.0, low))  # fmt: skip
    if draft.posture == "lie":
        point = (
            draft.hip[0] + sign * 0.25,
            draft.hip[1] + 0.25,
            draft.hip[2] + draft.uniform(0.25, 0.4),
        )
    draft.touches.append(
        Touch(f"palm.{suffix(side)}", -1, point, (0.04, 0.04, 0.04), 1.0, tolerance_m=0.25)
    )
    draft.pose |= sided(REACH_ARM_RIGHT, side)
    return index


def carry(draft: Draft, category: str, side: Side) -> int:
    """A thing hanging from its handle, arm down."""
    instance = draft.new(category)
    index = _grip(draft, instance, instance.anchors[CARRIED[category]], side, "carry", along="down")
    sign = sign_of(side)
    point = (draft.hip[0] + sign * draft.uniform(0.27, 0.36),
             draft.hip[1] + draft.uniform(-0.15, 0.05),
             draft.hip[2] - draft.uniform(-0.02, 0.1))  # fmt: skip
    draft.touches.append(
        Touch(f"palm.{suffix(side)}", -1, point, (0.03, 0.05, 0.05), 1.0, tolerance_m=0.25)
    )
    return index


def _grip(
    draft: Draft,
    instance: ObjectInstance,
    anchor: Anchor,
    side: Side,
    interaction: str,
    *,
    along: str,
) -> int:
    """Fix an object to a hand: `up`, its z axis follows the thumb; `down`, it hangs."""
    outward = sign_of(side)
    spin = draft.uniform(-20.0, 20.0)
    if along == "up":
        axes = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=np.float32)
        spin = draft.uniform(-180.0, 180.0)
    else:
        axes = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]], dtype=np.float32)
    local = np.eye(4, dtype=np.float32)
    local[:3, :3] = axes @ floor_pose((0.0, 0.0, 0.0), spin if along == "up" else 0.0)[:3, :3]
    radius = max(float(anchor.radius_m), 0.008)
    centre = anchor.center.astype(np.float32)
    local[:3, 3] = np.array([0.012, 0.0, outward * (radius + 0.002)]) - local[:3, :3] @ centre
    name = f"hand.{suffix(side)}"
    draft.objects.append(ObjectPlan(instance, name, local, interaction, side, upright=1.0))
    draft.curl[side] = float(np.clip(1.0 - radius / 0.075, 0.25, 0.9))
    draft.use_hands(side)
    return len(draft.objects) - 1


def hold_both(draft: Draft, category: str) -> int:
    """A thing between two palms in front of the body."""
    instance = draft.new(category)
    left, right = instance.anchors["side_left"], instance.anchors["side_right"]
    middle = (np.asarray(left.point) + np.asarray(right.point)) / 2
    depth = front_reach(instance)
    height = draft.shoulder_height_m - draft.uniform(0.2, 0.42)
    reach = draft.uniform(0.2, 0.28)
    where = (
        draft.hip[0] - float(middle[0]),
        draft.hip[1] - reach - depth,
        height - float(middle[2]),
    )
    index = draft.place(instance, where, "hold_both", "both", free=True)
    for side, anchor in (("L", left), ("R", right)):
        draft.touch(f"palm.{side}", index, anchor, weight=1.5, tolerance_m=0.025)
    for side in SIDES:
        draft.pose |= sided(REACH_ARM_RIGHT, side)
        draft.curl[side] = 0.3
    draft.use_hands(*SIDES)
    return index


def swing_both(draft: Draft, category: str) -> int:
    """A long thing gripped with both hands, right above left or the other way round."""
    side = SIDES[int(draft.rng.integers(2))]
    other: Side = "left" if side == "right" else "right"
    index = hold(draft, category, side)
    plan = draft.objects[index]
    grip = plan.instance.anchors["grip"]
    below = draft.uniform(0.1, 0.14) * (1 if category != "umbrella" else -1)
    point = np.asarray(grip.point) + np.array([0.0, 0.0, below])
    radius = float(grip.radius_m)
    touch = Touch(
        f"palm.{suffix(other)}",
        index,
        triple(point),
        (radius, radius, 0.02),
        1.5,
        tolerance_m=0.03,
    )
    draft.touches.append(touch)
    draft.objects[index] = ObjectPlan(
        plan.instance, plan.frame, plan.frame_from_object, "hold_both", "both", upright=0.4
    )
    draft.pose |= sided(REACH_ARM_RIGHT, other)
    draft.curl[other] = draft.curl[side]
    draft.use_hands(other)
    return index


def push(draft: Draft, category: str) -> int:
    """Both palms against a thing on the floor in front."""
    instance = draft.new(category)
    draft.posture = "push"
    draft.hip = (0.0, 0.0, draft.hip_height_m - 0.02)
    draft.pose = dict(PUSH)
    if draft.rng.random() < 0.5:
        draft.pose = mirror_pose(draft.pose)
    names = (
        ("handle_left", "handle_right")
        if "handle_left" in instance.anchors
        else ("grip_left", "grip_right")
    )
    index = draft.place(instance, (0.0, 0.0, 0.0), "push", "both")
    if names[0] in instance.anchors:
        middle = (
            np.asarray(instance.anchors[names[0]].point)
            + np.asarray(instance.anchors[names[1]].point)
        ) / 2
        gap = draft.uniform(0.38, 0.46)
        if category in ("bicycle", "scooter"):
            draft.hip = (
                -0.45 * float(draft.rng.choice([-1, 1])),
                float(middle[1]) + 0.25,
                draft.hip[2],
            )
        else:
            draft.hip = (float(middle[0]), float(middle[1]) + gap, draft.hip[2])
        for side, name in zip(("L", "R"), names, strict=True):
            draft.touch(f"palm.{side}", index, instance.anchors[name], weight=1.5, tolerance_m=0.03)
            draft.curl["left" if side == "L" else "right"] = 0.7
    else:
        face = instance.anchors["push_face"]
        point, half = np.asarray(face.point), np.asarray(face.extent)
        draft.hip = (float(point[0]), float(point[1]) + draft.uniform(0.42, 0.52), draft.hip[2])
        height = float(np.clip(draft.shoulder_height_m - 0.35, 0.3, point[2] + half[2] - 0.06))
        for side in SIDES:
            spot = (float(point[0]) + sign_of(side) * 0.15, float(point[1]), height)
            draft.touches.append(
                Touch(
                    f"palm.{suffix(side)}", index, spot, (0.04, 0.02, 0.05), 1.5, tolerance_m=0.025
                )
            )
    draft.use_hands(*SIDES)
    return index


def lean(draft: Draft, category: str, sides: tuple[Side, ...]) -> int:
    """Palms resting on top of a table, box or the back of a chair, standing before it."""
    instance = draft.new(category)
    draft.posture = "lean"
    on_back = "back_top" in instance.anchors
    anchor = instance.anchors["back_top" if on_back else "top"]
    point, half = np.asarray(anchor.point), np.asarray(anchor.extent)
    yaw = 0.0
    edge = float(point[1] + half[1])
    draft.hip = (float(point[0]), edge + draft.uniform(0.16, 0.22), draft.hip_height_m)
    draft.pose = STAND | {"root": (12.0, 0.0, 0.0)}
    index = draft.place(
        instance, (0.0, 0.0, 0.0), "lean", sides[0] if len(sides) == 1 else "both", yaw_deg=yaw
    )
    for side in sides:
        aside = 0.12 if on_back else draft.uniform(0.16, 0.24)
        spot = (
            float(point[0]) + sign_of(side) * aside,
            edge - (0.0 if on_back else 0.09),
            float(point[2]),
        )
        draft.touches.append(
            Touch(f"palm.{suffix(side)}", index, spot, (0.03, 0.03, 0.02), 1.5, tolerance_m=0.025)
        )
        draft.pose |= sided(REACH_ARM_RIGHT, side)
        draft.curl[side] = 0.5 if on_back else 0.1
    draft.use_hands(*sides)
    return index


def pull(draft: Draft, category: str, side: Side) -> int:
    """One hand on the handle of a thing rolling beside or behind."""
    instance = draft.new(category)
    name = next(
        n for n in ("pull_handle", f"handle_{side}", f"grip_{side}") if n in instance.anchors
    )
    anchor = instance.anchors[name]
    where = (
        sign_of(side) * draft.uniform(0.32, 0.4) - float(anchor.point[0]),
        draft.uniform(0.05, 0.25) - float(anchor.point[1]),
        0.0,
    )
    index = draft.place(instance, where, "pull", side)
    draft.touch(f"palm.{suffix(side)}", index, anchor, weight=1.5, tolerance_m=0.03)
    draft.curl[side] = 0.75
    draft.use_hands(side)
    return index


def use_on_table(draft: Draft, category: str, sides: tuple[Side, ...] = SIDES) -> None:
    """A laptop on a table, one or both palms on its base."""
    laptop = draft.new(category)
    table = draft.new("table")
    top = np.asarray(table.anchors["top"].point)
    half = np.asarray(table.anchors["top"].extent)
    depth = draft.hip[1] - draft.uniform(0.32, 0.4)
    if draft.posture == "sit":
        seat = draft.objects[0].instance
        height = float(seat.anchors["seat" if "seat" in seat.anchors else "top"].point[2])
        if float(top[2]) < height + 0.22:
            return
    where = (draft.hip[0] - float(top[0]), depth - float(top[1] + half[1]), 0.0)
    draft.place(table, where, "beside", "none")
    base = laptop.anchors["base_top"]
    spot = (draft.hip[0] + float(base.point[0]), depth - 0.18 + float(base.point[1]), float(top[2]))
    side_name: Side = "both" if len(sides) == 2 else sides[0]
    index = draft.place(laptop, spot, "type", side_name, yaw_deg=180.0)
    for side in sides:
        point = (
            float(base.point[0]) - sign_of(side) * 0.09,
            float(base.point[1]),
            float(base.point[2]),
        )
        draft.touches.append(
            Touch(f"palm.{suffix(side)}", index, point, (0.03, 0.05, 0.02), 1.5, tolerance_m=0.03)
        )
        draft.pose |= sided(REACH_ARM_RIGHT, side)
        draft.curl[side] = 0.2
    draft.use_hands(*SIDES)


def reach(draft: Draft, category: str, side: Side) -> None:
    """A hand held near an untouched thing on the floor or table."""
    instance = draft.new(category)
    top, lift = float(instance.bounds[1, 2]), -float(instance.bounds[0, 2])
    sign = sign_of(side)
    where = (
        draft.hip[0] + sign * draft.uniform(0.1, 0.3),
        draft.hip[1] - draft.uniform(0.5, 0.7) - front_reach(instance),
        lift,
    )
    draft.place(instance, where, "none", "none", yaw_deg=draft.uniform(-30.0, 30.0))
    height = max(top + lift + draft.uniform(0.12, 0.25), draft.hip[2] - 0.1)
    point = (where[0], draft.hip[1] - 0.4, height)
    draft.touches.append(
        Touch(f"palm.{suffix(side)}", -1, point, (0.06, 0.06, 0.06), 1.0, tolerance_m=0.3)
    )
    draft.pose |= sided(REACH_ARM_RIGHT, side)
    draft.use_hands(side)
