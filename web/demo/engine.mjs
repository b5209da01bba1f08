// The worker that has the model: on WebAssembly at first, on WebGPU where that proved faster here.

const CHOICE = "diverse-inpainting-engine";
const FASTER = 1.3; // than WebAssembly, to be worth a change
const MAX_DIFFERENCE = 0.02; // of values from -1 to 1

/** Calls listener(message) with what the worker in use says. */
export class Engine {
  constructor(page, listener) {
    this.page = page;
    this.listener = listener;
    this.sent = {}; // the last message of each kind, for another worker
    const known = remembered(page);
    this.isSettled = Boolean(known) || !page.runtime.webgpu;
    this.use(this.start(known === "webgpu" ? "webgpu" : "wasm"));
  }

  start(backend) {
    const worker = new Worker(new URL("worker.mjs", import.meta.url), { type: "module" });
    worker.postMessage({ type: "load", page: this.page, backend });
    return worker;
  }

  use(worker) {
    this.worker?.terminate();
    this.worker = worker;
    worker.onmessage = ({ data }) => {
      this.listener(data);
      if (data.type === "idle" && !this.isSettled) this.settle();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const message = `The page's worker did not start (${event.message || "no reason given"}). Reload the page.`;
      this.listener({ type: "failed", message });
    };
  }

  /** Tell the worker something; a picture is copied, so that it can be told again. */
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
      await said(other, "ready");
      const [here, there] = [await measured(this.worker), await measured(other)];
      const isFaster = there.ms * FASTER < here.ms && differ(here.image, there.image) < MAX_DIFFERENCE;
      localStorage.setItem(CHOICE, `${this.page.model.version} ${isFaster ? "webgpu" : "wasm"}`);
      if (!isFaster) return other.terminate();
      this.use(other);
      for (const type of ["picture", "want"]) if (this.sent[type]) other.postMessage(this.sent[type]);
      this.listener({ type: "ready", backend: "webgpu", ms: there.ms });
    } catch (error) {
      console.warn("WebGPU is not used:", error.message);
    }
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
