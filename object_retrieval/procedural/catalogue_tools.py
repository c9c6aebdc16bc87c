"""Recipes for tools: hammers, brooms, shovels, ladders, scissors, hair dryers. Sizes in metres.

Library only; everything stands on z = 0, long things upright.
"""

import numpy as np

from object_retrieval.procedural.catalogue_kit import (
    Color,
    Dice,
    Sketch,
    X,
    Y,
    rotation_to,
    shade,
    turn_about_x,
)


def hammer(sketch: Sketch, dice: Dice) -> None:
    """Claw hammer or mallet standing on its handle; the face towards -y."""
    length = dice.between(0.26, 0.36)
    mallet = dice.chance(0.3)
    shaft = dice.wood() if dice.chance(0.6) else dice.metal()
    steel = dice.gray(0.35, 0.7)
    sketch.rod((0, 0, 0.01), (0, 0, length), 0.011, "handle", shaft)
    grip = shaft if dice.chance(0.4) else dice.paint()
    sketch.bar((0, 0, 0.016), (0, 0, 0.4 * length), 0.0155, "grip", grip)
    top = length + 0.005
    if mallet:
        color = dice.dark() if dice.chance(0.6) else dice.wood()
        size = (0.03, dice.between(0.045, 0.06), 0.005)
        sketch.add("cylinder", size, (0, 0, top), "head", color, rotation=rotation_to(Y))
        return
    sketch.box((0.014, 0.022, 0.015), (0, 0, top), "head", steel, rounding=0.004)
    sketch.rod((0, -0.015, top), (0, -0.05, top), 0.0105, "head", steel)
    sketch.rod((0, -0.046, top), (0, -0.062, top), 0.0145, "face", steel)
    for x in (-1, 1):
        path = [
            (x * 0.006, 0.015, top),
            (x * 0.009, 0.045, top + 0.002),
            (x * 0.011, 0.068, top - 0.012),
            (x * 0.012, 0.082, top - 0.032),
        ]
        sketch.tube(path, 0.0058, "claw", steel)


def broom(sketch: Sketch, dice: Dice) -> None:
    """Push broom or house broom standing on its bristles."""
    length = dice.between(1.2, 1.5)
    color = dice.paint()
    stick = dice.wood() if dice.chance(0.6) else dice.metal()
    half_x = dice.between(0.13, 0.22)
    bristle = dice.between(0.07, 0.11)
    tone = dice.dark() if dice.chance(0.4) else dice.wood() if dice.chance(0.5) else dice.paint()
    half = (half_x, 0.026, 0.02)
    sketch.box(half, (0, 0, bristle + 0.015), "head", color, rounding=0.01)
    columns = 15
    for x in np.linspace(-0.94, 0.94, columns):
        for y in (-1, 0, 1):
            foot = (1.12 * x * half_x, 0.03 * y, 0.0)
            root = (x * half_x, 0.016 * y, bristle + 0.005)
            sketch.taper(foot, root, (0.01, 0.007), "bristle", shade(tone, 0.9 + 0.06 * y))
    lean = dice.between(0.0, 0.12) * length
    sketch.taper((0, 0, bristle + 0.02), (0, 0.01, bristle + 0.1), (0.022, 0.014), "socket", color)
    sketch.bar((0, 0, bristle + 0.03), (0, lean, length), 0.012, "handle", stick)
    sketch.bar((0, 0.9 * lean, 0.9 * length), (0, lean, length), 0.015, "grip", dice.dark())


def shovel(sketch: Sketch, dice: Dice) -> None:
    """Shovel standing on its blade, with a D or straight handle; hollow side to -y."""
    length, blade = dice.between(0.95, 1.4), dice.between(0.26, 0.32)
    half_x = dice.between(0.1, 0.14)
    steel = dice.gray(0.3, 0.7) if dice.chance(0.7) else dice.paint()
    wood = dice.wood() if dice.chance(0.7) else dice.paint()
    pointed = dice.chance(0.6)
    columns = 9
    for k in range(columns):
        x = (2 * k + 1 - columns) / columns
        low = 0.35 * blade * abs(x) ** 1.6 if pointed else 0.0
        half = (1.15 * half_x / columns, 0.0025, (blade - low) / 2)
        bend = rotation_to((0, 0, 1), across=(1, -0.5 * x, 0))
        at = (x * half_x, -0.035 * x * x, (blade + low) / 2)
        sketch.box(half, at, "blade", steel, rotation=bend)
    sketch.taper((0, 0.004, 0.6 * blade), (0, 0.01, blade + 0.12), (0.008, 0.02), "socket", steel)
    top = length - (0.1 if dice.chance(0.6) else 0.0)
    sketch.bar((0, 0.01, blade), (0, 0.03, top), 0.017, "shaft", wood)
    if top < length:
        grip = dice.dark() if dice.chance(0.6) else wood
        for x in (-1, 1):
            sketch.bar((0, 0.03, top - 0.01), (x * 0.055, 0.03, length - 0.02), 0.011, "grip", grip)
        ends = (-0.055, 0.03, length - 0.02), (0.055, 0.03, length - 0.02)
        sketch.bar(*ends, 0.016, "grip", grip)


def ladder(sketch: Sketch, dice: Dice) -> None:
    """Step ladder that stands open, or straight ladder that leans back."""
    metal = dice.gray(0.6, 0.85) if dice.chance(0.6) else dice.wood()
    step = dice.paint() if dice.chance(0.3) else metal
    if dice.chance(0.6):
        _step_ladder(sketch, dice, metal, step)
        return
    height, half_x = dice.between(2.0, 3.2), dice.between(0.18, 0.22)
    lean = 0.26 * height
    for x in (-1, 1):
        low, high = (x * half_x, -lean / 2, 0.01), (x * half_x, lean / 2, height)
        sketch.slab(low, high, (0.014, 0.03), "rail", metal)
    count = int(height / 0.28)
    for k in range(1, count):
        share = k / count
        y, z = lean * (share - 0.5), height * share
        sketch.rod((-half_x, y, z), (half_x, y, z), 0.014, "rung", step)


def _step_ladder(sketch: Sketch, dice: Dice, metal: Color, step: Color) -> None:
    steps = int(dice.between(3, 8))
    height = 0.24 * steps + 0.1
    low_x, top_x = 0.18 + 0.03 * steps, 0.16
    reach = 0.3 * height
    for x in (-1, 1):
        top = (x * top_x, 0.0, height)
        sketch.slab((x * low_x, -reach, 0.01), top, (0.014, 0.03), "rail", metal)
        back = (x * (low_x - 0.02), reach, 0.01), (x * (top_x - 0.01), 0.02, height - 0.02)
        sketch.slab(*back, (0.012, 0.02), "rear_leg", metal)
        for y in (-reach, reach):
            foot = (0.025, 0.035, 0.02)
            sketch.box(foot, (x * (low_x - 0.01), y, 0.02), "foot", dice.dark(), rounding=0.006)
    for k in range(1, steps + 1):
        share = 0.24 * k / height
        half_x = low_x + (top_x - low_x) * share
        tread = (half_x - 0.01, 0.045, 0.012)
        sketch.box(tread, (0, -reach * (1 - share), 0.24 * k), "step", step, rounding=0.006)
    cap = (top_x + 0.03, 0.07, 0.018)
    sketch.box(cap, (0, 0.005, height), "top", dice.paint(), rounding=0.01)
    for share in (0.3, 0.7):
        half_x = (low_x - 0.02) + (top_x - low_x) * share
        y, z = reach * (1 - share), height * share
        sketch.rod((-half_x, y, z), (half_x, y, z), 0.009, "brace", metal)


def scissors(sketch: Sketch, dice: Dice) -> None:
    """Scissors, somewhat open, standing on their handles; flat sides towards y."""
    blade, handle = dice.between(0.08, 0.13), dice.between(0.05, 0.07)
    steel = dice.gray(0.65, 0.85)
    color = dice.paint() if dice.chance(0.6) else dice.dark()
    opening = dice.between(0.12, 0.3)
    ring = dice.between(0.019, 0.024)
    pivot = np.array([0.0, 0.0, ring * 2 + handle])
    for side in (-1, 1):
        along = np.array([side * np.sin(opening), 0.0, np.cos(opening)])
        aside = np.array([0.0, side * 0.0016, 0.0])
        across = rotation_to(along)
        for k in range(6):
            low, high = blade * k / 6, blade * (k + 1) / 6
            half = (0.008 * (1 - 0.14 * k), 0.0014, (high - low) / 2 + 0.001)
            middle = pivot + aside + (low + high) / 2 * along
            sketch.box(half, middle, "blade", steel, rotation=across)
        tang = pivot - handle * along
        sketch.slab(tang + aside, pivot + aside + 0.01 * along, (0.006, 0.0022), "shank", color)
        center = tang - 0.9 * ring * along - side * np.array([0.35 * ring, 0, 0])
        turn = rotation_to(Y)
        sketch.add("torus", (ring, 0.0055), center, "handle", color, rotation=turn)
    screw = (0.005, 0.0045, 0.001)
    sketch.add("cylinder", screw, pivot, "screw", shade(steel, 0.7), rotation=rotation_to(Y))
    sketch.stand()


def hair_dryer(sketch: Sketch, dice: Dice) -> None:
    """Hair dryer standing on its handle, blowing towards -y."""
    color = dice.paint() if dice.chance(0.6) else dice.dark()
    trim = dice.dark() if dice.chance(0.6) else dice.metal()
    radius, length = dice.between(0.034, 0.042), dice.between(0.15, 0.2)
    height = dice.between(0.15, 0.19)
    back, front = 0.06, 0.06 - length
    turn = rotation_to(Y)
    sketch.taper((0, back, height), (0, front, height), (radius, 0.8 * radius), "barrel", color)
    size = (radius, 0.9 * radius, radius)
    sketch.add("ellipsoid", size, (0, back, height), "back", color)
    sketch.taper(
        (0, front + 0.01, height),
        (0, front - 0.04, height),
        (0.85 * radius, 0.6 * radius),
        "nozzle",
        trim,
    )
    for ring in (0.35, 0.55, 0.75):
        at = (0, back + 0.9 * radius * np.sqrt(1 - ring**2), height)
        sketch.add("torus", (ring * radius, 0.002), at, "grille", trim, rotation=turn)
    lean = turn_about_x(dice.between(-0.05, 0.15))
    half = (0.0165, 0.02, height / 2)
    sketch.box(half, (0, 0.018, height / 2), "handle", color, rounding=0.013, rotation=lean)
    for z in (0.55, 0.65):
        button = (0.008, 0.004, 0.008)
        sketch.box(button, (0, -0.004, z * height), "button", trim, rounding=0.003)
    sketch.add("ellipsoid", (0.009, 0.009, 0.012), (0, 0.02, 0.008), "cord", dice.dark())
    sketch.stand()


def toothbrush(sketch: Sketch, dice: Dice) -> None:
    """Toothbrush standing on its handle, bristles towards -y."""
    length = dice.between(0.17, 0.2)
    color, second = dice.paint(), dice.gray(0.85, 0.98)
    wide = dice.between(0.0055, 0.008)
    half = (wide, 0.0045, 0.3 * length)
    sketch.box(half, (0, 0, 0.3 * length), "handle", color, rounding=0.004)
    pad = (0.75 * wide, 0.0015, 0.18 * length)
    sketch.box(pad, (0, -0.004, 0.28 * length), "grip", second, rounding=0.001)
    sketch.bar((0, 0, 0.57 * length), (0, 0, 0.85 * length), 0.0032, "neck", color)
    head = (0.006, 0.0028, 0.075 * length)
    sketch.box(head, (0, 0, 0.925 * length), "head", color, rounding=0.0025)
    for z in np.linspace(0.868, 0.98, 8):
        tone = second if int(1000 * z) % 2 else dice.paint()
        for x in (-0.0036, 0.0, 0.0036):
            ends = (x, 0, z * length), (x, -0.0135, z * length)
            sketch.rod(*ends, 0.0013, "bristle", tone)


def flashlight(sketch: Sketch, dice: Dice) -> None:
    """Torch lying along y, lens towards -y."""
    radius, length = dice.between(0.012, 0.02), dice.between(0.11, 0.24)
    color = dice.dark() if dice.chance(0.6) else dice.paint()
    head = 1.6 * radius
    z = head
    sketch.rod((0, 0, z), (0, length, z), radius, "body", color)
    for k in range(5):
        at = (0, (0.3 + 0.1 * k) * length, z)
        ring = (radius, 0.0012)
        sketch.add("torus", ring, at, "grip", shade(color, 0.7), rotation=rotation_to(Y))
    sketch.taper((0, 0.01, z), (0, -0.03, z), (radius, head), "head", color)
    sketch.rod((0, -0.03, z), (0, -0.045, z), head, "head", color)
    sketch.rod((0, -0.04, z), (0, -0.0455, z), 0.85 * head, "lens", (0.95, 0.95, 0.75))
    sketch.rod((0, length - 0.002, z), (0, length + 0.012, z), 1.08 * radius, "cap", color)
    button = (0.006, 0.01, 0.003)
    sketch.box(button, (0, 0.2 * length, z + radius), "button", dice.paint(), rounding=0.002)
    sketch.add(
        "torus", (0.008, 0.0015), (0, length + 0.018, z), "loop", color, rotation=rotation_to(X)
    )
