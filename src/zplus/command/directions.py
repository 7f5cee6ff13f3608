"""The commands `directions list`, `show`, `learn` and `import`."""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zplus.command.inverting import Inverter, Request
from zplus.command.outputs import output_file, output_folder
from zplus.command.photo import aligned_face
from zplus.command.show import Show, table
from zplus.direction import Direction, save_direction
from zplus.editing import FINDERS, Examples, Finder, Search, directions_of, find_direction, read_directions
from zplus.editing.scored import Score, Scored, calibrated, score_prior, visible_effect
from zplus.errors import FaceError, ImageError, UnknownNameError, ZplusError
from zplus.generators import Generator, load_generator
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.training.data import SUFFIXES

READ_AS = {  # the fields of a Search into which an option goes
    "without": {"conditioned_on"}, "samples": {"scored"}, "name": {"name"}, "layers": {"layers"},
    "seed": {"scored", "seed"}, "no_align": {"examples"},
}  # fmt: skip
INVISIBLE = 0.01  # mean absolute difference of pixels in [-1, 1] below which a direction shows nothing


@dataclass(frozen=True)
class Wish:
    """What is to be learnt, as asked for on the command line."""

    out: Path
    model: str
    label: int | None = None
    name: str | None = None
    method: str | None = None
    attribute: str | None = None
    scorer: str | None = None
    components: int | None = None
    positive: Path | None = None
    negative: Path | None = None
    space: str = "w"
    layers: str | None = None
    without: Sequence[str] = ()
    samples: int = 5000
    seed: int = 1
    align: bool = True
    device: str = "cpu"


def show_list(model: str, show: Show) -> None:
    """The directions that come for a model."""
    found = directions_of(load_generator(model, "cpu"))
    cells = [
        (d.name, d.space, d.card.get("attribute", "-"), d.card.get("accuracy", "-"), d.card.get("samples", "-"))
        for d in found.values()
    ]
    text = table(("NAME", "SPACE", "ATTRIBUTE", "ACCURACY", "SAMPLES"), cells)
    show.result({"model": model, "results": [_described(d) for d in found.values()]}, text)


def show_card(name: str, model: str, show: Show) -> None:
    """All that is known of a direction."""
    described = _described(find_direction(name, load_generator(model, "cpu")))
    cells = [(key, _in_short(value)) for key, value in described.items()]
    show.result(described, table(("", ""), cells).lstrip("\n"))


def chosen(wish: Wish) -> tuple[Finder, list[str]]:
    """The finder that needs just what there is to learn from, and the options that it would pass over.

    Where there are several it is the one of the method that was asked for, or the first. Raises ZplusError where there
    is none, and UnknownNameError.
    """
    sources: dict[str, Any] = {"scored": wish.attribute or wish.scorer, "count": wish.components}
    sources["examples"] = wish.positive or wish.negative
    given = {name for name, source in sources.items() if source is not None}
    found = {name: one for name, one in FINDERS.items() if one.needs & sources.keys() == given}
    if not found:
        raise ZplusError("Say what to learn: --attribute or --scorer, --components, or --positive and --negative.")
    alone = len(found) == 1
    method = next(iter(found)) if alone or wish.method is None else wish.method
    if method not in found:
        raise UnknownNameError("method", method, found)
    finder = found[method]
    unread = [option for option, fields in READ_AS.items() if not fields & (finder.needs | finder.reads)]
    return finder, unread + ["space"] * (wish.space not in finder.spaces) + ["method"] * alone


def learn(wish: Wish, show: Show) -> None:
    """Learn from scored samples, from sorted pictures, or components without either, and write what was found."""
    finder, _ = chosen(wish)
    several, sources = "count" in finder.needs, (wish.model, *wish.without)
    folder = output_folder(wish.out) if several else output_file(wish.out, *sources, picture=False).parent
    if wish.attribute is not None and wish.scorer is None and wish.attribute not in ATTRIBUTES:
        raise UnknownNameError("attribute", wish.attribute, ATTRIBUTES)
    generator, search = _searched(wish, finder, show)
    with show.stage("Finding directions"):
        found = finder(generator, search)
    if several:
        _write_all(found, [folder / f"{one.name}.safetensors" for one in found], show)
        return
    save_direction(found[0], wish.out)
    described = _described(found[0])
    result = {"direction": wish.out, **described, "warnings": show.warnings}
    show.result(result, f"{wish.out}\n{table(('', ''), list(described.items()))}")


def take_over(path: Path, wish: Wish, show: Show) -> None:
    """Directions of another program, in units of the prior or, with an attribute, of its score."""
    generator = load_generator(wish.model, wish.device, wish.label)
    found, notes = read_directions(generator, path, wish.space)
    several = len(found) > 1
    folder = output_folder(wish.out) if several else output_file(wish.out, path, wish.model, picture=False).parent
    for note in dict.fromkeys(notes):
        show.warn(note)
    if wish.name and not several:
        found = [replace(found[0], name=wish.name)]
    if wish.attribute or wish.scorer:
        attribute, score = _scored_by(wish)
        scored = _score(generator, score, attribute, wish, show)
        found = [calibrated(generator, one, attribute, scored) for one in found]
    for one in found:
        if visible_effect(generator, one) < INVISIBLE:
            show.warn(
                f"{one.name} changes hardly anything that can be seen: is it of {generator.name}, and of {one.space}?"
            )
    paths = [folder / f"{one.name}.safetensors" for one in found] if several else [wish.out]
    _write_all(found, paths, show)


def layer_range(text: str, codes: int) -> tuple[int, int]:
    """FIRST:LAST as numbers. Raises ZplusError where there are no such codes."""
    first, _, last = text.partition(":")
    if not (first.isdecimal() and last.isdecimal() and int(first) < int(last) <= codes):
        raise ZplusError(f"--layers is {text!r}, but must be FIRST:LAST with 0 <= FIRST < LAST <= {codes}.")
    return int(first), int(last)


def _searched(wish: Wish, finder: Finder, show: Show) -> tuple[Generator, Search]:
    """The generator and all that the finder reads; samples are scored, and pictures inverted, where it needs that."""
    fields, inverter = finder.needs | finder.reads, None
    if "examples" in fields:
        paths = {"positive": _pictures(wish.positive, "positive"), "negative": _pictures(wish.negative, "negative")}
        inverter = Inverter(Request(wish.model, "w+", device=wish.device, label=wish.label, align=wish.align), show)
    generator = inverter.generator if inverter else load_generator(wish.model, wish.device, wish.label)
    search = Search(
        space=wish.space,
        layers=None if wish.layers is None else layer_range(wish.layers, generator.num_codes),
        conditioned_on=tuple(find_direction(name, generator) for name in wish.without),
        count=wish.components or 0,
        seed=wish.seed if "seed" in fields else 1,  # else that of the samples
    )
    if inverter:
        examples = _examples(paths, search.layers, wish.align, inverter, show)
        search = replace(search, name=wish.name or wish.out.stem, examples=examples)
    if "scored" in fields:
        attribute, score = _scored_by(wish)
        scored = _score(generator, score, attribute, wish, show)
        search = replace(search, name=wish.name or attribute, attribute=attribute, scored=scored)
    return generator, search


def _score(generator: Generator, score: Score, attribute: str, wish: Wish, show: Show) -> Scored:
    with show.stage(f"Scoring samples by {attribute}", wish.samples) as tick:
        return score_prior(generator, score, wish.samples, wish.seed, lambda done: tick(done, ""))


def _scored_by(wish: Wish) -> tuple[str, Score]:
    """The attribute's name and what scores it: a network of zplus, or a function of the user's."""
    if wish.scorer is None:
        attribute, scorers = str(wish.attribute), Scorers()
        return attribute, lambda pixels: scorers.measure(pixels, [attribute])
    function, name = _function(wish.scorer), wish.attribute or wish.name or wish.scorer.rpartition(":")[2]

    def score(pixels: np.ndarray) -> dict[str, float]:
        try:
            return {name: float(function(pixels))}
        except Exception as error:
            raise ZplusError(f"The scorer {wish.scorer} failed ({type(error).__name__}: {error}): mend it.") from error

    return name, score


def _function(text: str) -> Callable[[np.ndarray], float]:
    """MODULE:FUNCTION, a module of the user's that is in this folder or installed."""
    module, _, name = text.partition(":")
    sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ZplusError(f"The scorer {text} cannot be had ({error}): give MODULE:FUNCTION.") from error
    finally:
        sys.path.remove("")


def _examples(
    paths: Mapping[str, Sequence[Path]], layers: tuple[int, int] | None, align: bool, inverter: Inverter, show: Show
) -> Examples:
    """The pictures inverted into W+: of each the mean of the codes that are to move."""
    generator, codes = inverter.generator, dict[str, Tensor]()
    for kind, files in paths.items():
        rows = [torch.empty(0, generator.num_codes, generator.w_dim)]
        for path in files:
            try:
                aligned = aligned_face(path, generator.resolution, 0, show, align)
            except (ImageError, FaceError) as error:
                show.warn(f"{error} It is left out.")
                continue
            latent = inverter.invert(aligned, f"Inverting {path.name}, one of {sum(map(len, paths.values()))}")
            rows.append(latent.point.code.cpu())
        codes[kind] = torch.cat(rows)[:, slice(*layers or (None,))].mean(1)
    return Examples(**codes)


def _pictures(folder: Path | None, kind: str) -> list[Path]:
    found = sorted(x for x in folder.iterdir() if x.suffix.lower() in SUFFIXES) if folder and folder.is_dir() else []
    if not found:
        raise ImageError(f"There are no pictures for --{kind}: give a folder that holds {', '.join(SUFFIXES)}.")
    return found


def _write_all(found: Sequence[Direction], paths: Sequence[Path], show: Show) -> None:
    for one, path in zip(found, paths, strict=True):
        save_direction(one, path)
    rows = [{"direction": path, **_described(one)} for one, path in zip(found, paths, strict=True)]
    cells = [(path, one.space, f"{one.unit:.3f}") for one, path in zip(found, paths, strict=True)]
    show.result({"results": rows, "warnings": show.warnings}, table(("DIRECTION", "SPACE", "UNIT"), cells))


def _in_short(value: Any) -> str:
    """What a card holds, for a person; of a matrix's row each number with its sign."""
    return ", ".join(f"{name} {x:+.2f}" for name, x in value.items()) if _are_numbers(value) else str(value)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(x, int | float) for x in value.values())


def _described(direction: Direction) -> Mapping[str, Any]:
    facts = {"name": direction.name, "space": direction.space, "unit": direction.unit}
    return facts | direction.card | facts  # first, and never as the card has them
