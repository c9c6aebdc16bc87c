"""Recipes for appliances and the bathroom: refrigerators, washing machines, toilets, bathtubs.

Library only; sizes in metres, everything stands on z = 0 with its front towards -y.
"""

import numpy as np

from object_retrieval.procedural.catalogue_kit import Color, Dice, Sketch, X, Y, rotation_to, shade

WINDOW: Color = (0.1, 0.12, 0.15)


def _enamel(dice: Dice) -> Color:
    return dice.gray(0.88, 0.98) if dice.chance(0.6) else dice.gray(0.55, 0.75)


def refrigerator(sketch: Sketch, dice: Dice) -> None:
    """Refrigerator: one door, freezer above or below, or two doors side by side."""
    style = dice.pick("one", "above", "below", "double")
    half_x = dice.between(0.42, 0.47) if style == "double" else dice.between(0.27, 0.35)
    half_y, height = dice.between(0.29, 0.34), dice.between(1.4, 1.9)
    height = dice.between(0.8, 1.2) if style == "one" else height
    color, metal = _enamel(dice) if dice.chance(0.8) else dice.paint(), dice.gray(0.5, 0.75)
    half = (half_x, half_y - 0.03, (height - 0.03) / 2)
    sketch.box(half, (0, 0.03, 0.03 + half[2]), "body", shade(color, 0.9), rounding=0.015)
    for x in (-1, 1):
        for y in (-1, 1):
            foot = (x * (half_x - 0.05), y * (half_y - 0.08))
            sketch.disc(0.02, 0.0, 0.04, "foot", dice.dark(), at=foot)
    split = {"above": 0.68, "below": 0.36}.get(style, 0.0) * height
    spans = [(0.04, split - 0.005), (split + 0.005, height)] if split else [(0.04, height)]
    sides = (-1, 1) if style == "double" else (0,)
    for low, high in spans:
        for side in sides:
            wide = half_x / len(sides)
            half = (wide - 0.003, 0.03, (high - low) / 2 - 0.003)
            center = (side * half_x / 2, -half_y + 0.03, (low + high) / 2)
            sketch.box(half, center, "door", color, rounding=0.012)
            x = side * 0.05 if side else half_x - 0.06
            x = -x if side else x
            middle = 0.55 * high + 0.45 * low if low < 0.1 else 0.4 * high + 0.6 * low
            reach = min(0.22, 0.3 * (high - low))
            bar = (x, -half_y - 0.04, middle - reach), (x, -half_y - 0.04, middle + reach)
            sketch.bar(*bar, 0.011, "handle", metal)
            for z in (middle - 0.9 * reach, middle + 0.9 * reach):
                sketch.rod((x, -half_y, z), (x, -half_y - 0.04, z), 0.008, "handle", metal)


def washing_machine(sketch: Sketch, dice: Dice) -> None:
    """Front loader with a round door, dial and drawer."""
    half_x, half_y = dice.between(0.29, 0.31), dice.between(0.25, 0.31)
    height = dice.between(0.8, 0.88)
    color, trim = _enamel(dice), dice.gray(0.3, 0.6)
    half = (half_x, half_y, (height - 0.03) / 2)
    sketch.box(half, (0, 0, 0.03 + half[2]), "body", color, rounding=0.012)
    for x in (-1, 1):
        for y in (-1, 1):
            foot = (x * (half_x - 0.05), y * (half_y - 0.05))
            sketch.disc(0.02, 0.0, 0.04, "foot", dice.dark(), at=foot)
    radius, z, turn = dice.between(0.15, 0.18), dice.between(0.4, 0.44), rotation_to(Y)
    sketch.add("torus", (radius, 0.022), (0, -half_y, z), "door", trim, rotation=turn)
    size = (0.93 * radius, 0.012, 0.004)
    sketch.add("cylinder", size, (0, -half_y, z), "door", shade(trim, 0.8), rotation=turn)
    bulge = (0.75 * radius, 0.03, 0.75 * radius)
    sketch.add("ellipsoid", bulge, (0, -half_y - 0.008, z), "window", WINDOW)
    grip = (0.012, 0.018, 0.035)
    sketch.box(grip, (radius, -half_y - 0.015, z), "handle", trim, rounding=0.006)
    panel = (half_x - 0.004, 0.006, 0.055)
    sketch.box(panel, (0, -half_y, height - 0.065), "panel", shade(color, 0.9), rounding=0.004)
    drawer = (0.075, 0.008, 0.042)
    x = -half_x + 0.1
    sketch.box(drawer, (x, -half_y - 0.004, height - 0.065), "drawer", color, rounding=0.005)
    dial = (0.032, 0.015, 0.004)
    at = (0.05, -half_y - 0.012, height - 0.065)
    sketch.add("cylinder", dial, at, "dial", trim, rotation=turn)
    for k in range(4):
        at = (0.13 + 0.035 * k, -half_y - 0.006, height - 0.065)
        button = (0.011, 0.005, 0.003)
        sketch.add("cylinder", button, at, "button", trim, rotation=turn)


def microwave(sketch: Sketch, dice: Dice) -> None:
    """Microwave oven: window on the left, buttons on the right of the beholder."""
    half_x, half_y, half_z = dice.between(0.22, 0.27), dice.between(0.16, 0.2), 0.14
    color = dice.gray(0.85, 0.97) if dice.chance(0.5) else dice.dark()
    z = half_z + 0.012
    sketch.box((half_x, half_y, half_z), (0, 0, z), "body", color, rounding=0.01)
    for x in (-1, 1):
        for y in (-1, 1):
            at = (x * 0.8 * half_x, y * 0.8 * half_y)
            sketch.disc(0.015, 0.0, 0.02, "foot", dice.dark(), at=at)
    # Somebody in front of the oven looks along +y and has +x on the right.
    door = (0.74 * half_x, 0.014, half_z - 0.006)
    x = -0.24 * half_x
    sketch.box(door, (x, -half_y - 0.01, z), "door", shade(color, 0.92), rounding=0.006)
    glass = (0.56 * half_x, 0.002, half_z - 0.045)
    sketch.box(glass, (x - 0.02, -half_y - 0.025, z), "window", WINDOW, rounding=0.001)
    bar = x + 0.65 * half_x
    ends = (bar, -half_y - 0.05, z - 0.085), (bar, -half_y - 0.05, z + 0.085)
    sketch.bar(*ends, 0.009, "handle", dice.metal())
    for up in (-0.075, 0.075):
        post = (bar, -half_y - 0.02, z + up), (bar, -half_y - 0.05, z + up)
        sketch.rod(*post, 0.007, "handle", dice.metal())
    panel = 0.76 * half_x
    display = (0.18 * half_x, 0.003, 0.018)
    at = (panel, -half_y - 0.001, z + half_z - 0.04)
    sketch.box(display, at, "display", (0.1, 0.3, 0.25), rounding=0.001)
    for row in range(4):
        for column in (-1, 0, 1):
            button = (0.012, 0.004, 0.009)
            at = (panel + 0.03 * column, -half_y - 0.002, z + 0.04 - 0.03 * row)
            sketch.box(button, at, "button", shade(color, 0.75 if color[0] > 0.5 else 2.2))
    dial = (0.02, 0.01, 0.003)
    at = (panel, -half_y - 0.008, z - half_z + 0.03)
    sketch.add("cylinder", dial, at, "dial", dice.metal(), rotation=rotation_to(Y))


def toilet(sketch: Sketch, dice: Dice) -> None:
    """Toilet with its tank at +y, lid open or closed."""
    color = dice.gray(0.92, 0.99)
    height = dice.between(0.38, 0.43)
    seat_color = color if dice.chance(0.6) else dice.wood() if dice.chance(0.5) else dice.dark()
    profile = [(0.12, 0.02), (0.105, 0.14), (0.15, 0.28), (0.19, height - 0.015)]
    sketch.vessel(profile, 0.012, "bowl", color)
    sketch.box((0.11, 0.19, 0.012), (0, 0.07, 0.012), "foot", color, rounding=0.01)
    sketch.disc(0.1, 0.02, 0.2, "bowl", color)
    sketch.disc(0.12, 0.19, 0.21, "water", (0.6, 0.78, 0.88))
    sketch.box((0.12, 0.13, 0.14), (0, 0.19, 0.19), "base", color, rounding=0.04)
    shelf = (0.17, 0.11, 0.022)
    sketch.box(shelf, (0, 0.22, height - 0.02), "base", color, rounding=0.02)
    seat = (0.165, 0.03)
    for y in (-0.035, 0.03):
        sketch.add("torus", seat, (0, y, height + 0.008), "seat", seat_color)
    tank, depth = dice.between(0.18, 0.22), 0.09
    low = height + 0.005
    high = low + dice.between(0.3, 0.38)
    half = (tank, depth, (high - low) / 2)
    y = 0.29
    sketch.box(half, (0, y, (low + high) / 2), "tank", color, rounding=0.03)
    lid = (tank + 0.01, depth + 0.01, 0.016)
    sketch.box(lid, (0, y, high), "tank_lid", color, rounding=0.012)
    sketch.disc(0.022, high + 0.01, high + 0.024, "button", dice.metal(), at=(0.0, y))
    if dice.chance(0.6):
        lean = rotation_to((0, -1, 0.12))
        at = (0, 0.165, height + 0.21)
        sketch.add("cylinder", (0.19, 0.009, 0.006), at, "lid", seat_color, rotation=lean)
    else:
        for y in (-0.035, 0.03):
            size = (0.195, 0.01, 0.006)
            sketch.add("cylinder", size, (0, y, height + 0.045), "lid", seat_color)


def bathtub(sketch: Sketch, dice: Dice) -> None:
    """Bathtub along y, open above, tap at +y; on feet or built in."""
    half_x, half_y = dice.between(0.35, 0.41), dice.between(0.75, 0.88)
    height, wall = dice.between(0.52, 0.6), dice.between(0.03, 0.045)
    color, metal = dice.gray(0.92, 0.99), dice.gray(0.6, 0.85)
    outside = color if dice.chance(0.7) else dice.paint()
    lift = 0.11 if dice.chance(0.5) else 0.0
    half = (half_x - 0.02, half_y - 0.02, 0.04)
    sketch.box(half, (0, 0, lift + 0.045), "bottom", outside, rounding=0.03)
    sketch.box((half_x - 0.06, half_y - 0.06, 0.02), (0, 0, lift + 0.08), "inside", color)
    rise = (height - lift) / 2
    for side in (-1, 1):
        at = (side * (half_x - wall), 0, lift + rise)
        sketch.box((wall, half_y, rise), at, "wall", outside, rounding=0.02)
        at = (0, side * (half_y - wall), lift + rise)
        sketch.box((half_x - 0.01, wall, rise), at, "wall", outside, rounding=0.02)
    corners = [
        (x * (half_x - wall), y * (half_y - wall), height)
        for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))
    ]
    sketch.tube(corners, wall * 1.1, "rim", color)
    back = (half_x - 2 * wall, 0.025, 0.24)
    slope = rotation_to((0, -0.55, 1))
    at = (0, -half_y + 0.19, lift + 0.26)
    sketch.box(back, at, "back", color, rounding=0.01, rotation=slope)
    if lift:
        for x in (-1, 1):
            for y in (-1, 1):
                foot = (x * (half_x - 0.1), y * (half_y - 0.15), 0.06)
                sketch.add("ellipsoid", (0.04, 0.04, 0.06), foot, "foot", metal)
    tap = half_y - 0.02
    path = [
        (0, tap, height),
        (0, tap, height + 0.14),
        (0, tap - 0.06, height + 0.17),
        (0, tap - 0.14, height + 0.13),
    ]
    sketch.tube(path, 0.014, "tap", metal)
    for x in (-0.09, 0.09):
        sketch.disc(0.024, height, height + 0.06, "tap", metal, at=(x, tap))


def sink(sketch: Sketch, dice: Dice) -> None:
    """Wash basin on a column or in a cupboard, tap at +y."""
    color, metal = dice.gray(0.92, 0.99), dice.gray(0.6, 0.85)
    radius, height = dice.between(0.2, 0.25), dice.between(0.8, 0.9)
    profile = [(0.35 * radius, height - 0.15), (0.8 * radius, height - 0.1), (radius, height)]
    sketch.vessel(profile, 0.01, "basin", color)
    sketch.disc(0.4 * radius, height - 0.16, height - 0.135, "basin", color)
    sketch.disc(0.022, height - 0.14, height - 0.13, "drain", metal)
    sketch.add("torus", (radius, 0.018), (0, 0, height), "rim", color)
    ledge = (0.8 * radius, 0.06, 0.03)
    sketch.box(ledge, (0, radius + 0.02, height - 0.02), "ledge", color, rounding=0.02)
    if dice.chance(0.5):
        column = [(0.42 * radius, 0.01), (0.3 * radius, 0.3), (0.4 * radius, height - 0.13)]
        sketch.vessel(column, 0.02, "column", color)
    else:
        wood = dice.wood() if dice.chance(0.6) else dice.gray(0.8, 0.97)
        half = (radius + 0.05, radius + 0.04, (height - 0.1) / 2)
        sketch.box(half, (0, 0.02, half[2]), "cupboard", wood, rounding=0.006)
        for x in (-1, 1):
            face = (half[0] / 2 - 0.004, 0.009, half[2] - 0.02)
            at = (x * half[0] / 2, 0.02 - half[1], half[2])
            sketch.box(face, at, "door", shade(wood, 1.08), rounding=0.004)
            knob = (x * 0.04, 0.0 - half[1], 1.3 * half[2])
            sketch.add("ellipsoid", (0.012, 0.012, 0.012), knob, "knob", metal)
    y = radius + 0.02
    path = [
        (0, y, height),
        (0, y, height + 0.15),
        (0, y - 0.05, height + 0.19),
        (0, y - 0.13, height + 0.16),
    ]
    sketch.tube(path, 0.013, "tap", metal)
    for x in (-1, 1):
        sketch.rod((x * 0.07, y, height), (x * 0.07, y, height + 0.05), 0.016, "tap", metal)
        ends = (x * 0.04, y, height + 0.05), (x * 0.1, y, height + 0.05)
        sketch.bar(*ends, 0.008, "tap", metal)


def toaster(sketch: Sketch, dice: Dice) -> None:
    """Toaster with two slots along x, lever at one end."""
    half_x, half_y, half_z = dice.between(0.13, 0.16), dice.between(0.075, 0.1), 0.09
    color = dice.gray(0.6, 0.85) if dice.chance(0.5) else dice.paint()
    dark = dice.dark()
    z = half_z + 0.01
    sketch.box((half_x, half_y, half_z), (0, 0, z), "body", color, rounding=0.035)
    base = (half_x - 0.01, half_y - 0.01, 0.012)
    sketch.box(base, (0, 0, 0.012), "base", dark, rounding=0.008)
    for y in (-0.4, 0.4):
        slot = (0.72 * half_x, 0.014, 0.004)
        sketch.box(slot, (0, y * half_y, 2 * half_z + 0.0075), "slot", (0.05, 0.05, 0.05))
        if dice.chance(0.5):
            bread = (0.055, 0.009, 0.03)
            at = (0, y * half_y, 2 * half_z + 0.02)
            sketch.box(bread, at, "bread", (0.75, 0.52, 0.28), rounding=0.008)
    lever = (0.014, 0.02, 0.008)
    sketch.box(lever, (half_x + 0.01, 0, 1.4 * half_z), "lever", dark, rounding=0.005)
    dial = (0.016, 0.008, 0.003)
    at = (half_x + 0.004, 0, 0.6 * half_z)
    sketch.add("cylinder", dial, at, "dial", dark, rotation=rotation_to(X))
    sketch.disc(0.006, 0.0, 0.02, "foot", dark, at=(0.0, 0.0))


def _blade_directions(count: int, turn_rad: float) -> np.ndarray:
    """Directions of the blades in the x-z plane, (count, 3)."""
    angles = turn_rad + np.arange(count) * (2 * np.pi / count)
    return np.stack([np.cos(angles), 0 * angles, np.sin(angles)], axis=1)


def fan(sketch: Sketch, dice: Dice) -> None:
    """Table or standing fan in its cage, blowing towards -y."""
    radius = dice.between(0.14, 0.21)
    tall = dice.chance(0.5)
    z = dice.between(1.0, 1.25) if tall else radius + dice.between(0.1, 0.16)
    color, wire = dice.gray(0.1, 0.95), dice.gray(0.6, 0.9)
    blade = dice.paint() if dice.chance(0.6) else dice.gray(0.4, 0.8)
    foot = 0.2 if tall else 0.7 * radius
    sketch.add("cylinder", (foot, 0.014, 0.008), (0, 0.03, 0.014), "foot", color)
    sketch.rod((0, 0.06, 0.02), (0, 0.06, z), 0.016, "pole", color)
    turn = rotation_to(Y)
    sketch.rod((0, -0.01, z), (0, 0.13, z), 0.05, "motor", color)
    for y in (-0.055, 0.035):
        sketch.add("torus", (radius, 0.004), (0, y, z), "cage", wire, rotation=turn)
        sketch.add("torus", (0.6 * radius, 0.0025), (0, y, z), "cage", wire, rotation=turn)
    sketch.add("torus", (radius + 0.002, 0.006), (0, -0.01, z), "cage", wire, rotation=turn)
    for ray in _blade_directions(20, 0.0):
        for y in (-0.055, 0.035):
            start = np.array([0, 1.15 * y, z])
            sketch.bar(start, radius * ray + [0, y, z], 0.0016, "cage", wire)
        sketch.bar(
            radius * ray + [0, -0.055, z], radius * ray + [0, 0.035, z], 0.0016, "cage", wire
        )
    sketch.rod((0, -0.07, z), (0, -0.05, z), 0.03, "cap", color)
    for ray in _blade_directions(4 if dice.chance(0.4) else 3, dice.between(0, 2)):
        tilted = rotation_to(ray, across=np.cross(ray, Y) + 0.5 * np.array(Y))
        half = (0.26 * radius, 0.0025, 0.36 * radius)
        sketch.box(half, 0.52 * radius * ray + [0, -0.01, z], "blade", blade, rotation=tilted)
