"""Edits as a set: order, undo, ranges, moved features, transport between spaces, and what is refused."""

import math
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from p_plus import WAYS
from points import direction_of, generator_of, latent_at, normal
from zplus.direction import CORRECTION, Direction, save_direction
from zplus.editing import Editor, angle_degrees, builtin, cosine_reached, edit, find_direction
from zplus.editing.transport import MIN_PROGRESS, EditPath, cosine
from zplus.errors import LatentError, UnknownNameError, ZplusError
from zplus.execution import EAGER
from zplus.generators import State
from zplus.latent import Decoding, Point, load_latent, save_latent
from zplus.spaces import convert, latent_of, make_space, render, shown
from zplus.spaces.mapping import DAMPING
from zplus.spaces.rendering import edit_mask, edited_space, rendered
from zplus.spaces.sphere import ZPlus, angles

CARRIED = [
    ("w", "z"), ("w", "z+"), ("w+", "z"), ("w+", "z+"), ("w", "w"), ("w", "w+"), ("w+", "w"), ("w", "s"), ("w+", "s"),
    ("z", "z"), ("z", "z+"), ("z+", "z"), ("s", "s"),
]  # fmt: skip
REFUSED = [("z", "w"), ("z", "w+"), ("z", "s"), ("z+", "w"), ("s", "z"), ("s", "z+"), ("s", "w"), ("s", "w+")]


def path(space, code, vector, kind="w"):
    return EditPath(space, code, make_space(kind, space.generator), vector)


def carry(vector, kind, space, code):
    """The tangent of one unit at a code."""
    return path(space, code, vector, kind).waypoints[1][0].tangent


@pytest.fixture(params=["skip", "mobile"])
def generator(request):
    return generator_of(request.param)


@pytest.fixture(params=WAYS, ids="-".join)
def way(request):
    """A space, and how edits move in it: both ways where the two differ."""
    return request.param


@pytest.fixture
def space(way, generator):
    return make_space(way[0], generator)


@pytest.fixture
def move(way):
    return way[1]


def ways(wanted):
    """The ways of the spaces that are wanted, as parameters `name` and `move`."""
    return pytest.mark.parametrize(("name", "move"), [way for way in WAYS if wanted(way[0])])


def picture(generator, latent):
    return render(generator, latent)


def close(a, b):
    assert_close(a, b, atol=1e-5, rtol=0)


# A set of edits


def test_edits_commute(space, move):
    generator, latent = space.generator, latent_at(space)
    a, b = direction_of(generator), direction_of(generator, seed=8)
    one = edit(generator, edit(generator, latent, {a: 1.0}, move=move), {b: -0.7})
    other = edit(generator, edit(generator, latent, {b: -0.7}, move=move), {a: 1.0})
    both = edit(generator, latent, {a: 1.0, b: -0.7}, move=move)
    expected = picture(generator, both)
    close(picture(generator, one), expected)
    close(picture(generator, other), expected)
    assert not torch.allclose(expected, picture(generator, edit(generator, latent, {a: 1.0}, move=move)), atol=1e-3)
    assert len(both.edits) == 2


def test_the_same_direction_adds_up(space, move):
    generator, latent, a = space.generator, latent_at(space), direction_of(space.generator)
    twice = edit(generator, edit(generator, latent, {a: 0.5}, move=move), {a: 0.75})
    close(picture(generator, twice), picture(generator, edit(generator, latent, {a: 1.25}, move=move)))
    assert [one.strength for one in twice.edits] == [1.25]


def test_taking_an_edit_back_leaves_the_others(space, move):
    generator, latent = space.generator, latent_at(space)
    a, b = direction_of(generator), direction_of(generator, seed=8)
    left = edit(generator, edit(generator, latent, {a: 1.0, b: -0.7}, move=move), {b: 0.7})
    assert torch.equal(picture(generator, left), picture(generator, edit(generator, latent, {a: 1.0}, move=move)))
    assert torch.equal(latent.inverted.code, left.inverted.code)


def test_an_edit_does_not_change_the_latent_it_is_made_on(space, move):
    generator, latent = space.generator, latent_at(space)
    before = latent.inverted.map(torch.clone)
    edited = edit(generator, latent, {direction_of(generator): 2.0}, move=move)
    assert latent.edited is None
    assert latent.edits == ()
    assert all(
        a is b or torch.equal(a, b)
        for a, b in zip(before.tensors.values(), latent.inverted.tensors.values(), strict=True)
    )
    assert edited.point is edited.edited


def test_undo_after_a_file(space, move, tmp_path):
    """The directions travel with the latent, so that their edits can be taken back on another day."""
    generator, latent, a = space.generator, latent_at(space), direction_of(space.generator)
    save_latent(edit(generator, latent, {a: 0.9}, move=move), tmp_path / "x.safetensors")
    loaded = load_latent(tmp_path / "x.safetensors")
    assert torch.equal(picture(generator, edit(generator, loaded, {a: -0.9})), picture(generator, latent))


def test_two_directions_of_one_name_are_two(generator):
    latent = latent_at(make_space("w+", generator))
    a, b = direction_of(generator, name="smile"), direction_of(generator, seed=8, name="smile")
    both = edit(generator, latent, {a: 1.0, b: 1.0})
    assert len(both.edits) == 2
    moved = both.point.code - latent.point.code
    assert_close(moved, (a.vector + b.vector).expand_as(moved))


# How codes go

BENT = [(x, f"{head}{end}") for head in ("", "f/") for x, end in ((f"{head}z+", "w+"), (f"{head}z", "w"))]


@pytest.mark.parametrize("feature", ["moved", "added", "fixed"])
@pytest.mark.parametrize(("name", "into"), BENT)
def test_a_straight_edit_is_that_of_the_same_latent_in_w(name, into, feature, generator):
    """Found in F/Z+ and moved straight, or brought into F/W+ and moved there: the same styles, F and picture."""
    space, target = (make_space(x, generator, decoding=Decoding(0.7, 3)) for x in (name, into))
    latent, a = latent_at(space), direction_of(generator)
    other = latent_of(target, convert(space, latent.point, target)[0])
    layers = (1, 5) if space.extended else None
    found, expected = (edit(generator, x, {a: 1.3}, layers=layers, feature=feature) for x in (latent, other))
    assert (found.space, found.move, shown(generator, found)[0].name) == (name, "straight", into)
    for x, y in zip(found.point.tensors.values(), expected.point.tensors.values(), strict=True):
        close(x, y)
    for x, y in zip(styles(generator, found), styles(generator, expected), strict=True):
        close(x, y)
    close(picture(generator, found), picture(generator, expected))
    assert not torch.allclose(picture(generator, found), picture(generator, latent), atol=1e-2)
    sphere = edit(generator, latent, {a: 1.3}, layers=layers, feature=feature, move="sphere")
    assert sphere.move == "sphere" and shown(generator, sphere)[0].name == name
    assert not torch.allclose(picture(generator, sphere), picture(generator, found), atol=1e-3)


def test_w_moves_by_the_whole_vector_when_straight(generator):
    space, a = make_space("f/z+", generator), direction_of(generator)
    latent = latent_at(space)
    edited = edit(generator, latent, {a: 1.5})
    close(edited.point.code - space.to_w(latent.point.code), 1.5 * a.vector.expand_as(edited.point.code))
    assert angle_degrees(edited) == [0.0, 0.0] and cosine_reached(generator, edited) == [1.0, 1.0]


def test_a_move_stays_with_its_latent_until_another_is_asked_for(generator):
    latent, a = latent_at(make_space("z+", generator)), direction_of(generator)
    sphere, straight = (edit(generator, latent, {a: 1.0}, move=x) for x in ("sphere", "straight"))
    more = edit(generator, sphere, {a: 0.5})
    assert more.move == "sphere"
    assert torch.equal(more.point.code, edit(generator, latent, {a: 1.5}, move="sphere").point.code)
    for one, other, wanted in ((sphere, straight, "straight"), (straight, sphere, "sphere")):
        again = edit(generator, one, {}, move=wanted)
        assert again.move == wanted and torch.equal(picture(generator, again), picture(generator, other))
    asked = edit(generator, latent, {}, move="sphere")  # as of a mask or how F goes: before there is any edit
    assert torch.equal(edit(generator, asked, {a: 1.0}).point.code, sphere.point.code)


@pytest.mark.parametrize("name", ["z", "z+", "f/z", "f/z+"])
def test_undo_of_a_straight_edit_gives_the_inverted_code(name, generator):
    latent, a = latent_at(make_space(name, generator)), direction_of(generator)
    undone = edit(generator, edit(generator, latent, {a: 0.9}), {a: -0.9})
    assert undone.edited is None and undone.edits == ()
    space, point = shown(generator, undone)
    assert space.name == name and torch.equal(point.code, latent.inverted.code)
    assert torch.equal(picture(generator, undone), picture(generator, latent))


@pytest.mark.parametrize("name", ["z", "z+", "f/z+"])
def test_with_a_direction_of_z_all_move_on_the_sphere_in_any_order(name, generator):
    latent, a, b = latent_at(make_space(name, generator)), direction_of(generator), direction_of(generator, "z")
    both = edit(generator, latent, {a: 1.0, b: 0.6})
    one = edit(generator, edit(generator, latent, {a: 1.0}), {b: 0.6})
    other = edit(generator, edit(generator, latent, {b: 0.6}), {a: 1.0})
    for found in (both, one, other):
        assert found.move == "sphere" and min(angle_degrees(found)) > 1
        close(found.point.code.square().mean(-1), torch.ones(latent.point.code.shape[:2]))
        close(picture(generator, found), picture(generator, both))
    close(picture(generator, both), picture(generator, edit(generator, latent, {a: 1.0, b: 0.6}, move="sphere")))
    with pytest.raises(LatentError, match=r"direction of z cannot be applied in (f/)?w"):
        edit(generator, latent, {b: 0.6}, move="straight")
    left, alone = (
        edit(generator, both, {b: -0.6}),
        edit(generator, latent, {a: 1.0}),
    )  # nothing holds it there any longer
    assert left.move == alone.move == edit(generator, left, {a: -1.0}).move == "straight"
    assert torch.equal(picture(generator, left), picture(generator, alone))


def test_the_file_of_a_straight_edit_gives_its_picture_bit_for_bit(space, move, tmp_path):
    generator, latent, a = space.generator, latent_at(space), direction_of(space.generator)
    edited = edit(generator, latent, {a: 0.8}, move=move)
    save_latent(edited, tmp_path / "x.safetensors")
    loaded = load_latent(tmp_path / "x.safetensors")
    assert loaded.move == edited.move == move
    assert torch.equal(picture(generator, loaded), picture(generator, edited))
    more = (edit(generator, x, {direction_of(generator, seed=8): 0.5}) for x in (edited, loaded))
    assert torch.equal(*(picture(generator, x) for x in more))


def test_a_straight_edit_is_rendered_with_the_weights_of_its_latent(generator):
    weights = dict(generator.named_parameters())
    ends = ("b32.conv1.bias", "convolutions.4.bias", "L5_32_4.bias", "L5_32_8.bias")
    name = next(x for x in weights if x.endswith(ends))
    offsets = {name: torch.full_like(weights[name], 0.2)}
    plain, a = latent_at(make_space("f/z+", generator)), direction_of(generator)
    found, expected = (edit(generator, x, {a: 1.0}) for x in (replace(plain, offsets=offsets), plain))
    changed = make_space("f/z+", generator.tuned(offsets))
    close(picture(generator, found), rendered(changed, expected))
    for latent in (found, plain):
        with pytest.raises(ZplusError, match="is tuned to one photo"):
            render(generator.tuned(offsets), latent)
    assert not torch.allclose(picture(generator, found), picture(generator, expected), atol=1e-3)


def test_an_unknown_move_is_refused_with_a_hint():
    """In a program of its own, because here the types of arguments are checked before."""
    program = """
from points import generator_of, latent_at
from zplus.editing import edit
from zplus.spaces import make_space
generator = generator_of("skip")
edit(generator, latent_at(make_space("z+", generator)), {}, move="stright")
"""
    there = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=there)
    assert done.returncode == 1
    assert "UnknownNameError: Unknown move 'stright': did you mean 'straight'?" in done.stderr


# An editor


def test_an_editor_gives_what_edits_give_in_any_order_of_strengths(space, move):
    generator, latent = space.generator, latent_at(space)
    a, b = direction_of(generator), direction_of(generator, seed=8)
    editor = Editor(generator, latent)
    for strengths in ({a: 1.7}, {a: 0.4}, {a: 2.6}, {a: -1.0}, {a: 1.0, b: 0.5}, {a: 0.4}, {}):
        found, expected = editor.edit(strengths, move=move), edit(generator, latent, strengths, move=move)
        assert torch.equal(found.point.code, expected.point.code)
        assert torch.equal(picture(generator, found), picture(generator, expected))


def test_an_editor_carries_a_direction_over_once(generator, monkeypatch):
    calls = []
    along = ZPlus.tangent_along
    monkeypatch.setattr(ZPlus, "tangent_along", lambda *given: calls.append(1) or along(*given))
    editor, a = Editor(generator, latent_at(make_space("z+", generator))), direction_of(generator)
    editor.edit({a: 1.4}, move="sphere")
    assert len(calls) == 3  # at 0, 0.5 and 1
    for strength in (1.4, 1.3, 0.2, 1.45):
        editor.edit({a: strength}, move="sphere")
    assert len(calls) == 3


def test_the_pictures_of_an_editor_are_those_of_render(space, move):
    generator, latent, a = space.generator, latent_at(space), direction_of(space.generator)
    editor = Editor(generator, latent, EAGER)
    for edited in (
        editor.edit({}),
        editor.edit({a: 1.0}, move=move),
        editor.edit({a: 1.0}, mask=half_mask(32), move=move),
        editor.edit({}, mask=half_mask()),
    ):
        close(editor.image(edited), picture(generator, edited))


@pytest.mark.parametrize("name", ["z+", "f/z+"])
def test_edits_are_continuous_where_a_stride_ends(name, generator):
    editor, a = Editor(generator, latent_at(make_space(name, generator))), direction_of(generator)
    for strength in (0.5, 1.0):
        below, at, above = (
            editor.edit({a: s}, move="sphere").point.code for s in (strength - 1e-4, strength, strength + 1e-4)
        )
        assert_close(below, at, atol=1e-3, rtol=0)
        assert_close(above, at, atol=1e-3, rtol=0)


# Masks


def half_mask(side=8):
    """1 in the left half."""
    return (torch.arange(side) < side // 2).float().expand(1, 1, side, side).clone()


def test_outside_the_mask_is_the_reconstruction(space, move, tmp_path):
    generator, latent, a = space.generator, latent_at(space), direction_of(space.generator)
    whole, part = (edit(generator, latent, {a: 1.0}, mask=mask, move=move) for mask in (None, half_mask(32)))
    before, everywhere, there = (picture(generator, x) for x in (latent, whole, part))
    assert torch.equal(there[..., 16:], before[..., 16:])
    close(there[..., :16], everywhere[..., :16])
    save_latent(part, tmp_path / "x.safetensors")
    loaded = load_latent(tmp_path / "x.safetensors")
    assert torch.equal(picture(generator, loaded), there)
    assert torch.equal(loaded[1].mask, half_mask(32))


def test_a_mask_stays_with_its_latent_until_another_is_given(generator):
    latent, a = latent_at(make_space("w+", generator)), direction_of(generator)
    part = edit(generator, latent, {a: 1.0}, mask=half_mask())
    assert torch.equal(edit(generator, part, {a: 1.0}).mask, part.mask)
    assert torch.equal(picture(generator, edit(generator, part, {a: -1.0})), picture(generator, latent))
    whole = edit(generator, part, {}, mask=torch.ones(1, 1, 1, 1))
    close(picture(generator, whole), picture(generator, edit(generator, latent, {a: 1.0})))


def bounded(generator, region, seed=7):
    """A direction whose card has a region."""
    one = direction_of(generator, seed=seed)
    return Direction(f"bounded{seed}", one.space, one.vector, one.belongs_to, {"region": list(region)})


def test_an_edit_shows_in_the_region_of_its_direction_and_fades_around_it(space, move, tmp_path):
    generator, latent, left = space.generator, latent_at(space), bounded(space.generator, (0.25, 0.5, 0.125, 0.125))
    part, whole = (edit(generator, latent, {left: 1.0}, mask=x, move=move) for x in (None, torch.ones(1, 1, 1, 1)))
    before, there, everywhere = (picture(generator, x) for x in (latent, part, whole))
    close(there[..., 14:18, 6:10], everywhere[..., 14:18, 6:10])  # of 32 pixels
    assert torch.equal(there[..., 15:], before[..., 15:]) and torch.equal(there[..., :9, :], before[..., :9, :])
    fading = ((there - before) / (everywhere - before))[..., 16, 12].nanmedian().item()
    way = (1.5 - math.hypot(1.125, 0.125)) / 0.5  # of that pixel between 1.5 radii and 1
    assert fading == pytest.approx(3 * way**2 - 2 * way**3, abs=0.01)
    assert torch.equal(Editor(generator, latent, EAGER).image(part), there)
    save_latent(part, tmp_path / "x.safetensors")
    assert torch.equal(picture(generator, load_latent(tmp_path / "x.safetensors")), there)


def test_edits_show_in_the_union_of_their_regions_and_everywhere_beside_one_without(generator):
    latent = latent_at(make_space("w+", generator))
    left, right = (bounded(generator, (x, 0.5, 0.125, 0.125), seed) for x, seed in ((0.25, 1), (0.75, 2)))
    both, plain = (
        edit(generator, latent, {left: 1.0, right: 1.0}),
        edit(generator, latent, {direction_of(generator): 1.0}),
    )
    mask = edit_mask(both)
    assert torch.equal(mask, torch.maximum(*(edit_mask(edit(generator, latent, {x: 1.0})) for x in (left, right))))
    assert (mask.min(), mask.max()) == (0, 1) and mask[..., 128, 128] == 0 and mask[..., 128, 192] == 1
    assert edit_mask(edit(generator, plain, {left: 1.0})) is None
    correction = replace(direction_of(generator, seed=5), card={"method": CORRECTION})
    assert torch.equal(edit_mask(edit(generator, both, {correction: 1.0})), mask)
    assert edit_mask(edit(generator, latent, {correction: 1.0})) is None
    assert torch.equal(edit_mask(edit(generator, both, {}, mask=half_mask()))[:1], half_mask())
    assert torch.equal(picture(generator, edit(generator, both, {left: -1.0, right: -1.0})), picture(generator, latent))


# Ranges of layers


def styles(generator, latent):
    """The untruncated styles of what a latent shows."""
    space, point = shown(generator, latent)
    return space.untruncated_styles(point.code)


@ways(lambda name: "+" in name or name.endswith("s"))
def test_a_range_of_layers_moves_these_codes_alone(name, move, generator):
    latent, a = latent_at(make_space(name, generator)), direction_of(generator)
    before = styles(generator, latent)
    after = styles(generator, edit(generator, latent, {a: 1.0}, layers=(2, 4), move=move))
    for code, x, y in zip(generator.style_codes, before, after, strict=True):
        assert torch.allclose(x, y, atol=1e-5) != (code in (2, 3))


def test_ranges_add_up_to_the_whole(generator):
    latent, a = latent_at(make_space("w+", generator)), direction_of(generator)
    first = edit(generator, latent, {a: 1.0}, layers=(0, 3))
    both = edit(generator, first, {a: 1.0}, layers=(3, generator.num_codes))
    close(picture(generator, both), picture(generator, edit(generator, latent, {a: 1.0})))


def test_a_range_of_an_s_direction_is_of_the_styles_that_these_codes_feed(generator):
    space = make_space("s", generator)
    latent, a = latent_at(space), direction_of(generator, "s")
    moved = edit(generator, latent, {a: 1.0}, layers=(1, 2)).point.code - latent.point.code
    sizes = zip(generator.style_codes, generator.style_sizes, strict=True)
    inside = torch.tensor([code == 1 for code, size in sizes for _ in range(size)])
    assert_close(moved[:, 0], (a.vector * inside).expand(2, -1), atol=1e-6, rtol=1e-5)


@ways(lambda name: name.removeprefix("f/") in ("z", "w"))
def test_a_range_needs_a_code_for_each_layer(name, move, generator):
    latent, a = latent_at(make_space(name, generator)), direction_of(generator)
    with pytest.raises(LatentError, match="one code for all"):
        edit(generator, latent, {a: 1.0}, layers=(0, 2), move=move)


@pytest.mark.parametrize("layers", [(3, 3), (4, 2), (-1, 2), (0, 99)])
def test_a_range_lies_inside(layers, generator):
    with pytest.raises(ZplusError, match="do not exist"):
        edit(generator, latent_at(make_space("w+", generator)), {direction_of(generator): 1.0}, layers=layers)


# Moved and fixed features


@ways(lambda name: name.startswith("f/"))
def test_f_moves_by_the_change_of_the_head(name, move, generator):
    space = make_space(name, generator)
    latent, a = latent_at(space), direction_of(generator)
    moved, fixed = (edit(generator, latent, {a: 1.0}, feature=feature, move=move) for feature in ("added", "fixed"))
    before, after = space.head(latent.point.code), shown(generator, moved)[0].head(moved.point.code)
    close(moved.point.state.features, latent.point.state.features + after.features - before.features)
    if before.rgb is not None:
        close(moved.point.state.rgb, latent.point.state.rgb + after.rgb - before.rgb)
    assert torch.equal(fixed.point.state.features, latent.point.state.features)
    assert torch.equal(fixed.point.code, moved.point.code)
    assert not torch.allclose(picture(generator, moved), picture(generator, fixed), atol=1e-3)


def test_an_edit_of_inert_codes_shows_only_when_f_moves(generator):
    space = make_space("f/w+", generator, generator.layers[3].name)
    latent, a = latent_at(space), direction_of(generator)
    before = picture(generator, latent)
    fixed = edit(generator, latent, {a: 1.0}, layers=(0, 2), feature="fixed")
    assert torch.equal(picture(generator, fixed), before)
    moved = edit(generator, latent, {a: 1.0}, layers=(0, 2))
    assert not torch.allclose(picture(generator, moved), before, atol=1e-2)


def test_a_dropped_rgb_stays_dropped():
    generator = generator_of("skip")
    space = make_space("f/z+", generator)
    latent = latent_at(space)
    latent = type(latent)(
        **{**vars(latent), "inverted": Point(latent.inverted.code, State(latent.inverted.state.features))}
    )
    assert edit(generator, latent, {direction_of(generator): 1.0}).point.state.rgb is None


# Transport


def mapping_jacobian(generator, z, step=1e-3):
    """df/dz [w, z] of one code by central differences, in float64 arithmetic around float32 outputs."""
    double = type(generator)(generator.config).double()
    double.load_state_dict(generator.state_dict())
    eye = step * torch.eye(len(z), dtype=torch.float64)
    return ((double.map((z + eye)[None]) - double.map((z - eye)[None]))[0] / (2 * step)).T.detach().numpy()


@pytest.mark.parametrize("name", ["z", "z+"])
def test_the_pull_back_solves_its_normal_equations(name, generator):
    """(J^T J + damping * mean diagonal) t = J^T d, the tangent part, as long as J t needs; J by finite differences."""
    space = make_space(name, generator)
    code, wanted = space.sample(2), direction_of(generator).vector
    carried = carry(wanted[None], "w", space, code)
    for z, found in zip(code.flatten(0, 1).double(), carried.flatten(0, 1), strict=True):
        jacobian = mapping_jacobian(generator, z)
        normal_matrix = jacobian.T @ jacobian
        damped = normal_matrix + DAMPING * np.trace(normal_matrix) / len(z) * np.eye(len(z))
        t = np.linalg.solve(damped, jacobian.T @ wanted[0].double().numpy())
        t -= z.numpy() * (t @ z.numpy()) / (z.numpy() @ z.numpy())
        d = wanted[0].double().numpy()
        t /= max(MIN_PROGRESS, (jacobian @ t) @ d / (d @ d))
        assert np.linalg.norm(found.numpy() - t) < 2e-2 * np.linalg.norm(t)


@pytest.mark.parametrize("name", ["z", "z+"])
def test_w_moves_along_the_vector_that_was_carried(name, generator):
    space = make_space(name, generator)
    code, wanted = space.sample(3), direction_of(generator).vector
    tangent = carry(wanted[None], "w", space, code)
    close((tangent * code).sum(-1), torch.zeros(code.shape[:2]))
    change = generator.map(space.move(code, 1e-3 * tangent)) - generator.map(code)
    assert (torch.cosine_similarity(change, wanted[None].expand_as(change), dim=-1) > 0.3).all()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["z", "z+"])
def test_one_unit_is_one_unit_in_w(name, sign, generator):
    """f(z) moves along a direction of W by its full length, and the cosine told is that of the way gone."""
    space = make_space(name, generator)
    code, wanted = space.sample(3), sign * 0.05 * direction_of(generator).vector[None]
    moved = path(space, code, sign * wanted / 2).at(sign * 2.0)  # four strides
    way = generator.map(moved) - generator.map(code)
    progress = (way * wanted).sum(-1) / wanted.square().sum()
    assert_close(progress, torch.ones_like(progress), atol=0.01, rtol=0)
    told = cosine(space, code, moved, wanted)
    close(told, torch.cosine_similarity(way.flatten(1), wanted.expand_as(way).flatten(1)))
    assert (told > 0.5).all()


def test_layers_that_a_direction_leaves_alone_stay(generator):
    space = make_space("z+", generator)
    code, vector = space.sample(2), direction_of(generator).vector.repeat(generator.num_codes, 1)
    vector[2:] = 0
    moved = path(space, code, vector[None], "w+").at(1.0)
    assert moved[:, 2:].equal(code[:, 2:])
    assert not moved[:, :2].isclose(code[:, :2]).all(-1).any()


def test_a_direction_that_f_cannot_follow_is_refused_on_the_sphere_alone(generator, monkeypatch):
    latent, a = latent_at(make_space("f/z+", generator)), direction_of(generator)
    monkeypatch.setattr("zplus.editing.transport.MIN_COSINE", 0.999)
    told = r"cannot be followed in f/z\+ \(cosine 0\.\d\d\): move straight, or edit in w\+"
    with pytest.raises(LatentError, match=told):
        edit(generator, latent, {a: 1.0}, move="sphere")
    editor = Editor(generator, latent)
    assert editor.followed(editor.edit({a: 1.0}, move="straight")) == [True, True]


@pytest.mark.parametrize("lost", [0, 1, 2])
@pytest.mark.parametrize("name", ["z", "f/z+"])
def test_a_row_that_cannot_follow_stays_and_the_others_move_as_alone(name, lost, generator, monkeypatch):
    """The bound lies between the row that follows worst, put to any place, and the next."""
    space, a = make_space(name, generator), direction_of(generator)
    drawn = latent_at(space, 3)
    follows = path(space, drawn.point.code, a.vector[None]).reached(1.8).cosine
    worst, *others = follows.argsort().tolist()
    order = [*others[:lost], worst, *others[lost:]]
    monkeypatch.setattr("zplus.editing.transport.MIN_COSINE", float(follows.sort().values[:2].mean()))
    latent = replace(drawn, inverted=drawn.inverted.map(lambda x: x[order]))
    with pytest.warns(UserWarning, match=f"Of these latents {lost} cannot follow w-7 and stay as they are"):
        edited = edit(generator, latent, {a: 1.8}, move="sphere")
    assert_close(edited.point.code[lost], latent.point.code[lost], atol=1e-6, rtol=0)
    assert_close(picture(generator, edited)[lost], picture(generator, latent)[lost], atol=1e-4, rtol=0)
    for i in {0, 1, 2} - {lost}:
        alone = edit(generator, latent[i], {a: 1.8}, move="sphere")
        assert_close(edited.point.code[i], alone.point.code[0], atol=1e-4, rtol=0)
        assert not torch.allclose(edited.point.code[i], latent.point.code[i], atol=1e-2)
    editor = Editor(generator, latent)
    assert editor.followed(edited) == [i != lost for i in range(3)]
    with pytest.raises(LatentError, match="cannot be followed"):
        edit(generator, latent[lost], {a: 1.8}, move="sphere")


@pytest.mark.parametrize("name", ["z", "z+", "f/z+"])
def test_what_a_direction_excludes_stays_where_it_is_on_the_sphere(name, generator):
    """To the first order nothing of it is left, where the pull-back alone would turn towards it."""
    space, (smile, plain, other) = make_space(name, generator), (direction_of(generator, seed=x) for x in (7, 8, 9))
    normals = torch.stack([plain.vector, other.vector])
    basis = torch.linalg.qr(normals[:, 0].T).Q  # [w_dim, 2]
    smile = replace(smile, vector=smile.vector - smile.vector @ basis @ basis.T)
    latent, leaks = latent_at(space, 4), []
    for excluded in (None, normals):
        edited = edit(generator, latent, {replace(smile, excluded=excluded): 0.01}, move="sphere")
        way = space.to_w(edited.point.code) - space.to_w(latent.point.code)
        along = (way * smile.vector).sum(-1) / smile.vector.square().sum()
        assert_close(along, torch.full_like(along, 0.01), rtol=0.1, atol=0)
        leaks.append((way @ basis).norm(dim=-1).mean())
    assert leaks[1] < 0.1 * leaks[0]


@ways(lambda name: name in ("z+", "f/z+", "w+", "s"))
def test_what_is_excluded_travels_with_the_latent(name, move, generator, tmp_path):
    a, normals = direction_of(generator), torch.stack([direction_of(generator, seed=x).vector for x in (8, 9)])
    edited = edit(generator, latent_at(make_space(name, generator)), {replace(a, excluded=normals): 0.8}, move=move)
    save_latent(edited, tmp_path / "x.safetensors")
    loaded = load_latent(tmp_path / "x.safetensors")
    assert torch.equal(loaded.edits[0].direction.excluded, normals)
    assert torch.equal(picture(generator, loaded), picture(generator, edited))
    more = (edit(generator, x, {direction_of(generator, seed=10): 0.5}) for x in (edited, loaded))
    assert torch.equal(*(picture(generator, x) for x in more))


@ways(lambda name: name in ("z", "w", "w+", "s"))
def test_a_direction_of_some_layers_acts_by_its_vector_where_there_is_one_code(name, move, generator):
    """The mean is over the layers that it moves: it is as strong as the same vector for all layers."""
    whole = direction_of(generator)
    part = whole.vector.repeat(generator.num_codes, 1)
    part[2:] = 0
    some = Direction("some", "w+", part, whole.belongs_to)
    latent = latent_at(make_space(name, generator))
    found, expected = (edit(generator, latent, {x: 0.7}, move=move).point.code for x in (some, whole))
    assert torch.allclose(found, expected, atol=1e-5) == (name in ("z", "w"))


@pytest.mark.parametrize(("kind", "name"), CARRIED)
def test_an_edit_in_any_space_turns_the_styles_its_way(kind, name, generator):
    """What changes is along what the same direction does to the styles in its own space."""
    own, space = make_space("w+" if kind in ("w", "w+") else kind, generator), make_space(name, generator)
    z = make_space("z", generator).sample(2)
    wplus = generator.map(z).expand(-1, generator.num_codes, -1)
    codes = {"z": z, "z+": z.expand(-1, generator.num_codes, -1), "w": generator.map(z), "w+": wplus}
    codes["s"] = torch.cat(generator.styles(wplus), 1)[:, None]
    vector = direction_of(generator, kind).vector[None]

    def change(where, code):
        moved = path(where, code, 0.1 * vector, kind).at(1.0)
        return torch.cat(where.untruncated_styles(moved), 1) - torch.cat(where.untruncated_styles(code), 1)

    found, wanted = change(space, codes[name]), change(own, codes[own.kind])
    assert (torch.cosine_similarity(found, wanted, dim=1) > 0.5).all()
    if kind == name or (kind, name) in (("w", "w+"), ("w", "s"), ("w+", "s"), ("z", "z+")):
        close(found, wanted)


@pytest.mark.parametrize(("kind", "name"), REFUSED)
def test_what_cannot_be_carried_is_refused(kind, name, generator):
    latent = latent_at(make_space(name, generator))
    with pytest.raises(LatentError, match=re.escape(f"direction of {kind} cannot be applied in {name}")):
        edit(generator, latent, {direction_of(generator, kind): 1.0})


def test_opposite_strengths_go_opposite_ways(space, move):
    generator, latent, a = space.generator, latent_at(space), direction_of(space.generator)
    edited = [edit(generator, latent, {a: strength}, move=move) for strength in (0.05, -0.05)]
    begin, _ = convert(space, latent.point, edited_space(space, edited[0]))
    up, down = (x.point.code - begin.code for x in edited)
    assert (torch.cosine_similarity(up.flatten(1), -down.flatten(1)) > 0.8).all()


@pytest.mark.parametrize("name", ["z", "z+", "f/z", "f/z+"])
def test_z_codes_stay_on_the_sphere_and_the_angle_is_told(name, generator):
    latent = latent_at(make_space(name, generator))
    edited = edit(generator, latent, {direction_of(generator): 3.0, direction_of(generator, "z"): -1.0})
    close(edited.point.code.square().mean(-1), torch.ones(latent.point.code.shape[:2]))
    told = angle_degrees(edited)
    assert told == angles(latent.point.code, edited.point.code).amax(1).tolist()
    assert min(told) > 1
    assert angle_degrees(latent) == [0.0, 0.0] and cosine_reached(generator, latent) == [1.0, 1.0]


def test_the_cosine_counts_the_movement_of_directions_of_the_space_itself():
    generator = generator_of("skip")
    latent, of_w, of_z = latent_at(make_space("z+", generator)), direction_of(generator), direction_of(generator, "z+")
    alone, both = (edit(generator, latent, {of_w: 0.3, of_z: x}, move="sphere") for x in (0.0, 1.0))
    assert min(cosine_reached(generator, both)) > max(0.8, min(cosine_reached(generator, alone)) - 0.05)
    assert cosine_reached(generator, edit(generator, latent, {of_z: 1.0}, move="sphere")) == [1.0, 1.0]


def test_spaces_without_angles_tell_none(generator):
    latent = latent_at(make_space("w+", generator))
    assert angle_degrees(edit(generator, latent, {direction_of(generator): 1.0})) == [0.0, 0.0]


def test_rows_of_an_edit_do_not_depend_on_their_company(space, move):
    generator, latent, a = space.generator, latent_at(space, n=3), direction_of(space.generator)
    whole, alone = (edit(generator, x, {a: 1.0}, move=move) for x in (latent, latent[1]))
    assert_close(picture(generator, alone), picture(generator, whole)[1:2], atol=1e-4, rtol=0)


# What is refused


@pytest.mark.parametrize("strength", [float("inf"), float("-inf"), 11.0, -1e9])
def test_an_absurd_strength_is_cut_and_the_angle_told(strength, generator):
    latent, a = latent_at(make_space("z+", generator)), direction_of(generator, "z")
    with pytest.warns(UserWarning, match=r"was cut from .* to -?10 deviations; codes turned by \d+ degrees"):
        cut = edit(generator, latent, {a: strength})
    most = edit(generator, latent, {a: 10.0 if strength > 0 else -10.0})
    assert torch.equal(cut.point.code, most.point.code)


def test_an_absurd_sum_is_cut_and_its_opposite_undoes_it(generator):
    latent, a = latent_at(make_space("w", generator)), direction_of(generator)
    with pytest.warns(UserWarning, match="was cut from 11 to 10"):
        twice = edit(generator, edit(generator, latent, {a: 9.0}), {a: 2.0})
    assert torch.equal(twice.point.code, edit(generator, latent, {a: 10.0}).point.code)
    assert not edit(generator, twice, {a: -11.0}).edits
    assert edit(generator, twice, {a: -3.0}).edits[0].strength == 8.0
    with pytest.warns(UserWarning, match="was cut from -12 to -10"):
        edit(generator, latent, {a: -12.0})


@pytest.mark.filterwarnings("ignore:The strength")
def test_no_sum_of_strengths_is_too_large_for_a_file(generator, tmp_path):
    latent, a = latent_at(make_space("w", generator)), direction_of(generator)
    save_latent(edit(generator, edit(generator, latent, {a: 1e6}), {a: 1e6}), tmp_path / "x.safetensors")
    assert load_latent(tmp_path / "x.safetensors").edits[0].strength == 1e6


@pytest.mark.parametrize("strength", [float("nan"), "much", None, []])
def test_a_strength_that_is_no_number_is_refused(strength, generator):
    with pytest.raises(ZplusError, match="The strength of w-7 is not a number"):
        edit(generator, latent_at(make_space("z+", generator)), {direction_of(generator): strength})


def test_names(generator, monkeypatch, tmp_path):
    smile, foreign = direction_of(generator, name="smile"), direction_of(generator_of("skip", 1), name="age")
    monkeypatch.setattr(builtin, "builtin_directions", lambda: (smile, foreign))
    latent = latent_at(make_space("w", generator))
    expected = picture(generator, edit(generator, latent, {smile: 1.0}))
    assert torch.equal(picture(generator, edit(generator, latent, {"smile": 1.0})), expected)
    with pytest.raises(UnknownNameError, match="did you mean 'smile'"):
        edit(generator, latent, {"smil": 1.0})
    with pytest.raises(UnknownNameError, match="age"):
        edit(generator, latent, {"age": 1.0})
    save_direction(smile, tmp_path / "mine.safetensors")
    mine = edit(generator, latent, {str(tmp_path / "mine.safetensors"): 1.0})
    assert torch.equal(picture(generator, mine), expected)
    save_direction(foreign, tmp_path / "foreign.safetensors")
    with pytest.raises(LatentError, match="belongs to another generator"):
        find_direction(str(tmp_path / "foreign.safetensors"), generator)
    with pytest.raises(LatentError, match="There is no file"):
        find_direction("nowhere.safetensors", generator)


@pytest.mark.parametrize("kind", ["z", "w", "s"])
def test_a_direction_of_another_generator_is_refused(kind, generator):
    latent = latent_at(make_space("s" if kind == "s" else "z", generator))
    for other in (generator_of("skip", 1), generator_of("mobile", 1)):
        with pytest.raises(LatentError, match="belongs to another generator"):
            edit(generator, latent, {direction_of(other, kind): 1.0})


def test_a_direction_of_an_unknown_space_is_refused(generator):
    unknown = Direction("smile", "q", normal(1, 16), generator.mapping_fingerprint)
    with pytest.raises(LatentError, match="belongs to another generator"):
        edit(generator, latent_at(make_space("w", generator)), {unknown: 1.0})


@pytest.mark.parametrize("shape", [(1, 15), (3, 16), (2, 16)])
def test_a_direction_of_a_wrong_shape_is_refused(shape, generator):
    wrong = Direction("smile", "w", normal(*shape), generator.mapping_fingerprint)
    with pytest.raises(LatentError, match="belongs to another generator"):
        edit(generator, latent_at(make_space("w", generator)), {wrong: 1.0})


def test_a_direction_per_layer_is_applied_layer_by_layer(generator):
    a = Direction("yaw", "w+", normal(generator.num_codes, 16), generator.mapping_fingerprint)
    latent = latent_at(make_space("w+", generator))
    close(edit(generator, latent, {a: 1.0}).point.code - latent.point.code, a.vector.expand(2, -1, -1))


def test_a_mask_of_no_numbers_is_refused():
    generator = generator_of("skip")
    with pytest.raises(ZplusError, match="The mask is"):
        edit(generator, latent_at(make_space("w+", generator)), {}, mask=torch.full((2, 1, 8, 8), torch.nan))


@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (2, 3, 8, 8), (2, 1, 8, 4), (1, 8, 8), (8, 8), (1, 1, 0, 0), ()])
def test_a_mask_of_a_wrong_shape_is_refused(shape):
    generator = generator_of("skip")
    told = re.escape(f"The mask is {list(shape)}, but must be numbers in [0, 1] of [1 or 2, 1, side, side]")
    with pytest.raises(ZplusError, match=told):
        edit(generator, latent_at(make_space("w+", generator)), {}, mask=torch.ones(shape))


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, bool])
def test_a_mask_of_numpy_is_as_good(rows, dtype):
    generator = generator_of("skip")
    latent, a, mask = latent_at(make_space("w+", generator)), direction_of(generator), half_mask(32)
    expected = edit(generator, latent, {a: 1.0}, mask=mask)
    found = edit(generator, latent, {a: 1.0}, mask=mask.repeat(rows, 1, 1, 1).numpy().astype(dtype))
    assert torch.equal(picture(generator, found), picture(generator, expected))


def test_a_mask_of_numpy_may_lie_in_memory_in_any_way():
    generator = generator_of("skip")
    latent, mask = latent_at(make_space("w+", generator)), half_mask(32)
    for numbers, wanted in ((mask.numpy().astype(">f4"), mask), (mask.numpy()[..., ::-1], mask.flip(3))):
        assert torch.equal(edit(generator, latent, {}, mask=numbers).mask[:1], wanted)
