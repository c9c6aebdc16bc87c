"""Recipes for backpacks, suitcases and trolleys. Sizes in metres; carry handles run along x."""

import itertools

import numpy as np

from object_retrieval.procedural.catalogue_kit import (
    Color,
    Dice,
    Number,
    Sketch,
    X,
    rotation_to,
    shade,
)

UP = (0.0, 0.0, 1.0)
FRONT = (0.0, -1.0, 0.0)


def backpack(sketch: Sketch, dice: Dice) -> None:
    """Standing backpack: back panel and straps at -y (towards the wearer), pockets at +y."""
    half_x, half_y, half_z = (
        dice.between(0.135, 0.17),
        dice.between(0.07, 0.105),
        dice.between(0.2, 0.26),
    )
    color = dice.paint() if dice.chance(0.6) else dice.fabric() if dice.chance(0.6) else dice.dark()
    trim = dice.dark() if dice.chance(0.6) else shade(color, 0.6)
    height = 2 * half_z
    sketch.box((half_x, half_y, half_z), (0, 0, half_z), "body", color, rounding=0.06)
    pad = (half_x - 0.03, 0.01, half_z - 0.05)
    sketch.box(pad, (0, -half_y, half_z), "panel", trim, rounding=0.008)
    pocket_z = half_z * dice.between(0.42, 0.55)
    pocket = (half_x * 0.8, 0.04, pocket_z - 0.02)
    shell = shade(color, dice.between(0.75, 1.2))
    sketch.box(pocket, (0, half_y + 0.012, pocket_z), "pocket", shell, rounding=0.03)
    zip_z = 2 * pocket_z - 0.05
    sketch.box((half_x * 0.6, 0.004, 0.004), (0, half_y + 0.052, zip_z), "zip", dice.gray(0.7, 0.9))
    if dice.chance(0.5):
        lid = (half_x * 0.95, half_y + 0.008, 0.045)
        sketch.box(lid, (0, 0.012, height - 0.035), "lid", shell, rounding=0.035)
    if dice.chance(0.6):
        for x in (-1, 1):
            side = (0.02, half_y * 0.6, half_z * 0.32)
            center = (x * (half_x + 0.005), 0, half_z * 0.45)
            sketch.box(side, center, "pocket", trim, rounding=0.015)
    reach = dice.between(0.09, 0.12)
    for x in (-1.0, 1.0):
        path = [
            np.array([x * 0.08, -half_y + 0.005, height - 0.05]),
            np.array([x * 0.10, -half_y - 0.6 * reach, height - 0.01]),
            np.array([x * 0.115, -half_y - reach, height - 0.1]),
            np.array([x * 0.13, -half_y - reach, half_z * 0.75]),
            np.array([x * (half_x - 0.02), -half_y + 0.005, 0.06]),
        ]
        for start, end in itertools.pairwise(path):
            sketch.slab(start, end, (0.024, 0.006), "strap", trim)
    loop_y, rise = -half_y * 0.45, 0.045
    lift = height + 0.012 + rise
    for x in (-1, 1):
        sketch.bar(
            (x * 0.055, loop_y, height - 0.02), (x * 0.045, loop_y, lift), 0.009, "handle", trim
        )
    sketch.bar((-0.045, loop_y, lift), (0.045, loop_y, lift), 0.009, "handle", trim)
    sketch.handle("top_handle", (0, loop_y, lift), UP, 0.009, axis=X, half_length=0.04)
    extent = (half_x - 0.04, 0, half_z - 0.07)
    sketch.surface("back_panel", (0, -half_y - 0.01, half_z), FRONT, extent)


def suitcase(sketch: Sketch, dice: Dice) -> None:
    """Upright wheeled suitcase with its telescopic handle out and a carry handle on top."""
    half_x, half_y = dice.between(0.16, 0.24), dice.between(0.095, 0.14)
    wheel = dice.between(0.02, 0.028)
    bottom, top = 2 * wheel, dice.between(0.5, 0.7)
    color = dice.paint() if dice.chance(0.7) else dice.dark()
    trim, metal = dice.dark(), dice.metal()
    half_z = (top - bottom) / 2
    center_z = bottom + half_z
    sketch.box((half_x, half_y, half_z), (0, 0, center_z), "body", color, rounding=0.035)
    if dice.chance(0.65):
        count = 4 if dice.chance(0.5) else 3
        for k in range(count):
            x = half_x * 0.75 * (2 * k + 1 - count) / count
            rib = (0.012, half_y + 0.006, half_z * 0.85)
            sketch.box(rib, (x, 0, center_z), "rib", shade(color, 0.85), rounding=0.005)
    else:
        pocket = (half_x * 0.8, 0.015, half_z * 0.4)
        for z in (0.55, 1.45):
            at = (0, -half_y, bottom + z * half_z)
            sketch.box(pocket, at, "pocket", shade(color, 0.8), rounding=0.012)
    seam = (half_x + 0.003, 0.006, half_z + 0.003)
    sketch.box(seam, (0, 0, center_z), "seam", trim, rounding=0.03)
    for x in (-1, 1):
        for y in (-1, 1):
            at = (x * (half_x - 0.035), y * (half_y - 0.03), wheel)
            size = (wheel, 0.012, 0.004)
            sketch.add("cylinder", size, at, "wheel", trim, rotation=rotation_to(X))
            sketch.disc(0.012, wheel, bottom + 0.02, "wheel", trim, at=at[:2])
    pull, span, pull_y = dice.between(0.95, 1.05), 0.55 * half_x, 0.6 * half_y
    for x in (-1, 1):
        ends = (x * span, pull_y, top - 0.03), (x * span, pull_y, pull)
        sketch.rod(*ends, 0.008, "pull_handle", metal)
    sketch.bar((-span, pull_y, pull), (span, pull_y, pull), 0.014, "pull_handle", trim)
    sketch.handle("pull_handle", (0, pull_y, pull), UP, 0.014, axis=X, half_length=0.7 * span)
    grip, lift = 0.011, top + 0.042
    carry_y = -0.3 * half_y
    for x in (-1, 1):
        foot = (x * 0.075, carry_y, top - 0.01)
        sketch.bar(foot, (x * 0.06, carry_y, lift), grip, "side_handle", trim)
    sketch.bar((-0.06, carry_y, lift), (0.06, carry_y, lift), grip, "side_handle", trim)
    sketch.handle("side_handle", (0, carry_y, lift), UP, grip, axis=X, half_length=0.05)
    sketch.surface("top", (0, 0, top + 0.003), UP, (0.7 * half_x, 0.7 * half_y, 0))
    for side, name in ((1.0, "side_left"), (-1.0, "side_right")):
        point = (side * (half_x + 0.003), 0, center_z)
        sketch.surface(name, point, (side, 0, 0), (0, 0.6 * half_y, 0.6 * half_z))


def trolley(sketch: Sketch, dice: Dice) -> None:
    """Shopping cart, platform trolley or shelf cart, pushed from +y towards -y."""
    style = dice.pick("shopping", "shopping", "platform", "shelves")
    metal, accent = dice.metal(), dice.paint()
    half_x, half_y = dice.between(0.24, 0.3), dice.between(0.36, 0.46)
    bar_z, bar_radius = dice.between(0.9, 1.04), dice.between(0.012, 0.018)
    bar_y = half_y + dice.between(0.03, 0.1)
    if style == "shopping":
        _basket(sketch, dice, (half_x, half_y, bar_z), metal)
        bed = 0.2
    elif style == "platform":
        bed = dice.between(0.17, 0.22)
        color = dice.wood() if dice.chance(0.4) else accent
        sketch.box((half_x, half_y, 0.02), (0, 0, bed), "platform", color, rounding=0.015)
        _edge(sketch, half_x, -half_y + 0.02, bed, 0.02)
    else:
        bed = 0.2
        color = dice.metal() if dice.chance(0.5) else accent
        shelf = dice.between(0.72, 0.82)
        for z in (bed, (bed + shelf) / 2, shelf):
            sketch.box((half_x, half_y, 0.014), (0, 0, z), "shelf", color, rounding=0.008)
        for x in (-1, 1):
            for y in (-1, 1):
                at = (x * (half_x - 0.015), y * (half_y - 0.015))
                sketch.disc(0.014, bed - 0.03, shelf + 0.01, "frame", metal, at=at)
        _edge(sketch, half_x, -half_y + 0.014, shelf, 0.014)
    low = bed if style != "shelves" else 0.72
    for x in (-1, 1):
        start = (x * (half_x - 0.02), half_y - 0.03, low)
        sketch.bar(start, (x * (half_x - 0.01), bar_y, bar_z), bar_radius * 0.9, "frame", metal)
    ends = (-half_x + 0.01, bar_y, bar_z), (half_x - 0.01, bar_y, bar_z)
    sketch.bar(*ends, bar_radius, "push_bar", accent if style == "shopping" else metal)
    outward = (0.0, 0.6, 0.8)
    for x, name in ((0.62, "handle_left"), (-0.62, "handle_right")):
        center = (x * half_x, bar_y, bar_z)
        sketch.handle(name, center, outward, bar_radius, axis=X, half_length=0.08)
    _wheels(sketch, dice, half_x - 0.04, half_y - 0.06, bed - 0.02)


def _edge(sketch: Sketch, half_x: float, y: float, z: float, half_thick: float) -> None:
    center = (0, y, z)
    sketch.handle(
        "edge_front", center, FRONT, half_thick, axis=X, half_length=0.7 * half_x, kind="rim"
    )


def _wheels(sketch: Sketch, dice: Dice, x: float, y: float, below: float) -> None:
    radius = dice.between(0.05, 0.065)
    color = dice.dark()
    for side in (-1, 1):
        for end in (-1, 1):
            size = (radius, 0.014, 0.006)
            at = (side * x, end * y, radius)
            sketch.add("cylinder", size, at, "wheel", color, rotation=rotation_to(X))
            sketch.rod(at, (side * x, end * y, max(below, radius + 0.03)), 0.012, "wheel", color)


def _basket(sketch: Sketch, dice: Dice, size: tuple[float, float, float], metal: Color) -> None:
    """Open wire basket that narrows downwards and towards the front, on an inclined frame."""
    half_x, half_y, bar_z = size
    bottom, back_top, front_top = dice.between(0.42, 0.5), bar_z - 0.05, bar_z - 0.14
    wire = 0.0055

    def corner(x: Number, y: Number, up: Number) -> np.ndarray:
        """Point of the basket: x and y in -1..1, `up` 0 at the floor and 1 at the rim."""
        narrow = 1 - 0.12 * (1 - y) / 2 - 0.14 * (1 - up)
        rim = front_top + (back_top - front_top) * (y + 1) / 2
        return np.array(
            [x * half_x * narrow, y * half_y * (1 - 0.1 * (1 - up)), bottom + (rim - bottom) * up]
        )

    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    for up in (0.0, 0.5, 1.0):
        radius = 0.009 if up == 1.0 else wire
        loop = [corner(x, y, up) for x, y in (*corners, corners[0])]
        sketch.tube(loop, radius, "basket", metal)
    for share in (-1.0, -0.5, 0.0, 0.5, 1.0):
        for x in (-1, 1):
            sketch.bar(corner(x, share, 0), corner(x, share, 1), wire, "basket", metal)
    for share in (-0.4, 0.4):
        for y in (-1, 1):
            sketch.bar(corner(share, y, 0), corner(share, y, 1), wire, "basket", metal)
        sketch.bar(corner(share, -1, 0), corner(share, 1, 0), wire, "basket", metal)
    front = (corner(-1, -1, 1) + corner(1, -1, 1)) / 2
    sketch.handle("edge_front", front, FRONT, 0.009, axis=X, half_length=0.7 * half_x, kind="rim")
    for x in (-1, 1):
        rail_x = x * (half_x - 0.03)
        sketch.bar(
            (rail_x, half_y - 0.05, 0.17), (rail_x, -half_y + 0.06, 0.15), 0.014, "frame", metal
        )
        sketch.bar(corner(x, -0.2, 0), (rail_x, half_y - 0.05, 0.17), 0.012, "frame", metal)
    sketch.box((half_x - 0.05, half_y * 0.7, 0.006), (0, 0, 0.17), "frame", metal)
    seat = dice.paint()
    center = corner(0, 0.93, 0.75)
    flap = (half_x * 0.8, 0.008, 0.06)
    sketch.box(flap, center, "flap", seat, rounding=0.006, rotation=rotation_to(UP, across=X))
