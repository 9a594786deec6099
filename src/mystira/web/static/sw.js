// The service worker of the players' pages: what was seen can be seen again offline, until somebody signs in or out.
const SEEN = "seen-1";
const FILES = "files-1";
const OFFLINE = "/offline";
const KEPT_MAX = 60;
const OTHERS = ["/admin", "/api", "/metrics", "/health", "/mailbox"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(FILES).then((files) => files.add(OFFLINE)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = async () => {
    for (const name of await caches.keys()) if (name !== SEEN && name !== FILES) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(old());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const address = new URL(request.url);
  if (address.origin !== self.location.origin || OTHERS.some((path) => address.pathname.startsWith(path))) return;
  if (request.method === "POST") {
    // Whoever signs in or out leaves nothing behind for the next one at this device.
    if (address.pathname.startsWith("/sign-")) event.respondWith(caches.delete(SEEN).then(() => fetch(request)));
    else if (request.mode === "navigate") event.respondWith(fetch(request).catch(offline));
    return;
  }
  if (request.method !== "GET") return;
  if (address.pathname.startsWith("/static/")) event.respondWith(file(request));
  else if (request.mode === "navigate") event.respondWith(seen(request));
});

const offline = async () => {
  const page = await caches.match(OFFLINE);
  return new Response(page.body, { status: 503, headers: page.headers });
};

// A file's address names its content, so what is kept is never stale.
const file = async (request) => {
  const kept = await caches.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok && new URL(request.url).searchParams.has("v")) await keep(FILES, request, answer.clone(), 10 * KEPT_MAX);
  return answer;
};

const seen = async (request) => {
  try {
    const answer = await fetch(request);
    if (answer.ok && !answer.redirected) await keep(SEEN, request, answer.clone(), KEPT_MAX);
    return answer;
  } catch {
    return (await (await caches.open(SEEN)).match(request)) ?? offline();
  }
};

const keep = async (name, request, answer, most) => {
  const kept = await caches.open(name);
  await kept.put(request, answer);
  const keys = await kept.keys();
  for (const key of keys.slice(0, Math.max(0, keys.length - most))) {
    if (new URL(key.url).pathname !== OFFLINE) await kept.delete(key);
  }
};
