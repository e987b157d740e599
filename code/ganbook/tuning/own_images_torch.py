"""A DCGAN in PyTorch for images of your own, 16 to 128 pixels wide.

Explained in the book's section "Images of your own".
"""

import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import trange

from ganbook.data import programs

NOISE = 100  # numbers that each image is drawn from
SLOPE = 0.25  # of leaky ReLU below zero
NORM = {"eps": 1e-3, "momentum": 0.1}  # of batch norm
GAMMA = 1.0  # weight of the penalty R1
RATE = 1e-3  # of both players' Adam
BETAS = (0.0, 1 - 2**-7)  # no momentum, and about 0.99
EPSILON = 1e-8
DECAY = 0.997  # of the average of the generator's weights


def initialise(layer):
    """Draw Glorot's initial weights, which Keras has by default."""
    if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def doublings(size):
    """Sides of the images on their way from 8 to size: 16, 32, ..."""
    return [2**n for n in range(4, size.bit_length())]


class Generator(nn.Module):
    """Noise to images in [-1, 1]."""

    def __init__(self, size=32, width=64):
        super().__init__()
        inner = width * size // 8
        crop = nn.ZeroPad2d((0, -1, 0, -1))  # where "same" crops
        stack = [
            nn.Linear(NOISE, 64 * inner, bias=False),
            nn.BatchNorm1d(64 * inner, **NORM), nn.LeakyReLU(SLOPE),
            nn.Unflatten(1, (inner, 8, 8)),           # (N, 256, 8, 8)
            nn.ConvTranspose2d(inner, inner // 2, 5, 1, 2, bias=False)]
        for side in doublings(size):       # from (N, 128, 8, 8) by way
            before = width * size // side           # of 64, 16, 16 ...
            after = before // 2 if side < size else 3
            stack += [
                nn.BatchNorm2d(before, **NORM), nn.LeakyReLU(SLOPE),
                nn.ConvTranspose2d(before, after, 5, 2, 1, bias=False),
                crop]
        self.layers = nn.Sequential(*stack, nn.Tanh())  # to 3, 32, 32
        self.apply(initialise)

    def forward(self, noise):
        """Draw a batch of images."""
        return self.layers(noise)


class Discriminator(nn.Module):
    """Images to logits, above zero for real."""

    def __init__(self, size=32, width=64):
        super().__init__()
        pad = nn.ZeroPad2d((1, 2, 1, 2))  # where Keras's "same" pads
        stack, before = [], 3
        for side in doublings(size):     # from (N, 3, 32, 32) by way of
            after = width * side // 16         # 64, 16, 16 to 128, 8, 8
            stack += [pad, nn.Conv2d(before, after, 5, 2),
                      nn.LeakyReLU(SLOPE)]
            before = after
        self.layers = nn.Sequential(
            *stack, nn.Flatten(), nn.Linear(64 * before, 1))  # (N, 1)
        self.apply(initialise)

    def forward(self, images):
        """Judge a batch of images."""
        return self.layers(images)


def batches(images, batch):
    """Endless batches of images, shuffled anew in every epoch."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    loader = DataLoader(TensorDataset(pixels), batch, shuffle=True,
                        drop_last=True)
    while True:
        for (real,) in loader:
            yield real


def discriminator_loss(real, fake):
    """Cross-entropy of logits (N, 1): real is 1, fake is 0."""
    loss = nn.BCEWithLogitsLoss()
    return (loss(real, torch.ones_like(real))
            + loss(fake, torch.zeros_like(fake)))


def generator_loss(fake):
    """Cross-entropy of logits (N, 1): a fake should pass for real."""
    loss = nn.BCEWithLogitsLoss()
    return loss(fake, torch.ones_like(fake))


def train_step(generator, discriminator, average, g_optimiser,
               d_optimiser, real, noise):
    """Move both players; return both losses and both mean logits."""
    # 1. The generator draws a batch of fakes.
    fake = generator(noise)
    # 2. The discriminator learns; R1 keeps it flat at real images.
    real.requires_grad_()
    real_logit = discriminator(real)
    fake_logit = discriminator(fake.detach())
    d_loss = discriminator_loss(real_logit, fake_logit)
    slope, = torch.autograd.grad(real_logit.sum(), real,
                                 create_graph=True)
    r1 = GAMMA / 2 * slope.square().sum((1, 2, 3)).mean()
    d_optimiser.zero_grad()
    (d_loss + r1).backward()
    d_optimiser.step()
    # 3. The generator learns from the new discriminator.
    g_loss = generator_loss(discriminator(fake))
    g_optimiser.zero_grad()
    g_loss.backward()
    g_optimiser.step()
    # 4. The average follows the generator.
    average.update_parameters(generator)
    return torch.stack([d_loss, g_loss, real_logit.mean(),
                        fake_logit.mean()]).detach()


def adam(network):
    """Adam for one player's weights."""
    return torch.optim.Adam(network.parameters(), RATE, BETAS, EPSILON)


def make_players(size, width):
    """Both networks, the generator's average, and both optimisers."""
    generator = Generator(size, width)
    discriminator = Discriminator(size, width)
    average = AveragedModel(generator, use_buffers=True,
                            multi_avg_fn=get_ema_multi_avg_fn(DECAY))
    average.update_parameters(generator)
    return (generator, discriminator, average,
            adam(generator), adam(discriminator))


def sample(average, noise):
    """Draw images (N, size, size, C) in [-1, 1], as NumPy."""
    with torch.no_grad():
        images = average.eval()(noise)
    return images.permute(0, 2, 3, 1).cpu().numpy()


def train(images, width=64, steps=2000, batch=16, seed=0,
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
        __doc__, data="emoji", size=32, width=64, steps=2000,
        batch=16, every=500, out="runs/own_images_torch")
    images = programs.training_images(options, channels=3,
                                      sizes=(16, 32, 64, 128))
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
