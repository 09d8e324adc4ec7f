// Keeps the pages (never an answer of the API) so that the console opens without a network and says so itself.
const kept = "weir-pages-1";

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(kept).then((cache) => cache.add("/console/")).then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => {
  const old = (names) => Promise.all(names.filter((name) => name !== kept).map((name) => caches.delete(name)));
  event.waitUntil(caches.keys().then(old).then(() => self.clients.claim()));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const address = new URL(String(event.notification.data || ""), new URL("/console/", location.origin));
  event.waitUntil(self.clients.matchAll({ type: "window" }).then(([open]) =>
    (open ? open.navigate(address).then((one) => one?.focus()) : self.clients.openWindow(address))));
});
self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  const isPage = address.origin === location.origin && address.pathname.startsWith("/console/");
  if (event.request.method !== "GET" || !isPage) return;
  event.respondWith(fromNetworkFirst(event.request));
});

async function fromNetworkFirst(request) {
  const cache = await caches.open(kept);
  try {
    const answer = await fetch(request);
    if (answer.ok) await cache.put(request, answer.clone());
    return answer;
  } catch (error) {
    const old = await cache.match(request, { ignoreSearch: true });
    if (old) return old;
    throw error;
  }
}
