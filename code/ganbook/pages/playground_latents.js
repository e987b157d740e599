// Walks through the latent space of a trained generator, whose weights lie in the figure that ganbook.playground
// writes: the network runs here, in double precision.

function float16(bits) {
  const [exponent, fraction] = [bits >> 10 & 31, bits & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -size : size;
}

function unpacked({ shapes, weights }) {
  const bytes = Uint8Array.from(atob(weights), (letter) => letter.charCodeAt(0));
  const numbers = Float64Array.from(new Uint16Array(bytes.buffer), float16);
  let from = 0;
  return shapes.map(([rows, columns]) => {
    from += rows * columns;
    return new Matrix(rows, columns, numbers.slice(from - rows * columns, from));
  });
}

// Points of the plane between four corners, (across, down) from 0 to 1; normalised, each is again a standard normal
// vector if the corners are.
function between(corners, places, normalise) {
  const latent = corners.columns;
  const data = new Float64Array(places.length * latent);
  places.forEach(([across, down], n) => {
    const shares = [(1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down];
    const size = normalise ? Math.sqrt(shares.reduce((sum, share) => sum + share * share, 0)) : 1;
    for (let j = 0; j < latent; j += 1) {
      shares.forEach((share, k) => { data[n * latent + j] += share / size * corners.data[k * latent + j]; });
    }
  });
  return new Matrix(places.length, latent, data);
}

class Explorer {
  constructor(figure) {
    this.figure = figure;
    this.data = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    this.weights = unpacked(this.data);
    this.form = figure.querySelector("form");
    const { side } = this.data;
    this.places = Array.from({ length: side * side }, (_, k) => [k % side / (side - 1),
      Math.floor(k / side) / (side - 1)]);
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", (event) => this.show(event.target.type !== "range"));
    figure.querySelector(".ganbook-new").addEventListener("click", () => {
      this.form.elements.seed.value = this.seed() + 1;
      this.show(true);
    });
    figure.querySelectorAll(".ganbook-scripted").forEach((part) => { part.hidden = false; });
    figure.querySelector("img").hidden = true;
    figure.dataset.ready = "yes";
    this.show(true);
  }

  seed() {
    return Math.max(0, Math.min(4294967295, Math.floor(Number(this.form.elements.seed.value)) || 0));
  }

  pictures(places) {
    const corners = new Matrix(4, this.data.latent,
      new Random(this.seed()).normals(4 * this.data.latent).map(Math.fround));
    const noise = between(corners, places, this.form.elements.normalise.checked);
    return [mapped(dense(this.weights, noise, this.data.slope), Math.tanh), noise];
  }

  // Pictures side by side, with a grey line after each row and column of a grid.
  paint(canvas, pictures, columns) {
    const [height, width] = this.data.shape;
    const gap = columns > 1 ? 1 : 0;
    canvas.width = (width + gap) * columns;
    canvas.height = (height + gap) * pictures.rows / columns;
    const image = new ImageData(canvas.width, canvas.height);
    image.data.set(Array.from(image.data, (_, i) => (i % 4 === 3 ? 255 : 128)));
    pictures.data.forEach((value, i) => {
      const [n, pixel] = [Math.floor(i / (height * width)), i % (height * width)];
      const x = n % columns * (width + gap) + pixel % width;
      const y = Math.floor(n / columns) * (height + gap) + Math.floor(pixel / width);
      const grey = Math.round((value + 1) * 127.5);
      image.data.set([grey, grey, grey, 255], 4 * (y * canvas.width + x));
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  show(all) {
    const { side } = this.data;
    const place = ["across", "down"].map((name) => Number(this.form.elements[name].value) / 100);
    if (all) {
      this.paint(this.figure.querySelector(".ganbook-plane canvas"), this.pictures(this.places)[0], side);
    }
    const [picture, noise] = this.pictures([place]);
    this.picture = Array.from(picture.data);
    this.paint(this.figure.querySelector(".ganbook-one"), picture, 1);
    const marker = this.figure.querySelector(".ganbook-marker");
    [marker.style.left, marker.style.top] = place.map((x) => (x * (side - 1) + 0.5) / side * 100 + "%");
    const size = Math.hypot(...noise.data).toFixed(1);
    this.figure.querySelector(".ganbook-state").textContent = `Corners of seed ${this.seed()}; ` +
      `${place[0].toFixed(2)} across, ${place[1].toFixed(2)} down; length of z: ${size}`;
  }
}

document.querySelectorAll("figure.ganbook-latents:not([data-ready])").forEach((figure) => {
  figure.explorer = new Explorer(figure);
});
