"""Recipes for the kitchen: bowls, plates, glasses, knives, pans, teapots. Sizes in metres.

Library only; everything stands on z = 0.
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
)

GLASS: Color = (0.8, 0.88, 0.92)


def _ceramic(dice: Dice) -> Color:
    return dice.gray(0.8, 0.97) if dice.chance(0.5) else dice.paint()


def bowl(sketch: Sketch, dice: Dice) -> None:
    """Round bowl on a foot ring, plain or with a painted rim."""
    radius, height = dice.between(0.065, 0.13), dice.between(0.05, 0.085)
    color = dice.wood() if dice.chance(0.2) else _ceramic(dice)
    wall = 0.0025
    foot = 0.42 * radius
    sketch.vessel([(foot, 0.004), (0.95 * foot, 0.01)], wall, "foot", color)
    sketch.disc(0.5 * radius, 0.008, 0.014, "bottom", color)
    curve = [
        (radius * np.sin(a), height - (height - 0.012) * np.cos(a) ** 0.9)
        for a in np.linspace(0.45, 1.5, 6)
    ]
    sketch.vessel(curve, wall, "body", color)
    rim = dice.paint() if dice.chance(0.5) else color
    sketch.add("torus", (curve[-1][0], 1.4 * wall), (0, 0, curve[-1][1]), "rim", rim)


def plate(sketch: Sketch, dice: Dice) -> None:
    """Dinner or dessert plate with a raised rim."""
    radius = dice.between(0.085, 0.15)
    color = _ceramic(dice)
    rise = dice.between(0.015, 0.025)
    flat, wall = 0.66 * radius, 0.0022
    sketch.vessel([(0.6 * radius, 0.003), (0.59 * radius, 0.007)], wall, "foot", color)
    sketch.disc(flat, 0.005, 0.010, "well", shade(color, 0.97))
    bend = 0.72 * radius
    sketch.vessel([(flat, 0.0075), (bend, 0.0075 + 0.45 * rise)], wall, "rim", color)
    edge = [(bend, 0.0075 + 0.45 * rise), (radius, 0.0075 + rise)]
    sketch.vessel(edge, wall, "rim", color if dice.chance(0.5) else dice.paint())


def wine_glass(sketch: Sketch, dice: Dice) -> None:
    """Glass on a stem: round or tulip cup, sometimes with wine."""
    radius, cup = dice.between(0.03, 0.045), dice.between(0.07, 0.1)
    stem = dice.between(0.07, 0.1)
    foot = dice.between(0.03, 0.038)
    wall = 0.0012
    sketch.taper((0, 0, 0), (0, 0, 0.004), (foot, 0.97 * foot), "foot", GLASS)
    sketch.taper((0, 0, 0.003), (0, 0, 0.02), (0.5 * foot, 0.004), "foot", GLASS)
    sketch.rod((0, 0, 0.01), (0, 0, stem), 0.0036, "stem", GLASS)
    mouth = dice.between(0.7, 0.9)
    turns = np.linspace(0.12, 0.5 * np.pi, 6)
    curve = [(radius * np.sin(a), stem + 0.5 * cup * (1 - np.cos(a))) for a in turns]
    curve += [(0.5 * (1 + mouth) * radius, stem + 0.8 * cup), (mouth * radius, stem + cup)]
    sketch.disc(1.3 * curve[0][0], stem - 0.004, stem + 0.003, "cup", GLASS)
    sketch.vessel(curve, wall, "cup", GLASS)
    if dice.chance(0.7):
        wine: Color = (0.45, 0.04, 0.1) if dice.chance(0.6) else (0.9, 0.8, 0.4)
        size = (radius - 2 * wall, radius - 2 * wall, 0.45 * cup)
        sketch.add("ellipsoid", size, (0, 0, stem + 0.47 * cup), "wine", wine)


def knife(sketch: Sketch, dice: Dice) -> None:
    """Kitchen or table knife standing on its handle: edge towards -y, flat sides to x."""
    handle, blade = dice.between(0.1, 0.13), dice.between(0.11, 0.22)
    wide = dice.between(0.011, 0.024)
    steel: Color = dice.gray(0.7, 0.85)
    grip = dice.dark() if dice.chance(0.5) else dice.wood() if dice.chance(0.6) else steel
    half = (0.009, 0.013, handle / 2)
    sketch.box(half, (0, 0, handle / 2), "handle", grip, rounding=0.006)
    sketch.box((0.0095, 0.0135, 0.006), (0, 0, handle), "bolster", steel, rounding=0.003)
    for share in (0.25, 0.5, 0.75):
        rivet = (0.003, 0.0098, 0)
        at = (0, 0, share * handle)
        sketch.add("cylinder", rivet, at, "rivet", steel, rotation=rotation_to(X))
    straight = 0.72 * blade
    middle = (0, 0.013 - wide, handle + straight / 2)
    sketch.box((0.0014, wide, straight / 2), middle, "blade", steel)
    # The point: shorter boards side by side, the back being the longest.
    steps = 10
    for k in range(steps):
        y = 0.013 - 2 * wide * (k + 0.5) / steps
        tip = straight + (blade - straight) * np.sqrt(1 - ((k + 0.5) / steps) ** 2)
        center = (0, y, handle + (straight - 0.01 + tip) / 2)
        sketch.box((0.0014, wide / steps, (tip - straight + 0.01) / 2), center, "blade", steel)
    edge = (0, 0.013 - 2 * wide, handle + straight / 2)
    sketch.box((0.0004, 0.0015, straight / 2), edge, "edge", shade(steel, 1.2))


def frying_pan(sketch: Sketch, dice: Dice) -> None:
    """Pan with one long handle towards +y."""
    radius, height = dice.between(0.1, 0.16), dice.between(0.035, 0.065)
    color = dice.dark() if dice.chance(0.7) else dice.metal()
    inside = shade(color, 0.8) if dice.chance(0.7) else dice.paint()
    base = 0.82 * radius
    sketch.disc(base, 0.0, 0.006, "bottom", color)
    sketch.disc(base - 0.004, 0.004, 0.008, "inside", inside)
    profile = [(base, 0.004), (0.94 * radius, 0.55 * height), (radius, height)]
    sketch.vessel(profile, 0.0025, "wall", color)
    sketch.add("torus", (radius, 0.003), (0, 0, height), "rim", shade(color, 1.3))
    length, rise = dice.between(0.15, 0.2), dice.between(0.02, 0.05)
    root = np.array([0.0, radius - 0.005, height - 0.012])
    neck = moved(root, (0, 0.05, 0.35 * rise))
    end = moved(root, (0, length, rise))
    metal = dice.metal()
    sketch.slab(root, neck, (0.012, 0.005), "handle", metal)
    grip = dice.dark() if dice.chance(0.7) else dice.wood()
    sketch.slab(neck - (0, 0.01, 0), end, (0.014, 0.009), "handle", grip)
    sketch.add("torus", (0.009, 0.004), moved(end, (0, 0.008, 0)), "loop", metal)
    for x in (-0.012, 0.012):
        rivet = (x, radius - 0.006, height - 0.014)
        sketch.add("ellipsoid", (0.005, 0.005, 0.005), rivet, "rivet", metal)


def teapot(sketch: Sketch, dice: Dice) -> None:
    """Teapot: spout towards -y, handle at +y."""
    radius, squat = dice.between(0.065, 0.09), dice.between(0.75, 1.0)
    color = _ceramic(dice) if dice.chance(0.75) else dice.metal()
    lid = color if dice.chance(0.6) else shade(color, 0.8)
    tall = squat * radius
    middle = tall + 0.004
    sketch.disc(0.6 * radius, 0.0, 0.012, "foot", color)
    sketch.add("ellipsoid", (radius, radius, tall), (0, 0, middle), "body", color)
    top = middle + 0.88 * tall
    sketch.disc(0.47 * radius, top - 0.012, top + 0.006, "lid", lid)
    dome = (0.42 * radius, 0.42 * radius, 0.018)
    sketch.add("ellipsoid", dome, (0, 0, top + 0.006), "lid", lid)
    sketch.add("ellipsoid", (0.011, 0.011, 0.012), (0, 0, top + 0.03), "knob", lid)
    spout = [
        np.array([0, -0.8 * radius, 0.7 * middle]),
        np.array([0, -1.25 * radius, 0.95 * middle]),
        np.array([0, -1.45 * radius, 1.4 * middle]),
        np.array([0, -1.7 * radius, 1.75 * middle]),
    ]
    widths = (0.021, 0.015, 0.0115, 0.0095)
    for k in range(3):
        sketch.taper(spout[k], spout[k + 1], (widths[k], widths[k + 1]), "spout", color)
        sketch.add("ellipsoid", (widths[k + 1],) * 3, spout[k + 1], "spout", color)
    reach = dice.between(0.55, 0.75) * radius
    loop = [
        (0, 0.86 * radius + reach * np.sin(a), middle + 0.62 * tall * np.cos(a))
        for a in np.linspace(0, np.pi, 8)
    ]
    sketch.tube(loop, dice.between(0.006, 0.009), "handle", color if dice.chance(0.7) else lid)
    if dice.chance(0.4):
        band = (radius * 0.9975, 0.003)
        sketch.add("torus", band, (0, 0, middle), "band", dice.paint())


def fork(sketch: Sketch, dice: Dice) -> None:
    """Table fork standing on its handle, tines up, hollow side towards -y."""
    handle, neck = dice.between(0.1, 0.125), dice.between(0.015, 0.03)
    color = dice.gray(0.7, 0.88)
    grip = color if dice.chance(0.7) else dice.paint()
    half = (dice.between(0.006, 0.009), 0.0022, handle / 2)
    sketch.box(half, (0, 0, handle / 2), "handle", grip, rounding=0.002)
    sketch.bar((0, 0, handle - 0.01), (0, 0.002, handle + neck), 0.003, "neck", color)
    palm = handle + neck + 0.01
    sketch.box((0.0115, 0.0016, 0.013), (0, 0.0025, palm), "head", color, rounding=0.001)
    tines = 4 if dice.chance(0.7) else 3
    for x in np.linspace(-0.0098, 0.0098, tines):
        low, high = (x, 0.0025, palm + 0.01), (x, -0.004, palm + dice.between(0.05, 0.052))
        sketch.bar(low, high, 0.0016, "tine", color)


def spoon(sketch: Sketch, dice: Dice) -> None:
    """Table or cooking spoon standing on its handle, hollow side towards -y."""
    large = dice.chance(0.3)
    handle = dice.between(0.2, 0.26) if large else dice.between(0.1, 0.13)
    color = dice.wood() if large else dice.gray(0.7, 0.88)
    half = (0.008, 0.0055 if large else 0.0022, handle / 2)
    sketch.box(half, (0, 0, handle / 2), "handle", color, rounding=0.004)
    wide, tall = (0.03, 0.042) if large else (0.02, 0.03)
    size = (wide, 0.3 * wide, tall)
    center = np.array([0.0, 0.0, handle + 0.85 * tall])
    sketch.add("ellipsoid", size, center, "bowl", color)
    hollow = (0.82 * wide, 0.1 * wide, 0.82 * tall)
    at = center - np.array(Y) * 0.23 * wide
    sketch.add("ellipsoid", hollow, at, "hollow", shade(color, 0.6))
