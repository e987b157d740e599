"""Folders of images: what is read of every kind of file, in which order, and what is said of what cannot be used."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganbook.data import NAMES, DataError, FolderImages, full_name, is_folder, load
from picture_files import cut_off, odd_folder, picture, save

RED, WHITE, BLACK = (255, 0, 0), (255, 255, 255), (0, 0, 0)
#: By orientation tag: what a camera did to the upright picture before it wrote the tag.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def pixels(images):
    """Whole numbers from 0 to 255."""
    return np.rint((images.images + 1) * 127.5).astype(int)


def one(folder, size=8, **options):
    """The pixels of the only image of a folder."""
    [image] = pixels(load(folder, size=size, **options))
    return image


def plain(colour, mode="RGB", side=16):
    return Image.new(mode, (side, side), colour)


# Names


@pytest.mark.parametrize("given", ["folder:{}", "{}", "{}/", "{}/../photos", "folder:{}/."])
def test_every_way_to_name_a_folder_gives_one_name(tmp_path, given):
    folder = tmp_path / "photos"
    save(picture(9, 9), folder / "a.png")
    assert full_name(given.format(folder)) == f"folder:{folder}"
    assert load(given.format(folder), size=8).name == load(folder, size=8).name == f"folder:{folder}"


def test_a_relative_path_is_one_from_here_and_a_tilde_is_home(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "mnist").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in ("photos", "./photos", Path("photos"), "folder:photos", "~/photos", "folder:~/photos"):
        assert full_name(given) == f"folder:{tmp_path / 'photos'}"
    assert full_name("mnist") == "mnist"  # a set's name stays one
    assert full_name(Path("mnist")) == f"folder:{tmp_path / 'mnist'}"


def test_names_of_sets_are_their_own():
    assert [full_name(name) for name in NAMES] == list(NAMES)
    assert not any(map(is_folder, NAMES))


@pytest.mark.parametrize("name", ["photos", "", "folder:", "digit", 5, None])
def test_what_names_nothing_is_refused(name):
    with pytest.raises(ValueError, match=r"^data is .*; accepted: digits, .*, or the path of a folder of images$"):
        load(name, size=8)


# What is read


@pytest.mark.parametrize(
    ("image", "ending", "wanted"),
    [
        (plain(RED), "png", RED),
        (plain(RED), "jpg", RED),
        (plain(RED), "webp", RED),
        (plain(RED), "gif", RED),
        (plain(RED), "bmp", RED),
        (plain(RED), "tiff", RED),
        (plain(200, "L"), "png", (200, 200, 200)),
        (plain(1, "1"), "png", WHITE),
        (plain(RED).convert("P"), "png", RED),
        (plain(RED).convert("CMYK"), "jpg", RED),
        (plain(RED).convert("CMYK"), "tiff", RED),
        (plain(51 * 257, "I;16"), "png", (51, 51, 51)),
        (plain(65535, "I;16"), "tiff", WHITE),
        (plain((*RED, 0), "RGBA"), "png", WHITE),
        (plain((0, 0), "LA"), "png", WHITE),
        (plain((*RED, 255), "RGBA"), "webp", RED),
        (plain((*RED, 51), "RGBA"), "png", (255, 204, 204)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else None,
)
def test_every_mode_and_format_gives_its_colour(tmp_path, image, ending, wanted):
    save(image, tmp_path / f"a.{ending}")
    images = load(tmp_path, size=8)
    assert (images.images.shape, images.images.dtype) == ((1, 8, 8, 3), np.float32)
    assert np.abs(pixels(images)[0] - wanted).max() <= (3 if ending in ("jpg", "webp") else 0)


def test_transparent_colours_of_a_palette_are_laid_on_the_background(tmp_path):
    image = plain(0, "P")
    image.putpalette([*RED, *BLACK])
    image.paste(1, (0, 0, 16, 8))
    image.save(tmp_path / "a.gif", transparency=0)
    found = one(tmp_path, 16, background="#00ff00")
    assert (found[:8] == BLACK).all()
    assert (found[8:] == (0, 255, 0)).all()


@pytest.mark.parametrize(
    ("background", "wanted"),
    [(None, WHITE), ("white", WHITE), ("black", BLACK), ("#102030", (16, 32, 48)), ("rgb(1, 2, 3)", (1, 2, 3))],
)
def test_the_background_is_a_colour_that_pillow_knows(tmp_path, background, wanted):
    save(plain((*RED, 0), "RGBA"), tmp_path / "a.png")
    images = load(tmp_path, size=8, background=background)
    assert (pixels(images) == wanted).all()
    assert images.background == (background or "white")


def test_numbers_of_numpy_are_numbers(tmp_path):
    save(picture(64, 48), tmp_path / "a.png")
    wanted, found = (load(tmp_path, size=kind(16), channels=kind(1), seed=kind(0)) for kind in (int, np.int64))
    np.testing.assert_array_equal(found.images, wanted.images)


def test_grey(tmp_path):
    save(plain(RED), tmp_path / "a.png")
    images = load(tmp_path, size=8, channels=1)
    assert images.shape == (8, 8, 1)
    assert (pixels(images) == 76).all()  # 0.299 of 255, as ITU-R 601 weighs red
    save(plain((*BLACK, 0), "RGBA"), tmp_path / "a.png")
    assert (one(tmp_path, channels=1, background="white") == 255).all()


@pytest.mark.parametrize("tag", STORED)
@pytest.mark.parametrize("ending", ["png", "jpg", "tiff", "webp"])
def test_orientation_tags_are_obeyed(tmp_path, tag, ending):
    upright = picture(48, 32, seed=tag)
    save(upright, tmp_path / "upright" / f"a.{ending}")
    save(upright.transpose(STORED[tag]), tmp_path / "turned" / f"a.{ending}", tag)
    wanted, found = (one(tmp_path / name, 16) for name in ("upright", "turned"))
    assert np.abs(found - wanted).mean() <= (0 if ending in ("png", "tiff") else 4)
    for wrong in (found[::-1], found[:, ::-1], found[::-1, ::-1], found.swapaxes(0, 1)):
        assert np.abs(wrong - wanted).mean() > 15


@pytest.mark.parametrize("size", [(160, 64), (64, 160), (151, 65), (64, 64)])
def test_the_square_in_the_middle_is_cut_out(tmp_path, size):
    image = Image.new("RGB", size, RED)
    side = min(size)
    corner = [(length - side) // 2 for length in size]
    image.paste((0, 0, 255), (*corner, corner[0] + side, corner[1] + side))
    save(image, tmp_path / "a.png")
    found = one(tmp_path, 16)
    assert np.abs(found - (0, 0, 255)).mean() < 10  # the filter reaches a little over the edge
    assert (found[3:-3, 3:-3] == (0, 0, 255)).all()


def test_shrinking_takes_means_and_stays_in_the_range(tmp_path):
    board = np.indices((64, 64)).sum(0) % 2 * 255
    save(Image.fromarray(board.astype(np.uint8)), tmp_path / "a.png")
    assert np.abs(one(tmp_path, 8) - 127.5).max() < 3
    edge = np.where(np.arange(64) < 32, 0, 255) * np.ones((64, 1))
    save(Image.fromarray(edge.astype(np.uint8)), tmp_path / "a.png")
    images = load(tmp_path, size=8).images
    assert (images.min(), images.max()) == (-1, 1)


def test_a_large_photograph_is_read_with_less_detail_that_no_one_sees(tmp_path):
    blocks = np.random.default_rng(4).integers(0, 256, (64, 64), dtype=np.uint8)
    photograph = Image.fromarray(blocks).resize((320, 320), Image.Resampling.NEAREST)
    save(photograph, tmp_path / "jpg" / "a.jpg")
    save(photograph, tmp_path / "png" / "a.png")
    assert np.abs(one(tmp_path / "jpg", 64) - one(tmp_path / "png", 64)).mean() <= 4


def test_the_first_picture_of_an_animation(tmp_path):
    plain(RED).save(tmp_path / "a.gif", save_all=True, append_images=[plain((0, 0, 255))])
    assert (one(tmp_path) == RED).all()


# Which files, and in which order


def test_an_odd_folder(tmp_path):
    good = odd_folder(tmp_path, 28)
    images = load(tmp_path, size=64, skip_unreadable=True)
    assert isinstance(images, FolderImages)
    assert (images.name, len(images), images.shape) == (f"folder:{tmp_path}", 28, (64, 64, 3))
    left_out = ["at home/empty.jpg", "at home/fake.png", "holiday/cut.jpg"]
    assert [line.split(": ")[0] for line in images.unreadable] == [str(tmp_path / name) for name in left_out]
    order = sorted(good, key=lambda name: Path(name).parts)
    assert list(images.labels) == [1 if name.startswith("holiday") else 0 for name in order]
    for number in (0, 9, 20, 27):  # each image stands where its name does
        alone = tmp_path.parent / f"alone-{number}"
        alone.mkdir()
        (alone / Path(order[number]).name).write_bytes((tmp_path / order[number]).read_bytes())
        np.testing.assert_array_equal(load(alone, size=64).images[0], images.images[number])


def test_the_order_does_not_come_from_the_disk(tmp_path, monkeypatch):
    for number, name in enumerate(("b.png", "a.png", "z/c.png", "Z/c.png", "d.png", "z/.hidden/e.png", "z/.f.png")):
        save(plain((number, 0, 0)), tmp_path / name)
    walk = os.walk
    found = []
    for turn in (1, -1):
        monkeypatch.setattr(
            os,
            "walk",
            lambda top, turn=turn, **options: (
                (root, folders, names[::turn]) for root, folders, names in walk(top, **options)
            ),
        )
        images = load(tmp_path, size=8)
        found.append((pixels(images)[:, 0, 0, 0].tolist(), images.labels.tolist()))
    assert found == [([3, 1, 0, 4, 2], [0, 0, 0, 0, 1])] * 2


def test_a_label_is_the_number_of_the_top_subfolder(tmp_path):
    for name in ("cats/a.png", "cats/small/b.png", "birds/c.png", "dogs/d.png", "e.png"):
        save(plain(RED), tmp_path / name)
    (tmp_path / "ants").mkdir()  # holds no image
    names = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*.png"))]
    assert names == ["birds/c.png", "cats/a.png", "cats/small/b.png", "dogs/d.png", "e.png"]
    assert load(tmp_path, size=8).labels.tolist() == [0, 1, 1, 2, 0]


def test_nothing_is_written_into_the_folder(tmp_path):
    odd_folder(tmp_path, 14)
    before = {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in [tmp_path, *tmp_path.rglob("*")]
    }
    load(tmp_path, size=32, skip_unreadable=True)
    assert {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in [tmp_path, *tmp_path.rglob("*")]
    } == before


def test_parts_are_a_fifth_and_the_rest(tmp_path):
    for number in range(20):
        save(plain((number, 0, 0)), tmp_path / "ab"[number % 2] / f"{number}.png")
    train, test = (load(tmp_path, size=8, split=split) for split in ("train", "test"))
    assert sorted(pixels(train)[:, 0, 0, 0].tolist() + pixels(test)[:, 0, 0, 0].tolist()) == list(range(20))
    assert np.bincount(test.labels).tolist() == [2, 2]
    assert isinstance(train, FolderImages)
    assert load(tmp_path, size=8, split="test", seed=1).images.tolist() != test.images.tolist()


# What is said of a file that cannot be used


def text(path):
    path.write_text("no image")


BAD = {
    "cut off.jpg": (lambda path: cut_off(save(picture(300, 300), path)), "image file is truncated"),
    "cut off.png": (lambda path: cut_off(save(picture(64, 64), path)), "image file is truncated"),
    "cut off.webp": (lambda path: cut_off(save(picture(64, 64), path)), ""),
    "text.png": (text, "no image that Pillow knows"),
    "empty.jpg": (Path.touch, "no image that Pillow knows"),
    "small.png": (lambda path: save(picture(40, 31), path), "40x31 pixels, fewer than 32x32"),
    "numbers.tiff": (lambda path: save(plain(0.5, "F", 64), path), "numbers of mode 'F', whose range is not known"),
    "huge.png": (lambda path: save(Image.new("1", (10_000, 9_000)), path), r"Image size \(90000000 .*\) exceeds"),
    "monstrous.png": (lambda path: save(Image.new("1", (20_000, 9_000)), path), r"Image size \(180000000 .*\) exceeds"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_used_is_named_or_left_out(tmp_path, name):
    make, reason = BAD[name]
    make(tmp_path / name)
    with pytest.raises(DataError, match="none of the 1 images in .* can be used; the first is .*" + name):
        load(tmp_path, size=32, skip_unreadable=True)
    save(picture(64, 64), tmp_path / "z.png")
    with pytest.raises(
        DataError,
        match=f"^{tmp_path}/{name}: {reason}.*; accepted: images .* at least 32x32 pixels, "
        r"or skip_unreadable \(--skip-unreadable\)",
    ) as caught:
        load(tmp_path, size=32)
    assert "\n" not in str(caught.value)
    images = load(tmp_path, size=32, skip_unreadable=True)
    assert (len(images), len(images.unreadable), images.skip_unreadable) == (1, 1, True)


def test_more_than_fits_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    (tmp_path / "a.png").touch()
    monkeypatch.setattr("ganbook.data.images.MOST_NUMBERS", 300)
    with pytest.raises(ValueError, match=r"^size is 11; accepted with 1 images of 3 channels: at most 10$"):
        load(tmp_path, size=11)


def test_warnings_of_a_reader_are_no_output(tmp_path, recwarn):
    save(plain((*RED, 128), "RGBA").convert("P"), tmp_path / "a.png")
    load(tmp_path, size=8)
    assert not recwarn.list


def test_no_folder_and_no_image(tmp_path):
    with pytest.raises(DataError, match=r"^there is no folder /.*/nowhere; accepted: one that holds images$"):
        load(tmp_path / "nowhere", size=8)
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match=r"there is no folder .*notes\.txt"):
        load(tmp_path / "notes.txt", size=8)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "photo.heic").write_bytes(b"\0")
    with pytest.raises(DataError, match=r"holds no image that Pillow reads, .*; it holds 1 of \..*, 1 of \."):
        load(tmp_path, size=8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="it holds nothing else"):
        load(tmp_path / "empty", size=8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(size=None), r"size is None; accepted with data 'folder:.*': the side in pixels"),
        (dict(size=0), "size is 0"),
        (dict(channels=2), "channels is 2; accepted: 1 for grey, 3 for colour"),
        (dict(background="whitish"), "background is 'whitish'; accepted: a colour that Pillow knows, such as 'white'"),
        (dict(background=3), "background is 3; accepted"),
        (dict(split="valid"), "split is 'valid'"),
        (dict(folder="."), "folder is '.'; accepted with data 'folder:"),
        (dict(stack=3), "stack is 3"),
        (dict(count=3), "count is 3"),
        (dict(scale=2.0), "scale is 2.0"),
    ],
)
def test_bad_arguments_are_named(tmp_path, arguments, message):
    save(plain(RED), tmp_path / "a.png")
    with pytest.raises(ValueError, match=message):
        load(tmp_path, **{"size": 8, **arguments})


@pytest.mark.parametrize("arguments", [dict(channels=1), dict(background="white"), dict(skip_unreadable=True)])
def test_what_only_a_folder_takes_is_refused_elsewhere(arguments):
    with pytest.raises(ValueError, match=r"; accepted with data 'digits': nothing, since it has no effect"):
        load("digits", **arguments)
