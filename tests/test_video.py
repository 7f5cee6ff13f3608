"""Films and animations as MP4: frames as they were, the mark that every picture has, the extra where it is missing."""

import os
import struct
import sys

import numpy as np
import pytest

from films import film, frames_of, moving_frames
from zplus.errors import ImageError, MissingExtraError
from zplus.images import SOURCE_TYPE, is_animation, write_animation
from zplus.video import Frame, film_frames, film_timing, fits_mp4, sound_of, write_film


def frames(height=48, width=64, count=5):
    """Colours that move from left to right."""
    places = np.linspace(0, 255, width)[None, :, None] + np.arange(count)[:, None, None, None] * 8
    return list((places + np.array([0, 40, 80])).clip(0, 255).astype(np.uint8).repeat(height, 1))


def boxes(content):
    """The boxes of an ISO media file, by type."""
    found, place = {}, 0
    while place < len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        found[kind] = content[place + 8 : place + size]
        place += size
    return found


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63)])
def test_an_mp4_shows_its_frames_and_says_how_they_were_made(tmp_path, height, width):
    av = pytest.importorskip("av", reason="pip install 'zplus[video]' first")
    path, expected = tmp_path / "a.MP4", frames(height, width)
    write_animation(path, expected, 12.5, "smile & more")
    with av.open(path) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, float(stream.average_rate)) == ("h264", 12.5)
        assert container.metadata["comment"] == "Edited by a generative model: smile & more"
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.shape(shown) == (5, 48 - height % 2 * 2, 64 - width % 2 * 2, 3)
    errors = [np.abs(a.astype(int) - b[: a.shape[0], : a.shape[1]]) for a, b in zip(shown, expected, strict=True)]
    assert np.mean(errors) < 3
    packet = boxes(path.read_bytes())[b"uuid"]
    assert packet.startswith(bytes.fromhex("be7acfcb97a942e89c71999491e3afac"))
    assert SOURCE_TYPE.encode() in packet and b"smile &amp; more" in packet
    assert [x.name for x in tmp_path.iterdir()] == ["a.MP4"]


def test_what_is_an_animation(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert is_animation("a.webp") and not is_animation("a.png")


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    for ask in (is_animation, lambda path: write_animation(path, frames(), 12.0)):
        with pytest.raises(MissingExtraError, match=r"av is needed .*zplus\[video\]"):
            ask(tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_film_is_read_frame_by_frame_with_its_times(tmp_path):
    pytest.importorskip("av", reason="pip install 'zplus[video]' first")
    path, expected = film(tmp_path / "a.mp4", moving_frames(5), "aac"), np.stack(moving_frames(5))
    timing, found = film_timing(path), list(film_frames(path))
    assert [float(frame.time * timing.base) for frame in found] == [0.0, 0.08, 0.16, 0.32, 0.4]
    apart = np.stack([frame.pixels for frame in found]).astype(int) - expected
    assert apart.shape == (5, 48, 64, 3) and np.abs(apart).mean() < 2


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_film_that_was_held_sideways_is_read_upright(tmp_path, turned):
    pytest.importorskip("av", reason="pip install 'zplus[video]' first")
    expected = np.stack(moving_frames(2))
    stored = [np.rot90(x, -turned // 90) for x in expected]
    found = np.stack([frame.pixels for frame in film_frames(film(tmp_path / "a.mp4", stored, turned=turned))])
    assert found.shape == expected.shape and np.abs(found.astype(int) - expected).mean() < 2


def test_sound_is_copied_where_an_mp4_can_hold_it(tmp_path):
    pytest.importorskip("av", reason="pip install 'zplus[video]' first")
    for codec, suffix in {"aac": "mp4", "pcm_s16le": "mkv"}.items():
        source = film(tmp_path / f"{codec}.{suffix}", moving_frames(5), codec)
        out = tmp_path / f"{codec}-out.mp4"
        write_film(out, film_frames(source), film_timing(source), "", b"", sound=source)
        assert sound_of(source) == (codec,)
        assert frames_of(out).sound == (frames_of(source).sound if fits_mp4(codec) else [])
        assert len(frames_of(out).times) == 5
    assert fits_mp4("aac") and not fits_mp4("pcm_s16le")


def test_a_codec_that_nobody_knows(tmp_path):
    """Of the sound it is as one that an MP4 cannot hold; of the pictures it is refused."""
    pytest.importorskip("av", reason="pip install 'zplus[video]' first")
    source = film(tmp_path / "a.avi", moving_frames(5), "pcm_s16le")
    content = source.read_bytes()
    sound = content.index(b"strf", content.index(b"auds")) + 8
    source.write_bytes(content[:sound] + b"\x34\x12" + content[sound + 2 :])
    assert sound_of(source) == ("unknown",)
    frames = (Frame(i, pixels) for i, pixels in enumerate(moving_frames(5)))
    write_film(tmp_path / "out.mp4", frames, film_timing(source), "", b"", sound=source)
    assert frames_of(tmp_path / "out.mp4").sound == []
    source.write_bytes(content.replace(b"H264", b"QZQZ"))
    with pytest.raises(ImageError, match="a codec that PyAV does not know"):
        film_timing(source)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are POSIX's")
def test_a_pipe_is_not_waited_for(tmp_path):
    pytest.importorskip("av", reason="pip install 'zplus[video]' first")
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(ImageError, match="a folder or a device"):
        film_timing(tmp_path / "a.mp4")


def test_a_film_with_a_hole_is_refused_from_there_on(tmp_path):
    """Every frame but the first is overwritten: its decoder says so, or its frames are marked."""
    pytest.importorskip("av", reason="pip install 'zplus[video]' first")
    path = film(tmp_path / "a.mp4", moving_frames(12))
    content = bytearray(path.read_bytes())
    place = content.index(b"mdat")
    half = place + (content.index(b"moov") - place) // 2
    content[half : half + 200] = b"\xff" * 200
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"is damaged (at|after) frame|is no film"):
        list(film_frames(path))
