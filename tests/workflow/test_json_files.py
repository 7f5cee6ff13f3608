"""Records as JSON files."""

import math

from zplus.workflow.json_files import plain, read_json, write_json


def test_records_come_back(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"mse": math.nan, "names": ("ñ", "\udcff")})
    assert read_json(path) == {"mse": None, "names": ["ñ", "\udcff"]}
    assert read_json(tmp_path / "none.json") is None
    path.write_text("[1", encoding="utf-8")
    assert read_json(path) is None


def test_plain_keeps_what_json_has():
    assert plain({"a": [1, 2.5, None, True, "x"]}) == {"a": [1, 2.5, None, True, "x"]}
