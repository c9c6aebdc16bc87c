"""report.html of a reconstruction: pictures, numbers and the course of the fit.

Every word that came from outside is escaped. Knows HTML and numbers; knows no files.
"""

from collections.abc import Mapping, Sequence

from PIL import Image

from hoi_fit.report import FitReport
from interactvlm.reconstruction.placing import Reconstruction
from interactvlm.report_html import image, page_start, text, warnings_section

_WIDE, _HIGH = 980, 260
_COLOURS = {
    "total": "#181e2a", "mask": "#2f6fd0", "contact": "#d9451f", "centroid": "#7a8aa0",
    "size": "#8f5bb5", "depth": "#2f9d77", "penetration": "#c99416",
    "upright": "#b8517c", "ground": "#6b5b3e",
}  # fmt: skip


def reconstruction_page(
    name: str,
    result: Reconstruction,
    overlay: Image.Image,
    turntable: Image.Image,
    made: Mapping[str, str],
) -> str:
    """The whole page; `made` says how it was made, row by row."""
    label = result.scene.label or "the object"
    rows = "".join(f"<tr><th>{text(k)}</th><td>{text(v)}</td></tr>" for k, v in made.items() if v)
    facts = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in _numbers(result))
    return "\n".join(
        [
            page_start(name),
            '<header><p class="kind">InteractVLM reconstruction</p>'
            f"<h1>Person and {text(label)} in one frame</h1>"
            f'<p class="sub">{text(name)} · {text(result.candidate.name)}</p></header><main>',
            warnings_section(result.notes),
            f'<section class="seen"><figure>{image(overlay, "Photo and overlay", "JPEG")}</figure>'
            f"<dl>{facts}</dl></section>",
            '<section class="seen"><h2>From all sides</h2>'
            f"<figure>{image(turntable, 'The scene from several sides', 'JPEG')}</figure>"
            '<p class="hint">Blue: the person. Yellow: the object. Red: contact as it was said, '
            "before the fit. 0 deg is the camera's side.</p></section>",
            f"<section><h2>Course of the fit</h2>{energies_plot(result.fit)}"
            f"{_stages(result.fit)}</section>",
            f"<section><h2>Hypotheses</h2>{_hypotheses(result)}</section>",
            f'<section class="made"><h2>How this was made</h2><table>{rows}</table></section>',
            "</main></body></html>",
        ]
    )


def _numbers(result: Reconstruction) -> list[tuple[str, str]]:
    x, y, z = result.camera_from_object.translation_m
    extent = (result.object_mesh.vertices.amax(0) - result.object_mesh.vertices.amin(0)).amax()
    spread = result.spread()
    contact = result.fit.contact_m
    return [
        ("overlap with the mask", f"{result.fit.mask_iou:.2f}"),
        ("contact apart", "not used" if contact is None else f"{100 * contact:.1f} cm"),
        ("shared volume", f"{result.penetration_cm3:,.0f} cm³"),
        ("place (right, down, away)", f"{x:.2f}, {y:.2f}, {z:.2f} m"),
        ("largest extent", f"{float(extent):.2f} m"),
        ("scale", f"{result.camera_from_object.scale:.2f}"),
        ("equally good poses", f"{spread['hypotheses']:.0f}, up to "
         f"{100 * spread['translation_m']:.0f} cm and {spread['rotation_deg']:.0f}° apart"),
    ]  # fmt: skip


def energies_plot(fit: FitReport) -> str:
    """Every term of the best hypothesis, step by step, stages side by side."""
    rows = [row for stage in fit.stages for row in stage.energies]
    if len(rows) < 2:
        return '<p class="hint">The fit took one step.</p>'
    names = [name for name in _COLOURS if any(name in row for row in rows)]
    highest = max(max(row["total"] for row in rows), 1e-9)
    lines = [_line([row.get(name, 0.0) for row in rows], highest, _COLOURS[name]) for name in names]
    cuts, at = [], 0
    for stage in fit.stages[:-1]:
        at += stage.steps
        x = _WIDE * at / (len(rows) - 1)
        cuts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{_HIGH}" stroke="#e3e6eb"/>')
    legend = " ".join(
        f'<span style="color:{_COLOURS[name]}">&#9644; {text(name)}</span>' for name in names
    )
    return (
        f'<svg viewBox="0 -6 {_WIDE} {_HIGH + 12}" width="100%" role="img" '
        f'aria-label="Energies over steps">{"".join(cuts)}{"".join(lines)}</svg>'
        f'<p class="hint">{legend}; from 0 to {highest:.2g} over {len(rows)} steps</p>'
    )


def _line(values: Sequence[float], highest: float, colour: str) -> str:
    points = " ".join(
        f"{_WIDE * i / (len(values) - 1):.1f},{_HIGH * (1 - min(v / highest, 1)):.1f}"
        for i, v in enumerate(values)
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>'


def _stages(fit: FitReport) -> str:
    rows = "".join(
        f"<tr><td>{s.size_px} px</td><td>{s.poses}</td><td>{s.steps}</td><td>{s.stopped}</td></tr>"
        for s in fit.stages
    )
    return (
        '<table class="parts"><tr><th>image</th><th>poses</th><th>steps</th><th>stopped by</th>'
        f"</tr>{rows}</table>"
    )


def _hypotheses(result: Reconstruction) -> str:
    listed = [(result.candidate.name, pose) for pose in result.fit.hypotheses]
    listed += [(shape.name, pose) for shape, pose in result.others]
    rows = "".join(
        f"<tr><th>{text(name)}</th><td>{pose.score:.3f}</td>"
        f"<td>{pose.camera_from_object.scale:.2f}</td>"
        f"<td>{', '.join(f'{v:.2f}' for v in pose.camera_from_object.translation_m)}</td></tr>"
        for name, pose in listed
    )
    return (
        '<div class="scroll"><table class="parts"><tr><th>shape</th><th>energy</th><th>scale</th>'
        f"<th>place, m</th></tr>{rows}</table></div>"
    )
