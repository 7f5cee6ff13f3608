"""On a slow machine: the picture is marked until it is that of the sliders, and nothing waits without saying so."""

import re

import pytest

from command_line import needs_faces, needs_lpips
from studio_browser import LONG, expect, missing

pytestmark = [pytest.mark.skipif(bool(missing), reason=missing), needs_faces, needs_lpips]


def slowed(page, name, seconds):
    """Calls of a name take so long on their way."""
    page.evaluate(
        """([name, seconds]) => {
        const plain = window.fetch;
        window.fetch = async (path, options) => {
            if (path === `api/${name}`) await new Promise(done => setTimeout(done, seconds * 1000));
            return plain(path, options);
        };
        }""",
        [name, seconds],
    )


def test_the_picture_is_marked_until_it_is_that_of_the_sliders(visit):
    me = visit()
    slowed(me.page, "move", 1.5)
    stage, before = me.page.locator("#stage"), me.after
    me.slider.focus()
    me.page.keyboard.press("End")
    assert stage.get_attribute("aria-busy") == "true" and me.after == before
    expect(stage).to_have_attribute("aria-busy", "false")
    assert me.after != before


def test_moves_and_undo_on_a_slow_machine_end_in_one_state(visit):
    me = visit()
    slowed(me.page, "move", 0.7)
    me.slider.focus()
    me.page.keyboard.press("End")
    me.page.wait_for_timeout(200)
    me.page.keyboard.press("Home")  # waits for the first
    me.rests()
    low = me.after
    assert float(me.slider.input_value()) < 0
    me.page.get_by_role("button", name="Undo", exact=True).click()
    me.rests()
    value = me.slider.input_value()
    other = visit()
    other.slider.fill(value)
    other.rests()
    assert me.after == other.after != low  # the same picture for the same sliders


def test_sliders_are_off_while_a_new_face_is_looked_for(visit, two_faces):
    me = visit()
    me.chooses("quality", "quick")
    me.gives("two.png", two_faces)
    me.says("2 faces")
    me.page.locator("#boxes button").first.click()
    me.says("Found", LONG)
    me.clicks("Whole photo")
    me.chooses("quality", "best")
    me.page.locator("#boxes button:not(.open)").click()
    expect(me.page.locator("#doing")).to_contain_text("step", timeout=LONG)
    assert me.slider.is_disabled() and me.page.locator("#stage").get_attribute("aria-busy") == "true"
    me.clicks("Cancel")
    me.says("Cancelled")
    expect(me.slider).to_be_enabled()
    me.moves()


def test_an_answer_for_what_is_no_longer_open_changes_nothing(visit):
    me = visit()
    me.moves()
    slowed(me.page, "step", 1.0)
    me.page.get_by_role("button", name="Reset", exact=True).click()
    me.page.get_by_role("button", name="Another face").click()
    me.says("does not exist")
    me.rests()
    assert me.slider.input_value() == "0" and me.page.locator("#status.error").count() == 0


def test_the_time_is_told_while_nothing_else_comes(visit):
    me = visit()
    slowed(me.page, "sample", 3.5)
    me.page.get_by_role("button", name="Another face").click()
    seen = set()
    for _ in range(7):
        seen.add(me.page.locator("#status").inner_text())
        me.page.wait_for_timeout(500)
    assert len([x for x in seen if re.search(r"Drawing a face \.\.\. \d", x)]) >= 2
    me.says("does not exist")
