"""A report as a web page and as Markdown, made of blocks of plain text; both writers escape all that they are given."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from zplus.errors import ImageError, printable
from zplus.pages import file_url, rendered

SIDE = 256  # pixels of an image's longer side


@dataclass(frozen=True)
class Words:
    """Sentences, one an item; look: "words", "lead" for what matters most, "folded" for what waits to be opened."""

    title: str
    items: list[str]
    look: str = "words"


@dataclass(frozen=True)
class Table:
    """Rows of text below a header; a row of one cell is the heading of those that follow."""

    title: str
    header: Sequence[str]
    rows: list[list[str]]
    look: ClassVar[str] = "table"

    @property
    def headed(self) -> bool:
        """Whether the header says anything."""
        return any(self.header)

    @property
    def numeric(self) -> list[bool]:
        """Which columns begin with a number, and so stand to the right."""
        first = next((row for row in self.rows if len(row) == len(self.header)), self.header)
        return [re.match(r"[-<.\d]", cell) is not None for cell in first]


@dataclass(frozen=True)
class Plots:
    """SVG texts, or the sentence that says why there are none."""

    drawn: list[str]
    why: str
    title: str = ""
    look: ClassVar[str] = "plots"


@dataclass(frozen=True)
class Picture:
    """An image of a run; made: whether a model made it."""

    path: Path
    caption: str
    made: bool

    @property
    def url(self) -> str:
        """A URL that holds it, made small; "" if it cannot be read."""
        try:
            return file_url(self.path, self.made, SIDE)
        except ImageError:
            return ""


@dataclass(frozen=True)
class Sheet:
    """Images side by side."""

    title: str
    pictures: list[Picture]
    look: ClassVar[str] = "sheet"


Block = Words | Table | Plots | Sheet
Sections = Mapping[str, Sequence[Block]]


def to_html(title: str, sections: Sections) -> str:
    """The page, with its images in it."""
    return rendered("report.html", title=title, sections=sections)


def to_markdown(title: str, sections: Sections, folder: Path) -> str:
    """The same as text, which names its images as they lie in the folder."""
    lines = [f"# {_plain(title)}"]
    for name, blocks in sections.items():
        lines.append(f"## {_plain(name)}")
        for block in blocks:
            lines += [f"### {_plain(block.title)}"] if block.title else []
            lines.append(_text(block, folder))
    return "\n\n".join(lines) + "\n"


def _text(block: Block, folder: Path) -> str:
    match block:
        case Words(items=items):
            return "\n".join(f"- {_plain(item)}" for item in items)
        case Table(header=header, rows=rows):
            lines = [[*map(_plain, row), *[""] * (len(header) - len(row))] for row in (header, *rows)]
            lines.insert(1, ["---"] * len(header))
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case Plots(drawn=drawn, why=why):
            return f"Plots in report.html: {len(drawn)}." if drawn else _plain(why)
        case Sheet(pictures=pictures):
            places = [(_plain(one.caption), quote(str(one.path.relative_to(folder.resolve())))) for one in pictures]
            return "\n".join(f"![{caption}]({place})" for caption, place in places)


def _plain(text: str) -> str:
    """Text of which Markdown makes nothing: on one line, without tags, its marks escaped."""
    return escape(re.sub(r"([\\`*_\[\]|#!~])", r"\\\1", " ".join(printable(text).split())))
