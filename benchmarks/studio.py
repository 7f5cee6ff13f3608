"""The studio measured in a browser as a person uses it, and its screenshot for the README: a face of nobody, edited.

    python benchmarks/studio.py [--model ffhq-mobile] [--seed 18] [--slider smile] [--picture docs/images/studio.jpg]

Measured, from the key that moves a slider to the new picture on the page: further strengths of one slider, of one
slider beside another that is set, and many moves at once, of which the last wins. Also how long the program takes until
it listens, and until a face is ready for the sliders, first (it may compile) and again. Needs playwright and chromium.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from machine import save_result

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
MOVE = """async ([label, values]) => {
    const slider = [...document.querySelectorAll('#editing input[type=range]')].find(x => x.ariaLabel.includes(label));
    const image = document.querySelector('.after'), times = [];
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
BURST = """async label => {
    const slider = [...document.querySelectorAll('#editing input[type=range]')].find(x => x.ariaLabel.includes(label));
    const image = document.querySelector('.after'), began = performance.now();
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


def sampled(page: Page, seed: int) -> float:
    """How long a face of nobody takes until it can be edited."""
    page.get_by_label("Seed").fill(str(seed))
    began = time.perf_counter()
    page.get_by_role("button", name="Sample a face").click()
    page.wait_for_function(f"document.querySelector('#status').innerText.includes('Face {seed}:')", timeout=600_000)
    page.locator("#editing input[type=range]").first.wait_for()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ffhq-mobile")
    parser.add_argument("--seed", type=int, default=9)
    parser.add_argument("--slider", default="smile")
    parser.add_argument("--other", default="age")
    parser.add_argument("--strength", type=float, default=1.5, help="of the slider in the picture")
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    began = time.perf_counter()
    command = [sys.executable, "-m", "zplus", "studio", "--no-open", "--port", "0"]
    with ExitStack() as stack:
        program = stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        stack.callback(program.terminate)  # whatever happens: it would be waited for
        playwright = stack.enter_context(sync_playwright())
        line = next(line for line in program.stderr if line.startswith("The studio is at"))
        address = line.split()[4]
        urlopen(address).read()
        result = {"model": given.model, "start": time.perf_counter() - began}
        path = next(filter(None, map(shutil.which, BROWSERS)))
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 960})
        page.goto(address)
        page.get_by_text("Ready:").wait_for()
        page.get_by_label("Model").click()
        page.get_by_role("option", name=given.model).click()
        page.get_by_text("Or a face of nobody").click()
        result["face_first"] = sampled(page, given.seed + 1)
        result["face_again"] = sampled(page, given.seed)
        page.evaluate(MOVE, [given.slider, [1, -1]])  # both ways of the slider are known from here on
        times = page.evaluate(MOVE, [given.slider, [0.3, 1.2, -0.7, 1.7, 0.9, -1.4, 0.1, 1.5, -0.2, 0.8]])
        result["slider"], result["slider_slowest"] = median(times), max(times)
        page.evaluate(MOVE, [given.other, [0.5]])
        result["slider_beside_another"] = median(page.evaluate(MOVE, [given.slider, [0.3, 1.2, -0.7, 1.7, 0.9, -1.4]]))
        result["burst_of_51"] = page.evaluate(BURST, given.slider)
        page.evaluate(MOVE, [given.other, [0]])
        page.evaluate(MOVE, [given.slider, [given.strength]])
        page.evaluate("document.querySelector('.compare input').value = 50")
        page.evaluate("document.querySelector('.compare .stage').style.setProperty('--at', '50%')")
        if given.picture:
            with Image.open(BytesIO(page.screenshot())) as image:
                image.convert("RGB").save(given.picture, quality=88)
        browser.close()
    result["load_of_the_machine"] = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    print(result)
    save_result(f"studio-{given.model}", result)


if __name__ == "__main__":
    main()
