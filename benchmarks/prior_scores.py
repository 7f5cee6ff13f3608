"""How the independent network's scores lie over the prior: its mean and deviation go into results/prior_scores.json.

    python benchmarks/prior_scores.py FACERES [--samples 300]

FACERES is where `faceres.py` says that it was unpacked. The package's own scorers stand there since they were first
measured, on the samples that it names.
"""

import argparse
from pathlib import Path

import numpy as np

from faceres import FaceRes
from machine import measured_on, read_result, save_result
from zplus.editing.scored import scoring_pixels
from zplus.faces.detector import FaceDetector
from zplus.generators import load_generator
from zplus.perception.face_input import largest_face
from zplus.spaces import make_space


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faceres", type=Path)
    parser.add_argument("--samples", type=int, default=300)
    given = parser.parse_args()
    generator, detector, network = load_generator("ffhq-mobile"), FaceDetector(), FaceRes(given.faceres)
    space = make_space("z", generator)
    faces = [largest_face(scoring_pixels(space, z), detector) for z in space.sample(given.samples, seed=11).split(1)]
    seen = [network(face) for face in faces if face is not None]
    result = read_result("prior_scores")
    for name in ("age", "gender"):
        values = np.array([getattr(one, name) for one in seen])
        spread = {
            "mean": round(values.mean(), 5),
            "std": round(values.std(), 5),
            "samples": len(values),
            "machine": measured_on(),
        }
        result["scores"][f"{name}_faceres"] = spread
        print(name, spread)
    save_result("prior_scores", result)


if __name__ == "__main__":
    main()
