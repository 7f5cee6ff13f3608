"""How soon a photo is inverted: the first on a machine that has compiled nothing yet, and further ones.

    python benchmarks/first_photo.py FACE.png... [--beside OLD/.venv/bin/python] [--precision float32]

FACEs are aligned, as `zplus align` writes them. Each Python has zplus installed, this one and perhaps one of an older
version, and inverts them in F/Z+ by default settings: the first as `zplus invert FACE` does, with an empty cache of
compiled code, then all again compiled, where the first of them has to wait for the compiler.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from statistics import median

from machine import save_result

WORK = """
import json, sys, time
from zplus.generators import load_generator
from zplus.images import read_image, to_tensor
from zplus.inversion import invert
precision, *files = sys.argv[1:]
generator, rows = load_generator("ffhq-mobile"), []
try:
    from zplus.execution import Execution, best_execution
    first = best_execution(generator, 1).compiled
except ImportError:  # before execution was a room of its own: compiled from the first photo on
    from zplus.inversion.execution import Execution
    first = True
for what, compiled in [("first", first)] + [("compiled", True)] * len(files):
    photo = to_tensor(read_image(files[max(len(rows) - 1, 0)]))
    began, seen = time.perf_counter(), []
    latent = invert(
        generator, photo, execution=Execution(precision, compiled),
        callback=lambda progress: seen.append(time.perf_counter() - began) and None,
    )
    rows.append({"what": what, "compiled": compiled, "steps": len(seen), "first_step": round(seen[0], 2)})
    rows[-1]["seconds"] = round(time.perf_counter() - began, 2)
print(json.dumps(rows))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", nargs="+")
    parser.add_argument("--beside")
    parser.add_argument("--precision", default="bfloat16", choices=["bfloat16", "float32"])
    given = parser.parse_args()
    found = {}
    for name, python in {"before": given.beside, "now": sys.executable}.items():
        if python:
            with tempfile.TemporaryDirectory() as empty:
                environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": empty}
                command = [python, "-c", WORK, given.precision, *given.faces]
                done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            rows = json.loads(done.stdout.splitlines()[-1])
            further = [row["seconds"] for row in rows[2:]]  # the one before them compiled
            found[name] = {"first": rows[0]["seconds"], "further": round(median(further), 2), "rows": rows}
            print(name, found[name])
    save_result(f"first_photo-{given.precision}", found)


if __name__ == "__main__":
    main()
