"""Directions that other programs found for StyleGAN2-FFHQ, taken over: do they move the scores of our portraits?

    python benchmarks/imported.py FOLDER --work WORK e4e/smile.pt:w interfacegan_z/boundary_Smiling.npy:z ...

Each file with the space it was found in; edits of the latents of F/Z+ in WORK (of portraits.py), F moved, by 1.5
deviations of the prior along the vector each way. Both scorers of the smile judge; neither found these directions.
"""

from pathlib import Path
from statistics import median

from machine import save_result
from steering import Bench, arguments
from zplus.editing import read_directions

SPACE, STRENGTH, SCORES = "f/z+", 1.5, ("smile_network", "smile_geometry")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("files", nargs="+", help="FILE:SPACE")
    given = parser.parse_args()
    bench, result = Bench(given), {}
    for text in given.files:
        path, _, space = text.rpartition(":")
        (direction,), notes = read_directions(bench.generator, Path(path), space)
        rows = []
        for name, editor in bench.editors(SPACE):
            less, more = (bench.measure(name, editor, "moved", direction, s * STRENGTH) for s in (-1, 1))
            rows.append({score: bench.moved(more, less, score) for score in SCORES} | {"first": more["rank"] == 1})
        result[f"{Path(path).name} in {direction.space}"] = {
            "photos": len(rows), "notes": notes, "found_first": sum(row["first"] for row in rows),
            "moved_from_less_to_more": {score: round(median(row[score] for row in rows), 3) for score in SCORES},
            "upwards": {score: sum(row[score] > 0 for row in rows) for score in SCORES},
        }  # fmt: skip
        print(result, flush=True)
    save_result("imported", {"space": SPACE, "strength": STRENGTH, "files": result})


if __name__ == "__main__":
    main()
