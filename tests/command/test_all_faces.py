"""`--face all`, and `zplus edit FOLDER`: all faces of a photo, each by its own wish, pasted without seams."""

import json

import numpy as np
import pytest
from PIL import Image

from command_line import ASTRONAUT, assert_refused, needs_faces, needs_lpips, picture
from zplus.faces.detector import DetectedFace, FaceDetector
from zplus.images import read_image, write_image
from zplus.latent import load_latent
from zplus.workflow import edit_faces, worker
from zplus.workflow.inverting import Inverter

pytestmark = needs_lpips
FACES = ((60.0, 70.0), (130.0, 70.0), (210.0, 90.0))  # the crops of the first two overlap
SIDE = 120.0  # of a crop


@pytest.fixture(autouse=True)
def _faces(monkeypatch, request):
    """The tiny generator needs nothing pulled; photos show three faces, unless real ones are looked for."""
    monkeypatch.setattr(edit_faces, "pull_missing", lambda names, callbacks: None)
    if "real" not in request.node.name:
        monkeypatch.setattr(FaceDetector, "find", lambda self, pixels: [face_at(*place) for place in FACES])


def face_at(x: float, y: float) -> DetectedFace:
    """Landmarks whose crop is SIDE wide, around a place."""
    eye, mouth = SIDE / 8, SIDE / 8
    landmarks = np.tile([x, y], (68, 1)).astype(float)
    landmarks[36:42] += (-eye, 0)
    landmarks[42:48] += (eye, 0)
    landmarks[[48, 54]] += (0, mouth)
    return DetectedFace((x - 20, y - 20, x + 20, y + 20), landmarks)


@pytest.fixture
def group(tmp_path):
    return picture(tmp_path / "group.png", 3, 200, 280)


@pytest.fixture
def edit(zplus, model, group, tmp_path):
    def call(*arguments, source=group, out="out.png"):
        return zplus("edit", source, "-o", tmp_path / out, "--model", model, *arguments)

    return call


def changed(group, out):
    """For each face the part of the pixels around its middle that changed."""
    apart = (read_image(group) != read_image(out)).any(-1)
    return [apart[int(y) - 15 : int(y) + 15, int(x) - 15 : int(x) + 15].mean() for x, y in FACES]


def test_all_faces_are_edited_alike(edit, direction, group, tmp_path):
    result = edit("--face", "all", "-d", f"{direction}=3", "--paste", "replace", "--json")
    assert result.code == 0
    assert [x["face"] for x in result.json["results"]] == [0, 1, 2]
    assert all(x["strength"] == 3.0 and x["mse"] > 0 for x in result.json["results"])
    assert min(changed(group, tmp_path / "out.png")) > 0.9


def test_each_face_has_its_own_wish(edit, direction, group, tmp_path, monkeypatch):
    inverted, whole = [], Inverter.invert_all
    monkeypatch.setattr(Inverter, "invert_all", lambda self, *a: inverted.append(len(a[0])) or whole(self, *a))
    result = edit("--face", "all", "-d", f"0:{direction}=3", "-d", f"2:{direction}=-2", "--paste", "replace", "--json")
    assert [(x["face"], x["strength"]) for x in result.json["results"]] == [(0, 3.0), (2, -2.0)]
    first, second, third = changed(group, tmp_path / "out.png")
    assert first > 0.9 and second == 0 and third > 0.9  # though the crop of the first reaches the middle of the second
    assert sum(inverted) == 2


def test_faces_are_inverted_in_smaller_batches_when_memory_runs_out(edit, direction, monkeypatch):
    whole, sizes = Inverter.invert_all, []

    def short(self, crops, size, *rest):
        sizes.append((len(crops), size))
        if size > 1:
            raise MemoryError
        return whole(self, crops, size, *rest)

    monkeypatch.setattr(Inverter, "invert_all", short)
    result = edit("--face", "all", "-d", f"{direction}=1", "--json")
    assert result.code == 0 and len(result.json["results"]) == 3
    assert sizes == [(3, 3), (1, 1), (1, 1), (1, 1)]
    assert "does not suffice for 3 photos at once: now 1." in result.err


def test_strength_0_of_all_faces_gives_the_photo_itself(edit, direction, group, tmp_path):
    assert edit("--face", "all", "-d", f"{direction}=0").code == 0
    assert (read_image(group) == read_image(tmp_path / "out.png")).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--face", "all", "-d", "3:{}=1"], "There is no face 3: faces 0 to 2 were found."),
        (["-d", "0:{}=1"], "needs --face all"),
        (["--face", "all", "--sweep", "{}=0:1:2"], "Leave out --sweep"),
        (["--face", "all", "-d", "1:none=1"], "Unknown direction 'none'"),
        (["--face", "all"], "Say what to change"),
        (["-d", "{}", "--batch", "2"], "Leave out --batch"),
    ],
)
def test_what_cannot_be_is_refused(edit, direction, arguments, words):
    result = edit(*(x.format(direction) for x in arguments))
    assert_refused(result)
    assert words in result.err


def test_all_faces_of_a_photo_are_inverted(zplus, model, group, tmp_path):
    asked = ("invert", group, "--face", "all", "--model", model, "-o", tmp_path / "out", "--json")
    found = zplus(*asked).json
    assert [(x["face"], x["faces"]) for x in found["results"]] == [(0, 3), (1, 3), (2, 3)]
    latents = [load_latent(tmp_path / "out" / f"group.face{i}.latent.safetensors") for i in range(3)]
    assert len({latent.figures["mse"][0] for latent in latents}) == 3
    again = zplus(*asked)
    assert again.json == found and "is skipped" in again.err
    (tmp_path / "out" / "group.face1.json").unlink()
    assert "is skipped" not in zplus(*asked).err


def test_a_warning_is_of_its_face_alone(zplus, model, group, tmp_path, monkeypatch):
    places = ((130.0, 70.0), (20.0, 60.0))
    monkeypatch.setattr(FaceDetector, "find", lambda self, pixels: [face_at(*place) for place in places])
    found = zplus("invert", group, "--face", "all", "--model", model, "-o", tmp_path / "out", "--json").json["results"]
    told = [[line for line in face["warnings"] if "outside the photo" in line] for face in found]
    assert [len(lines) for lines in told] == [0, 1]


# Folders


@pytest.fixture
def folder(tmp_path):
    for i in range(3):
        picture(tmp_path / "photos" / f"{i}.png", i, 200, 280)
    return tmp_path / "photos"


def test_a_folder_is_edited_and_gone_on_with(edit, direction, folder, tmp_path, monkeypatch):
    wish = ("--face", "all", "-d", f"0:{direction}=3", "--paste", "replace", "--json")
    result = edit(*wish, source=folder, out="out")
    assert result.code == 0 and result.json["failed"] == []
    for i in range(3):
        first, _, third = changed(folder / f"{i}.png", tmp_path / "out" / f"{i}.edited.png")
        assert first > 0.9 and third == 0
    lines = (tmp_path / "out" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["picture"] for line in lines[::3]] == [f"{i}.edited.png" for i in range(3)]
    written = []
    monkeypatch.setattr(edit_faces, "write_image", lambda path, *rest: written.append(path.name))
    monkeypatch.setattr(worker.Worker, "invert", None)  # nothing is inverted again
    assert edit(*wish, source=folder, out="out").code == 0 and written == []
    (tmp_path / "out" / "1.edited.png").unlink()
    assert edit(*wish, source=folder, out="out").code == 0 and written == ["1.edited.png"]
    written.clear()
    assert edit("--face", "all", "-d", f"{direction}=1", source=folder, out="out").code == 0 and len(written) == 3


def test_what_a_file_of_a_wish_holds_counts(edit, direction, model, folder, tmp_path, monkeypatch):
    mask, written = tmp_path / "mask.png", []
    wish = ("--no-align", "-d", f"{direction}=3", "--mask", mask)
    for level in (0, 255):
        write_image(mask, np.full((32, 32, 3), level, np.uint8))
        assert edit(*wish, source=folder, out="out").code == 0
        monkeypatch.setattr(edit_faces, "write_image", lambda path, *rest: written.append(path.name))
    assert len(written) == 3


def test_a_kind_that_is_not_written_is_edited_as_png(edit, direction, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("a.bmp", "b.tif"):
        Image.fromarray(read_image(picture(tmp_path / "x.png", 1, 200, 280))).save(tmp_path / "photos" / name)
    assert edit("-d", f"{direction}=1", source=tmp_path / "photos", out="out").code == 0
    assert sorted(x.name for x in (tmp_path / "out").glob("*.edited.png")) == ["a.edited.png", "b.edited.png"]


def test_photos_that_are_called_like_a_face(edit, direction, tmp_path):
    for i, name in enumerate(("a.png", "a.face0.png")):
        picture(tmp_path / "photos" / name, i, 200, 280)
    assert edit("-d", f"{direction}=1", "--no-align", source=tmp_path / "photos", out="out").code == 0
    found = sorted(x.name for x in (tmp_path / "out").glob("*.edited.png"))
    assert found == ["a.edited.png", "a.face0.edited.png"]


def test_a_bad_photo_of_a_folder_is_a_failure_of_its_own(edit, direction, folder, tmp_path):
    (folder / "1.png").write_text("no picture", encoding="utf-8")
    assert edit("-d", f"{direction}=1", "--no-align", source=folder, out="out").code == 1
    assert sorted(x.name for x in (tmp_path / "out").glob("*.edited.png")) == ["0.edited.png", "2.edited.png"]


@needs_faces
def test_real_faces_of_one_photo(edit, direction, tmp_path):
    """A portrait and its smaller mirror image in one photo."""
    portrait = Image.open(ASTRONAUT).convert("RGB").crop((110, 0, 350, 260))
    photo = Image.new("RGB", (460, 260), (90, 90, 90))
    photo.paste(portrait, (0, 0))
    photo.paste(portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((220, 238)), (240, 22))
    photo.save(tmp_path / "two.png")
    result = edit(
        "--face", "all", "-d", f"1:{direction}=4", "--paste", "replace", "--json", source=tmp_path / "two.png"
    )
    assert result.code == 0 and [x["face"] for x in result.json["results"]] == [1]
    apart = (read_image(tmp_path / "two.png") != read_image(tmp_path / "out.png")).any(-1)
    assert apart[60:160, 300:400].mean() > 0.9 and not apart[60:160, 80:160].any()
