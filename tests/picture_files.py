"""Folders of image files for the tests: what a reader's own folder may hold."""

from pathlib import Path

import numpy as np
from PIL import Image

#: Of every file: ending, mode, side lengths, orientation tag.
KINDS = [
    ("jpg", "RGB", (300, 200), 1),
    ("jpg", "RGB", (200, 260), 6),
    ("JPG", "L", (90, 130), 3),
    ("jpeg", "CMYK", (120, 120), None),
    ("png", "RGBA", (100, 80), None),
    ("png", "LA", (80, 100), None),
    ("png", "P", (70, 70), None),
    ("png", "I;16", (90, 75), None),
    ("png", "1", (99, 64), None),
    ("webp", "RGB", (160, 90), 8),
    ("gif", "P", (65, 65), None),
    ("bmp", "RGB", (64, 64), None),
    ("tiff", "RGB", (111, 77), 5),
    ("PNG", "RGB", (640, 480), None),
]


def picture(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Smooth colours in any mode that Pillow can save."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 4), dtype=np.uint8))
    colours = small.resize((width, height), Image.Resampling.BILINEAR)
    if mode == "I;16":
        return Image.fromarray(np.asarray(colours.convert("L")).astype(np.uint16) * 257)
    return (
        colours
        if mode == "RGBA"
        else colours.convert("LA" if mode == "LA" else mode)
        if mode in ("LA", "P")
        else colours.convert("RGB").convert(mode)
    )


def save(image: Image.Image, path: Path, orientation: int | None = None) -> Path:
    """Write an image, with an orientation tag if one is given; its folder is made if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {}
    if orientation is not None:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    image.save(path, **options)
    return path


def cut_off(path: Path) -> Path:
    """Half of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def odd_folder(folder: Path, count: int = 200) -> list[str]:
    """What a folder of 200 phone photographs may hold beside them; the names of the images that can be read.

    Sizes, modes, formats and orientation tags are mixed; some lie in subfolders.  There are a text file, hidden files
    and three images that cannot be read: one is cut off, one is none, one is empty.
    """
    good = []
    for number in range(count):
        ending, mode, (width, height), orientation = KINDS[number % len(KINDS)]
        place = folder / ("", "holiday", "holiday/second day", "at home")[number % 4]
        image = picture(width, height, mode, number)
        good.append(save(image, place / f"IMG_{number:04}.{ending}", orientation).relative_to(folder).as_posix())
    (folder / "notes.txt").write_text("no image")
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / ".thumbnails").mkdir()
    save(picture(64, 64), folder / ".thumbnails" / "small.png")
    cut_off(save(picture(300, 300, seed=1), folder / "holiday" / "cut.jpg"))
    (folder / "at home" / "fake.png").write_text("no image either")
    (folder / "at home" / "empty.jpg").write_bytes(b"")
    return good
