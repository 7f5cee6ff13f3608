"""The page for everybody: by keyboard alone, with names, in narrow and wide windows, light and dark; with axe-core."""

import json
import os
import re
from pathlib import Path

import pytest

from command_line import needs_faces, needs_lpips
from studio_browser import LONG, expect, missing

AXE = Path(os.environ.get("AXE_CORE", ""))
pytestmark = [pytest.mark.skipif(bool(missing), reason=missing), needs_faces, needs_lpips]

NAMELESS = """() => [...document.querySelectorAll('input, button, textarea, select, img, [role=slider]')]
    .filter(x => x.checkVisibility({visibilityProperty: true}))
    .filter(x => !(x.labels?.length && [...x.labels].some(l => l.innerText.trim()))
        && !x.ariaLabel && !x.innerText?.trim() && !x.title && !x.getAttribute('aria-labelledby')
        && !(x.alt || (x.alt === '' && x.closest('button, #stage'))))
    .map(x => x.outerHTML.slice(0, 200))"""
FOCUSED = """() => {
    const focused = document.activeElement;
    return [focused.type || focused.getAttribute('role') || focused.tagName, focused.id];
}"""
CONTRAST = """() => {
    const parse = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const below = element => {
        for (let x = element; x; x = x.parentElement) {
            const color = parse(getComputedStyle(x).backgroundColor);
            if (color.length < 4 || color[3] > 0.7) return color;
        }
        return [255, 255, 255];
    };
    return [...document.querySelectorAll('#page *')].filter(x => x.checkVisibility() && !x.closest(':disabled, #stage'))
        .filter(x => [...x.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
        .map(x => { const [a, b] = [light(parse(getComputedStyle(x).color)), light(below(x))];
            return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), x.outerHTML.slice(0, 120)]; })
        .filter(([ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize("width", [380, 1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_window_and_everything_can_be_read_and_has_a_name(visit, width, scheme):
    me = visit(viewport={"width": width, "height": 900}, color_scheme=scheme)
    me.page.locator("#advanced").evaluate("details => { details.open = true; }")
    assert me.page.evaluate("document.documentElement.scrollWidth") <= width
    background = me.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
    assert brightness < 80 if scheme == "dark" else brightness > 180
    assert me.page.evaluate(NAMELESS) == []
    assert me.page.evaluate(CONTRAST) == []
    picture, first = (me.page.locator(x).first.bounding_box() for x in ("#stage", ".slider"))
    assert picture["y"] < first["y"] and picture["y"] + picture["height"] < 900
    me.moves(1)
    me.page.locator(".slider").last.evaluate("slider => slider.scrollIntoView({block: 'end'})")
    expect(me.page.locator("#after")).to_be_in_viewport(ratio=0.9)  # while the last sliders are moved


def test_labels_do_not_collide(visit):
    me = visit(viewport={"width": 1280, "height": 900})
    boxes = [x.bounding_box() for x in me.page.locator(".slider label, .slider input, .slider .ends span").all()]
    assert len(boxes) > 20
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            apart = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
            assert apart or a["y"] + a["height"] <= b["y"] + 1 or b["y"] + b["height"] <= a["y"] + 1


def test_it_can_be_used_with_the_keyboard_alone(visit):
    me = visit()
    keyboard, kinds, order = me.page.keyboard, set(), []
    for _ in range(60):
        keyboard.press("Tab")
        focused = me.page.evaluate(FOCUSED)
        kinds.add(focused[0])
        order.append(focused[1])
    assert {"file", "range", "number", "slider", "button", "SUMMARY"} <= kinds
    wanted = ["file", "example", "another", "wipe", "hold", "points", "slider0", "command", "delete"]
    assert [x for x in dict.fromkeys(order) if x in wanted] == wanted  # as they are seen
    expect(me.page.locator("#reset")).to_be_disabled()  # nothing is edited yet
    me.slider.focus()
    before = me.after
    for _ in range(20):
        keyboard.press("ArrowRight")
    me.rests()
    edited = me.after
    assert edited != before
    keyboard.press("Control+z")
    me.shows(before)
    expect(me.slider).to_have_value("0")
    keyboard.press("Control+Shift+z")
    me.shows(edited)
    me.page.locator("#points").press("Enter")
    marks = me.page.locator("#marks")
    marks.focus()
    for keys in (["Shift+ArrowLeft", "Enter"], ["Shift+ArrowRight", "Enter"]):
        for key in keys:
            keyboard.press(key)
    expect(me.page.locator("#marks line")).to_have_count(2)
    me.page.locator("#go").press("Enter")
    me.says("points were moved", LONG)
    me.page.locator("#hold").focus()
    keyboard.down("Space")
    expect(me.page.locator("#tag")).to_have_text("original")
    keyboard.up("Space")
    expect(me.page.locator("#tag")).to_have_text("")


def first_look(me, two_faces):
    pass


def edited(me, two_faces):
    me.moves()
    me.page.get_by_role("slider", name="Show the original").press("PageUp")


def faces(me, two_faces):
    me.gives("two.png", two_faces)
    me.says("2 faces")


def working(me, two_faces):
    faces(me, two_faces)
    me.chooses("quality", "best")
    me.clicks("Edit the largest face")
    expect(me.page.locator("#doing")).to_contain_text("step", timeout=LONG)


def pointing(me, two_faces):
    me.clicks("Move points")
    stage = me.page.locator("#stage").bounding_box()
    for x in (0.4, 0.5):
        me.page.mouse.click(stage["x"] + stage["width"] * x, stage["y"] + stage["height"] * 0.5)


def commands(me, two_faces):
    me.moves()
    me.clicks("Copy as command")
    expect(me.page.locator("#recipe")).to_be_visible()


@pytest.mark.skipif(not AXE.is_file(), reason="name axe-core's axe.min.js in AXE_CORE (npm pack axe-core)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", [first_look, edited, faces, working, pointing, commands])
def test_axe_finds_nothing(visit, two_faces, state, scheme):
    me = visit(color_scheme=scheme)
    state(me, two_faces)
    me.page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    found = me.page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(x => x.violations)")
    assert found == [], json.dumps([(x["id"], [n["html"][:200] for n in x["nodes"]]) for x in found], indent=1)
    if state is working:
        me.clicks("Cancel")
        me.says("Cancelled")
