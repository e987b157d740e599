"""A plain DCGAN loop by the method of PyTorch's own GAN tutorial, on the networks of article 001's shape.

The method: ``nn.Sequential`` networks, binary cross-entropy, one backward pass for the real batch and one for the
detached fakes, a step of the discriminator, then a second judgement of the fakes for the generator's step.

Reference: Inkawhich, DCGAN Tutorial, PyTorch tutorials, 2018.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn


def make_step(images: np.ndarray) -> Callable[[], object]:
    """A call that trains on one batch of images (N, 28, 28, 1)."""
    torch.manual_seed(0)
    real = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    generator = nn.Sequential(
        nn.Linear(100, 7 * 7 * 256, bias=False),
        nn.BatchNorm1d(7 * 7 * 256),
        nn.LeakyReLU(0.3, inplace=True),
        nn.Unflatten(1, (256, 7, 7)),
        nn.ConvTranspose2d(256, 128, 5, 1, 2, bias=False),
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.3, inplace=True),
        nn.ConvTranspose2d(128, 64, 5, 2, 2, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.LeakyReLU(0.3, inplace=True),
        nn.ConvTranspose2d(64, 1, 5, 2, 2, 1, bias=False),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, 64, 5, 2, 2),
        nn.LeakyReLU(0.3, inplace=True),
        nn.Dropout(0.3),
        nn.Conv2d(64, 128, 5, 2, 2),
        nn.LeakyReLU(0.3, inplace=True),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(7 * 7 * 128, 1),
        nn.Sigmoid(),
    )
    return step_of(generator, discriminator, real, 100)


def step_of(generator: nn.Module, discriminator: nn.Module, real: torch.Tensor, latent: int) -> Callable[[], object]:
    """A call that trains networks on one batch, the discriminator giving probabilities."""
    loss = nn.BCELoss()
    generator_optimiser = torch.optim.Adam(generator.parameters(), 1e-4, (0.5, 0.999))
    discriminator_optimiser = torch.optim.Adam(discriminator.parameters(), 1e-4, (0.5, 0.999))
    ones, zeros = torch.ones(len(real)), torch.zeros(len(real))

    def step() -> None:
        discriminator.zero_grad()
        loss(discriminator(real).view(-1), ones).backward()
        fake = generator(torch.randn(len(real), latent))
        loss(discriminator(fake.detach()).view(-1), zeros).backward()
        discriminator_optimiser.step()
        generator.zero_grad()
        loss(discriminator(fake).view(-1), ones).backward()
        generator_optimiser.step()

    return step
