// Makes the page work offline, and lets it use threads: browsers give them only to pages with the
// headers below, which many static hosts cannot send.

const CACHE = "diverse-inpainting";
const HEADERS = {
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
};

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const isOurs = new URL(request.url).href.startsWith(self.registration.scope);
  if (request.method === "GET" && isOurs) event.respondWith(answer(request));
});

/**
 * Files with a version are taken from the cache, unless the page found that one damaged and asks for
 * it again; others are taken from it where there is no connection.
 */
async function answer(request) {
  const cache = await caches.open(CACHE);
  const known = await cache.match(request);
  const isFixed = new URL(request.url).searchParams.has("v") && request.cache !== "reload";
  if (known && isFixed) return withHeaders(known);
  try {
    const response = await fetch(request, { cache: "no-cache" }); // asks whether it has changed
    if (!response.ok) return withHeaders(response);
    store(cache, request, response.clone());
    return withHeaders(response);
  } catch (error) {
    if (known) return withHeaders(known);
    throw error;
  }
}

/** Keep a file, and no other version of it. */
async function store(cache, request, response) {
  try {
    const path = new URL(request.url).pathname;
    for (const old of await cache.keys())
      if (new URL(old.url).pathname === path && old.url !== request.url) await cache.delete(old);
    await cache.put(request, response);
  } catch {
    // The disk is full: the page works, but not offline.
  }
}

function withHeaders(response) {
  if (response.type === "opaqueredirect") return response; // the browser follows it
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
