"""Reading a run folder, and the made-up runs that the tests of this folder share."""

import json

import numpy as np
import pytest
from PIL import Image

from zplus.benchmark.rows import SEEN, read_run
from zplus.errors import ZplusError

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


def test_rows_are_read_in_order(tmp_path):
    rows = make_rows(2)
    run = read_run(make_run(tmp_path, rows))
    assert list(run.rows) == rows and not run.cut
    assert len(run.table("edit")) == 2 * 2 * 2 * len(SPACES)


def test_half_a_last_line_is_passed_over(tmp_path):
    make_run(tmp_path, make_rows(1))
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"table": "edit", "subj')
    run = read_run(tmp_path)
    assert run.cut and list(run.rows) == make_rows(1)


@pytest.mark.parametrize(
    "line",
    ["{half", "[]", "3", '{"subject": "no table"}', '{"table": "edit", "mse": "low"}', '{"table": "edit", "mse": true}',
     '{"table": "edit", "real": 1}', '{"table": "edit", "groups": {"sex": 1}}', '{"table": "edit", "space": 3}',
     '{"table": "edit", "seen": [1, 2]}', '{"table": "edit", "seen": ["a"' + ', "a"' * 511 + "]}",
     '{"table": "edit", "seen": [1e6' + ", 0" * 511 + "]}",
     '{"table": "edit", "mse": 1' + "0" * 400 + "}", "[" * 100_000, "\udcff", '{"table": "picture"}',
     '{"table": "picture", "file": "../secret.png"}',
     '{"table": "picture", "file": "/etc/secret.png"}', '{"table": "picture", "file": "a\\u0000b"}'],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path, line):
    make_run(tmp_path, [])
    good = b'{"table": "edit"}\n'
    (tmp_path / "rows.jsonl").write_bytes(good + line.encode(errors="surrogateescape") + b"\n" + good)
    with pytest.raises(ZplusError, match=r"Line 2 of .*rows.jsonl is damaged"):
        read_run(tmp_path)


def test_a_picture_behind_a_link_is_refused(tmp_path):
    make_run(tmp_path / "run", [{"table": "picture", "file": "pictures/x.png"}])
    (tmp_path / "run" / "pictures").symlink_to(tmp_path)
    with pytest.raises(ZplusError, match="outside the folder"):
        read_run(tmp_path / "run")


@pytest.mark.parametrize("version", [2, 0, "1", True, 1.0, None, [1]])
def test_another_version_is_refused_by_name(tmp_path, version):
    make_run(tmp_path, [], zplus_run=version, zplus="9.9")
    with pytest.raises(ZplusError, match=r"run.json is of version .* \(zplus 9.9\) and this zplus reads version 1"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    "facts",
    [{"bench": "other"}, {"plan": []}, {"skipped": "x"}, {"seconds": "x"}, {"finished": 1},
     {"settings": json.loads('{"a":' * 900 + "1" + "}" * 900)}],
)  # fmt: skip
def test_damaged_facts_are_named(tmp_path, facts):
    make_run(tmp_path, [], **facts)
    with pytest.raises(ZplusError, match=f"damaged .in {next(iter(facts))}"):
        read_run(tmp_path)


def test_what_is_no_run_folder(tmp_path):
    with pytest.raises(ZplusError, match="no run folder"):
        read_run(tmp_path)
    for text, words in (("{", "damaged"), ("[]", "does not belong"), ("{}", "does not belong")):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(ZplusError, match=words):
            read_run(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(FACTS))
    with pytest.raises(ZplusError, match=r"rows.jsonl cannot be read"):
        read_run(tmp_path)
