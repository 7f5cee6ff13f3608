"""What the page shows of a session: values by the names of the page's parts (page.py)."""

import math
import os
import traceback
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from zplus.errors import LatentError, sentence
from zplus.studio import AS_IT_IS, MAX_SLIDERS
from zplus.wording import WORDS
from zplus.workflow.options import Feature

if TYPE_CHECKING:  # torch comes with these, and the page is up before it
    from zplus.direction import Direction
    from zplus.studio.job import Seen
    from zplus.studio.session import Session

Values = dict[str, Any]
SHOWN_ON_SHELF = 24
REACH = 3.0  # standard deviations to either side, more only where a latent has more
FEATURES: dict[str, Feature] = {"Moved with the edit": "moved", "Only added to": "added", "Left as it is": "fixed"}


def status(words: str, kind: str = "") -> Values:
    """A line that screen readers speak; kind "error" or "busy"."""
    role = 'role="alert"' if kind == "error" else 'role="status" aria-live="polite"'
    return {"status": f'<p class="status {kind}" {role}>{escape(words)}</p>'}


def everything(session: "Session", words: str) -> Values:
    """The whole page as it should look now."""
    from zplus.studio.pictures import figures

    crops = [(pixels, f"face {i}") for i, pixels in enumerate(session.thumbnails())]
    choices = [(f"face {i}" if i else "face 0 (the largest)", i) for i in range(len(crops))]
    values: Values = {
        "faces": gr.update(value=figures(crops, edited=False), visible=len(crops) > 1),
        "face": gr.update(
            choices=[*choices, ("The picture is cut already", AS_IT_IS)],
            value=0 if crops else AS_IT_IS,
            visible=session.photo is not None,
        ),
        "where": gr.update(value="face", visible=session.opened is not None and session.opened.has_photo),
        "spaces": gr.update(visible=False),
        "link": gr.update(visible=False),
    }
    return values | idle(session) | editing(session) | view(session, False) | shelf(session) | status(words)


def failed(error: BaseException, session: "Session | None") -> Values:
    """What went wrong, in words; nothing else changes, but that what failed is not running."""
    if os.environ.get("ZPLUS_DEBUG"):
        traceback.print_exception(error)
    running = session is None or (session.job is not None and session.job.running)
    return status(sentence(error), "error") | ({} if session is None or running else idle(session))


def progress(seen: "Seen") -> Values:
    """How far an inversion is, with its picture."""
    from zplus.images import fitted, to_pixels
    from zplus.studio.pictures import address

    if seen.image is None:
        return status(f"{seen.stage} ...", "busy")
    step = f"step {seen.step} of {seen.steps}"
    left = "" if seen.seconds_left is None else f", {seen.seconds_left:.0f} s left"
    picture = address(fitted(to_pixels(seen.image), 512))
    words = status(f"{seen.stage}: {step}, loss {seen.loss:.4f}{left}", "busy")
    return words | {"view": {"after": picture, "caption": step}}


def idle(session: "Session") -> Values:
    """Nothing is running."""
    hidden = {name: gr.update(visible=False) for name in ("stop", "cancel")}
    free = {"invert": gr.update(interactive=session.photo is not None), "compare": gr.update(interactive=True)}
    return hidden | free


def editing(session: "Session") -> Values:
    """The sliders, and what goes with them."""
    opened = session.opened
    values: Values = {f"slider{i}": gr.update(visible=False, value=0) for i in range(MAX_SLIDERS)}
    values |= {"editing": gr.update(visible=opened is not None)}
    if opened is None:
        return values
    for i, (slider, strength) in enumerate(zip(opened.sliders, opened.state.strengths, strict=True)):
        low, high = _ends(slider, strength)
        values[f"slider{i}"] = gr.update(
            label=slider.name.replace("_", " "),
            info=WORDS[slider.name].hint if slider.name in WORDS else None,
            minimum=low,
            maximum=high,
            value=strength,
            visible=True,
        )
    chosen = next(words for words, feature in FEATURES.items() if feature == opened.state.feature)
    values["feature"] = gr.update(value=chosen, visible=opened.latent.layer is not None)
    return values | steps(session)


def _ends(slider: "Direction", strength: float) -> tuple[float, float]:
    """Between which strengths a slider goes: one beyond where faces held, and as far as it stands already."""
    try:
        low, high = slider.range or (-REACH, REACH)
    except LatentError:
        low, high = -REACH, REACH
    low, high = max(low - 1, -REACH), min(high + 1, REACH)
    return min(low, float(math.floor(strength))), max(high, float(math.ceil(strength)))


def steps(session: "Session") -> Values:
    """Whether there is something to undo or redo."""
    history = session.something().history
    return {"undo": gr.update(interactive=history.can_undo), "redo": gr.update(interactive=history.can_redo)}


def view(session: "Session", in_photo: bool, only_after: bool = False) -> Values:
    """The comparison of before and after; what is not given again stays on the page as it is."""
    from zplus.images import fitted
    from zplus.studio.opened import PREVIEW
    from zplus.studio.pictures import address

    opened = session.opened
    if opened is None:
        before = "" if session.photo is None else address(fitted(session.photo, PREVIEW), edited=False)
        return {"view": {"before": before, "after": before, "caption": "your photo" if before else ""}}
    in_photo = in_photo and opened.has_photo
    caption = f"{opened.name}, {opened.latent.space.upper()} of {opened.latent.generator}"
    old: Values = {} if only_after and session.in_photo == in_photo else {"before": opened.before(in_photo)}
    session.in_photo = in_photo
    return {"view": {**old, "after": address(opened.after(in_photo)), "caption": caption}}


def shelf(session: "Session") -> Values:
    """The gallery, where a folder was named."""
    from zplus.studio.pictures import figures

    if session.shelf is None:
        return {}
    items = session.shelf.items()
    names = [(f"{item.name}, {item.space.upper()} of {item.model}, {item.day}", item.key) for item in items]
    looks = figures(session.shelf.looks(items[:SHOWN_ON_SHELF]))
    shown = gr.update(value=looks, visible=bool(looks))
    return {"gallery": gr.update(choices=names, value=session.kept), "looks": shown}
