"""The command `edit`: from a photo, or from a latent, to an edited picture."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from zplus.command.inverting import Inverter, Request
from zplus.command.options import DEFAULT_MODEL
from zplus.command.outputs import output_file
from zplus.command.photo import aligned_face
from zplus.command.pulling import generator_of, needed, pull_missing
from zplus.command.show import Show
from zplus.command.words import Sweep, parse_strengths, parse_sweep, parse_targets
from zplus.direction import MOST, Direction
from zplus.editing import Editor, angle_degrees, cosine_reached, edit, find_direction, solve_strength
from zplus.errors import DownloadError, LatentError, MissingExtraError, UnknownNameError, ZplusError
from zplus.faces.align import Aligned
from zplus.faces.paste import paste
from zplus.faces.regions import REGIONS, region_mask
from zplus.faces.regions import SIDE as MASK_SIDE
from zplus.generators import Generator
from zplus.images import WRITTEN, read_image, to_pixels, to_tensor, write_animation, write_image
from zplus.latent import FeatureMove, Latent, Move, load_latent, save_latent
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.perception.lpips import at
from zplus.spaces import render

RATE = 12.0  # pictures a second of an animation

Check = Callable[[Generator], None]


@dataclass(frozen=True)
class Wish:
    """What is to become of a photo or latent; directions as on the command line, paste None for the crop alone."""

    directions: tuple[str, ...]
    feature: FeatureMove | None = None  # as the latent had it
    move: Move | None = None
    paste: str | None = "keep"
    photo: Path | None = None
    latent: Path | None = None
    targets: tuple[str, ...] = ()
    sweep: str | None = None
    mask: str | None = None  # a region of the face, or a picture


def edit_source(source: Path, out: Path, wish: Wish, request: Request, show: Show) -> None:
    """Edit a photo or a latent and write the picture."""
    strengths, targets = parse_strengths(wish.directions), parse_targets(wish.targets)
    sweep = None if wish.sweep is None else parse_sweep(wish.sweep)
    moved = [*strengths, *([sweep.name] if sweep else [])]
    read = (source, wish.photo, wish.mask, request.model, request.encoder, request.start, *moved, *targets)
    output_file(out, *read)
    if wish.latent is not None:
        output_file(wish.latent, *read, picture=False)
    if wish.mask is not None:
        check_mask(wish.mask)
    if not (moved or targets):
        raise ZplusError("Say what to change: -d smile=1, --to smile=0.8 or --sweep smile=-2:2:5.")
    check = partial(_check, wish, moved, targets)
    if source.suffix == ".safetensors":
        latent, aligned, facts, generator = _from_latent(source, wish, request, check, show)
    else:
        latent, aligned, facts, generator = _from_photo(source, request, check, show)
    if wish.mask is not None:
        latent = replace(latent, mask=mask_of(wish.mask, generator, latent))
    if targets:
        strengths = _reach(generator, latent, strengths, targets, wish, show)
    with show.heard():
        edited = edit(generator, latent, strengths, feature=wish.feature, move=wish.move)
    for one in edited.edits:
        _check_range(one.direction, one.strength, show)
    if sweep:
        found, note = _write_sweep(generator, edited, sweep, out, show), wish.sweep
    else:
        amounts = {name: min(max(x, -MOST), MOST) for name, x in strengths.items()}
        note = ", ".join(f"{name} {amount:+g}" for name, amount in amounts.items())
        with show.stage("Editing"):
            before, after = (render(generator, x)[0].cpu() for x in (latent, edited))
            scores = measure_scores([before, after], show)
            pixels = to_pixels(after)
            if aligned is not None and wish.paste is not None:
                inverted = render(generator, replace(latent, edits=(), edited=None))[0].cpu()  # older edits show too
                pixels = paste(aligned, inverted, after, wish.paste)
            write_image(out, pixels, note)
        found = {
            "picture": out,
            "direction": _one_or_all(amounts.keys()),
            "strength": _one_or_all(amounts.values()),
            "angle_degrees": angle_degrees(edited)[0],
            "cosine": round(cosine_reached(generator, edited)[0], 3),
            "scores_before": scores[0],
            "scores_after": scores[1],
        }
    if wish.latent is not None:
        save_latent(edited, wish.latent)
        found["latent"] = wish.latent
    show.result(facts | found | _warned(facts, show), f"{source} -> {out}  ({note})")


def _one_or_all(values: Iterable[Any]) -> Any:
    """What a caller of one direction and one of several expect."""
    found = list(values)
    return found[0] if len(found) == 1 else found


def _warned(facts: dict[str, Any], show: Show) -> dict[str, list[str]]:
    """What was warned of, by the inversion or since, each once."""
    return {"warnings": list(dict.fromkeys([*facts.get("warnings", []), *show.warnings]))}


def _check_range(direction: Direction, strength: float, show: Show) -> None:
    """Say so where faces did not hold in the measurements."""
    try:
        low, high = direction.range or (-MOST, MOST)
    except LatentError as error:
        return show.warn(f"{error} The edit is made all the same.")
    if not low <= strength <= high:
        show.warn(
            f"{direction.name} {strength:+g} lies beyond {low:+g} to {high:+g}, where most faces held: look closely."
        )


def check_mask(wish: str) -> None:
    """Refuse what is neither a region nor a picture, before minutes of work."""
    if Path(wish).suffix.lower() in WRITTEN:
        read_image(wish)
    elif wish not in REGIONS:
        raise UnknownNameError("region or picture", wish, REGIONS)


def mask_of(wish: str, generator: Generator, latent: Latent) -> Float[Tensor, "1 1 s s"]:
    """A region of the face by name, or a picture of the crop's size: where it is white, edits show."""
    if Path(wish).suffix.lower() not in WRITTEN:
        return region_mask(to_pixels(render(generator, replace(latent, mask=None))[0]), wish)
    return at(_painted(wish, generator.resolution), min(MASK_SIDE, generator.resolution))


def _painted(picture: str, side: int) -> Float[Tensor, "1 1 r r"]:
    """How white a picture is, in [0, 1]. Raises ZplusError where it is not of the crop's size."""
    grey = to_tensor(read_image(picture)).mean(1, keepdim=True) / 2 + 0.5
    high, wide = grey.shape[-2:]
    if (high, wide) != (side, side):
        raise ZplusError(
            f"The mask is {wide}x{high} pixels, but the crop has {side}x{side}: "
            "paint it on what 'zplus align' or 'zplus invert' wrote."
        )
    return grey


def _write_sweep(generator: Generator, latent: Latent, sweep: Sweep, out: Path, show: Show) -> dict[str, Any]:
    """Pictures of rising strength: side by side, or as an animation there and back where OUT ends in .webp.

    Returns what there is to say of it.
    """
    pictures = []
    with show.heard(), show.stage(f"Sweeping {sweep.name}", len(sweep.strengths)) as tick:
        editor = Editor(generator, latent)
        for i, strength in enumerate(sweep.strengths):
            pictures.append(to_pixels(editor.image(editor.edit({sweep.name: strength}))[0]))
            tick(i + 1, f"{strength:+g}")
    for strength in {min(sweep.strengths), max(sweep.strengths)}:
        _check_range(find_direction(sweep.name, generator), strength, show)
    note = f"{sweep.name} {sweep.strengths[0]:+g} to {sweep.strengths[-1]:+g}"
    if out.suffix.lower() == ".webp":
        write_animation(out, [*pictures, *pictures[-2:0:-1]], RATE, note)
    else:
        write_image(out, np.concatenate(pictures, axis=1), note)
    return {"picture": out, "direction": sweep.name, "strength": list(sweep.strengths), "space": latent.space}


def _reach(
    generator: Generator, latent: Latent, strengths: dict[str, float], targets: dict[str, float], wish: Wish, show: Show
) -> dict[str, float]:
    """The strengths, with those added that bring the scores to the targets, one after the other."""
    scorers = Scorers()
    for name, target in targets.items():
        direction, attribute = _judged(name, generator)
        with show.stage(f"Looking for {attribute} {target:g}"):
            begun = edit(generator, latent, strengths, feature=wish.feature, move=wish.move)
            found = solve_strength(generator, begun, direction, target, partial(_read, scorers, attribute))
        if not found.within:
            show.warn(f"{attribute} {target:g} is out of reach of {name}: {found.score:.3g} at {found.strength:+.2f}.")
        strengths = strengths | {name: strengths.get(name, 0.0) + found.strength}
    return strengths


def _judged(name: str, generator: Generator) -> tuple[Direction, str]:
    """A direction, and the attribute that scores it."""
    direction = find_direction(name, generator)
    attribute = direction.card.get("attribute")
    if attribute not in ATTRIBUTES:
        raise ZplusError(f"No score belongs to {name}: give a strength with -d instead of a target.")
    return direction, attribute


def _check(wish: Wish, names: Iterable[str], targets: Iterable[str], generator: Generator) -> None:
    """Refuse what does not fit the generator, before minutes of work."""
    for name in names:
        find_direction(name, generator)
    for name in targets:
        _judged(name, generator)
    if wish.mask is not None and Path(wish.mask).suffix.lower() in WRITTEN:
        _painted(wish.mask, generator.resolution)


def _read(scorers: Scorers, attribute: str, image: Tensor) -> float:
    return scorers.measure(to_pixels(image.cpu()), [attribute])[attribute]


def measure_scores(pictures: list[Tensor], show: Show) -> list[dict[str, float] | None]:
    """The scores by attribute of pictures [3,R,R]; None with a warning where the scorers are not here."""
    try:
        scorers = Scorers()
        return [scorers.measure(to_pixels(picture), ATTRIBUTES) for picture in pictures]
    except (DownloadError, MissingExtraError) as error:
        show.warn(f"There are no scores: {error}")
        return [None for _ in pictures]


def _from_photo(
    photo: Path, request: Request, check: Check, show: Show
) -> tuple[Latent, Aligned, dict[str, Any], Generator]:
    """Align and invert."""
    request = replace(request, model=request.model or DEFAULT_MODEL)
    read_image(photo)  # a bad photo is refused before anything is fetched
    pull_missing(needed(request.model), show)
    inverter = Inverter(request, show)
    check(inverter.generator)
    aligned = aligned_face(photo, inverter.generator.resolution, request.face, show, request.align)
    latent = inverter.invert(aligned, f"Inverting {photo.name}")
    _, facts = inverter.judge(latent, aligned)
    return latent, aligned, {"photo": photo, **facts}, inverter.generator


def _from_latent(
    path: Path, wish: Wish, request: Request, check: Check, show: Show
) -> tuple[Latent, Aligned | None, dict[str, Any], Generator]:
    """Load, and align the photo if there is one to paste into."""
    latent = load_latent(path)
    if len(latent) > 1:
        show.say(f"{path} holds {len(latent)} latents: the first is taken.")
        latent = latent[0]
    generator = generator_of(latent, request.model or None, request.device, request.label, show)
    check(generator)
    aligned = None
    if wish.photo is not None:
        aligned = aligned_face(wish.photo, generator.resolution, request.face, show, request.align)
    return latent, aligned, {"space": latent.space, "model": latent.generator}, generator
