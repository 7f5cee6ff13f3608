"""The page: its parts, and which answer (answers.py) each of them asks for."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from inspect import isgeneratorfunction
from typing import Any

import gradio as gr

from zplus.studio import MAX_SLIDERS, answers
from zplus.studio.answers import COMPARED, Answer, Visit
from zplus.studio.guard import LARGEST_UPLOAD
from zplus.studio.showing import FEATURES, Values, failed, status
from zplus.studio.visitors import Visitors

QUEUE = 64  # waiting calls of all visitors together; beyond, they are refused
AT_ONCE = 16  # inversions that are watched; they run one after the other
SPACES = {
    "f/z+": "F/Z+ - your photo as it looks",
    "z+": "Z+ - strong edits, likeness is enough",
    "w+": "W+ - as in most papers",
    **{name: name.upper() for name in ("f/w+", "f/z", "f/w", "f/s", "z", "w", "s")},
}
KINDS = ("picture", "strip", "animation", "latent")  # what can be saved
SYSTEM = ("system-ui", "sans-serif")  # no font comes from anywhere else
PRIVACY = """
**What is kept.** Photos and latents stay in this program's memory until you delete them, close the page or end the
program; {kept}. Nothing leaves this machine. A latent holds a face well enough to
recognise it: it is biometric data. Edit only photos of yourself or of people who agreed. Pictures that you save say
that a generative model edited them, and hold no location.
"""


def build(visitors: Visitors) -> gr.Blocks:
    """The page, ready to be mounted."""
    with gr.Blocks(title="zplus studio", analytics_enabled=False, fill_width=True) as blocks:
        parts = _parts(visitors)
        _wire(blocks, parts, visitors)
    return blocks


def looks() -> dict[str, Any]:
    """How the page looks: a theme of system fonts, and a style sheet."""
    theme = gr.themes.Default(primary_hue="teal", font=SYSTEM, font_mono=("ui-monospace", "monospace"))
    shades = {"primary": ("*primary_700", "*primary_800"), "cancel": ("#b91c1c", "#991b1b")}  # white is read on them
    for kind, (plain, hover) in shades.items():
        for scheme in ("", "_dark"):
            fill = f"button_{kind}_background_fill"
            theme.set(**{f"{fill}{scheme}": plain, f"{fill}_hover{scheme}": hover})
    theme.set(block_info_text_color="*body_text_color", block_info_text_color_dark="*body_text_color")
    return {"theme": theme, "css": _asset("page.css")}


def _asset(name: str) -> str:
    return files("zplus.studio").joinpath("assets", name).read_text(encoding="utf-8")


def _parts(visitors: Visitors) -> dict[str, Any]:
    """All parts of the page by name, in the order in which they are seen."""
    p: dict[str, Any] = {}
    gr.HTML(html_template=_asset("title.html"), js_on_load=_asset("title.js"), elem_id="title")
    p["status"] = gr.HTML(status("Loading ...", "busy")["status"], elem_id="status")
    with gr.Row(elem_id="studio"):
        with gr.Column(scale=2, min_width=280):
            p["drop"] = gr.HTML(
                html_template=_asset("drop.html").replace("LARGEST", str(LARGEST_UPLOAD)),
                js_on_load=_asset("drop.js"),
                elem_id="drop",
            )
            p["example"] = gr.Button("Take the example photo")
            p["faces"] = gr.HTML(elem_id="faces", visible=False)
            p["face"] = gr.Radio([], label="Which face", visible=False, elem_id="face")
            p["model"] = gr.Dropdown([], label="Model", elem_id="model")
            p["space"] = gr.Dropdown(
                [(words, name) for name, words in SPACES.items()], value="f/z+", label="Space", elem_id="space"
            )
            p["quality"] = gr.Radio(["quick", "standard", "best"], value="standard", label="Quality", elem_id="quality")
            p["invert"] = gr.Button("Invert the photo", variant="primary", interactive=False, elem_id="invert")
            with gr.Row():
                p["stop"] = gr.Button("Stop here, keep it", visible=False, elem_id="stop")
                p["cancel"] = gr.Button("Cancel", visible=False, elem_id="cancel")
            with gr.Accordion("Or a face of nobody", open=False):
                p["seed"] = gr.Number(9, label="Seed", precision=0, minimum=0, elem_id="seed")
                p["sample"] = gr.Button("Sample a face", elem_id="sample")
        with gr.Column(scale=5, min_width=280, elem_id="seen"):
            p["view"] = gr.HTML({}, html_template=_asset("view.html"), js_on_load=_asset("view.js"), elem_id="view")
            p["where"] = gr.Radio(
                [("The face", "face"), ("The whole photo", "photo")], value="face", label="Show", visible=False
            )
        with gr.Column(scale=2, min_width=280, visible=False, elem_id="editing") as p["editing"]:
            for i in range(MAX_SLIDERS):
                p[f"slider{i}"] = gr.Slider(-10, 10, 0, step=0.1, label=f"slider {i}", visible=False)
            p["feature"] = gr.Radio(list(FEATURES), value="Moved with the edit", label="Detail of the photo")
            with gr.Row():
                for way in ("undo", "redo", "reset"):
                    p[way] = gr.Button(way.capitalize(), size="sm", min_width=80, elem_id=way)
            with gr.Row():
                for kind in KINDS:
                    p[kind] = gr.Button(f"Save {kind}", size="sm", min_width=120, elem_id=f"save-{kind}")
            p["link"] = gr.HTML(elem_id="link", visible=False)
            p["compare"] = gr.Button(f"The same edit in {', '.join(COMPARED).upper()}", size="sm", elem_id="compare")
            p["delete"] = gr.Button("Delete this photo and its latent", variant="stop", size="sm", elem_id="delete")
    p["spaces"] = gr.HTML(elem_id="spaces", visible=False)
    if visitors.keep is not None:
        with gr.Accordion("Gallery", open=True, elem_id="shelf"):
            p["looks"] = gr.HTML(elem_id="looks", visible=False)
            p["gallery"] = gr.Dropdown([], label="What was inverted before", elem_id="gallery")
            p["reopen"] = gr.Button("Open", size="sm", elem_id="reopen")
    kept = f"inversions are also kept in the folder {visitors.keep}" if visitors.keep else "nothing is kept on the disk"
    gr.Markdown(PRIVACY.format(kept=kept), elem_id="privacy")
    return p


def _wire(blocks: gr.Blocks, p: dict[str, Any], visitors: Visitors) -> None:
    """Which answer each part asks for."""
    quiet: dict[str, Any] = {"outputs": list(p.values()), "show_progress": "hidden", "api_visibility": "private"}
    long: dict[str, Any] = {**quiet, "concurrency_limit": AT_ONCE, "concurrency_id": "long"}
    short: dict[str, Any] = {**quiet, "concurrency_limit": 4, "concurrency_id": "short"}

    def asks(answer: Answer, busy: str = "", **chosen: str) -> Callable[..., Any]:
        return _told(partial(answer, **chosen), busy, p, visitors)

    def leave(request: gr.Request) -> None:
        visitors.leave(request.session_hash or "")

    blocks.load(asks(answers.loaded), **short)
    blocks.unload(leave)
    p["drop"].upload(asks(answers.took, "Reading the file and looking for faces"), **short)
    p["example"].click(asks(answers.example, "Looking for faces"), **short)
    p["sample"].click(asks(answers.sampled, "Drawing a face"), [p["model"], p["space"], p["seed"]], **short)
    p["invert"].click(asks(answers.inverted), [p["model"], p["space"], p["quality"], p["face"]], **long)
    p["compare"].click(asks(answers.compared), [p["quality"]], **long)
    p["stop"].click(asks(answers.stopped, how="keep"), **short)
    p["cancel"].click(asks(answers.stopped, how="drop"), **short)
    sliders = [p[f"slider{i}"] for i in range(MAX_SLIDERS)]
    shown = {name: p[name] for name in ("view", "status", "undo", "redo")}  # few, so that the browser is done sooner
    gr.on(
        [part.input for part in (*sliders, p["feature"], p["where"])],
        _told(answers.moved, "", shown, visitors),
        [p["where"], p["feature"], *sliders],
        trigger_mode="always_last",  # while one is answered, only the last of those that follow waits
        **{**short, "outputs": list(shown.values())},
    )
    for way in ("undo", "redo", "reset"):
        p[way].click(asks(answers.stepped, way=way), [p["where"]], **short)
    for kind in KINDS:
        saving = p[kind].click(asks(answers.downloaded, f"Making the {kind}", kind=kind), [p["where"]], **short)
        saving.success(None, js="() => document.querySelector('#link a')?.click()")
    p["delete"].click(asks(answers.deleted), **short)
    if "reopen" in p:
        p["reopen"].click(asks(answers.reopened, "Opening"), [p["gallery"]], **short)


def _told(answer: Answer, busy: str, parts: dict[str, Any], visitors: Visitors) -> Callable[..., Any]:
    """The answer as Gradio calls it, for some parts of the page: for the visitor who asks, with errors in words.

    busy: what the page says meanwhile. An answer that needs none is one message, not a series: half as much to send.
    """

    def several(request: gr.Request, event: gr.EventData, *values: Any) -> Iterator[dict[Any, Any]]:
        key = request.session_hash or ""
        carried = [event._data] if isinstance(event._data, dict) and "key" in event._data else []
        session = None
        try:
            if busy:
                yield named(status(f"{busy} ...", "busy") | {"link": gr.update(visible=False)})
            session = visitors.session(key)
            found = answer(Visit(session, key, visitors.parcels), *values, *carried)
            for one in [found] if isinstance(found, dict) else found:
                yield named(one)
        except Exception as error:
            yield named(failed(error, session))

    def single(request: gr.Request, event: gr.EventData, *values: Any) -> dict[Any, Any]:
        return list(several(request, event, *values))[-1]

    def named(values: Values) -> dict[Any, Any]:
        return {parts[name]: value for name, value in values.items() if name in parts}

    return several if busy or isgeneratorfunction(answer) else single
