"""`zplus edit`: photos the whole way, latents, and refusals before minutes of work."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from command_line import assert_refused, leftovers, needs_faces, needs_lpips, picture
from points import direction_of
from tiny import tiny_stylegan2
from zplus.command.parsing import parse_strengths, parse_sweep
from zplus.direction import load_direction, save_direction
from zplus.editing import edit
from zplus.errors import ZplusError
from zplus.generators import save_generator
from zplus.images import read_image, write_image
from zplus.latent import Point, load_latent, save_latent
from zplus.perception.attributes import Scorers
from zplus.spaces import latent_of, make_space, sample
from zplus.spaces.space import Space
from zplus.workflow import editing
from zplus.workflow.inverting import Inverter
from zplus.workflow.masks import mask_of

pytestmark = needs_lpips


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """The tiny generator needs nothing to be pulled, and its pictures show no faces to score."""
    monkeypatch.setattr(editing, "pull_missing", lambda names, callbacks: None)
    monkeypatch.setattr(editing, "measure_scores", lambda *asked: [{"smile": 0.0}, {"smile": 1.0}])


def point_of(space: Space):
    code = space.sample(1, 3)
    return Point(code) if space.layer is None else Point(code, space.head(code))


@pytest.fixture
def latent(tmp_path):
    """The file of a latent of the tiny generator."""
    space = make_space("f/z+", tiny_stylegan2())
    save_latent(latent_of(space, point_of(space)), tmp_path / "me.latent.safetensors")
    return tmp_path / "me.latent.safetensors"


def test_a_photo_goes_the_whole_way(zplus, model, direction, photo, tmp_path):
    out = tmp_path / "out.png"
    result = zplus("edit", photo, "-d", f"{direction}=2", "-o", out, "--model", model, "--no-align", "--json")
    assert result.code == 0
    record = result.json
    assert (record["strength"], record["direction"], record["picture"]) == (2.0, str(direction), str(out))
    assert record["angle_degrees"] == 0 and record["cosine"] == 1  # straight
    assert record["scores_before"] == {"smile": 0.0}
    assert {"space", "model", "method", "steps", "mse", "psnr", "lpips_vgg", "warnings"} <= set(record)
    before, after = read_image(photo), read_image(out)
    assert before.shape == after.shape  # the crop is pasted back into the photo
    assert (before != after).any() and (before[:, :4] == after[:, :4]).all()


def test_strength_0_gives_the_photo_itself(zplus, model, direction, photo, tmp_path):
    out = tmp_path / "out.png"
    assert zplus("edit", photo, "-d", f"{direction}=0", "-o", out, "--model", model, "--no-align").code == 0
    assert (read_image(photo) == read_image(out)).all()


@needs_faces
def test_an_edit_into_somebody_else_is_warned_of(zplus, model, direction, photo, tmp_path, monkeypatch):
    asked = ("edit", photo, "-d", direction, "-o", tmp_path / "out.png", "--model", model, "--no-align", "--json")
    assert zplus(*asked).json["warnings"] == []
    monkeypatch.setattr(editing, "identity_between", lambda *pictures: 0.85)
    (line,) = zplus(*asked).json["warnings"]
    assert line == "The edited picture may show somebody else: identity distance 0.85 (the same person below 0.6)."


def test_scores_are_measured_for_programs_alone(zplus, model, direction, latent, tmp_path, monkeypatch):
    monkeypatch.setattr(editing, "measure_scores", lambda *asked: pytest.fail("nobody asked for scores"))
    asked = ("edit", latent, "-d", direction, "-o", tmp_path / "out.png", "--model", model)
    result = zplus(*asked)
    assert result.code == 0 and result.out.endswith(f"out.png  ({direction} +1)\n")


@pytest.mark.parametrize("options", [["--no-paste"], ["--paste", "replace"], ["--feature", "fixed"], ["--space", "z"]])
def test_options(zplus, model, direction, photo, tmp_path, options):
    out = tmp_path / "out.webp"
    result = zplus("edit", photo, "-d", direction, "-o", out, "--model", model, "--no-align", *options)
    assert result.code == 0, result.err
    assert read_image(out).shape == ((32, 32, 3) if options == ["--no-paste"] else (48, 64, 3))


def test_a_latent_gives_the_edited_crop(zplus, model, direction, latent, tmp_path):
    out, kept = tmp_path / "out.png", tmp_path / "edited.safetensors"
    arguments = [
        "-d",
        f"{direction}=1",
        "-d",
        f"{direction}=0.5",
        "-o",
        out,
        "--model",
        model,
        "--latent",
        kept,
        "--json",
    ]
    result = zplus("edit", latent, *arguments)
    assert result.code == 0, result.err
    assert result.json["strength"] == 1.5 and result.json["latent"] == str(kept)
    assert read_image(out).shape == (32, 32, 3)
    assert [edit.strength for edit in load_latent(kept).edits] == [1.5]


def test_a_latent_is_pasted_into_its_photo(zplus, model, direction, latent, photo, tmp_path):
    out = tmp_path / "out.png"
    result = zplus("edit", latent, "-d", direction, "-o", out, "--model", model, "--photo", photo, "--no-align")
    assert result.code == 0 and read_image(out).shape == (48, 64, 3)


def test_edits_of_before_are_in_the_photo_too(zplus, model, direction, latent, photo, tmp_path):
    common = ["--model", model, "--photo", photo, "--no-align"]
    kept, once, twice = tmp_path / "kept.safetensors", tmp_path / "once.png", tmp_path / "twice.png"
    zplus("edit", latent, "-d", f"{direction}=2", "-o", once, *common, "--latent", kept)
    assert zplus("edit", kept, "-d", f"{direction}=0", "-o", twice, *common).code == 0
    assert (read_image(once) != read_image(photo)).any() and (read_image(once) == read_image(twice)).all()


def test_f_goes_as_the_latent_says(zplus, model, direction, latent, tmp_path):
    kept = [latent, *(tmp_path / f"{name}.safetensors" for name in "ab")]
    for source, out, options in zip(kept, kept[1:], (["--feature", "fixed"], []), strict=False):
        arguments = ["-d", direction, "-o", tmp_path / "out.png", "--model", model, "--latent", out]
        assert zplus("edit", source, *arguments, *options).code == 0
        assert load_latent(out).feature == "fixed"


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("latent", ["--space", "z", "--psi", "0.5"], "Leave out --space, --psi: a latent is inverted already"),
        ("latent", ["--paste", "replace", "--no-align"], "Leave out --paste, --no-align"),
        ("latent", ["--photo", "me.png", "--no-paste"], "Leave out --photo"),
        ("photo", ["--photo", "me.png"], "Leave out --photo"),
        (
            "latent",
            ["--sweep", "smile=0:1:2", "--keep-identity"],
            "Leave out --keep-identity: the strengths of a sweep are not corrected",
        ),
        ("photo", ["--sweep", "smile=0:1:2", "--paste", "keep"], "Leave out --paste: a sweep shows the crop"),
    ],
)
def test_options_that_would_be_passed_over(zplus, model, latent, photo, tmp_path, source, options, words):
    path = latent if source == "latent" else photo
    result = zplus("edit", path, "-d", "smile", *options, "--model", model, "-o", tmp_path / "out.png")
    assert_refused(result)
    assert words in result.err


def test_the_person_is_kept_where_that_is_asked_for(zplus, model, direction, latent, tmp_path, monkeypatch):
    asked = []

    def kept(generator, edited, steps, execution, tick):
        asked.append([one.strength for one in edited.edits])
        tick(steps)
        return edit(generator, edited, {direction_of(generator, seed=9): 1.0})

    monkeypatch.setattr(editing, "keep_identity", kept)
    common = ["edit", latent, "-d", f"{direction}=2", "--model", model, "--latent", tmp_path / "kept.safetensors", "-o"]
    assert zplus(*common, tmp_path / "plain.png").code == 0 and asked == []
    assert zplus(*common, tmp_path / "kept.png", "--keep-identity").code == 0 and asked == [[2.0]]
    assert len(load_latent(tmp_path / "kept.safetensors").edits) == 2
    assert (read_image(tmp_path / "plain.png") != read_image(tmp_path / "kept.png")).any()


def test_several_directions_are_listed(zplus, model, direction, latent, tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(direction.read_bytes())
    arguments = ["-d", direction, "-d", f"{other}=-1", "-o", tmp_path / "out.png", "--model", model, "--json"]
    record = zplus("edit", latent, *arguments).json
    assert record["direction"] == [str(direction), str(other)] and record["strength"] == [1.0, -1.0]


def test_a_move_is_as_asked_and_stays_with_the_latent(zplus, model, direction, latent, tmp_path):
    common = ["-d", f"{direction}=1", "--model", model, "--json", "-o"]
    kept = {move: tmp_path / f"{move}.safetensors" for move in ("straight", "sphere")}
    found = {x: zplus("edit", latent, *common, tmp_path / f"{x}.png", "--move", x, "--latent", kept[x]) for x in kept}
    assert found["sphere"].json["angle_degrees"] > 0 and found["sphere"].json["cosine"] < 1
    assert found["straight"].json["angle_degrees"] == 0 and found["straight"].json["cosine"] == 1
    assert [load_latent(path).move for path in kept.values()] == ["straight", "sphere"]
    pictures = [read_image(tmp_path / f"{move}.png") for move in kept]
    assert (pictures[0] != pictures[1]).any()
    zplus("edit", latent, *common, tmp_path / "default.png")
    assert (read_image(tmp_path / "default.png") == pictures[0]).all()
    for move, turned in (("straight", False), ("sphere", True)):
        more = zplus("edit", kept[move], *common, tmp_path / "more.png")
        assert (more.json["angle_degrees"] > 0) == turned
    refused = zplus("edit", latent, *common, tmp_path / "no.png", "--move", "stright")
    assert refused.code == 2 and "'stright' is not one of 'straight', 'sphere'" in refused.err


@pytest.mark.parametrize("text", ["smile=much", "=1", "smile=nan", ""])
def test_strengths_that_are_none(text):
    with pytest.raises(ZplusError):
        parse_strengths((text,))


def test_a_mask_keeps_the_rest_of_the_picture(zplus, model, direction, latent, tmp_path):
    side = 32
    mask = np.zeros((side, side, 3), np.uint8)
    mask[:, : side // 2] = 255
    write_image(tmp_path / "mask.png", mask)
    common = [latent, "-d", f"{direction}=2", "--model", model]
    zplus("edit", *common, "-o", tmp_path / "whole.png")
    zplus(
        "edit",
        *common,
        "-o",
        tmp_path / "part.png",
        "--mask",
        tmp_path / "mask.png",
        "--latent",
        tmp_path / "l.safetensors",
    )
    zplus("edit", latent, "-d", f"{direction}=0", "--model", model, "-o", tmp_path / "none.png")
    whole, part, none = (read_image(tmp_path / f"{name}.png") for name in ("whole", "part", "none"))
    assert (part[:, side // 2 + 1 :] == none[:, side // 2 + 1 :]).all()
    assert (part[:, : side // 2 - 1] == whole[:, : side // 2 - 1]).all()
    assert (part != none).any()
    assert load_latent(tmp_path / "l.safetensors").mask is not None


def test_a_mask_may_be_painted_on_nothing(tmp_path):
    painted = np.zeros((32, 32, 4), np.uint8)
    painted[:, 16:] = 255  # white, on transparent
    Image.fromarray(painted).save(tmp_path / "mask.png")
    found = mask_of(str(tmp_path / "mask.png"), tiny_stylegan2(), sample(tiny_stylegan2()))
    assert (found[..., :16] == 0).all() and (found[..., 16:] == 1).all()


def test_masks_that_are_none(zplus, model, direction, latent, tmp_path):
    write_image(tmp_path / "small.png", np.zeros((40, 48, 3), np.uint8))
    cases = {
        tmp_path / "small.png": "The mask is 48x40 pixels, but the crop has 32x32",
        tmp_path / "missing.png": "does not exist",
        "moth": "did you mean 'mouth'",
    }
    for mask, words in cases.items():
        result = zplus("edit", latent, "-d", direction, "--model", model, "-o", tmp_path / "out.png", "--mask", mask)
        assert_refused(result)
        assert words in result.err
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(("asked", "made"), [("99", 10.0), ("-inf", -10.0)])
def test_an_absurd_strength_is_cut_and_told(zplus, model, direction, latent, tmp_path, asked, made):
    result = zplus("edit", latent, "-d", f"{direction}={asked}", "-o", tmp_path / "out.png", "--model", model, "--json")
    assert result.json["strength"] == made
    assert any(f"to {made:g} deviations." in line for line in result.json["warnings"])
    with Image.open(tmp_path / "out.png") as found:
        assert f"{direction} {made:+g}" in found.text["Comment"]


@pytest.mark.parametrize(
    ("told", "asked", "words"),
    [
        ([-1, 2], 2.5, "lies beyond -1 to +2"),
        ([-1, 2], 2, None),
        (None, 9, None),
        ([2, 1], 1, "a range that makes no sense"),
    ],
)
def test_a_strength_beyond_the_range_of_the_card_is_told_and_the_edit_made(
    zplus, model, direction, latent, tmp_path, told, asked, words
):
    one = load_direction(direction)
    path, out = tmp_path / "ranged.safetensors", tmp_path / "out.png"
    save_direction(replace(one, card={"range": told} if told else {}), path)
    result = zplus("edit", latent, "-d", f"{path}={asked}", "-o", out, "--model", model, "--json")
    assert result.code == 0 and out.exists()
    assert [words in line for line in result.json["warnings"]] == [True] if words else not result.json["warnings"]


def test_ranges_are_of_sums_and_of_sweeps(zplus, model, direction, latent, tmp_path):
    path, kept = tmp_path / "ranged.safetensors", tmp_path / "kept.safetensors"
    save_direction(replace(load_direction(direction), card={"range": [-1, 1]}), path)
    options = ("-o", tmp_path / "out.png", "--model", model, "--json")
    assert not zplus("edit", latent, "-d", f"{path}=0.7", "--latent", kept, *options).json["warnings"]
    assert "+1.4 lies beyond" in zplus("edit", kept, "-d", f"{path}=0.7", *options).json["warnings"][0]
    swept = zplus("edit", latent, "--sweep", f"{path}=-1:3:3", *options).json["warnings"]
    assert len(swept) == 1 and "+3 lies beyond" in swept[0]


def test_strengths_add_up():
    assert parse_strengths(("smile", "smile=0.5", "a=b=-2")) == {"smile": 1.5, "a=b": -2.0}
    with pytest.raises(ZplusError, match="is not a direction with a strength"):
        parse_strengths(("smile=inf", "smile=-inf"))
    with pytest.raises(ZplusError, match=r"strengths in -10\.\.10"):
        parse_sweep("smile=1:nan:3")


def test_refusals_come_before_the_work(zplus, model, direction, latent, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(Inverter, "invert", lambda *a, **k: pytest.fail("the work had begun"))
    out = tmp_path / "out.png"
    cases = [
        ([photo, "-d", "simle", "-o", out], "Unknown direction 'simle'"),
        ([photo, "-d", "smile=x", "-o", out], "is not a number"),
        ([photo, "-d", "none.safetensors", "-o", out], "There is no file"),
        ([photo, "-d", direction, "-o", tmp_path / "out.gif"], "end its name in one of"),
        ([photo, "-d", direction, "-o", tmp_path / "none" / "out.png"], "does not exist"),
        ([photo, "-d", direction, "-o", tmp_path], "cannot be written as a picture"),
        ([photo, "-d", direction, "-o", photo], "would overwrite"),
        ([photo, "-d", direction, "-o", out, "--latent", tmp_path / "a.pt"], "end it in .safetensors"),
        ([photo, "-d", direction, "-o", out, "--mask", photo], "The mask is 64x48 pixels"),
        ([photo, "--to", f"{direction}=1", "-o", out], "No score belongs to"),
        ([tmp_path / "none.png", "-d", direction, "-o", out], "does not exist"),
        ([tmp_path / "none.safetensors", "-d", direction, "-o", out, "--photo", photo], "There is no file"),
    ]
    for arguments, words in cases:
        result = zplus("edit", *arguments, "--model", model, "--no-align")
        assert_refused(result)
        assert words in result.err, (arguments, result.err)
    assert not out.exists() and not leftovers(tmp_path)


def test_a_latent_of_another_generator(zplus, direction, latent, tmp_path):
    other = tmp_path / "other-model.safetensors"
    save_generator(tiny_stylegan2(seed=1), other)
    result = zplus("edit", latent, "-d", direction, "-o", tmp_path / "out.png", "--model", other)
    assert_refused(result)
    assert "belongs to" in result.err


def test_a_latent_of_an_unnamed_generator_asks_for_it(zplus, direction, latent, tmp_path):
    result = zplus("edit", latent, "-d", direction, "-o", tmp_path / "out.png")
    assert_refused(result)
    assert "--model" in result.err


@pytest.mark.parametrize("damage", ["cut", "text", "nan"])
def test_a_damaged_latent(zplus, model, direction, latent, tmp_path, damage):
    if damage == "cut":
        latent.write_bytes(latent.read_bytes()[:-100])
    elif damage == "text":
        latent.write_text("no latent", encoding="utf-8")
    else:
        tensors = load_file(latent)
        tensors["inverted.code"][0, 0, 0] = torch.nan
        save_file(tensors, latent)
    result = zplus("edit", latent, "-d", direction, "-o", tmp_path / "out.png", "--model", model)
    assert_refused(result)


def test_weights_that_are_no_numbers(zplus, direction, photo, tmp_path):
    broken = tmp_path / "broken.safetensors"
    save_generator(tiny_stylegan2(), broken)
    with safe_open(broken, "pt") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    next(iter(tensors.values())).view(-1)[0] = np.nan
    save_file(tensors, broken, header)
    result = zplus("edit", photo, "-d", direction, "-o", tmp_path / "out.png", "--model", broken, "--no-align")
    assert_refused(result)
    assert "not numbers" in result.err


def test_names_that_are_not_ascii(zplus, model, direction, tmp_path):
    photo = picture(tmp_path / "Зоя ñ 顔.png")
    out = tmp_path / "出力 é.jpg"
    result = zplus("edit", photo, "-d", direction, "-o", out, "--model", model, "--no-align", "--json")
    assert result.code == 0 and result.json["picture"] == str(out) and out.is_file()


@pytest.mark.parametrize("move", ["straight", "sphere"])
def test_a_sweep_moves_as_an_edit_does(zplus, model, direction, latent, tmp_path, move):
    common = ["--model", model, "--move", move, "-o"]
    assert zplus("edit", latent, "--sweep", f"{direction}=-2:2:3", *common, tmp_path / "sweep.png").code == 0
    assert zplus("edit", latent, "-d", f"{direction}=2", *common, tmp_path / "one.png").code == 0
    assert (read_image(tmp_path / "sweep.png")[:, 64:] == read_image(tmp_path / "one.png")).all()


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_sweep_is_a_strip_or_an_animation(zplus, model, direction, latent, tmp_path, suffix):
    out = tmp_path / f"sweep{suffix}"
    arguments = ["-d", f"{direction}=0.5", "--latent", tmp_path / "begun.safetensors"] if suffix == ".webp" else []
    result = zplus("edit", latent, "--sweep", f"{direction}=-2:2:5", "--model", model, "-o", out, "--json", *arguments)
    assert result.code == 0, result.err
    assert not arguments or [one.strength for one in load_latent(result.json["latent"]).edits] == [0.5]
    assert result.json["strength"] == [-2, -1, 0, 1, 2]
    with Image.open(out) as found:
        assert found.size == ((160, 32) if suffix == ".png" else (32, 32))
        assert getattr(found, "n_frames", 1) == (1 if suffix == ".png" else 8)  # there and back
    if suffix == ".png":
        render = tmp_path / "one.png"
        zplus("edit", latent, "-d", f"{direction}=1", "--model", model, "-o", render)
        assert (read_image(out)[:, 96:128] == read_image(render)).all()


@pytest.mark.parametrize("move", [(), ("--move", "sphere")])
def test_a_target_is_met_and_one_out_of_reach_is_said(zplus, model, direction, latent, tmp_path, monkeypatch, move):
    """The score is the mean red of the picture."""

    class Reds(Scorers):
        def __init__(self):
            pass

        def measure(self, pixels, names):
            return {name: float(pixels[..., 0].mean()) for name in names}

    monkeypatch.setattr(editing, "Scorers", Reds)
    scored = tmp_path / "scored.safetensors"
    save_direction(replace(load_direction(direction), card={"attribute": "age"}), scored)
    start = _red(zplus, model, latent, f"{scored}=0", tmp_path)
    goal = (start + _red(zplus, model, latent, f"{scored}=2", tmp_path, *move)) / 2
    out = tmp_path / "out.png"
    result = zplus("edit", latent, "--to", f"{scored}={goal}", "--model", model, "-o", out, "--json", *move)
    assert result.code == 0 and not result.json["warnings"], result.err
    assert abs(read_image(out)[..., 0].mean() - goal) < 0.1 * abs(goal - start) + 0.5
    result = zplus("edit", latent, "--to", f"{scored}=1000", "--model", model, "-o", out, "--json")
    assert result.code == 0 and "out of reach" in result.json["warnings"][0]
    assert_refused(zplus("edit", latent, "--to", f"{direction}=1", "--model", model, "-o", out))


def _red(zplus, model, latent, edit, tmp_path, *options):
    out = tmp_path / "red.png"
    assert zplus("edit", latent, "-d", edit, "--model", model, "-o", out, *options).code == 0
    return read_image(out)[..., 0].mean()


@pytest.mark.parametrize(
    "wrong",
    [[], ["--to", "smile"], ["--to", "smile=x"], ["--to", "smile=inf"], ["--sweep", "smile"], ["--sweep", "smile=0:1"]]
    + [["--sweep", f"smile={x}"] for x in ("0:1:1", "0:1:x", "nan:1:3", "0:99:3", "0:1:1000000")],
)
def test_targets_and_sweeps_that_are_none(zplus, model, latent, tmp_path, wrong):
    assert_refused(zplus("edit", latent, *wrong, "--model", model, "-o", tmp_path / "out.png"))


@pytest.mark.parametrize("lost", ["model", "direction", "mask"])
def test_no_output_takes_the_place_of_what_the_same_command_reads(zplus, model, direction, latent, tmp_path, lost):
    files = {
        "model": tmp_path / "model.safetensors",
        "direction": tmp_path / "direction.safetensors",
        "mask": tmp_path / "mask.png",
    }
    files["model"].write_bytes(model.read_bytes())
    files["direction"].write_bytes(direction.read_bytes())
    write_image(files["mask"], np.full((32, 32, 3), 255, np.uint8))
    before = files[lost].read_bytes()
    out = files["mask"] if lost == "mask" else tmp_path / "out.png"
    keep = () if lost == "mask" else ("--latent", files[lost])
    read = ["--model", files["model"], "-d", f"{files['direction']}=1", "--mask", files["mask"]]
    result = zplus("edit", latent, *read, *keep, "-o", out)
    assert_refused(result)
    assert "would overwrite" in result.err and files[lost].read_bytes() == before


def test_a_sweep_warns_in_its_record(zplus, model, direction, latent, tmp_path):
    asked = ["-d", f"{direction}=4", "--sweep", f"{direction}=0:8:2", "--model", model, "-o", tmp_path / "a.png"]
    result = zplus("edit", latent, *asked, "--json")
    assert result.code == 0 and "was cut from 12 to 10" in result.json["warnings"][0]
