"""Postures of a drafted person: stand, sit, lie, ride, kick, stand on, step on."""

import numpy as np

from interactvlm.synthetic.articulation import mirror_pose
from interactvlm.synthetic.draft import (
    ANYWHERE,
    KICK_RIGHT,
    LIE,
    RIDE,
    SIDES,
    SIT,
    STEP_RIGHT,
    Draft,
    front_reach,
    sided,
    sign_of,
    suffix,
    triple,
)
from interactvlm.synthetic.scene import Side
from interactvlm.synthetic.solver import Touch


def stand(draft: Draft) -> None:
    """Upright with both feet on the floor, sometimes in mid-step."""
    draft.hip = (0.0, 0.0, draft.hip_height_m)
    if draft.rng.random() < 0.35:
        stride = draft.uniform(8.0, 22.0)
        draft.pose |= {
            "upperleg01.L": (-stride, 0.0, 0.0),
            "upperleg01.R": (stride * 0.7, 0.0, 0.0),
            "knee.R": 8.0,
        }
        if draft.rng.random() < 0.5:
            draft.pose = mirror_pose(draft.pose)


def sit(draft: Draft, category: str) -> None:
    """Buttocks and thighs on a seat, feet towards the floor."""
    seat = draft.new(category)
    anchor = seat.anchors["seat" if "seat" in seat.anchors else "top"]
    height = float(anchor.point[2])
    draft.posture = "sit"
    draft.pose = dict(SIT)
    knee = float(np.clip(95 - 60 * (height - 0.42), 20, 110))
    draft.pose |= {"knee.L": knee, "knee.R": knee}
    index = draft.place(seat, (0.0, 0.0, 0.0), "sit", "none", yaw_deg=_seat_yaw(draft, category))
    yaw = draft.objects[index].frame_from_object[:3, :3]
    on_seat = yaw @ np.asarray(anchor.point, dtype=np.float32)
    depth = (
        0.5 * float(anchor.extent[1])
        if category in ("bed", "table", "box", "bench", "barrel")
        else 0.0
    )
    if category in ("chair", "sofa"):
        depth = min(0.06, 0.25 * float(anchor.extent[1]))
    along = 0.0
    if float(anchor.extent[0]) > 0.35:
        along = draft.uniform(-0.6, 0.6) * (float(anchor.extent[0]) - 0.25)
    draft.hip = (float(on_seat[0]) + along, float(on_seat[1]) - depth + 0.03, height + 0.12)
    region = (0.04, 0.03, 0.02)
    point = (float(anchor.point[0]) + along, float(anchor.point[1]) - depth + 0.0, height)
    draft.touches.append(Touch("seat", index, point, region, 1.5, tolerance_m=0.03))
    for side in ("L", "R"):
        if category in ("chair", "sofa", "stool") and float(anchor.extent[1]) > 0.15:
            draft.touches.append(
                Touch(f"thigh_back.{side}", index, point, (0.3, 0.3, 0.05), 0.4, tolerance_m=0.2)
            )
    tall = height > 0.15 + draft.hip_height_m * 0.5
    draft.standing = (not tall, not tall)
    draft.back_free = category in ("stool", "bed", "table", "box", "suitcase", "barrel", "ball")
    apart = draft.uniform(0.0, 14.0)
    draft.pose |= {"upperleg01.L": (-82.0, 0.0, apart), "upperleg01.R": (-82.0, 0.0, -apart)}
    draft.resting = {
        side: (draft.hip[0] + sign_of(side) * 0.13, draft.hip[1] - 0.36, draft.hip[2] + 0.1)
        for side in SIDES
    }


def _seat_yaw(draft: Draft, category: str) -> float:
    if category in ("stool", "barrel", "ball"):
        return draft.uniform(-180.0, 180.0)
    return draft.uniform(-12.0, 12.0)


def stand_on(draft: Draft, category: str) -> None:
    """Both feet on top of something."""
    instance = draft.new(category)
    anchor = instance.anchors[next(n for n in ("deck", "seat", "top") if n in instance.anchors)]
    sideways = category in ("skateboard", "surfboard")
    index = draft.place(
        instance,
        (0.0, 0.0, 0.0),
        "stand_on",
        "none",
        yaw_deg=90.0 if sideways else _seat_yaw(draft, category),
    )
    pose = draft.objects[index].frame_from_object
    centre = pose[:3, :3] @ np.asarray(anchor.point, dtype=np.float32)
    draft.posture = "stand_on"
    draft.hip = (float(centre[0]), float(centre[1]), draft.hip_height_m + float(centre[2]) + 0.01)
    half = np.asarray(anchor.extent) * 0.85
    apart = min(
        0.28 if sideways else 0.12, max(0.06, float(half[1] if sideways else half[0]) - 0.05)
    )
    for side in SIDES:
        offset = pose[:3, :3].T @ np.array([sign_of(side) * apart, 0.02, 0.0])
        point = triple(np.asarray(anchor.point) + offset)
        draft.touches.append(
            Touch(f"sole.{suffix(side)}", index, point, (0.02, 0.02, 0.02), 1.5, tolerance_m=0.025)
        )
    draft.standing = (False, False)
    if sideways:
        draft.pose |= {
            "knee.L": 14.0,
            "knee.R": 14.0,
            "upperleg01.L": (-10.0, -12.0, 0.0),
            "upperleg01.R": (-10.0, 12.0, 0.0),
        }


def lie(draft: Draft, category: str) -> None:
    """On the back, along the longer side of a bed, sofa or bench."""
    instance = draft.new(category)
    anchor = instance.anchors["top" if "top" in instance.anchors else "seat"]
    extent = np.asarray(anchor.extent)
    yaw = 0.0 if extent[1] >= extent[0] else 90.0
    if draft.rng.random() < 0.5 and category != "bed":
        yaw -= 180.0
    index = draft.place(instance, (0.0, 0.0, 0.0), "lie", "none", yaw_deg=yaw)
    place = np.asarray(anchor.point, dtype=np.float32) * (
        1.0 if yaw == 0.0 else np.array([0, 1, 1], np.float32)
    )
    centre = draft.objects[index].frame_from_object[:3, :3] @ place
    top = float(anchor.point[2])
    draft.posture = "lie"
    draft.pose = dict(LIE)
    bend = draft.uniform(0.0, 35.0)
    if draft.rng.random() < 0.4:
        draft.pose |= {"upperleg01.R": (-bend, 0.0, 0.0), "knee.R": 1.6 * bend}
    draft.hip = (float(centre[0]), float(centre[1]) - 0.02, top + 0.11)
    region = (0.06, 0.06, 0.05) if category == "bench" else (0.12, 0.12, 0.05)
    inside = (float(place[0]), float(place[1]), float(place[2]))
    draft.touches.append(Touch("buttocks_back", index, inside, region, 1.0, tolerance_m=0.03))
    draft.touches.append(Touch("upper_back", index, inside, ANYWHERE, 0.6, tolerance_m=0.03))
    if category == "sofa":  # too short to stretch out: the legs go over the armrest
        draft.hip = (draft.hip[0], draft.hip[1] - 0.12, draft.hip[2])
        for side in ("L", "R"):
            draft.pose |= {f"upperleg01.{side}": (-32.0, 0.0, 0.0), f"knee.{side}": 42.0}
    else:
        draft.touches.append(Touch("head_back", index, inside, ANYWHERE, 0.6, tolerance_m=0.06))
        for side in ("L", "R"):
            draft.touches.append(
                Touch(f"calf.{side}", index, inside, ANYWHERE, 0.3, tolerance_m=0.5)
            )
    draft.standing = (False, False)
    draft.back_free = False
    draft.resting = {
        side: (draft.hip[0] + sign_of(side) * 0.27, draft.hip[1] - 0.02, top + 0.03)
        for side in SIDES
    }


def ride(draft: Draft, category: str) -> None:
    """On a bicycle: saddle, both grips, both pedals."""
    instance = draft.new(category)
    index = draft.place(instance, (0.0, 0.0, 0.0), "ride", "both")
    saddle = np.asarray(instance.anchors["saddle"].point)
    draft.posture = "ride"
    draft.pose = dict(RIDE)
    draft.hip = (float(saddle[0]), float(saddle[1]) + 0.02, float(saddle[2]) + 0.12)
    draft.touch("seat", index, instance.anchors["saddle"], weight=1.2, tolerance_m=0.05)
    for side in SIDES:
        grip, pedal = (instance.anchors[f"{name}_{side}"] for name in ("grip", "pedal"))
        draft.touch(f"palm.{suffix(side)}", index, grip, weight=1.2, tolerance_m=0.035)
        draft.touch(f"sole.{suffix(side)}", index, pedal, weight=0.8, tolerance_m=0.06)
        draft.curl[side] = 0.75
    draft.standing = (False, False)
    draft.use_hands(*SIDES)


def kick(draft: Draft, category: str, side: Side) -> None:
    """One foot strikes something on the floor in front."""
    instance = draft.new(category)
    draft.hip = (0.0, 0.0, draft.hip_height_m)
    draft.pose = sided(KICK_RIGHT, side)
    draft.posture = "kick"
    index = draft.place(
        instance,
        (sign_of(side) * 0.13, -0.62 - front_reach(instance), 0.0),
        "kick",
        side,
        free=True,
    )
    draft.touches.append(
        Touch(f"toes.{suffix(side)}", index, (0.0, 0.0, 0.1), ANYWHERE, 1.5, tolerance_m=0.02)
    )
    draft.standing = (side != "left", side != "right")


def step_on(draft: Draft, category: str, side: Side) -> None:
    """One foot on top of something in front, the other on the floor."""
    instance = draft.new(category)
    name = next(n for n in ("deck", "seat", "top") if n in instance.anchors)
    draft.hip = (0.0, 0.0, draft.hip_height_m)
    draft.pose = sided(STEP_RIGHT, side)
    draft.posture = "step_on"
    anchor = instance.anchors[name]
    where = (sign_of(side) * 0.12 - float(anchor.point[0]), -0.4 - float(anchor.point[1]), 0.0)
    index = draft.place(instance, where, "step_on", side)
    draft.touch(f"sole.{suffix(side)}", index, anchor, weight=1.5, tolerance_m=0.03)
    draft.standing = (side != "left", side != "right")
