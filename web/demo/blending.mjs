// Completions that meet their picture without a seam, as core/blending.py makes them. What depends on
// the hole alone is computed once for all its completions.
//
// Legend: h x w pixels of an area of the picture: the hole's box and a pixel more on each side.

import { placeCompleted, widened } from "./geometry.mjs";
import { Laplace, enlarge } from "./multigrid.mjs";

const MAX_PIXELS = 1024 ** 2;
const SMOOTH_FRAC = 0.25;
const MIN_SIGMA_PX = 0.3;

/** A hole in a picture, to be filled by completions of its crop. */
export class Hole {
  /**
   * rgba: [H, W, 4] bytes of the picture; mask: [H, W], above 0 in the hole; box: all of the hole;
   * resolution: of the completions.
   */
  constructor(rgba, mask, width, height, box, crop, resolution) {
    Object.assign(this, { crop, resolution, area: widened(box, width, height) });
    this.width = this.area.right - this.area.left;
    this.height = this.area.bottom - this.area.top;
    this.inside = new Uint8Array(this.width * this.height);
    this.original = new Uint8ClampedArray(4 * this.inside.length);
    for (let y = 0; y < this.height; y++) {
      const row = (this.area.top + y) * width + this.area.left;
      this.inside.set(mask.subarray(row, row + this.width), y * this.width);
      const pixels = rgba.subarray(4 * row, 4 * (row + this.width));
      this.original.set(pixels, 4 * y * this.width);
    }
    this.step = 2 ** Math.ceil(Math.log2(Math.max(this.inside.length / MAX_PIXELS, 1)) / 2);
    this.coarseSize = [this.width, this.height].map((length) => Math.ceil(length / this.step));
    this.findRim();
    if (this.rim.length) this.laplace = new Laplace(this.unknown, ...this.coarseSize);
  }

  /** Find the pixels beside the hole, how many each square of step x step pixels has, and others. */
  findRim() {
    const { inside, width, height, step } = this;
    this.mass = new Float32Array(this.coarseSize[0] * this.coarseSize[1]);
    this.unknown = new Uint8Array(this.mass.length);
    this.rim = [];
    for (let y = 0, i = 0; y < height; y++)
      for (let x = 0; x < width; x++, i++)
        if (inside[i]) this.unknown[this.square(i)] = 1;
        else if (
          (x > 0 && inside[i - 1]) ||
          (x + 1 < width && inside[i + 1]) ||
          (y > 0 && inside[i - width]) ||
          (y + 1 < height && inside[i + width])
        ) {
          this.rim.push(i);
          this.mass[this.square(i)]++;
        }
    for (let i = 0; i < this.mass.length; i++) if (this.mass[i]) this.unknown[i] = 0;
  }

  /** Return the square of step x step pixels that pixel i is in. */
  square(i) {
    const [x, y] = [i % this.width, Math.floor(i / this.width)];
    return Math.floor(y / this.step) * this.coarseSize[0] + Math.floor(x / this.step);
  }

  /**
   * Return the picture's pixels in the area, [h, w, 4] bytes, with a completion in the hole.
   *
   * planes: three Float32Arrays [R, R] in [0, 1].
   */
  fill(planes) {
    const completed = placeCompleted(planes, this.resolution, this.crop, this.area);
    if (this.laplace) this.addMembranes(completed);
    const result = this.original.slice();
    for (let i = 0; i < this.inside.length; i++)
      if (this.inside[i]) for (let c = 0; c < 3; c++) result[4 * i + c] = 255 * completed[c][i];
    return result;
  }

  /** Add to completed planes what makes them meet the picture, in place. */
  addMembranes(completed) {
    const differences = completed.map((plane, c) => this.rimDifferences(plane, c));
    this.smooth(differences);
    completed.forEach((plane, c) => {
      const membrane = this.membrane(differences[c]);
      for (let i = 0; i < plane.length; i++)
        plane[i] = Math.min(Math.max(plane[i] + membrane[i], 0), 1);
    });
  }

  membrane(values) {
    let membrane = this.laplace.solve(values);
    if (this.step === 1) return membrane;
    let [w, h] = this.coarseSize;
    let known = this.unknown.map((value, i) => value || (this.mass[i] > 0 ? 1 : 0));
    for (let i = 0; i < membrane.length; i++) membrane[i] += values[i];
    for (let step = this.step / 2; step >= 1; step /= 2) {
      const finer = [this.width, this.height].map((length) => Math.ceil(length / step));
      membrane = enlarge(membrane, known, w, h, ...finer);
      known = new Uint8Array(membrane.length).fill(1);
      [w, h] = finer;
    }
    return membrane;
  }

  /** Average picture minus completion on the rim of the hole, in squares of step x step pixels. */
  rimDifferences(plane, channel) {
    const values = new Float32Array(this.mass.length);
    for (const i of this.rim)
      values[this.square(i)] += this.original[4 * i + channel] / 255 - plane[i];
    for (let i = 0; i < values.length; i++) if (this.mass[i]) values[i] /= this.mass[i];
    return values;
  }

  /** Average values over pixels that have a mass, with Gaussian weights, in place. */
  smooth(values) {
    const { mass } = this;
    const sigma = (Math.max(this.crop.side / this.resolution, 1) * SMOOTH_FRAC) / this.step;
    if (sigma < MIN_SIGMA_PX) return;
    const radius = Math.ceil(2 * sigma);
    const weights = Array.from({ length: 2 * radius + 1 }, (_, i) =>
      Math.exp(-0.5 * ((i - radius) / sigma) ** 2),
    );
    const weighted = values.map((plane) => plane.map((value, i) => value * mass[i]));
    const down = spread([...weighted, mass], weights, ...this.coarseSize, true);
    const sums = spread(down, weights, ...this.coarseSize, false);
    for (let i = 0; i < mass.length; i++)
      if (mass[i]) values.forEach((plane, c) => (plane[i] = sums[c][i] / Math.max(sums[3][i], 1e-6)));
  }
}

/** Add each pixel to its neighbours along an axis; nearly all are 0. */
function spread(planes, weights, width, height, isVertical) {
  const results = planes.map((plane) => new Float32Array(plane.length));
  const [radius, length] = [weights.length >> 1, isVertical ? height : width];
  for (let i = 0; i < planes[3].length; i++) {
    if (!planes[3][i]) continue;
    const place = isVertical ? Math.floor(i / width) : i % width;
    const last = Math.min(place + radius, length - 1);
    for (let at = Math.max(place - radius, 0); at <= last; at++) {
      const to = i + (at - place) * (isVertical ? width : 1);
      const weight = weights[at - place + radius];
      for (let c = 0; c < planes.length; c++) results[c][to] += weight * planes[c][i];
    }
  }
  return results;
}
