"""Pictures and meshes of a result: body or object in its canonical views, the photo with the box.

Knows colours, pixels and the canonical view sets; knows no model, file layout or HTML.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from human_recovery.topology import BodyTopology
from renders.canonical import ViewSet, build_human_view_set
from renders.mesh import Mesh, vertex_normals

VIEW_TITLES = ("front, from above", "front, from below", "back, from above", "back, from below")
"""The canonical human views in words, in model order."""
OBJECT_VIEW_TITLES = (
    "front left, from above", "front right, from above",
    "back left, from below", "back right, from below",
)  # fmt: skip
"""The canonical object views in words, in model order, named as published."""
DRAWN_PX = 1024
"""Side the views are drawn at; shown at half of it, so edges are smooth."""
OVERLAY_SIDE_PX = 1600
"""Longest side of the photo in pictures and reports."""
INK = (24, 30, 42)
SOFT = (110, 118, 130)
BOX_COLOUR = (230, 72, 38)

_BODY = (0.78, 0.80, 0.83)
_HEAT = ((0.98, 0.87, 0.45), (0.97, 0.55, 0.20), (0.84, 0.15, 0.16), (0.55, 0.02, 0.18))
"""From barely likely to certain, as light as the body to darker than its shadows."""


def heat_colours(probability: Float[Tensor, "verts"]) -> Float[Tensor, "verts 3"]:
    """Grey body to yellow, orange, red with the probability of contact."""
    stops = torch.tensor([_BODY, *_HEAT])
    # Below 0.1 nothing shows: a model is never exactly at zero.
    place = ((probability.clamp(0, 1) - 0.1) / 0.9).clamp(min=0) * (len(stops) - 1)
    low = place.floor().long().clamp(max=len(stops) - 2)
    share = (place - low)[:, None]
    return stops[low] * (1 - share) + stops[low + 1] * share


def body_views(topology: BodyTopology) -> ViewSet:
    """The canonical views of a body, drawn once and cached on disk."""
    mesh = Mesh(topology.canonical_vertices.float(), topology.faces)
    return build_human_view_set(mesh, DRAWN_PX)


def contact_views(
    topology: BodyTopology, probability: Float[Tensor, "verts"], views: ViewSet
) -> list[Image.Image]:
    """The body in each view, coloured by contact; all cropped to the same window."""
    normals = vertex_normals(topology.canonical_vertices.float(), topology.faces)
    surface = views.surface_map
    corners = normals[surface.vertex_index] * surface.weight[..., None]
    normal = torch.nn.functional.normalize(corners.sum(1), dim=-1)
    return _painted(views, probability, _facing(views, normal).clamp(min=0))


def object_views(probability: Float[Tensor, "points"], views: ViewSet) -> list[Image.Image]:
    """An object in each view, coloured by heat; all cropped to the same window.

    Triangles are lit flat from both sides, because objects may be wound either way; points get
    darker with their distance.
    """
    surface, positions = views.surface_map, views.surface
    if isinstance(positions, Mesh):
        first, second, third = positions.vertices[surface.vertex_index].unbind(1)
        normal = torch.linalg.cross(second - first, third - first)
        normal = torch.nn.functional.normalize(normal, dim=-1, eps=1e-12)
        return _painted(views, probability, _facing(views, normal).abs())
    size = surface.height_px * surface.width_px
    light = torch.zeros(len(surface.pixel_index))
    for number, camera in enumerate(views.cameras):
        own = surface.pixel_index // size == number
        depth = camera.to_camera(positions.points)[:, 2][surface.vertex_index[own, 0]]
        if len(depth):
            span = (depth.max() - depth.min()).clamp(min=1e-9)
            light[own] = ((depth.max() - depth) / span).float()
    return _painted(views, probability, light)


def _facing(views: ViewSet, normal: Float[Tensor, "covered 3"]) -> Float[Tensor, "covered"]:
    """Cosine between each covered pixel's normal and the direction to its camera."""
    surface = views.surface_map
    toward = torch.stack(
        [-camera.camera_from_world[2, :3] for camera in views.cameras]
    )  # a direction from the scene to each camera
    view = surface.pixel_index // (surface.height_px * surface.width_px)
    return (normal * toward[view]).sum(-1)


def _painted(
    views: ViewSet, probability: Float[Tensor, "verts"], light: Float[Tensor, "covered"]
) -> list[Image.Image]:
    """Each view in heat colours under the given light (0 to 1 per covered pixel), cropped."""
    surface = views.surface_map
    size = surface.height_px * surface.width_px
    canvas = torch.ones(surface.num_views * size, 3)
    colours = heat_colours(probability)[surface.vertex_index]
    colour = (colours * surface.weight[..., None]).sum(1)
    canvas[surface.pixel_index] = colour * (0.42 + 0.58 * light[:, None])
    pixels = (canvas.clamp(0, 1) * 255).round().to(torch.uint8)
    pixels = pixels.view(surface.num_views, surface.height_px, surface.width_px, 3).numpy()
    windows = _windows(views)
    return [
        _half(_on_white(Image.fromarray(view), window))
        for view, window in zip(pixels, windows, strict=True)
    ]


def _windows(views: ViewSet) -> list[tuple[int, int, int, int]]:
    """One crop per view, all of one even size: the body in the middle, with a margin."""
    spans = []
    for covered in views.valid:
        rows, columns = covered.any(1).nonzero().flatten(), covered.any(0).nonzero().flatten()
        bounds = [int(i) for i in (columns[0], rows[0], columns[-1], rows[-1])] if len(rows) else []
        spans.append(bounds or [0, 0, covered.shape[1], covered.shape[0]])
    margin = views.valid.shape[1] // 32
    width = max(right - left for left, _, right, _ in spans) + margin
    height = max(bottom - top for _, top, _, bottom in spans) + margin
    windows = []
    for left, top, right, bottom in spans:
        x, y = (left + right - width) // 2, (top + bottom - height) // 2
        windows.append((x, y, x + width + width % 2, y + height + height % 2))
    return windows


def _on_white(image: Image.Image, window: tuple[int, int, int, int]) -> Image.Image:
    """A crop that may reach beyond the image."""
    left, top, right, bottom = window
    canvas = Image.new("RGB", (right - left, bottom - top), "white")
    canvas.paste(image, (-left, -top))
    return canvas


def _half(image: Image.Image) -> Image.Image:
    return image.resize((max(image.width // 2, 1), max(image.height // 2, 1)), Image.Resampling.BOX)


def contact_sheet(
    rows: Sequence[tuple[str, Sequence[Image.Image]]], titles: Sequence[str] = VIEW_TITLES
) -> Image.Image:
    """One row of captioned views per label on white, and what the colours mean."""
    width, height = rows[0][1][0].size
    gap, caption = 16, 40
    columns, legend = len(rows[0][1]), heat_legend()
    # A narrow body or object must not push the titles into each other.
    width = max(width, *(round(_font(15).getlength(title)) for title in titles[:columns]))
    sheet_width = max(columns * (width + gap) + gap, legend.width + 2 * gap)
    rows_height = len(rows) * (height + caption + gap) + gap + 24
    sheet = Image.new("RGB", (sheet_width, rows_height + legend.height + gap), "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles[:columns]):
        draw.text((gap + column * (width + gap), gap), title, SOFT, _font(15))
    for row, (label, images) in enumerate(rows):
        top = gap + 24 + row * (height + caption + gap)
        draw.text((gap, top), _fitted(label, 100), INK, _font(22))
        for column, image in enumerate(images):
            sheet.paste(image, (gap + column * (width + gap), top + caption))
    sheet.paste(legend, (gap, rows_height))
    return sheet


def heat_legend() -> Image.Image:
    """A bar of the heat colours from probability 0 to 1."""
    colours = (heat_colours(torch.linspace(0, 1, 240)) * 255).round().byte()
    bar = Image.fromarray(colours[None].expand(14, -1, -1).contiguous().numpy())
    legend = Image.new("RGB", (bar.width + 116, 40), "white")
    legend.paste(bar, (0, 4))
    draw = ImageDraw.Draw(legend)
    for value in (0.0, 0.5, 1.0):
        at, anchor = (bar.width - 1) * value, {0.0: "la", 0.5: "ma", 1.0: "ra"}[value]
        draw.text((at, 22), f"{value:g}", SOFT, _font(13), anchor=anchor)
    draw.text((bar.width + 12, 3), "probability", SOFT, _font(15))
    return legend


def overlay(
    photo: Image.Image,
    box_xyxy_px: tuple[float, float, float, float] | None,
    lines: Sequence[tuple[str, bool]],
) -> Image.Image:
    """The photo with the person's box and one line per label (text, whether it is touched).

    The box is in pixels of the given picture.
    """
    scale = min(1.0, OVERLAY_SIDE_PX / max(photo.size))
    size = (max(round(photo.width * scale), 1), max(round(photo.height * scale), 1))
    picture = photo.resize(size, Image.Resampling.LANCZOS) if scale < 1 else photo.copy()
    text_px = max(13, min(28, picture.width // 32))
    if box_xyxy_px is not None:
        corners = [value * scale for value in box_xyxy_px]
        ImageDraw.Draw(picture).rectangle(corners, outline=BOX_COLOUR, width=max(2, text_px // 7))
    pad, line_px = text_px // 2, round(text_px * 1.6)
    below = line_px * len(lines) + pad if lines else 0
    sheet = Image.new("RGB", (picture.width, picture.height + below), "white")
    sheet.paste(picture, (0, 0))
    draw = ImageDraw.Draw(sheet)
    for row, (text, touched) in enumerate(lines):
        y = picture.height + pad // 2 + row * line_px
        dot = text_px * 0.6
        middle = y + line_px / 2
        draw.ellipse(
            (pad, middle - dot / 2, pad + dot, middle + dot / 2),
            fill=BOX_COLOUR if touched else (190, 195, 202),
        )
        at = (round(pad * 2 + dot), round(middle))
        draw.text(at, _fitted(text, 140), INK, _font(text_px), anchor="lm")
    return sheet


def tinted(
    photo: Image.Image, mask: Bool[Tensor, "height width"], *, share: float = 0.6
) -> Image.Image:
    """The photo with the pixels of a mask of its size in red; `share` of the colour is the tint."""
    strength = Image.fromarray((mask * round(255 * share)).to(torch.uint8).numpy())
    picture = photo.convert("RGB").copy()
    picture.paste(Image.new("RGB", picture.size, BOX_COLOUR), mask=strength)
    return picture


def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def _fitted(text: str, characters: int) -> str:
    """One printable line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= characters else line[: characters - 1] + "…"


def coloured_ply(
    vertices: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
    probability: Float[Tensor, "verts"],
) -> bytes:
    """A binary PLY file: positions, contact colours and a `contact` value per vertex."""
    colours = (heat_colours(probability) * 255).round().byte().numpy()
    points = np.empty(
        len(vertices),
        [("xyz", "<f4", 3), ("rgb", "u1", 3), ("contact", "<f4")],
    )
    points["xyz"], points["rgb"] = vertices.numpy(), colours
    points["contact"] = probability.numpy()
    triangles = np.empty(len(faces), [("count", "u1"), ("index", "<i4", 3)])
    triangles["count"], triangles["index"] = 3, faces.numpy()
    header = [
        "ply", "format binary_little_endian 1.0", f"element vertex {len(points)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {channel}" for channel in ("red", "green", "blue")),
        "property float contact", f"element face {len(triangles)}",
        "property list uchar int vertex_indices", "end_header",
    ]  # fmt: skip
    return ("\n".join(header) + "\n").encode() + points.tobytes() + triangles.tobytes()
