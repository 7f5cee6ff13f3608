"""What was done on the page, as commands and as Python."""

import shlex
from pathlib import Path

from zplus.editing import directions_of
from zplus.generators import MODELS
from zplus.latent import Edit
from zplus.studio import AS_IT_IS
from zplus.studio.entry import Entry
from zplus.studio.models import Models
from zplus.studio.opened import Opened
from zplus.studio.session import SAMPLE_PSI
from zplus.workflow.options import InvertOptions

ONLY_PYTHON = "A sampled face is edited from Python:"


def recipe(models: Models, entry: Entry, opened: Opened) -> dict[str, str]:
    """How to make the edited picture without the page: "shell" and "python"."""
    model = opened.model if opened.model in MODELS else str(models.files[opened.model])
    return {"shell": "\n".join(_shell(model, entry, opened)), "python": "\n".join(_python(model, entry, opened))}


def _shell(model: str, entry: Entry, opened: Opened) -> list[str]:
    """Commands, one a line: invert, edit, and a drag for each that was made."""
    origin, photo = opened.about.origin, entry.file
    own = [] if model == InvertOptions.model else ["--model", model]
    if origin.seed is not None:
        return [_line("sample", "--seeds", origin.seed, "--psi", SAMPLE_PSI, *own, "-o", "faces"), "# " + ONLY_PYTHON]
    face = ["--no-align"] if origin.face == AS_IT_IS else ["--face", str(origin.face)] if origin.face else []
    latent, lines, paste = f"{entry.name}.latent.safetensors", [], []
    if photo:
        how = ["--space", opened.latent.space, "--method", origin.method]
        how += [] if origin.steps is None else ["--steps", str(origin.steps)]
        lines.append(_line("invert", photo, "-o", "out", *own, *how, *face))
        latent, paste = f"out/{Path(photo).stem}.latent.safetensors", ["--photo", photo, *face]
    result = f"{entry.name}.edited{'.jpg' if photo else '.png'}"
    state = opened.state
    moves, unknown, drags = _new(opened)
    lines += [f"# {name} is an axis of the studio alone, and no command knows it." for name in unknown]
    if moves or not drags:
        wishes = [x for name, s in moves.items() for x in ("-d", f"{name}={s:g}")]
        feature = [] if opened.latent.layer is None else ["--feature", state.feature]
        written = ["--latent", "edited.safetensors"] if drags else []
        lines.append(_line("edit", latent, *wishes, *feature, *own, *paste, *written, "-o", result))
        latent = "edited.safetensors" if drags else latent
    for i, drag in enumerate(drags, 1):
        lines += ["# What might move was painted: here everything may."] * ("masked" in drag.direction.card)
        ends = [x for a, b, c, d in _pairs(drag) for x in ("--from", f"{a:g},{b:g}", "--to", f"{c:g},{d:g}")]
        written = ["--latent", f"dragged{i}.safetensors"]
        lines.append(_line("drag", latent, *ends, *own, *paste, *written, "-o", result))
        latent = written[1]
    return lines


def _python(model: str, entry: Entry, opened: Opened) -> list[str]:
    origin, state = opened.about.origin, opened.state
    lines = ["import zplus", "", f"generator = zplus.load_generator({model!r})"]
    if origin.seed is not None:
        lines.append(f"latent = zplus.sample(generator, seed={origin.seed}, psi={SAMPLE_PSI})")
    elif entry.file and origin.face != AS_IT_IS:
        steps = "" if origin.steps is None else f", steps={origin.steps}"
        how = f"space={opened.latent.space!r}, method={origin.method!r}{steps}"
        lines += [
            f"face = zplus.align(zplus.read_image({entry.file!r}), size=generator.resolution, face={origin.face})",
            f"latent = zplus.invert(generator, face.image, {how})",
        ]
    else:
        lines.append(f"latent = zplus.load_latent({entry.name + '.latent.safetensors'!r})")
    strengths, unknown, drags = _new(opened)
    lines += [f"# {name} is an axis of the studio alone, and is left out." for name in unknown]
    lines.append(f"edited = zplus.edit(generator, latent, {strengths!r}, feature={state.feature!r})")
    for drag in drags:
        lines.append(f"edited = zplus.drag(generator, edited, {_pairs(drag)!r})")
    if entry.file and origin.seed is None and origin.face != AS_IT_IS:
        return [
            *lines,
            "before, after = (zplus.render(generator, x)[0] for x in (latent, edited))",
            f"zplus.write_image({entry.name + '.edited.jpg'!r}, zplus.paste(face, before, after))",
        ]
    return [
        *lines,
        f"zplus.write_image({entry.name + '.edited.png'!r}, zplus.to_pixels(zplus.render(generator, edited)[0]))",
    ]


def _new(opened: Opened) -> tuple[dict[str, float], list[str], list[Edit]]:
    """What was changed since the latent was opened: directions and their strengths, axes without a name, drags."""
    pairs = zip(opened.sliders, opened.state.strengths, opened.first.strengths, strict=True)
    changed = {slider.name: now - first for slider, now, first in pairs if now != first}
    known = directions_of(opened.generator)
    old = {drag.direction.name for drag in opened.first.drags}
    drags = [drag for drag in opened.state.drags if drag.direction.name not in old]
    return {x: s for x, s in changed.items() if x in known}, [x for x in changed if x not in known], drags


def _pairs(drag: Edit) -> list[list[float]]:
    """The points of a drag, as its card tells them, to a tenth of a pixel."""
    return [[round(x, 1) for x in pair] for pair in drag.direction.card.get("points", [])]


def _line(*words: object) -> str:
    return "zplus " + " ".join(shlex.quote(f"{x:g}" if isinstance(x, float) else str(x)) for x in words)
