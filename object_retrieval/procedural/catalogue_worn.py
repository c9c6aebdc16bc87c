"""Recipes for worn and carried things: hats, helmets, glasses, handbags, shoes. Sizes in metres.

Library only; the wearer faces -y, everything stands on z = 0.
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


def hat(sketch: Sketch, dice: Dice) -> None:
    """Hat with a round brim, or cap with a bill towards -y."""
    color = dice.fabric() if dice.chance(0.6) else dice.paint()
    radius, height = dice.between(0.09, 0.1), dice.between(0.1, 0.13)
    band = dice.paint() if dice.chance(0.6) else dice.dark()
    if dice.chance(0.6):
        brim = radius + dice.between(0.05, 0.13)
        droop = dice.between(0.004, 0.02)
        sketch.vessel([(brim, 0.004), (radius, 0.004 + droop)], 0.0025, "brim", color)
        low = 0.004 + droop
        crown = [(radius, low), (0.93 * radius, low + 0.7 * height), (0.8 * radius, low + height)]
        sketch.vessel(crown, 0.0025, "crown", color)
        top = low + height
        sketch.taper(
            (0, 0, top - 0.008), (0, 0, top + 0.004), (0.8 * radius, 0.7 * radius), "crown", color
        )
        ribbon = [(1.015 * radius, low + 0.004), (0.995 * radius, low + 0.03)]
        sketch.vessel(ribbon, 0.003, "band", band)
        return
    turns = np.linspace(0.04, 1.35, 7)
    dome = [(radius * np.cos(a), height * np.sin(a) + 0.004) for a in turns]
    sketch.vessel(dome, 0.0025, "crown", color)
    top = dome[-1][1]
    sketch.disc(1.1 * dome[-1][0], top - 0.002, top + 0.003, "crown", color)
    sketch.add("ellipsoid", (0.008, 0.008, 0.005), (0, 0, top + 0.003), "button", band)
    bill = shade(color, 0.8) if dice.chance(0.5) else band
    half = (0.8 * radius, dice.between(0.75, 0.9) * radius, 0.006)
    at = (0, -0.85 * radius, 0.004)
    sketch.add("ellipsoid", half, at, "bill", bill, rotation=turn_about_x(0.14))
    sketch.stand()


def helmet(sketch: Sketch, dice: Dice) -> None:
    """Bicycle helmet with ribs, or motorcycle helmet with a visor; the face towards -y."""
    color, dark = dice.paint(), dice.dark()
    if dice.chance(0.5):
        radius = dice.between(0.125, 0.14)
        z = radius
        size = (0.93 * radius, 1.05 * radius, radius)
        sketch.add("ellipsoid", size, (0, 0, z), "shell", color)
        sketch.disc(0.75 * radius, 0.0, 0.35 * radius, "rim", dark)
        tilt = turn_about_x(0.05)
        visor = (0.8 * radius, 0.5 * radius, 0.34 * radius)
        at = (0, -0.62 * radius, 1.12 * z)
        sketch.add("ellipsoid", visor, at, "visor", (0.06, 0.07, 0.09), rotation=tilt)
        chin = (0.78 * radius, 0.62 * radius, 0.34 * radius)
        sketch.add("ellipsoid", chin, (0, -0.45 * radius, 0.42 * radius), "chin", color)
        for x in (-1, 1):
            pivot = (x * 0.9 * radius, -0.2 * radius, 1.12 * z)
            size = (0.03, 0.012, 0.004)
            sketch.add("cylinder", size, pivot, "pivot", dark, rotation=rotation_to(X))
        stripe = (0.18 * radius, 1.06 * radius, 1.012 * radius)
        sketch.add("ellipsoid", stripe, (0, 0, z), "stripe", shade(color, 1.4))
        return
    half_x, half_y, rise = dice.between(0.09, 0.1), dice.between(0.125, 0.14), 0.13
    turns = np.linspace(0, np.pi, 13)
    for k in range(-3, 4):
        share = k / 3.6
        rib = np.sqrt(1 - share**2)
        path = [
            (share * half_x, half_y * rib * np.cos(a), 0.07 + rise * rib * np.sin(a)) for a in turns
        ]
        sketch.tube(path, 0.014, "rib", color)
    for share in (0.0, 0.45, 0.75):
        wide = np.sqrt(1 - share**2)
        ring = [
            (half_x * wide * np.cos(a), half_y * wide * np.sin(a), 0.07 + rise * share)
            for a in np.linspace(0, 2 * np.pi, 17)
        ]
        sketch.tube(ring, 0.015, "shell", color if share else shade(color, 0.6))
    for x in (-1, 1):
        for y in (-0.5, 0.4):
            ear, chin = (x * half_x * 0.85, y * half_y, 0.06), (0, -0.02, 0.004)
            joint = (x * 0.9 * half_x, -0.01, 0.03)
            sketch.tube([ear, joint, chin], 0.004, "strap", dark)


def glasses(sketch: Sketch, dice: Dice) -> None:
    """Spectacles or sunglasses, temples open towards +y."""
    color = dice.dark() if dice.chance(0.5) else dice.paint() if dice.chance(0.5) else dice.metal()
    lens: Color = (0.08, 0.08, 0.1) if dice.chance(0.5) else (0.75, 0.83, 0.88)
    radius, wire = dice.between(0.02, 0.026), dice.between(0.0015, 0.003)
    gap, length = dice.between(0.008, 0.011), dice.between(0.085, 0.105)
    z = radius + 0.01
    front = rotation_to(Y)
    for side in (-1, 1):
        center = np.array([side * (radius + gap), 0.0, z])
        sketch.add("torus", (radius, wire), center, "rim", color, rotation=front)
        sketch.add("cylinder", (radius, 0.001, 0), center, "lens", lens, rotation=front)
        hinge = moved(center, (side * (radius + 0.003), 0, 0.006))
        corner = moved(hinge, (side * 0.004, 0.006, 0))
        ear = moved(corner, (side * 0.002, length, 0))
        tip = moved(ear, (-side * 0.006, 0.04, -0.025))
        sketch.tube([hinge, corner, ear], 1.1 * wire, "temple", color)
        sketch.bar(ear, tip, 1.5 * wire, "temple", shade(color, 0.8))
        pad = (0.002, 0.004, 0.006)
        sketch.add("ellipsoid", pad, (side * gap, 0.006, z - 0.006), "nose_pad", (0.8, 0.8, 0.8))
    arch = [
        (0.9 * gap * np.cos(a), 0, z + 0.004 + 0.004 * np.sin(a)) for a in np.linspace(0, np.pi, 5)
    ]
    sketch.tube(arch, 1.2 * wire, "bridge", color)
    sketch.stand()


def handbag(sketch: Sketch, dice: Dice) -> None:
    """Handbag with a flap or open top, its handle arched above, front towards -y."""
    half_x, half_y = dice.between(0.12, 0.18), dice.between(0.04, 0.065)
    half_z = half_x * dice.between(0.62, 0.85)
    color = dice.paint() if dice.chance(0.6) else dice.dark() if dice.chance(0.5) else dice.fabric()
    trim, gold = shade(color, 0.65), (0.8, 0.65, 0.3)
    sketch.box((half_x, half_y, half_z), (0, 0, half_z), "body", color, rounding=0.03)
    sketch.box((0.95 * half_x, 0.9 * half_y, 0.006), (0, 0, 0.007), "base", trim, rounding=0.004)
    top = 2 * half_z
    if dice.chance(0.6):
        flap = (0.82 * half_x, 0.008, 0.45 * half_z)
        at = (0, -half_y, 1.53 * half_z)
        sketch.box(flap, at, "flap", trim, rounding=0.007)
        cover = (0.82 * half_x, 0.85 * half_y, 0.008)
        sketch.box(cover, (0, -0.15 * half_y, top), "flap", trim, rounding=0.007)
        clasp = (0.016, 0.005, 0.012)
        sketch.box(clasp, (0, -half_y - 0.008, 1.12 * half_z), "clasp", gold, rounding=0.004)
    rise, reach = dice.between(0.09, 0.2), 0.62 * half_x
    for y in (-0.35, 0.35) if dice.chance(0.5) else (0.0,):
        arch = [
            (reach * np.cos(a), y * half_y, top - 0.01 + rise * np.sin(a))
            for a in np.linspace(0, np.pi, 11)
        ]
        sketch.tube(arch, 0.0075, "handle", trim)
        for x in (-1, 1):
            ring = (0.011, 0.0025)
            at = (x * reach, y * half_y - 0.008, top - 0.012)
            sketch.add("torus", ring, at, "ring", gold, rotation=rotation_to(Y))


def shoe(sketch: Sketch, dice: Dice) -> None:
    """Sneaker or boot for the left foot, toe towards -y."""
    length = dice.between(0.25, 0.31)
    wide = 0.165 * length
    color, sole = dice.paint() if dice.chance(0.6) else dice.dark(), dice.gray(0.75, 0.98)
    boot = dice.chance(0.35)
    sole = dice.dark() if boot else sole
    thick = dice.between(0.011, 0.016)
    for y, half_y, half_x in ((0.25, 0.25, 0.85), (-0.12, 0.36, 1.0), (-0.05, 0.3, 0.9)):
        half = (half_x * wide, half_y * length, thick)
        sketch.box(half, (0, y * length, thick), "sole", sole, rounding=0.012)
    toe = (0.95 * wide, 0.25 * length, 0.036)
    sketch.add("ellipsoid", toe, (0, -0.24 * length, 0.03 + thick), "toe", color)
    middle = (0.8 * wide, 0.36 * length, 0.047)
    tilt = turn_about_x(0.3)
    at = (0, 0.06 * length, thick + 0.046)
    sketch.add("ellipsoid", middle, at, "upper", color, rotation=tilt)
    top = dice.between(0.17, 0.26) if boot else dice.between(0.085, 0.1)
    heel_y, heel = 0.27 * length, 0.78 * wide
    profile = [(heel, thick), (1.02 * heel, 0.4 * top), (heel, top)]
    sketch.vessel(profile, 0.006, "heel", color, at=(0, heel_y))
    collar = dice.dark() if dice.chance(0.5) else shade(color, 0.7)
    sketch.add("torus", (heel, 0.009), (0, heel_y, top), "collar", collar)
    sketch.disc(0.94 * heel, thick, 0.75 * top, "lining", collar, at=(0, heel_y))
    lace = dice.gray(0.8, 0.98)
    for k in range(4):
        y, z = -0.13 * length + 0.022 * k, 2 * thick + 0.058 + 0.011 * k
        for x in (-1, 1):
            sketch.bar((x * 0.022, y, z - 0.004), (-x * 0.022, y + 0.014, z), 0.0028, "lace", lace)
