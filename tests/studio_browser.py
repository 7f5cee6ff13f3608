"""A person with a window of their own, for tests of the studio's page."""

import base64
import re
import shutil

from studio_program import Studio
from zplus.images import read_image

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    expect = sync_playwright = None

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
MARK = b"compositeWithTrainedAlgorithmicMedia"
SOON, LONG = 20_000, 120_000  # milliseconds

missing = ""
if expect is not None:
    expect.set_options(timeout=SOON)
if sync_playwright is None:
    missing = "playwright is not installed: pip install playwright"
elif BROWSER is None:
    missing = "no browser is here: install chromium (apt-get install chromium)"


class Visitor:
    """Notes everything that the page asks for and complains of."""

    def __init__(self, browser, studio: Studio, prepare=None, **window):
        self.context = browser.new_context(**window)
        self.page, self.studio = self.context.new_page(), studio
        self.page.set_default_timeout(SOON)
        self.asked, self.complaints = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda told: self.complaints.append(told.text) if "Security" in told.text else None)
        if prepare:
            prepare(self.page)
        self.page.goto(studio.address)
        self.says("This is an example", LONG)
        expect(self.page.locator("#after")).to_have_attribute("src", re.compile("^data:"))
        self.rests()

    def says(self, words: str, timeout: float = SOON):
        expect(self.page.locator("#status")).to_contain_text(re.compile(words), timeout=timeout)

    def gives(self, name: str, content: bytes):
        self.page.set_input_files("#file", {"name": name, "mimeType": "", "buffer": content})

    def clicks(self, name: str):
        self.page.get_by_role("button", name=name, exact=True).click()

    def chooses(self, field: str, value: str):
        self.page.locator("#advanced").evaluate("details => { details.open = true; }")
        self.page.locator(f"#{field}").select_option(value)

    @property
    def slider(self):
        return self.page.locator(".slider input[type=range]").first

    def moves(self, keys: int = 20, key: str = "ArrowRight"):
        before = self.after
        self.slider.focus()
        for _ in range(keys):
            self.page.keyboard.press(key)
        expect(self.page.locator("#after")).not_to_have_attribute("src", before)
        self.rests()

    def rests(self):
        """Wait until the picture is that of the sliders."""
        expect(self.page.locator("#stage")).to_have_attribute("aria-busy", "false")

    @property
    def after(self) -> str:
        return self.page.locator("#after").get_attribute("src") or ""

    def shows(self, address: str):
        expect(self.page.locator("#after")).to_have_attribute("src", address)

    def saves(self, kind: str) -> tuple[str, bytes]:
        with self.page.expect_download() as waiting:
            self.clicks(f"Save {kind}")
        name = waiting.value.suggested_filename
        with open(waiting.value.path(), "rb") as file:
            return name, file.read()


def shown(address: str) -> bytes:
    """The file in a data URL."""
    return base64.b64decode(address.partition(",")[2])


def pixels(content: bytes, tmp_path):
    (tmp_path / "read").write_bytes(content)
    return read_image(tmp_path / "read")
