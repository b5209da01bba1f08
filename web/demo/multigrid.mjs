// Laplace's equation on any set of pixels by multigrid, as core/multigrid.py solves it; the reasons
// are explained there. All arrays go row by row. right[i] and down[i] are 0 where the grid ends, so
// that most loops need not look where they are.

const CYCLES = 2;
const DIRECT_PX = 8;
const MAX_GROUND = 2;
const STEPS = [0.562, 1.388];
const TINY = 1e-30;

/** A symmetric matrix A with the links of a grid, and memory for solving A x = b. */
class Grid {
  constructor(width, height, side) {
    Object.assign(this, { width, height, side, size: width * height });
    for (const name of ["right", "down", "ground", "share"]) this[name] = this.plane();
    for (const name of ["diagonal", "inverse", "unknown", "gain"]) this[name] = this.plane();
    for (const name of ["b", "x", "spare"]) this[name] = this.plane();
  }

  plane() {
    return new Float32Array(this.size);
  }

  static ofPixels(unknown, width, height) {
    const grid = new Grid(width, height, 1);
    for (let y = 0, i = 0; y < height; y++)
      for (let x = 0; x < width; x++, i++) {
        if (!unknown[i]) continue;
        grid.share[i] = 1;
        if (x > 0 && !unknown[i - 1]) grid.ground[i]++;
        if (x + 1 < width) unknown[i + 1] ? (grid.right[i] = 1) : grid.ground[i]++;
        if (y > 0 && !unknown[i - width]) grid.ground[i]++;
        if (y + 1 < height) unknown[i + width] ? (grid.down[i] = 1) : grid.ground[i]++;
      }
    return grid.finished();
  }

  /** Join 2 x 2 pixels: two links in parallel, each of twice the length. */
  coarser() {
    const { width, height } = this;
    const coarse = new Grid((width + 1) >> 1, (height + 1) >> 1, 2 * this.side);
    for (let y = 0, i = 0; y < height; y++)
      for (let x = 0; x < width; x++, i++) {
        const to = (y >> 1) * coarse.width + (x >> 1);
        coarse.ground[to] += this.ground[i];
        coarse.share[to] += this.share[i] / 4;
        if (x & 1) coarse.right[to] += this.right[i] / 2;
        if (y & 1) coarse.down[to] += this.down[i] / 2;
      }
    return coarse.finished();
  }

  finished() {
    const { right, down, ground, width } = this;
    for (let i = 0; i < this.size; i++) {
      const distance = Math.max(this.side * (this.share[i] - 0.5) + 0.5, 0.5);
      this.gain[i] = Math.max(1 / distance, MAX_GROUND / Math.max(ground[i], MAX_GROUND));
      let sum = ground[i] * this.gain[i] + right[i] + down[i];
      if (i > 0) sum += right[i - 1];
      if (i >= width) sum += down[i - width];
      this.diagonal[i] = sum;
      this.unknown[i] = sum > 0 ? 1 : 0;
      this.inverse[i] = sum > 0 ? 1 / sum : 0;
    }
    return this;
  }

  /** Set result = A x. */
  apply(x, result) {
    const { diagonal, right, down, width, size } = this;
    const edge = (i) => {
      let sum = diagonal[i] * x[i];
      if (i > 0) sum -= right[i - 1] * x[i - 1];
      if (i + 1 < size) sum -= right[i] * x[i + 1];
      if (i >= width) sum -= down[i - width] * x[i - width];
      if (i + width < size) sum -= down[i] * x[i + width];
      result[i] = sum;
    };
    const last = Math.max(size - width, width);
    for (let i = 0; i < Math.min(width, size); i++) edge(i);
    for (let i = width; i < last; i++)
      result[i] =
        diagonal[i] * x[i] -
        right[i - 1] * x[i - 1] -
        right[i] * x[i + 1] -
        down[i - width] * x[i - width] -
        down[i] * x[i + width];
    for (let i = last; i < size; i++) edge(i);
  }

  /** Take a Jacobi step of x towards A x = b. */
  smooth(step) {
    const { x, b, spare, inverse } = this;
    this.apply(x, spare);
    for (let i = 0; i < x.length; i++) x[i] += inverse[i] * step * (b[i] - spare[i]);
  }

  /** Return the rows of 1 / A by Gauss and Jordan; of 1 where nothing is unknown. */
  inverted() {
    const n = this.size;
    const rows = Array.from({ length: n }, () => new Float64Array(2 * n));
    for (let j = 0; j < n; j++) {
      this.x.fill(0)[j] = 1;
      this.apply(this.x, this.spare);
      for (let i = 0; i < n; i++) rows[i][j] = this.spare[i];
      rows[j][j] += 1 - this.unknown[j];
      rows[j][n + j] = 1;
    }
    for (let j = 0; j < n; j++) {
      const pivot = rows[j][j]; // above 0: A is positive definite
      for (let k = j; k < 2 * n; k++) rows[j][k] /= pivot;
      for (let i = 0; i < n; i++) {
        const factor = rows[i][j];
        if (i !== j && factor) for (let k = j; k < 2 * n; k++) rows[i][k] -= factor * rows[j][k];
      }
    }
    return rows.map((row) => row.subarray(n));
  }
}

/** Set result = inverse b. */
function solveDirectly(b, inverse, result) {
  for (let i = 0; i < b.length; i++) {
    let sum = 0;
    for (let j = 0; j < b.length; j++) sum += inverse[i][j] * b[j];
    result[i] = sum;
  }
}

/** Return a plane of the fine size: both sides doubled, linearly between pixel centres, and cut. */
function interpolate(x, width, height, fineWidth, fineHeight) {
  const result = new Float32Array(fineWidth * fineHeight);
  const row = new Float32Array(width);
  for (let y = 0; y < fineHeight; y++) {
    const near = (y >> 1) * width;
    const far = Math.min(Math.max((y >> 1) + (y & 1 ? 1 : -1), 0), height - 1) * width;
    for (let c = 0; c < width; c++) row[c] = 0.75 * x[near + c] + 0.25 * x[far + c];
    for (let c = 0, i = y * fineWidth; c < fineWidth; c++, i++) {
      const at = c >> 1;
      const beside = c & 1 ? Math.min(at + 1, width - 1) : Math.max(at - 1, 0);
      result[i] = 0.75 * row[at] + 0.25 * row[beside];
    }
  }
  return result;
}

/** Set result to the transpose of `interpolate` of x. */
function restrict(x, width, height, result, coarseWidth, coarseHeight) {
  result.fill(0);
  const row = new Float32Array(coarseWidth);
  for (let y = 0; y < height; y++) {
    row.fill(0);
    for (let c = 0, i = y * width; c < width; c++, i++) {
      const at = c >> 1;
      row[at] += 0.75 * x[i];
      row[c & 1 ? Math.min(at + 1, coarseWidth - 1) : Math.max(at - 1, 0)] += 0.25 * x[i];
    }
    const near = (y >> 1) * coarseWidth;
    const far = Math.min(Math.max((y >> 1) + (y & 1 ? 1 : -1), 0), coarseHeight - 1) * coarseWidth;
    for (let c = 0; c < coarseWidth; c++) {
      result[near + c] += 0.75 * row[c];
      result[far + c] += 0.25 * row[c];
    }
  }
}

/** Interpolate values, known where `known` is above 0, to a plane of the fine size. */
export function enlarge(x, known, width, height, fineWidth, fineHeight) {
  const filled = Float32Array.from(x);
  for (let y = 0, i = 0; y < height; y++)
    for (let c = 0; c < width; c++, i++) {
      if (known[i] > 0) continue;
      let [sum, count] = [0, 0];
      for (let v = Math.max(y - 1, 0); v < Math.min(y + 2, height); v++)
        for (let u = Math.max(c - 1, 0); u < Math.min(c + 2, width); u++) {
          sum += x[v * width + u];
          count += known[v * width + u];
        }
      filled[i] = sum / Math.max(count, 1);
    }
  return interpolate(filled, width, height, fineWidth, fineHeight);
}

/** Solve A x = b of the first grid roughly, from its b to its x: one symmetric V-cycle. */
function vCycle(grids, inverse, first = 0) {
  const [grid, next] = [grids[first], grids[first + 1]];
  const { b, x, spare } = grid;
  if (!next) return solveDirectly(b, inverse, x);
  for (let i = 0; i < x.length; i++) x[i] = b[i] * grid.inverse[i] * STEPS[0];
  grid.smooth(STEPS[1]);
  grid.apply(x, spare);
  for (let i = 0; i < x.length; i++) spare[i] = b[i] - spare[i];
  restrict(spare, grid.width, grid.height, next.b, next.width, next.height);
  for (let i = 0; i < next.size; i++) next.b[i] *= next.unknown[i];
  vCycle(grids, inverse, first + 1);
  const fine = interpolate(next.x, next.width, next.height, grid.width, grid.height);
  for (let i = 0; i < x.length; i++) x[i] += fine[i] * grid.unknown[i];
  grid.smooth(STEPS[1]);
  grid.smooth(STEPS[0]);
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** Bring x towards A x = b, in place: conjugate gradients, preconditioned by a V-cycle. */
function improve(grids, inverse, first, source, x) {
  const grid = grids[first];
  const { b: residual, spare } = grid;
  grid.apply(x, spare);
  for (let i = 0; i < x.length; i++) residual[i] = source[i] * grid.gain[i] - spare[i];
  const direction = new Float32Array(x.length);
  let previous = Infinity;
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    vCycle(grids, inverse, first);
    const energy = dot(residual, grid.x);
    const keep = energy / Math.max(previous, TINY);
    for (let i = 0; i < x.length; i++) direction[i] = direction[i] * keep + grid.x[i];
    previous = energy;
    grid.apply(direction, spare);
    const length = energy / Math.max(dot(direction, spare), TINY);
    for (let i = 0; i < x.length; i++) {
      x[i] += direction[i] * length;
      residual[i] -= spare[i] * length;
    }
  }
}

/** Harmonic functions on one set of unknown pixels [h, w], 0 or 1, somewhere 0. */
export class Laplace {
  constructor(unknown, width, height) {
    this.grids = [Grid.ofPixels(unknown, width, height)];
    while (Math.max(this.grids.at(-1).width, this.grids.at(-1).height) > DIRECT_PX)
      this.grids.push(this.grids.at(-1).coarser());
    this.inverse = this.grids.at(-1).inverted();
  }

  /** Return the function with these values beside unknown pixels; 0 where not unknown. */
  solve(values) {
    const { grids, inverse } = this;
    const sources = this.sources(values);
    const last = grids.at(-1);
    for (let i = 0; i < last.size; i++) last.b[i] = sources.at(-1)[i] * last.gain[i];
    let x = last.plane();
    solveDirectly(last.b, inverse, x);
    for (let first = grids.length - 2; first >= 0; first--) {
      const [grid, from] = [grids[first], grids[first + 1]];
      x = enlarge(x, from.unknown, from.width, from.height, grid.width, grid.height);
      for (let i = 0; i < x.length; i++) x[i] *= grid.unknown[i];
      improve(grids, inverse, first, sources[first], x);
    }
    return x;
  }

  /** Return for each grid the sum of the known values beside its unknown pixels. */
  sources(values) {
    const { width, height, share, size } = this.grids[0];
    const finest = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      if (!share[i]) continue;
      const x = i % width;
      if (x > 0 && !share[i - 1]) finest[i] += values[i - 1];
      if (x + 1 < width && !share[i + 1]) finest[i] += values[i + 1];
      if (i >= width && !share[i - width]) finest[i] += values[i - width];
      if (i < size - width && !share[i + width]) finest[i] += values[i + width];
    }
    const sources = [finest];
    for (const { width, height } of this.grids.slice(0, -1))
      sources.push(sumOfSquares(sources.at(-1), width, height));
    return sources;
  }
}

/** Add up squares of 2 x 2 pixels. */
function sumOfSquares(x, width, height) {
  const half = (width + 1) >> 1;
  const result = new Float32Array(half * ((height + 1) >> 1));
  for (let y = 0, i = 0; y < height; y++)
    for (let c = 0; c < width; c++, i++) result[(y >> 1) * half + (c >> 1)] += x[i];
  return result;
}
