"""Photos upright and in RGB, whatever they are stored as."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from smplifyx.readers import images
from smplifyx.readers.images import ImageError, focal_35mm, read_image, upright_size


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_has_the_size_and_pixels_of_the_upright_one(tmp_path, suffix, orientation):
    upright = np.zeros((40, 64, 3), np.uint8)
    # bright at the top left, grey at the top right
    upright[:16, :16], upright[:16, -16:] = 255, 128
    undo = {1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1],
            5: lambda p: p.swapaxes(0, 1), 6: lambda p: np.rot90(p), 7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
            8: lambda p: np.rot90(p, -1)}  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(undo[orientation](upright))
    Image.fromarray(stored).save(tmp_path / f"a{suffix}", exif=exif, quality=95)
    pixels = read_image(tmp_path / f"a{suffix}")
    assert upright_size(tmp_path / f"a{suffix}") == (64, 40) and pixels.shape == (40, 64, 3)
    assert np.abs(pixels.astype(int) - upright).mean() < 4


MODES = {"L": 200, "RGBA": (200, 200, 200, 9), "P": 0, "CMYK": (0, 0, 0, 55), "I;16": 200 * 257}


@pytest.mark.parametrize("mode", MODES)
def test_any_kind_of_picture_is_read_as_rgb(tmp_path, mode):
    image = Image.new(mode, (8, 6), MODES[mode])
    if mode == "P":
        image.putpalette([200] * 768)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    image.save(path)
    pixels = read_image(path)
    assert (
        pixels.shape == (6, 8, 3)
        and pixels.dtype == np.uint8
        and np.abs(pixels.astype(int) - 200).max() <= 3
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_upright_too(tmp_path, orientation):
    stored = np.zeros((40, 64, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.tif", exif=exif)
    width, height = upright_size(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").shape == (height, width, 3)
    assert (width, height) == ((40, 64) if orientation > 4 else (64, 40))


def test_of_a_moving_picture_the_first_is_read(tmp_path):
    pictures = [Image.new("P", (8, 6), shade) for shade in (0, 1)]
    for picture in pictures:
        picture.putpalette([200] * 3 + [10] * 765)
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:])
    assert (read_image(tmp_path / "a.gif") == 200).all()


NO_IMAGES = {  # content -> a word of the message
    "PostScript": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        "of a kind",
    ),
    "DDS": (b"DDS |\0\0\0" + b"\xff" * 200, "of a kind"),
    "a video": (b"\0\0\0 ftypisom" + b"\0" * 50, "a video"),
    "an LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
    "a page": (b"<!DOCTYPE html><html>", "web page"),
    "cut off": (b"\xff\xd8\xff\xe0", "damaged"),
    "nothing": (b"", "empty"),
    "HEIC": (b"\0\0\0 ftypheic" + b"\0" * 50, r"smplifyx\[heif\]|damaged"),
    "AVIF": (b"\0\0\0 ftypavif" + b"\0" * 50, "of a kind that is not read"),
}


@pytest.mark.parametrize("name", NO_IMAGES)
def test_what_is_no_image_is_one_line_that_says_what_it_is(tmp_path, name):
    content, word = NO_IMAGES[name]
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    for read in (upright_size, read_image, focal_35mm):
        with pytest.raises(ImageError, match=word) as error:
            read(path)
        assert str(error.value).startswith(f"{path}: not a readable image (")
        assert "\n" not in str(error.value)


def test_pipes_and_devices_are_no_images(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    os.symlink("/dev/zero", tmp_path / "b.jpg")
    for name in ("a.jpg", "b.jpg"):
        with pytest.raises(ImageError, match="not a regular file"):
            read_image(tmp_path / name)


def test_pixels_are_bounded(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(images, "MOST_PIXELS", 1000)
    Image.new("L", (100, 50)).save(tmp_path / "a.png")
    Image.new("L", (100, 50)).save(tmp_path / "a.jpg")
    assert upright_size(tmp_path / "a.png") == (100, 50)
    with pytest.raises(ImageError, match="100x50 pixels, at most"):
        read_image(tmp_path / "a.png")
    height, width, _ = read_image(tmp_path / "a.jpg").shape
    assert (width, height) == (25, 13)
