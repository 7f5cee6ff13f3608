"""What the page shows of a session: values by the names of the page's parts (page.py)."""

import math
import os
import traceback
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from zplus.errors import ZplusError
from zplus.studio import MOST_SLIDERS

if TYPE_CHECKING:  # torch comes with these, and the page is up before it
    from zplus.studio.job import Seen
    from zplus.studio.session import Session

Values = dict[str, Any]
SHOWN_ON_SHELF = 24
REACH = 3  # standard deviations to either side, more only where a latent has more
CUT = "The picture is cut already"
FEATURES = {"Moved with the edit": "moved", "Only added to": "added", "Left as it is": "fixed"}


def status(words: str, kind: str = "") -> str:
    """A line that screen readers speak; kind "error" or "busy"."""
    role = 'role="alert"' if kind == "error" else 'role="status" aria-live="polite"'
    return f'<p class="status {kind}" {role}>{escape(words)}</p>'


def everything(session: "Session") -> Values:
    """The whole page as it should look now."""
    photo, known = session.photo is not None, session.opened is not None
    crops = [(pixels, f"face {i}") for i, pixels in enumerate(session.thumbnails())] if photo else []
    choices = [(caption if i else f"{caption} (the largest)", i) for i, (_, caption) in enumerate(crops)] + [(CUT, -1)]
    in_photo = known and session.opened is not None and session.opened.has_photo
    values: Values = {
        "faces": gr.update(value=gallery_of(crops, edited=False), visible=len(crops) > 1),
        "face": gr.update(choices=choices, value=0 if crops else -1, visible=photo),
        "where": gr.update(value="face", visible=in_photo),
        "spaces": gr.update(visible=False),
        "link": gr.update(visible=False),
    }
    return values | idle(session) | editing(session) | view(session, False) | shelf(session)


def failed(error: BaseException, session: "Session | None" = None) -> Values:
    """What went wrong, in words; nothing else changes, but that what failed is not running."""
    if os.environ.get("ZPLUS_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, ZplusError):
        words = " ".join(str(error).split())
    elif isinstance(error, MemoryError) or "allocate memory" in str(error):
        words = "There is not enough memory: close other programs, or use a smaller picture."
    else:
        words = f"Something unforeseen happened ({type(error).__name__}): start with ZPLUS_DEBUG=1 to see where."
    told = {"status": status(words, "error")}
    job = session and session.job
    return told if session is None or (job and job.running) else idle(session) | told


def progress(seen: "Seen") -> Values:
    """How far an inversion is, with its picture."""
    from zplus.images import fitted, to_pixels
    from zplus.studio.pictures import address

    if not seen.step:
        return {"status": status(f"{seen.stage} ...", "busy")}
    left = "" if seen.seconds_left is None else f", {seen.seconds_left:.0f} s left"
    words = f"{seen.stage}: step {seen.step} of {seen.steps}, loss {seen.loss:.4f}{left}"
    values: Values = {"status": status(words, "busy")}
    if seen.image is not None:
        picture = address(fitted(to_pixels(seen.image), 512))
        values["view"] = {"after": picture, "caption": f"step {seen.step} of {seen.steps}"}
    return values


def idle(session: "Session") -> Values:
    """Nothing is running."""
    hidden = {name: gr.update(visible=False) for name in ("stop", "cancel")}
    free = {"invert": gr.update(interactive=session.photo is not None), "compare": gr.update(interactive=True)}
    return hidden | free


def editing(session: "Session") -> Values:
    """The sliders, and what goes with them."""
    opened, values = session.opened, {}
    for i in range(MOST_SLIDERS):
        if opened is None or i >= len(opened.sliders):
            values[f"slider{i}"] = gr.update(visible=False, value=0)
        else:
            slider = opened.sliders[i]
            value = opened.wish.strengths[i]
            reach = max(REACH, math.ceil(abs(value)))
            shown = {"label": slider.label, "info": slider.hint or None, "value": value}
            shown |= {"minimum": -reach, "maximum": reach}
            values[f"slider{i}"] = gr.update(visible=True, **shown)
    words = {value: key for key, value in FEATURES.items()}
    mapped = opened is not None and opened.latent.space.startswith("f/")
    values["feature"] = gr.update(visible=mapped, value=words[opened.wish.feature] if opened else words["moved"])
    return values | steps(session) | {"editing": gr.update(visible=opened is not None)}


def steps(session: "Session") -> Values:
    """Whether there is something to undo or redo."""
    opened = session.opened
    return {
        "undo": gr.update(interactive=opened is not None and opened.history.can_undo),
        "redo": gr.update(interactive=opened is not None and opened.history.can_redo),
    }


def view(session: "Session", in_photo: bool, only_after: bool = False) -> Values:
    """The comparison of before and after; what is not given again stays on the page as it is."""
    from zplus.images import fitted
    from zplus.studio.pictures import address

    opened = session.opened
    if opened is None:
        before = address(fitted(session.photo, 1024), edited=False) if session.photo is not None else ""
        return {"view": {"before": before, "after": before, "caption": "your photo" if before else ""}}
    in_photo = in_photo and opened.has_photo
    caption = f"{session.name}, {opened.latent.space.upper()} of {opened.latent.generator}"
    old: Values = {} if only_after and session.in_photo == in_photo else {"before": opened.before(in_photo)}
    session.in_photo = in_photo
    return {"view": {**old, "after": address(opened.after(in_photo)), "caption": caption}}


def gallery_of(pictures: Sequence[tuple[Any, str]], edited: bool = True) -> str:
    """Pictures with captions, side by side."""
    from zplus.studio.pictures import figures

    return figures(pictures, edited) if pictures else ""


def shelf(session: "Session") -> Values:
    """The gallery, where a folder was named."""
    if session.shelf is None:
        return {}
    items = session.shelf.items()
    names = [(f"{item.name}, {item.space.upper()} of {item.model}, {item.day}", item.key) for item in items]
    looks = [(session.shelf.look(item.key), item.name) for item in items[:SHOWN_ON_SHELF]]
    shown = gr.update(value=gallery_of(looks), visible=bool(looks))
    return {"gallery": gr.update(choices=names, value=session.kept), "looks": shown}
