"""What each direction of ffhq-mobile does to every score, on generated faces, and how it looks.

    python benchmarks/direction_cards.py [--samples 16] [--write]

Fresh samples of the prior move from one unit below to one above, straight from codes of Z+; half of that change, in
standard deviations of each score over the prior, is a row of the matrix, which goes into the card of each with --write.
Writes docs/images/directions.jpg: two of the faces at -3 to 3.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from machine import prior_scores, save_result
from ranges import DIRECTIONS
from steering import ONE_EACH
from zplus.direction import save_direction
from zplus.editing import Editor, directions_of
from zplus.generators import load_generator
from zplus.images import to_pixels, write_image
from zplus.latent import Decoding, Point
from zplus.perception.attributes import Scorers
from zplus.spaces import latent_of, make_space, render

SHOWN, STRENGTHS, SIDE = (0, 5), (-3.0, -1.5, 0.0, 1.5, 3.0), 128
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "directions.jpg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--write", action="store_true", help="put what was measured into the package's directions")
    given = parser.parse_args()
    generator, scorers = load_generator("ffhq-mobile"), Scorers()
    prior = prior_scores()
    space = make_space("z+", generator, decoding=Decoding(psi=0.8))
    codes = space.broadcast_sample(given.samples, seed=77).split(1)
    editors = [Editor(generator, latent_of(space, Point(code))) for code in codes]
    directions, matrix, strips = directions_of(generator), {}, []

    def picture(editor: Editor, name: str, strength: float) -> np.ndarray:
        return to_pixels(render(generator, editor.edit({name: strength}))[0])

    for name in directions:
        changes = []
        for editor in editors:
            less, more = (scorers.measure(picture(editor, name, strength), ONE_EACH) for strength in (-1.0, 1.0))
            changes.append([(more[score] - less[score]) / 2 / prior[score]["std"] for score in ONE_EACH])
        matrix[name] = dict(zip(ONE_EACH, np.nanmean(changes, 0).round(3).tolist(), strict=True))
        print(name, matrix[name], flush=True)
        shown = [picture(editors[i], name, strength) for i in SHOWN for strength in STRENGTHS]
        strips.append(np.concatenate([np.asarray(Image.fromarray(x).reduce(1024 // SIDE)) for x in shown], 1))
        if given.write:
            card = directions[name].card | {"moves": matrix[name]}
            save_direction(replace(directions[name], card=card), DIRECTIONS / f"{name}.safetensors")
    write_image(PICTURE, np.concatenate(strips), "generated faces along " + ", ".join(directions))
    save_result("direction_cards", {"space": "z+", "psi": 0.8, "samples": given.samples, "moves": matrix})


if __name__ == "__main__":
    main()
