"""Every method of inversion in every space that it has a form in, on the portraits of the main job.

    python benchmarks/methods.py FOLDER --work WORK [--methods e4e default ...] [--spaces w+ z+ f/z+] [--photos 16]

FOLDER and WORK are those of portraits.py. Rows are kept in WORK/methods.jsonl, so that a killed run goes on; latents in
WORK/methods/METHOD/SPACE. `w+ 1000` is optimisation in W+ for 1,000 steps. Prints a table in Markdown and writes
benchmarks/results/methods.json; the seconds of a first photo include compilation and are left out of the median.
"""

import argparse
import json
import resource
import time
from pathlib import Path
from statistics import median
from typing import Any

from machine import save_result
from portraits import gallery, portraits
from zplus.benchmark.conditions import METHOD_SPACES
from zplus.generators import load_generator
from zplus.images import to_pixels, to_tensor, write_image
from zplus.inversion import invert
from zplus.inversion.encoder import load_encoder
from zplus.latent import save_latent
from zplus.perception.identity import Identity, rank
from zplus.perception.quality import measure_quality
from zplus.spaces import render

METHODS: dict[str, dict[str, Any]] = {
    "e4e": {"method": "e4e"},
    "default": {},
    "without encoder": {"init": "common", "base": "head"},
    "idinvert": {"method": "idinvert"},
    "bdinvert": {"method": "bdinvert"},
    "ii2s": {"method": "ii2s"},
    "sam": {"method": "sam"},
    "pti": {"method": "pti"},
    "1000 steps": {"steps": 1000, "init": "common"},
}
FORMS = METHOD_SPACES | {"1000 steps": ("w+",)}
SPACES = ("w+", "z+", "f/z+")
FIGURES = ("lpips_vgg", "lpips_alex", "mse", "ms_ssim", "identity_distance", "seconds")


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: medians of each method and space."""
    lines = ["| method | space | photos | LPIPS-VGG | -Alex | MSE | MS-SSIM | identity | found first | seconds |"]
    lines.append("|" + "---|" * 10)
    for method, space in dict.fromkeys((row["method"], row["space"]) for row in rows):
        some = [row for row in rows if (row["method"], row["space"]) == (method, space)]
        values = [f"{median(row[key] for row in some):.3f}" for key in FIGURES[:-1]]
        first = f"{sum(row['rank'] == 1 for row in some)} of {len(some)}"
        seconds = median(row["seconds"] for row in (some[1:] or some))
        lines.append(f"| {method} | {space} | {len(some)} | {' | '.join(values)} | {first} | {seconds:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--spaces", nargs="+", default=list(SPACES))
    parser.add_argument("--photos", type=int)
    parser.add_argument("--encoder", type=Path, help="instead of the one that comes with the package")
    given = parser.parse_args()
    kept = given.work / "methods.jsonl"
    rows = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()] if kept.exists() else []
    done = {(row["method"], row["space"], row["name"]) for row in rows}
    generator, identity = load_generator("ffhq-mobile"), Identity()
    encoder = load_encoder(given.encoder, generator) if given.encoder else None
    names, descriptors = gallery(given.folder, given.work)
    photos = list(portraits(given.folder, given.work).items())[: given.photos]
    for method in given.methods:
        for space in FORMS.get(method, given.spaces):
            place = given.work / "methods" / method.replace(" ", "-") / space.replace("/", "-")
            place.mkdir(parents=True, exist_ok=True)
            for name, pixels in photos:
                if (method, space, name) in done:
                    continue
                target, began = to_tensor(pixels), time.perf_counter()
                latent = invert(generator, target, space, encoder=encoder, **METHODS[method])
                seconds, image = time.perf_counter() - began, render(generator, latent)
                save_latent(latent, place / f"{name}.latent.safetensors")
                write_image(place / f"{name}.png", to_pixels(image[0]))
                row = {"method": method, "space": space, "name": name, "seconds": round(seconds, 2)}
                row |= {key: round(x, 5) for key, x in measure_quality(image, target, identity).items()}
                row["rank"] = rank(identity.embed(to_pixels(image[0])), descriptors, names.index(name))
                row["strangeness"] = latent.figures.get("strangeness", [None])[0]
                row["peak_memory_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
                print(method, space, name, row["lpips_vgg"], row["rank"], f"{seconds:.1f} s", flush=True)
                rows.append(row)
                with kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
    save_result("methods", {"rows": rows})
    print(table(rows))


if __name__ == "__main__":
    main()
