import base64
import json
import re

import pytest

from runs import add_picture, make_run
from zplus.benchmark.rows import read_run
from zplus.benchmark.survey import count_survey, key_of, sentence, write_survey
from zplus.errors import ZplusError

COLOUR = {"f/z+": 220, "f/w+": 40}


@pytest.fixture
def survey(tmp_path):
    """A survey of 12 subjects: its page, its key's path, its key."""
    folder, rows = tmp_path / "run", []
    for i in range(12):
        name = f"s{i:02}"
        rows.append(add_picture(folder, f"{name}.png", 60 + 10 * i, what="source", subject=name))
        for space, colour in COLOUR.items():
            told = {"what": "edit", "subject": name, "space": space, "direction": "smile <b>", "strength": 1.5}
            rows.append(add_picture(folder, f"{name}-{space.replace('/', '')}.png", colour, **told))
    rows.append(add_picture(folder, "alone.png", 9, what="edit", subject="alone", space="f/z+", direction="smile"))
    page = write_survey(make_run(folder, rows), "f/z+", "f/w+", tmp_path / "key.json", seed=3)
    return page.read_text(), tmp_path / "key.json", json.loads((tmp_path / "key.json").read_text())


def answer(path, key, choose):
    """A file of answers; choose gives the space for a question, or None to leave it out."""
    chosen = {q: space for q in key["sides"] if (space := choose(q))}
    answers = {q: ("left", "right")[key["sides"][q].index(space)] for q, space in chosen.items()}
    path.write_text(json.dumps({"zplus_survey": 1, "survey": key["survey"], "answers": answers}))
    return path


def test_the_page_does_not_say_which_is_which(survey):
    page, _, key = survey
    assert page.count("<fieldset") == len(key["sides"]) == 12
    bare = re.sub(r"data:image/webp;base64,[\w+/=]+", "", page)
    assert not re.search(r"f/?[zw]\+|\.png|pictures|strength|s0\d", bare)
    assert "smile &lt;b&gt;" in bare and "<b>" not in bare
    for data in re.findall(r"base64,([\w+/=]+)", page):
        assert not re.search(rb"f/?[zw]\+|s0\d", base64.b64decode(data))


def test_the_page_asks_nothing_of_any_server(survey):
    page = survey[0]
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|fetch\(|XMLHttp|<link|@import", page)


def test_the_key_tells_the_sides_and_they_are_balanced(survey):
    page, _, key = survey
    assert sum(sides[0] == "f/z+" for sides in key["sides"].values()) == 6
    shown = re.findall(r'<label><img alt="(\w+)" src="([^"]+)"', page)
    bright = {data for (side, data), space in zip(shown, [s for of in key["sides"].values() for s in of], strict=True)
              if space == "f/z+"}  # fmt: skip
    assert len(bright) == 1  # all pictures of f/z+ are alike here, so that every side is the key's


def test_the_seed_makes_the_order(survey, tmp_path):
    page, _, key = survey
    shown = re.findall(r'<figure><img alt="the picture" src="([^"]+)"', page)
    for seed, same in ((3, True), (4, False)):
        again = write_survey(tmp_path / "run", "f/z+", "f/w+", tmp_path / "again.json", seed=seed).read_text()
        assert (json.loads((tmp_path / "again.json").read_text())["sides"] == key["sides"]) == same
        assert (re.findall(r'<figure><img alt="the picture" src="([^"]+)"', again) == shown) == same


def test_a_public_survey_shows_no_real_person(survey, tmp_path):
    rows = read_run(tmp_path / "run").rows
    make_run(tmp_path / "run", [{**row, "real": row["subject"] < "s08"} for row in rows], plan={})
    write_survey(tmp_path / "run", "f/z+", "f/w+", key_of(tmp_path / "run"), public=True)
    page = (tmp_path / "run" / "survey.html").read_text()
    assert page.count("<fieldset") == 4 and page.count("<img") == 12
    assert (tmp_path / "run.survey.key.json").is_file() and not list((tmp_path / "run").glob("*key*"))


def test_a_subject_comes_once_for_each_direction(survey, tmp_path):
    rows = read_run(tmp_path / "run").rows
    edits = [{**row, "truth": truth} for row in rows for truth in "wz" if row["what"] == "edit"]
    for i, row in enumerate(edits):  # each a file of its own
        row["file"] = add_picture(tmp_path / "run", f"{i}.png", 200)["file"]
    write_survey(make_run(tmp_path / "run", edits), "f/z+", "f/w+", tmp_path / "key.json")
    page = (tmp_path / "run" / "survey.html").read_text()
    assert page.count("<fieldset") == page.count("Asked for: more smile") == 12


def test_a_survey_is_no_longer_than_wanted(survey, tmp_path):
    page = write_survey(tmp_path / "run", "f/z+", "f/w+", tmp_path / "short.json", most=5).read_text()
    assert page.count("<fieldset") == len(json.loads((tmp_path / "short.json").read_text())["sides"]) == 5


def test_answers_are_counted(survey, tmp_path):
    _, path, key = survey
    last = list(key["sides"])[-1]
    count = count_survey([answer(tmp_path / "a.json", key, lambda q: "f/w+" if q == last else "f/z+")], path)
    assert (count.preferred, count.n, count.tied) == (11, 12, 0)
    assert count.low == pytest.approx(0.615, abs=0.001) and count.high == pytest.approx(0.998, abs=0.001)
    assert sentence(count).startswith("People prefer f/z+ to f/w+ (f/z+ in 11 of 12 pairs, 95 % interval 62% to 100%")


def test_several_people_decide_a_question_together(survey, tmp_path):
    _, path, key = survey
    first = answer(tmp_path / "a.json", key, lambda q: "f/z+")
    second = answer(tmp_path / "b.json", key, lambda q: "f/w+" if q == "q001" else None)
    count = count_survey([first, second], path)
    assert (count.preferred, count.n, count.tied) == (11, 11, 1)
    split = count_survey([answer(tmp_path / "c.json", key, lambda q: list(COLOUR)[int(q[1:]) % 2])], path)
    assert sentence(split).startswith("No significant preference between f/z+ and f/w+: f/z+ in 6 of 12 pairs")
    assert sentence(count_survey([], path)) == "No question has a majority."


def test_answers_of_another_survey_are_refused(survey, tmp_path):
    _, path, key = survey
    other = answer(tmp_path / "a.json", {**key, "survey": "0" * 12}, lambda q: "f/z+")
    with pytest.raises(ZplusError, match="another survey"):
        count_survey([other], path)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "3", "{}", '{"zplus_survey": 2, "survey": "x", "answers": {}}', '{"zplus_survey": 1, "answers": []}'],
)
def test_damaged_answers_are_refused(survey, tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ZplusError, match=r"a\.json"):
        count_survey([tmp_path / "a.json"], survey[1])


@pytest.mark.parametrize("wrong", [{"a": None}, {"survey": 1}, {"sides": {"q001": 3}}, {"sides": {"q001": ["x", "y"]}}])
def test_a_damaged_key_is_refused(survey, tmp_path, wrong):
    _, path, key = survey
    given = answer(tmp_path / "a.json", key, lambda q: "f/z+")
    path.write_text(json.dumps({**key, **wrong}))
    with pytest.raises(ZplusError, match=r"key\.json is damaged"):
        count_survey([given], path)


@pytest.mark.parametrize("answers", [{"q999": "left"}, {"q001": "middle"}, {"q001": ["left"]}])
def test_answers_to_nothing_are_refused(survey, tmp_path, answers):
    given = {"zplus_survey": 1, "survey": survey[2]["survey"], "answers": answers}
    (tmp_path / "a.json").write_text(json.dumps(given))
    with pytest.raises(ZplusError, match="damaged"):
        count_survey([tmp_path / "a.json"], survey[1])


def test_nothing_to_compare_is_said(tmp_path):
    with pytest.raises(ZplusError, match="holds no edits"):
        write_survey(make_run(tmp_path, []), "z", "w", tmp_path / "key.json")
