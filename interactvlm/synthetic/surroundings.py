"""Worn things and bystanders: objects that need no hand."""

import numpy as np

from interactvlm.synthetic.draft import Draft, footprint
from interactvlm.synthetic.solver import ObjectPlan


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
    size = footprint(instance)
    for _ in range(8):
        angle = np.radians(draft.uniform(-180.0, 180.0))
        radius = size + draft.uniform(0.45, 0.9)
        x, y = draft.hip[0] + radius * np.sin(angle), draft.hip[1] - radius * np.cos(angle)
        if all(
            np.hypot(x - plan.frame_from_object[0, 3], y - plan.frame_from_object[1, 3])
            > size + footprint(plan.instance) + 0.1
            for plan in draft.objects
            if plan.frame == "world"
        ):
            lift = -float(instance.bounds[0, 2])
            draft.place(
                instance,
                (float(x), float(y), lift),
                "none",
                "none",
                yaw_deg=draft.uniform(-180.0, 180.0),
            )
            return
