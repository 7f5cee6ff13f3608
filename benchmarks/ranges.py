"""Between which strengths faces hold, for each direction of ffhq-mobile; with --write, its card has it.

    python benchmarks/ranges.py FOLDER --work WORK --faceres FACERES [--only NAME ...] [--write]

WORK has latents in F/Z+ of other portraits than `edits.py` judges (`portraits.py --first 0`). A face holds where it is
whole, leaves no ghost and is first among all portraits by both identity networks; a strength is within the range where
three of four faces hold there and at all nearer ones.
"""

import argparse
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from edits import people
from judges import MAX_GHOST, Judges, ghost
from machine import read_result, save_result
from zplus.direction import save_direction
from zplus.editing import Editor, directions_of
from zplus.generators import load_generator
from zplus.images import to_pixels
from zplus.latent import load_latent
from zplus.perception.identity import rank
from zplus.spaces import render

STRENGTHS = (1.0, 1.5, 2.0, 3.0)
SHARE = 0.75
DIRECTIONS = Path(str(files("zplus.editing"))) / "directions" / "ffhq-mobile"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--faceres", type=Path, required=True)
    parser.add_argument("--only", nargs="+", help="directions to measure anew; the others keep their rows")
    parser.add_argument("--write", action="store_true", help="put what was measured into the package's directions")
    given = parser.parse_args()
    generator, judges = load_generator("ffhq-mobile"), Judges(given.faceres)
    names, galleries = people(given.folder, given.work, judges)
    faces = []
    for path in sorted((given.work / "f-z+").glob("*.latent.safetensors")):
        latent = load_latent(path)
        own = names.index(path.name.removesuffix(".latent.safetensors"))
        faces.append((Editor(generator, latent), judges.read(to_pixels(render(generator, latent)[0])), own))

    def held(name: str, strength: float) -> float:
        """The share of faces that hold."""
        found = []
        for editor, before, own in faces:
            seen = judges.read(to_pixels(editor.image(editor.edit({name: strength}))[0]))
            first = rank(seen.identity, galleries[0], own) == rank(seen.second_identity, galleries[1], own) == 1
            found.append(first and seen.whole and ghost(before, seen) <= MAX_GHOST)
        return float(np.mean(found))

    found = directions_of(generator)
    result = read_result("ranges")["directions"] if given.only else {}
    for name in given.only or found:
        shares = {sign * x: held(name, sign * x) for sign in (-1, 1) for x in STRENGTHS}
        ends = [
            sign
            * max((x for x in STRENGTHS if all(shares[sign * y] >= SHARE for y in STRENGTHS if y <= x)), default=0.5)
            for sign in (-1, 1)
        ]
        result[name] = {"range": ends, "held": shares}
        print(name, result[name], flush=True)
        if given.write:
            measured = replace(found[name], card=found[name].card | {"range": ends})
            save_direction(measured, DIRECTIONS / f"{name}.safetensors")
    save_result("ranges", {"faces": len(faces), "share": SHARE, "directions": result})


if __name__ == "__main__":
    main()
