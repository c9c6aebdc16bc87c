"""Recipes for outdoors and sport: wheelchairs, strollers, boats, skis, dumbbells. Sizes in metres.

Library only; everything stands on z = 0, the user faces or rides towards -y.
"""

import itertools

import numpy as np

from object_retrieval.procedural.catalogue_kit import (
    Color,
    Dice,
    Sketch,
    Vector,
    X,
    Y,
    moved,
    rotation_to,
    shade,
    turn_about_x,
)


def wheelchair(sketch: Sketch, dice: Dice) -> None:
    """Wheelchair: two large wheels with push rims, two castors, seat, back, footrests."""
    half_x, seat = dice.between(0.2, 0.25), dice.between(0.46, 0.52)
    radius, metal = dice.between(0.28, 0.31), dice.metal()
    cloth = dice.dark() if dice.chance(0.6) else dice.paint()
    turn, rubber = rotation_to(X), dice.dark()
    back, toe = seat + dice.between(0.38, 0.46), -dice.between(0.44, 0.58)
    for x in (-1, 1):
        hub = np.array([x * (half_x + 0.05), 0.14, radius])
        sketch.add("torus", (radius - 0.016, 0.016), hub, "wheel", rubber, rotation=turn)
        rim = moved(hub, (x * 0.035, 0, 0))
        sketch.add("torus", (radius - 0.04, 0.009), rim, "push_rim", metal, rotation=turn)
        sketch.wheel(hub, 0.035, 0.035, metal, part="hub")
        for angle in np.arange(6) * np.pi / 6:
            spoke = (radius - 0.02) * np.array([0, np.cos(angle), np.sin(angle)])
            sketch.rod(hub - spoke, hub + spoke, 0.003, "spoke", metal)
        castor = (x * (half_x - 0.02), -0.3, 0.085)
        sketch.wheel(castor, 0.085, 0.016, rubber, part="castor")
        fork = (x * (half_x - 0.02), -0.27, 0.25)
        sketch.bar(castor, fork, 0.012, "frame", metal)
        side = x * half_x
        sketch.tube([(side, 0.2, 0.25), fork], 0.013, "frame", metal)
        sketch.tube([(side, -0.26, seat - 0.02), (side, 0.22, seat - 0.02)], 0.013, "frame", metal)
        sketch.bar((side, -0.26, 0.25), (side, -0.26, seat - 0.02), 0.013, "frame", metal)
        sketch.bar((side, 0.21, 0.25), (side, 0.24, back), 0.013, "frame", metal)
        push = (side, 0.24, back), (side, 0.37, back + 0.02)
        sketch.bar(*push, 0.013, "push_handle", metal)
        sketch.bar((side, 0.28, back + 0.005), push[1], 0.019, "push_handle", rubber)
        pad = (0.028, 0.15, 0.016)
        arm = seat + 0.22
        sketch.box(pad, (side, -0.02, arm), "armrest", rubber, rounding=0.012)
        for y in (-0.13, 0.1):
            sketch.bar((side, y, seat - 0.02), (side, y, arm), 0.01, "armrest", metal)
        shin = (side, -0.27, seat - 0.03), (side * 0.75, toe + 0.04, 0.13)
        sketch.bar(*shin, 0.012, "footrest", metal)
        plate = (0.075, 0.075, 0.007)
        at = (side * 0.6, toe, 0.12)
        sketch.box(plate, at, "footrest", rubber, rounding=0.005, rotation=turn_about_x(-0.3))
    sketch.box((half_x, 0.21, 0.022), (0, -0.04, seat), "seat", cloth, rounding=0.018)
    rest = (half_x, 0.014, (back - seat) / 2 - 0.03)
    sketch.box(rest, (0, 0.22, (back + seat) / 2), "back", cloth, rounding=0.012)
    axle = (-half_x - 0.05, 0.14, radius), (half_x + 0.05, 0.14, radius)
    sketch.rod(*axle, 0.013, "frame", metal)
    for x in (-1, 1):
        cross = (x * half_x, 0.1, 0.26), (-x * half_x, 0.1, seat - 0.03)
        sketch.bar(*cross, 0.011, "frame", metal)


def stroller(sketch: Sketch, dice: Dice) -> None:
    """Pram: seat under a canopy, handlebar at +y, the child looks towards -y."""
    half_x, bar = dice.between(0.21, 0.25), dice.between(0.98, 1.08)
    cloth, metal = dice.paint() if dice.chance(0.7) else dice.dark(), dice.metal()
    rubber, inner = dice.dark(), shade(cloth, 0.55)
    seat = dice.between(0.42, 0.5)
    for x in (-1, 1):
        side = x * half_x
        for y, radius in ((-0.42, 0.09), (0.36, 0.125)):
            hub = (side + x * 0.03, y, radius)
            sketch.wheel(hub, radius, 0.02, rubber)
            sketch.wheel(hub, 0.55 * radius, 0.024, metal, part="rim")
        path = [(side, -0.42, 0.09), (side, 0.12, 0.52), (side, 0.42, bar)]
        sketch.tube(path, 0.014, "frame", metal)
        sketch.bar((side, 0.36, 0.125), (side, -0.05, 0.5), 0.013, "frame", metal)
        wall = (0.008, 0.16, 0.07)
        sketch.box(wall, (0.96 * side, -0.02, seat + 0.05), "seat", cloth, rounding=0.006)
    ends = (-half_x, 0.42, bar), (half_x, 0.42, bar)
    sketch.bar(*ends, 0.017, "handlebar", rubber)
    for y, z in ((-0.42, 0.09), (0.36, 0.125)):
        sketch.rod((-half_x, y, z), (half_x, y, z), 0.01, "axle", metal)
    sketch.box((half_x - 0.02, 0.17, 0.025), (0, -0.05, seat), "seat", inner, rounding=0.02)
    turn = turn_about_x(-0.45)
    up = turn @ (0.0, 0.0, 1.0)
    length = 0.25
    foot = np.array([0.0, 0.1, seat])
    rest = (half_x - 0.02, 0.022, length)
    sketch.box(rest, foot + length * up, "back", inner, rounding=0.018, rotation=turn)
    leg = (half_x - 0.04, 0.012, 0.1)
    at = (0, -0.26, seat - 0.09)
    sketch.box(leg, at, "leg_rest", inner, rounding=0.01, rotation=turn_about_x(-0.4))
    pivot = foot + 1.0 * length * up
    reach = dice.between(0.3, 0.36)
    count = 6
    for k in range(count):
        angle = 0.35 + 1.75 * (k + 0.5) / count
        ray = np.array([0, np.cos(angle), np.sin(angle)])
        tangent = np.array([0, -np.sin(angle), np.cos(angle)])
        half = (half_x, 0.012, 0.5 * 1.85 * reach / count)
        turned = rotation_to(tangent)
        tone = shade(cloth, 0.9 + 0.1 * (k % 2))
        sketch.box(half, pivot + reach * ray, "canopy", tone, rounding=0.01, rotation=turned)
        for x in (-1, 1):
            fold = (0.006, 0.05, reach / 2)
            spot = pivot + 0.5 * reach * ray + (0.97 * x * half_x, 0, 0)
            sketch.box(fold, spot, "canopy", tone, rotation=rotation_to(ray))
    basket = (half_x - 0.03, 0.18, 0.06)
    sketch.box(basket, (0, 0.1, 0.24), "basket", inner, rounding=0.02)
    rail = [
        (-half_x, -0.02, seat + 0.14),
        (-0.8 * half_x, -0.22, seat + 0.18),
        (0.8 * half_x, -0.22, seat + 0.18),
        (half_x, -0.02, seat + 0.14),
    ]
    sketch.tube(rail, 0.013, "rail", rubber)


def _hull(half_x: float, half_y: float, share: float) -> float:
    """Half width of a hull that is pointed at -y, at `share` of its length from -1 to 1."""
    return half_x * float(np.sqrt(max(0.0, 1 - abs(0.55 * share - 0.45) ** 2.2)))


def boat(sketch: Sketch, dice: Dice) -> None:
    """Rowing boat, open above, with benches and oars; bow at -y."""
    half_x, half_y, height = dice.between(0.6, 0.75), dice.between(1.5, 2.0), 0.0
    height = dice.between(0.42, 0.52)
    color = dice.wood() if dice.chance(0.5) else dice.paint()
    inner, wood = shade(color, 0.75), dice.wood()
    shares = np.linspace(-1, 0.92, 12)
    for x in (-1, 1):
        for row, (low, high) in enumerate(((0.5, 0.72), (0.72, 0.9), (0.9, 1.0))):
            rail = [
                np.array(
                    [
                        x * _hull(half_x, half_y, s) * (low + high) / 2,
                        s * half_y,
                        0.06 + height * (row + 0.5) / 3 + 0.12 * max(0.0, -s) ** 2,
                    ]
                )
                for s in shares
            ]
            for start, end in itertools.pairwise(rail):
                tone = shade(color, 0.92 + 0.06 * row)
                ray = end - start
                out = rotation_to(ray, across=(x, 0, -0.6 + 0.25 * row))
                half = (0.013, height / 6 + 0.035, float(np.linalg.norm(ray)) / 2 + 0.01)
                sketch.box(half, (start + end) / 2, "hull", tone, rotation=out)
        top = [
            (x * _hull(half_x, half_y, s), s * half_y, 0.07 + height + 0.12 * max(0.0, -s) ** 2)
            for s in shares
        ]
        sketch.tube(top, 0.026, "gunwale", wood)
    for s, e in itertools.pairwise(shares):
        wide = 0.62 * _hull(half_x, half_y, (s + e) / 2)
        half = (wide, (e - s) * half_y / 2 + 0.005, 0.02)
        at = (0, (s + e) / 2 * half_y, 0.07 + 0.1 * max(0.0, -(s + e) / 2) ** 2)
        sketch.box(half, at, "bottom", inner, rounding=0.012)
    stern = (0.9 * _hull(half_x, half_y, 0.92), 0.02, height / 2)
    sketch.box(stern, (0, 0.92 * half_y, 0.07 + height / 2), "stern", color, rounding=0.01)
    keel = (0.03, 0.8 * half_y, 0.03)
    sketch.box(keel, (0, 0, 0.03), "keel", inner, rounding=0.02)
    for s in (-0.45, 0.1, 0.62):
        seat = (0.93 * _hull(half_x, half_y, s), 0.12, 0.015)
        sketch.box(seat, (0, s * half_y, 0.72 * height + 0.07), "seat", wood, rounding=0.008)
    for x in (-1, 1):
        lock = np.array([x * half_x * 0.98, 0.3, height + 0.11])
        inside, outside = moved(lock, (-x * 0.35, 0.1, 0.06)), moved(lock, (x * 0.9, -0.3, -0.22))
        sketch.bar(inside, outside, 0.02, "oar", wood)
        blade = moved(outside, (x * 0.3, -0.1, -0.07))
        sketch.slab(outside, blade, (0.012, 0.075), "oar", shade(wood, 1.2))


def kayak(sketch: Sketch, dice: Dice) -> None:
    """Closed boat for one with a cockpit, and its paddle across the deck; bow at -y."""
    half_x, half_y = dice.between(0.28, 0.33), dice.between(1.45, 2.2)
    deep = dice.between(0.15, 0.18)
    color, dark = dice.paint(), dice.dark()
    deck = shade(color, 1.25) if dice.chance(0.6) else dice.gray(0.8, 0.97)
    z = deep
    sketch.add("ellipsoid", (half_x, half_y, deep), (0, 0, z), "hull", color)
    for y in (-1, 1):
        tip = (0, y * 0.8 * half_y, z + 0.035)
        size = (0.4 * half_x, 0.28 * half_y, 0.6 * deep)
        sketch.add("ellipsoid", size, tip, "hull", color, rotation=turn_about_x(-0.07 * y))
        loop = (0, y * 0.99 * half_y, z + 0.1)
        sketch.add("torus", (0.03, 0.007), loop, "loop", dark, rotation=rotation_to(X))
    upper = (0.86 * half_x, 0.9 * half_y, 0.85 * deep)
    sketch.add("ellipsoid", upper, (0, 0, z + 0.05), "deck", deck)
    top = z + 0.05 + 0.84 * deep
    for y in (0.0, 0.16, 0.32):
        sketch.add("torus", (0.2, 0.018), (0, y, top), "cockpit", dark)
        sketch.disc(0.19, top - 0.05, top + 0.006, "cockpit", (0.04, 0.04, 0.04), at=(0.0, y))
    rest = (0.17, 0.02, 0.09)
    sketch.box(rest, (0, 0.45, top + 0.07), "seat", dark, rounding=0.015)
    for y in (-0.55, -0.8, 0.75):
        line = 0.6 * half_x
        ends = (-line, y, top - 0.02), (line, y + 0.12, top - 0.02)
        sketch.bar(*ends, 0.006, "bungee", dark)
    half, up = dice.between(1.0, 1.12), top + 0.035
    sketch.rod((-half + 0.3, -0.28, up), (half - 0.3, -0.28, up), 0.016, "paddle", dark)
    for x in (-1, 1):
        blade = (0.24, 0.085, 0.012)
        at = (x * (half - 0.18), -0.28, up)
        sketch.add("ellipsoid", blade, at, "paddle", dice.paint())


def snowboard(sketch: Sketch, dice: Dice) -> None:
    """Snowboard along y with two bindings."""
    half_x, half_y = dice.between(0.12, 0.14), dice.between(0.44, 0.57)
    color, dark = dice.paint(), dice.dark()
    _bent_board(sketch, (half_x, half_y), 0.006, 0.06, color)
    stripe = (0.35 * half_x, 0.6 * half_y, 0.0012)
    sketch.box(stripe, (0, 0, 0.0125), "print", dice.paint())
    stance = dice.between(0.2, 0.26)
    for y in (-1, 1):
        turn = rotation_to((0, 0, 1), across=(np.cos(0.25 * y), np.sin(0.25 * y), 0))
        at = np.array([0, y * stance, 0.02])
        sketch.box((0.12, 0.05, 0.008), at, "binding", dark, rounding=0.006, rotation=turn)
        back = at + turn @ (0.1, 0, 0.1)
        sketch.box((0.012, 0.045, 0.1), back, "binding", dark, rounding=0.01, rotation=turn)
        for reach in (-0.07, 0.04):
            strap = [
                at + turn @ (reach, 0.05 * np.cos(a), 0.01 + 0.065 * np.sin(a))
                for a in np.linspace(0, np.pi, 7)
            ]
            sketch.tube(strap, 0.008, "strap", shade(dark, 1.8))


def _bent_board(
    sketch: Sketch,
    half: tuple[float, float],
    thick: float,
    lift: float,
    color: Color,
    *,
    x: float = 0.0,
    tail: bool = True,
) -> None:
    """Flat board along y whose round nose (-y) and perhaps tail rise from the snow."""
    half_x, half_y = half
    sketch.box((half_x, half_y, thick), (x, 0, thick), "board", color)
    for end in (-1, 1) if tail else (-1,):
        start = np.array([x, end * half_y, thick])
        for k in range(3):
            rise = lift * np.array([0.15, 0.35, 0.5])[k]
            step = np.array([0.0, end * half_x * 0.5, rise])
            wide = half_x * (1.0, 0.9, 0.68)[k]
            turn = rotation_to(np.cross(X, step) * end)
            size = (wide, float(np.linalg.norm(step)) / 2 + 0.004, thick)
            sketch.box(size, start + step / 2, "tip", color, rotation=turn)
            start = start + step
        disc = (0.6 * half_x, thick, 0)
        sketch.add(
            "cylinder",
            disc,
            start,
            "tip",
            color,
            rotation=rotation_to(np.cross(X, (0, end * half_x * 0.5, 0.5 * lift)) * end),
        )


def skis(sketch: Sketch, dice: Dice) -> None:
    """A pair of skis along y with bindings, and their poles."""
    half_x, half_y = dice.between(0.035, 0.05), dice.between(0.72, 0.85)
    color, dark, metal = dice.paint(), dice.dark(), dice.metal()
    for x in (-0.09, 0.09):
        _bent_board(sketch, (half_x, half_y), 0.008, 0.09, color, x=x, tail=False)
        stripe = (0.5 * half_x, 0.7 * half_y, 0.001)
        sketch.box(stripe, (x, -0.1, 0.0165), "print", shade(color, 1.5))
        toe, heel = (0.033, 0.04, 0.022), (0.033, 0.05, 0.03)
        sketch.box(toe, (x, -0.1, 0.036), "binding", dark, rounding=0.01)
        sketch.box(heel, (x, 0.2, 0.042), "binding", dark, rounding=0.01)
        sketch.box((0.028, 0.17, 0.005), (x, 0.05, 0.02), "binding", metal, rounding=0.004)
    length = dice.between(1.1, 1.25)
    for x in (-1, 1):
        side = x * (0.09 + half_x + 0.07)
        low, high = (side, -length / 2, 0.05), (side, length / 2, 0.05)
        sketch.rod(low, high, 0.007, "pole", metal)
        sketch.bar((side, length / 2 - 0.12, 0.05), high, 0.015, "grip", dark)
        basket = (side, -length / 2 + 0.07, 0.05)
        sketch.add("torus", (0.038, 0.006), basket, "basket", dark, rotation=rotation_to(Y))
        strap = (side, length / 2 + 0.03, 0.05)
        sketch.add("torus", (0.04, 0.004), strap, "strap", dark, rotation=rotation_to(X))


def frisbee(sketch: Sketch, dice: Dice) -> None:
    """Flying disc lying with its hollow side down."""
    radius, deep = dice.between(0.11, 0.14), dice.between(0.018, 0.026)
    color = dice.paint()
    sketch.vessel([(radius, 0.003), (0.995 * radius, 0.7 * deep)], 0.003, "rim", color)
    profile = [(0.995 * radius, 0.7 * deep), (0.93 * radius, deep)]
    sketch.vessel(profile, 0.003, "rim", color)
    sketch.disc(0.935 * radius, deep - 0.002, deep + 0.003, "plate", color)
    for share in (0.85, 0.72, 0.6):
        sketch.add(
            "torus", (share * radius, 0.0016), (0, 0, deep + 0.003), "ring", shade(color, 0.85)
        )
    label = dice.paint() if dice.chance(0.7) else dice.gray(0.8, 0.98)
    sketch.disc(0.45 * radius, deep, deep + 0.0036, "label", label)


def dumbbell(sketch: Sketch, dice: Dice) -> None:
    """Dumbbell along x: round plates or hexagonal heads."""
    reach = dice.between(0.055, 0.07)
    head, wide = dice.between(0.04, 0.075), dice.between(0.025, 0.045)
    metal = dice.gray(0.5, 0.8)
    color = dice.dark() if dice.chance(0.6) else dice.paint()
    plates = dice.chance(0.5)
    end = reach + 2 * wide + (0.03 if plates else 0.0)
    z = head if plates else head * np.cos(np.pi / 6)
    sketch.rod((-end, 0, z), (end, 0, z), 0.0135, "handle", metal)
    for k in range(9):
        ring = (0.0135, 0.0016)
        at = ((k - 4) * reach * 0.2, 0, z)
        sketch.add("torus", ring, at, "handle", shade(metal, 0.8), rotation=rotation_to(X))
    for x in (-1, 1):
        middle = (x * (reach + wide), 0, z)
        if not plates:
            # Three crossed boxes are a hexagonal prism.
            for k in range(3):
                turn = rotation_to(X, across=(0, np.cos(k * np.pi / 3), np.sin(k * np.pi / 3)))
                half = (head * np.cos(np.pi / 6), head / 2, wide)
                sketch.box(half, middle, "head", color, rounding=0.003, rotation=turn)
            continue
        for k, share in enumerate((1.0, 0.85, 0.7)):
            at = (x * (reach + (2 * k + 1) * wide / 3), 0, z)
            sketch.wheel(at, share * head, wide / 3 - 0.001, color, part="plate")
        sketch.wheel((x * (reach + 2 * wide + 0.01), 0, z), 0.024, 0.009, metal, part="collar")
    sketch.stand()


def teddy_bear(sketch: Sketch, dice: Dice) -> None:
    """Sitting soft bear that looks towards -y."""
    size = dice.between(0.16, 0.42)
    fur = shade((0.62, 0.42, 0.24), dice.between(0.6, 1.35))
    fur = dice.fabric() if dice.chance(0.3) else fur
    pale, dark = shade(fur, 1.35), (0.06, 0.05, 0.05)

    def ball(radii: Vector, center: Vector, part: str, color: Color) -> None:
        scaled = [size * radius for radius in radii]
        sketch.add("ellipsoid", scaled, [size * x for x in center], part, color)

    ball((0.26, 0.22, 0.29), (0, 0, 0.3), "body", fur)
    ball((0.19, 0.08, 0.21), (0, -0.16, 0.3), "belly", pale)
    ball((0.24, 0.21, 0.21), (0, -0.03, 0.74), "head", fur)
    ball((0.11, 0.1, 0.085), (0, -0.21, 0.69), "muzzle", pale)
    ball((0.035, 0.025, 0.025), (0, -0.305, 0.72), "nose", dark)
    for x in (-1, 1):
        ball((0.085, 0.045, 0.085), (x * 0.2, -0.0, 0.92), "ear", fur)
        ball((0.055, 0.03, 0.055), (x * 0.2, -0.03, 0.92), "ear", pale)
        ball((0.024, 0.016, 0.026), (x * 0.09, -0.215, 0.79), "eye", dark)
        ball((0.11, 0.25, 0.1), (x * 0.2, -0.27, 0.1), "leg", fur)
        ball((0.085, 0.025, 0.085), (x * 0.2, -0.51, 0.11), "foot", pale)
        tilt = rotation_to((x * 0.75, -0.55, -0.5))
        arm = [size * radius for radius in (0.085, 0.085, 0.22)]
        at = [size * place for place in (x * 0.3, -0.13, 0.4)]
        sketch.add("ellipsoid", arm, at, "arm", fur, rotation=tilt)
    if dice.chance(0.5):
        bow = dice.paint()
        ball((0.025, 0.02, 0.03), (0, -0.22, 0.545), "bow", bow)
        for x in (-1, 1):
            ball((0.07, 0.022, 0.045), (x * 0.075, -0.21, 0.55), "bow", bow)
    sketch.stand()
