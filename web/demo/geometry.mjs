// From a picture of any size to the network's square, and back, as core/geometry.py and
// core/square_crop.py do.
//
// Legend: W x H pixels of the picture, R the network's resolution. A crop is a square { top, left,
// side } that may reach beyond the picture; an area is { top, left, bottom, right }, the last two
// exclusive.

export const CROPS = ["picture", "hole"];
const MIN_SIDE_PX = 64;
const MARGIN = 0.25;

/** Return the box around all pixels above 0 of a mask [H x W], or null. */
export function extent(mask, width, height) {
  let [top, left, bottom, right] = [height, width, 0, 0];
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++)
      if (mask[i]) {
        if (y < top) top = y;
        if (x < left) left = x;
        if (x >= right) right = x + 1;
        bottom = y + 1;
      }
  return bottom ? { top, left, bottom, right } : null;
}

/** Return a box with a pixel more on each side, where the picture goes on. */
export function widened(box, width, height) {
  return {
    top: Math.max(box.top - 1, 0),
    left: Math.max(box.left - 1, 0),
    bottom: Math.min(box.bottom + 1, height),
    right: Math.min(box.right + 1, width),
  };
}

/** Return the square that the network sees: the whole picture, or a square around the hole. */
export function fitCrop(box, mode, width, height) {
  const longest = Math.max(width, height);
  let side = longest;
  if (mode === "hole") {
    const hole = Math.max(box.bottom - box.top, box.right - box.left);
    side = Math.min(Math.max(Math.ceil(hole * (1 + 2 * MARGIN)), MIN_SIDE_PX), longest);
  }
  return {
    top: place(box.top, box.bottom, side, height),
    left: place(box.left, box.right, side, width),
    side,
  };
}

function place(start, stop, side, length) {
  if (side >= length) return Math.floor((length - side) / 2);
  const centred = start + Math.floor((stop - start - side) / 2);
  return Math.min(Math.max(centred, 0), length - side);
}

/** Return the part of the picture that lies in a crop. */
export function areaOf(crop, width, height) {
  return {
    top: Math.max(crop.top, 0),
    left: Math.max(crop.left, 0),
    bottom: Math.min(crop.top + crop.side, height),
    right: Math.min(crop.left + crop.side, width),
  };
}

/**
 * Return how each of `to` pixels is summed up from `from` pixels, as PyTorch does with
 * antialias=True: the first pixel of each sum, and its weights, whose sum is 1.
 */
export function resizeWeights(from, to, kernel, reach) {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = scale * (i + 0.5);
    const first = Math.max(Math.trunc(centre - reach * stretch + 0.5), 0);
    const stop = Math.min(Math.trunc(centre + reach * stretch + 0.5), from);
    const weights = new Float64Array(stop - first);
    let total = 0;
    for (let j = 0; j < weights.length; j++)
      total += weights[j] = kernel((first + j - centre + 0.5) / stretch);
    return { first, weights: weights.map((weight) => weight / total) };
  });
}

export const linear = (x) => Math.max(1 - Math.abs(x), 0);

/** Keys' cubic with a = -0.5, as Pillow and PyTorch's antialiasing have it. */
export function cubic(x) {
  x = Math.abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/**
 * Return { erased: [3, R, R] in [-1, 1], valid: [R, R] }, both Float32Arrays, without a trace of the
 * erased pixels: each pixel is the mean of valid ones, and at least half of what it covers is valid.
 * What lies outside the picture counts as erased.
 *
 * rgba: [H, W, 4] bytes; mask: [H, W], above 0 where erased.
 */
export function extract(rgba, mask, width, height, crop, resolution) {
  const taps = resizeWeights(crop.side, resolution, linear, 1);
  const rows = sumRows(rgba, mask, width, areaOf(crop, width, height), crop, taps);
  const size = resolution * resolution;
  const erased = new Float32Array(3 * size);
  const valid = new Float32Array(size);
  const sum = new Float64Array(4);
  for (let y = 0; y < resolution; y++)
    for (let x = 0; x < resolution; x++) {
      sum.fill(0);
      const { first, weights } = taps[y];
      for (let j = 0; j < weights.length; j++) {
        const row = rows[first + j];
        if (row) for (let c = 0; c < 4; c++) sum[c] += weights[j] * row[4 * x + c];
      }
      if (sum[3] <= 0.5) continue;
      const at = y * resolution + x;
      valid[at] = 1;
      for (let c = 0; c < 3; c++) erased[c * size + at] = (sum[c] / sum[3] / 255) * 2 - 1;
    }
  return { erased, valid };
}

/** Resize each row of a crop: Float32Array [R, 4] of weighted colours and weight, by row. */
function sumRows(rgba, mask, width, area, crop, taps) {
  const rows = new Array(crop.side);
  for (let y = area.top; y < area.bottom; y++) {
    const row = new Float32Array(4 * taps.length);
    for (let x = 0; x < taps.length; x++) {
      const { first, weights } = taps[x];
      let [r, g, b, known] = [0, 0, 0, 0];
      const start = Math.max(first + crop.left, area.left);
      const stop = Math.min(first + crop.left + weights.length, area.right);
      for (let at = start; at < stop; at++) {
        const pixel = y * width + at;
        if (mask[pixel]) continue;
        const weight = weights[at - crop.left - first];
        r += weight * rgba[4 * pixel];
        g += weight * rgba[4 * pixel + 1];
        b += weight * rgba[4 * pixel + 2];
        known += weight;
      }
      row.set([r, g, b, known], 4 * x);
    }
    rows[y - crop.top] = row;
  }
  return rows;
}

/**
 * Resize a completed square, three planes [R, R] in [0, 1], to its crop and return an area of it:
 * three Float32Arrays. Bicubic, clamped to the extremes of each plane; beyond the crop its edge.
 */
export function placeCompleted(planes, resolution, crop, area) {
  const taps = resizeWeights(resolution, crop.side, cubic, 2);
  const inside = (at) => taps[Math.min(Math.max(at, 0), crop.side - 1)];
  const [width, height] = [area.right - area.left, area.bottom - area.top];
  const columns = Array.from({ length: width }, (_, x) => inside(area.left - crop.left + x));
  return planes.map((plane) => {
    const [low, high] = extremes(plane);
    const wide = new Float32Array(resolution * width);
    for (let y = 0; y < resolution; y++)
      for (let x = 0; x < width; x++) {
        const { first, weights } = columns[x];
        let sum = 0;
        for (let j = 0; j < weights.length; j++)
          sum += weights[j] * plane[y * resolution + first + j];
        wide[y * width + x] = sum;
      }
    const result = new Float32Array(width * height);
    for (let y = 0; y < height; y++) {
      const { first, weights } = inside(area.top - crop.top + y);
      const row = result.subarray(y * width, (y + 1) * width);
      for (let j = 0; j < weights.length; j++) {
        const from = (first + j) * width;
        for (let x = 0; x < width; x++) row[x] += weights[j] * wide[from + x];
      }
      for (let x = 0; x < width; x++) row[x] = Math.min(Math.max(row[x], low), high);
    }
    return result;
  });
}

function extremes(plane) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of plane) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/**
 * Return the part of a completed square, { left, top, width, height } of R pixels, that shows what
 * differs between answers: a square around the hole, inside the picture.
 */
export function thumbArea(crop, box, width, height, resolution) {
  const area = areaOf(crop, width, height);
  const scale = resolution / crop.side;
  const hole = Math.max(box.bottom - box.top, box.right - box.left);
  const wanted = Math.max(Math.min(1.4 * hole, crop.side), crop.side / 2);
  const along = (start, stop, first, last) => {
    const length = Math.min(wanted, last - first);
    const begin = Math.min(Math.max((start + stop - length) / 2, first), last - length);
    return { begin, length };
  };
  const x = along(box.left, box.right, area.left, area.right);
  const y = along(box.top, box.bottom, area.top, area.bottom);
  const scaled = (length) => Math.max(Math.round(length * scale), 1);
  return {
    left: Math.round((x.begin - crop.left) * scale),
    top: Math.round((y.begin - crop.top) * scale),
    width: scaled(x.length),
    height: scaled(y.length),
  };
}
