"""The figures of a run once more, from its rows alone: nothing of zplus is imported, so neither hides a fault."""

import gzip
import json
from collections import defaultdict
from pathlib import Path

import numpy as np


def rows_of(folder):
    """The rows of a run, unpacked or not."""
    packed = Path(folder) / "rows.jsonl.gz"
    text = gzip.decompress(packed.read_bytes()) if packed.exists() else (Path(folder) / "rows.jsonl").read_bytes()
    return [json.loads(line) for line in text.splitlines()]


def setting(row):
    """Where the pictures of a row come from."""
    if "drawn" in (row.get("truth"), row.get("source")):
        return "drawn"
    return "photo" if row.get("real") or row.get("source") == "photo" else "oracle"


def values(rows, space, measure, reached):
    """A measure of the edits of a space, by what was asked: subject, truth, source, direction. Edits have a reading."""
    found = defaultdict(list)
    for row in rows:
        told = row["table"] == "edit" and row["space"] == space and row.get("change") is not None
        if told and row.get(measure) is not None and (not reached or row.get("reached") is not False):
            asked = (row.get(key) or "" for key in ("subject", "truth", "source", "direction"))
            down = measure == "judge_change" and row["wanted"] < 0
            found[tuple(asked)].append(-row[measure] if down else row[measure])
    return {task: np.mean(x) for task, x in found.items()}


def contrast(rows, where, measure, a, b):
    """By truth, and whether both reached it: how many subjects, by how much b exceeds a, and the error of that mean."""
    rows, found = [row for row in rows if setting(row) == where], {}
    truths = sorted({row.get("truth") or "" for row in rows if row["table"] == "edit" and "what" not in row})
    for reached in (False, True):
        one, other = (values(rows, space, measure, reached) for space in (a, b))
        for truth in truths if where == "oracle" else [""]:
            subjects = defaultdict(list)
            for task in one.keys() & other.keys():
                if truth in ("", task[1]):
                    subjects[task[0]].append(other[task] - one[task])
            gain = np.array([np.mean(x) for x in subjects.values()])
            few = len(gain) < 2
            found[truth, reached] = len(gain), *((0, 0) if few else (gain.mean(), gain.std(ddof=1) / len(gain) ** 0.5))
    return found
