// What the brush erased: strokes in whole pixels of the picture, so that a link brings the same mask.
//
// A stroke is { kind, radius, points: [x, y, x, y ...] }; the kinds are below. A box has two points,
// its corners.

export const KINDS = ["paint", "restore", "box"];

/** Return the mask of strokes, [H, W] bytes, 1 in the hole, and its box; null where nothing is. */
export function rasterise(strokes, width, height) {
  const mask = new Uint8Array(width * height);
  for (const stroke of strokes) {
    const { points, radius } = stroke;
    if (stroke.kind === "box") {
      fillBox(mask, width, height, points);
      continue;
    }
    const value = stroke.kind === "paint" ? 1 : 0;
    for (let i = 0; i < points.length; i += 2) {
      const next = i + 2 < points.length ? i + 2 : i;
      if (next === i && i > 0) break; // the last point ends the last segment
      const segment = [points[i], points[i + 1], points[next], points[next + 1]];
      fillCapsule(mask, width, height, segment, radius, value);
    }
  }
  return mask;
}

function fillBox(mask, width, height, [x0, y0, x1, y1]) {
  const [left, right] = [Math.max(Math.min(x0, x1), 0), Math.min(Math.max(x0, x1), width)];
  const [top, bottom] = [Math.max(Math.min(y0, y1), 0), Math.min(Math.max(y0, y1), height)];
  for (let y = top; y < bottom; y++) mask.fill(1, y * width + left, y * width + Math.max(right, left));
}

/** Fill the pixels whose centres are within radius of a segment. */
function fillCapsule(mask, width, height, [x0, y0, x1, y1], radius, value) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const squared = dx * dx + dy * dy;
  const top = Math.max(Math.floor(Math.min(y0, y1) - radius), 0);
  const bottom = Math.min(Math.ceil(Math.max(y0, y1) + radius), height);
  const left = Math.max(Math.floor(Math.min(x0, x1) - radius), 0);
  const right = Math.min(Math.ceil(Math.max(x0, x1) + radius), width);
  for (let y = top; y < bottom; y++)
    for (let x = left; x < right; x++) {
      const [px, py] = [x + 0.5 - x0, y + 0.5 - y0];
      const along = squared && Math.min(Math.max((px * dx + py * dy) / squared, 0), 1);
      const [ex, ey] = [px - along * dx, py - along * dy];
      if (ex * ex + ey * ey <= radius * radius) mask[y * width + x] = value;
    }
}

/** Draw strokes on a canvas whose unit is a pixel of the picture. */
export function drawStrokes(context, strokes, colour) {
  Object.assign(context, { fillStyle: colour, strokeStyle: colour, lineCap: "round", lineJoin: "round" });
  for (const { kind, radius, points } of strokes) {
    context.globalCompositeOperation = kind === "restore" ? "destination-out" : "source-over";
    if (kind === "box") {
      const [x0, y0, x1, y1] = points;
      context.fillRect(x0, y0, x1 - x0, y1 - y0);
      continue;
    }
    context.lineWidth = 2 * radius;
    context.beginPath();
    context.moveTo(points[0], points[1]);
    if (points.length === 2) context.lineTo(points[0] + 0.001, points[1]);
    for (let i = 2; i < points.length; i += 2) context.lineTo(points[i], points[i + 1]);
    context.stroke();
  }
  context.globalCompositeOperation = "source-over";
}

/** Return the mask of an example: eyes and nose of a face that fills the picture. */
export function exampleMask(width, height) {
  const points = [0.33, 0.45, 0.68, 0.47, 0.54, 0.68, 0.33, 0.45, 0.52, 0.52];
  const scaled = points.map((value, i) => Math.round(value * (i % 2 ? height : width)));
  return [{ kind: "paint", radius: Math.round(0.135 * Math.min(width, height)), points: scaled }];
}

/** Return strokes of a random mask, another one each time. */
export function surprise(width, height, random = Math.random) {
  const side = Math.min(width, height);
  const between = (low, high) => low + (high - low) * random();
  const place = () => [
    Math.round(width / 2 + side * between(-0.3, 0.3)),
    Math.round(height / 2 + side * between(-0.3, 0.3)),
  ];
  const ideas = [
    () => [zigzag(place(), side, between)],
    () => [zigzag(place(), side, between), zigzag(place(), side, between)],
    () => [{ kind: "paint", radius: Math.round(side * between(0.14, 0.24)), points: place() }],
    () => [boxAround(place(), side, between)],
    () => [half(width, height, Math.floor(between(0, 4)))],
  ];
  return ideas[Math.floor(random() * ideas.length)]();
}

function zigzag([x, y], side, between) {
  const points = [x, y];
  let angle = between(0, 2 * Math.PI);
  for (let step = 0; step < 5; step++) {
    angle += between(1.6, 2.6) * (step % 2 ? 1 : -1);
    const length = side * between(0.15, 0.3);
    points.push(
      Math.round(points.at(-2) + length * Math.cos(angle)),
      Math.round(points.at(-1) + length * Math.sin(angle)),
    );
  }
  return { kind: "paint", radius: Math.max(Math.round(side * between(0.04, 0.08)), 1), points };
}

function boxAround([x, y], side, between) {
  const [w, h] = [0, 0].map(() => Math.round(side * between(0.15, 0.28)));
  return { kind: "box", radius: 0, points: [x - w, y - h, x + w, y + h] };
}

function half(width, height, which) {
  const [x, y] = [Math.round(width / 2), Math.round(height / 2)];
  const corners = [[0, 0, x, height], [x, 0, width, height], [0, 0, width, y], [0, y, width, height]];
  return { kind: "box", radius: 0, points: corners[which] };
}
