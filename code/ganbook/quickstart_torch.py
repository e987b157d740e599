"""A whole GAN in PyTorch, of dense layers alone.

Explained in the book's section "Quickstart".
"""

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import softplus
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import trange

from ganbook.data import programs

NOISE = 32  # numbers that each image is drawn from
GAMMA = 1.0  # weight of the penalty R1
DECAY = 0.997  # of the average of the generator's weights


class Generator(nn.Module):
    """Noise to images in [-1, 1]."""

    def __init__(self, size=8, width=256):
        super().__init__()
        self.layers = nn.Sequential(                         # (N, 32)
            nn.Linear(NOISE, width), nn.LeakyReLU(0.25),    # (N, 256)
            nn.Linear(width, width), nn.LeakyReLU(0.25),    # (N, 256)
            nn.Linear(width, size * size), nn.Tanh(),        # (N, 64)
            nn.Unflatten(1, (1, size, size)))           # (N, 1, 8, 8)

    def forward(self, noise):
        """Draw a batch of images."""
        return self.layers(noise)


class Discriminator(nn.Module):
    """Images to logits, above zero for real."""

    def __init__(self, size=8, width=256):
        super().__init__()
        self.layers = nn.Sequential(                    # (N, 1, 8, 8)
            nn.Flatten(),                                    # (N, 64)
            nn.Linear(size * size, width), nn.LeakyReLU(0.25),     # 256
            nn.Linear(width, width), nn.LeakyReLU(0.25),    # (N, 256)
            nn.Linear(width, 1))                              # (N, 1)

    def forward(self, images):
        """Judge a batch of images."""
        return self.layers(images)


def batches(images, batch):
    """Endless batches of images, shuffled anew in every epoch."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    loader = DataLoader(pixels, batch, shuffle=True, drop_last=True)
    while True:
        yield from loader


def train_step(generator, discriminator, average, g_optimiser,
               d_optimiser, real, noise):
    """Move both players; return both losses and both mean logits."""
    # 1. The generator draws a batch of fakes.
    fake = generator(noise)
    # 2. The discriminator learns; R1 keeps it flat at real images.
    real_logit = discriminator(real.requires_grad_())
    fake_logit = discriminator(fake.detach())
    d_loss = softplus(-real_logit).mean() + softplus(fake_logit).mean()
    slope, = torch.autograd.grad(real_logit.sum(), real,
                                 create_graph=True)
    r1 = GAMMA / 2 * slope.square().sum((1, 2, 3)).mean()
    d_optimiser.zero_grad()
    (d_loss + r1).backward()
    d_optimiser.step()
    # 3. The generator learns from the new discriminator.
    g_loss = softplus(-discriminator(fake)).mean()
    g_optimiser.zero_grad()
    g_loss.backward()
    g_optimiser.step()
    # 4. The average follows the generator.
    average.update_parameters(generator)
    return torch.stack([d_loss, g_loss, real_logit.mean(),
                        fake_logit.mean()]).detach()


def make_players(size, width):
    """Both networks, the generator's average, and both optimisers."""
    generator = Generator(size, width)
    discriminator = Discriminator(size, width)
    average = AveragedModel(
        generator, multi_avg_fn=get_ema_multi_avg_fn(DECAY))
    average.update_parameters(generator)
    return (generator, discriminator, average,
            torch.optim.Adam(generator.parameters()),
            torch.optim.Adam(discriminator.parameters()))


def sample(average, noise):
    """Draw images (N, size, size, C) in [-1, 1], as NumPy."""
    with torch.no_grad():
        images = average(noise)
    return images.permute(0, 2, 3, 1).cpu().numpy()


def train(images, width=256, steps=4000, batch=32, seed=0,
          device="cpu", show=None, shown=(), samples=64):
    """Train on images (N, size, size, C); return the players.

    ``show`` gets each step of ``shown``, the means of what the last 100
    steps returned, and samples.
    """
    torch.manual_seed(seed)
    with torch.device(device):
        players = make_players(images.shape[1], width)
    chance = torch.Generator().manual_seed(seed)
    fixed = torch.randn(samples, NOISE, generator=chance).to(device)
    real = batches(images, batch)
    history = []
    for step in trange(1, steps + 1, disable=None):
        noise = torch.randn(batch, NOISE).to(device)
        history.append(
            train_step(*players, next(real).to(device), noise))
        if step in shown:
            recent = torch.stack(history[-100:]).mean(0)
            show(step, recent, sample(players[2], fixed))
    return players


def main():
    """Train from the command line; leave grids and weights."""
    options = programs.read_options(
        __doc__, data="digits", size=8, width=256, steps=4000,
        batch=32, every=500, out="runs/quickstart_torch")
    images = programs.training_images(options, channels=1,
                                      sizes=range(4, 257))
    gpu = programs.use_gpu(options.device, torch.cuda.is_available())
    _, discriminator, average, *_ = train(
        images, options.width, options.steps, options.batch,
        options.seed, "cuda" if gpu else "cpu",
        *programs.film(options))
    save_file(average.module.state_dict(),
              options.out / "generator.safetensors")
    save_file(discriminator.state_dict(),
              options.out / "discriminator.safetensors")


if __name__ == "__main__":
    programs.run(main)
