"""A page that asks nothing of any server, and the same as Markdown, made of blocks of plain text.

Only the writers here know HTML and Markdown, and they escape all that they are given.
"""

import base64
import re
import tempfile
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from PIL import Image

from zplus.errors import ImageError
from zplus.images import fitted, read_image, write_image

SIDE = 256  # pixels of the longer side of pictures
FOLDED = "Not decided"  # so many sentences that they wait to be opened
LEAD = "The primary contrast"
STYLE = """
:root { --paper: #fbfaf7; --card: #fff; --ink: #1d1d1b; --soft: #63625d; --line: #deddd6; --mark: #0b6e4f; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #161615; --card: #20201e; --ink: #efeee9; --soft: #a5a39b; --line: #393834; --mark: #6fd0ab; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: clamp(14px, 3vw, 48px); }
h1 { font-size: clamp(1.4rem, 4vw, 2.1rem); line-height: 1.2; margin: 0 0 .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .6rem; }
h3, summary { font-size: 1rem; font-weight: bold; margin: 1.5rem 0 .3rem; }
p, li { max-width: 78ch; overflow-wrap: anywhere; }
ul { padding-left: 1.2rem; margin: .3rem 0; } li { margin: .3rem 0; }
.lead { max-width: 82ch; padding: .7rem 1rem; background: var(--card); border-left: 4px solid var(--mark); }
.lead ul { list-style: none; padding: 0; margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; } .n { text-align: right; }
:is(th, td):first-child { position: sticky; left: 0; background: var(--paper); }
td[colspan] { color: var(--soft); padding-top: .8rem; }
.facts td { white-space: normal; vertical-align: top; } .facts td + td { overflow-wrap: anywhere; }
svg { display: block; width: 100%; max-width: 560px; height: auto; } svg text { font-family: inherit !important; }
.plots { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); }
.sheet { display: grid; gap: 8px; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); max-width: 1010px; }
figure { margin: 0; font-size: .78rem; color: var(--soft); overflow-wrap: anywhere; line-height: 1.3; }
img { display: block; width: 100%; height: auto; border-radius: 4px; }
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'{policy}">
<title>{title}</title><style>{style}</style></head><body><main><h1>{title}</h1>
{body}</main></body></html>
"""


class Words(NamedTuple):
    """Sentences, one an item."""

    title: str
    items: list[str]


class Table(NamedTuple):
    """Rows of text below a header; a row of one cell is the heading of those that follow."""

    title: str
    header: Sequence[str]
    rows: list[list[str]]


class Plots(NamedTuple):
    """SVG texts, or the sentence that says why there are none."""

    drawn: list[str]
    why: str
    title: str = ""


class Sheet(NamedTuple):
    """Pictures: path, caption, and whether a model made them."""

    title: str
    cells: list[tuple[Path, str, bool]]


Block = Words | Table | Plots | Sheet
Sections = Mapping[str, Sequence[Block]]


def data_address(path: Path, edited: bool, side: int = SIDE) -> str:
    """A picture as an address that holds it, made small and without anything of its file; marked if a model made it."""
    pixels = fitted(read_image(path), side)
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "picture.webp"
        write_image(small, pixels) if edited else Image.fromarray(pixels).save(small, quality=92)
        return "data:image/webp;base64," + base64.b64encode(small.read_bytes()).decode()


def to_html(title: str, sections: Sections) -> str:
    """The page, with its pictures in it."""
    parts = (f"<h2>{escape(name)}</h2>{''.join(map(_block, blocks))}" for name, blocks in sections.items())
    return PAGE.format(title=escape(title), style=STYLE, policy="", body="".join(parts))


def _block(block: Block) -> str:
    title = f"<h3>{escape(block.title)}</h3>" if block.title else ""
    match block:
        case Words(_, items):
            text = f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"
            if block.title == FOLDED:
                return f"<details><summary>{escape(block.title)}: {len(items)}</summary>{text}</details>"
            return title + (f'<div class="lead">{text}</div>' if block.title == LEAD else text)
        case Table(_, header, rows):
            return title + _table(header, rows)
        case Plots(drawn, why):
            return f'<div class="plots">{"".join(drawn)}</div>' if drawn else f"<p>{escape(why)}</p>"
        case Sheet(_, cells):
            return title + f'<div class="sheet">{"".join(_figure(*cell) for cell in cells)}</div>'


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls by itself where it is too wide; columns that begin with a number stand to the right."""
    first = next((row for row in rows if len(row) == len(header)), header)
    looks = [' class="n"' if re.match(r"[-<.\d]", cell) else "" for cell in first]
    body = ""
    for row in (header, *rows) if any(header) else rows:
        cell = "th" if row is header else "td"
        look = looks if len(row) == len(header) else [f' colspan="{len(header)}"']
        body += "<tr>" + "".join(f"<{cell}{x}>{escape(y)}</{cell}>" for x, y in zip(look, row, strict=True)) + "</tr>"
    return f'<div class="scroll"><table{"" if any(header) else " class=facts"}>{body}</table></div>'


def _figure(path: Path, caption: str, edited: bool) -> str:
    try:
        image = f'<img alt="{escape(caption)}" src="{data_address(path, edited)}">'
    except ImageError:
        image = "(this picture cannot be read)"
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def to_markdown(title: str, sections: Sections, folder: Path) -> str:
    """The same as text, which names its pictures as they lie in the folder."""
    lines = [f"# {_plain(title)}"]
    for name, blocks in sections.items():
        lines.append(f"## {_plain(name)}")
        for block in blocks:
            lines += [f"### {_plain(block.title)}"] if block.title else []
            lines.append(_text(block, folder))
    return "\n\n".join(lines) + "\n"


def _text(block: Block, folder: Path) -> str:
    match block:
        case Words(_, items):
            return "\n".join(f"- {_plain(item)}" for item in items)
        case Table(_, header, rows):
            lines = [[*map(_plain, row), *[""] * (len(header) - len(row))] for row in (header, *rows)]
            lines.insert(1, ["---"] * len(header))
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case Plots(drawn, why):
            return f"Plots in report.html: {len(drawn)}." if drawn else _plain(why)
        case Sheet(_, cells):
            places = [(_plain(caption), quote(str(path.relative_to(folder.resolve())))) for path, caption, _ in cells]
            return "\n".join(f"![{caption}]({place})" for caption, place in places)


def _plain(text: str) -> str:
    """Text of which Markdown makes nothing: on one line, without tags, its marks escaped."""
    return re.sub(r"([\\`*_\[\]|#!~])", r"\\\1", escape(" ".join(text.split())))
