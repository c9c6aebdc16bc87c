"""Recipes for cups, bottles, laptops, boxes, barrels and buckets. Sizes in metres."""

import numpy as np

from object_retrieval.procedural.catalogue_kit import (
    Color,
    Dice,
    Sketch,
    X,
    Y,
    Z,
    rotation_to,
    shade,
    turn_about_x,
)

UP, DOWN = (0.0, 0.0, 1.0), (0.0, 0.0, -1.0)
FRONT, BACK = (0.0, -1.0, 0.0), (0.0, 1.0, 0.0)
COFFEE: Color = (0.16, 0.08, 0.04)


def cup(sketch: Sketch, dice: Dice) -> None:
    """Mug, tea cup, paper cup with a lid, or tumbler; origin on the axis at half height."""
    style = dice.pick("mug", "mug", "tea", "paper", "tumbler")
    height, top_radius = dice.between(0.085, 0.11), dice.between(0.036, 0.046)
    bottom_radius = top_radius * dice.between(0.9, 1.0)
    color = dice.paint() if dice.chance(0.6) else dice.gray(0.7, 0.97)
    if style == "tea":
        height, top_radius = dice.between(0.06, 0.07), dice.between(0.042, 0.05)
        bottom_radius = 0.55 * top_radius
    elif style in ("paper", "tumbler"):
        height, bottom_radius = dice.between(0.11, 0.15), 0.74 * top_radius
    base, top = -height / 2, height / 2
    radii = (bottom_radius, top_radius)
    sketch.taper((0, 0, base), (0, 0, top - 0.003), radii, "body", color)
    if style == "paper":
        lid = dice.gray(0.85, 0.98) if dice.chance(0.5) else dice.dark()
        sketch.disc(top_radius + 0.003, top - 0.006, top + 0.002, "lid", lid)
        sketch.disc(top_radius - 0.005, top, top + 0.010, "lid", lid)
        sleeve = shade(dice.wood(), 0.9) if dice.chance(0.7) else dice.paint()
        low, high = -0.22 * height, 0.2 * height
        wide = [_radius_at(radii, z / height + 0.5) + 0.0015 for z in (low, high)]
        sketch.taper((0, 0, low), (0, 0, high), (wide[0], wide[1]), "sleeve", sleeve)
        grip_radius = (wide[0] * high - wide[1] * low) / (high - low)
    else:
        rim = (top_radius - 0.003, 0.003)
        sketch.add("torus", rim, (0, 0, top - 0.003), "rim", color)
        inside = COFFEE if dice.chance(0.7) else shade(color, 0.35)
        sketch.disc(top_radius - 0.005, top - 0.008, top - 0.0022, "inside", inside)
        grip_radius = _radius_at(radii, 0.5 * height / (height - 0.003))
    if style in ("mug", "tea"):
        ring = (0.3 * height, 0.0055 if style == "mug" else 0.004)
        center = (grip_radius + 0.1 * height, 0, 0.04 * height)
        sketch.add("torus", ring, center, "handle", color, rotation=rotation_to(Y))
    if style == "mug" and dice.chance(0.4):
        band = dice.paint()
        wide = _radius_at(radii, 0.82) + 0.0008
        sketch.disc(wide, 0.28 * height, 0.36 * height, "band", band)
    half = 0.35 * height
    sketch.handle("grip", (0, 0, 0), FRONT, grip_radius, axis=Z, half_length=half)
    sketch.surface("bottom", (0, 0, base), DOWN, (0.5 * bottom_radius, 0.5 * bottom_radius, 0))


def _radius_at(radii: tuple[float, float], share: float) -> float:
    return radii[0] + (radii[1] - radii[0]) * share


def bottle(sketch: Sketch, dice: Dice) -> None:
    """Wine, water or sports bottle; origin on the axis in the middle of the body."""
    style = dice.pick("wine", "water", "sports")
    radius = dice.between(0.031, 0.04)
    body = dice.between(0.14, 0.19)
    neck_radius, shoulder, neck = 0.42 * radius, dice.between(0.03, 0.05), dice.between(0.06, 0.09)
    cap = dice.paint() if dice.chance(0.7) else dice.dark()
    glass: Color = (0.08, 0.22, 0.1) if dice.chance(0.5) else shade(dice.paint(), 0.5)
    if style == "water":
        glass = (0.55, 0.78, 0.9) if dice.chance(0.6) else dice.paint()
        shoulder, neck = dice.between(0.03, 0.05), 0.016
    elif style == "sports":
        glass = dice.paint() if dice.chance(0.6) else dice.metal()
        neck_radius, shoulder, neck = 0.72 * radius, 0.015, 0.012
    base, top = -body / 2, body / 2
    size = (radius, body / 2, 0.006)
    sketch.add("cylinder", size, (0, 0, 0), "body", glass)
    ends = (0, 0, top - 0.006), (0, 0, top + shoulder)
    sketch.taper(*ends, (radius * 0.985, neck_radius), "shoulder", glass)
    neck_top = top + shoulder + neck
    sketch.disc(neck_radius, top + shoulder - 0.004, neck_top, "neck", glass)
    cap_radius = neck_radius + 0.003
    cap_height = 0.045 if style == "wine" else 0.018
    bottom = neck_top - (0.03 if style == "wine" else 0.004)
    sketch.disc(cap_radius, bottom, bottom + cap_height, "cap", cap)
    if style == "sports":
        sketch.taper(
            (0, 0, bottom + 0.015), (0, 0, bottom + 0.04), (0.7 * cap_radius, 0.012), "cap", cap
        )
        sketch.disc(0.008, bottom + 0.03, bottom + 0.055, "cap", dice.gray(0.8, 0.95))
    label = dice.gray(0.85, 0.98) if dice.chance(0.6) else dice.paint()
    low = base + body * dice.between(0.2, 0.3)
    wide = radius + 0.0008
    sketch.disc(wide, low, top - 0.15 * body, "label", label)
    sketch.handle("grip", (0, 0, 0), FRONT, wide, axis=Z, half_length=0.4 * body)
    sketch.surface("bottom", (0, 0, base), DOWN, (0.5 * radius, 0.5 * radius, 0))


def laptop(sketch: Sketch, dice: Dice) -> None:
    """Open laptop lying on z = 0: keyboard towards -y, hinge and screen at +y."""
    half_x, half_y = dice.between(0.15, 0.19), dice.between(0.105, 0.13)
    thick = dice.between(0.008, 0.011)
    color = dice.metal() if dice.chance(0.75) else dice.paint()
    keys = dice.dark() if dice.chance(0.8) else dice.gray(0.8, 0.95)
    top = 2 * thick
    sketch.box((half_x, half_y, thick), (0, 0, thick), "base", color, rounding=0.005)
    pad = (0.9 * half_x, 0.38 * half_y, 0.001)
    sketch.box(pad, (0, 0.36 * half_y, top), "keyboard", keys)
    for k in range(4):
        row = (0.86 * half_x, 0.066 * half_y, 0.0016)
        y = (0.09 + 0.18 * k) * half_y
        sketch.box(row, (0, y, top), "keyboard", shade(keys, 2.2 if keys[0] < 0.5 else 0.85))
    sketch.box(
        (0.3 * half_x, 0.2 * half_y, 0.0006),
        (0, -0.55 * half_y, top),
        "touchpad",
        shade(color, 0.8),
    )
    opening = np.radians(dice.between(95, 125))
    turn = turn_about_x(-opening)
    # The lid is built lying on the keyboard and opened about the hinge at the back edge.
    hinge = np.array([0.0, half_y - 0.004, top])
    up, inward = turn @ FRONT, turn @ DOWN
    center = hinge + half_y * up
    sketch.box((half_x, half_y, 0.004), center, "lid", color, rounding=0.003, rotation=turn)
    screen = (0.04, 0.07, 0.12) if dice.chance(0.4) else shade(dice.paint(), 0.9)
    bezel = (half_x - 0.004, half_y - 0.004, 0.0008)
    sketch.box(bezel, center + 0.0036 * inward, "screen", dice.dark(), rotation=turn)
    glow = (half_x - 0.012, half_y - 0.014, 0.0008)
    sketch.box(glow, center + 0.0042 * inward, "screen", screen, rotation=turn)
    sketch.surface("base_top", (0, 0, top + 0.001), UP, (0.8 * half_x, 0.5 * half_y, 0))
    sketch.surface("bottom", (0, 0, 0), DOWN, (0.8 * half_x, 0.8 * half_y, 0))
    for side, name in ((1.0, "side_left"), (-1.0, "side_right")):
        point = (side * half_x, -0.2 * half_y, thick)
        sketch.surface(name, point, (side, 0, 0), (0, 0.6 * half_y, thick))


def box(sketch: Sketch, dice: Dice) -> None:
    """Cardboard box, wooden crate or plastic tub with a lid; small to carry or big to push."""
    style = dice.pick("cardboard", "cardboard", "crate", "tub")
    if dice.chance(0.55):
        half = np.array(
            [dice.between(0.14, 0.23), dice.between(0.11, 0.18), dice.between(0.09, 0.18)]
        )
    else:
        half = np.array(
            [dice.between(0.24, 0.38), dice.between(0.22, 0.34), dice.between(0.22, 0.45)]
        )
    height, skin = 2 * half[2], 0.0
    middle = (0.0, 0.0, half[2])
    if style == "cardboard":
        color = shade((0.72, 0.54, 0.36), dice.between(0.75, 1.15))
        color = dice.paint() if dice.chance(0.2) else color
        sketch.box(half, middle, "body", color, rounding=0.003)
        tape = shade(color, 1.25) if dice.chance(0.6) else dice.gray(0.7, 0.9)
        width = dice.between(0.022, 0.03)
        strip = (half[0] + 0.0008, width, half[2] * 0.22)
        sketch.box((half[0], width, 0.0008), (0, 0, height), "tape", tape)
        sketch.box(strip, (0, 0, height - strip[2] + 0.0008), "tape", tape)
        label = (0.3 * half[0], 0.0008, 0.2 * half[2])
        for y in (-1, 1):
            sketch.box(
                label, (0.4 * half[0], y * half[1], 1.4 * half[2]), "label", dice.gray(0.9, 1)
            )
    elif style == "crate":
        color, skin = dice.wood(), 0.009
        core = half - (skin, skin, 0.004)
        sketch.box(core, (0, 0, core[2]), "body", shade(color, 0.45))
        _crate_slats(sketch, dice, half, skin, color)
    else:
        color = dice.paint()
        lid = color if dice.chance(0.4) else dice.gray(0.2, 0.95)
        sketch.box(half, middle, "body", color, rounding=0.02)
        lip = (half[0] + 0.008, half[1] + 0.008, 0.014)
        sketch.box(lip, (0, 0, height - 0.014), "lid", lid, rounding=0.008)
        for x in (-1, 1):
            latch = (0.006, 0.35 * half[1], 0.02)
            sketch.box(
                latch, (x * (half[0] + 0.004), 0, height - 0.05), "latch", lid, rounding=0.004
            )
    _box_anchors(sketch, half, rim=0.008 if style == "tub" else 0.0)


def _crate_slats(sketch: Sketch, dice: Dice, half: np.ndarray, skin: float, color: Color) -> None:
    """Three boards on every side, end boards at the corners, planks on top."""
    half_x, half_y, half_z = half
    gap = dice.between(0.86, 0.95)
    board = gap * half_z / 3
    for k in range(3):
        z = (2 * k + 1) * half_z / 3
        for y in (-1, 1):
            center = (0, y * (half_y - skin), z)
            sketch.box((half_x, skin, board), center, "board", color)
        for x in (-1, 1):
            center = (x * (half_x - skin), 0, z)
            sketch.box((skin, half_y, board), center, "board", shade(color, 0.93))
        plank = gap * half_y / 3
        center = (0, (2 * k - 2) * half_y / 3, 2 * half_z - skin)
        sketch.box((half_x, plank, skin), center, "board", shade(color, 1.06))


def _box_anchors(sketch: Sketch, half: np.ndarray, rim: float) -> None:
    half_x, half_y, half_z = (float(value) for value in half)
    height = 2 * half_z
    sketch.surface("top", (0, 0, height), UP, (0.85 * half_x, 0.85 * half_y, 0))
    sketch.surface("bottom", (0, 0, 0), DOWN, (0.85 * half_x, 0.85 * half_y, 0))
    for side, name in ((1.0, "side_left"), (-1.0, "side_right")):
        point = (side * half_x, 0, half_z)
        sketch.surface(name, point, (side, 0, 0), (0, 0.7 * half_y, 0.6 * half_z))
    extent = (0.8 * half_x, 0, 0.7 * half_z)
    sketch.surface("push_face", (0, half_y, half_z), BACK, extent)
    # A box has no bar to grasp: its edge is a rim of one centimetre at the top of the front face.
    center = (0, 0.01 - half_y - rim, height - 0.014)
    sketch.handle("edge_front", center, FRONT, 0.01, axis=X, half_length=0.7 * half_x, kind="rim")


def barrel(sketch: Sketch, dice: Dice) -> None:
    """Standing wooden cask with hoops, or a ribbed drum."""
    height, radius = dice.between(0.62, 0.92), dice.between(0.22, 0.31)
    if dice.chance(0.6):
        color, hoop = dice.wood(), dice.dark() if dice.chance(0.6) else dice.metal()
        end = radius * dice.between(0.78, 0.86)
        low, high = 0.36 * height, 0.64 * height
        sketch.disc(radius, low, high, "body", color)
        sketch.taper((0, 0, 0), (0, 0, low), (end, radius), "body", color)
        sketch.taper((0, 0, high), (0, 0, height - 0.012), (radius, end), "body", color)
        rim = (end - 0.012, 0.012)
        sketch.add("torus", rim, (0, 0, height - 0.012), "rim", color)
        sketch.disc(end - 0.02, height - 0.05, height - 0.008, "lid", shade(color, 0.7))
        for share in (0.06, 0.3, 0.7, 0.94):
            grown = end + (radius - end) * min(1.0, min(share, 1 - share) / 0.36) + 0.006
            z = share * height
            sketch.disc(grown, z - 0.018, z + 0.018, "hoop", hoop)
        top = height - 0.008
    else:
        color = dice.paint()
        sketch.disc(radius, 0.0, height, "body", color)
        for share in (0.02, 0.34, 0.66, 0.98):
            z = share * height
            sketch.add("torus", (radius - 0.006, 0.014), (0, 0, z), "rib", shade(color, 0.8))
        sketch.disc(radius - 0.03, height - 0.02, height + 0.002, "lid", shade(color, 1.15))
        at = (0.6 * radius, 0.0)
        sketch.disc(0.03, height - 0.01, height + 0.012, "cap", dice.gray(0.7, 0.9), at=at)
        top = height + 0.002
    sketch.surface("top", (0, 0, top), UP, (0.55 * radius, 0.55 * radius, 0))
    for normal, name in (
        ((1.0, 0.0, 0.0), "side_left"),
        ((-1.0, 0.0, 0.0), "side_right"),
        (BACK, "push_face"),
    ):
        point = radius * np.array(normal) + (0, 0, height / 2)
        extent = 0.3 * radius * (1 - np.abs(normal))
        sketch.surface(name, point, normal, extent)


def bucket(sketch: Sketch, dice: Dice) -> None:
    """Open bucket with its bail handle standing upright above the rim, along x."""
    height, top_radius = dice.between(0.22, 0.3), dice.between(0.125, 0.16)
    color = dice.paint() if dice.chance(0.7) else dice.metal()
    radii = (top_radius * dice.between(0.68, 0.78), top_radius)
    sketch.taper((0, 0, 0), (0, 0, height - 0.006), radii, "body", color)
    sketch.add("torus", (top_radius, 0.007), (0, 0, height - 0.007), "rim", shade(color, 1.15))
    sketch.disc(top_radius - 0.008, height - 0.02, height - 0.004, "inside", shade(color, 0.25))
    wire, rise = dice.metal(), dice.between(0.85, 1.05) * top_radius
    angles = np.linspace(0, np.pi, 9)
    arc = [
        np.array(
            [top_radius * np.cos(a) * 1.02, 0.0, height - 0.02 + (rise + 0.02) * np.sin(a) ** 0.7]
        )
        for a in angles
    ]
    sketch.tube(arc, 0.004, "handle", wire)
    for x in (-1, 1):
        sketch.disc(0.014, height - 0.035, height - 0.005, "ear", wire, at=(x * top_radius, 0.0))
    radius, top = dice.between(0.011, 0.015), height + rise
    grip = dice.gray(0.1, 0.9)
    sketch.rod((-0.05, 0, top), (0.05, 0, top), radius, "handle", grip)
    sketch.handle("handle", (0, 0, top), UP, radius, axis=X, half_length=0.05)
    sketch.surface("bottom", (0, 0, 0), DOWN, (0.5 * radii[0], 0.5 * radii[0], 0))
