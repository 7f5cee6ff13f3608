"""The commands `mix` and `interpolate`: pictures between two latents."""

from pathlib import Path

from zplus.command.directions import layer_range
from zplus.command.outputs import output_file, output_folder
from zplus.command.pulling import generator_of
from zplus.command.show import Show
from zplus.editing import interpolate, mix
from zplus.errors import ZplusError
from zplus.images import to_pixels, write_animation, write_image
from zplus.latent import load_latent, save_latent
from zplus.spaces import render


def mix_latents(
    first: Path,
    second: Path,
    layers: str,
    out: Path,
    keep: Path | None,
    model: str | None,
    label: int | None,
    device: str,
    show: Show,
) -> None:
    """Write the picture, and the latent if asked for, of one latent with some layers of another."""
    output_file(out, first, second, model)
    if keep is not None:
        output_file(keep, first, second, model, picture=False)
    a, b = load_latent(first), load_latent(second)
    generator = generator_of(a, model, device, label, show)
    mixed = mix(generator, a, b, layer_range(layers, generator.num_codes))
    write_image(out, to_pixels(render(generator, mixed)[0]), f"mixed, layers {layers}")
    if keep is not None:
        save_latent(mixed, keep)
    found = {"picture": out, "layers": layers, "space": mixed.space} | ({} if keep is None else {"latent": keep})
    show.result(found, f"{out}")


def interpolate_latents(
    first: Path,
    second: Path,
    out: Path,
    frames: int,
    rate: float,
    model: str | None,
    label: int | None,
    device: str,
    show: Show,
) -> None:
    """Write the way from one latent to another as an animation, or as frames into a folder."""
    animated = out.suffix.lower() == ".webp"
    if animated:
        output_file(out, first, second, model)
    elif out.suffix and not out.is_dir():
        raise ZplusError(f"{out} is no name for frames: end it in .webp for an animation, or name a folder.")
    a, b = load_latent(first), load_latent(second)
    generator = generator_of(a, model, device, label, show)
    b = interpolate(generator, a, b, 1.0)  # converted to the space of the first once, not for every frame
    folder = out.parent if animated else output_folder(out)
    pictures = []
    with show.stage("Interpolating", frames) as tick:
        for i in range(frames):
            pixels = to_pixels(render(generator, interpolate(generator, a, b, i / (frames - 1)))[0])
            if animated:
                pictures.append(pixels)
            else:
                write_image(folder / f"frame{i:04d}.png", pixels, "interpolated")
            tick(i + 1, "")
    if animated:
        write_animation(out, pictures, rate, "interpolated")
    show.result({"out": out, "frames": frames, "space": a.space}, f"{frames} frames in {out}")
