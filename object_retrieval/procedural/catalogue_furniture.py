"""Recipes for sofas, beds and tables. Sizes in metres; the sitter faces -y."""

from object_retrieval.procedural.catalogue_kit import Color, Dice, Sketch, X, shade, turn_about_x
from object_retrieval.procedural.catalogue_seats import UP, four_legs, pedestal

FRONT = (0.0, -1.0, 0.0)


def sofa(sketch: Sketch, dice: Dice) -> None:
    """Upholstered seat for two or three with a backrest and two arms."""
    half_x, half_y = dice.between(0.65, 1.05), dice.between(0.38, 0.47)
    height, soft = dice.between(0.40, 0.47), dice.between(0.06, 0.09)
    fabric = dice.fabric()
    cushion = shade(fabric, dice.between(0.85, 1.2)) if dice.chance(0.7) else dice.fabric()
    leg_height = dice.between(0.04, 0.14)
    arm = dice.between(0.07, 0.12)
    base_top = height - 2 * soft
    sketch.box(
        (half_x, half_y, (base_top - leg_height) / 2),
        (0, 0, (base_top + leg_height) / 2),
        "base",
        fabric,
        rounding=0.02,
    )
    for x in (-1, 1):
        for y in (-1, 1):
            foot = (x * (half_x - 0.06), y * (half_y - 0.06))
            sketch.disc(0.022, 0.0, leg_height + 0.01, "leg", dice.dark(), at=foot)
    back_thick = dice.between(0.07, 0.1)
    back_height = dice.between(0.36, 0.5)
    turn = turn_about_x(-dice.between(0.05, 0.2))
    up, front = turn @ UP, turn @ FRONT
    foot = (0.0, half_y - back_thick - 0.04, height - 0.12)
    middle = foot + (0.12 + back_height) / 2 * up
    half = (half_x - 0.02, back_thick, (0.12 + back_height) / 2)
    sketch.box(half, middle, "back", fabric, rounding=0.05, rotation=turn)
    seats = 3 if half_x > 0.85 else 2
    inner = half_x - 2 * arm
    width = inner / seats
    for k in range(seats):
        x = (2 * k + 1 - seats) * width
        center = (x, -back_thick, height - soft)
        sketch.box(
            (width - 0.003, half_y - back_thick, soft), center, "seat", cushion, rounding=0.035
        )
    arm_top = height + dice.between(0.12, 0.2)
    for side, name in ((1, "arm_left"), (-1, "arm_right")):
        center = (side * (half_x - arm), -0.01, (arm_top + leg_height) / 2)
        size = (arm, half_y, (arm_top - leg_height) / 2)
        sketch.box(size, center, "arm", fabric, rounding=0.04)
        point = (center[0], -0.05, arm_top)
        sketch.surface(name, point, UP, (arm - 0.04, half_y * 0.7, 0))
    # With two cushions x = 0 is the groove between them, so the anchor moves onto one.
    seat_x = 0.0 if seats == 3 else width * (1 if dice.chance(0.5) else -1)
    sketch.surface("seat", (seat_x, -0.14, height), UP, (width - 0.05, half_y - 0.2, 0))
    rest = middle + 0.1 * up + back_thick * front
    rest[0] = seat_x
    sketch.surface("backrest", rest, front, (width, back_thick, 0.12))
    top = foot + (0.12 + back_height) * up
    sketch.handle(
        "back_top", top - back_thick * up, up, back_thick, axis=X, half_length=inner, kind="rim"
    )


def bed(sketch: Sketch, dice: Dice) -> None:
    """Bed along y: headboard and pillows at +y, foot end at -y."""
    half_x = dice.between(0.45, 0.55) if dice.chance(0.5) else dice.between(0.68, 0.9)
    half_y = dice.between(0.97, 1.06)
    height, soft = dice.between(0.42, 0.58), dice.between(0.08, 0.13)
    wood = dice.wood() if dice.chance(0.6) else dice.fabric()
    sheet = dice.gray(0.75, 0.98)
    cover = dice.fabric() if dice.chance(0.8) else dice.paint()
    frame_top = height - 2 * soft + 0.03
    legs = dice.chance(0.6)
    frame_bottom = 0.14 if legs else 0.0
    sketch.box(
        (half_x, half_y, (frame_top - frame_bottom) / 2),
        (0, 0, (frame_top + frame_bottom) / 2),
        "frame",
        wood,
        rounding=0.01,
    )
    if legs:
        four_legs(sketch, dice, half_x - 0.03, half_y - 0.03, frame_bottom + 0.01, wood)
    mattress = (half_x - 0.02, half_y - 0.02, soft)
    sketch.box(mattress, (0, 0, height - 0.012 - soft), "mattress", sheet, rounding=0.05)
    covered = half_y * dice.between(0.6, 0.72)
    center = (0, covered - half_y - 0.005, height - 0.07)
    sketch.box((half_x + 0.008, covered, 0.07), center, "blanket", cover, rounding=0.03)
    head = dice.between(0.85, 1.15)
    sketch.box(
        (half_x, 0.03, head / 2), (0, half_y + 0.025, head / 2), "headboard", wood, rounding=0.02
    )
    if dice.chance(0.3):
        low = height + dice.between(0.02, 0.12)
        center = (0, -half_y - 0.02, low / 2)
        sketch.box((half_x, 0.02, low / 2), center, "footboard", wood, rounding=0.015)
    pillow_half = min(0.33, half_x - 0.08) if half_x < 0.6 else half_x / 2 - 0.04
    for x in (0,) if half_x < 0.6 else (-0.5, 0.5):
        center = (x * half_x, half_y - 0.27, height + 0.03)
        half = (pillow_half, 0.2, 0.065)
        sketch.box(half, center, "pillow", shade(sheet, 1.05), rounding=0.058)
    lying = (half_x - 0.1, covered - 0.1, 0)
    sketch.surface("top", (0, covered - half_y, height), UP, lying)
    sketch.surface("seat", (0, 0.22 - half_y, height), UP, (half_x - 0.1, 0.15, 0))
    for side, name in ((1, "edge_left"), (-1, "edge_right")):
        point = (side * (half_x - 0.12), covered - half_y, height)
        sketch.surface(name, point, UP, (0.08, covered - 0.15, 0))


def table(sketch: Sketch, dice: Dice) -> None:
    """Table: rectangular on legs or panels, desk with drawers, or round on a pedestal."""
    style = dice.pick("legs", "legs", "panels", "desk", "round")
    height, thick = dice.between(0.68, 0.78), dice.between(0.012, 0.025)
    if dice.chance(0.15) and style == "legs":
        height = dice.between(0.40, 0.48)
    color = dice.wood() if dice.chance(0.7) else dice.gray(0.3, 0.95)
    half_x, half_y = dice.between(0.45, 0.9), dice.between(0.28, 0.45)
    below = height - 2 * thick
    if style == "round":
        half_x = half_y = dice.between(0.35, 0.6)
        sketch.add("cylinder", (half_x, thick, 0.006), (0, 0, height - thick), "top", color)
        if dice.chance(0.6):
            pedestal(sketch, dice, 0.6 * half_x, below + 0.005, dice.metal())
        else:
            four_legs(sketch, dice, 0.62 * half_x, 0.62 * half_x, below + 0.005, color)
    else:
        half = (half_x, half_y, thick)
        sketch.box(half, (0, 0, height - thick), "top", color, rounding=0.006)
        _table_support(sketch, dice, style, (half_x, half_y, below), color)
    usable = (0.8 * half_x, 0.8 * half_x, 0)
    if style != "round":
        usable = (half_x - 0.03, half_y - 0.03, 0)
    sketch.surface("top", (0, 0, height), UP, usable)
    center = (0.0, thick - half_y, height - thick)
    sketch.handle("edge_front", center, FRONT, thick, axis=X, half_length=0.6 * half_x, kind="rim")


def _table_support(
    sketch: Sketch, dice: Dice, style: str, top: tuple[float, float, float], color: Color
) -> None:
    half_x, half_y, below = top
    frame = color if dice.chance(0.6) else dice.metal()
    if style == "legs":
        four_legs(sketch, dice, half_x - 0.04, half_y - 0.04, below + 0.005, frame)
        if dice.chance(0.5):
            for y in (-1, 1):
                half = (half_x - 0.06, 0.01, 0.035)
                sketch.box(half, (0, y * (half_y - 0.055), below - 0.035), "apron", frame)
    elif style == "panels":
        for x in (-1, 1):
            half = (0.014, half_y - 0.03, below / 2)
            sketch.box(half, (x * (half_x - 0.05), 0, below / 2), "leg", frame)
        half = (half_x - 0.05, 0.01, 0.12)
        sketch.box(half, (0, half_y - 0.08, below - 0.14), "apron", frame)
    else:
        for x in (-1, 1):
            half = (0.014, half_y - 0.02, below / 2)
            sketch.box(half, (x * (half_x - 0.02), 0, below / 2), "leg", frame)
        width = 0.2
        side = 1 if dice.chance(0.5) else -1
        drawer_x = side * (half_x - 0.03 - width)
        half = (width, half_y - 0.03, below / 2 - 0.05)
        sketch.box(half, (drawer_x, 0, below - half[2]), "drawers", shade(frame, 0.92))
        for k in range(3):
            z = below - half[2] * (2 * k + 1) / 3
            face = (width - 0.01, 0.008, half[2] / 3 - 0.008)
            sketch.box(face, (drawer_x, 0.03 - half_y, z), "drawers", frame)
            knob = (0.05, 0.008, 0.008)
            sketch.box(knob, (drawer_x, 0.016 - half_y, z), "drawers", dice.metal())
