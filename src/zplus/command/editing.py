"""The command `edit`: from a photo, or from a latent, to an edited picture."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from zplus.command.inverting import Inverter, Request
from zplus.command.options import DEFAULT_MODEL
from zplus.command.photo import aligned_face
from zplus.command.prepare import output_file
from zplus.command.pulling import generator_of, needed, pull_missing
from zplus.command.show import Show
from zplus.editing import angle_degrees, cosine_reached, edit, find_direction
from zplus.editing.edit import LIMIT
from zplus.errors import DownloadError, MissingExtraError, ZplusError
from zplus.faces.align import Aligned
from zplus.faces.paste import paste
from zplus.generators import Generator
from zplus.images import read_image, to_pixels, write_image
from zplus.latent import Latent, load_latent, save_latent
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.spaces import render


@dataclass(frozen=True)
class Wish:
    """What is to become of a photo or latent; directions as on the command line, paste None for the crop alone."""

    directions: tuple[str, ...]
    feature: Literal["moved", "added", "fixed"] = "moved"
    paste: str | None = "keep"
    photo: Path | None = None
    latent: Path | None = None


def edit_source(source: Path, out: Path, wish: Wish, request: Request, show: Show) -> None:
    """Edit a photo or a latent and write the picture."""
    output_file(out, source, wish.photo)
    if wish.latent is not None:
        output_file(wish.latent, source, picture=False)
    strengths = parse_strengths(wish.directions)
    if source.suffix == ".safetensors":
        latent, aligned, facts, generator = _from_latent(source, wish, request, strengths, show)
    else:
        latent, aligned, facts, generator = _from_photo(source, request, strengths, show)
    with show.stage("Editing"):
        edited = edit(generator, latent, strengths, feature=wish.feature)
        before, after = (render(generator, x)[0].cpu() for x in (latent, edited))
        scores = measure_scores([before, after], show)
        pixels = to_pixels(after)
        if aligned is not None and wish.paste is not None:
            pixels = paste(aligned, before, after, wish.paste)
    if wish.latent is not None:
        save_latent(edited, wish.latent)
    note = ", ".join(f"{name} {strength:+g}" for name, strength in strengths.items())
    write_image(out, pixels, note)
    names, amounts = list(strengths), list(strengths.values())
    facts |= {
        "picture": out,
        "direction": names[0] if len(names) == 1 else names,
        "strength": amounts[0] if len(names) == 1 else amounts,
        "angle_degrees": angle_degrees(edited)[0],
        "cosine": round(cosine_reached(generator, edited)[0], 3),
        "scores_before": scores[0],
        "scores_after": scores[1],
        "warnings": list(dict.fromkeys([*facts.get("warnings", []), *show.warnings])),
    }
    facts |= {} if wish.latent is None else {"latent": wish.latent}
    show.result(facts, f"{source} -> {out}  ({note})")


def parse_strengths(directions: tuple[str, ...]) -> dict[str, float]:
    """ "smile=1.5" or "smile" (which is 1) by name; the same name adds up.

    >>> parse_strengths(("smile", "age=-2", "smile=0.5"))
    {'smile': 1.5, 'age': -2.0}
    """
    found: dict[str, float] = {}
    for text in directions:
        name, equals, number = text.rpartition("=")
        if not equals:
            name, number = text, "1"
        try:
            strength = float(number)
        except ValueError:
            raise ZplusError(f"The strength in {text!r} is not a number: write it like {name}=1.5.") from None
        if not name or not math.isfinite(strength):
            raise ZplusError(f"{text!r} is not a direction with a strength: write it like smile=1.5.")
        found[name] = found.get(name, 0.0) + strength
        if abs(found[name]) > LIMIT:
            raise ZplusError(f"The strength of {name} is {found[name]:g}, but must lie in -{LIMIT:g}..{LIMIT:g}.")
    return found


def measure_scores(pictures: list[Tensor], show: Show) -> list[dict[str, float] | None]:
    """The scores by attribute of pictures [3,R,R]; None with a warning where the scorers are not here."""
    try:
        scorers = Scorers()
        return [scorers.measure(to_pixels(picture), ATTRIBUTES) for picture in pictures]
    except (DownloadError, MissingExtraError) as error:
        show.warn(f"There are no scores: {error}")
        return [None for _ in pictures]


def _from_photo(
    photo: Path, request: Request, strengths: dict[str, float], show: Show
) -> tuple[Latent, Aligned, dict[str, Any], Generator]:
    """Align and invert; names of directions are checked before the minutes of work."""
    request = replace(request, model=request.model or DEFAULT_MODEL)
    read_image(photo)  # a bad photo is refused before anything is fetched
    pull_missing(needed(request.model), show)
    inverter = Inverter(request, show)
    for name in strengths:
        find_direction(name, inverter.generator)
    aligned = aligned_face(photo, inverter.generator.resolution, request.face, show, request.align)
    latent = inverter.invert(aligned, f"Inverting {photo.name}")
    _, facts = inverter.judge(latent, aligned)
    return latent, aligned, {"photo": photo, **facts}, inverter.generator


def _from_latent(
    path: Path, wish: Wish, request: Request, strengths: dict[str, float], show: Show
) -> tuple[Latent, Aligned | None, dict[str, Any], Generator]:
    """Load, and align the photo if there is one to paste into."""
    latent = load_latent(path)
    if len(latent) > 1:
        show.say(f"{path} holds {len(latent)} latents: the first is taken.")
        latent = latent[0]
    generator = generator_of(latent, request.model or None, request.device, request.label, show)
    for name in strengths:
        find_direction(name, generator)
    aligned = None
    if wish.photo is not None:
        aligned = aligned_face(wish.photo, generator.resolution, request.face, show, request.align)
    return latent, aligned, {"space": latent.space, "model": latent.generator}, generator
