"""Recipes for the desk and for music: monitors, keyboards, phones, books, clocks, pianos, drums.

Library only; sizes in metres, everything stands on z = 0.
"""

import itertools

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

DARK_SCREEN: Color = (0.05, 0.07, 0.1)


def monitor(sketch: Sketch, dice: Dice) -> None:
    """Computer monitor or television on its foot, screen towards -y."""
    half_x = dice.between(0.24, 0.36) if dice.chance(0.6) else dice.between(0.45, 0.7)
    half_z = half_x * dice.between(0.56, 0.64)
    color = dice.dark() if dice.chance(0.7) else dice.metal()
    large = half_x > 0.4
    lift = 0.06 if large else dice.between(0.1, 0.16)
    z = lift + half_z
    sketch.box((half_x, 0.016, half_z), (0, 0, z), "case", color, rounding=0.006)
    bump = (0.55 * half_x, 0.02, 0.5 * half_z)
    sketch.box(bump, (0, 0.022, z), "case", shade(color, 0.85), rounding=0.015)
    glow = DARK_SCREEN if dice.chance(0.5) else shade(dice.paint(), 0.9)
    edge = 0.012
    half = (half_x - edge, 0.001, half_z - edge)
    sketch.box(half, (0, -0.016, z + 0.002), "screen", glow)
    if large:
        for x in (-0.7, 0.7):
            for y in (-1, 1):
                foot = (x * half_x, 0.12 * y, 0.008)
                sketch.bar((x * half_x, 0, lift + 0.01), foot, 0.008, "foot", color)
    else:
        half = (0.03, 0.01, (z - 0.01) / 2)
        sketch.box(half, (0, 0.04, half[2] + 0.005), "neck", color, rounding=0.006)
        if dice.chance(0.5):
            size = (0.11, 0.008, 0.004)
            sketch.add("cylinder", size, (0, 0.02, 0.008), "foot", color)
        else:
            sketch.box((0.12, 0.09, 0.007), (0, 0.02, 0.007), "foot", color, rounding=0.005)
    for k in range(4):
        at = (half_x - 0.03 - 0.016 * k, -0.014, z - half_z + 0.001)
        sketch.box((0.005, 0.003, 0.002), at, "button", shade(color, 1.6), rounding=0.001)


def keyboard(sketch: Sketch, dice: Dice) -> None:
    """Computer keyboard lying flat, space bar towards -y, sometimes with a number block."""
    columns = 18 if dice.chance(0.5) else 14
    pitch = dice.between(0.0178, 0.0192)
    half_x, half_y = columns * pitch / 2 + 0.006, 2.5 * pitch + 0.007
    color = dice.dark() if dice.chance(0.6) else dice.gray(0.8, 0.95)
    keys = shade(color, 1.8) if color[0] < 0.3 else shade(color, 0.85)
    if dice.chance(0.2):
        keys = dice.paint()
    sketch.box((half_x, half_y, 0.007), (0, 0, 0.007), "case", color, rounding=0.005)
    for row in range(5):
        y = (row - 2) * pitch
        for column in range(columns):
            if row == 0 and 4 <= column < 9:
                continue
            x = (column + 0.5 - columns / 2) * pitch
            key = (0.43 * pitch, 0.43 * pitch, 0.004)
            sketch.box(key, (x, y, 0.016), "key", keys)
    x = (6.5 - columns / 2) * pitch
    bar = (2.43 * pitch, 0.43 * pitch, 0.004)
    sketch.box(bar, (x, -2 * pitch, 0.016), "space_bar", keys, rounding=0.001)


def cell_phone(sketch: Sketch, dice: Dice) -> None:
    """Phone standing upright, screen towards -y."""
    half_x, half_z = dice.between(0.032, 0.039), dice.between(0.068, 0.083)
    half_y = dice.between(0.0035, 0.005)
    color = dice.dark() if dice.chance(0.5) else dice.paint()
    z = half_z
    sketch.box((half_x, half_y, half_z), (0, 0, z), "body", color, rounding=0.004)
    glow = DARK_SCREEN if dice.chance(0.5) else shade(dice.paint(), 0.9)
    face = (half_x - 0.002, 0.0006, half_z - 0.002)
    sketch.box(face, (0, -half_y, z), "screen", glow)
    island = (0.014, 0.0015, 0.016)
    at = np.array([half_x - 0.018, half_y + 0.0005, 2 * half_z - 0.022])
    sketch.box(island, at, "camera", shade(color, 0.8), rounding=0.001)
    for x, up in ((-0.006, 0.007), (-0.006, -0.007), (0.006, 0)):
        lens = (0.0048, 0.0012, 0)
        place = moved(at, (x, 0.0018, up))
        sketch.add("cylinder", lens, place, "camera", DARK_SCREEN, rotation=rotation_to(Y))
    for up in (0.3, 0.5, 0.75):
        button = (0.0012, 0.0015, 0.006)
        side = 1 if up > 0.6 else -1
        at = (side * half_x, 0, 2 * half_z * (0.5 + 0.4 * up))
        sketch.box(button, at, "button", shade(color, 0.7), rounding=0.0008)


def book(sketch: Sketch, dice: Dice) -> None:
    """Closed book standing upright or open book lying flat; the spine towards -y."""
    half_x, half_y = dice.between(0.008, 0.026), dice.between(0.06, 0.11)
    half_z = half_y * dice.between(1.3, 1.5)
    cover, paper = dice.paint(), dice.gray(0.88, 0.98)
    if dice.chance(0.5):
        inner = (half_x - 0.002, half_y - 0.003, half_z - 0.003)
        sketch.box(inner, (0, 0.002, half_z), "pages", paper, rounding=0.001)
        for x in (-1, 1):
            board = (0.0016, half_y, half_z)
            at = (x * (half_x - 0.0016), 0, half_z)
            sketch.box(board, at, "cover", cover, rounding=0.001)
        spine = (half_x, 0.002, half_z)
        sketch.box(spine, (0, -half_y, half_z), "spine", shade(cover, 0.85), rounding=0.0018)
        band = (0.7 * half_x, 0.0008, 0.12 * half_z)
        for up in (1.4, 0.5):
            at = (0, -half_y - 0.002, up * half_z)
            sketch.box(band, at, "title", dice.gray(0.7, 0.95))
        return
    rise = dice.between(0.05, 0.2)
    for side in (-1, 1):
        turn = rotation_to((-side * np.sin(rise), 0, np.cos(rise)))
        middle = np.array([side * half_y * np.cos(rise), 0.0, half_y * np.sin(rise)])
        sketch.box((half_y, half_z, 0.0016), middle, "cover", cover, rotation=turn)
        block = (half_y - 0.003, half_z - 0.004, half_x / 2)
        leaf = middle + turn @ (-side * 0.003, 0, half_x / 2 + 0.001)
        sketch.box(block, leaf, "pages", paper, rounding=0.004, rotation=turn)
        for k in range(9):
            line = (0.72 * half_y, 0.0018, 0.0004)
            at = leaf + turn @ (0, (k - 4) * 0.17 * half_z, half_x / 2)
            sketch.box(line, at, "text", shade(paper, 0.55), rotation=turn)
    sketch.rod((0, -half_z, 0.001), (0, half_z, 0.001), 0.003, "spine", shade(cover, 0.85))
    sketch.stand()


def clock(sketch: Sketch, dice: Dice) -> None:
    """Wall clock or alarm clock with bells, face towards -y."""
    alarm = dice.chance(0.4)
    radius = dice.between(0.045, 0.06) if alarm else dice.between(0.12, 0.18)
    depth = 0.45 * radius if alarm else 0.02
    case = dice.paint() if dice.chance(0.6) else dice.metal()
    z = radius * (1.25 if alarm else 1.08)
    turn = rotation_to(Y)
    sketch.add("cylinder", (radius, depth, 0), (0, 0, z), "case", case, rotation=turn)
    face = (0.93 * radius, 0.001, 0)
    white = dice.gray(0.9, 0.98)
    sketch.add("cylinder", face, (0, -depth, z), "face", white, rotation=turn)
    rim = (radius, 0.07 * radius)
    sketch.add("torus", rim, (0, -depth, z), "rim", shade(case, 0.9), rotation=turn)
    ink = dice.dark()
    for k in range(12):
        angle = k * np.pi / 6
        ray = np.array([np.sin(angle), 0.0, np.cos(angle)])
        mark = (0.03 * radius, 0.001, (0.09 if k % 3 == 0 else 0.05) * radius)
        center = np.array([0, -depth - 0.0012, z]) + 0.8 * radius * ray
        sketch.box(mark, center, "mark", ink, rotation=rotation_to(ray, across=np.cross(Y, ray)))
    for length, wide in ((0.5, 0.035), (0.72, 0.022)):
        angle = dice.between(0, 2 * np.pi)
        ray = np.array([np.sin(angle), 0.0, np.cos(angle)])
        half = (wide * radius, 0.001, length * radius / 2)
        center = np.array([0, -depth - 0.003, z]) + 0.42 * length * radius * ray
        sketch.box(half, center, "hand", ink, rotation=rotation_to(ray, across=np.cross(Y, ray)))
    if not alarm:
        return
    for x in (-1, 1):
        leg = (x * 0.6 * radius, 0, 0.004), (x * 0.45 * radius, 0, z - 0.8 * radius)
        sketch.bar(*leg, 0.005, "leg", case)
        bell = (x * 0.55 * radius, 0, z + 1.02 * radius)
        tilt = rotation_to((0.5 * x, 0, 1))
        dome = (0.34 * radius, 0.34 * radius, 0.22 * radius)
        sketch.add("ellipsoid", dome, bell, "bell", dice.metal(), rotation=tilt)
    handle = [
        (0.5 * radius * np.cos(a), 0, z + radius * (1.2 + 0.35 * np.sin(a)))
        for a in np.linspace(0, np.pi, 7)
    ]
    sketch.tube(handle, 0.003, "handle", dice.metal())


def headphones(sketch: Sketch, dice: Dice) -> None:
    """Headphones as worn: cups left and right along x, the band above."""
    color = dice.dark() if dice.chance(0.6) else dice.paint()
    soft = dice.dark() if dice.chance(0.7) else dice.gray(0.6, 0.9)
    half, rise = dice.between(0.075, 0.088), dice.between(0.12, 0.14)
    cup, z = dice.between(0.034, 0.042), 0.045
    arch = [(half * np.cos(a), 0.0, z + rise * np.sin(a)) for a in np.linspace(0, np.pi, 15)]
    for start, end in itertools.pairwise(arch):
        middle = (np.array(start) + end) / 2
        length = float(np.linalg.norm(np.subtract(end, start))) / 2 + 0.002
        turn = rotation_to(np.subtract(end, start), across=Y)
        sketch.box((0.013, 0.003, length), middle, "band", color, rounding=0.002, rotation=turn)
    for start, end in itertools.pairwise(arch[4:11]):
        low = np.array([0.94, 1.0, 1.0])
        sketch.bar(low * start, low * end - (0, 0, 0.006), 0.009, "pad", soft)
    turn = rotation_to(X)
    for side in (-1, 1):
        at = np.array([side * half, 0.0, z])
        size = (cup, 0.011, 0.006)
        sketch.add("cylinder", size, moved(at, (side * 0.006, 0, 0)), "cup", color, rotation=turn)
        ring = (0.72 * cup, 0.28 * cup)
        sketch.add("torus", ring, at - (side * 0.01, 0, 0), "cushion", soft, rotation=turn)
        badge = (0.6 * cup, 0.0015, 0)
        place = moved(at, (side * 0.017, 0, 0))
        sketch.add("cylinder", badge, place, "cup", shade(color, 1.3), rotation=turn)
    sketch.stand()


def piano(sketch: Sketch, dice: Dice) -> None:
    """Upright piano, keys towards -y."""
    half_x, height = dice.between(0.72, 0.77), dice.between(1.1, 1.3)
    color = dice.dark() if dice.chance(0.6) else dice.wood()
    ivory = dice.gray(0.92, 0.99)
    back = 0.16
    sketch.box((half_x, 0.14, height / 2), (0, back, height / 2), "body", color, rounding=0.01)
    lid = (half_x + 0.015, 0.16, 0.015)
    sketch.box(lid, (0, back, height), "lid", shade(color, 0.9), rounding=0.008)
    shelf = 0.66
    sketch.box((half_x, 0.17, 0.035), (0, -0.14, shelf), "shelf", color, rounding=0.008)
    for x in (-1, 1):
        side = (0.035, 0.17, 0.07)
        sketch.box(side, (x * (half_x - 0.035), -0.14, shelf + 0.05), "cheek", color, rounding=0.01)
        leg = (x * (half_x - 0.05), -0.25)
        sketch.disc(0.03, 0.0, shelf, "leg", color, at=leg)
    span = half_x - 0.085
    count = 52
    pitch = 2 * span / count
    top = shelf + 0.055
    for k in range(count):
        x = -span + (k + 0.5) * pitch
        key = (0.46 * pitch, 0.075, 0.02)
        sketch.box(key, (x, -0.225, top - 0.02), "white_key", ivory)
        if k % 7 not in (2, 6) and k < count - 1:
            black = (0.25 * pitch, 0.048, 0.012)
            sketch.box(black, (x + pitch / 2, -0.195, top + 0.006), "black_key", (0.05, 0.05, 0.05))
    fall = (half_x - 0.07, 0.01, 0.06)
    sketch.box(fall, (0, 0.01, top + 0.06), "fallboard", shade(color, 1.2))
    desk = turn_about_x(-0.25)
    half = (0.6 * half_x, 0.008, 0.11)
    sketch.box(half, (0, -0.01, top + 0.28), "music_stand", color, rounding=0.004, rotation=desk)
    for x in (-0.06, 0.0, 0.06):
        sketch.bar((x, 0.03, 0.04), (x, -0.06, 0.03), 0.012, "pedal", (0.75, 0.6, 0.3))


def drum(sketch: Sketch, dice: Dice) -> None:
    """Snare on a stand, floor tom, or hand drum."""
    style = dice.pick("snare", "tom", "hand")
    color, metal = dice.paint(), dice.gray(0.6, 0.85)
    skin = dice.gray(0.85, 0.97)
    radius, deep, lift = dice.between(0.165, 0.19), dice.between(0.13, 0.17), 0.5
    if style == "tom":
        radius, deep, lift = dice.between(0.19, 0.23), dice.between(0.35, 0.42), 0.16
    if style == "hand":
        radius, deep = dice.between(0.14, 0.17), dice.between(0.55, 0.62)
        color, waist = dice.wood(), dice.between(0.4, 0.5) * radius
        sketch.taper((0, 0, 0), (0, 0, 0.5 * deep), (0.75 * radius, waist), "shell", color)
        profile = [(waist, 0.5 * deep), (0.9 * radius, 0.75 * deep), (radius, deep)]
        sketch.vessel(profile, 0.008, "shell", color)
        sketch.disc(radius - 0.003, deep - 0.01, deep + 0.003, "head", skin)
        for up, wide in ((0.55, 1.2 * waist), (0.97, radius + 0.006)):
            sketch.add("torus", (wide, 0.007), (0, 0, up * deep), "ring", metal)
        for a in np.arange(16) * np.pi / 8:
            ray = np.array([np.cos(a), np.sin(a), 0])
            ends = 1.2 * waist * ray + (0, 0, 0.55 * deep), (radius + 0.008) * ray
            sketch.bar(ends[0], ends[1] + (0, 0, 0.97 * deep), 0.003, "rope", dice.gray(0.8, 0.95))
        return
    top = lift + deep
    sketch.disc(radius, lift, top, "shell", color)
    for z in (lift + 0.005, top - 0.005):
        sketch.add("torus", (radius, 0.011), (0, 0, z), "hoop", metal)
    sketch.disc(radius - 0.004, top - 0.01, top + 0.003, "head", skin)
    for a in np.arange(8) * np.pi / 4:
        at = np.array([(radius + 0.008) * np.cos(a), (radius + 0.008) * np.sin(a), 0])
        sketch.bar(moved(at, (0, 0, lift)), moved(at, (0, 0, top)), 0.004, "lug", metal)
        sketch.bar(
            moved(at, (0, 0, lift + 0.4 * deep)),
            moved(at, (0, 0, top - 0.4 * deep)),
            0.01,
            "lug",
            metal,
        )
    for a in (np.pi / 2, np.pi * 7 / 6, np.pi * 11 / 6):
        ray = np.array([np.cos(a), np.sin(a), 0.0])
        if style == "tom":
            foot = (radius + 0.02) * ray
            sketch.bar(
                moved(foot, (0, 0, 0.01)), moved(foot, (0, 0, top - 0.1)), 0.009, "leg", metal
            )
        else:
            sketch.bar(0.26 * ray + (0, 0, 0.012), (0, 0, 0.3), 0.01, "stand", metal)
            arm = (radius + 0.012) * ray + (0, 0, lift + 0.01)
            sketch.bar((0, 0, 0.4), arm, 0.008, "stand", metal)
    if style == "snare":
        sketch.bar((0, 0, 0.2), (0, 0, 0.41), 0.014, "stand", metal)
        wood = dice.wood()
        for x in (-1, 1):
            ends = (x * 0.12, -0.22, top + 0.012), (x * -0.02, 0.16, top + 0.014)
            sketch.bar(*ends, 0.007, "stick", wood)
