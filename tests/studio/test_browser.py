"""The page in a real browser, as a person uses it: on avatars64, whose pictures need no alignment."""

import base64
import io
import re
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from command_line import needs_faces, needs_lpips, picture
from studio_program import Studio, kept_in
from zplus.editing import directions_of, edit
from zplus.generators import load_generator
from zplus.images import read_image
from zplus.latent import Point, save_latent
from zplus.spaces import latent_of, make_space

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
KINDS = ("picture", "strip", "animation", "latent")
MARK = b"compositeWithTrainedAlgorithmicMedia"
SOON, LONG = 20_000, 120_000  # milliseconds

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no browser is here: install chromium (apt-get install chromium)"),
    needs_faces,
    needs_lpips,
]
expect = sync_api.expect


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """A person with a window of their own; notes everything that the page asks for and complains of."""

    def __init__(self, browser, studio: Studio, **window):
        self.context = browser.new_context(**window)
        self.page, self.studio = self.context.new_page(), studio
        self.page.set_default_timeout(SOON)
        self.asked, self.complaints = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda told: self.complaints.append(told.text) if "Security" in told.text else None)
        self.load()

    def load(self):
        self.page.goto(self.studio.address)
        self.says("Ready")

    def says(self, words: str, timeout: float = SOON):
        expect(self.page.locator("#status")).to_contain_text(re.compile(words), timeout=timeout)

    def gives(self, name: str, content: bytes):
        self.page.set_input_files("#drop input", {"name": name, "mimeType": "", "buffer": content})

    def clicks(self, name: str):
        self.page.get_by_role("button", name=name, exact=True).click()

    def inverts(self, quality="quick"):
        self.page.get_by_role("radio", name=quality).check()
        self.clicks("Invert the photo")

    def samples(self, seed=0):
        self.page.get_by_text("Or a face of nobody").click()
        self.page.get_by_label("Seed").fill(str(seed))
        self.clicks("Sample a face")
        self.says("does not exist")

    @property
    def slider(self):
        return self.page.locator("#editing input[type=range]:visible").first

    def moves(self, keys: int = 10, key: str = "ArrowRight"):
        before = self.after
        self.slider.focus()
        for _ in range(keys):
            self.page.keyboard.press(key)
        expect(self.page.locator(".after")).not_to_have_attribute("src", before)
        self.says("Shown after")
        self.page.wait_for_timeout(300)  # the last one

    @property
    def after(self) -> str:
        return self.page.locator(".after").get_attribute("src") or ""

    def saves(self, kind: str) -> tuple[str, bytes]:
        with self.page.expect_download() as waiting:
            self.clicks(f"Save {kind}")
        name = waiting.value.suggested_filename
        with open(waiting.value.path(), "rb") as file:
            return name, file.read()


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    studio = Studio(tmp_path_factory.mktemp("cache"), short=True)
    yield studio
    studio.end()


@pytest.fixture
def visit(browser, short):
    """Opens windows; afterwards none of them has asked another machine for anything, nor has the program."""
    visitors = []

    def call(studio=short, **window) -> Visitor:
        visitors.append(Visitor(browser, studio, **window))
        return visitors[-1]

    yield call
    for visitor in visitors:
        own = f"http://127.0.0.1:{visitor.studio.port}/"
        assert [url for url in visitor.asked if not url.startswith((own, "data:", "blob:"))] == []
        assert visitor.complaints == []
        assert visitor.studio.asked == []
        visitor.context.close()


@pytest.fixture
def photo(tmp_path) -> bytes:
    """A photo that knows where it was taken."""
    path, exif = picture(tmp_path / "me.jpg"), Image.Exif()
    exif[0x010E] = "secret"
    with Image.open(path) as image:
        image.save(path, exif=exif)
    return path.read_bytes()


def pixels(content: bytes, tmp_path):
    (tmp_path / "read").write_bytes(content)
    return read_image(tmp_path / "read")


def test_from_a_photo_to_an_edited_photo_and_back_again(visit, photo, tmp_path):
    me = visit()
    me.gives("me.jpg", photo)
    me.says("No face was found")
    me.inverts()
    me.says(r"step \d+ of \d+, loss|Inverted", LONG)
    me.says("Inverted", LONG)
    before = me.after
    me.moves()
    edited, value = me.after, me.slider.input_value()
    assert value == "1" and edited != before
    me.clicks("Undo")
    expect(me.page.locator(".after")).to_have_attribute("src", before)
    expect(me.slider).to_have_value("0")
    me.clicks("Redo")
    expect(me.page.locator(".after")).to_have_attribute("src", edited)
    name, content = me.saves("picture")
    assert name == "me.edited.png" and MARK in content and b"secret" not in content
    assert pixels(content, tmp_path).shape == (64, 64, 3)
    me.page.get_by_role("radio", name="The whole photo").check()
    expect(me.page.locator(".after")).not_to_have_attribute("src", edited)
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
    me.says("reset")
    expect(me.slider).to_have_value("0")


def shown(address: str) -> bytes:
    return base64.b64decode(address.partition(",")[2])


def test_shown_pictures_carry_the_mark_and_photos_do_not(visit, photo):
    me = visit()
    me.gives("me.jpg", photo)
    me.says("No face was found")
    assert MARK not in shown(me.after) and b"secret" not in shown(me.after)
    me.samples()
    assert MARK in shown(me.after) and Image.open(io.BytesIO(shown(me.after))).size == (64, 64)


def test_one_of_several_faces_is_chosen(visit, two_faces, tmp_path):
    me = visit()
    me.gives("two.png", two_faces)
    me.says("2 faces were found: choose one")
    expect(me.page.locator("#faces img")).to_have_count(2)
    expect(me.page.get_by_role("radio", name="face 0 (the largest)")).to_be_checked()
    me.page.get_by_role("radio", name="face 1").check()
    me.inverts()
    me.says("Inverted", LONG)
    me.page.get_by_role("radio", name="The whole photo").check()
    expect(me.page.locator(".after")).to_have_js_property("naturalWidth", 500)
    me.moves()
    name, content = me.saves("picture")
    assert name == "two.edited.jpg"
    (tmp_path / "two.png").write_bytes(two_faces)
    changed = np.abs(pixels(content, tmp_path).astype(int) - read_image(tmp_path / "two.png")).max((0, 2)) > 20
    assert changed[300:].any() and not changed[:290].any()


def test_two_visitors_do_not_see_each_other(visit):
    a, b = visit(), visit()
    a.samples(1)
    assert b.page.locator(".compare").is_hidden()
    b.samples(2)
    shown = a.after
    assert shown != b.after
    b.moves()
    assert a.after == shown
    b.clicks("Delete this photo and its latent")
    b.says("nothing of it is left")
    assert b.page.locator(".compare").is_hidden() and a.after == shown
    a.moves()


def test_a_closed_page_is_forgotten(visit, short):
    me, other = visit(), visit()
    me.samples()
    me.saves("picture")
    address = me.page.locator("#link a").get_attribute("href")
    assert other.context.request.get(short.address + address).status == 200
    me.page.close()
    for _ in range(100):
        if other.context.request.get(short.address + address).status == 404:
            return
        time.sleep(0.1)
    raise AssertionError("the file is still there")


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
        ("me.png", b"", "is empty|did not arrive"),
        ("me.safetensors", b"01234567{}", "damaged or not a latent"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(visit, name, content, words):
    me = visit()
    me.gives(name, content)
    me.says(words)
    alert = me.page.locator("#status [role=alert]")
    expect(alert).to_be_visible()
    assert "/tmp" not in alert.inner_text() and "Traceback" not in alert.inner_text()
    assert me.page.get_by_role("button", name="Invert the photo").is_disabled()
    me.samples()  # and it goes on


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(visit):
    me = visit()
    me.page.evaluate("document.querySelector('.drop').dataset.largest = 1000")
    me.gives("me.png", b"x" * 1001)
    me.says("larger than")
    assert not [url for url in me.asked if "/upload" in url]


def test_an_inversion_can_be_cancelled_and_stopped(visit, photo):
    me = visit()
    me.gives("me.jpg", photo)
    me.says("No face was found")
    me.inverts("best")
    me.says(r"step \d+ of 300", LONG)
    expect(me.page.locator("figcaption", has_text="step")).to_be_visible()
    me.clicks("Cancel")
    me.says("Cancelled")
    assert me.page.locator("#editing").is_hidden()
    me.inverts("best")
    me.says(r"step \d+ of 300", LONG)
    me.clicks("Stop here, keep it")
    me.says(r"Inverted in \d+ steps.*Stopped early", LONG)
    me.moves()


def test_the_gallery_outlives_a_killed_program(browser, visit, photo, tmp_path):
    (tmp_path / "cache").mkdir()
    keep = tmp_path / "kept"
    studio = Studio(tmp_path / "cache", "--keep", str(keep), short=True)
    try:
        me = visit(studio)
        me.gives("me.jpg", photo)
        me.says("No face was found")
        me.inverts()
        me.says("Inverted", LONG)
        me.moves()
        value = me.slider.input_value()
        time.sleep(2)  # the sliders rest, and the edit is saved
        me.inverts("best")
        me.says(r"step \d+ of 300", LONG)
        studio.end(kill=True)
        expect(me.page.locator("#lost")).to_contain_text("has ended")
        studio = me.studio = Studio(tmp_path / "cache", "--keep", str(keep), port=studio.port, short=True)
        expect(me.page.locator("#lost")).to_contain_text("started anew")
        me.load()
        me.page.get_by_label("What was inverted before").click()
        me.page.get_by_role("option", name=re.compile("^me, ")).first.click()
        me.clicks("Open")
        me.says("is open again")
        expect(me.slider).to_have_value(value)
        assert me.page.get_by_role("radio", name="The whole photo").is_visible()
        me.clicks("Delete this photo and its latent")
        me.says("nothing of it is left")
        assert kept_in(keep) == []
    finally:
        studio.end()


def test_sliders_in_quick_succession_do_not_pile_up(visit):
    me = visit()
    me.samples()
    me.moves(1)
    joined = len([url for url in me.asked if "queue/join" in url])
    me.page.evaluate(
        """() => { const slider = document.querySelector('#editing input[type=range]');
        for (let i = 0; i < 60; i++) {
            slider.value = -3 + i / 10;
            slider.dispatchEvent(new Event('input', {bubbles: true}));
        } }"""
    )
    me.page.wait_for_timeout(3000)
    assert len([url for url in me.asked if "queue/join" in url]) - joined <= 5
    shown = me.after
    me.page.get_by_role("button", name="Undo", exact=True).click()
    me.says("Done: undo")
    me.clicks("Redo")
    expect(me.page.locator(".after")).to_have_attribute("src", shown)  # what is shown is what the sliders say


@pytest.mark.parametrize(("width", "scheme"), [(380, "light"), (380, "dark"), (1920, "light"), (1920, "dark")])
def test_it_fits_the_window_and_everything_has_a_name(visit, width, scheme):
    me = visit(viewport={"width": width, "height": 900}, color_scheme=scheme)
    me.samples()
    assert me.page.evaluate("document.documentElement.scrollWidth") <= width
    background = me.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
    assert brightness < 80 if scheme == "dark" else brightness > 180
    nameless = me.page.evaluate(
        """() => [...document.querySelectorAll('input, button, textarea, select')]
        .filter(x => x.offsetParent && !(x.labels?.length && [...x.labels].some(l => l.innerText.trim()))
            && !x.ariaLabel && !x.innerText.trim() && !x.title && !x.getAttribute('aria-labelledby'))
        .map(x => x.outerHTML.slice(0, 200))"""
    )
    assert nameless == []
    me.moves(1)
    me.page.locator("#reset").evaluate("button => button.scrollIntoView({block: 'end'})")
    expect(me.page.locator(".after")).to_be_in_viewport(ratio=0.9)  # while the last sliders are moved
    over = "document.elementFromPoint(60, 20).closest('#seen') !== null"
    assert width > 380 or me.page.evaluate(over)  # the sliders pass below it


def test_it_can_be_used_with_the_keyboard_alone(visit):
    me = visit()
    me.samples()
    me.page.evaluate("document.activeElement.blur()")
    kinds, ids = set(), set()
    for _ in range(60):
        me.page.keyboard.press("Tab")
        kinds.add(me.page.evaluate("document.activeElement.type"))
        ids.add(me.page.evaluate("document.activeElement.closest('[id]')?.id"))
    assert {"file", "range", "radio", "number", "submit"} <= kinds
    assert {"sample", "reset", "compare", "delete", *(f"save-{kind}" for kind in KINDS)} <= ids
    me.slider.focus()
    me.page.keyboard.press("ArrowRight")
    me.says("Shown after")
