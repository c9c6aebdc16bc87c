"""What people do in synthetic scenes: postures, tasks of the hands, things worn, bystanders.

A recipe fixes the intent (who touches what with which part, in which rough pose); the solver
finds the exact pose. Written for the right hand or foot; `side` mirrors.
"""

from dataclasses import dataclass, field

import numpy as np

from interactvlm.synthetic.articulation import Pose, mirror_pose
from interactvlm.synthetic.objects import Anchor, ObjectInstance, build_object
from interactvlm.synthetic.solver import ObjectPlan, SceneRecipe, Touch

ANYWHERE = (9.0, 9.0, 9.0)
SIDES = ("left", "right")

STAND: Pose = {"upperarm01.L": (0.0, 33.0, 0.0), "upperarm01.R": (0.0, -33.0, 0.0), "elbow.L": 8.0, "elbow.R": 8.0}
SIT: Pose = STAND | {
    "upperleg01.L": (-82.0, 0.0, -6.0), "upperleg01.R": (-82.0, 0.0, 6.0), "knee.L": 82.0, "knee.R": 82.0,
}  # fmt: skip
RIDE: Pose = {
    "root": (22.0, 0.0, 0.0), "neck01": (-12.0, 0.0, 0.0),
    "upperarm01.L": (-50.0, 28.0, 0.0), "upperarm01.R": (-50.0, -28.0, 0.0), "elbow.L": 15.0, "elbow.R": 15.0,
    "upperleg01.L": (-75.0, 0.0, 0.0), "upperleg01.R": (-50.0, 0.0, 0.0), "knee.L": 80.0, "knee.R": 40.0,
}  # fmt: skip
LIE: Pose = STAND | {"root": (-90.0, 0.0, 0.0), "elbow.L": -18.0, "elbow.R": -18.0}
PUSH: Pose = STAND | {
    "root": (10.0, 0.0, 0.0), "upperarm01.L": (-45.0, 30.0, 0.0), "upperarm01.R": (-45.0, -30.0, 0.0),
    "elbow.L": 35.0, "elbow.R": 35.0, "upperleg01.L": (-25.0, 0.0, 0.0), "knee.L": 15.0,
    "upperleg01.R": (12.0, 0.0, 0.0), "knee.R": 8.0,
}  # fmt: skip
KICK_RIGHT: Pose = STAND | {"upperleg01.R": (-42.0, 0.0, 0.0), "knee.R": 12.0, "upperarm01.L": (-20.0, 10.0, 0.0)}
STEP_RIGHT: Pose = STAND | {"upperleg01.R": (-55.0, 0.0, 0.0), "knee.R": 60.0}
REACH_ARM_RIGHT: Pose = {"upperarm01.R": (-40.0, -33.0, 0.0), "elbow.R": 35.0}


@dataclass
class Draft:
    """A recipe under construction for one person."""

    rng: np.random.Generator
    pool: str
    categories: tuple[str, ...]
    phenotypes: np.ndarray
    hip_height_m: float
    shoulder_m: float
    """Height of the shoulders above the hips."""
    posture: str = "stand"
    pose: Pose = field(default_factory=lambda: dict(STAND))
    hip: tuple[float, float, float] = (0.0, 0.0, 0.0)
    objects: list[ObjectPlan] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)
    standing: tuple[bool, bool] = (True, True)
    curl: dict[str, float] = field(default_factory=lambda: {"left": 0.15, "right": 0.15})
    free_hands: set[str] = field(default_factory=lambda: set(SIDES))
    back_free: bool = True
    resting: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """Where idle hands lie in this posture, by side, world."""

    def new(self, category: str) -> ObjectInstance:
        """A random object of a category from this draft's pool of instances."""
        return build_object(category, self.rng, instance_pool=self.pool)

    def uniform(self, low: float, high: float) -> float:
        """One random number."""
        return float(self.rng.uniform(low, high))

    def place(
        self, instance: ObjectInstance, xyz: tuple[float, float, float], interaction: str, side: str,
        *, yaw_deg: float = 0.0, free: bool = False,
    ) -> int:  # fmt: skip
        """Put an object into the world; returns its index."""
        plan = ObjectPlan(instance, "world", _pose(xyz, yaw_deg), interaction, side, free)
        self.objects.append(plan)
        return len(self.objects) - 1

    def touch(self, patch: str, index: int, anchor: Anchor, *, weight: float = 1.0, tolerance_m: float = 0.03) -> None:
        """Ask a patch to meet an anchor's region."""
        point, extent = (tuple(float(v) for v in a) for a in (anchor.center, anchor.extent))
        self.touches.append(Touch(patch, index, point, extent, weight, tolerance_m=tolerance_m))

    @property
    def shoulder_height_m(self) -> float:
        """Approximate height of the shoulders in the drafted posture, world."""
        return self.hip[2] + self.shoulder_m

    def use_hands(self, *sides: str) -> None:
        """Mark hands as busy."""
        self.free_hands -= set(sides)

    def recipe(self, seed: int) -> SceneRecipe:
        """The finished recipe, with small random variation of the key pose."""
        for side in sorted(self.free_hands & self.resting.keys()):
            if self.rng.random() < 0.75:
                region = (0.03, 0.05, 0.02)
                self.touches.append(
                    Touch(f"palm.{_suffix(side)}", -1, self.resting[side], region, 0.6, tolerance_m=0.3)
                )
        pose: Pose = {}
        for joint, value in self.pose.items():
            noise = self.rng.normal(0.0, 4.0, size=3)
            if isinstance(value, tuple):
                pose[joint] = (value[0] + noise[0], value[1] + noise[1], value[2] + noise[2])
            else:
                pose[joint] = value + noise[0]
        for joint in ("head", "neck01", "spine03"):
            base = pose.get(joint, (0.0, 0.0, 0.0))
            assert isinstance(base, tuple)
            turn = self.rng.normal(0.0, (4.0, 3.0, 10.0))
            pose[joint] = (base[0] + turn[0], base[1] + turn[1], base[2] + turn[2])
        return SceneRecipe(
            self.posture, pose, self.hip, tuple(self.objects), tuple(self.touches), self.standing,
            self.phenotypes, (self.curl["left"], self.curl["right"]), seed,
        )  # fmt: skip


def _pose(xyz: tuple[float, float, float], yaw_deg: float = 0.0) -> np.ndarray:
    cos, sin = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    matrix = np.eye(4, dtype=np.float32)
    matrix[:2, :2] = [[cos, -sin], [sin, cos]]
    matrix[:3, 3] = xyz
    return matrix


def _suffix(side: str) -> str:
    return "L" if side == "left" else "R"


def _sign(side: str) -> float:
    return 1.0 if side == "left" else -1.0


def _pick(draft: Draft, *categories: str) -> str | None:
    allowed = [c for c in categories if c in draft.categories]
    return str(draft.rng.choice(allowed)) if allowed else None


def _sided(pose: Pose, side: str) -> Pose:
    return pose if side == "right" else mirror_pose(pose)


# ---- postures -------------------------------------------------------------------------------


def stand(draft: Draft) -> None:
    """Upright with both feet on the floor, sometimes in mid-step."""
    draft.hip = (0.0, 0.0, draft.hip_height_m)
    if draft.rng.random() < 0.35:
        stride = draft.uniform(8, 22)
        draft.pose |= {"upperleg01.L": (-stride, 0.0, 0.0), "upperleg01.R": (stride * 0.7, 0.0, 0.0), "knee.R": 8.0}
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
    depth = 0.5 * float(anchor.extent[1]) if category in ("bed", "table", "box", "bench", "barrel") else 0.0
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
            draft.touches.append(Touch(f"thigh_back.{side}", index, point, (0.3, 0.3, 0.05), 0.4, tolerance_m=0.2))
    tall = height > 0.15 + draft.hip_height_m * 0.5
    draft.standing = (not tall, not tall)
    draft.back_free = category in ("stool", "bed", "table", "box", "suitcase", "barrel", "ball")
    apart = draft.uniform(0, 14)
    draft.pose |= {"upperleg01.L": (-82.0, 0.0, apart), "upperleg01.R": (-82.0, 0.0, -apart)}
    draft.resting = {
        side: (draft.hip[0] + _sign(side) * 0.13, draft.hip[1] - 0.36, draft.hip[2] + 0.1) for side in SIDES
    }


def _seat_yaw(draft: Draft, category: str) -> float:
    if category in ("stool", "barrel", "ball"):
        return draft.uniform(-180, 180)
    return draft.uniform(-12, 12)


def stand_on(draft: Draft, category: str) -> None:
    """Both feet on top of something."""
    instance = draft.new(category)
    anchor = instance.anchors[next(n for n in ("deck", "seat", "top") if n in instance.anchors)]
    sideways = category in ("skateboard", "surfboard")
    index = draft.place(instance, (0.0, 0.0, 0.0), "stand_on", "none", yaw_deg=90.0 if sideways else _seat_yaw(draft, category))
    pose = draft.objects[index].frame_from_object
    centre = pose[:3, :3] @ np.asarray(anchor.point, dtype=np.float32)
    draft.posture = "stand_on"
    draft.hip = (float(centre[0]), float(centre[1]), draft.hip_height_m + float(centre[2]) + 0.01)
    half = np.asarray(anchor.extent) * 0.85
    apart = min(0.28 if sideways else 0.12, max(0.06, float(half[1] if sideways else half[0]) - 0.05))
    for side in SIDES:
        offset = pose[:3, :3].T @ np.array([_sign(side) * apart, 0.02, 0.0])
        point = tuple(float(v) for v in np.asarray(anchor.point) + offset)
        draft.touches.append(Touch(f"sole.{_suffix(side)}", index, point, (0.02, 0.02, 0.02), 1.5, tolerance_m=0.025))
    draft.standing = (False, False)
    if sideways:
        draft.pose |= {"knee.L": 14.0, "knee.R": 14.0, "upperleg01.L": (-10.0, -12.0, 0.0), "upperleg01.R": (-10.0, 12.0, 0.0)}


def lie(draft: Draft, category: str) -> None:
    """On the back, along the longer side of a bed, sofa or bench."""
    instance = draft.new(category)
    anchor = instance.anchors["top" if "top" in instance.anchors else "seat"]
    extent = np.asarray(anchor.extent)
    yaw = 0.0 if extent[1] >= extent[0] else 90.0
    if draft.rng.random() < 0.5 and category != "bed":
        yaw -= 180.0
    index = draft.place(instance, (0.0, 0.0, 0.0), "lie", "none", yaw_deg=yaw)
    place = np.asarray(anchor.point, dtype=np.float32) * (1.0 if yaw == 0.0 else np.array([0, 1, 1], np.float32))
    centre = draft.objects[index].frame_from_object[:3, :3] @ place
    top = float(anchor.point[2])
    draft.posture = "lie"
    draft.pose = dict(LIE)
    bend = draft.uniform(0, 35)
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
            draft.touches.append(Touch(f"calf.{side}", index, inside, ANYWHERE, 0.3, tolerance_m=0.5))
    draft.standing = (False, False)
    draft.back_free = False
    draft.resting = {side: (draft.hip[0] + _sign(side) * 0.27, draft.hip[1] - 0.02, top + 0.03) for side in SIDES}


def ride(draft: Draft, category: str) -> None:
    """On a bicycle: saddle, both grips, both pedals."""
    instance = draft.new(category)
    index = draft.place(instance, (0.0, 0.0, 0.0), "ride", "both")
    saddle = np.asarray(instance.anchors["saddle"].point)
    draft.posture = "ride"
    draft.pose = dict(RIDE)
    draft.hip = (float(saddle[0]), float(saddle[1]) + 0.02, float(saddle[2]) + 0.12)
    draft.touch("seat", index, instance.anchors["saddle"], weight=1.2, tolerance_m=0.05)
    for side, name in (("L", "left"), ("R", "right")):
        draft.touch(f"palm.{side}", index, instance.anchors[f"grip_{name}"], weight=1.2, tolerance_m=0.035)
        draft.touch(f"sole.{side}", index, instance.anchors[f"pedal_{name}"], weight=0.8, tolerance_m=0.06)
        draft.curl[name] = 0.75
    draft.standing = (False, False)
    draft.use_hands(*SIDES)


def kick(draft: Draft, category: str, side: str) -> None:
    """One foot strikes something on the floor in front."""
    instance = draft.new(category)
    draft.hip = (0.0, 0.0, draft.hip_height_m)
    draft.pose = _sided(KICK_RIGHT, side)
    draft.posture = "kick"
    index = draft.place(instance, (_sign(side) * 0.13, -0.62 - _front_reach(instance), 0.0), "kick", side, free=True)
    draft.touches.append(Touch(f"toes.{_suffix(side)}", index, (0.0, 0.0, 0.1), ANYWHERE, 1.5, tolerance_m=0.02))
    draft.standing = (side != "left", side != "right")


def step_on(draft: Draft, category: str, side: str) -> None:
    """One foot on top of something in front, the other on the floor."""
    instance = draft.new(category)
    name = next(n for n in ("deck", "seat", "top") if n in instance.anchors)
    draft.hip = (0.0, 0.0, draft.hip_height_m)
    draft.pose = _sided(STEP_RIGHT, side)
    draft.posture = "step_on"
    anchor = instance.anchors[name]
    where = (_sign(side) * 0.12 - float(anchor.point[0]), -0.4 - float(anchor.point[1]), 0.0)
    index = draft.place(instance, where, "step_on", side)
    draft.touch(f"sole.{_suffix(side)}", index, anchor, weight=1.5, tolerance_m=0.03)
    draft.standing = (side != "left", side != "right")


def _front_reach(instance: ObjectInstance) -> float:
    return float(instance.bounds[1, 1])


# ---- hands ----------------------------------------------------------------------------------

GRIPPED = ("cup", "bottle", "umbrella", "bat", "racket")
CARRIED = {"suitcase": "side_handle", "backpack": "top_handle", "bucket": "handle"}


def hold(draft: Draft, category: str, side: str) -> int:
    """An upright thing gripped in one hand, thumb up."""
    instance = draft.new(category)
    anchor = instance.anchors["grip"]
    index = _grip(draft, instance, anchor, side, "hold", along="up")
    shoulder = draft.shoulder_height_m
    sign = _sign(side)
    low = 0.42 if draft.posture in ("sit", "ride") else 0.5
    point = (draft.hip[0] + sign * draft.uniform(0.08, 0.36), draft.hip[1] - draft.uniform(0.24, 0.46),
             shoulder - draft.uniform(0.0, low))  # fmt: skip
    if draft.posture == "lie":
        point = (draft.hip[0] + sign * 0.25, draft.hip[1] + 0.25, draft.hip[2] + draft.uniform(0.25, 0.4))
    draft.touches.append(Touch(f"palm.{_suffix(side)}", -1, point, (0.04, 0.04, 0.04), 1.0, tolerance_m=0.25))
    draft.pose |= _sided(REACH_ARM_RIGHT, side)
    return index


def carry(draft: Draft, category: str, side: str) -> int:
    """A thing hanging from its handle, arm down."""
    instance = draft.new(category)
    index = _grip(draft, instance, instance.anchors[CARRIED[category]], side, "carry", along="down")
    sign = _sign(side)
    point = (draft.hip[0] + sign * draft.uniform(0.27, 0.36), draft.hip[1] + draft.uniform(-0.15, 0.05),
             draft.hip[2] - draft.uniform(-0.02, 0.1))  # fmt: skip
    draft.touches.append(Touch(f"palm.{_suffix(side)}", -1, point, (0.03, 0.05, 0.05), 1.0, tolerance_m=0.25))
    return index


def _grip(draft: Draft, instance: ObjectInstance, anchor: Anchor, side: str, interaction: str, *, along: str) -> int:
    """Fix an object to a hand. `up`: its z axis follows the thumb; `down`: it hangs below the fingers."""
    outward = _sign(side)
    spin = draft.uniform(-20, 20)
    if along == "up":
        axes = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=np.float32)
        spin = draft.uniform(-180, 180)
    else:
        axes = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]], dtype=np.float32)
    local = np.eye(4, dtype=np.float32)
    local[:3, :3] = axes @ _pose((0, 0, 0), spin if along == "up" else 0.0)[:3, :3]
    radius = max(float(anchor.radius_m), 0.008)
    centre = anchor.center.astype(np.float32)
    local[:3, 3] = np.array([0.012, 0.0, outward * (radius + 0.002)]) - local[:3, :3] @ centre
    name = f"hand.{_suffix(side)}"
    draft.objects.append(ObjectPlan(instance, name, local, interaction, side, upright=1.0))
    draft.curl[side] = float(np.clip(1.0 - radius / 0.075, 0.25, 0.9))
    draft.use_hands(side)
    return len(draft.objects) - 1


def hold_both(draft: Draft, category: str) -> int:
    """A thing between two palms in front of the body."""
    instance = draft.new(category)
    left, right = instance.anchors["side_left"], instance.anchors["side_right"]
    middle = (np.asarray(left.point) + np.asarray(right.point)) / 2
    depth = _front_reach(instance)
    height = draft.shoulder_height_m - draft.uniform(0.2, 0.42)
    reach = draft.uniform(0.2, 0.28)
    where = (draft.hip[0] - float(middle[0]), draft.hip[1] - reach - depth, height - float(middle[2]))
    index = draft.place(instance, where, "hold_both", "both", free=True)
    for side, anchor in (("L", left), ("R", right)):
        draft.touch(f"palm.{side}", index, anchor, weight=1.5, tolerance_m=0.025)
    for side in SIDES:
        draft.pose |= _sided(REACH_ARM_RIGHT, side)
        draft.curl[side] = 0.3
    draft.use_hands(*SIDES)
    return index


def swing_both(draft: Draft, category: str) -> int:
    """A long thing gripped with both hands, right above left or the other way round."""
    side = str(draft.rng.choice(SIDES))
    other = "left" if side == "right" else "right"
    index = hold(draft, category, side)
    plan = draft.objects[index]
    grip = plan.instance.anchors["grip"]
    below = draft.uniform(0.1, 0.14) * (1 if category != "umbrella" else -1)
    point = np.asarray(grip.point) + np.array([0.0, 0.0, below])
    radius = float(grip.radius_m)
    touch = Touch(f"palm.{_suffix(other)}", index, tuple(float(v) for v in point), (radius, radius, 0.02), 1.5, tolerance_m=0.03)
    draft.touches.append(touch)
    draft.objects[index] = ObjectPlan(
        plan.instance, plan.frame, plan.frame_from_object, "hold_both", "both", upright=0.4
    )
    draft.pose |= _sided(REACH_ARM_RIGHT, other)
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
    names = ("handle_left", "handle_right") if "handle_left" in instance.anchors else ("grip_left", "grip_right")
    index = draft.place(instance, (0.0, 0.0, 0.0), "push", "both")
    if names[0] in instance.anchors:
        middle = (np.asarray(instance.anchors[names[0]].point) + np.asarray(instance.anchors[names[1]].point)) / 2
        gap = draft.uniform(0.38, 0.46)
        if category in ("bicycle", "scooter"):
            draft.hip = (-0.45 * float(draft.rng.choice([-1, 1])), float(middle[1]) + 0.25, draft.hip[2])
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
            spot = (float(point[0]) + _sign(side) * 0.15, float(point[1]), height)
            draft.touches.append(Touch(f"palm.{_suffix(side)}", index, spot, (0.04, 0.02, 0.05), 1.5, tolerance_m=0.025))
    draft.use_hands(*SIDES)
    return index


def lean(draft: Draft, category: str, sides: tuple[str, ...]) -> int:
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
    index = draft.place(instance, (0.0, 0.0, 0.0), "lean", sides[0] if len(sides) == 1 else "both", yaw_deg=yaw)
    for side in sides:
        aside = 0.12 if on_back else draft.uniform(0.16, 0.24)
        spot = (float(point[0]) + _sign(side) * aside, edge - (0.0 if on_back else 0.09), float(point[2]))
        draft.touches.append(Touch(f"palm.{_suffix(side)}", index, spot, (0.03, 0.03, 0.02), 1.5, tolerance_m=0.025))
        draft.pose |= _sided(REACH_ARM_RIGHT, side)
        draft.curl[side] = 0.5 if on_back else 0.1
    draft.use_hands(*sides)
    return index


def pull(draft: Draft, category: str, side: str) -> int:
    """One hand on the handle of a thing rolling beside or behind."""
    instance = draft.new(category)
    name = next(n for n in ("pull_handle", f"handle_{side}", f"grip_{side}") if n in instance.anchors)
    anchor = instance.anchors[name]
    where = (_sign(side) * draft.uniform(0.32, 0.4) - float(anchor.point[0]), draft.uniform(0.05, 0.25) - float(anchor.point[1]), 0.0)
    index = draft.place(instance, where, "pull", side)
    draft.touch(f"palm.{_suffix(side)}", index, anchor, weight=1.5, tolerance_m=0.03)
    draft.curl[side] = 0.75
    draft.use_hands(side)
    return index


def use_on_table(draft: Draft, category: str, sides: tuple[str, ...] = SIDES) -> None:
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
    side_name = "both" if len(sides) == 2 else sides[0]
    index = draft.place(laptop, spot, "type", side_name, yaw_deg=180.0)
    for side in sides:
        point = (float(base.point[0]) - _sign(side) * 0.09, float(base.point[1]), float(base.point[2]))
        draft.touches.append(Touch(f"palm.{_suffix(side)}", index, point, (0.03, 0.05, 0.02), 1.5, tolerance_m=0.03))
        draft.pose |= _sided(REACH_ARM_RIGHT, side)
        draft.curl[side] = 0.2
    draft.use_hands(*SIDES)


# ---- worn things and bystanders ---------------------------------------------------------------


def wear(draft: Draft, category: str) -> None:
    """A backpack on the back."""
    instance = draft.new(category)
    panel = np.asarray(instance.anchors["back_panel"].point, dtype=np.float32)
    local = np.eye(4, dtype=np.float32)
    local[:3, 3] = np.array([0.0, 0.012, draft.uniform(-0.1, -0.08)]) - panel
    draft.objects.append(ObjectPlan(instance, "torso", local, "wear", "none"))
    draft.back_free = False


def bystander(draft: Draft, category: str) -> None:
    """A thing on the floor nearby that nobody touches, where there is room for it."""
    instance = draft.new(category)
    size = _footprint(instance)
    for _ in range(8):
        angle = np.radians(draft.uniform(-180, 180))
        radius = size + draft.uniform(0.45, 0.9)
        x, y = draft.hip[0] + radius * np.sin(angle), draft.hip[1] - radius * np.cos(angle)
        if all(
            np.hypot(x - plan.frame_from_object[0, 3], y - plan.frame_from_object[1, 3])
            > size + _footprint(plan.instance) + 0.1
            for plan in draft.objects
            if plan.frame == "world"
        ):
            lift = -float(instance.bounds[0, 2])
            draft.place(instance, (float(x), float(y), lift), "none", "none", yaw_deg=draft.uniform(-180, 180))
            return


def _footprint(instance: ObjectInstance) -> float:
    """Radius of the floor circle that holds an object, metres."""
    return float(np.abs(instance.bounds[:, :2]).max())


def reach(draft: Draft, category: str, side: str) -> None:
    """A hand held near an untouched thing on the floor or table."""
    instance = draft.new(category)
    top, lift = float(instance.bounds[1, 2]), -float(instance.bounds[0, 2])
    sign = _sign(side)
    where = (draft.hip[0] + sign * draft.uniform(0.1, 0.3), draft.hip[1] - draft.uniform(0.5, 0.7) - _front_reach(instance), lift)
    draft.place(instance, where, "none", "none", yaw_deg=draft.uniform(-30, 30))
    height = max(top + lift + draft.uniform(0.12, 0.25), draft.hip[2] - 0.1)
    point = (where[0], draft.hip[1] - 0.4, height)
    draft.touches.append(Touch(f"palm.{_suffix(side)}", -1, point, (0.06, 0.06, 0.06), 1.0, tolerance_m=0.3))
    draft.pose |= _sided(REACH_ARM_RIGHT, side)
    draft.use_hands(side)

