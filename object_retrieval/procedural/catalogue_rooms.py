"""Recipes for rooms: doors, cabinets, bookshelves, armchairs, lamps, vases, bins. Sizes in metres.

Library only; everything stands on z = 0 with its front towards -y.
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
from object_retrieval.procedural.catalogue_seats import four_legs


def door(sketch: Sketch, dice: Dice) -> None:
    """Door in its frame, handles on both sides, panels or glass."""
    half_x, height = dice.between(0.36, 0.46), dice.between(1.95, 2.1)
    color = dice.wood() if dice.chance(0.5) else dice.gray(0.8, 0.97)
    color = dice.paint() if dice.chance(0.2) else color
    frame = shade(color, 0.8) if dice.chance(0.6) else dice.gray(0.85, 0.98)
    sketch.box((half_x, 0.02, height / 2), (0, 0, height / 2), "leaf", color, rounding=0.003)
    for x in (-1, 1):
        post = (0.045, 0.06, height / 2 + 0.02)
        sketch.box(post, (x * (half_x + 0.047), 0, post[2]), "frame", frame, rounding=0.006)
    top = (half_x + 0.092, 0.06, 0.045)
    sketch.box(top, (0, 0, height + 0.047), "frame", frame, rounding=0.006)
    rows = 3 if dice.chance(0.5) else 2
    glazed = dice.chance(0.3)
    for row in range(rows):
        low = 0.14 + (height - 0.26) * row / rows
        high = 0.14 + (height - 0.26) * (row + 1) / rows - 0.1
        for x in (-1, 1):
            glass = glazed and row == rows - 1
            tone: Color = (0.7, 0.82, 0.88) if glass else shade(color, 0.88)
            panel = (half_x / 2 - 0.06, 0.023, (high - low) / 2)
            at = (x * (half_x / 2 - 0.01), 0, (low + high) / 2)
            sketch.box(panel, at, "glass" if glass else "panel", tone, rounding=0.006)
    metal, side = dice.metal(), 1 if dice.chance(0.5) else -1
    x = side * (half_x - 0.06)
    for y in (-1, 1):
        sketch.box((0.02, 0.006, 0.09), (x, y * 0.023, 1.0), "plate", metal, rounding=0.004)
        sketch.rod((x, 0, 1.03), (x, y * 0.06, 1.03), 0.009, "handle", metal)
        sketch.bar((x, y * 0.06, 1.03), (x - side * 0.11, y * 0.06, 1.03), 0.01, "handle", metal)
    for z in (0.2, 0.5, 0.85):
        hinge = (-side * half_x, -0.026, z * height)
        sketch.disc(0.009, hinge[2] - 0.045, hinge[2] + 0.045, "hinge", metal, at=hinge[:2])


def cabinet(sketch: Sketch, dice: Dice) -> None:
    """Cupboard with doors, chest of drawers, or night stand."""
    style = dice.pick("doors", "drawers", "night")
    half_x, half_y = dice.between(0.4, 0.6), dice.between(0.2, 0.3)
    height, legs = dice.between(0.75, 1.3), dice.between(0.05, 0.14)
    if style == "doors" and dice.chance(0.5):
        height = dice.between(1.6, 2.0)
    if style == "night":
        half_x, half_y, height = dice.between(0.2, 0.27), 0.2, dice.between(0.45, 0.6)
    color = dice.wood() if dice.chance(0.7) else dice.gray(0.8, 0.97)
    front = shade(color, 1.1) if dice.chance(0.6) else dice.gray(0.7, 0.97)
    metal = dice.metal()
    four_legs(sketch, dice, half_x - 0.03, half_y - 0.03, legs + 0.01, shade(color, 0.8))
    half = (half_x, half_y, (height - legs) / 2)
    z = legs + half[2]
    sketch.box(half, (0, 0, z), "body", color, rounding=0.004)
    top = (half_x + 0.015, half_y + 0.012, 0.013)
    sketch.box(top, (0, -0.004, height), "top", color, rounding=0.006)
    if style == "doors":
        for x in (-1, 1):
            face = (half_x / 2 - 0.006, 0.009, half[2] - 0.02)
            sketch.box(face, (x * half_x / 2, -half_y - 0.004, z), "door", front, rounding=0.005)
            inset = (face[0] - 0.05, 0.005, face[2] - 0.06)
            at = (x * half_x / 2, -half_y - 0.011, z)
            sketch.box(inset, at, "door", shade(front, 0.92), rounding=0.004)
            grip = (x * 0.035, -half_y - 0.04)
            sketch.disc(0.008, z - 0.07, z + 0.07, "handle", metal, at=grip)
            for up in (-0.06, 0.06):
                post = (x * 0.035, -half_y, z + up), (x * 0.035, -half_y - 0.04, z + up)
                sketch.rod(*post, 0.006, "handle", metal)
        return
    rows = 2 if style == "night" else 4
    for row in range(rows):
        up = legs + 2 * half[2] * (row + 0.5) / rows
        face = (half_x - 0.012, 0.009, half[2] / rows - 0.008)
        sketch.box(face, (0, -half_y - 0.004, up), "drawer", front, rounding=0.005)
        for x in (-0.5, 0.5) if half_x > 0.3 else (0.0,):
            knob = (x * half_x, -half_y - 0.028, up)
            sketch.rod((knob[0], -half_y, up), knob, 0.006, "knob", metal)
            sketch.add("ellipsoid", (0.016, 0.013, 0.016), knob, "knob", metal)


def bookshelf(sketch: Sketch, dice: Dice) -> None:
    """Open shelf with a back wall and books."""
    half_x, half_y, height = dice.between(0.35, 0.5), dice.between(0.13, 0.18), 1.8
    height = dice.between(1.0, 2.0)
    color = dice.wood() if dice.chance(0.7) else dice.gray(0.2, 0.97)
    for x in (-1, 1):
        side = (0.011, half_y, height / 2)
        sketch.box(side, (x * (half_x - 0.011), 0, height / 2), "side", color, rounding=0.003)
    back = (half_x - 0.01, 0.005, height / 2 - 0.01)
    sketch.box(back, (0, half_y - 0.006, height / 2), "back", shade(color, 0.8))
    count = max(3, round(height / 0.36))
    for k in range(count + 1):
        z = 0.05 + (height - 0.065) * k / count
        sketch.box((half_x - 0.012, half_y - 0.003, 0.011), (0, 0, z), "shelf", color)
        if k == count:
            break
        x = -half_x + 0.03
        room = (height - 0.065) / count - 0.06
        end = half_x - (0.04 if dice.chance(0.4) else dice.between(0.1, 0.8) * half_x)
        while x < end - 0.04:
            thick, tall = dice.between(0.01, 0.025), dice.between(0.6, 0.98) * room
            deep = dice.between(0.08, 0.11)
            at = (x + thick, half_y - 0.02 - deep, z + 0.011 + tall / 2)
            sketch.box((thick - 0.0008, deep, tall / 2), at, "book", dice.paint())
            x += 2 * thick


def armchair(sketch: Sketch, dice: Dice) -> None:
    """Upholstered seat for one with a high back and two arms."""
    half_x, half_y = dice.between(0.36, 0.45), dice.between(0.36, 0.43)
    height, soft = dice.between(0.4, 0.47), dice.between(0.06, 0.085)
    legs, arm = dice.between(0.07, 0.16), dice.between(0.06, 0.1)
    fabric = dice.fabric() if dice.chance(0.7) else dice.wood()
    cushion = shade(fabric, dice.between(0.85, 1.25)) if dice.chance(0.7) else dice.fabric()
    four_legs(sketch, dice, half_x - 0.04, half_y - 0.04, legs + 0.02, dice.wood())
    base = (half_x, half_y, (height - 2 * soft - legs) / 2 + 0.01)
    sketch.box(base, (0, 0, legs + base[2]), "base", fabric, rounding=0.03)
    inner = half_x - 2 * arm
    seat = (inner - 0.004, half_y - 0.08, soft)
    sketch.box(seat, (0, -0.07, height - soft), "seat", cushion, rounding=0.04)
    tall, recline = dice.between(0.42, 0.62), dice.between(0.08, 0.25)
    turn = turn_about_x(-recline)
    up = turn @ (0.0, 0.0, 1.0)
    foot = np.array([0.0, half_y - 0.1, height - 0.12])
    middle = foot + (tall + 0.12) / 2 * up
    half = (half_x - 0.02, 0.075, (tall + 0.12) / 2)
    sketch.box(half, middle, "back", fabric, rounding=0.06, rotation=turn)
    pad = (inner, 0.05, tall / 2 - 0.05)
    at = foot + (0.17 + pad[2]) * up + turn @ (0.0, -0.07, 0.0)
    sketch.box(pad, at, "back", cushion, rounding=0.04, rotation=turn)
    wings = dice.chance(0.4)
    for x in (-1, 1):
        rise = dice.between(0.16, 0.2)
        side = (arm, half_y - 0.01, (height + rise - legs) / 2)
        at = (x * (half_x - arm), -0.01, legs + side[2])
        sketch.box(side, at, "arm", fabric, rounding=0.045)
        if wings:
            wing = (0.035, 0.12, 0.3 * tall)
            at = foot + (0.12 + 0.66 * tall) * up + (x * (half_x - 0.04), -0.12, 0)
            sketch.box(wing, at, "wing", fabric, rounding=0.03, rotation=turn)


def lamp(sketch: Sketch, dice: Dice) -> None:
    """Table or floor lamp with a cloth shade."""
    tall = dice.chance(0.5)
    height = dice.between(1.3, 1.7) if tall else dice.between(0.38, 0.62)
    low = dice.between(0.17, 0.24) if tall else dice.between(0.11, 0.17)
    high, deep = dice.between(0.55, 0.95) * low, dice.between(0.75, 1.2) * 0.9 * low
    metal = dice.metal() if dice.chance(0.6) else dice.wood()
    cloth = dice.gray(0.85, 0.98) if dice.chance(0.5) else dice.fabric()
    foot = dice.between(0.12, 0.16) if tall else dice.between(0.06, 0.085)
    size = (foot, 0.012, 0.006)
    sketch.add("cylinder", size, (0, 0, 0.012), "base", metal)
    top = height - 0.35 * deep
    sketch.rod((0, 0, 0.01), (0, 0, top), 0.01 if tall else 0.007, "pole", metal)
    if not tall:
        body = dice.paint() if dice.chance(0.6) else metal
        belly = (dice.between(0.05, 0.08), dice.between(0.09, 0.13))
        middle = 0.02 + belly[1]
        sketch.add("ellipsoid", (belly[0], belly[0], belly[1]), (0, 0, middle), "body", body)
    bottom = height - deep
    sketch.vessel([(low, bottom), (high, height)], 0.002, "shade", cloth)
    for wide, z in ((low, bottom), (high, height)):
        sketch.add("torus", (wide, 0.003), (0, 0, z), "shade", shade(cloth, 0.75))
    for angle in np.arange(3) * 2 * np.pi / 3:
        ray = 0.98 * high * np.array([np.cos(angle), np.sin(angle), 0.0])
        sketch.bar((0, 0, top), ray + np.array([0, 0, height - 0.004]), 0.002, "spider", metal)
    bulb = (0.03, 0.03, 0.045)
    sketch.add("ellipsoid", bulb, (0, 0, bottom + 0.4 * deep), "bulb", (1.0, 0.95, 0.7))


def vase(sketch: Sketch, dice: Dice) -> None:
    """Vase, empty or with flowers."""
    height, belly = dice.between(0.17, 0.36), dice.between(0.05, 0.1)
    color = dice.paint() if dice.chance(0.6) else dice.gray(0.6, 0.97)
    foot, neck = dice.between(0.5, 0.75) * belly, dice.between(0.3, 0.6) * belly
    mouth = neck * dice.between(1.1, 1.7)
    where = dice.between(0.3, 0.55)
    shares = np.linspace(0, 1, 11)
    radii = np.interp(shares, [0, where, 0.82, 1], [foot, belly, neck, mouth])
    # Smoothing three neighbours at a time turns the four straight pieces into a curve.
    for _ in range(3):
        radii[1:-1] = (radii[:-2] + 2 * radii[1:-1] + radii[2:]) / 4
    profile = [(float(r), 0.004 + float(s) * height) for r, s in zip(radii, shares, strict=True)]
    sketch.vessel(profile, 0.003, "body", color)
    sketch.disc(foot, 0.0, 0.008, "bottom", color)
    sketch.add("torus", (mouth, 0.004), (0, 0, height + 0.004), "rim", shade(color, 1.15))
    if dice.chance(0.4):
        band = dice.paint()
        at = int(11 * where)
        sketch.add("torus", (profile[at][0], 0.004), (0, 0, profile[at][1]), "band", band)
    if dice.chance(0.6):
        green: Color = (0.2, 0.45, 0.15)
        for angle in dice.between(0, 2) + np.arange(5) * 2 * np.pi / 5:
            ray = np.array([np.cos(angle), np.sin(angle), 0.0])
            length = dice.between(0.6, 0.95) * height
            tip = 0.45 * length * ray + np.array([0, 0, height + length])
            neck_point = 0.5 * neck * ray + np.array([0, 0, 0.85 * height])
            sketch.bar(neck_point, tip, 0.0025, "stem", green)
            bloom, leaf = dice.between(0.022, 0.032), (neck_point + tip) / 2
            sketch.add("ellipsoid", (bloom, bloom, 0.7 * bloom), tip, "flower", dice.paint())
            size = (0.013, 0.003, 0.035)
            sketch.add("ellipsoid", size, leaf, "leaf", green, rotation=rotation_to(tip - leaf))


def trash_can(sketch: Sketch, dice: Dice) -> None:
    """Pedal bin, office basket, or wheeled bin with its lid."""
    style = dice.pick("pedal", "basket", "wheeled")
    color = dice.paint() if dice.chance(0.5) else dice.metal()
    if style == "wheeled":
        _wheeled_bin(sketch, dice)
        return
    height, top = dice.between(0.27, 0.34), dice.between(0.12, 0.155)
    if style == "pedal":
        height, top = dice.between(0.35, 0.65), dice.between(0.13, 0.17)
        sketch.disc(top, 0.02, height, "body", color)
        sketch.disc(top + 0.004, 0.0, 0.025, "base", dice.dark())
        dome = (top + 0.003, top + 0.003, 0.05)
        sketch.disc(top + 0.005, height, height + 0.012, "lid", dice.dark())
        sketch.add("ellipsoid", dome, (0, 0, height + 0.01), "lid", shade(color, 0.92))
        pedal = (0.035, 0.03, 0.005)
        sketch.box(pedal, (0, -top - 0.02, 0.012), "pedal", dice.dark(), rounding=0.004)
        hinge = (0.04, 0.012, 0.02)
        sketch.box(hinge, (0, top + 0.005, height), "hinge", dice.dark(), rounding=0.006)
        return
    low = 0.75 * top
    sketch.vessel([(low, 0.006), (top, height)], 0.003, "body", color)
    sketch.disc(low, 0.0, 0.01, "bottom", color)
    sketch.add("torus", (top, 0.006), (0, 0, height), "rim", shade(color, 0.8))
    paper = dice.gray(0.85, 0.98)
    for _ in range(5):
        at = (dice.between(-0.5, 0.5) * low, dice.between(-0.5, 0.5) * low, 0.75 * height)
        size = [dice.between(0.03, 0.05) for _ in range(3)]
        sketch.add("ellipsoid", size, at, "litter", paper)


def _wheeled_bin(sketch: Sketch, dice: Dice) -> None:
    half_x, half_y, height = dice.between(0.24, 0.29), dice.between(0.25, 0.31), 1.0
    height = dice.between(0.9, 1.05)
    color: Color = dice.paint() if dice.chance(0.6) else dice.gray(0.15, 0.4)
    dark = dice.dark()
    rows = 5
    for k in range(rows):
        share = 0.8 + 0.2 * k / (rows - 1)
        half = (half_x * share, half_y * share, (height - 0.1) / (2 * rows) + 0.004)
        z = 0.05 + (height - 0.1) * (k + 0.5) / rows
        sketch.box(half, (0, 0.02 * (1 - share), z), "body", color, rounding=0.02)
    rim = (half_x + 0.02, half_y + 0.02, 0.02)
    sketch.box(rim, (0, 0, height - 0.06), "rim", color, rounding=0.012)
    lid = turn_about_x(0.06)
    half = (half_x + 0.015, half_y + 0.03, 0.022)
    sketch.box(
        half, (0, 0, height - 0.015), "lid", shade(color, 0.85), rounding=0.018, rotation=lid
    )
    back = half_y + 0.06
    ends = (-half_x + 0.04, back, height - 0.06), (half_x - 0.04, back, height - 0.06)
    sketch.bar(*ends, 0.014, "handle", color)
    for x in (-1, 1):
        root = (x * (half_x - 0.06), half_y, height - 0.06)
        sketch.bar(root, (x * (half_x - 0.06), back, height - 0.06), 0.012, "handle", color)
        sketch.wheel((x * half_x * 0.92, half_y * 0.85, 0.1), 0.1, 0.022, dark)
        hub = (x * half_x * 0.92, half_y * 0.85, 0.1)
        sketch.wheel(hub, 0.045, 0.025, color, part="hub")
    axle = (-half_x * 0.92, half_y * 0.85, 0.1), (half_x * 0.92, half_y * 0.85, 0.1)
    sketch.rod(*axle, 0.01, "axle", dice.metal())
    sketch.box((half_x * 0.7, 0.03, 0.03), (0, -half_y * 0.6, 0.03), "foot", color, rounding=0.01)


def potted_plant(sketch: Sketch, dice: Dice) -> None:
    """Plant in a pot: broad leaves or a small tree."""
    pot, height = dice.between(0.08, 0.16), dice.between(0.13, 0.26)
    color = (0.72, 0.38, 0.24) if dice.chance(0.5) else dice.paint()
    sketch.vessel([(0.72 * pot, 0.005), (pot, height)], 0.006, "pot", color)
    sketch.disc(0.72 * pot, 0.0, 0.012, "pot", color)
    sketch.vessel([(1.02 * pot, 0.8 * height), (1.06 * pot, height)], 0.007, "rim", color)
    sketch.disc(0.95 * pot, 0.8 * height, 0.88 * height, "soil", (0.2, 0.13, 0.08))
    green: Color = (dice.between(0.1, 0.3), dice.between(0.4, 0.6), dice.between(0.1, 0.25))
    if dice.chance(0.5):
        trunk = height + dice.between(0.25, 0.5)
        sketch.bar((0, 0, 0.8 * height), (0, 0, trunk), 0.015, "stem", (0.4, 0.28, 0.16))
        for _ in range(14):
            size = [dice.between(0.06, 0.11) for _ in range(3)]
            at = dice.rng.normal(size=3) * (0.11, 0.11, 0.08) + (0, 0, trunk + 0.08)
            sketch.add("ellipsoid", size, at, "leaves", shade(green, dice.between(0.8, 1.3)))
        return
    count = 13
    for k in range(count):
        angle, rise = k * 2.4, dice.between(0.3, 1.3)
        ray = np.array([np.cos(angle) * np.cos(rise), np.sin(angle) * np.cos(rise), np.sin(rise)])
        length = dice.between(0.16, 0.36)
        root = np.array([0, 0, 0.86 * height])
        tip = root + length * ray
        sketch.bar(root, tip, 0.004, "stem", shade(green, 0.8))
        turn = rotation_to(ray, across=np.cross(ray, Y if abs(ray[1]) < 0.9 else X))
        size = (0.25 * length, 0.004, 0.42 * length)
        tone = shade(green, dice.between(0.8, 1.25))
        sketch.add("ellipsoid", size, tip, "leaves", tone, rotation=turn)
