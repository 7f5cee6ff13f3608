"""The file of a latent: what goes in comes out, and damage is told in one sentence."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from p_plus import SPACES
from points import direction_of, generator_of, latent_at, point_of
from tiny import tiny_stylegan2
from zplus.direction import save_direction
from zplus.editing import edit
from zplus.errors import LatentError, ZplusError
from zplus.generators.store import save_generator
from zplus.latent import Decoding, Latent, Point, load_latent, save_latent
from zplus.spaces import latent_of, make_space, render


@pytest.fixture
def latent():
    generator = generator_of("skip")
    space = make_space("f/z+", generator, decoding=Decoding(psi=0.7, cutoff=3, noise="7"))
    facts = {"mode": {"compiled": False}, "settings": {"steps": 3}, "figures": {"mse": [0.5, 0.25], "who": ["a", "ü"]}}
    fresh = latent_of(space, point_of(space), **facts)
    return edit(generator, fresh, {direction_of(generator): 0.5}, layers=(0, 3), feature="fixed")


@pytest.fixture
def path(latent, tmp_path):
    save_latent(latent, tmp_path / "ünï.latent.safetensors")
    return tmp_path / "ünï.latent.safetensors"


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return a == b if not hasattr(a, "__dict__") else same(tuple(vars(a).values()), tuple(vars(b).values()))


def rewrite(path: Path, tensors=(), record=(), **metadata) -> Path:
    """The same file with some tensors, entries of the record or of the metadata replaced; None takes one out."""
    with safe_open(path, "pt") as file:
        held, header = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    text = {**json.loads(header["latent"]), **dict(record)}
    header = {**header, "latent": json.dumps({k: v for k, v in text.items() if v is not Ellipsis}), **metadata}
    save_file({k: v for k, v in {**held, **dict(tensors)}.items() if v is not None}, path, header)
    return path


def refused(path: Path) -> str:
    with pytest.raises(LatentError) as caught:
        load_latent(path)
    return str(caught.value)


# Round trips


def test_everything_comes_back(latent, path):
    loaded = load_latent(path)
    for name, value in vars(latent).items():
        assert same(value, getattr(loaded, name)), name


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("architecture", ["skip", "mobile"])
def test_a_point_of_every_space_comes_back(architecture, name, tmp_path):
    latent = latent_at(make_space(name, generator_of(architecture)))
    save_latent(latent, tmp_path / "x.safetensors")
    assert same(load_latent(tmp_path / "x.safetensors").inverted, latent.inverted)


def test_a_file_says_what_it_is(path):
    with safe_open(path, "pt") as file:
        assert file.metadata()["zplus"] == "latent"
        assert sorted(file.keys()) == [
            "edit.0", "edited.code", "edited.features", "edited.rgb",
            "inverted.code", "inverted.features", "inverted.rgb",
        ]  # fmt: skip


def test_a_single_row_is_saved_alone(latent, tmp_path):
    save_latent(latent[1], tmp_path / "x.safetensors")
    loaded = load_latent(tmp_path / "x.safetensors")
    assert len(loaded) == 1
    assert loaded.figures == {"mse": [0.25], "who": ["ü"]}
    assert torch.equal(loaded.edited.code[0], latent.edited.code[1])


def test_half_precision_codes_are_written_in_fp32(latent, tmp_path):
    half = Latent(**{**vars(latent), "inverted": latent.inverted.map(torch.Tensor.bfloat16), "edited": None})
    save_latent(half, tmp_path / "x.safetensors")
    assert load_latent(tmp_path / "x.safetensors").inverted.code.dtype == torch.float32


def test_nothing_is_left_where_writing_fails(latent, tmp_path):
    with pytest.raises(ZplusError, match="does not exist"):
        save_latent(latent, tmp_path / "nowhere" / "x.safetensors")
    bad = Latent(**{**vars(latent), "settings": {"a": object()}})
    with pytest.raises(TypeError):
        save_latent(bad, tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


# Damage


def test_files_that_are_no_latent(tmp_path):
    text, empty, other, direction = (tmp_path / name for name in ("a.txt", "b", "c.safetensors", "d.safetensors"))
    text.write_text("smile!\n" * 100, encoding="utf-8")
    empty.touch()
    save_file({"x": torch.zeros(3)}, other)
    save_direction(direction_of(generator_of("skip")), direction)
    assert "There is no file" in refused(tmp_path / "nowhere.safetensors")
    for one in (text, empty, tmp_path):
        assert "damaged or not a latent" in refused(one)
    for one in (other, direction):
        assert "not a latent of zplus" in refused(one)


def test_another_version_is_named(path):
    assert "another version" in refused(rewrite(path, version="2"))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_file_cut_short(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert "damaged" in refused(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("name", "shape"), [("inverted.code", (2, 8, 16)), ("inverted.state.features", (2, 8, 8, 8)), ("edit.0", (1, 16))]
)
def test_values_that_are_not_numbers(path, name, shape, value):
    tensor = torch.zeros(shape)
    tensor.view(-1)[3] = value
    assert "not numbers" in refused(rewrite(path, {name: tensor}))


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("inverted.code", None),
        ("inverted.code", torch.zeros(2, 8)),
        ("inverted.code", torch.zeros(0, 8, 16)),
        ("inverted.code", torch.zeros(2, 8, 16, dtype=torch.int32)),
        ("inverted.code", torch.zeros(2, 8, 16, dtype=torch.float64)),
        ("inverted.state.features", torch.zeros(3, 8, 8, 8)),
        ("edited.code", torch.zeros(1, 8, 16)),
        ("edited.rgb", torch.zeros(2, 3, 8)),
        ("edit.0", torch.zeros(16)),
        ("edit.0", None),
    ],
)
def test_tensors_that_do_not_belong_together(path, name, tensor):
    assert "damaged" in refused(rewrite(path, {name: tensor}))


@pytest.mark.parametrize(
    "change",
    [
        {"transform": [1, 2]}, {"transform": "a"}, {"transform": [0.0] * 9}, {"transform": [[1, 0], "b"]},
        {"psi": "0.7"}, {"psi": None}, {"cutoff": 2.5}, {"layer": 3}, {"space": ["z"]}, {"generator": None},
        {"noise": 7}, {"figures": [1]}, {"figures": {"mse": 0.5}}, {"mode": "fast"}, {"settings": None},
        {"move": "sideways"}, {"move": None}, {"move": ["sphere"]},
        {"surprise": 1}, {"space": ...}, {"psi": ...}, {"edits": ...}, {"edits": None}, {"edits": [1]},
        {"edits": {}, "inverted": 1}, {"edits": [{"direction": {}, "strength": 1.0, "layers": None}]},
    ],
)  # fmt: skip
def test_a_record_of_wrong_types(path, change):
    assert "damaged" in refused(rewrite(path, record=change))


@pytest.mark.parametrize(
    "change",
    [
        {"strength": "much"}, {"strength": None}, {"strength": 10**400}, {"layers": 3}, {"layers": [1]},
        {"layers": "ab"}, {"direction": 5}, {"direction": {"name": "a", "space": "../q", "belongs_to": "", "card": {}}},
        {"direction": {"name": "a", "space": "w", "belongs_to": "", "card": []}},
    ],
)  # fmt: skip
def test_an_edit_of_wrong_types(path, change):
    with safe_open(path, "pt") as file:
        (one,) = json.loads(file.metadata()["latent"])["edits"]
    assert "damaged" in refused(rewrite(path, record={"edits": [{**one, **change}]}))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_flipped_bytes_load_or_are_refused(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    path = folder / "valid.safetensors"
    if not path.exists():
        save_latent(latent_at(make_space("f/w+", generator_of("mobile"))), path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 900))] = data.draw(st.integers(0, 255))
    (folder / "flipped.safetensors").write_bytes(content[: data.draw(st.sampled_from([None, 7, 400, 1000]))])
    with suppress(LatentError):
        assert isinstance(load_latent(folder / "flipped.safetensors").inverted, Point)


def test_no_mutation_gets_past_the_readers_without_type_checks(latent, path, tmp_path):
    """Thousands of damaged latents, directions and generators, as a user's program meets them (see mutations.py)."""
    generator = generator_of("skip")
    save_generator(generator, tmp_path / "tiny.safetensors")
    save_direction(direction_of(generator), tmp_path / "direction.safetensors")
    path.rename(tmp_path / "latent.safetensors")
    program = Path(__file__).with_name("mutations.py")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    counts = {kind: (int(a), int(b)) for kind, a, b in map(str.split, done.stdout.splitlines())}
    assert sorted(counts) == ["direction", "latent", "tiny"]
    assert all(refused > 200 for refused, _ in counts.values())


def without_move(path: Path) -> Latent:
    """The latent of a file as it was written before edits could move straight."""
    return load_latent(rewrite(path, record={"move": ...}))


@pytest.mark.parametrize("name", ["z", "z+", "f/z+", "w+"])
def test_an_older_file_shows_its_picture_and_goes_on_on_the_sphere(name, tmp_path):
    generator, path = generator_of("skip"), tmp_path / "x.safetensors"
    latent, a = latent_at(make_space(name, generator)), direction_of(generator)
    sphere = edit(generator, latent, {a: 0.8}, move="sphere")
    save_latent(sphere, path)
    older = without_move(path)
    assert older.move == "sphere"
    assert torch.equal(render(generator, older), render(generator, sphere))
    more = edit(generator, older, {a: 0.4})
    assert more.move == "sphere"
    expected = edit(generator, latent, {a: 1.2}, move="sphere")
    assert torch.allclose(render(generator, more), render(generator, expected), atol=1e-5)


def test_an_older_file_without_edits_moves_as_a_new_latent_does(tmp_path):
    generator = generator_of("skip")
    latent, a = latent_at(make_space("f/z+", generator)), direction_of(generator)
    save_latent(latent, tmp_path / "x.safetensors")
    found, expected = (edit(generator, x, {a: 1.0}) for x in (without_move(tmp_path / "x.safetensors"), latent))
    assert found.move == "straight" and torch.equal(render(generator, found), render(generator, expected))


@pytest.mark.parametrize(("made", "claimed"), [("straight", "sphere"), ("sphere", "straight")])
def test_a_move_that_the_sizes_deny_is_refused(made, claimed, tmp_path):
    """Codes of z and of w are of other lengths here."""
    generator = tiny_stylegan2(z_dim=12)
    latent = edit(generator, latent_at(make_space("f/z+", generator)), {direction_of(generator): 1.0}, move=made)
    save_latent(latent, tmp_path / "x.safetensors")
    loaded = load_latent(tmp_path / "x.safetensors")
    assert torch.equal(render(generator, loaded), render(generator, latent))
    forged = load_latent(rewrite(tmp_path / "x.safetensors", record={"move": claimed}))
    with pytest.raises(LatentError, match="damaged"):
        render(generator, forged)


def test_one_direction_on_two_ranges_of_layers_is_kept(tmp_path):
    generator = generator_of("skip")
    direction, latent = direction_of(generator), latent_at(make_space("w+", generator))
    for layers in ((0, 3), (3, 6)):
        latent = edit(generator, latent, {direction: 1.0}, layers=layers)
    save_latent(latent, tmp_path / "a.latent.safetensors")
    assert same(load_latent(tmp_path / "a.latent.safetensors").edits, latent.edits)
