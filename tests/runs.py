"""Made-up runs of a bench, and their rows and images."""

import json

import numpy as np
from PIL import Image

from zplus.benchmark.rows import SEEN

PLAN = {"primary": {"table": "edit", "measure": "error_lpips", "a": "f/z+", "b": "f/w+"}}
FACTS = {
    "zplus_run": 1, "bench": "spaces", "zplus": "0.1.0", "versions": {"torch": "2.13.0"}, "machine": {"cores": 2},
    "model": "avatars64", "fingerprint": "ab12", "settings": {"steps": 60}, "started": "2026-01-02T03:04:05",
    "command": "zplus bench spaces", "seconds": 1234.5, "skipped": [], "plan": PLAN, "finished": True,
}  # fmt: skip
SPACES = ("z+", "w+", "w+ norm kept", "f/z+", "f/w+")


def make_rows(subjects=24, worse=None, seed=0, spaces=SPACES, noise=0.02, seeds=2):
    """Rows of a spaces run; `worse` adds a known amount to the errors of a space: {"f/w+": 0.02}."""
    random, rows = np.random.default_rng(seed), []
    for i in range(subjects):
        shared = {
            "subject": f"s{i:03}", "source": ("z", "mixed")[i % 2], "variant": "default", "real": False,
            "groups": {"sex": "fm"[i // 2 % 2]},
        }  # fmt: skip
        level = random.normal(0.2, 0.05)
        for number in range(seeds):
            for space in spaces:
                row = {**shared, "space": space, "seed": number}
                more = (worse or {}).get(space, 0) - 0.15 * space.startswith("f")
                lpips = level + more + random.normal(0.1, noise)
                rows.append({**row, "table": "reconstruction", "lpips_vgg": lpips, "identity_distance": lpips * 2})
                for truth in ("w", "z"):
                    error = {"error_lpips": level + more + random.normal(0, noise), "base_lpips": level + 0.15}
                    told = {"wanted": 1.0, "change": 1.02, "judge_change": random.normal(0.8, 0.1), "reached": True}
                    moved = "moved" if space.startswith("f") else None
                    edit = {"table": "edit", "direction": "smile", "truth": truth, "feature": moved, "strength": 1.5}
                    rows.append({**row, **edit, **error, **told})
    return rows


def make_run(folder, rows, **facts):
    """A run folder with these rows; facts replace those of run.json."""
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps({**FACTS, **facts}))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def make_photo_rows(photos=24, worse=None, seed=0, spaces=SPACES):
    """Rows of a run on photos as VGG16 saw them; `worse` moves what it sees of the edits in a space."""
    random, rows = np.random.default_rng(seed), []
    for i in range(photos):
        shared, photo = {"subject": f"p{i}", "source": "photo", "real": True}, random.normal(1, 0.3, SEEN)
        rows.append({"table": "photo", "subject": f"p{i}", "real": True, "seen": photo.tolist()})
        for space in spaces:
            row = {**shared, "space": space, "variant": "default", "seed": 0}
            same = photo + random.normal(0, 0.1, SEEN)
            rows.append({**row, "table": "reconstruction", "lpips_vgg": 0.1, "seen": same.tolist()})
            edit = {"table": "edit", "direction": "smile", "wanted": 1.0, "change": 1.0, "reached": True}
            rows.append({**row, **edit, "seen": (same + (worse or {}).get(space, 0)).tolist()})
    return rows


def add_picture(folder, name, colour, **row):
    """A small picture in the folder, and its row."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    pixels = np.full((64, 64, 3), colour, np.uint8)
    pixels[::2] //= 2
    Image.fromarray(pixels).save(folder / "pictures" / name)
    return {"table": "picture", "file": f"pictures/{name}", "real": False, **row}
