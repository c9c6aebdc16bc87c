"""Recipes for bicycles, skateboards and kick scooters. Sizes in metres; the rider faces -y."""

import numpy as np

from object_retrieval.procedural.catalogue_kit import (
    Color,
    Dice,
    Sketch,
    X,
    moved,
    rotation_to,
    shade,
)

UP = (0.0, 0.0, 1.0)
SIDES = ((1.0, "left"), (-1.0, "right"))


def _spoked_wheel(
    sketch: Sketch, dice: Dice, hub: np.ndarray, radius: float, tyre: float, metal: Color
) -> None:
    turn = rotation_to(X)
    rim = radius - 2 * tyre
    sketch.add("torus", (radius - tyre, tyre), hub, "tyre", dice.dark(), rotation=turn)
    sketch.add("torus", (rim, 0.008), hub, "rim", metal, rotation=turn)
    sketch.add("cylinder", (0.022, 0.035, 0.0), hub, "hub", metal, rotation=turn)
    start = dice.between(0, 1)
    for angle in start + np.arange(4) * (np.pi / 4):
        spoke = rim * np.array([0, np.cos(angle), np.sin(angle)])
        sketch.rod(hub - spoke, hub + spoke, 0.0025, "spoke", metal)


def bicycle(sketch: Sketch, dice: Dice) -> None:
    """Bicycle: diamond or step-through frame, flat or swept handlebar, sometimes mudguards."""
    radius, tyre = dice.between(0.31, 0.35), dice.between(0.015, 0.025)
    color, metal = dice.paint() if dice.chance(0.8) else dice.dark(), dice.metal()
    rear = np.array([0.0, dice.between(0.42, 0.47), radius])
    front = np.array([0.0, -dice.between(0.55, 0.62), radius])
    crank = np.array([0.0, 0.0, radius - 0.05])
    saddle_z = dice.between(0.84, 0.98)
    seat = np.array([0.0, dice.between(0.16, 0.2), saddle_z - 0.14])
    head = np.array([0.0, front[1] + dice.between(0.14, 0.18), dice.between(0.82, 0.9)])
    lean = (head - front) / np.linalg.norm(head - front)
    neck = head - 0.13 * lean
    for hub in (rear, front):
        _spoked_wheel(sketch, dice, hub, radius, tyre, metal)
    tube = dice.between(0.014, 0.019)
    step_through = dice.chance(0.3)
    across = crank + 0.35 * (seat - crank) if step_through else seat - (0, 0, 0.03)
    for start, end in ((crank, seat), (neck, crank), (head, across), (head + 0.02 * lean, neck)):
        sketch.bar(start, end, tube, "frame", color)
    for x in (-1, 1):
        aside = np.array([x * 0.045, 0.0, 0.0])
        sketch.bar(crank + 0.5 * aside, rear + aside, 0.009, "frame", color)
        sketch.bar(seat - (0, 0, 0.04), rear + aside, 0.008, "frame", color)
        sketch.bar(neck + aside * 0.9, front + aside, 0.011, "fork", color)
    sketch.bar(
        neck - 0.9 * np.array([0.045, 0, 0]),
        neck + 0.9 * np.array([0.045, 0, 0]),
        0.014,
        "fork",
        color,
    )
    top = seat + (saddle_z - 0.03 - seat[2]) * np.array([0.0, 0.22, 1.0])
    sketch.rod(seat, top, 0.012, "seatpost", metal)
    saddle = np.array([0.0, top[1] - 0.02, saddle_z - 0.026])
    leather = dice.dark() if dice.chance(0.7) else dice.wood()
    sketch.box(
        (0.068, 0.075, 0.026), moved(saddle, (0, 0.05, 0)), "saddle", leather, rounding=0.024
    )
    sketch.box((0.028, 0.13, 0.024), saddle - (0, 0.03, 0), "saddle", leather, rounding=0.022)
    sketch.surface("saddle", (0, saddle[1] + 0.05, saddle_z), UP, (0.04, 0.04, 0))
    _cranks(sketch, dice, crank, metal)
    _handlebar(sketch, dice, head, head + dice.between(0.05, 0.14) * lean, metal)
    if dice.chance(0.3):
        rack = np.array([0.0, rear[1] + 0.02, rear[2] + radius + 0.06])
        sketch.box((0.06, 0.17, 0.008), rack, "rack", metal, rounding=0.004)
        for x in (-1, 1):
            sketch.bar(
                moved(rack, (x * 0.05, 0, 0)), moved(rear, (x * 0.05, 0, 0)), 0.006, "rack", metal
            )


def _cranks(sketch: Sketch, dice: Dice, crank: np.ndarray, metal: Color) -> None:
    turn = rotation_to(X)
    ring = moved(crank, (-0.045, 0, 0))
    sketch.add("cylinder", (0.085, 0.004, 0.0), ring, "chainring", metal, rotation=turn)
    sketch.rod(crank - (0.06, 0, 0), moved(crank, (0.06, 0, 0)), 0.018, "crank", metal)
    angle = dice.between(0, 2 * np.pi)
    arm = 0.165 * np.array([0, np.cos(angle), np.sin(angle)])
    rubber = dice.dark()
    for side, name in SIDES:
        root = moved(crank, (side * 0.065, 0, 0))
        tip = root + side * arm
        sketch.bar(root, tip, 0.011, "crank", metal)
        pedal = moved(tip, (side * 0.06, 0, 0))
        sketch.box((0.048, 0.038, 0.012), pedal, "pedal", rubber, rounding=0.004)
        sketch.surface(f"pedal_{name}", moved(pedal, (0, 0, 0.012)), UP, (0.035, 0.03, 0))


def _handlebar(
    sketch: Sketch, dice: Dice, head: np.ndarray, stem: np.ndarray, metal: Color
) -> None:
    rubber = dice.dark() if dice.chance(0.7) else dice.wood()
    swept = dice.chance(0.45)
    half = dice.between(0.26, 0.33)
    forward = stem - (0, dice.between(0.03, 0.08), 0)
    sketch.bar(head, stem, 0.014, "stem", metal)
    sketch.bar(stem, forward, 0.014, "stem", metal)
    back = np.array([0.0, 0.17, 0.0]) if swept else np.array([0.0, 0.02, 0.0])
    for side, name in SIDES:
        bend = moved(forward, (side * (half - 0.06 if swept else 0.1), 0.02, 0.03))
        end = np.array([side * half, forward[1], bend[2]]) + back
        start = end - 0.13 * (end - bend) / np.linalg.norm(end - bend)
        sketch.bar(forward, bend, 0.012, "handlebar", metal)
        sketch.bar(bend, end, 0.012, "handlebar", metal)
        sketch.bar(start, end, 0.017, "grip", rubber)
        center, axis = (start + end) / 2, end - start
        sketch.handle(f"grip_{name}", center, UP, 0.017, axis=axis, half_length=0.05)


def skateboard(sketch: Sketch, dice: Dice) -> None:
    """Skateboard with raised nose and tail, or a flat longboard; long axis along y."""
    long = dice.chance(0.35)
    half_x, half_y = dice.between(0.098, 0.115), dice.between(0.2, 0.23)
    if long:
        half_x, half_y = dice.between(0.11, 0.125), dice.between(0.36, 0.44)
    radius = dice.between(0.026, 0.034)
    thick, top = 0.006, 2 * radius + dice.between(0.04, 0.055)
    wood = dice.wood() if dice.chance(0.4) else dice.paint()
    tape = dice.dark() if dice.chance(0.75) else shade(wood, 0.8)
    z = top - thick
    kick = 0.02 if long else 0.075
    lift = 0.0 if long else dice.between(0.03, 0.045)
    for part, color, at in (("deck", wood, z - thick / 2), ("grip_tape", tape, z + thick / 2)):
        sketch.box((half_x, half_y, thick / 2), (0, 0, at), part, color)
        for end in (-1, 1):
            slope = np.array([0.0, end * kick, lift])
            middle = np.array([0.0, end * half_y, at]) + slope / 2
            turn = rotation_to(np.cross(X, slope) * end)
            size = (half_x, float(np.linalg.norm(slope)) / 2 + 0.002, thick / 2)
            sketch.box(size, middle, part, color, rotation=turn)
            tip = middle + slope / 2
            sketch.add("cylinder", (half_x, thick / 2, 0), tip, part, color, rotation=turn)
    metal, rubber = dice.metal(), dice.paint() if dice.chance(0.6) else dice.gray(0.8, 0.95)
    for end in (-1, 1):
        axle = np.array([0.0, end * (half_y - 0.045), radius])
        sketch.box((0.028, 0.035, 0.008), (*axle[:2], z - thick - 0.006), "truck", metal)
        sketch.taper(axle, (*axle[:2], z - thick), (0.014, 0.026), "truck", metal)
        sketch.rod(axle - (0.075, 0, 0), moved(axle, (0.075, 0, 0)), 0.009, "truck", metal)
        for x in (-1, 1):
            at = moved(axle, (x * 0.085, 0, 0))
            size = (radius, 0.018, 0.008)
            sketch.add("cylinder", size, at, "wheel", rubber, rotation=rotation_to(X))
    sketch.surface("deck", (0, 0, top), UP, (half_x - 0.02, half_y - 0.01, 0))
    bottom = (0, 0, z - thick)
    sketch.surface("bottom", bottom, (0, 0, -1), (half_x - 0.03, half_y - 0.1, 0))
    for side, name in ((1.0, "side_left"), (-1.0, "side_right")):
        edge = (side * half_x, 0.0, z)
        sketch.surface(name, edge, (side, 0.0, 0.0), (0.0, half_y / 2, 0.0))


def scooter(sketch: Sketch, dice: Dice) -> None:
    """Kick scooter: low deck along y, steering column and T-shaped bar in front (-y)."""
    radius, width = dice.between(0.06, 0.1), 0.014
    half_x, half_y = dice.between(0.055, 0.075), dice.between(0.22, 0.27)
    color, metal = dice.paint(), dice.metal()
    rubber = dice.dark()
    top = dice.between(0.085, 0.115)
    z = top - 0.014
    sketch.box((half_x, half_y, 0.014), (0, 0, z), "deck", color, rounding=0.008)
    tape = (half_x - 0.01, half_y - 0.03, 0.001)
    sketch.box(tape, (0, 0, top), "deck", rubber)
    rear = np.array([0.0, half_y + radius + 0.01, radius])
    front = np.array([0.0, -half_y - radius - dice.between(0.07, 0.1), radius])
    turn = rotation_to(X)
    for hub in (rear, front):
        size = (radius, width, 0.008)
        sketch.add("cylinder", size, hub, "wheel", rubber, rotation=turn)
        sketch.add("cylinder", (0.6 * radius, width + 0.002, 0), hub, "wheel", metal, rotation=turn)
    for x in (-1, 1):
        aside = np.array([x * 0.024, 0.0, 0.0])
        sketch.bar((x * 0.024, half_y - 0.02, z), rear + aside, 0.008, "frame", metal)
    guard = moved(rear, (0, -0.01, radius + 0.012))
    tilted = rotation_to((0, -0.25, 1.0))
    sketch.box((0.026, 0.06, 0.004), guard, "brake", metal, rounding=0.003, rotation=tilted)
    height = dice.between(0.86, 1.02)
    lean = np.array([0.0, dice.between(0.12, 0.2), 1.0])
    crown = moved(front, (0, 0, radius + 0.03))
    bar = crown + (height - crown[2]) * lean
    for x in (-1, 1):
        aside = np.array([x * 0.024, 0.0, 0.0])
        sketch.bar(front + aside, crown + aside, 0.007, "frame", metal)
    sketch.box((0.032, 0.014, 0.01), crown, "frame", metal, rounding=0.004)
    joint = crown + 0.14 * lean
    sketch.bar((0, -half_y + 0.02, z), joint, 0.019, "frame", color)
    sketch.bar(crown, crown + 0.45 * (bar - crown), 0.019, "column", color)
    sketch.bar(crown + 0.4 * (bar - crown), bar, 0.015, "column", metal)
    half = dice.between(0.19, 0.25)
    sketch.bar(bar - (half, 0, 0), moved(bar, (half, 0, 0)), 0.012, "handlebar", metal)
    foam = dice.paint() if dice.chance(0.4) else rubber
    for side, name in SIDES:
        ends = moved(bar, (side * (half - 0.11), 0, 0)), moved(bar, (side * half, 0, 0))
        sketch.bar(*ends, 0.017, "grip", foam)
        center = moved(bar, (side * (half - 0.055), 0, 0))
        sketch.handle(f"grip_{name}", center, UP, 0.017, axis=X, half_length=0.05)
    sketch.surface("deck", (0, 0, top + 0.001), UP, (half_x - 0.012, half_y - 0.04, 0))
