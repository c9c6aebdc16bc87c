"""What a synthetic scene is: one posed person and the objects placed around them.

The module knows the state only. How a state comes about (pose optimisation) and how it looks
(rendering) live elsewhere. World frame: z up, metres, floor at z = 0; a person at yaw 0 faces -y
and has their left at +x.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32

from object_retrieval.procedural.objects import ObjectInstance

Side = Literal["left", "right", "both", "none"]

AFFORDANCE_OF = {
    "sit": "sit", "lie": "lie", "stand_on": "stand", "step_on": "step", "lean": "lean",
    "ride": "ride", "push": "push", "pull": "pull", "hold": "grasp", "hold_both": "lift",
    "carry": "carry", "swing": "swing", "wear": "wear", "type": "type", "kick": "kick",
    "beside": "rest",
}  # fmt: skip
"""What an interaction uses its object for, as one verb."""
AFFORDANCES = tuple(sorted(AFFORDANCE_OF.values()))
"""Every such verb."""


@dataclass(frozen=True)
class PlacedObject:
    """One object of a scene and what the person does with it."""

    instance: ObjectInstance
    """Shape and colours, in the object's own frame (up +z, front -y, floor at z = 0)."""
    world_from_object: Float32[np.ndarray, "4 4"]
    """Rigid transform into the world."""
    interaction: str
    """Name of the interaction, for instance `sit`; `none` for a bystander object."""
    side: Side
    """Side of the person's body the interaction uses."""
    touched: bool
    """Whether the person is meant to touch the object."""


@dataclass(frozen=True)
class SceneState:
    """A person and their objects: everything needed to pose, label and draw the scene."""

    phenotypes: Float32[np.ndarray, "6"]
    """Anny's gender, age, muscle, weight, height, proportions, each in [0, 1]."""
    bone_rotations: Float32[np.ndarray, "36 3 3"]
    """Deltas of the fast rig about the model's axes at rest; identity is the rest A-pose."""
    left_curl: float
    """Finger flexion of the left hand: 0 open, 1 fist."""
    right_curl: float
    """Finger flexion of the right hand: 0 open, 1 fist."""
    translation_world: Float32[np.ndarray, "3"]
    """Shift of the body model into the world, metres."""
    objects: tuple[PlacedObject, ...]
    """Objects in the order of the instance indices 2, 3, ... of a rendered picture."""
    seed: int
    """Seed the scene was made from."""
