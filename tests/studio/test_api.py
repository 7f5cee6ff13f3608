"""The calls of the page over HTTP: what fits is answered, what does not is refused in words, and visitors are apart."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from command_line import ASTRONAUT, needs_faces
from studio_program import Page
from zplus.studio.answers import ANSWERS
from zplus.studio.api import arguments
from zplus.studio.guard import Refused


@pytest.fixture
def page(running):
    page = Page(running)
    yield page
    page.post("leave")


def test_the_first_look_is_an_example_that_can_be_edited(page):
    status, told = page.call("hello")
    assert status == 200 and "does not exist" in told["words"]
    opened = told["opened"]
    assert opened["sliders"] and opened["is_sample"] and told["view"]["after"].startswith("data:image/jpeg")
    moved = [1.0] + [0.0] * (len(opened["sliders"]) - 1)
    values = {"opened": opened["number"], "gesture": "g1", "strengths": moved, "feature": "moved", "in_photo": False}
    status, after = page.call("move", **values)
    assert status == 200 and after["strengths"] == moved and after["undo"] and not after["redo"]
    assert after["view"]["after"] != told["view"]["after"] and "before" not in after["view"]
    _, undone = page.call("step", opened=opened["number"], way="undo", in_photo=False)
    assert undone["strengths"][0] == 0 and undone["view"]["after"] == told["view"]["after"] and undone["redo"]
    assert page.call("hello")[1]["opened"]["number"] == opened["number"]


def test_a_call_for_another_face_is_refused(page):
    number = page.call("hello")[1]["opened"]["number"]
    page.call("sample", model="avatars64", space="z+", seed=3)
    status, told = page.call("step", opened=number, way="reset", in_photo=False)
    assert status == 422 and "no longer open" in told["error"]


def test_another_face_is_of_the_seed_and_model(page):
    looks = [page.call("sample", model="avatars64", space="z+", seed=s)[1]["view"]["after"] for s in (3, 4, 3)]
    assert looks[0] == looks[2] != looks[1]
    status, told = page.call("sample", model="nothing", space="z+", seed=3)
    assert status == 422 and "Unknown model" in told["error"]


@needs_faces
def test_faces_are_boxes_in_parts_of_the_photo(page):
    status, _, content = page.post("upload?name=..%2f..%2fher.png&show=1", ASTRONAUT.read_bytes())
    told = json.loads(content)
    assert status == 200 and told["entries"][-1]["name"] == "her"
    ((left, top, right, bottom),) = [face["box"] for face in told["photo"]["faces"]]
    assert 0.3 < left < right < 0.6 and 0.1 < top < bottom < 0.4


def test_a_file_to_save_has_a_name_and_no_address(page):
    number = page.call("hello")[1]["opened"]["number"]
    body = json.dumps({"opened": number, "kind": "picture", "in_photo": False}).encode()
    status, headers, content = page.post("save", body)
    assert status == 200 and content.startswith(b"\x89PNG") and headers["cache-control"] == "no-store"
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''face-9.edited.png"
    assert page.call("save", opened=number, kind="../x", in_photo=False)[0] == 422


def test_two_visitors_do_not_see_each_other(running):
    a, b = Page(running), Page(running)
    number = a.call("sample", model="avatars64", space="z+", seed=1)[1]["opened"]["number"]
    status, told = b.call("step", opened=number, way="undo", in_photo=False)
    assert status == 422 and "nothing to edit" in told["error"]
    b.call("sample", model="avatars64", space="z+", seed=2)
    assert b.call("step", opened=number, way="undo", in_photo=False)[0] == 422
    assert [x["name"] for x in b.call("hello")[1]["entries"]] == ["face-2"]
    a.post("leave")
    assert "example" in a.call("hello")[1]["words"]  # what was open is gone


@pytest.mark.parametrize("key", ["", "a", "0" * 31, "0" * 33, "G" * 32, "../" + "0" * 29])
def test_a_visitor_without_an_id_is_refused(running, key):
    for path in ("hello", "upload", "save", "alive", "leave", "move"):
        status, _, content = Page(running, key).post(path, b"{}")
        assert status == 400 and b"lost its name" in content


def test_what_is_no_call_is_not_there(page):
    for name in ("nothing", "index", "opened"):
        assert page.call(name)[0] == 404


ODD = [None, True, "x", 1.5, -(10**30), [], {}, [[]], "\ud800"]


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_odd_values_are_refused_in_words(page, name):
    """Whatever a value is, it is answered with a sentence, never with a fault."""
    page.call("hello")
    fields = {x: 0 for x in arguments_of(ANSWERS[name])}
    calls = [{**fields, field: odd} for field in fields for odd in ODD]
    for call in [*calls, {**fields, "more": 1}, *([{}] if fields else [])]:
        status, _, content = page.post(name, json.dumps(call).encode())
        if name == "watch" and status == 200:  # any whole number is a step
            continue
        assert status in (400, 422), (call, status)
        words = json.loads(content)["error"]
        assert words.endswith(".") and "unforeseen" not in words and "Traceback" not in words, (call, words)


def arguments_of(answer):
    return list(answer.__annotations__)[1:-1]


@pytest.mark.parametrize("body", [b"", b"[", b"[1]", b"1", b"null", b"[" * 100_000, b"\xff", b'{"opened": 1}'])
def test_bodies_that_are_no_call_are_refused(body):
    with pytest.raises(Refused, match="does not fit"):
        arguments(ANSWERS["step"], body)


@pytest.mark.parametrize("number", [10**400, -(10**400), 1e308, float("inf"), float("nan")])
def test_numbers_that_are_too_large_are_refused_in_words(page, number):
    opened = page.call("hello")[1]["opened"]
    strengths = [number] * len(opened["sliders"])
    calls = [
        ("move", {"gesture": "g", "strengths": strengths, "feature": "moved", "in_photo": False}),
        ("drag", {"points": [[number] * 4], "strokes": []}),
        ("drag", {"points": [[9, 9, 9, 9]], "strokes": [[number] * 3]}),
    ]
    for name, values in calls:
        status, told = page.call(name, opened=opened["number"], **values)
        assert status == 422 and "do not fit" in told["error"]
    assert page.call("hello")[0] == 200


@pytest.mark.parametrize("strengths", [[], [1.0], ["1"] * 5, [None] * 5, [float("nan")] * 5, [True] * 5, [[1.0]] * 5])
def test_strengths_that_are_none_change_nothing(page, strengths):
    opened = page.call("hello")[1]["opened"]
    values = {
        "opened": opened["number"],
        "gesture": "g1",
        "strengths": strengths,
        "feature": "moved",
        "in_photo": False,
    }
    assert page.call("move", **values)[0] == 422
    assert page.call("hello")[1]["opened"]["strengths"] == opened["strengths"]


def test_many_calls_at_once_are_answered_or_refused(page):
    number = page.call("hello")[1]["opened"]["number"]
    with ThreadPoolExecutor(100) as pool:
        calls = [pool.submit(page.call, "view", opened=number, in_photo=False) for _ in range(100)]
        found = {call.result()[0] for call in calls}
    assert 200 in found and found <= {200, 503}
    assert page.call("view", opened=number, in_photo=False)[0] == 200
