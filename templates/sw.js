// So that whoever is offline reads so. Kept are static files and one page that says it: never an
// approval, nothing of a person, and nothing that was written. What is sent goes straight through.
"use strict";

const KEPT = "countersign-{{ version }}";
const OFFLINE = "{{ offline }}";
const FILES = [{% for file in files %}"{{ file }}"{% if not forloop.last %}, {% endif %}{% endfor %}];

const keep = async () => {
  const cache = await caches.open(KEPT);
  await cache.addAll([new Request(OFFLINE, { cache: "reload" }), ...FILES]);
  await self.skipWaiting();
};

const takeOver = async () => {
  const old = (await caches.keys()).filter((name) => name !== KEPT);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.registration.navigationPreload?.enable(); // asks the server while this starts
  await self.clients.claim();
};

const fromServer = async (event, otherwise) => {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    return (await caches.match(otherwise, { ignoreVary: true })) ?? Response.error();
  }
};

self.addEventListener("install", (event) => event.waitUntil(keep()));
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));
self.addEventListener("fetch", (event) => {
  if (event.request.method !== "GET") return;
  const { pathname } = new URL(event.request.url);
  if (event.request.mode === "navigate") event.respondWith(fromServer(event, OFFLINE));
  else if (FILES.includes(pathname)) event.respondWith(fromServer(event, pathname));
});
