"""Learn directions of a generator: from scored samples, from pictures that were sorted, or from the generator alone."""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zplus.direction import Direction
from zplus.editing import (
    FINDERS,
    Examples,
    Finder,
    Search,
    calibrated,
    find_direction,
    read_directions,
    score_prior,
    visible_effect,
)
from zplus.editing.scored import Score, Scored
from zplus.errors import FaceError, ImageError, UnknownNameError, ZplusError
from zplus.generators import Generator, load_generator
from zplus.images import READABLE
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.workflow.callbacks import SILENT, Callbacks
from zplus.workflow.inverting import Inverter, load_inverter
from zplus.workflow.options import InvertOptions, LearnOptions, layer_range
from zplus.workflow.photo import aligned_face

READ_AS = {  # the fields of a Search into which an option goes
    "without": {"conditioned_on"}, "samples": {"scored"}, "name": {"name"}, "layers": {"layers"},
    "seed": {"scored", "seed"}, "align": {"examples"},
}  # fmt: skip
INVISIBLE = 0.01  # mean absolute difference of pixels in [-1,1] below which a direction shows nothing


def chosen_finder(options: LearnOptions) -> tuple[Finder, list[str]]:
    """Choose the finder that learns from what the options give.

    Returns:
        The finder, and the names of the options that it does not read.

    Raises:
        ZplusError: No finder learns from that.
        UnknownNameError: None of the finders that do has the name of the method.
    """
    sources: dict[str, Any] = {"scored": options.attribute or options.scorer, "count": options.components}
    sources["examples"] = options.positive or options.negative
    given = {name for name, source in sources.items() if source is not None}
    found = {name: one for name, one in FINDERS.items() if one.needs & sources.keys() == given}
    if not found:
        raise ZplusError("Say what to learn: --attribute or --scorer, --components, or --positive and --negative.")
    alone = len(found) == 1
    method = next(iter(found)) if alone or options.method is None else options.method
    if method not in found:
        raise UnknownNameError("method", method, found)
    finder = found[method]
    unread = [option for option, fields in READ_AS.items() if not fields & (finder.needs | finder.reads)]
    return finder, unread + ["space"] * (options.space not in finder.spaces) + ["method"] * alone


def learn_directions(options: LearnOptions, name: str, callbacks: Callbacks = SILENT) -> list[Direction]:
    """Learn directions.

    Args:
        options: What is learnt, and from what.
        name: The name of a direction learnt from images, if the options give none.
        callbacks: See `Callbacks`.

    Raises:
        ZplusError: The options are invalid, or what they give does not suffice.
    """
    finder, _ = chosen_finder(options)
    if options.attribute is not None and options.scorer is None and options.attribute not in ATTRIBUTES:
        raise UnknownNameError("attribute", options.attribute, ATTRIBUTES)
    generator, search = _search(options, name, finder, callbacks)
    with callbacks.stage("Finding directions", None):
        return finder(generator, search)


def read_foreign(
    generator: Generator, path: Path, options: LearnOptions, callbacks: Callbacks = SILENT
) -> list[Direction]:
    """Read directions of another program, in units of the prior; notes on them go to `callbacks.warn`."""
    found, notes = read_directions(generator, path, options.space)
    for note in dict.fromkeys(notes):
        callbacks.warn(note)
    return [replace(found[0], name=options.name)] if options.name and len(found) == 1 else found


def measured_directions(
    generator: Generator, found: list[Direction], options: LearnOptions, callbacks: Callbacks = SILENT
) -> list[Direction]:
    """Scale directions by the score of an attribute, if the options name one; warn of those without visible effect."""
    if options.attribute or options.scorer:
        attribute, score = _scored_by(options)
        scored = _score(generator, score, attribute, options, callbacks)
        found = [calibrated(generator, one, attribute, scored) for one in found]
    for one in found:
        if visible_effect(generator, one) < INVISIBLE:
            callbacks.warn(
                f"{one.name} changes hardly anything that can be seen: is it of {generator.name}, and of {one.space}?"
            )
    return found


def described(direction: Direction) -> dict[str, Any]:
    """A direction's name, space, unit and card."""
    facts = {"name": direction.name, "space": direction.space, "unit": direction.unit}
    return facts | direction.card | facts  # first, and never as the card has them


def _search(options: LearnOptions, name: str, finder: Finder, callbacks: Callbacks) -> tuple[Generator, Search]:
    """The generator and all that the finder reads; samples are scored, and pictures inverted, where it needs that."""
    fields, inverter = finder.needs | finder.reads, None
    if "examples" in fields:
        paths = {kind: _pictures(getattr(options, kind), kind) for kind in ("positive", "negative")}
        shared = {"model": options.model, "device": options.device, "label": options.label, "align": options.align}
        inverter = load_inverter(InvertOptions(space="w+", **shared), callbacks)  # type: ignore[arg-type]
    generator = inverter.generator if inverter else load_generator(options.model, options.device, options.label)
    search = Search(
        space=options.space,
        layers=None if options.layers is None else layer_range(options.layers, generator.num_codes),
        conditioned_on=tuple(find_direction(name, generator) for name in options.without),
        count=options.components or 0,
        seed=options.seed if "seed" in fields else Search.seed,  # else that of the samples
    )
    if inverter:
        examples = _examples(paths, search.layers, inverter, callbacks)
        search = replace(search, name=options.name or name, examples=examples)
    if "scored" in fields:
        attribute, score = _scored_by(options)
        scored = _score(generator, score, attribute, options, callbacks)
        search = replace(search, name=options.name or attribute, attribute=attribute, scored=scored)
    return generator, search


def _score(generator: Generator, score: Score, attribute: str, options: LearnOptions, callbacks: Callbacks) -> Scored:
    with callbacks.stage(f"Scoring samples by {attribute}", options.samples) as tick:
        return score_prior(generator, score, options.samples, options.seed, lambda done: tick(done, ""))


def _scored_by(options: LearnOptions) -> tuple[str, Score]:
    """The attribute's name and what scores it: a network of zplus, or a function of the user's."""
    if options.scorer is None:
        attribute, scorers = str(options.attribute), Scorers()
        return attribute, lambda pixels: scorers.measure(pixels, [attribute])
    function = _function(options.scorer)
    name = options.attribute or options.name or options.scorer.rpartition(":")[2]

    def score(pixels: np.ndarray) -> dict[str, float]:
        try:
            return {name: float(function(pixels))}
        except Exception as error:
            raise ZplusError(
                f"The scorer {options.scorer} failed ({type(error).__name__}: {error}): mend it."
            ) from error

    return name, score


def _function(text: str) -> Callable[[np.ndarray], float]:
    """MODULE:FUNCTION, a module of the user's that is in this folder or installed."""
    module, _, name = text.partition(":")
    sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # the module is the user's, and may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise ZplusError(f"The scorer {text} cannot be had ({reason}): give MODULE:FUNCTION.") from error
    finally:
        sys.path.remove("")


def _examples(
    paths: Mapping[str, Sequence[Path]], layers: tuple[int, int] | None, inverter: Inverter, callbacks: Callbacks
) -> Examples:
    """The pictures inverted into W+: of each the mean of the codes that are to move."""
    generator, codes, count = inverter.generator, dict[str, Tensor](), sum(map(len, paths.values()))
    for kind, files in paths.items():
        rows = [torch.empty(0, generator.num_codes, generator.w_dim)]
        for path in files:
            try:
                aligned = aligned_face(path, generator.resolution, 0, inverter.options.align, callbacks)
            except (ImageError, FaceError) as error:
                callbacks.warn(f"{error} It is left out.")
                continue
            latent = inverter.invert(aligned, callbacks, f"Inverting {path.name}, one of {count}")
            rows.append(latent.point.code.cpu())
        codes[kind] = torch.cat(rows)[:, slice(*layers or (None,))].mean(1)
    return Examples(**codes)


def _pictures(folder: Path | None, kind: str) -> list[Path]:
    found = sorted(x for x in folder.iterdir() if x.suffix.lower() in READABLE) if folder and folder.is_dir() else []
    if not found:
        raise ImageError(f"There are no pictures for --{kind}: give a folder that holds {', '.join(READABLE)}.")
    return found
