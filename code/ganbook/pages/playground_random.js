// The random numbers of numpy.random.default_rng(seed), draw for draw: SeedSequence, PCG64 and the ziggurat.
// References: O'Neill, PCG, 2014 (PCG64 is XSL RR 128/64); Marsaglia and Tsang, The Ziggurat Method for Generating
// Random Variables, Journal of Statistical Software 5(8), 2000; Lemire, Fast Random Integer Generation in an
// Interval, 2019, arXiv:1805.10941.

// The tables of the ziggurat: 256 layers of one area below exp(-x^2 / 2), the outermost with the tail beyond r.
function zigguratTables() {
  const [r, area, full] = [3.6541528853610087963519472518, 0.004928673233974655, 2 ** 52];
  const density = (x) => Math.exp(-0.5 * x * x);
  const [limit, width, height] = [new Float64Array(256), new Float64Array(256), new Float64Array(256)];
  const base = area / density(r);
  [limit[0], width[0], height[0]] = [Math.floor(r / base * full), base / full, 1];
  [width[255], height[255]] = [r / full, density(r)];
  for (let i = 254, outer = r; i > 0; i -= 1) {
    const x = Math.sqrt(-2 * Math.log(area / outer + density(outer)));
    [limit[i + 1], width[i], height[i]] = [Math.floor(x / outer * full), x / full, density(x)];
    outer = x;
  }
  return { limit, width, height, r };
}

class Random {
  static MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645n;
  static ZIGGURAT = zigguratTables();

  constructor(seed) {
    const words = Random.entropy(seed);
    const wide = (k) => BigInt(words[k]) | BigInt(words[k + 1]) << 32n;
    this.increment = BigInt.asUintN(128, (wide(4) << 64n | wide(6)) << 1n | 1n);
    this.state = this.increment; // one step from the state 0
    this.state = BigInt.asUintN(128, this.state + (wide(0) << 64n | wide(2)));
    this.step();
    this.kept = null; // the upper half of a 64-bit draw that gave its lower half
  }

  // SeedSequence(seed).generate_state(8): eight words of 32 bits, for a seed below 2^32.
  static entropy(seed) {
    let constant = 0x43B0D7E5;
    const hash = (value, factor) => {
      value ^= constant;
      constant = Math.imul(constant, factor);
      value = Math.imul(value, constant);
      return (value ^ value >>> 16) >>> 0;
    };
    const pool = [seed >>> 0, 0, 0, 0].map((value) => hash(value, 0x931E8875));
    for (let from = 0; from < 4; from += 1) {
      for (let to = 0; to < 4; to += 1) {
        if (from !== to) {
          const mixed = Math.imul(0xCA01F9DD, pool[to]) - Math.imul(0x4973F715, hash(pool[from], 0x931E8875)) | 0;
          pool[to] = (mixed ^ mixed >>> 16) >>> 0;
        }
      }
    }
    constant = 0x8B51F9DD;
    return Array.from({ length: 8 }, (_, i) => hash(pool[i % 4], 0x58F38DED));
  }

  step() {
    this.state = BigInt.asUintN(128, this.state * Random.MULTIPLIER + this.increment);
  }

  // 64 bits, as the pair of their upper and their lower half.
  bits64() {
    this.step();
    const mixed = BigInt.asUintN(64, this.state >> 64n ^ this.state);
    const turn = this.state >> 122n;
    const turned = BigInt.asUintN(64, mixed >> turn | mixed << (64n - turn));
    return [Number(turned >> 32n), Number(turned & 0xFFFFFFFFn)];
  }

  bits32() {
    if (this.kept !== null) {
      const kept = this.kept;
      this.kept = null;
      return kept;
    }
    const [upper, lower] = this.bits64();
    this.kept = upper;
    return lower;
  }

  // random(): uniform on [0, 1), 53 bits.
  uniform() {
    const [upper, lower] = this.bits64();
    return (upper * 2 ** 21 + (lower >>> 11)) / 2 ** 53;
  }

  // random(dtype=float32): uniform on [0, 1), 24 bits.
  uniformFloat32() {
    return (this.bits32() >>> 8) / 2 ** 24;
  }

  // integers(count): uniform on 0, ..., count - 1, for a count from 1 to 2^32 - 1.
  integer(count) {
    if (count === 1) {
      return 0;
    }
    const refused = (2 ** 32 - count) % count;
    for (;;) {
      const product = BigInt(this.bits32()) * BigInt(count);
      if (Number(product & 0xFFFFFFFFn) >= refused) {
        return Number(product >> 32n);
      }
    }
  }

  // standard_normal().
  normal() {
    const { limit, width, height, r } = Random.ZIGGURAT;
    for (;;) {
      const [upper, lower] = this.bits64();
      const layer = lower & 0xff;
      const place = (upper & 0x1FFFFFFF) * 2 ** 23 + (lower >>> 9);
      const x = (lower & 0x100 ? -1 : 1) * place * width[layer];
      if (place < limit[layer]) {
        return x;
      }
      if (layer > 0) {
        if ((height[layer - 1] - height[layer]) * this.uniform() + height[layer] < Math.exp(-0.5 * x * x)) {
          return x;
        }
        continue;
      }
      for (;;) { // the tail beyond r
        const beyond = -Math.log1p(-this.uniform()) / r;
        const other = -Math.log1p(-this.uniform());
        if (2 * other > beyond * beyond) {
          return Math.floor(place / 256) % 2 ? -(r + beyond) : r + beyond;
        }
      }
    }
  }

  normals(count) {
    return Float64Array.from({ length: count }, () => this.normal());
  }
}
