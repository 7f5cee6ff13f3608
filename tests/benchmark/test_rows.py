"""Reading a run folder."""

import json

import pytest

from runs import FACTS, SPACES, make_rows, make_run
from zplus.benchmark.rows import read_run
from zplus.errors import ZplusError


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
     '{"table": "edit", "mse": NaN}',
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
