"""The attacker sends what is no checkpoint: pictures, latents, directions, runs, a folder with links or pipes in it."""

import io
import json
import os
import struct
import time
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from points import direction_of, generator_of, latent_at, normal
from zplus.benchmark.rows import read_run
from zplus.direction import Direction, load_direction, save_direction
from zplus.editing import edit, read_directions
from zplus.errors import ImageError, LatentError, ZplusError, printable, sentence
from zplus.generators.checkpoints.codes import read_code_arrays
from zplus.images import read_image
from zplus.latent import MAX_EDITS, load_latent, save_latent
from zplus.spaces import make_space
from zplus.studio.shelf import Shelf

ESCAPE = "\x1b[2J\x1b]0;owned\x07"
pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")


def refused(work, *words: str, kind: type[ZplusError] = ZplusError) -> str:
    """The sentence with which it is refused, soon and fit for a terminal."""
    began = time.process_time()
    with pytest.raises(kind) as caught:
        work()
    assert time.process_time() - began < 5
    text = sentence(caught.value)
    assert text.isprintable() and len(text) <= 1000
    assert all(word in text for word in words), text
    return text


# Pictures


def jpeg() -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)).save(content, "JPEG")
    return content.getvalue()


@pytest.mark.parametrize("kind", ["P1", "P2", "P3"])
def test_a_picture_as_text_that_takes_hours(kind, tmp_path):
    (tmp_path / "a.ppm").write_bytes(kind.encode() + b"\n40 40\n" + b"#a\n" * 500_000)
    refused(lambda: read_image(tmp_path / "a.ppm"), "a.ppm", kind=ImageError)


def test_a_jpeg_of_countless_parts(tmp_path):
    part = b"\xff\xe1" + struct.pack(">H", 108) + b"Exif\0\0" + b"a" * 100
    (tmp_path / "a.jpg").write_bytes(jpeg()[:2] + 40_000 * part + jpeg()[2:])
    refused(lambda: read_image(tmp_path / "a.jpg"), "a.jpg", kind=ImageError)
    (tmp_path / "b.jpg").write_bytes(jpeg()[:2] + 10 * part + jpeg()[2:])
    assert read_image(tmp_path / "b.jpg").shape == (64, 64, 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff", ".bmp", ".gif", ".ppm"])
def test_a_large_photo_is_read_all_the_same(suffix, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"a{suffix}")
    assert read_image(tmp_path / f"a{suffix}").shape == (1500, 2000, 3)


# Latents and directions


@pytest.fixture
def latent(tmp_path):
    generator = generator_of("skip")
    found = edit(generator, latent_at(make_space("f/z+", generator)), {direction_of(generator): 0.5})
    save_latent(found, tmp_path / "a.latent.safetensors")
    return tmp_path / "a.latent.safetensors"


def altered(path, tensors=(), **entries):
    """The file with other tensors and entries of its record."""
    with safe_open(path, "pt") as file:
        held, header = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    header["latent"] = json.dumps({**json.loads(header["latent"]), **entries})
    save_file(held | dict(tensors), path, header)
    return lambda: load_latent(path)


@pytest.mark.parametrize(
    "entries",
    [{"feature": "xyz"}, {"cutoff": -1}, {"cutoff": 2**70}, {"generator": "\ud800"}, {"generator": 3}],
)
def test_a_latent_of_entries_that_nobody_can_use(latent, entries):
    refused(altered(latent, **entries), "damaged", kind=LatentError)


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), "1e999", 1e7, -1e300])
def test_a_latent_of_an_endless_strength(latent, strength):
    with safe_open(latent, "pt") as file:
        (one,) = json.loads(file.metadata()["latent"])["edits"]
    refused(altered(latent, edits=[one | {"strength": strength}]), "damaged", kind=LatentError)


def test_a_latent_of_countless_edits(latent):
    with safe_open(latent, "pt") as file:
        (one,), vector = json.loads(file.metadata()["latent"])["edits"], file.get_tensor("edit.0")
    vectors = {f"edit.{i}": vector.clone() for i in range(MAX_EDITS + 1)}
    refused(altered(latent, vectors, edits=[one] * (MAX_EDITS + 1)), "damaged", kind=LatentError)


def test_a_latent_of_an_empty_mask(latent):
    refused(altered(latent, {"mask": torch.zeros(2, 1, 0, 0)}), "damaged", kind=LatentError)


@pytest.mark.parametrize(
    "entries",
    [
        {"generator": ESCAPE}, {"generator": "x" * 10**6}, {"generator": "a\nzplus: all is well"},
        {"generator": "a\u202eb"}, {"space": "../../x"}, {"space": "f/../z"}, {"space": ESCAPE}, {"space": "z\n"},
        {"layer": ESCAPE}, {"layer": "b32.conv1\n"}, {"layer": "../x"}, {"layer": "b" * 10**5}, {"layer": ""},
        {"noise": "x" * 10**6}, {"noise": "9" * 19}, {"noise": ""}, {"noise": "٣"}, {"psi": float("inf")},
        {"psi": float("nan")}, {"psi": -0.1}, {"psi": 10**400}, {"fingerprint": "f" * 1000}, {"fingerprint": ESCAPE},
        {"mapping_fingerprint": ESCAPE}, {"settings": {"a": "x" * 10**6}}, {"settings": {"a": [0] * 10**5}},
        {"settings": {ESCAPE: 1}}, {"settings": {"a": ESCAPE}}, {"mode": {f"k{i}": i for i in range(10**5)}},
        {"mode": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}}, {"figures": {"mse": [0.5]}},
        {"figures": {"mse": [0.5] * 10**5}}, {"figures": {ESCAPE: [1, 2]}}, {"figures": {"who": [ESCAPE, "b"]}},
    ],
    ids=lambda entries: repr(entries)[:40],
)  # fmt: skip
def test_a_latent_whose_fields_are_none_of_zplus(latent, entries):
    text = refused(altered(latent, **entries), "damaged", kind=LatentError)
    assert "owned" not in text and len(text) < 400 + len(str(latent))


def test_a_text_of_ten_megabytes_is_not_even_parsed(latent):
    with open(latent, "r+b") as file:
        file.write((10 << 20).to_bytes(8, "little"))
    refused(lambda: load_latent(latent), "header is longer", kind=LatentError)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("surprise", torch.zeros(2, 3)), ("edited.extra", torch.zeros(2, 3)),
        ("added." + ESCAPE, torch.zeros(2, 1, 2, 2)),
        ("added.b8.conv1", torch.zeros(2, 3)), ("added.b8.conv1", torch.zeros(1, 1, 2, 2)),
        ("offset.", torch.zeros(3)), ("offset.a/../b", torch.zeros(3)), ("offset." + "a" * 151, torch.zeros(3)),
        ("offset.x", torch.zeros(0)), ("edit.12345", torch.zeros(1, 16)), ("excluded.0", torch.zeros(1, 16)),
    ],
    ids=repr,
)  # fmt: skip
def test_a_latent_of_tensors_that_are_none_of_zplus(latent, name, tensor):
    refused(altered(latent, {name: tensor}), "damaged", kind=LatentError)


def test_a_latent_of_countless_offsets(latent):
    refused(altered(latent, {f"offset.a{i}": torch.zeros(1) for i in range(5000)}), "at most 4096", kind=LatentError)


@pytest.mark.parametrize("layers", [[0, 0], [3, 2], [-1, 2], [0, 10**9], [0, 10**400]])
def test_an_edit_of_layers_that_are_no_range(latent, layers):
    with safe_open(latent, "pt") as file:
        (one,) = json.loads(file.metadata()["latent"])["edits"]
    refused(altered(latent, edits=[one | {"layers": layers}]), "damaged", kind=LatentError)


def test_what_could_not_be_read_is_not_written(latent, tmp_path):
    found = load_latent(latent)
    for change in ({"settings": {"a": ESCAPE}}, {"generator": "a\nb"}, {"figures": {"mse": [1.0]}}, {"layer": "/"}):
        refused(lambda change=change: save_latent(replace(found, **change), tmp_path / "b.safetensors"), "written")
    assert not (tmp_path / "b.safetensors").exists()


def test_values_beyond_all_numbers_do_not_pass_through_an_edit():
    generator = generator_of("skip")
    far = Direction("far", "w", torch.full((1, 16), 3e38), generator.mapping_fingerprint)
    for space in ("w+", "z+"):
        latent = latent_at(make_space(space, generator))
        refused(lambda latent=latent: edit(generator, latent, {far: 9.0}), kind=LatentError)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_a_direction_of_other_precision_is_read_as_fp32(kind, tmp_path):
    header = {"zplus": "direction", "name": "a", "space": "w", "belongs_to": "x", "card": "{}"}
    save_file({"vector": torch.ones(1, 16, dtype=kind)}, tmp_path / "a.safetensors", header)
    assert load_direction(tmp_path / "a.safetensors").vector.dtype == torch.float32


def test_the_name_and_card_of_a_direction(tmp_path):
    refused(lambda: Direction(ESCAPE * 1000, "w", torch.full((1, 2), torch.nan), "x"), kind=LatentError)
    refused(lambda: Direction("a", "w", torch.ones(1, 2), "x", {"attribute": ["smile"]}), kind=LatentError)


def test_arrays_of_countless_or_strange_parts(tmp_path):
    npy, npz = tmp_path / "a.npy", tmp_path / "a.npz"
    for dtype in ("S0", "V0", "U0", "i4", "c8", "M8[s]", [("x", "f4")], [("x", "S0")] * 1):
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": (10**9,)}
        with npy.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
        refused(lambda: read_code_arrays(npy), "damaged", kind=LatentError)
    for shape in ((1 << 62,), (-1, 4), (1,) * 20, (10**9, 0)):
        with npy.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        assert npy.stat().st_size < 300
        if 0 in shape:
            assert read_code_arrays(npy)[""].numel() == 0
        else:
            refused(lambda: read_code_arrays(npy), "damaged", kind=LatentError)
    np.savez(npz, **{f"a{i}": np.zeros(1, np.float32) for i in range(2000)})
    refused(lambda: read_code_arrays(npz), "more files", kind=LatentError)
    np.savez(npz, **{f"a{i}": np.zeros(1, np.float32) for i in range(101)})
    refused(lambda: read_code_arrays(npz), "101 arrays", kind=LatentError)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_arrays_that_unpack_without_end(method, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as packed:
        packed.writestr("a.npy", b"\0" * (200 << 20))
    refused(lambda: read_code_arrays(tmp_path / "a.npz"), "unpack", kind=LatentError)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as packed:
        packed.writestr("a.npy", npy_bytes(np.zeros((1, 16), np.float32)))
    if method == zipfile.ZIP_DEFLATED:
        assert read_code_arrays(tmp_path / "a.npz")["a"].shape == (1, 16)
    else:
        refused(lambda: read_code_arrays(tmp_path / "a.npz"), "damaged", kind=LatentError)


def npy_bytes(array) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


@pytest.mark.parametrize("kind", ["<f2", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_float_order_and_layout_are_no_attack(kind, order, tmp_path):
    codes = np.asarray(np.arange(24).reshape(2, 3, 4), kind, order)
    np.save(tmp_path / "a.npy", codes)
    assert read_code_arrays(tmp_path / "a.npy")[""].tolist() == codes.tolist()


def test_numbers_that_fp32_cannot_hold_are_no_codes(tmp_path):
    np.save(tmp_path / "a.npy", np.full((1, 16), 1e300))
    refused(lambda: read_code_arrays(tmp_path / "a.npy"), "finite", kind=LatentError)


def test_damaged_arrays_are_refused_whatever_numpy_meets(tmp_path):
    for name, write in (("a.npy", np.save), ("a.npz", np.savez)):
        write(tmp_path / name, np.ones((3, 16), np.float32))
        whole, random = (tmp_path / name).read_bytes(), np.random.default_rng(0)
        refusals = 0
        for _ in range(300):
            broken = bytearray(whole)
            for place in random.integers(0, len(whole), 3):
                broken[place] = random.integers(256)
            (tmp_path / name).write_bytes(broken)
            try:
                read_code_arrays(tmp_path / name)
            except LatentError:
                refusals += 1
        assert refusals > 100, "most damages are seen"


@pytest.mark.parametrize("deviations", [np.ones(2), np.ones(0), np.ones((4, 2))])
def test_components_need_a_deviation_each(deviations, tmp_path):
    np.savez(tmp_path / "a.npz", lat_comp=np.ones((3, 1, 16)), lat_stdev=deviations)
    refused(lambda: read_directions(generator_of("skip"), tmp_path / "a.npz", "w"), "a.npz", kind=LatentError)


# Links, pipes and devices


def test_a_gallery_whose_pictures_are_links(tmp_path):
    shelf, precious = Shelf(tmp_path / "shelf"), tmp_path / "precious.txt"
    precious.write_text("mine")
    place = tmp_path / "shelf" / ("a" * 32)
    place.mkdir()
    (place / "look.webp").symlink_to(precious)
    look = np.zeros((64, 64, 3), np.uint8)
    refused(lambda: shelf.update("a" * 32, latent_at(make_space("w", generator_of("skip"))), look))
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("facts", ['{"time": 1' + "0" * 400 + "}", "[" * 100_000, '{"name": 1}'])
def test_a_damaged_part_of_the_gallery_does_not_hide_the_rest(facts, tmp_path):
    shelf = Shelf(tmp_path)
    (tmp_path / ("b" * 32)).mkdir()
    (tmp_path / ("b" * 32) / "facts.json").write_text(facts)
    assert shelf.items() == []


@pipes
def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path):
    pipe = tmp_path / "a.safetensors"
    os.mkfifo(pipe)
    refused(lambda: load_latent(pipe), kind=LatentError)
    refused(lambda: load_direction(pipe), kind=LatentError)
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / "run.json")
    refused(lambda: read_run(tmp_path / "run"), "run.json")


def test_text_for_a_terminal():
    assert printable("a\nb ü 顔 é") == "a\nb ü 顔 é"
    assert printable("\x1b[31m\x07\u202e\x9b") == "\\x1b[31m\\x07\\u202e\\x9b"


@pytest.mark.parametrize("name", [ESCAPE, "a\nb", "a\u202eb", "x" * 256, "\ud800"])
def test_a_direction_named_by_a_stranger(name, tmp_path):
    refused(lambda: Direction(name, "w", normal(1, 16), "x"), "damaged", kind=LatentError)
    refused(lambda: Direction("a", "w", normal(1, 16), name), "damaged", kind=LatentError)
    refused(lambda: Direction("a", "w", normal(1, 16), "x", {"attribute": name}), "damaged", kind=LatentError)


@pytest.mark.parametrize(
    "card", [{ESCAPE: 1}, {"a": ESCAPE}, {"a": "x" * 5000}, {"a": [0] * 20_000}, {"a": [[[[[[[[[0]]]]]]]]]}], ids=repr
)
def test_a_card_that_no_direction_has(card, tmp_path):
    refused(lambda: Direction("a", "w", normal(1, 16), "x", card), "damaged", "card", kind=LatentError)


@pytest.mark.parametrize("name", ["smile \u263a", "نیم\u200cرخ", "笑顔", "x" * 255])
def test_names_of_all_languages_are_no_attack(name, tmp_path):
    save_direction(Direction(name, "w", normal(1, 16), "x"), tmp_path / "a.safetensors")
    assert load_direction(tmp_path / "a.safetensors").name == name
