// A GAN on points of the plane: the recipe, the networks, the losses, the penalties and the update rules of the Python
// package, in the same order and from the same random numbers, in double precision.  See its modules
// ganbook.gradient_descent.draws (what is drawn when) and steps_torch (what is done with it).

const DISCRIMINATOR_LOSSES = {
  minimax: (real, fake) => add(mean(softplus(scale(real, -1))), mean(softplus(fake))),
  non_saturating: (real, fake) => add(mean(softplus(scale(real, -1))), mean(softplus(fake))),
  least_squares: (real, fake) => scale(add(mean(square(shift(real, -1))), mean(square(fake))), 0.5),
  hinge: (real, fake) => add(mean(leaky(shift(scale(real, -1), 1), 0)), mean(leaky(shift(fake, 1), 0))),
  wasserstein: (real, fake) => subtract(mean(fake), mean(real)),
  relativistic: (real, fake) => mean(softplus(subtract(fake, real))),
};

const GENERATOR_LOSSES = {
  minimax: (real, fake) => scale(mean(softplus(fake)), -1),
  non_saturating: (real, fake) => mean(softplus(scale(fake, -1))),
  least_squares: (real, fake) => scale(mean(square(shift(fake, -1))), 0.5),
  hinge: (real, fake) => scale(mean(fake), -1),
  wasserstein: (real, fake) => scale(mean(fake), -1),
  relativistic: (real, fake) => mean(softplus(subtract(real, fake))),
};

// By name: what a rule remembers of each weight, and its step: how far element i of a weight w moves.
const RULES = {
  sgd: () => (g, i, rate) => rate * g,
  momentum: (size, { beta1 }) => {
    const velocity = new Float64Array(size);
    return (g, i, rate) => {
      velocity[i] = beta1 * velocity[i] + g;
      return rate * velocity[i];
    };
  },
  rmsprop: (size, { beta2, epsilon }) => {
    const v = new Float64Array(size);
    return (g, i, rate) => {
      v[i] += (1 - beta2) * (g * g - v[i]);
      return rate * g / (Math.sqrt(v[i]) + epsilon);
    };
  },
  adam: (size, { beta1, beta2, epsilon }) => {
    const [m, v] = [new Float64Array(size), new Float64Array(size)];
    return (g, i, rate, t) => {
      m[i] += (1 - beta1) * (g - m[i]);
      v[i] += (1 - beta2) * (g * g - v[i]);
      return rate * (m[i] / (1 - beta1 ** t)) / (Math.sqrt(v[i] / (1 - beta2 ** t)) + epsilon);
    };
  },
};

// Dense layers; their weights by He's rule, biases 0.
class Network {
  constructor(random, inputs, outputs, { hidden, slope, last_gain: lastGain = 1 }) {
    this.slope = slope;
    const sizes = [inputs, ...hidden, outputs];
    this.weights = sizes.slice(1).flatMap((size, k) => {
      const gain = k === hidden.length ? lastGain : 1;
      const weight = random.normals(sizes[k] * size).map((z) => gain * (Math.sqrt(2 / sizes[k]) * z));
      return [new Matrix(sizes[k], size, weight), filled(1, size, 0)];
    });
  }

  call(x) {
    return dense(this.weights, x, this.slope);
  }
}

class Player {
  constructor(network, optimiser, clip) {
    Object.assign(this, { network, optimiser, clip, updates: 0 });
    this.rules = network.weights.map((weight) => RULES[optimiser.name](weight.data.length, optimiser));
  }

  // One update against the gradient of the objective; new matrices, so that nothing leads back into the past.
  learn(objective) {
    this.updates += 1;
    const rate = this.optimiser.learning_rate.start;
    const clipped = (value) => (this.clip ? Math.max(-this.clip, Math.min(this.clip, value)) : value);
    const slopes = gradients(objective, this.network.weights);
    this.network.weights = this.network.weights.map((weight, k) => new Matrix(weight.rows, weight.columns,
      weight.data.map((w, i) => clipped(w - this.rules[k](slopes[k].data[i], i, rate, this.updates)))));
  }
}

class Game {
  // recipe: as Recipe.to_json() writes it; all its schedules are constant.  mixture: means and sigma.
  constructor(recipe, mixture) {
    const [g, d] = [recipe.generator.settings, recipe.discriminator.settings];
    Object.assign(this, { recipe, mixture, latent: g.latent, step: 0, random: new Random(recipe.seed) });
    this.generator = new Player(new Network(this.random, g.latent, 2, g), recipe.generator_optimiser, 0);
    this.discriminator = new Player(new Network(this.random, 2, 1, d), recipe.discriminator_optimiser, recipe.clip);
  }

  real(random = this.random, count = this.recipe.batch) {
    const { means, sigma } = this.mixture;
    const modes = Array.from({ length: count }, () => random.integer(means.length));
    const points = random.normals(2 * count);
    return new Matrix(count, 2, points.map((z, i) => Math.fround(means[modes[i >> 1]][i % 2] + sigma * z)));
  }

  noise(random = this.random, count = this.recipe.batch) {
    return new Matrix(count, this.latent, random.normals(count * this.latent).map(Math.fround));
  }

  judge(x) {
    return this.discriminator.network.call(x);
  }

  generate(noise) {
    return this.generator.network.call(noise);
  }

  // The logits, and the squared length of the slope at each point.
  slopes(x) {
    const logits = this.judge(x);
    return [logits, sumOfColumns(square(gradients(logits, [x])[0]))];
  }

  penalty(real, fake, weights) {
    const { r1, r2, gradient_penalty: lambda } = this.recipe;
    let sum = filled(1, 1, 0);
    if (r1.start > 0) {
      sum = add(sum, scale(mean(this.slopes(real)[1]), r1.start / 2));
    }
    if (r2.start > 0) {
      sum = add(sum, scale(mean(this.slopes(fake)[1]), r2.start / 2));
    }
    if (lambda > 0) {
      const between = new Matrix(real.rows, 2,
        real.data.map((x, i) => weights[i >> 1] * x + (1 - weights[i >> 1]) * fake.data[i]));
      sum = add(sum, scale(mean(square(shift(root(this.slopes(between)[1]), -1))), lambda));
    }
    return sum;
  }

  discriminatorStep() {
    const real = this.real();
    const noise = this.noise();
    const weights = this.recipe.gradient_penalty > 0 &&
      Array.from({ length: this.recipe.batch }, () => this.random.uniformFloat32());
    const fake = this.generate(noise);
    const points = new Matrix(fake.rows, 2, fake.data); // the generator does not learn here
    const loss = DISCRIMINATOR_LOSSES[this.recipe.loss](this.judge(real), this.judge(points));
    const penalty = this.penalty(real, points, weights);
    this.discriminator.learn(add(loss, penalty));
    return [loss.data[0], penalty.data[0]];
  }

  generatorStep() {
    const fake = this.judge(this.generate(this.noise()));
    const real = this.recipe.loss === "relativistic" ? this.judge(this.real()) : null;
    const loss = GENERATOR_LOSSES[this.recipe.loss](real, fake);
    this.generator.learn(loss);
    return loss.data[0];
  }

  // One round: discriminator loss, penalty and generator loss before the updates.
  round() {
    let losses = [];
    for (let k = 0; k < this.recipe.discriminator_steps; k += 1) {
      losses = this.discriminatorStep();
    }
    this.step += 1;
    return [...losses, this.generatorStep()];
  }

  // Points from noise that stays the same.
  sample(count, seed = 0) {
    return this.generate(this.noise(new Random(seed), count));
  }

  // How many modes are the nearest to a point within three standard deviations, and the share of such points.
  coverage(points) {
    const { means, sigma } = this.mixture;
    const captured = new Set();
    let good = 0;
    for (let i = 0; i < points.rows; i += 1) {
      const distances = means.map(([x, y]) => Math.hypot(points.data[2 * i] - x, points.data[2 * i + 1] - y));
      const least = Math.min(...distances);
      if (least <= 3 * sigma) {
        captured.add(distances.indexOf(least));
        good += 1;
      }
    }
    return { modes: captured.size, share: good / points.rows };
  }
}
