"""Photos upright and in RGB, whatever they are stored as."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from smplifyx.readers.images import read_image, upright_size


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
