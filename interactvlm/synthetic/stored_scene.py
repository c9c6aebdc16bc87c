"""A stored scene's body and objects, posed again from its manifest entry."""

from typing import Any

import numpy as np

from interactvlm.synthetic.scene import AFFORDANCE_OF, PlacedObject, SceneState
from object_retrieval.procedural.objects import object_from_name


def stored_state(details: dict[str, Any]) -> SceneState:
    """The state that `SceneShards.details` describes; rotations were rounded to six decimals."""
    objects = tuple(
        PlacedObject(
            object_from_name(o["instance"]),
            np.array(o["world_from_object"], np.float32),
            o["interaction"],
            o["side"],
            o["interaction"] in AFFORDANCE_OF and o["interaction"] != "beside",
        )
        for o in details["objects"]
    )
    left_curl, right_curl = details["hand_curl"]
    return SceneState(
        phenotypes=np.array(details["phenotypes"], np.float32),
        bone_rotations=np.array(details["bone_rotations"], np.float32),
        left_curl=left_curl,
        right_curl=right_curl,
        translation_world=np.array(details["translation_world"], np.float32),
        objects=objects,
        seed=details["seed"],
    )
