// The model's graphs in ONNX Runtime Web: files in, sessions that take and give Float32Arrays out.
//
// Legend: R the model's resolution, L style layers, D width of one code.

import { sampleZ, sha256 } from "./codes.mjs";

const MAX_THREADS = 8;

/** An error whose message is a sentence for the user. */
export class PageError extends Error {}

/**
 * Downloads files, checks them, and tells onProgress(bytes so far, bytes of all).
 *
 * sizes: bytes by name; digests: SHA-256 of the unpacked files, as hex, by name.
 */
export class Files {
  constructor(sizes, digests, onProgress) {
    Object.assign(this, { sizes, digests, onProgress, received: new Map() });
  }

  /**
   * Return a file's content, which is the one that the page was made with: parts of two models
   * would draw nonsense. A wrong one may come from the cache, and is asked for again.
   */
  async read(name, version) {
    for (const cache of ["default", "reload"]) {
      const content = await unpacked(await this.download(name, version, cache));
      if (content && (await hexDigest(content)) === this.digests[name]) return content;
      this.received.delete(name);
    }
    throw new PageError(
      `${name} is damaged, or of another version than the page. Reload the page; ` +
        "if that does not help, copy the whole page to the server again.",
    );
  }

  async download(name, version, cache) {
    let response;
    try {
      response = await fetch(`${name}?v=${version}`, { cache });
      if (response.ok) return await this.receive(name, response.body.getReader());
    } catch {
      throw new PageError(`${name} could not be loaded. Check the connection and reload the page.`);
    }
    throw new PageError(`${name} is missing on the server (${response.status}). Copy the whole page again.`);
  }

  async receive(name, reader) {
    const parts = [];
    for (let part; !(part = await reader.read()).done; ) {
      parts.push(part.value);
      this.count(name, part.value.length);
    }
    return new Blob(parts);
  }

  count(name, bytes) {
    this.received.set(name, Math.min((this.received.get(name) ?? 0) + bytes, this.sizes[name]));
    const sum = (numbers) => [...numbers].reduce((total, number) => total + number, 0);
    this.onProgress(sum(this.received.values()), sum(Object.values(this.sizes)));
  }
}

/** Return a file's content, or null where it is damaged gzip; some servers have unpacked it already. */
async function unpacked(blob) {
  const start = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  if (start[0] !== 0x1f || start[1] !== 0x8b) return new Uint8Array(await blob.arrayBuffer());
  try {
    const stream = blob.stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    return null;
  }
}

/** Return a SHA-256 as hex; without https, the browser's own, which is faster, is not there. */
async function hexDigest(bytes) {
  const { subtle } = globalThis.crypto;
  const digest = subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes)) : sha256(bytes);
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Return ONNX Runtime Web, ready to make sessions. */
export async function loadRuntime(runtime, files) {
  if (typeof WebAssembly !== "object")
    throw new PageError("This browser has no WebAssembly, which the model needs. Try a newer browser.");
  const binary = await files.read(runtime.binary, runtime.version);
  const ort = await imported(runtime.module);
  ort.env.logLevel = "error";
  ort.env.wasm.wasmBinary = binary.buffer;
  ort.env.wasm.wasmPaths = { mjs: new URL(runtime.loader, import.meta.url).href };
  const cores = navigator.hardwareConcurrency || 1;
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(cores, MAX_THREADS) : 1;
  return ort;
}

async function imported(name) {
  try {
    return await import(new URL(name, import.meta.url).href);
  } catch {
    throw new PageError(`${name} could not be loaded. Check the connection and reload the page.`);
  }
}

/** The model of the page. */
export class Networks {
  /** page: what page.json says; backend: an execution provider of ONNX Runtime Web. */
  static async load(ort, page, files, backend) {
    const networks = new Networks();
    Object.assign(networks, { ort, model: page.model, sessions: {}, known: null });
    const { version } = page.model;
    const data = await Promise.all(
      page.model.data.map(async (path) => ({ path, data: await files.read(`model/${path}.gz`, version) })),
    );
    // Threads that wait for the next product would take time from the page and other programs.
    const extra = { session: { intra_op: { allow_spinning: "0" } } };
    const options = { executionProviders: [backend], externalData: data, extra, logSeverityLevel: 3 };
    for (const name of page.model.graphs) {
      const graph = await files.read(`model/${name}.onnx.gz`, version);
      try {
        networks.sessions[name] = await ort.InferenceSession.create(graph, options);
      } catch (error) {
        throw new PageError(
          `The model's file ${name}.onnx cannot be used: it is damaged or of another kind. ` +
            `Make the page again with "diverse-inpainting page". (${firstLine(error)})`,
        );
      }
    }
    return networks;
  }

  get resolution() {
    return this.model.resolution;
  }

  tensor(data, shape) {
    return new this.ort.Tensor("float32", data, shape);
  }

  async run(name, inputs) {
    const session = this.sessions[name];
    const outputs = await session.run(inputs);
    return outputs[session.outputNames[0]].data;
  }

  /** Set the picture that is completed: what E sees of it, [3, R, R] and [R, R]. */
  async encode(erased, valid) {
    const R = this.resolution;
    this.known = { erased: this.tensor(erased, [1, 3, R, R]), valid: this.tensor(valid, [1, 1, R, R]) };
    const { num_layers: L, w_dim: D } = this.model;
    this.encoded = this.tensor(await this.run("encode", this.known), [1, L, D]);
  }

  /** Return W_out [L, D] of variant k: its random codes mixed with those of the picture. */
  async mix(seed, k) {
    const { z_dim, num_layers: L, w_dim: D } = this.model;
    const z = this.tensor(sampleZ(BigInt(seed), k, z_dim), [1, z_dim]);
    const scalar = (value) => this.tensor(Float32Array.of(value), []);
    const random = await this.run("map", { z, truncation_psi: scalar(1) });
    const w_rand = this.tensor(random, [1, L, D]);
    return this.run("mix", { w_enc: this.encoded, w_rand, gate_bias: scalar(0) });
  }

  /** Return the stage-1 image of codes, [3, R, R] in about [-1, 1]. */
  synthesize(codes) {
    return this.run("synthesize", { w_out: this.codes(codes) });
  }

  /** Return the stage-2 image of codes and their stage-1 image. */
  refine(codes, stage1) {
    if (!this.sessions.refine) return stage1;
    const R = this.resolution;
    const w_out = this.codes(codes);
    return this.run("refine", { w_out, stage1: this.tensor(stage1, [1, 3, R, R]), ...this.known });
  }

  codes(values) {
    return this.tensor(values, [1, this.model.num_layers, this.model.w_dim]);
  }
}

function firstLine(error) {
  return String(error?.message ?? error).split("\n")[0].slice(0, 200);
}

/** Move codes [L, D] along directions, in place: strengths by name. */
export function edit(codes, directions, strengths, width) {
  for (const [name, strength] of Object.entries(strengths)) {
    const direction = directions[name];
    if (!direction || !strength) continue;
    const { first_layer: first, last_layer: last } = direction;
    const vector = direction.vector.flat(); // one code, or one for each layer
    for (let i = first * width; i < (last + 1) * width; i++)
      codes[i] += strength * vector[vector.length === width ? i % width : i];
  }
}
