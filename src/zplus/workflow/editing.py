"""Edit, paste and save: from a photo or a latent to an edited picture."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from zplus.direction import MOST, Direction
from zplus.editing import Editor, angle_degrees, cosine_reached, edit, find_direction, keep_identity, solve_strength
from zplus.editing.likeness import STEPS as LIKENESS_STEPS
from zplus.errors import LatentError, ZplusError
from zplus.execution import best_execution
from zplus.faces.align import Aligned
from zplus.faces.paste import paste
from zplus.generators import Generator
from zplus.images import is_animation, read_image, to_pixels, write_animation, write_image
from zplus.latent import Latent, load_latent, save_latent
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.perception.identity import Identity
from zplus.spaces import render
from zplus.workflow.callbacks import SILENT, Callbacks, collecting, python_warnings
from zplus.workflow.inverting import load_inverter
from zplus.workflow.judging import Scores, identity_between, measure_scores, other_person
from zplus.workflow.masks import check_mask, check_painted, mask_of
from zplus.workflow.models import generator_of, needed, pull_missing
from zplus.workflow.options import EditOptions, InvertOptions
from zplus.workflow.photo import Pixels, aligned_face
from zplus.workflow.sheet import RATE, strip, there_and_back

Facts = dict[str, Any]
Check = Callable[[Generator], None]


@dataclass(frozen=True)
class Subject:
    """A latent that is ready to be edited.

    Attributes:
        generator: The generator of the latent.
        latent: The latent, of one row.
        aligned: The crop that an edit is pasted into; None without a photo.
        facts: Figures by the keys of `zplus edit --json`.
        identity: The identity network, if the photo was judged.
    """

    generator: Generator
    latent: Latent
    aligned: Aligned | None
    facts: Facts
    identity: Identity | None = None


def edit_file(
    source: Path,
    out: Path,
    options: EditOptions,
    inverting: InvertOptions,
    photo: Path | None = None,
    latent: Path | None = None,
    callbacks: Callbacks = SILENT,
) -> Facts:
    """Edit a photo or a latent and write the image. Models that are missing are pulled.

    Args:
        source: A photo, or the .safetensors file of a latent.
        out: The image to write: .png, .jpg or .webp; of a sweep .webp and .mp4 are animations.
        options: The edit.
        inverting: How a photo is inverted. For a latent only model, label, device, face and align are used; the model
            "" is the one that the latent names.
        photo: The photo that an edited latent is pasted into.
        latent: Where to write the edited latent as well.
        callbacks: See `Callbacks`.

    Returns:
        Figures by the keys of `zplus edit --json`.

    Raises:
        ZplusError: Something is invalid; as far as possible before the photo is inverted.
    """
    callbacks, warnings = collecting(callbacks)
    check_options(options)
    check = partial(check_names, options)
    if source.suffix == ".safetensors":
        subject = _from_latent(source, photo, inverting, check, callbacks)
    else:
        subject = _from_photo(source, inverting, check, callbacks)
    subject = masked(subject, options.mask)
    edited, facts = edit_subject(subject, out, options, callbacks)
    if latent is not None:
        save_latent(edited, latent)
        facts["latent"] = latent
    return subject.facts | facts | {"warnings": list(dict.fromkeys(warnings))}


def masked(subject: Subject, mask: str | None) -> Subject:
    """The subject with a mask by its name or file; None leaves it as it is."""
    if mask is None:
        return subject
    found = mask_of(mask, subject.generator, subject.latent)
    return replace(subject, latent=replace(subject.latent, mask=found))


def edit_subject(subject: Subject, out: Path, options: EditOptions, callbacks: Callbacks) -> tuple[Latent, Facts]:
    """Edit, judge and write the image.

    Returns:
        The edited latent (of a sweep the one that it begins with), and figures by the keys of `zplus edit --json`.
    """
    edited, strengths = edited_latent(subject, options, callbacks)
    if options.sweep:
        return edited, _write_sweep(subject.generator, edited, *options.sweep, out, callbacks)
    with callbacks.stage("Editing", None):
        after, facts = judged(subject, edited, strengths, options, callbacks)
        aligned = None if options.crop_alone else subject.aligned
        write_image(out, finished(subject.generator, edited, after, aligned, options.paste), noted(strengths))
    return edited, {"picture": out} | facts


def edited_latent(subject: Subject, options: EditOptions, callbacks: Callbacks) -> tuple[Latent, dict[str, float]]:
    """The edited latent, of a sweep the one that it begins with; and the strengths, with those that reach targets."""
    generator, latent = subject.generator, subject.latent
    strengths = _reach(generator, latent, options, callbacks)
    with python_warnings(callbacks):
        edited = edit(generator, latent, strengths, feature=options.feature, move=options.move)
    for one in edited.edits:
        _check_range(one.direction, one.strength, callbacks)
    if options.keep_identity:
        edited = _kept(generator, edited, callbacks)
    return edited, strengths


def judged(
    subject: Subject, edited: Latent, strengths: Mapping[str, float], options: EditOptions, callbacks: Callbacks
) -> tuple[Tensor, Facts]:
    """The image of an edited latent, [3, R, R] in [-1, 1], and its figures by the keys of `zplus edit --json`."""
    generator, amounts = subject.generator, _within(strengths)
    after = render(generator, edited)[0].cpu()
    scores: list[Scores | None] = [None, None]
    if options.scores:
        before = render(generator, subject.latent)[0].cpu()
        scores = measure_scores(generator, [before, after], callbacks)
    _warn_of_other_person(subject, after, callbacks)
    return after, {
        "direction": _one_or_all(amounts.keys()),
        "strength": _one_or_all(amounts.values()),
        "angle_degrees": angle_degrees(edited)[0],
        "cosine": round(cosine_reached(generator, edited)[0], 3),
        "scores_before": scores[0],
        "scores_after": scores[1],
    }


def noted(strengths: Mapping[str, float]) -> str:
    """What an edited picture says of its edits."""
    return ", ".join(f"{name} {amount:+g}" for name, amount in _within(strengths).items())


def _within(strengths: Mapping[str, float]) -> dict[str, float]:
    return {name: min(max(x, -MOST), MOST) for name, x in strengths.items()}


def _kept(generator: Generator, edited: Latent, callbacks: Callbacks) -> Latent:
    """The edited latent with the person more alike."""
    with python_warnings(callbacks), callbacks.stage("Keeping the person", LIKENESS_STEPS) as tick:
        execution = best_execution(generator, LIKENESS_STEPS)
        return keep_identity(generator, edited, LIKENESS_STEPS, execution, lambda done: tick(done, ""))


def finished(
    generator: Generator,
    edited: Latent,
    image: Tensor,
    aligned: Aligned | None,
    mode: str = "keep",
    others: Sequence[Aligned] = (),
    onto: Pixels | None = None,
) -> Pixels:
    """The photo with the edit pasted in; without a photo the crop.

    Args:
        generator: The generator of the latent.
        edited: The edited latent.
        image: Its image [3, R, R] in [-1, 1].
        aligned: The crop of the photo, or None.
        mode: See `zplus.paste`.
        others: See `zplus.paste`.
        onto: See `zplus.paste`.
    """
    if aligned is None:
        return to_pixels(image)
    inverted = render(generator, replace(edited, edits=(), edited=None))[0].cpu()  # older edits show too
    return paste(aligned, inverted, image, mode, others, onto)


def _warn_of_other_person(subject: Subject, image: Tensor, callbacks: Callbacks) -> None:
    """Warn if the edit of a judged photo shows another person."""
    if subject.aligned is not None and subject.identity is not None:
        apart = identity_between(subject.identity, subject.aligned.pixels, to_pixels(image))
        for line in other_person("The edited picture", apart):
            callbacks.warn(line)


def sweep_pictures(
    generator: Generator, latent: Latent, direction: str, strengths: Sequence[float], callbacks: Callbacks
) -> list[Pixels]:
    """The crop at each strength of one direction."""
    pictures = []
    with python_warnings(callbacks), callbacks.stage(f"Sweeping {direction}", len(strengths)) as tick:
        editor = Editor(generator, latent)
        for i, strength in enumerate(strengths):
            pictures.append(to_pixels(editor.image(editor.edit({direction: strength}))[0]))
            tick(i + 1, f"{strength:+g}")
    return pictures


def _write_sweep(
    generator: Generator, latent: Latent, direction: str, strengths: tuple[float, ...], out: Path, callbacks: Callbacks
) -> Facts:
    """Pictures of rising strength: side by side, or as an animation there and back, by the suffix of OUT."""
    pictures = sweep_pictures(generator, latent, direction, strengths, callbacks)
    for strength in {min(strengths), max(strengths)}:
        _check_range(find_direction(direction, generator), strength, callbacks)
    note = f"{direction} {strengths[0]:+g} to {strengths[-1]:+g}"
    if is_animation(out):
        write_animation(out, there_and_back(pictures), RATE, note)
    else:
        write_image(out, strip(pictures), note)
    return {"picture": out, "direction": direction, "strength": list(strengths), "space": latent.space}


def _one_or_all(values: Iterable[Any]) -> Any:
    """What a caller of one direction and one of several expect."""
    found = list(values)
    return found[0] if len(found) == 1 else found


def _check_range(direction: Direction, strength: float, callbacks: Callbacks) -> None:
    """Say so where faces did not hold in the measurements."""
    try:
        low, high = direction.range or (-MOST, MOST)
    except LatentError as error:
        return callbacks.warn(f"{error} The edit is made all the same.")
    if not low <= strength <= high:
        callbacks.warn(
            f"{direction.name} {strength:+g} lies beyond {low:+g} to {high:+g}, where most faces held: look closely."
        )


def _reach(generator: Generator, latent: Latent, options: EditOptions, callbacks: Callbacks) -> dict[str, float]:
    """The strengths, with those added that bring the scores to the targets, one after the other."""
    strengths = dict(options.strengths)
    if not options.targets:
        return strengths
    scorers = Scorers()
    for name, target in options.targets.items():
        direction, attribute = _scored_direction(name, generator)
        title, quiet = f"Looking for {attribute} {target:g}", warnings.catch_warnings(action="ignore")
        with callbacks.stage(title, None), quiet:  # the warnings are of trials: the edit itself will warn
            begun = edit(generator, latent, strengths, feature=options.feature, move=options.move)
            found = solve_strength(generator, begun, direction, target, partial(_read_score, scorers, attribute))
        if not found.within:
            callbacks.warn(
                f"{attribute} {target:g} is out of reach of {name}: {found.score:.3g} at {found.strength:+.2f}."
            )
        strengths[name] = strengths.get(name, 0.0) + found.strength
    return strengths


def _read_score(scorers: Scorers, attribute: str, image: Tensor) -> float:
    return scorers.measure(to_pixels(image.cpu()), [attribute])[attribute]


def _scored_direction(name: str, generator: Generator) -> tuple[Direction, str]:
    """A direction, and the attribute that scores it."""
    direction = find_direction(name, generator)
    attribute = direction.card.get("attribute")
    if attribute not in ATTRIBUTES:
        raise ZplusError(f"No score belongs to {name}: give a strength with -d instead of a target.")
    return direction, attribute


def check_options(options: EditOptions) -> None:
    """Refuse what no generator can do."""
    if options.mask is not None:
        check_mask(options.mask)
    if not (options.moved or options.targets):
        raise ZplusError("Say what to change: -d smile=1, --to smile=0.8 or --sweep smile=-2:2:5.")


def check_names(options: EditOptions, generator: Generator) -> None:
    """Refuse what does not fit the generator, before minutes of work."""
    for name in options.moved:
        find_direction(name, generator)
    for name in options.targets:
        _scored_direction(name, generator)
    if options.mask is not None:
        check_painted(options.mask, generator)


def _from_photo(photo: Path, options: InvertOptions, check: Check, callbacks: Callbacks) -> Subject:
    """Align, invert and judge."""
    read_image(photo)  # a bad photo is refused before anything is fetched
    pull_missing(needed(options.model), callbacks)
    inverter = load_inverter(options, callbacks)
    generator = inverter.generator
    check(generator)
    aligned = aligned_face(photo, generator.resolution, options.face, options.align, callbacks)
    latent = inverter.invert(aligned, callbacks, f"Inverting {photo.name}")
    _, facts = inverter.judge(latent, aligned, callbacks)
    return Subject(generator, latent, aligned, {"photo": photo, **facts}, inverter.identity)


def first_latent(path: Path, callbacks: Callbacks) -> Latent:
    """The latent of a file; of several rows the first, which `callbacks.say` is told."""
    latent = load_latent(path)
    if len(latent) > 1:
        callbacks.say(f"{path} holds {len(latent)} latents: the first is taken.")
        return latent[0]
    return latent


def _from_latent(path: Path, photo: Path | None, options: InvertOptions, check: Check, callbacks: Callbacks) -> Subject:
    """Load, and align the photo if there is one to paste into."""
    latent = first_latent(path, callbacks)
    generator = generator_of(latent, options.model or None, options.device, options.label, callbacks)
    check(generator)
    aligned = None
    if photo is not None:
        aligned = aligned_face(photo, generator.resolution, options.face, options.align, callbacks)
    return Subject(generator, latent, aligned, {"space": latent.space, "model": latent.generator})
