"""Recipes for the street: cars, motorcycles, hydrants, cones, mailboxes, signs. Sizes in metres.

Library only; everything stands on z = 0, vehicles drive towards -y.
"""

import numpy as np

from object_retrieval.procedural.catalogue_kit import (
    Color,
    Dice,
    Sketch,
    X,
    Y,
    moved,
    rotation_to,
    shade,
    turn_about_x,
)

WINDOW: Color = (0.12, 0.16, 0.2)
LIGHT: Color = (0.95, 0.95, 0.8)
RED: Color = (0.75, 0.06, 0.05)


def car(sketch: Sketch, dice: Dice) -> None:
    """Saloon, hatchback or van."""
    style = dice.pick("saloon", "hatchback", "van")
    half_y = {"saloon": 2.3, "hatchback": 2.0, "van": 2.35}[style] * dice.between(0.96, 1.04)
    half_x, belt = dice.between(0.86, 0.92), dice.between(0.88, 0.95)
    roof = dice.between(1.75, 1.95) if style == "van" else dice.between(1.42, 1.52)
    color = dice.paint() if dice.chance(0.6) else dice.gray(0.1, 0.95)
    radius = dice.between(0.3, 0.34)
    low = 0.2
    half = (half_x, half_y, (belt - low) / 2)
    sketch.box(half, (0, 0, (belt + low) / 2), "body", color, rounding=0.14)
    cabin = {"saloon": (-0.75, 1.15), "hatchback": (-0.7, 1.8), "van": (-1.35, 2.1)}[style]
    start, end = (value * half_y / 2.2 for value in cabin)
    rise, inset = roof - belt, half_x - 0.1
    for lean, y in ((-0.55, start + 0.2), (0.35 if style == "saloon" else 0.12, end - 0.24)):
        glass = (inset, 0.2, rise / 2 / np.cos(lean) - 0.01)
        at = (0, y + 0.12 * np.sign(lean) * -1, belt + rise / 2 - 0.05)
        turn = turn_about_x(lean)
        sketch.box(glass, at, "window", WINDOW, rounding=0.06, rotation=turn)
    middle = (start + end) / 2
    half = (inset, (end - start) / 2 - 0.28, rise / 2 + 0.03)
    sketch.box(half, (0, middle + 0.05, belt + half[2] - 0.07), "window", WINDOW, rounding=0.08)
    cover = (inset + 0.01, (end - start) / 2 - 0.2, 0.04)
    sketch.box(cover, (0, middle + 0.07, roof - 0.02), "roof", color, rounding=0.03)
    for x in (-1, 1):
        for share in (0.32, 0.62):
            y = start + share * (end - start) + 0.12
            ends = (x * (inset + 0.006), y, belt - 0.03), (x * (inset - 0.01), y, roof - 0.03)
            sketch.bar(*ends, 0.035, "pillar", color)
        _car_side(sketch, dice, x, (half_x, half_y, belt), (start, end), color, radius)
    bumper = (half_x - 0.05, 0.1, 0.09)
    for y in (-1, 1):
        at = (0, y * (half_y - 0.06), 0.36)
        sketch.box(bumper, at, "bumper", shade(color, 0.6), rounding=0.06)
        plate = (0.26, 0.01, 0.055)
        at = (0, y * (half_y + 0.04), 0.42)
        sketch.box(plate, at, "plate", dice.gray(0.9, 0.98), rounding=0.004)
    grille = (0.4, 0.02, 0.07)
    sketch.box(grille, (0, -half_y + 0.01, 0.62), "grille", dice.dark(), rounding=0.01)


def _car_side(
    sketch: Sketch,
    dice: Dice,
    x: int,
    half: tuple[float, float, float],
    cabin: tuple[float, float],
    color: Color,
    radius: float,
) -> None:
    half_x, half_y, belt = half
    for y in (-0.6 * half_y, 0.62 * half_y):
        arch = (x * (half_x - 0.09), y, radius + 0.06)
        sketch.wheel(arch, radius + 0.06, 0.1, (0.04, 0.04, 0.04), part="wheel_arch")
        hub = (x * (half_x - 0.1), y, radius)
        sketch.wheel(hub, radius, 0.12, dice.dark())
        sketch.wheel(hub, 0.62 * radius, 0.126, (0.7, 0.7, 0.72), part="rim")
        for angle in np.arange(5) * 2 * np.pi / 5:
            ray = np.array([0, np.cos(angle), np.sin(angle)])
            spoke = np.array(moved(hub, (x * 0.122, 0, 0)))
            sketch.bar(spoke, spoke + 0.5 * radius * ray, 0.02, "rim", (0.4, 0.4, 0.42))
    mirror = (x * (half_x + 0.07), cabin[0] + 0.5, belt + 0.07)
    sketch.add("ellipsoid", (0.1, 0.06, 0.07), mirror, "mirror", color)
    for share in (0.46, 0.76):
        y = cabin[0] + share * (cabin[1] - cabin[0]) + 0.12
        grip = (0.015, 0.09, 0.015)
        sketch.box(grip, (x * (half_x + 0.005), y, belt - 0.12), "handle", shade(color, 0.5))
    for y, tone, part in ((-1, LIGHT, "headlight"), (1, RED, "tail_light")):
        size = (0.17, 0.06, 0.08)
        at = (x * (half_x - 0.24), y * (half_y - 0.025), 0.68)
        sketch.add("ellipsoid", size, at, part, tone)


def motorcycle(sketch: Sketch, dice: Dice) -> None:
    """Motorcycle: tank, seat, engine, handlebar, exhaust."""
    radius, tyre = dice.between(0.29, 0.33), dice.between(0.055, 0.07)
    color, metal, dark = dice.paint(), dice.gray(0.55, 0.8), dice.dark()
    reach = dice.between(0.68, 0.82)
    front, rear = np.array([0, -reach, radius]), np.array([0, dice.between(0.62, 0.78), radius])
    turn = rotation_to(X)
    for hub in (front, rear):
        sketch.add("torus", (radius - tyre, tyre), hub, "tyre", dark, rotation=turn)
        sketch.wheel(hub, radius - 1.6 * tyre, 0.03, metal, part="rim")
        sketch.wheel(hub, 0.08, 0.07, metal, part="hub")
    seat_z = dice.between(0.74, 0.82)
    head = np.array([0, -0.42, seat_z + 0.14])
    for x in (-1, 1):
        side = np.array([x * 0.09, 0, 0])
        sketch.bar(front + side, head + side, 0.022, "fork", metal)
        sketch.bar(rear + side, (x * 0.09, 0.1, radius + 0.08), 0.022, "frame", dark)
        sketch.bar(rear + side * 1.2, (x * 0.1, 0.42, seat_z - 0.06), 0.02, "shock", metal)
    sketch.bar(head - (0.09, 0, 0), moved(head, (0.09, 0, 0)), 0.025, "fork", metal)
    for start, end in (
        (head, (0, 0.5, seat_z - 0.08)),
        (head, (0, -0.25, 0.28)),
        ((0, -0.25, 0.28), (0, 0.28, 0.28)),
        ((0, 0.28, 0.28), (0, 0.42, seat_z - 0.1)),
    ):
        sketch.bar(start, end, 0.024, "frame", dark)
    tank = (0.14, 0.27, 0.13)
    lean = turn_about_x(-0.1)
    sketch.add("ellipsoid", tank, (0, -0.17, seat_z + 0.05), "tank", color, rotation=lean)
    sketch.box((0.13, 0.3, 0.05), (0, 0.3, seat_z - 0.03), "seat", dark, rounding=0.045)
    tail = (0.09, 0.17, 0.06)
    sketch.add("ellipsoid", tail, (0, 0.62, seat_z + 0.01), "tail", color)
    sketch.box((0.14, 0.19, 0.15), (0, 0.02, 0.4), "engine", metal, rounding=0.03)
    for k in range(4):
        fin = (0.12, 0.11, 0.008)
        sketch.box(fin, (0, -0.03, 0.54 + 0.03 * k), "engine", shade(metal, 0.75))
    pipe = [(0.12, -0.1, 0.5), (0.14, -0.2, 0.34), (0.15, 0.05, 0.24), (0.16, 0.3, 0.27)]
    sketch.tube(pipe, 0.024, "exhaust", metal)
    sketch.taper(pipe[-1], (0.17, 0.85, 0.38), (0.035, 0.05), "exhaust", metal)
    for y, tilt in ((-reach, 0.0), (rear[1], -0.35)):
        guard = (0.07, 0.2, 0.012)
        at = (0, y, 2 * radius + 0.025)
        sketch.box(guard, at, "fender", color, rounding=0.01, rotation=turn_about_x(tilt))
    _cockpit(sketch, dice, head, metal, dark)


def _cockpit(sketch: Sketch, dice: Dice, head: np.ndarray, metal: Color, dark: Color) -> None:
    """Handlebar, lamps, mirrors and footpegs of a motorcycle."""
    lamp = moved(head, (0, -0.12, 0.0))
    sketch.add("ellipsoid", (0.1, 0.09, 0.1), lamp, "headlight", dark)
    sketch.add("ellipsoid", (0.085, 0.03, 0.085), moved(lamp, (0, -0.07, 0)), "headlight", LIGHT)
    high, wide = dice.between(0.08, 0.2), dice.between(0.33, 0.4)
    stem = moved(head, (0, 0.03, 0.03))
    for x in (-1, 1):
        bend = moved(stem, (x * 0.15, 0, high))
        end = moved(bend, (x * (wide - 0.15), 0.12, -0.02))
        sketch.bar(stem, bend, 0.013, "handlebar", metal)
        sketch.bar(bend, end, 0.013, "handlebar", metal)
        grip = end - 0.12 * (end - bend) / np.linalg.norm(end - bend)
        sketch.bar(grip, end, 0.019, "grip", dark)
        mirror = moved(grip, (x * 0.04, -0.05, 0.17))
        sketch.bar(moved(grip, (0, -0.02, 0)), mirror, 0.006, "mirror", dark)
        sketch.add("ellipsoid", (0.055, 0.012, 0.035), mirror, "mirror", dark)
        peg = (x * 0.1, 0.12, 0.32), (x * 0.24, 0.12, 0.32)
        sketch.bar(*peg, 0.014, "footpeg", dark)
    sketch.bar((-0.1, 0.05, 0.26), (-0.22, 0.12, 0.012), 0.012, "kickstand", metal)
    sketch.add("ellipsoid", (0.05, 0.02, 0.03), (0, 0.79, head[2] - 0.12), "tail_light", RED)


def fire_hydrant(sketch: Sketch, dice: Dice) -> None:
    """Hydrant with two side nozzles along x and one towards -y."""
    radius, height = dice.between(0.1, 0.125), dice.between(0.55, 0.75)
    color = RED if dice.chance(0.5) else dice.paint()
    trim = color if dice.chance(0.4) else dice.gray(0.6, 0.95)
    dome = 0.75 * height
    sketch.disc(1.5 * radius, 0.0, 0.035, "flange", color)
    sketch.disc(radius, 0.02, dome, "barrel", color)
    sketch.disc(1.35 * radius, 0.28 * height, 0.32 * height, "flange", color)
    sketch.disc(1.3 * radius, dome - 0.03, dome + 0.01, "flange", color)
    sketch.add(
        "ellipsoid", (1.12 * radius, 1.12 * radius, 0.19 * height), (0, 0, dome), "bonnet", color
    )
    sketch.disc(0.03, dome + 0.15 * height, height + 0.01, "nut", trim)
    for angle in np.arange(8) * np.pi / 4:
        at = (1.3 * radius * np.cos(angle), 1.3 * radius * np.sin(angle))
        sketch.disc(0.012, 0.02, 0.055, "bolt", trim, at=at)
    z = 0.58 * height
    for axis, reach, wide in ((X, 1.7, 0.045), ((-1, 0, 0), 1.7, 0.045), ((0, -1, 0), 1.8, 0.062)):
        ray = np.array(axis, dtype=float)
        root, end = np.array([0, 0, z]), np.array([0, 0, z]) + reach * radius * ray
        sketch.rod(root, end, wide, "nozzle", color)
        sketch.rod(end - 0.035 * ray, end + 0.008 * ray, 1.3 * wide, "cap", trim)
        sketch.rod(end, end + 0.03 * ray, 0.35 * wide, "cap", trim)


def traffic_cone(sketch: Sketch, dice: Dice) -> None:
    """Cone on a square foot with white bands."""
    height = dice.between(0.3, 0.75)
    low, high = dice.between(0.17, 0.22) * height, 0.035 * height
    color: Color = (0.95, dice.between(0.3, 0.45), 0.08)
    foot = 1.45 * low
    dark = dice.dark() if dice.chance(0.5) else color
    sketch.box((foot, foot, 0.016), (0, 0, 0.016), "base", dark, rounding=0.01)
    sketch.taper((0, 0, 0.02), (0, 0, height), (low, high), "cone", color)
    for start, end in ((0.35, 0.52), (0.65, 0.8)) if dice.chance(0.7) else ((0.45, 0.7),):
        wide = [low + (high - low) * share + 0.0015 for share in (start, end)]
        ends = (0, 0, start * height + 0.01), (0, 0, end * height + 0.01)
        sketch.taper(*ends, (wide[0] + 0.001, wide[1] + 0.001), "band", dice.gray(0.9, 0.99))
    sketch.add("torus", (high, 0.004), (0, 0, height), "tip", color)
    sketch.disc(0.8 * high, height - 0.01, height + 0.001, "hole", (0.1, 0.05, 0.02))


def mailbox(sketch: Sketch, dice: Dice) -> None:
    """Letter box with a round top on a post, flap towards -y, flag at its side."""
    half_x, half_y = dice.between(0.08, 0.1), dice.between(0.22, 0.27)
    post, wall = dice.between(0.95, 1.1), dice.between(0.09, 0.12)
    color = dice.gray(0.1, 0.95) if dice.chance(0.6) else dice.paint()
    wood = dice.wood()
    sketch.box((0.045, 0.045, post / 2), (0, 0.05, post / 2), "post", wood, rounding=0.006)
    sketch.box((0.06, half_y * 0.8, 0.02), (0, 0, post), "post", wood, rounding=0.006)
    low = post + 0.02
    half = (half_x, half_y, wall / 2)
    sketch.box(half, (0, 0, low + wall / 2), "body", color, rounding=0.004)
    size = (half_x, half_y, 0.004)
    turn = rotation_to(Y)
    sketch.add("cylinder", size, (0, 0, low + wall), "body", color, rotation=turn)
    front = -half_y - 0.004
    rim = shade(color, 0.75)
    flap = (half_x + 0.004, 0.006, wall / 2)
    sketch.box(flap, (0, front, low + wall / 2), "door", rim, rounding=0.003)
    disc = (half_x + 0.004, 0.006, 0.002)
    sketch.add("cylinder", disc, (0, front, low + wall), "door", rim, rotation=turn)
    knob = (0.015, 0.012, 0.008)
    sketch.box(knob, (0, front - 0.012, low + wall + 0.55 * half_x), "handle", dice.metal())
    x = half_x + 0.006
    arm = (0.003, 0.008, 0.09)
    sketch.box(arm, (x, -0.3 * half_y, low + wall + 0.04), "flag", RED)
    sketch.box((0.003, 0.045, 0.025), (x, -0.3 * half_y + 0.045, low + wall + 0.11), "flag", RED)
    sketch.add(
        "ellipsoid",
        (0.008, 0.012, 0.012),
        (x, -0.3 * half_y, low + 0.6 * wall),
        "flag",
        dice.metal(),
    )
