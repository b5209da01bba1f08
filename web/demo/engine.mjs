// The worker that has the model: on WebAssembly at first, on WebGPU where that proved faster here.

const CHOICE = "diverse-inpainting-engine";
const FASTER = 1.3; // than WebAssembly, to be worth a change
const MAX_DIFFERENCE = 0.02; // of values from -1 to 1
const MAX_TRIAL_MS = 60_000;

/** Calls listener(message) with what the worker in use says. */
export class Engine {
  constructor(page, listener) {
    this.page = page;
    this.listener = listener;
    this.sent = {}; // the last message of each kind, for another worker
    const known = remembered(page);
    this.isSettled = Boolean(known) || !page.runtime.webgpu;
    this.use(this.start(known ?? "wasm"), known ?? "wasm");
  }

  start(backend) {
    const worker = new Worker(new URL("worker.mjs", import.meta.url), { type: "module" });
    worker.postMessage({ type: "load", page: this.page, backend });
    return worker;
  }

  use(worker, backend) {
    this.worker?.terminate();
    this.worker = worker;
    for (const type of ["picture", "want"]) if (this.sent[type]) worker.postMessage(this.sent[type]);
    worker.onmessage = ({ data }) => {
      if (data.type === "failed" && backend === "webgpu") return this.fallBack();
      this.listener(data);
      if (data.type === "idle" && !this.isSettled) this.settle();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const message = `The page's worker did not start (${event.message || "no reason given"}). Reload the page.`;
      this.listener({ type: "failed", message });
    };
  }

  /** Use WebAssembly where WebGPU, which was faster before, has failed. */
  fallBack() {
    remember(this.page, "wasm");
    this.use(this.start("wasm"), "wasm");
  }

  send(message) {
    if (message.type !== "png") this.sent[message.type] = message;
    this.worker.postMessage(message);
  }

  /** Try WebGPU once, after the first answers, and keep whichever is faster. */
  async settle() {
    this.isSettled = true;
    try {
      const adapter = await navigator.gpu?.requestAdapter();
      if (!adapter || adapter.info?.isFallbackAdapter) return;
      const other = this.start("webgpu");
      const limit = setTimeout(() => {
        other.terminate();
        remember(this.page, "wasm");
      }, MAX_TRIAL_MS);
      await said(other, "ready");
      const [here, there] = [await measured(this.worker), await measured(other)];
      clearTimeout(limit);
      const isSame = differ(here.image, there.image) < MAX_DIFFERENCE;
      const isBetter = isSame && there.ms * FASTER < here.ms;
      remember(this.page, isBetter ? "webgpu" : "wasm");
      if (!isBetter) return other.terminate();
      this.use(other, "webgpu");
      this.listener({ type: "ready", backend: "webgpu", ms: there.ms });
    } catch (error) {
      console.warn("WebGPU is not used:", error.message);
    }
  }
}

function remember(page, backend) {
  try {
    localStorage.setItem(CHOICE, `${page.model.version} ${backend}`);
  } catch {
    // Storage is forbidden: it is measured again next time.
  }
}

/** Return the engine that was faster with this model before, or undefined. */
function remembered(page) {
  try {
    const [version, backend] = (localStorage.getItem(CHOICE) ?? "").split(" ");
    if (version === page.model.version && page.runtime[backend]) return backend;
  } catch {
    // Storage is forbidden.
  }
}

/** Wait until a worker says something of a type. */
function said(worker, type) {
  return new Promise((resolve, reject) => {
    const listen = ({ data }) => {
      if (data.type === type) resolve(data);
      else if (data.type === "failed") reject(new Error(data.message));
      else return;
      worker.removeEventListener("message", listen);
    };
    worker.addEventListener("message", listen);
  });
}

function measured(worker) {
  const answer = said(worker, "measured");
  worker.postMessage({ type: "measure" });
  return answer;
}

function differ(first, second) {
  return first.reduce((most, value, i) => Math.max(most, Math.abs(value - second[i])), 0);
}
