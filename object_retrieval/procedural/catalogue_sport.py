"""Recipes for umbrellas, balls, bats, guitars, surfboards and rackets. Sizes in metres."""

import itertools

import numpy as np

from object_retrieval.procedural.catalogue_kit import (
    Color,
    Dice,
    Sketch,
    X,
    Y,
    Z,
    moved,
    rotation_to,
    shade,
)

UP, DOWN = (0.0, 0.0, 1.0), (0.0, 0.0, -1.0)
FRONT = (0.0, -1.0, 0.0)


def umbrella(sketch: Sketch, dice: Dice) -> None:
    """Umbrella, open or rolled; shaft along z, origin in the grip, canopy at the top."""
    color, metal = dice.paint(), dice.metal()
    wood = dice.wood() if dice.chance(0.5) else dice.dark()
    is_open = dice.chance(0.7)
    tip = dice.between(0.76, 0.86)
    radius = dice.between(0.011, 0.015)
    sketch.rod((0, 0, -0.05), (0, 0, tip), 0.006, "shaft", metal)
    sketch.rod((0, 0, -0.07), (0, 0, 0.07), radius, "grip", wood)
    if dice.chance(0.6):
        bend = 0.035
        hook = [
            np.array([bend - bend * np.cos(a), 0.0, -0.07 - bend * np.sin(a)])
            for a in np.linspace(0, np.pi * 1.05, 6)
        ]
        sketch.tube(hook, 0.9 * radius, "hook", wood)
    else:
        sketch.add("ellipsoid", (0.019, 0.019, 0.022), (0, 0, -0.075), "knob", wood)
    if is_open:
        _canopy(sketch, dice, tip - 0.05, color)
    else:
        folded = dice.between(0.03, 0.042)
        sketch.taper((0, 0, 0.2), (0, 0, 0.32), (0.018, folded), "canopy", color)
        sketch.taper((0, 0, 0.32), (0, 0, tip - 0.06), (folded, 0.012), "canopy", color)
        strap = folded - 0.2 * (folded - 0.012) + 0.003
        sketch.disc(strap, 0.4, 0.425, "canopy", shade(color, 0.7))
    sketch.taper((0, 0, tip - 0.06), (0, 0, tip + 0.04), (0.01, 0.004), "tip", metal)
    sketch.handle("grip", (0, 0, 0), FRONT, radius, axis=Z, half_length=0.06)


def _canopy(sketch: Sketch, dice: Dice, top: float, color: Color) -> None:
    """Three cone rings make the dome; darker discs underneath keep it from looking massive."""
    reach, depth = dice.between(0.44, 0.54), dice.between(0.15, 0.2)
    rings = ((1.0, 0.0), (0.82, 0.4), (0.5, 0.76), (0.03, 1.0))
    low = top - depth
    for (wide, start), (narrow, end) in itertools.pairwise(rings):
        radii = (wide * reach, narrow * reach)
        shaded = shade(color, 0.92 + 0.12 * end)
        ends = (0, 0, low + start * depth), (0, 0, low + end * depth)
        sketch.taper(*ends, radii, "canopy", shaded)
    sketch.disc(0.985 * reach, low - 0.002, low + 0.01, "lining", shade(color, 0.55))
    ribs = dice.gray(0.3, 0.9)
    stripes = dice.chance(0.5)
    for angle in np.arange(8) * (np.pi / 4):
        ray = np.array([np.cos(angle), np.sin(angle), 0.0])
        path = [wide * reach * ray + (0, 0, low + share * depth) for wide, share in rings]
        if stripes:
            sketch.bar(path[0], path[1], 0.005, "rib", ribs)
            sketch.bar(path[1], path[2], 0.005, "rib", ribs)
        sketch.bar((0, 0, low - 0.12), 0.6 * reach * ray + (0, 0, low), 0.003, "rib", ribs)


def ball(sketch: Sketch, dice: Dice) -> None:
    """Football, basketball, beach ball or exercise ball, resting on z = 0."""
    style = dice.pick("football", "basketball", "beach", "exercise")
    spans = {
        "football": (0.105, 0.112),
        "basketball": (0.117, 0.123),
        "beach": (0.15, 0.22),
        "exercise": (0.26, 0.34),
    }
    radius = dice.between(*spans[style])
    color = dice.paint()
    center = np.array([0.0, 0.0, radius])
    turn = rotation_to(dice.rng.normal(size=3), dice.rng.normal(size=3))
    if style == "football":
        color = dice.gray(0.85, 0.98)
    elif style == "basketball":
        color = shade((0.85, 0.42, 0.13), dice.between(0.75, 1.1))
    sketch.add("ellipsoid", (radius,) * 3, center, "ball", color, rotation=turn)
    if style == "football":
        patch = dice.dark() if dice.chance(0.6) else dice.paint()
        golden = (1 + np.sqrt(5)) / 2
        corners = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
        for corner in corners:
            for roll in range(3):
                axis = turn @ np.roll(corner, roll) / np.hypot(1, golden)
                # A slightly smaller ball that shows only a cap: a patch that follows the surface.
                small = 0.78 * radius
                at = center + (radius * 1.014 - small) * axis
                sketch.add(
                    "ellipsoid", (small,) * 3, at, "patch", patch, rotation=rotation_to(axis)
                )
    else:
        seam = dice.dark() if style == "basketball" else dice.gray(0.85, 0.98)
        count = {"basketball": 3, "beach": 3, "exercise": 0}[style]
        size = (radius - 0.0012, 0.003)
        for k in range(count):
            axis = turn @ (np.cos(k * np.pi / 3), np.sin(k * np.pi / 3), 0.0)
            if style == "basketball":
                axis = turn[:, k]
            sketch.add("torus", size, center, "seam", seam, rotation=rotation_to(axis))
        if style == "exercise":
            for latitude in (-0.5, -0.25, 0.0, 0.25, 0.5):
                at = center + latitude * radius * turn[:, 2]
                ring = (radius * np.sqrt(1 - latitude**2) - 0.001, 0.003)
                sketch.add("torus", ring, at, "seam", shade(color, 0.75), rotation=turn)
    around = 0.4 * radius
    for name, normal in (
        ("side_left", X),
        ("side_right", (-1.0, 0.0, 0.0)),
        ("top", Z),
        ("bottom", DOWN),
    ):
        extent = around * (1 - np.abs(normal))
        sketch.surface(name, center + radius * np.array(normal), normal, extent)


def bat(sketch: Sketch, dice: Dice) -> None:
    """Baseball or cricket bat along z, origin in the grip near the lower end."""
    color = dice.wood() if dice.chance(0.7) else dice.paint()
    tape = dice.dark() if dice.chance(0.7) else dice.paint()
    radius = dice.between(0.0125, 0.0155)
    sketch.rod((0, 0, -0.12), (0, 0, 0.14), radius, "grip", tape)
    sketch.handle("grip", (0, 0, 0), FRONT, radius, axis=Z, half_length=0.1)
    if dice.chance(0.7):
        barrel, length = dice.between(0.03, 0.036), dice.between(0.6, 0.7)
        sketch.add("cylinder", (0.023, 0.011, 0.006), (0, 0, -0.13), "knob", color)
        sketch.taper((0, 0, 0.13), (0, 0, 0.4), (radius, barrel), "barrel", color)
        sketch.bar((0, 0, 0.4), (0, 0, length - barrel), barrel, "barrel", color)
        band = (0.0, 0.0, 0.2)
        sketch.rod(band, (0, 0, 0.205), radius + 0.007, "barrel", tape)
        point, extent = (0, -barrel, 0.45), (0.3 * barrel, 0, 0.1)
    else:
        blade, thick = dice.between(0.26, 0.3), dice.between(0.017, 0.022)
        size = (0.054, thick, blade)
        sketch.box(size, (0, 0, 0.19 + blade), "blade", color, rounding=0.012)
        sketch.taper((0, 0, 0.12), (0, 0, 0.22), (radius, 0.024), "blade", color)
        sticker = (0.03, 0.0008, 0.06)
        sketch.box(sticker, (0, -thick, 0.19 + 1.5 * blade), "sticker", dice.paint())
        point, extent = (0, -thick, 0.19 + 0.8 * blade), (0.04, 0, 0.15)
    sketch.surface("hitting_face", point, FRONT, extent)


def guitar(sketch: Sketch, dice: Dice) -> None:
    """Acoustic or electric guitar: neck along z with the origin in its middle, strings to -y."""
    acoustic = dice.chance(0.6)
    color = dice.wood() if acoustic or dice.chance(0.3) else dice.paint()
    neck_color, dark, metal = shade(dice.wood(), 0.6), dice.dark(), dice.metal()
    depth = dice.between(0.045, 0.055) if acoustic else dice.between(0.02, 0.025)
    lower, upper = dice.between(0.185, 0.205), dice.between(0.135, 0.15)
    if not acoustic:
        lower, upper = 0.88 * lower, 0.85 * upper
    neck_half = dice.between(0.19, 0.23)
    joint = -neck_half
    turn = rotation_to(Y)
    upper_z, lower_z = joint - upper + 0.02, joint - upper - 0.72 * lower - 0.09
    for radius, z in ((upper, upper_z), (lower, lower_z)):
        sketch.add("cylinder", (radius, depth, 0.008), (0, 0, z), "body", color, rotation=turn)
    waist = (0.82 * upper, depth, (upper_z - lower_z) / 2)
    sketch.box(waist, (0, 0, (upper_z + lower_z) / 2), "body", color, rounding=0.008)
    front = -depth
    hole_z = upper_z - 0.35 * upper
    if acoustic:
        for radius, tone in ((0.062, dice.wood()), (0.05, (0.05, 0.03, 0.02))):
            raised = 0.0012 if radius == 0.05 else 0.0008
            size = (radius, raised, 0)
            sketch.add("cylinder", size, (0, front, hole_z), "sound_hole", tone, rotation=turn)
    else:
        for x in (-1, 1):
            horn = np.array([x * 0.1, 0.0, upper_z + 0.4 * upper])
            size = (0.045, 0.95 * depth, 0.09)
            sketch.add("ellipsoid", size, moved(horn, (0, 0, 0.02 * x)), "body", color)
        plate = (0.07, 0.002, 0.11)
        sketch.box(
            plate, (-0.03, front, hole_z - 0.03), "pickguard", dice.gray(0.8, 0.97), rounding=0.001
        )
        for z in (0.02, -0.05):
            sketch.box((0.045, 0.006, 0.013), (0, front, hole_z + z), "pickup", dark)
    bridge_z = lower_z + 0.1 * lower
    sketch.box((0.07, 0.006, 0.014), (0, front, bridge_z), "bridge", dark, rounding=0.003)
    board, neck_y = 0.0065, front + 0.012
    half = (0.024, 0.012, neck_half + 0.02)
    sketch.box(half, (0, neck_y, 0), "neck", neck_color, rounding=0.01)
    end = hole_z + 0.06
    size = (0.023, board / 2, (neck_half - end) / 2)
    board_z = (neck_half + end) / 2
    sketch.box(size, (0, front - board / 2, board_z), "fretboard", dark)
    string = (0.0006, (neck_half - bridge_z) / 2)
    for x in np.linspace(-0.018, 0.018, 6):
        at = (x, front - board - 0.002, (neck_half + bridge_z) / 2)
        sketch.add("capsule", string, at, "string", dice.gray(0.8, 0.95))
    head_z = neck_half + 0.08
    sketch.box((0.036, 0.008, 0.085), (0, neck_y, head_z), "head", neck_color, rounding=0.004)
    for x in (-1, 1):
        for k in range(3):
            peg = np.array([x * 0.045, neck_y, head_z - 0.05 + 0.05 * k])
            sketch.bar(peg, moved(peg, (x * 0.015, 0, 0)), 0.006, "peg", metal)
    # The hand closes around neck and fretboard together: one bar.
    back = neck_y + 0.012
    sketch.handle("neck", (0, back - 0.016, 0), Y, 0.016, axis=Z, half_length=0.8 * neck_half)
    strum_z = (hole_z + bridge_z) / 2 - 0.03
    point = (0.09, front, lower_z)
    sketch.surface("body_front", point, FRONT, (0.05, 0, 0.5 * lower))
    sketch.surface("strings", (0.0, front, strum_z), FRONT, (0.03, 0, 0.04))
    sketch.surface("body_back", (0, depth, lower_z), Y, (0.5 * lower, 0, 0.5 * lower))


def surfboard(sketch: Sketch, dice: Dice) -> None:
    """Surfboard lying along y on its fins, nose at -y."""
    half_x, half_y, half_z = (
        dice.between(0.23, 0.28),
        dice.between(0.88, 1.3),
        dice.between(0.03, 0.042),
    )
    color = dice.gray(0.85, 0.98) if dice.chance(0.5) else dice.paint()
    fin = dice.between(0.07, 0.1)
    z = fin + half_z
    sketch.add("ellipsoid", (half_x, half_y, half_z), (0, 0, z), "board", color)
    # Narrower, slightly thicker copies show as stripes that follow the curved deck.
    stripes = dice.pick("one", "two", "pad")
    bright, raised = dice.paint(), 0.003
    thicker = half_z + (0.0 if stripes == "two" else raised)
    for x in {"one": (0.0,), "two": (-0.4, 0.4), "pad": (0.0,)}[stripes]:
        narrow = (0.18 if stripes == "two" else 0.3) * half_x
        fall = half_z * np.sqrt(1 - x**2)
        size = (narrow, 0.9 * half_y, fall + raised)
        sketch.add("ellipsoid", size, (x * half_x, 0, z), "stripe", bright)
    if stripes == "pad":
        pad = (0.45 * half_x, 0.12 * half_y, 0.006)
        sketch.box(pad, (0, 0.62 * half_y, z + 0.78 * half_z), "pad", dice.dark(), rounding=0.004)
    for x, y in ((0.0, 0.84), (0.3, 0.7), (-0.3, 0.7)):
        start = (x * half_x, y * half_y, z)
        end = (x * half_x, y * half_y + 0.05, 0.02)
        sketch.slab(start, end, (0.006, 0.045), "fin", dice.dark())
    sketch.surface("deck", (0, 0, z + thicker), UP, (0.4 * half_x, 0.5 * half_y, 0))
    for side, name in ((1.0, "rail_left"), (-1.0, "rail_right")):
        sketch.surface(name, (side * half_x, 0, z), (side, 0, 0), (0, 0.3 * half_y, 0.4 * half_z))
    sketch.surface("bottom", (0.0, 0, z - thicker), DOWN, (0.4 * half_x, 0.4 * half_y, 0))


def racket(sketch: Sketch, dice: Dice) -> None:
    """Tennis, badminton or table-tennis racket; origin in the grip, head up along z, face to -y."""
    style = dice.pick("tennis", "tennis", "badminton", "paddle")
    color, tape = dice.paint(), dice.dark() if dice.chance(0.6) else dice.paint()
    radius = 0.0165 if style == "tennis" else 0.0125
    grip = 0.05 if style == "paddle" else 0.09
    size = (radius, grip, 0.004)
    wood = dice.wood()
    sketch.add("cylinder", size, (0, 0, 0), "grip", wood if style == "paddle" else tape)
    sketch.handle("grip", (0, 0, 0), FRONT, radius, axis=Z, half_length=0.8 * grip)
    turn = rotation_to(Y)
    if style == "paddle":
        head, z = 0.077, grip + 0.068
        for y, tone in ((-0.004, color), (0.004, dice.dark()), (0.0, wood)):
            disc = (head if y else head + 0.001, 0.0035, 0)
            sketch.add("cylinder", disc, (0, y, z), "blade", tone, rotation=turn)
        sketch.box((0.03, 0.0045, 0.02), (0, 0, grip), "blade", wood)
        sketch.surface("hitting_face", (0, -0.0075, z), FRONT, (0.04, 0, 0.04))
        return
    tennis = style == "tennis"
    head, wire = (dice.between(0.13, 0.145), 0.011) if tennis else (dice.between(0.1, 0.11), 0.005)
    throat = grip + (dice.between(0.1, 0.13) if tennis else dice.between(0.2, 0.24))
    z = throat + head
    sketch.add("torus", (head, wire), (0, 0, z), "frame", color, rotation=turn)
    if tennis:
        for x in (-1, 1):
            joint = (x * 0.68 * head, 0, z - 0.74 * head)
            sketch.bar((x * 0.006, 0, grip - 0.01), joint, 0.01, "frame", color)
    else:
        sketch.rod((0, 0, grip - 0.01), (0, 0, throat), 0.0045, "frame", color)
    string = dice.gray(0.8, 0.97)
    for share in np.linspace(-0.8, 0.8, 7):
        reach = head * np.sqrt(1 - share**2)
        offset = share * head
        sketch.rod((offset, 0, z - reach), (offset, 0, z + reach), 0.0013, "string", string)
        sketch.rod((-reach, 0, z + offset), (reach, 0, z + offset), 0.0013, "string", string)
    sketch.surface("hitting_face", (0, -0.0013, z), FRONT, (0.5 * head, 0, 0.5 * head))
