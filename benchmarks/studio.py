"""The studio measured in a browser as a person uses it, and its screenshot for the README: a face of nobody, edited.

    python benchmarks/studio.py [--model ffhq-mobile] [--slider smile] [--picture docs/images/studio.jpg]

Measured: from the command to the first moved slider, on an empty cache of compiled networks and again; and from the key
that moves a slider to the new picture on the page, the median and the slowest of 50 strengths, alone and beside another
slider. Also how soon the last of 51 moves in a second is shown. Needs playwright and chromium.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from statistics import median

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from machine import save_result
from zplus.cache import cache_folder

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
SHARED = ("archives", "models", "networks", "statistics")  # of the cache; what was compiled is not
LONG = 600_000  # milliseconds
MOVE = """async ([name, values]) => {
    const slider = document.querySelector(`input[data-name="${name}"]`);
    const image = document.querySelector('#after'), times = [];
    for (const value of values) {
        const began = performance.now(), before = image.src;
        slider.value = value;
        slider.dispatchEvent(new Event('input', {bubbles: true}));
        while (image.src === before) {
            if (performance.now() - began > 60000) throw new Error('no picture came');
            await new Promise(done => setTimeout(done, 2));
        }
        await image.decode();
        times.push((performance.now() - began) / 1000);
        await new Promise(done => setTimeout(done, 100));
    }
    return times;
}"""
BURST = """async name => {
    const slider = document.querySelector(`input[data-name="${name}"]`);
    const image = document.querySelector('#after'), began = performance.now();
    let last = began, pictures = 0;
    new MutationObserver(() => { last = performance.now(); pictures++; }).observe(image, {attributes: true});
    for (let i = 0; i <= 50; i++) {
        slider.value = -1 + i / 25;
        slider.dispatchEvent(new Event('input', {bubbles: true}));
        await new Promise(done => setTimeout(done, 20));
    }
    const moved = performance.now();
    await new Promise(done => setTimeout(done, 3000));
    return {after_the_last_move: (last - moved) / 1000, pictures};
}"""
STRENGTHS = [round(0.05 * ((17 * i) % 59) - 1.45, 2) for i in range(50)]  # no two alike that follow each other


@contextmanager
def page_of(browser: Browser, environment: dict[str, str], model: str) -> Iterator[tuple[Page, float, float]]:
    """The page with its example, and the seconds from the command until it was served and until it could be edited."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "zplus", "studio", "--no-open", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as program:
        try:
            line = next(line for line in program.stderr if line.startswith("The studio is at"))
            page = browser.new_page(viewport={"width": 1280, "height": 860})
            page.goto(line.split()[4])
            served = time.perf_counter() - began
            status = page.locator("#status")
            expect(status).to_contain_text("This is an example", timeout=LONG)
            if page.locator("#model").input_value() != model:
                page.locator("#advanced").evaluate("details => { details.open = true; }")
                page.locator("#model").select_option(model)
                page.get_by_role("button", name="Another face").click()
                expect(status).to_contain_text("a person who does not exist", timeout=LONG)
            yield page, served, began
            page.close()
        finally:
            program.terminate()


def first_move(page: Page, slider: str, began: float) -> float:
    """Seconds from the command until the first edit is shown."""
    page.evaluate(MOVE, [slider, [1]])
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ffhq-mobile")
    parser.add_argument("--slider", default="smile")
    parser.add_argument("--other", default="age")
    parser.add_argument("--strength", type=float, default=1.5, help="of the slider in the picture")
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    with ExitStack() as stack:
        empty = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in SHARED:
            (empty / name).symlink_to(cache_folder() / name)
        playwright = stack.enter_context(sync_playwright())
        path = next(filter(None, map(shutil.which, BROWSERS)))
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        stack.callback(browser.close)
        result = {"model": given.model, "cache": {}}
        for cache in ("empty", "warm"):
            environment = dict(os.environ) | ({"ZPLUS_CACHE": str(empty)} if cache == "empty" else {})
            with page_of(browser, environment, given.model) as (page, served, began):
                result["cache"][cache] = {"served": served, "first_moved_slider": first_move(page, given.slider, began)}
                if cache == "warm":
                    result |= measured(page, given.slider, given.other)
                    if given.picture:
                        picture(page, given.slider, given.strength, given.picture)
    result["load_of_the_machine"] = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    print(result)
    save_result(f"studio-{given.model}", result)


def measured(page: Page, slider: str, other: str) -> dict:
    """Seconds from a moved slider to the picture."""
    page.evaluate(MOVE, [slider, [-1]])  # both ways of the slider are known from here on
    times = page.evaluate(MOVE, [slider, STRENGTHS])
    page.evaluate(MOVE, [other, [0.5]])
    beside = page.evaluate(MOVE, [slider, STRENGTHS])
    burst = page.evaluate(BURST, slider)
    page.evaluate(MOVE, [other, [0]])
    return {
        "slider": {"median": median(times), "slowest": max(times), "moves": len(times)},
        "slider_beside_another": {"median": median(beside), "slowest": max(beside), "moves": len(beside)},
        "burst_of_51": burst,
    }


def picture(page: Page, slider: str, strength: float, path: Path) -> None:
    """A screenshot with the slider set and the wipe in the middle."""
    page.evaluate(MOVE, [slider, [strength]])
    wipe = page.get_by_role("slider", name="Show the original")
    for _ in range(10):
        wipe.press("ArrowRight")
    page.mouse.click(5, 5)
    with Image.open(BytesIO(page.screenshot())) as image:
        image.convert("RGB").save(path, quality=85)


if __name__ == "__main__":
    main()
