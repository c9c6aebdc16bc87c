"""A scene recipe under construction: one person, key poses, what touches what.

A recipe fixes the intent (who touches what with which part, in which rough pose); the solver
finds the exact pose. Key poses are written for the right side; `sided` mirrors them.
"""

from dataclasses import dataclass, field

import numpy as np

from interactvlm.synthetic.articulation import Pose, mirror_pose
from interactvlm.synthetic.scene import Side
from interactvlm.synthetic.solver import ObjectPlan, SceneRecipe, Touch
from object_retrieval.procedural.objects import Anchor, InstancePool, ObjectInstance, build_object

ANYWHERE = (9.0, 9.0, 9.0)
SIDES: tuple[Side, Side] = ("left", "right")

STAND: Pose = {
    "upperarm01.L": (0.0, 33.0, 0.0),
    "upperarm01.R": (0.0, -33.0, 0.0),
    "elbow.L": 8.0,
    "elbow.R": 8.0,
}
SIT: Pose = STAND | {
    "upperleg01.L": (-82.0, 0.0, -6.0), "upperleg01.R": (-82.0, 0.0, 6.0),
    "knee.L": 82.0, "knee.R": 82.0,
}  # fmt: skip
RIDE: Pose = {
    "root": (22.0, 0.0, 0.0), "neck01": (-12.0, 0.0, 0.0),
    "upperarm01.L": (-50.0, 28.0, 0.0), "upperarm01.R": (-50.0, -28.0, 0.0),
    "elbow.L": 15.0, "elbow.R": 15.0,
    "upperleg01.L": (-75.0, 0.0, 0.0), "upperleg01.R": (-50.0, 0.0, 0.0),
    "knee.L": 80.0, "knee.R": 40.0,
}  # fmt: skip
LIE: Pose = STAND | {"root": (-90.0, 0.0, 0.0), "elbow.L": -18.0, "elbow.R": -18.0}
PUSH: Pose = STAND | {
    "root": (10.0, 0.0, 0.0),
    "upperarm01.L": (-45.0, 30.0, 0.0), "upperarm01.R": (-45.0, -30.0, 0.0),
    "elbow.L": 35.0, "elbow.R": 35.0, "upperleg01.L": (-25.0, 0.0, 0.0), "knee.L": 15.0,
    "upperleg01.R": (12.0, 0.0, 0.0), "knee.R": 8.0,
}  # fmt: skip
KICK_RIGHT: Pose = STAND | {
    "upperleg01.R": (-42.0, 0.0, 0.0),
    "knee.R": 12.0,
    "upperarm01.L": (-20.0, 10.0, 0.0),
}
STEP_RIGHT: Pose = STAND | {"upperleg01.R": (-55.0, 0.0, 0.0), "knee.R": 60.0}
REACH_ARM_RIGHT: Pose = {"upperarm01.R": (-40.0, -33.0, 0.0), "elbow.R": 35.0}


@dataclass
class Draft:
    """A recipe under construction for one person."""

    rng: np.random.Generator
    pool: InstancePool
    phenotypes: np.ndarray
    hip_height_m: float
    shoulder_m: float
    """Height of the shoulders above the hips."""
    posture: str = "stand"
    """What the body does as a whole; decides which second tasks fit."""
    pose: Pose = field(default_factory=lambda: dict(STAND))
    hip: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Where the pelvis starts, world."""
    objects: list[ObjectPlan] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)
    standing: tuple[bool, bool] = (True, True)
    curl: dict[Side, float] = field(default_factory=lambda: {"left": 0.15, "right": 0.15})
    free_hands: set[Side] = field(default_factory=lambda: set(SIDES))
    back_free: bool = True
    resting: dict[Side, tuple[float, float, float]] = field(default_factory=dict)
    """Where idle hands lie in this posture, by side, world."""

    def new(self, category: str) -> ObjectInstance:
        """A random object of a category from this draft's pool of instances."""
        return build_object(category, self.rng, instance_pool=self.pool)

    def uniform(self, low: float, high: float) -> float:
        """One random number."""
        return float(self.rng.uniform(low, high))

    def place(
        self, instance: ObjectInstance, xyz: tuple[float, float, float],
        interaction: str, side: Side,
        *, yaw_deg: float = 0.0, free: bool = False,
    ) -> int:  # fmt: skip
        """Put an object into the world; returns its index."""
        plan = ObjectPlan(instance, "world", floor_pose(xyz, yaw_deg), interaction, side, free)
        self.objects.append(plan)
        return len(self.objects) - 1

    def touch(
        self,
        patch: str,
        index: int,
        anchor: Anchor,
        *,
        weight: float = 1.0,
        tolerance_m: float = 0.03,
    ) -> None:
        """Ask a patch to meet an anchor's region."""
        point, extent = triple(anchor.center), triple(anchor.extent)
        self.touches.append(Touch(patch, index, point, extent, weight, tolerance_m=tolerance_m))

    @property
    def shoulder_height_m(self) -> float:
        """Approximate height of the shoulders in the drafted posture, world."""
        return self.hip[2] + self.shoulder_m

    def use_hands(self, *sides: Side) -> None:
        """Mark hands as busy."""
        self.free_hands -= set(sides)

    def recipe(self, seed: int) -> SceneRecipe:
        """The finished recipe, with small random variation of the key pose."""
        for side in sorted(self.free_hands & self.resting.keys()):
            if self.rng.random() < 0.75:
                region = (0.03, 0.05, 0.02)
                self.touches.append(
                    Touch(
                        f"palm.{suffix(side)}",
                        -1,
                        self.resting[side],
                        region,
                        0.6,
                        tolerance_m=0.3,
                    )
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


def floor_pose(xyz: tuple[float, float, float], yaw_deg: float = 0.0) -> np.ndarray:
    """Upright pose at a place, turned about the vertical; 4x4."""
    cos, sin = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    matrix = np.eye(4, dtype=np.float32)
    matrix[:2, :2] = [[cos, -sin], [sin, cos]]
    matrix[:3, 3] = xyz
    return matrix


def suffix(side: str) -> str:
    """`L` or `R`, as bones and patches end."""
    return "L" if side == "left" else "R"


def sign_of(side: str) -> float:
    """+1 for left (+x), -1 for right."""
    return 1.0 if side == "left" else -1.0


def sided(pose: Pose, side: str) -> Pose:
    """A right-handed key pose for the wanted side."""
    return pose if side == "right" else mirror_pose(pose)


def front_reach(instance: ObjectInstance) -> float:
    """How far an object extends towards +y, the side of the person, metres."""
    return float(instance.bounds[1, 1])


def footprint(instance: ObjectInstance) -> float:
    """Radius of the floor circle that holds an object, metres."""
    return float(np.abs(instance.bounds[:, :2]).max())


def triple(values: np.ndarray) -> tuple[float, float, float]:
    """Three numbers of an array, as recipes store points."""
    x, y, z = (float(v) for v in values)
    return (x, y, z)
