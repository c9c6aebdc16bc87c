"""Recipes for chairs, stools and benches. Sizes in metres; the sitter faces -y."""

import numpy as np

from object_retrieval.procedural.catalogue_kit import (
    Color,
    Dice,
    Number,
    Sketch,
    X,
    shade,
    turn_about_x,
)

UP = (0.0, 0.0, 1.0)


def four_legs(
    sketch: Sketch,
    dice: Dice,
    half_x: float,
    half_y: float,
    top: float,
    color: Color,
) -> None:
    """Legs from the corners of a plate at height `top` to the floor, in one of three styles."""
    style = dice.pick("square", "round", "tapered")
    thick = dice.between(0.014, 0.024)
    splay = 0.0 if style == "square" else min(dice.between(0.0, 0.05), 0.12 * top)
    for x in (-1, 1):
        for y in (-1, 1):
            high = np.array([x * (half_x - thick), y * (half_y - thick), top])
            low = np.array([x * (half_x - thick + splay), y * (half_y - thick + splay), 0.0])
            if style == "tapered":
                sketch.taper(low, high, (0.6 * thick, 1.2 * thick), "leg", color)
            elif style == "round":
                sketch.rod(low, high, 0.8 * thick, "leg", color)
            else:
                sketch.slab(low, high, (thick, thick), "leg", color)


def pedestal(sketch: Sketch, dice: Dice, reach: float, top: float, color: Color) -> None:
    """One column on a round plate or on a star of five feet with castors."""
    if dice.chance(0.5):
        sketch.disc(reach, 0.0, 0.025, "base", color)
        sketch.disc(dice.between(0.025, 0.04), 0.02, top, "column", color)
        return
    sketch.disc(dice.between(0.025, 0.035), 0.06, top, "column", color)
    for angle in np.arange(5) * (2 * np.pi / 5) + 0.3:
        foot = np.array([reach * np.cos(angle), reach * np.sin(angle), 0.06])
        sketch.bar((0, 0, 0.11), foot, 0.018, "base", color)
        sketch.add("ellipsoid", (0.028, 0.028, 0.03), (*foot[:2], 0.03), "castor", dice.dark())


def _backrest(
    sketch: Sketch, dice: Dice, half_x: float, foot: np.ndarray, color: Color, cover: Color
) -> None:
    """Backrest rising from `foot` (middle of the seat's back edge), leaning slightly back."""
    style = dice.pick("solid", "solid", "spindles", "slats", "low")
    length = dice.between(0.26, 0.34) if style == "low" else dice.between(0.38, 0.52)
    recline = dice.between(0.04, 0.22)
    turn = turn_about_x(-recline)
    up, front = turn @ UP, turn @ (0.0, -1.0, 0.0)
    thick = dice.between(0.012, 0.03)

    def place(x: Number, along: Number) -> np.ndarray:
        return foot + x * np.array(X) + along * length * up

    if style in ("solid", "low"):
        gap = dice.between(0.0, 0.3)
        half = (half_x, thick, length * (1 - gap) / 2)
        sketch.box(half, place(0, (1 + gap) / 2), "back", cover, rounding=0.025, rotation=turn)
        if gap > 0.02:
            for x in (-0.6, 0.6):
                sketch.rod(
                    place(x * half_x, -0.08), place(x * half_x, gap + 0.05), 0.012, "back", color
                )
    else:
        post = dice.between(0.014, 0.02)
        for x in (-1, 1):
            side = x * (half_x - post)
            sketch.rod(place(side, -0.08), place(side, 1.0), post, "back", color)
        rail = (half_x, thick, 0.035)
        sketch.box(rail, place(0, 1) - 0.035 * up, "back", color, rounding=0.01, rotation=turn)
        if style == "slats":
            for along in (0.3, 0.58):
                slat = (half_x - post, thick, 0.03)
                sketch.box(slat, place(0, along), "back", color, rounding=0.008, rotation=turn)
        else:
            thick = dice.between(0.007, 0.012)
            for x in np.linspace(-0.66, 0.66, 5):
                sketch.rod(place(x * half_x, -0.02), place(x * half_x, 0.95), thick, "back", color)
    sketch.handle(
        "back_top", place(0, 1) - thick * up, up, thick, axis=X, half_length=half_x, kind="rim"
    )
    rest = (half_x, thick, 0.35 * length)
    sketch.surface("back_front", place(0, 0.58) + thick * front, front, rest)


def chair(sketch: Sketch, dice: Dice) -> None:
    """Chair with a backrest: four legs or a pedestal, with or without arms and cushion."""
    half_x, half_y = dice.between(0.20, 0.26), dice.between(0.20, 0.24)
    height, thick = dice.between(0.42, 0.50), dice.between(0.012, 0.03)
    color = dice.wood() if dice.chance(0.55) else dice.paint() if dice.chance(0.5) else dice.dark()
    cover = color if dice.chance(0.4) else dice.fabric()
    swivel = dice.chance(0.3)
    top = height
    if dice.chance(0.45):
        soft = dice.between(0.015, 0.03)
        top = height + 2 * soft
        sketch.box(
            (half_x - 0.005, half_y - 0.005, soft),
            (0, 0, height + soft),
            "seat",
            cover,
            rounding=0.02,
        )
    sketch.box((half_x, half_y, thick), (0, 0, height - thick), "seat", color, rounding=0.012)
    if swivel:
        pedestal(sketch, dice, dice.between(0.24, 0.30), height - thick, dice.metal())
    else:
        four_legs(sketch, dice, half_x, half_y, height - 1.5 * thick, shade(color, 0.9))
    foot = np.array([0.0, half_y - 0.025, height - 0.01])
    _backrest(sketch, dice, half_x * dice.between(0.85, 1.0), foot, color, cover)
    if dice.chance(0.4):
        _chair_arms(sketch, dice, (half_x, half_y, height), color)
    sketch.surface("seat", (0, -0.02, top), UP, (half_x - 0.03, half_y - 0.04, 0))


def _chair_arms(sketch: Sketch, dice: Dice, seat: tuple[float, float, float], color: Color) -> None:
    half_x, half_y, height = seat
    rise = dice.between(0.19, 0.25)
    for side, name in ((1, "arm_left"), (-1, "arm_right")):
        x = side * (half_x + 0.02)
        pad = (0.024, half_y * 0.85, 0.014)
        sketch.box(pad, (x, 0.02, height + rise), "arm", color, rounding=0.012)
        for y in (-0.6, 0.75):
            low = (side * half_x, y * half_y, height - 0.02)
            sketch.rod(low, (x, y * half_y, height + rise), 0.012, "arm", color)
        sketch.surface(name, (x, 0, height + rise + 0.014), UP, (0.02, half_y * 0.7, 0))


def stool(sketch: Sketch, dice: Dice) -> None:
    """Backless seat for one, low or bar height, round or square."""
    tall = dice.chance(0.5)
    height = dice.between(0.60, 0.78) if tall else dice.between(0.40, 0.52)
    half, thick = dice.between(0.14, 0.175), dice.between(0.015, 0.04)
    color = dice.wood() if dice.chance(0.6) else dice.paint()
    frame = color if dice.chance(0.5) else dice.metal()
    if dice.chance(0.65):
        size = (half, thick, min(0.012, 0.9 * thick))
        sketch.add("cylinder", size, (0, 0, height - thick), "seat", color)
        half_legs = 0.72 * half
    else:
        sketch.box((half, half, thick), (0, 0, height - thick), "seat", color, rounding=0.012)
        half_legs = half
    below = height - 1.5 * thick
    if dice.chance(0.3):
        pedestal(sketch, dice, dice.between(0.18, 0.23), below, dice.metal())
        if tall:
            ring = (0.13, 0.01)
            sketch.add("torus", ring, (0, 0, 0.28), "footrest", dice.metal())
            sketch.rod((-0.13, 0, 0.28), (0.13, 0, 0.28), 0.008, "footrest", dice.metal())
    else:
        four_legs(sketch, dice, half_legs, half_legs, below, frame)
        reach = half_legs + 0.004
        if tall:
            for x in (-1, 1):
                ends = (x * reach, -reach, 0.24), (x * reach, reach, 0.24)
                sketch.rod(*ends, 0.01, "footrest", frame)
                ends = (-reach, x * reach, 0.28), (reach, x * reach, 0.28)
                sketch.rod(*ends, 0.01, "footrest", frame)
    for name in ("seat", "top"):
        sketch.surface(name, (0, 0, height), UP, (0.8 * half, 0.8 * half, 0))


def bench(sketch: Sketch, dice: Dice) -> None:
    """Long seat of planks on two supports, half of the time with a backrest."""
    half_x, half_y = dice.between(0.55, 0.95), dice.between(0.17, 0.23)
    height, thick = dice.between(0.41, 0.48), dice.between(0.015, 0.03)
    wood, frame = dice.wood(), dice.metal() if dice.chance(0.6) else dice.wood()
    planks = 3 if dice.chance(0.6) else 1
    width = half_y / planks
    for k in range(planks):
        y = (2 * k + 1 - planks) * width
        gap = 0.006 if planks > 1 else 0.0
        sketch.box(
            (half_x, width - gap, thick), (0, y, height - thick), "seat", wood, rounding=0.006
        )
    solid = dice.chance(0.3)
    for x in (-0.78, 0.78):
        if solid:
            half = (0.03, half_y * 0.9, height / 2 - thick)
            sketch.box(half, (x * half_x, 0, half[2]), "leg", frame)
            continue
        for y in (-0.8, 0.8):
            foot = (x * half_x, y * (half_y + 0.03), 0.0)
            sketch.slab(foot, (x * half_x, y * half_y, height - thick), (0.025, 0.02), "leg", frame)
        brace = (0.025, half_y * 0.95, 0.02)
        sketch.box(brace, (x * half_x, 0, height - 2 * thick - 0.02), "leg", frame)
    if dice.chance(0.55):
        _bench_back(sketch, dice, (half_x, half_y, height), wood, frame)
    for name in ("seat", "top"):
        sketch.surface(name, (0, 0, height), UP, (half_x - 0.1, half_y - 0.04, 0))


def _bench_back(
    sketch: Sketch, dice: Dice, seat: tuple[float, float, float], wood: Color, frame: Color
) -> None:
    half_x, half_y, height = seat
    recline, length = dice.between(0.1, 0.3), dice.between(0.36, 0.46)
    turn = turn_about_x(-recline)
    up, front = turn @ UP, turn @ (0.0, -1.0, 0.0)
    foot = np.array([0.0, half_y + 0.01, height - 0.03])
    for x in (-0.78, 0.78):
        low = foot + (x * half_x, 0.0, 0.0) + 0.02 * turn @ (0.0, 1.0, 0.0)
        sketch.slab(low, low + length * up, (0.025, 0.012), "back", frame)
    for along in (0.45, 0.72, 0.97):
        center = foot + along * length * up
        sketch.box((half_x, 0.014, 0.045), center, "back", wood, rounding=0.006, rotation=turn)
    top = foot + (0.97 * length + 0.045) * up
    sketch.handle("back_top", top - 0.014 * up, up, 0.014, axis=X, half_length=half_x, kind="rim")
    rest = (half_x - 0.05, 0.014, 0.12)
    sketch.surface("back_front", foot + 0.72 * length * up + 0.014 * front, front, rest)
