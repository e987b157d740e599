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

// Plain loops below, since they run in a page some hundred times a second.
function mapped(a, f, pull) {
  const data = new Float64Array(a.data.length);
  for (let i = 0; i < data.length; i += 1) {
    data[i] = f(a.data[i]);
  }
  return new Matrix(a.rows, a.columns, data, [a], pull);
}

function add(a, b) {
  const data = new Float64Array(a.data.length);
  for (let i = 0; i < data.length; i += 1) {
    data[i] = a.data[i] + b.data[i];
  }
  return new Matrix(a.rows, a.columns, data, [a, b], (g) => g);
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
  const data = new Float64Array(a.data.length);
  for (let i = 0; i < data.length; i += 1) {
    data[i] = a.data[i] * b.data[i];
  }
  return new Matrix(a.rows, a.columns, data, [a, b], (g, i) => times(g, i === 0 ? b : a));
}

function square(a) {
  return times(a, a);
}

function turned(a) { // the numbers of the transpose
  const data = new Float64Array(a.data.length);
  for (let i = 0; i < a.rows; i += 1) {
    for (let j = 0; j < a.columns; j += 1) {
      data[j * a.rows + i] = a.data[i * a.columns + j];
    }
  }
  return data;
}

// The product of a and b, each of them transposed on request.
function product(a, b, turnA = false, turnB = false) {
  const [rows, inner] = turnA ? [a.columns, a.rows] : [a.rows, a.columns];
  const columns = turnB ? b.rows : b.columns;
  const [left, right] = [turnA ? turned(a) : a.data, turnB ? turned(b) : b.data];
  const data = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i += 1) {
    for (let k = 0; k < inner; k += 1) {
      const factor = left[i * inner + k];
      for (let j = 0; j < columns; j += 1) {
        data[i * columns + j] += factor * right[k * columns + j];
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
  for (let i = 0; i < a.rows; i += 1) {
    for (let j = 0; j < a.columns; j += 1) {
      data[j] += a.data[i * a.columns + j];
    }
  }
  return new Matrix(1, a.columns, data, [a], (g) => repeatedRow(g, a.rows));
}

function repeatedRow(a, rows) { // (1, m) to (n, m)
  const data = new Float64Array(rows * a.columns);
  for (let i = 0; i < rows; i += 1) {
    data.set(a.data, i * a.columns);
  }
  return new Matrix(rows, a.columns, data, [a], sumOfRows);
}

function sumOfColumns(a) { // (n, m) to (n, 1)
  const data = new Float64Array(a.rows);
  for (let i = 0; i < a.rows; i += 1) {
    for (let j = 0; j < a.columns; j += 1) {
      data[i] += a.data[i * a.columns + j];
    }
  }
  return new Matrix(a.rows, 1, data, [a], (g) => repeatedColumn(g, a.columns));
}

function repeatedColumn(a, columns) { // (n, 1) to (n, m)
  const data = new Float64Array(a.rows * columns);
  for (let i = 0; i < a.rows; i += 1) {
    data.fill(a.data[i], i * columns, (i + 1) * columns);
  }
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

// Dense layers, (weight, bias) after (weight, bias), with leaky ReLUs between them.
function dense(weights, x, slope) {
  for (let k = 0; k < weights.length; k += 2) {
    x = add(product(x, weights[k]), repeatedRow(weights[k + 1], x.rows));
    x = k + 2 < weights.length ? leaky(x, slope) : x;
  }
  return x;
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
