"""The page in a real browser, as a person uses it: on avatars64, whose pictures need no alignment."""

import io
import re
import time

import numpy as np
import pytest
from PIL import Image

from command_line import needs_faces, needs_lpips
from studio_browser import LONG, MARK, expect, missing, pixels, shown
from studio_program import Page, Studio, kept_in, until
from zplus.editing import directions_of, edit
from zplus.generators import load_generator
from zplus.images import read_image
from zplus.latent import Point, load_latent, save_latent
from zplus.spaces import latent_of, make_space

pytestmark = [pytest.mark.skipif(bool(missing), reason=missing), needs_faces, needs_lpips]


def test_the_first_look_can_be_edited_at_once(visit):
    me = visit()
    expect(me.page.locator("#steps")).to_be_visible()
    assert len(me.page.locator("#steps li").all()) == 3
    image = Image.open(io.BytesIO(shown(me.after)))
    assert image.size == (64, 64) and MARK in shown(me.after)
    me.moves()
    expect(me.page.locator("#stage")).to_have_attribute("aria-busy", "false")


def test_from_a_photo_to_an_edited_photo_and_back_again(visit, photo, tmp_path):
    me = visit()
    me.gives("me.jpg", photo)
    me.says("No face was found")
    assert MARK not in shown(me.after) and b"secret" not in shown(me.after)
    me.chooses("quality", "quick")
    me.clicks("Use the whole picture")
    me.says("Found", LONG)
    before = me.after
    me.moves()
    edited, value = me.after, me.slider.input_value()
    assert float(value) == 1 and edited != before
    me.clicks("Undo")
    me.shows(before)
    expect(me.slider).to_have_value("0")
    me.clicks("Redo")
    me.shows(edited)
    name, content = me.saves("picture")
    assert name == "me.edited.png" and MARK in content and b"secret" not in content
    assert pixels(content, tmp_path).shape == (64, 64, 3)
    me.clicks("Whole photo")
    expect(me.page.locator("#after")).not_to_have_attribute("src", edited)
    name, content = me.saves("picture")
    assert name == "me.edited.jpg" and pixels(content, tmp_path).shape == (48, 64, 3) and MARK in content
    for kind, ending in (("strip", ".png"), ("animation", ".webp")):
        name, content = me.saves(kind)
        assert name == f"me.{kind}{ending}" and MARK in content
    name, latent = me.saves("latent")
    other = visit()
    other.gives(name, latent)
    other.says("latent is open")
    expect(other.slider).to_have_value(value)
    me.clicks("Reset")
    expect(me.slider).to_have_value("0")
    me.clicks("Undo")
    expect(me.slider).to_have_value(value)


def test_a_face_is_chosen_by_a_click_on_the_photo_and_the_other_after_it(visit, two_faces, tmp_path):
    me = visit()
    me.chooses("quality", "quick")
    me.gives("two.png", two_faces)
    me.says("2 faces were found")
    expect(me.page.locator("#boxes button")).to_have_count(2)
    right = max(me.page.locator("#boxes button").all(), key=lambda box: box.bounding_box()["x"])
    right.click()
    me.says("Found", LONG)
    me.moves(20)
    me.clicks("Whole photo")
    expect(me.page.locator("#after")).to_have_js_property("naturalWidth", 500)
    expect(me.page.locator("#boxes .open")).to_have_count(1)
    before = me.after
    me.page.locator("#boxes button:not(.open)").click()
    me.says("Found", LONG)
    me.moves(20)
    assert me.after != before
    name, content = me.saves("picture")
    assert name == "two.edited.jpg"
    (tmp_path / "two.png").write_bytes(two_faces)
    changed = np.abs(pixels(content, tmp_path).astype(int) - read_image(tmp_path / "two.png")).max((0, 2)) > 20
    assert changed[300:].any() and changed[:290].any()


def test_several_photos_wait_and_are_found_one_after_the_other(visit, two_faces):
    me = visit()
    me.chooses("quality", "quick")
    files = [{"name": f"{name}.png", "mimeType": "image/png", "buffer": two_faces} for name in "abc"]
    me.page.set_input_files("#file", files)
    expect(me.page.locator("#entries button")).to_have_count(3, timeout=LONG)
    me.clicks("Prepare all 3 waiting")
    me.says("Found", LONG)
    for name in "abc":
        expect(me.page.get_by_role("button", name=f"{name}, edited")).to_be_visible()
    me.page.get_by_role("button", name="b, edited").click()
    me.moves()


def test_a_photo_from_the_clipboard(visit, two_faces):
    me = visit()
    me.page.evaluate(
        """bytes => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], 'image.png', {type: 'image/png'}));
        window.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));
        }""",
        list(two_faces),
    )
    me.says("2 faces were found")


def test_the_example_photo(visit):
    me = visit()
    me.clicks("Example photo")
    me.says("One face was found")
    expect(me.page.locator("#boxes button")).to_have_count(1)


def test_another_face_is_another(visit):
    me = visit()
    first = me.after
    me.clicks("Another face")
    me.says(r"Face \d+: a person who does not exist")
    second = me.after
    me.clicks("Another face")
    expect(me.page.locator("#after")).not_to_have_attribute("src", second)
    assert len({first, second, me.after}) == 3


def test_a_drag_of_a_slider_is_one_step(visit):
    me = visit()
    before, box = me.after, me.slider.bounding_box()
    y = box["y"] + box["height"] / 2
    me.page.mouse.move(box["x"] + box["width"] / 2, y)
    me.page.mouse.down()
    for part in (0.6, 0.7, 0.8):
        me.page.mouse.move(box["x"] + box["width"] * part, y)
        me.page.wait_for_timeout(700)  # a slow hand; each move is answered
    me.page.mouse.up()
    me.rests()
    assert float(me.slider.input_value()) > 1
    me.clicks("Undo")
    me.shows(before)
    expect(me.slider).to_have_value("0")
    expect(me.page.get_by_role("button", name="Undo", exact=True)).to_be_disabled()


def test_a_double_click_is_0_and_a_number_can_be_typed(visit):
    me = visit()
    typed = me.page.locator(".slider input[type=number]").first
    typed.fill("1.25")
    typed.press("Enter")
    expect(me.slider).to_have_value("1.25")
    me.rests()
    edited = me.after
    me.slider.dblclick()
    expect(me.slider).to_have_value("0")
    me.rests()
    assert me.after != edited
    me.clicks("Undo")
    expect(me.slider).to_have_value("1.25")
    me.shows(edited)


def test_a_press_soon_after_the_page_came_is_a_step_of_its_own(visit):
    def young(page):
        page.add_init_script(
            "performance.now = () => 100; Object.defineProperty(Event.prototype, 'timeStamp', {get: () => 100});"
        )

    me = visit(prepare=young)
    typed = me.page.locator(".slider input[type=number]").first
    typed.fill("1.25")
    typed.press("Enter")
    me.rests()
    me.slider.click()
    expect(me.slider).to_have_value("0")
    me.rests()
    me.clicks("Undo")
    expect(me.slider).to_have_value("1.25")


def test_wipe_hold_and_zoom(visit):
    me = visit()
    me.moves(20)
    wipe, clip = me.page.get_by_role("slider", name="Show the original"), "style.getPropertyValue('--clip')"

    def clipped():
        return float(me.page.locator("#after").evaluate(f"image => image.{clip}").rstrip("%"))

    box, stage = wipe.bounding_box(), me.page.locator("#stage").bounding_box()
    me.page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    me.page.mouse.down()
    me.page.mouse.move(stage["x"] + stage["width"] * 0.6, box["y"] + box["height"] / 2, steps=4)
    me.page.mouse.up()
    assert clipped() == pytest.approx(60, abs=1)
    wipe.press("Home")
    assert clipped() == 0
    me.page.mouse.move(stage["x"] + stage["width"] * 0.5, stage["y"] + 40)
    me.page.mouse.down()
    expect(me.page.locator("#tag")).to_have_text("original")
    assert clipped() == 100
    me.page.mouse.up()
    assert clipped() == 0
    me.page.get_by_role("button", name="Zoom in").click()
    expect(me.page.locator("#zoom")).to_have_text("150 %")
    shift = "document.getElementById('sheet').style.transform"
    before = me.page.evaluate(shift)
    me.page.mouse.move(stage["x"] + stage["width"] * 0.5, stage["y"] + 40)
    me.page.mouse.down()
    me.page.mouse.move(stage["x"] + stage["width"] * 0.4, stage["y"] + 60, steps=4)
    me.page.mouse.up()
    assert me.page.evaluate(shift) != before
    me.page.locator("#zoom").click()
    expect(me.page.locator("#zoom")).to_have_text("100 %")


def test_points_are_moved_in_one_step(visit):
    me = visit()
    before, stage = me.after, me.page.locator("#stage").bounding_box()
    me.clicks("Move points")
    for x, y in ((0.4, 0.5), (0.5, 0.5)):
        me.page.mouse.click(stage["x"] + stage["width"] * x, stage["y"] + stage["height"] * y)
    expect(me.page.locator("#marks line")).to_have_count(2)  # an arrow and its outline
    me.clicks("Move")
    me.says("points were moved", LONG)
    assert me.after != before and me.page.locator("#dragging").is_hidden()
    me.clicks("Undo")
    me.shows(before)


def test_the_same_edit_in_several_spaces_stands_beside_the_original(visit):
    me = visit()
    me.moves()
    me.chooses("quality", "quick")
    me.clicks("The same edit in W+, Z+, F/Z+")
    me.says("in several spaces is below", LONG)
    assert me.page.locator("#spaces figcaption").all_inner_texts() == ["original", "W+", "Z+", "F/Z+"]


def test_what_was_done_as_commands(visit):
    me = visit()
    me.clicks("Example photo")
    me.says("One face")
    me.chooses("quality", "quick")
    me.clicks("Use the whole picture")
    me.says("Found", LONG)
    me.moves(20)
    me.clicks("Copy as command")
    expect(me.page.locator("#shell")).to_contain_text("zplus invert astronaut.png")
    shell = me.page.locator("#shell").inner_text()
    assert "-d long_hair=1" in shell and "--no-align" in shell
    assert "zplus.edit(generator" in me.page.locator("#python").inner_text()
    me.page.keyboard.press("Escape")
    expect(me.page.locator("#recipe")).to_be_hidden()


def test_two_visitors_do_not_see_each_other(visit):
    a, b = visit(), visit()
    a.clicks("Another face")
    a.says("does not exist")
    b.clicks("Another face")
    b.says("does not exist")
    mine = a.after
    assert mine != b.after
    b.moves()
    assert a.after == mine
    b.clicks("Delete")
    b.page.get_by_role("button", name="Delete for good").click()
    b.says("nothing of it is left")
    assert a.after == mine
    a.moves()


def test_delete_asks(visit):
    me = visit()
    me.moves()
    kept = me.after
    me.clicks("Delete")
    me.page.get_by_role("button", name="Leave it").click()
    assert me.after == kept and float(me.slider.input_value()) == 1


def test_a_closed_page_is_forgotten(visit, short):
    me, keys = visit(), set()
    me.page.on("request", lambda request: keys.add(request.headers.get("x-visitor")))
    me.moves()
    (key,) = keys - {None}
    page = Page(short, key)
    assert page.call("view", opened=0, in_photo=False)[1]["error"].startswith("This face is no longer open")
    me.page.goto("about:blank")
    for _ in range(100):
        if "nothing to edit" in page.call("view", opened=0, in_photo=False)[1]["error"]:
            return
        time.sleep(0.1)
    raise AssertionError("what was open is still there")


def test_a_strength_beyond_the_sliders_is_shown(visit, tmp_path):
    generator = load_generator("avatars64")
    space, name = make_space("z+", generator), next(iter(directions_of(generator)))
    edited = edit(generator, latent_of(space, Point(space.broadcast_sample(1, 0))), {name: 5.0})
    save_latent(edited, tmp_path / "far.safetensors")
    me = visit()
    me.gives("far.safetensors", (tmp_path / "far.safetensors").read_bytes())
    me.says("latent is open")
    expect(me.slider).to_have_value("5")
    me.moves(1, "ArrowLeft")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("me.png", b"no picture", "not a picture of a kind"),
        ("me.png", b"", "is empty"),
        ("me.safetensors", b"01234567{}", "damaged or not a latent"),
        ("me.safetensors", b"no latent", "damaged or not a latent"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(visit, name, content, words):
    me = visit()
    before = me.after
    me.gives(name, content)
    me.says(words)
    alert = me.page.locator("#status[role=alert]")
    expect(alert).to_be_visible()
    assert "/tmp" not in alert.inner_text() and "Traceback" not in alert.inner_text()
    assert me.after == before
    me.moves()  # and it goes on


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(visit):
    me = visit()
    me.page.evaluate("document.body.dataset.largest = 1000")
    me.gives("me.png", b"x" * 1001)
    me.says("larger than")
    assert not [url for url in me.asked if "/upload" in url]


def test_an_inversion_can_be_cancelled_and_stopped(visit, photo):
    me = visit()
    me.gives("me.jpg", photo)
    me.says("No face was found")
    me.chooses("quality", "best")
    me.clicks("Use the whole picture")
    expect(me.page.locator("#doing")).to_contain_text(re.compile(r"step \d+ of 300"), timeout=LONG)
    expect(me.page.locator("#tag")).to_have_text("so far")
    expect(me.page.locator("#time")).to_contain_text(re.compile(r"\d+ s so far, about .* left"), timeout=LONG)
    me.clicks("Cancel")
    me.says("Cancelled")
    assert me.page.locator("#editing").is_hidden() and me.page.locator("#work").is_hidden()
    me.clicks("Use the whole picture")
    expect(me.page.locator("#doing")).to_contain_text(re.compile(r"step \d+ of 300"), timeout=LONG)
    me.clicks("Stop here, keep it")
    me.says(r"Found in \d+ steps.*Stopped early", LONG)
    me.moves()


def test_a_second_visitor_is_told_to_wait(visit, photo):
    a, b = visit(), visit()
    for me in (a, b):
        me.gives("me.jpg", photo)
        me.says("No face was found")
        me.chooses("quality", "best")
        me.clicks("Use the whole picture")
        if me is a:
            expect(a.page.locator("#doing")).to_contain_text("step", timeout=LONG)
    expect(b.page.locator("#doing")).to_contain_text("Waiting for another job", timeout=LONG)
    a.clicks("Cancel")
    expect(b.page.locator("#doing")).to_contain_text("step", timeout=LONG)
    b.clicks("Cancel")
    b.says("Cancelled")


def test_the_gallery_and_the_page_outlive_a_killed_program(visit, photo, tmp_path):
    (tmp_path / "cache").mkdir()
    keep = tmp_path / "kept"
    studio = Studio(tmp_path / "cache", "--keep", str(keep), short=True)
    try:
        me = visit(studio)
        me.gives("me.jpg", photo)
        me.says("No face was found")
        me.chooses("quality", "quick")
        me.clicks("Use the whole picture")
        me.says("Found", LONG)
        me.moves()
        value = me.slider.input_value()
        (kept,) = keep.rglob("*.safetensors")
        until(lambda: any(one.strength == float(value) for one in load_latent(kept).edits))
        studio.end(kill=True)
        expect(me.page.locator("#lost")).to_contain_text("has ended or cannot be reached")
        assert me.page.locator("#page").evaluate("page => page.inert")
        studio = me.studio = Studio(tmp_path / "cache", "--keep", str(keep), port=studio.port, short=True)
        expect(me.page.locator("#lost")).to_contain_text("started anew", timeout=LONG)
        me.says("is open again", LONG)  # by itself
        expect(me.slider).to_have_value(value)
        expect(me.page.locator("#model")).to_have_value("avatars64")
        me.page.locator("#gallery button").first.click()
        me.says("is open again")
        me.clicks("Delete")
        me.page.get_by_role("button", name="Delete for good").click()
        me.says("nothing of it is left")
        assert kept_in(keep) == []
    finally:
        studio.end()


def test_without_a_folder_the_page_begins_anew_by_itself(visit, photo, tmp_path):
    (tmp_path / "cache").mkdir()
    studio = Studio(tmp_path / "cache", short=True)
    try:
        me = visit(studio)
        me.gives("me.jpg", photo)
        me.says("No face was found")
        studio.end(kill=True)
        expect(me.page.locator("#lost")).to_contain_text("has ended or cannot be reached")
        studio = me.studio = Studio(tmp_path / "cache", port=studio.port, short=True)
        me.says("No face was found", LONG)  # the photo was sent again
        expect(me.page.get_by_role("button", name="Use the whole picture")).to_be_enabled()
    finally:
        studio.end()


def test_sliders_in_quick_succession_do_not_pile_up(visit):
    me = visit()
    me.moves(1)
    asked = len([url for url in me.asked if "api/move" in url])
    me.page.evaluate(
        """() => { const slider = document.querySelector('.slider input[type=range]');
        for (let i = 0; i < 60; i++) {
            slider.value = -3 + i / 10;
            slider.dispatchEvent(new Event('input', {bubbles: true}));
        } }"""
    )
    me.rests()
    assert len([url for url in me.asked if "api/move" in url]) - asked <= 5
    last = me.after
    me.clicks("Undo")
    me.rests()
    me.clicks("Redo")
    me.shows(last)  # what is shown is what the sliders say
