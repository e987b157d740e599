"""A figure that computes inside a page: a walk through the latent space of a generator, whose weights lie in the page.

It keeps the rules of :mod:`ganbook.pages.playground`: the still picture first, nothing from elsewhere, and the same
stored output on every processor.

Explained in the book's section "Playground".
"""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Mapping

import numpy as np

from ganbook.pages.playground import Playground, check_array, check_description, field, figure


def latent_corners(seed: int, latent: int) -> np.ndarray:
    """The four corners of the plane: standard normal vectors, float32, shape (4, latent).

    Example:
        >>> latent_corners(0, 32).shape
        (4, 32)
    """
    return np.random.default_rng(seed).standard_normal((4, latent)).astype(np.float32)


def latent_plane(corners: np.ndarray, side: int = 7, *, normalise: bool = True) -> np.ndarray:
    r"""Points between four corners.

    .. math:: z(u, v) = \frac{\sum_k w_k z_k}{\sqrt{\sum_k w_k^2}}, \qquad
              w = \bigl((1 - u)(1 - v),\ u (1 - v),\ (1 - u) v,\ u v\bigr)

    If the corners are independent standard normal vectors, each point is one too; without the root its variance falls
    to a quarter in the middle.

    Args:
        corners: shape (4, latent): top left, top right, bottom left, bottom right.
        side: points along u and along v, at least 2.
        normalise: divide by the root.

    Returns:
        float64, shape (side * side, latent), row after row of equal v.

    Example:
        >>> latent_plane(np.eye(4), side=3)[4].tolist()  # in the middle a quarter of each, over the root of a quarter
        [0.5, 0.5, 0.5, 0.5]
    """
    corners = check_array("corners", corners, (4, None))
    v, u = (each.reshape(-1, 1) for each in np.meshgrid(*(np.linspace(0, 1, side),) * 2, indexing="ij"))
    weights = np.concatenate([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], axis=1)
    if normalise:
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return weights @ corners


def explore_latents(
    weights: Mapping[str, np.ndarray], pictures: np.ndarray, *, name: str, description: str
) -> Playground:
    """A walk through the latent space of a generator made of dense layers, which runs in the page.

    Args:
        weights: ``dense_1.weight`` (inputs, outputs), ``dense_1.bias`` and so on; every number one of half precision,
            as which they lie in the page; leaky ReLUs of slope 0.2 stand between the layers and tanh at the end.
        pictures: what the generator makes of :func:`latent_plane`, shape (n * n, H, W, 1) in [-1, 1], for the still
            picture.
        name, description: as for :func:`ganbook.pages.playground.train_points`.

    Returns:
        What a notebook shows as its cell's value.

    Raises:
        ValueError: an argument outside what is accepted.

    Example:
        >>> weights = {"dense_1.weight": np.ones((2, 4)), "dense_1.bias": np.zeros(4)}
        >>> explore_latents(weights, np.zeros((4, 2, 2, 1)), name="walk", description="Four grey pictures in a square")
        <Playground walk>
    """
    check_description(description)
    pictures = check_array("pictures", pictures, (None, None, None, 1))
    count, height, width, _ = pictures.shape
    side = round(count**0.5)
    if side * side != count or side < 2:
        raise ValueError(f"pictures has {count} pictures; accepted: a square number of at least 4")
    layers = len(weights) // 2
    names = [f"dense_{k}.{part}" for k in range(1, layers + 1) for part in ("weight", "bias")]
    if set(names) != set(weights):
        raise ValueError(f"weights has {', '.join(weights)}; accepted: {', '.join(names)}")
    arrays = [np.atleast_2d(np.asarray(weights[each])) for each in names]
    packed = b"".join(array.astype("<f2").tobytes() for array in arrays)
    if any((array.astype(np.float16) != array).any() for array in arrays):
        raise ValueError("weights has numbers that half precision does not hold; accepted: rounded to float16")
    content = {
        "shapes": [array.shape for array in arrays],
        "weights": base64.b64encode(packed).decode(),
        "latent": arrays[0].shape[0],
        "slope": 0.2,
        "shape": [height, width],
        "side": side,
    }
    framed = np.pad(pictures[..., 0], ((0, 0), (0, 1), (0, 1))).reshape(side, side, height + 1, width + 1)
    grid = framed.swapaxes(1, 2).reshape(side * (height + 1), side * (width + 1))
    alternative = html.escape(description)
    slider = 'type="range" min="0" max="100" step="1" value="50"'
    controls = "".join(
        [
            field(name, "Across", "across", slider),
            field(name, "Down", "down", slider),
            field(name, "Seed of the corners", "seed", 'type="number" min="0" max="4294967295" step="1" value="0"'),
            f'<label for="ganbook-{name}-normalise"><input type="checkbox" name="normalise" '
            f'id="ganbook-{name}-normalise" checked> Keep the length of z</label>',
        ]
    )
    body = (
        f'<div class="ganbook-pair"><div class="ganbook-plane"><img src="{_png(grid)}" alt="{alternative}" '
        f'width="{grid.shape[1]}" height="{grid.shape[0]}">'
        f'<canvas class="ganbook-scripted" role="img" aria-label="{alternative}" hidden></canvas>'
        '<div class="ganbook-marker ganbook-scripted" hidden></div></div>'
        '<canvas class="ganbook-one ganbook-scripted" role="img" aria-label="The picture at the frame" '
        "hidden></canvas></div>"
        '<p class="ganbook-state" role="status"></p>'
        f'<form class="ganbook-scripted" hidden aria-label="Choices"><div class="ganbook-fields">{controls}</div>'
        '<button type="button" class="ganbook-new">New corners</button></form>'
    )
    return figure(name, "latents", body, content, ("random", "tape", "latents"))


def _png(grey: np.ndarray) -> str:
    """A grey picture, shape (H, W) in [-1, 1], as a PNG in a data address.

    Its pixels are stored, not compressed: compressors differ in the bytes that they write.
    """
    pixels = np.floor((grey + 1) * 127.5 + 0.5).astype(np.uint8)
    height, width = pixels.shape
    rows = np.pad(pixels, ((0, 0), (1, 0))).tobytes()  # before each row: no filter
    if len(rows) > 0xFFFF:
        raise ValueError(f"pictures make {len(rows)} bytes; accepted: at most {0xFFFF}")
    stored = struct.pack("<BHH", 1, len(rows), 0xFFFF - len(rows)) + rows
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(rows))),
        (b"IEND", b""),
    )
    content = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + content).decode()
