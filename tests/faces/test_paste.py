"""The way back: nothing changes where nothing was edited, and there are no seams and no ghosts where something was."""

import numpy as np
import pytest
import torch

from zplus.errors import UnknownNameError
from zplus.faces.align import Aligned, crop, whole
from zplus.faces.paste import paste, paste_maps, steady
from zplus.faces.warp import blur, invert, warp
from zplus.images import to_tensor

R = 256


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Coarse and fine structure, as photos have."""
    random = torch.Generator().manual_seed(seed)
    rough = torch.rand(3, height, width, generator=random)
    coarse = blur(torch.rand(3, height, width, generator=random), 12.0)
    coarse = (coarse - coarse.mean()) / coarse.std()
    return (128 + 30 * coarse + 30 * (rough - 0.5)).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()


def square(side: float, angle: float, centre: tuple[float, float]) -> np.ndarray:
    across = side / 2 * np.array([np.cos(angle), np.sin(angle)])
    down = np.array([-across[1], across[0]])
    signs = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)])
    return np.array(centre) + signs[:, :1] * across + signs[:, 1:] * down


PLACES = {
    "small": square(60, 0.1, (150, 160)),
    "as large as the crop": square(256, 0.0, (150, 160)),
    "large": square(290, -0.3, (160, 150)),
    "at the border": square(200, 0.2, (40, 290)),
    "turned": square(180, 2.5, (160, 170)),
    "larger than the photo": square(700, 0.3, (150, 160)),
}


@pytest.fixture(params=PLACES.values(), ids=PLACES.keys())
def aligned(request) -> Aligned:
    return crop(texture(320, 310), request.param, R)


def imperfect(aligned: Aligned) -> torch.Tensor:
    """A reconstruction as inversion gives it: fine detail is lost, and light is a little off."""
    return 0.95 * blur(to_tensor(aligned.pixels)[0], 3.0) + 0.02


def bump(x: float, y: float, reach: float) -> torch.Tensor:
    """[R, R]: 1 at a place of the crop (0..1), gone beyond three times its reach."""
    centre = (torch.arange(R) + 0.5) / R
    distance = (centre - x)[None].square() + (centre - y)[:, None].square()
    return torch.exp(-0.5 * distance / reach**2) * (distance < (3 * reach) ** 2)


def inside(aligned: Aligned) -> torch.Tensor:
    """Where the photo's pixels lie in the crop, [H, W, 2] in 0..1."""
    height, width = aligned.photo.shape[:2]
    points = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5, [1.0]), axis=-1)[:, :, 0]
    return torch.from_numpy(points @ invert(aligned.matrix(1)).T)


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a.astype(int) - b.astype(int)).max(axis=-1)


def test_strength_0_returns_the_photo_pixel_for_pixel(aligned):
    reconstruction = imperfect(aligned)
    assert (paste(aligned, reconstruction, reconstruction) == aligned.photo).all()


def test_what_nobody_sees_changes_nothing(aligned):
    reconstruction = imperfect(aligned)
    noise = 0.004 * torch.randn(reconstruction.shape, generator=torch.Generator().manual_seed(2))
    assert (paste(aligned, reconstruction, reconstruction + noise) == aligned.photo).all()


@pytest.mark.parametrize("mode", ["keep", "replace"])
def test_outside_the_crop_nothing_changes(aligned, mode):
    before = aligned.photo.copy()
    result = paste(aligned, imperfect(aligned), -imperfect(aligned), mode)
    place = inside(aligned)
    outside = ((place < 0) | (place > 1)).any(-1).numpy()
    assert (result[outside] == aligned.photo[outside]).all()
    assert (aligned.photo == before).all() and result is not aligned.photo
    assert difference(result, aligned.photo).max() > 30


def test_a_local_edit_stays_local_and_keeps_detail():
    aligned = crop(texture(320, 310), PLACES["as large as the crop"], R)
    reconstruction = imperfect(aligned)
    light = 0.3 * bump(0.5, 0.7, 0.08)
    result = paste(aligned, reconstruction, reconstruction + light)
    place = inside(aligned)
    far = (((place - torch.tensor([0.5, 0.7])) ** 2).sum(-1).sqrt() > 0.25).numpy()
    assert (result[far] == aligned.photo[far]).all()
    shown = 127.5 * warp(light[None], invert(aligned.matrix(R)), aligned.photo.shape[:2])[0].numpy()
    added = result.astype(float) - aligned.photo
    unclamped = (result > 0) & (result < 255)
    assert np.abs(added - shown[..., None])[unclamped].max() <= 1.6  # the light and nothing else: all detail kept


@pytest.mark.parametrize("place", ["as large as the crop", "turned", "large"])
def test_where_shapes_move_there_is_no_ghost(place):
    """A bar that only the photo shows sharply moves aside: afterwards nothing of it is left at its old place."""
    photo = texture(320, 310)
    aligned = crop(photo, PLACES[place], R)
    plain = blur(to_tensor(aligned.pixels)[0], 6.0)
    bar, moved = (1.2 * bump(x, 0.5, 0.03) for x in (0.45, 0.6))
    scene = torch.from_numpy(photo).permute(2, 0, 1).float()
    shown = warp(bar[None], invert(aligned.matrix(R)), photo.shape[:2])
    shown = shown * (inside(aligned) >= 0).all(-1) * (inside(aligned) <= 1).all(-1)
    photo = (scene - 127.5 * shown).clamp(0, 255).byte().permute(1, 2, 0).numpy()
    aligned = crop(photo, PLACES[place], R)
    reconstruction, edited = plain - 0.85 * bar, plain - 0.85 * moved  # the reconstruction misses a part of it
    result = to_tensor(paste(aligned, reconstruction, edited))[0]
    expected = warp(edited, invert(aligned.matrix(R)), photo.shape[:2])
    spot = ((inside(aligned) - torch.tensor([0.45, 0.5])) ** 2).sum(-1).sqrt() < 0.05
    error = (result - expected)[:, spot]
    assert error.abs().mean() < 0.12 and error.std() < 0.08  # the tone may differ a little, the structure may not
    kept = to_tensor(photo)[0] + warp(edited - reconstruction, invert(aligned.matrix(R)), photo.shape[:2])
    assert (kept - expected)[:, spot].std() > 1.5 * error.std()  # what mere adding would have left


def test_replacing_takes_the_whole_crop_in_the_light_of_the_photo():
    aligned = crop(texture(320, 310), PLACES["as large as the crop"], R)
    edited = blur(to_tensor(aligned.pixels)[0], 3.0)
    result = to_tensor(paste(aligned, edited - 0.15, edited - 0.15, "replace"))[0]  # all of it is too dark
    expected = warp(edited, invert(aligned.matrix(R)), aligned.photo.shape[:2])
    place = inside(aligned)
    middle = ((place > 0.2) & (place < 0.8)).all(-1)
    assert (result - expected)[:, middle].abs().mean() < 0.03
    detail = to_tensor(aligned.photo)[0] - expected
    assert detail[:, middle].std() > 2 * (result - expected)[:, middle].std()


@pytest.mark.parametrize("mode", ["keep", "replace"])
def test_there_is_no_seam_at_the_border_of_the_crop(mode):
    """On a plain photo, a crop made much lighter: neighbouring pixels never differ by much."""
    aligned = crop(np.full((320, 310, 3), 100, np.uint8), PLACES["turned"], R)
    reconstruction = to_tensor(aligned.pixels)[0]
    result = paste(aligned, reconstruction, reconstruction + 0.5, mode).astype(int)
    assert result.max() >= 160
    assert max(np.abs(np.diff(result, axis=axis)).max() for axis in (0, 1)) <= 8


def test_a_crop_that_is_the_whole_photo_changes_up_to_its_borders():
    aligned = whole(texture(R, R), R)
    reconstruction = imperfect(aligned)
    result = paste(aligned, reconstruction, reconstruction - 0.2)
    assert np.abs(result.astype(float) - aligned.photo + 0.2 * 127.5).max() <= 26  # clamped at 0 at most
    assert (result[0] < aligned.photo[0]).mean() > 0.95


def test_a_side_beyond_the_photo_does_not_fade():
    aligned = crop(np.full((320, 310, 3), 100, np.uint8), square(200, 0, (90, 160)), R)  # its left side at x = -10
    reconstruction = to_tensor(aligned.pixels)[0]
    result = paste(aligned, reconstruction, reconstruction + 0.5)
    assert (result[160, :150] >= 163).all()
    assert result[160, 189, 0] <= 102


def test_values_beyond_the_range_are_what_the_screen_shows():
    aligned = crop(texture(320, 310), PLACES["small"], R)
    reconstruction = imperfect(aligned) * 9
    assert (paste(aligned, reconstruction, reconstruction.clamp(-1, 1)) == aligned.photo).all()


def test_bands_do_not_show(monkeypatch):
    aligned = crop(texture(320, 310), PLACES["large"], R)
    reconstruction = imperfect(aligned)
    edited = reconstruction.roll(9, dims=2)
    once = paste(aligned, reconstruction, edited)
    monkeypatch.setattr("zplus.faces.paste.BAND", 3000)
    assert difference(once, paste(aligned, reconstruction, edited)).max() <= 1


def test_an_unknown_mode_is_refused(aligned):
    with pytest.raises(UnknownNameError, match="did you mean 'replace'"):
        paste(aligned, imperfect(aligned), imperfect(aligned), "repalce")


# Several faces


@pytest.mark.parametrize("mode", ["keep", "replace"])
def test_faces_whose_crops_overlap_change_once_and_have_no_seam(mode):
    """Two crops of a plain photo, each made lighter: the middle of both is as light as that of one, without a step."""
    photo = np.full((320, 310, 3), 100, np.uint8)
    places = [square(200, 0.1, (110, 160)), square(180, -0.2, (210, 150))]  # 100 pixels apart, 190 wide
    crops, pixels = [crop(photo, place, R) for place in places], None
    for one, other in (crops, crops[::-1]):
        plain = to_tensor(one.pixels)[0]
        pixels = paste(one, plain, plain + 0.5, mode, [other], pixels)
    result = pixels.astype(int)
    assert result.max() <= 165  # 100 + 64: nowhere twice
    assert (result[120:190, 80:240] >= 160).all()  # nor is anything left out between them
    assert max(np.abs(np.diff(result, axis=axis)).max() for axis in (0, 1)) <= 8


def test_a_face_that_is_not_edited_keeps_its_part():
    photo = texture(320, 310)
    crops = [crop(photo, square(200, 0.1, (110, 160)), R), crop(photo, square(180, -0.2, (210, 150)), R)]
    edited = torch.zeros(3, R, R)
    pixels = paste(crops[0], imperfect(crops[0]), edited, "replace", crops[1:])
    assert (pixels[130:170, 185:235] == photo[130:170, 185:235]).all()
    assert (pixels[130:170, 90:130] != photo[130:170, 90:130]).mean() > 0.9


def test_maps_of_a_film_are_joined_and_do_not_flicker(aligned):
    """A change that trembles around the threshold: what is pasted changes less, and nothing where nothing moved."""
    plain = imperfect(aligned)
    edits = [plain + amount * bump(0.5, 0.6, 0.05) for amount in (0.2, 0.4, 0.2, 0.4, 0.2, 0.4)]
    maps = [paste_maps(aligned, plain, edited) for edited in edits]
    joined = [steady(maps[i - 2 : i + 3]) for i in (2, 3)]
    assert abs(joined[0].moved - joined[1].moved).max() < 0.1 * abs(maps[2].moved - maps[3].moved).max()
    assert all((one.moved >= maps[2].moved.minimum(maps[3].moved) - 1e-6).all() for one in joined)
    assert torch.equal(joined[0].tone, torch.stack([one.tone for one in maps[:5]]).mean(0))
    still = steady([paste_maps(aligned, plain, plain)] * 5)
    assert (paste(aligned, plain, plain, maps=still) == aligned.photo).all()


def test_own_maps_give_what_pasting_finds_out_itself(aligned):
    plain = imperfect(aligned)
    edited = plain + 0.6 * bump(0.5, 0.6, 0.05)
    maps = paste_maps(aligned, plain, edited)
    assert (paste(aligned, plain, edited, maps=steady([maps] * 5)) == paste(aligned, plain, edited)).all()
