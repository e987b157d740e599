// Matrices that remember what they were computed from, and their derivatives.  A derivative is computed by the same
// operations as everything else, so it can itself be differentiated: a penalty on a gradient needs that.
// Reference: Baydin, Pearlmutter, Radul and Siskind, Automatic Differentiation in Machine Learning: a Survey,
// Journal of Machine Learning Research 18, 2018, section 3.2 (the reverse mode), arXiv:1502.05767.

class Matrix {
  static made = 0;

  // pull(g, i): given g, the derivative of some number by this matrix, its derivative by the i-th source.
  constructor(rows, columns, data, sources = [], pull = null) {
    Object.assign(this, { rows, columns, data, sources, pull, order: Matrix.made });
    Matrix.made += 1;
  }
}

function filled(rows, columns, value) {
  return new Matrix(rows, columns, new Float64Array(rows * columns).fill(value));
}

function mapped(a, f, pull) {
  return new Matrix(a.rows, a.columns, a.data.map(f), [a], pull);
}

function add(a, b) {
  return new Matrix(a.rows, a.columns, a.data.map((value, i) => value + b.data[i]), [a, b], (g) => g);
}

function scale(a, factor) {
  return mapped(a, (value) => value * factor, (g) => scale(g, factor));
}

function shift(a, summand) {
  return mapped(a, (value) => value + summand, (g) => g);
}

function subtract(a, b) {
  return add(a, scale(b, -1));
}

// Element by element.
function times(a, b) {
  return new Matrix(a.rows, a.columns, a.data.map((value, i) => value * b.data[i]), [a, b],
    (g, i) => times(g, i === 0 ? b : a));
}

function square(a) {
  return times(a, a);
}

// The product of a and b, each of them transposed on request.
function product(a, b, turnA = false, turnB = false) {
  const [rows, inner] = turnA ? [a.columns, a.rows] : [a.rows, a.columns];
  const columns = turnB ? b.rows : b.columns;
  const [rowA, innerA] = turnA ? [1, a.columns] : [a.columns, 1];
  const [innerB, columnB] = turnB ? [1, b.columns] : [b.columns, 1];
  const data = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i += 1) {
    for (let k = 0; k < inner; k += 1) {
      const factor = a.data[i * rowA + k * innerA];
      for (let j = 0, at = i * columns, from = k * innerB; j < columns; j += 1, at += 1, from += columnB) {
        data[at] += factor * b.data[from];
      }
    }
  }
  return new Matrix(rows, columns, data, [a, b], (g, i) => {
    if (i === 0) {
      return turnA ? product(b, g, turnB, true) : product(g, b, false, !turnB);
    }
    return turnB ? product(g, a, true, turnA) : product(a, g, !turnA, false);
  });
}

function sumOfRows(a) { // (n, m) to (1, m)
  const data = new Float64Array(a.columns);
  a.data.forEach((value, i) => { data[i % a.columns] += value; });
  return new Matrix(1, a.columns, data, [a], (g) => repeatedRow(g, a.rows));
}

function repeatedRow(a, rows) { // (1, m) to (n, m)
  const data = Float64Array.from({ length: rows * a.columns }, (_, i) => a.data[i % a.columns]);
  return new Matrix(rows, a.columns, data, [a], sumOfRows);
}

function sumOfColumns(a) { // (n, m) to (n, 1)
  const data = new Float64Array(a.rows);
  a.data.forEach((value, i) => { data[Math.floor(i / a.columns)] += value; });
  return new Matrix(a.rows, 1, data, [a], (g) => repeatedColumn(g, a.columns));
}

function repeatedColumn(a, columns) { // (n, 1) to (n, m)
  const data = Float64Array.from({ length: a.rows * columns }, (_, i) => a.data[Math.floor(i / columns)]);
  return new Matrix(a.rows, columns, data, [a], sumOfColumns);
}

function mean(a) { // of a column
  return scale(sumOfRows(a), 1 / a.rows);
}

function sigmoid(a) {
  const result = mapped(a, (x) => (x > 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))),
    (g) => times(g, times(result, shift(scale(result, -1), 1))));
  return result;
}

function softplus(a) {
  return mapped(a, (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), (g) => times(g, sigmoid(a)));
}

// max(x, slope x); with the slope 0 the positive part.
function leaky(a, slope) {
  return times(a, mapped(a, (x) => (x > 0 ? 1 : slope), (g) => scale(g, 0)));
}

// The root, with the derivative 0 where it has none, at 0.
function root(a) {
  const result = mapped(a, Math.sqrt, (g) => times(g, scale(inverse(result), 0.5)));
  return result;
}

// 1/x, and 0 at 0.
function inverse(a) {
  const result = mapped(a, (x) => (x === 0 ? 0 : 1 / x), (g) => scale(times(g, square(result)), -1));
  return result;
}

// The derivatives of the sum of all elements of a result by each of the matrices named.
function gradients(result, by) {
  const leads = new Map(); // whether a matrix depends on one of those named
  const visit = (node) => {
    if (!leads.has(node)) {
      const above = node.sources.map(visit);
      leads.set(node, by.includes(node) || above.includes(true));
    }
    return leads.get(node);
  };
  visit(result);
  const found = new Map([[result, filled(result.rows, result.columns, 1)]]);
  const path = [...leads.keys()].filter((node) => leads.get(node)).sort((one, other) => other.order - one.order);
  for (const node of path) {
    if (!found.has(node)) {
      continue;
    }
    node.sources.forEach((source, i) => {
      if (leads.get(source)) {
        const part = node.pull(found.get(node), i);
        found.set(source, found.has(source) ? add(found.get(source), part) : part);
      }
    });
  }
  return by.map((node) => found.get(node) ?? filled(node.rows, node.columns, 0));
}
