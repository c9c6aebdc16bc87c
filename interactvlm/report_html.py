"""Text and pictures as HTML that needs no other file. Knows no report."""

import base64
import html
import io
from typing import Literal

from PIL import Image

from interactvlm.report_style import STYLE


def text(value: str) -> str:
    """Escaped, with bytes that no text encoding holds made visible."""
    printable = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return html.escape(printable, quote=True)


def image(picture: Image.Image, description: str, kind: Literal["JPEG", "PNG"]) -> str:
    """An `img` element with the picture inside."""
    stream = io.BytesIO()
    options = {"quality": 88} if kind == "JPEG" else {"optimize": True}
    picture.save(stream, kind, **options)
    data = base64.b64encode(stream.getvalue()).decode()
    return (
        f'<img alt="{text(description)}" width="{picture.width}" height="{picture.height}" '
        f'src="data:image/{kind.lower()};base64,{data}">'
    )


def page_start(title: str) -> str:
    """Everything up to the body's first element."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Even if a text slipped through unescaped, nothing on this page may run or load.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{text(title)} – InteractVLM</title><style>{STYLE}</style></head><body>"
    )


def warnings_section(warnings: tuple[str, ...]) -> str:
    """What a person should know; nothing where there is nothing."""
    if not warnings:
        return ""
    items = "".join(f"<li>{text(warning)}</li>" for warning in warnings)
    return f'<section class="warnings"><h2>Please note</h2><ul>{items}</ul></section>'
