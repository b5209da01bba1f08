// Registers the service worker, which keeps the page for offline use and allows it threads.

const TRIED = "diverse-inpainting-isolated";
const WAIT_MS = 5000;

/** Return whether the page can start; if not, it is loading again under the service worker. */
export async function prepareOffline() {
  if (!navigator.serviceWorker) return true; // as without https: one thread, and online only
  try {
    await navigator.serviceWorker.register("sw.mjs");
    if (navigator.serviceWorker.controller && globalThis.crossOriginIsolated) return true;
    const isTried = sessionStorage.getItem(TRIED);
    sessionStorage.setItem(TRIED, "1");
    if (isTried) return true; // the browser does not isolate it
    await Promise.race([controlled(), new Promise((resolve) => setTimeout(resolve, WAIT_MS))]);
    location.reload();
    return false;
  } catch (error) {
    console.warn("The page does not work offline:", error.message);
    return true;
  }
}

function controlled() {
  const { serviceWorker } = navigator;
  if (serviceWorker.controller) return Promise.resolve();
  return new Promise((resolve) =>
    serviceWorker.addEventListener("controllerchange", resolve, { once: true }),
  );
}
