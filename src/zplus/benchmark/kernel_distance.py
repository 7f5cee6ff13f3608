"""How far the edits of photos are from photos as a whole: the kernel distance, on what VGG16 sees."""

from collections import defaultdict
from dataclasses import replace

import numpy as np

from zplus.benchmark.rows import Run
from zplus.training.distance import kernel_shares

MIN_PICTURES = 3  # pictures that have a kernel distance
TOGETHER = ("table", "space", "variant", "feature", "direction", "seed")  # in which pictures of a set agree


def with_kernel(run: Run) -> Run:
    """The run with each picture's share in its set's kernel distance from the same people's photos, as "kernel"."""
    photos = {row.get("subject"): row["seen"] for row in run.table("photo") if row.get("seen")}
    rows, sets = list(run.rows), defaultdict(list)
    for i, row in enumerate(rows):
        if row.get("seen") and row.get("subject") in photos and row["table"] != "photo":
            sets[tuple(row.get(key) for key in TOGETHER)].append(i)
    for those in sets.values():
        if len(those) < MIN_PICTURES:
            continue
        made = np.array([rows[i]["seen"] for i in those])
        taken = np.array([photos[rows[i]["subject"]] for i in those])
        for i, share in zip(those, kernel_shares(made, taken).tolist(), strict=True):
            rows[i] = rows[i] | {"kernel": share}
    return replace(run, rows=tuple(rows))
