// Trains a GAN on points of the plane inside the figure that ganbook.playground writes.  Nothing moves before the
// reader presses Start, and it stops when the figure is out of view.

// The drawing: the same strings as ganbook.playground writes for the still picture.
class Plot {
  constructor(figure, frame) {
    Object.assign(this, { figure, frame });
    const { cells, reach } = frame;
    const middle = (i) => ((i + 0.5) / cells * 2 - 1) * reach;
    this.cells = new Matrix(cells * cells, 2, Float64Array.from({ length: 2 * cells * cells },
      (_, k) => (k % 2 ? -middle(Math.floor((k >> 1) / cells)) : middle((k >> 1) % cells))));
  }

  set(part, value) {
    this.figure.querySelector(".ganbook-" + part).setAttribute("d", value);
  }

  points(part, points) {
    const { side, reach } = this.frame;
    const pixel = (value, i) => ((i % 2 ? -value : value) / reach + 1) / 2 * side;
    let drawn = "";
    for (let i = 0; i < points.data.length; i += 2) {
      const [x, y] = [pixel(points.data[i], 0), pixel(points.data[i + 1], 1)];
      drawn += x >= 0 && x <= side && y >= 0 && y <= side ? `M${x.toFixed(1)} ${y.toFixed(1)}h0` : "";
    }
    this.set(part, drawn);
  }

  surface(logits) {
    const { cells, side, levels } = this.frame;
    const [low, high] = [Math.min(...logits), Math.max(...logits)];
    const drawn = Array(levels).fill("");
    const size = side / cells;
    logits.forEach((value, k) => {
      const level = Math.min(levels - 1, Math.floor((value - low) / (high - low || 1) * levels));
      drawn[level] += `M${k % cells * size} ${Math.floor(k / cells) * size}h${size}v${size}h-${size}z`;
    });
    drawn.forEach((path, level) => this.set("level-" + level, path));
    return [low, high];
  }

  curves(history) {
    const { side, tall } = this.frame;
    const names = ["discriminator", "generator"];
    const all = names.flatMap((name) => history[name]);
    const [low, high] = all.length ? [Math.min(...all), Math.max(...all)] : [0, 1];
    const last = Math.max(1, history.step.at(-1) ?? 1);
    names.forEach((name) => this.set(name + "-loss", history[name].map((value, i) =>
      `${i ? "L" : "M"}${(history.step[i] / last * side).toFixed(1)} ` +
      `${((high - value) / (high - low || 1) * tall).toFixed(1)}`).join("")));
    this.figure.querySelector(".ganbook-high").textContent = shown(high);
    this.figure.querySelector(".ganbook-low").textContent = shown(low);
    this.figure.querySelector(".ganbook-last").textContent = "step " + last;
  }
}

function shown(value) {
  return value.toFixed(2).replace("-", "−");
}

class Trainer {
  constructor(figure) {
    this.figure = figure;
    this.data = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    this.plot = new Plot(figure, this.data.frame);
    this.form = figure.querySelector("form");
    this.button = figure.querySelector(".ganbook-start");
    this.running = false;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", () => this.reset("New choice"));
    this.button.addEventListener("click", () => (this.running ? this.pause("Paused") : this.start()));
    figure.querySelector(".ganbook-step").addEventListener("click", () => {
      this.pause();
      this.advance(1);
      this.draw();
      this.say("One step");
    });
    figure.querySelector(".ganbook-reset").addEventListener("click", () => this.reset("Reset"));
    document.addEventListener("visibilitychange", () => document.hidden && this.pause("Paused"));
    new IntersectionObserver((entries) => entries.at(-1).isIntersecting || this.pause("Paused")).observe(figure);
    this.form.hidden = false;
    figure.dataset.ready = "yes";
  }

  // The recipe that the form names.
  recipe() {
    const chosen = Object.fromEntries(new FormData(this.form));
    const optimiser = (rate) => ({ ...this.data.optimisers[chosen.optimiser],
      learning_rate: { start: Number(chosen[rate]), end: 0, kind: "constant" } });
    return {
      ...this.data.recipe, ...this.data.penalties[chosen.penalty], loss: chosen.loss, data: chosen.data,
      discriminator_steps: Number(chosen.discriminator_steps),
      seed: Math.max(0, Math.min(4294967295, Math.floor(Number(chosen.seed)) || 0)),
      generator_optimiser: optimiser("generator_rate"), discriminator_optimiser: optimiser("discriminator_rate"),
    };
  }

  begin() {
    const recipe = this.recipe();
    this.game = new Game(recipe, this.data.mixtures[recipe.data]);
    this.history = { step: [], discriminator: [], generator: [] };
    this.every = 1;
    this.finite = true;
    this.plot.points("real", this.game.real(new Random(1), this.data.frame.points));
  }

  reset(why) {
    this.pause();
    this.begin();
    this.draw();
    this.say(why);
  }

  advance(count) {
    if (!this.game) {
      this.begin();
    }
    for (let k = 0; k < count && this.finite; k += 1) {
      const [discriminator, , generator] = this.losses = this.game.round();
      this.finite = this.losses.every(Number.isFinite);
      if (this.finite && this.game.step % this.every === 0) {
        this.keep(discriminator, generator);
      }
    }
  }

  // Of a long run every so many steps, so that a curve stays short.
  keep(discriminator, generator) {
    const { history } = this;
    history.step.push(this.game.step);
    history.discriminator.push(discriminator);
    history.generator.push(generator);
    if (history.step.length > this.data.frame.kept) {
      this.every *= 2;
      Object.keys(history).forEach((name) => { history[name] = history[name].filter((_, i) => i % 2); });
    }
  }

  start() {
    if (!this.game) {
      this.begin();
    }
    this.running = true;
    this.button.textContent = "Pause";
    this.said = performance.now();
    this.say("Started");
    const work = () => {
      if (!this.running || !this.figure.isConnected) {
        return;
      }
      // Short pieces of work between frames keep the page alive; with reduced motion a new picture comes every second.
      const begun = performance.now();
      const wait = this.calm.matches ? 1000 : 100;
      while (performance.now() - begun < 40 && this.finite) {
        this.advance(1);
      }
      if (!this.finite) {
        this.pause();
        this.draw();
        this.say("Stopped: a loss is no longer finite");
        return;
      }
      if (begun - (this.drawn ?? -Infinity) >= wait) {
        this.drawn = begun;
        this.draw();
      }
      if (begun - this.said > 5000) {
        this.said = begun;
        this.say("Training");
      }
      this.timer = setTimeout(work, 8);
    };
    work();
  }

  pause(why) {
    if (this.running) {
      this.running = false;
      clearTimeout(this.timer); // else a quick Start would make two of it
      this.button.textContent = "Start";
      this.draw();
      if (why) {
        this.say(why);
      }
    }
  }

  draw() {
    const points = this.game.sample(this.data.frame.points);
    this.plot.points("generated", points);
    const range = this.plot.surface(Array.from(this.game.judge(this.plot.cells).data));
    this.plot.curves(this.history);
    const { modes, share } = this.game.coverage(points);
    const losses = this.losses && this.game.step ? `; losses: discriminator ${shown(this.losses[0])}` +
      `, generator ${shown(this.losses[2])}` : "";
    this.state = `step ${this.game.step}; modes covered: ${modes} of ${this.game.mixture.means.length}; ` +
      `close to a mode: ${Math.round(100 * share)} %${losses}; logits from ${range.map(shown).join(" to ")}`;
    this.figure.querySelector(".ganbook-state").textContent = this.state;
  }

  say(why) { // to a screen reader, at a modest rate
    this.figure.querySelector("[role=status]").textContent = why + (this.state ? ": " + this.state : "");
  }
}

document.querySelectorAll("figure.ganbook-points:not([data-ready])").forEach((figure) => {
  figure.trainer = new Trainer(figure);
});
