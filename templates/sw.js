// So that whoever is offline reads so, and gets back what was sent and never answered. Kept are
// static files and pages that say it: never an approval, nothing of a person, and nothing that was
// written. What was sent stands on the page that answers it, and nowhere else.
"use strict";

const KEPT = "countersign-{{ version }}";
const OFFLINE = "{{ offline }}";
const FILES = [{% for file in files %}"{{ file }}"{% if not forloop.last %}, {% endif %}{% endfor %}];
const REPEATABLE = new RegExp("^(?:{{ repeatable|safe }})$"); // paths
const COMMENT = "{{ comment|escapejs }}"; // the word
const PASSWORDS = /{{ passwords|safe }}/; // names of their inputs
const UNSEEN = /{{ not_typed|safe }}|^outcome$/; // names of what is no text; labels are not known here

const keep = async () => {
  const cache = await caches.open(KEPT);
  const pages = [OFFLINE, unanswered("again"), unanswered("repeatable"), unanswered("gone")];
  await cache.addAll([...pages.map((page) => new Request(page, { cache: "reload" })), ...FILES]);
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

// The page that says of what was sent that nobody knows whether it was saved: `trouble.unavailable`.
const unanswered = (kind) => `${OFFLINE}?unanswered=${kind}`;

const escaped = (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt()};`);

const filled = (piece, name, value) => {
  const label = name === "comment" ? COMMENT : name.replace(/^form\./, "");
  const words = { label: label.charAt(0).toUpperCase() + label.slice(1), name, value };
  return piece.replace(/%(label|name|value)%/g, (_, word) => escaped(words[word]));
};

const givenBack = async (url, sent) => {
  const isKept = !sent.some(([name, value]) => typeof value !== "string" || PASSWORDS.test(name));
  const kind = !isKept ? "gone" : REPEATABLE.test(new URL(url).pathname) ? "repeatable" : "again";
  const page = await caches.match(unanswered(kind), { ignoreVary: true });
  if (!page) return Response.error();
  const seen = sent.filter(([name, value]) => isKept && value.trim() && !UNSEEN.test(name));
  const all = (fields) => (piece) => fields.map(([name, value]) => filled(piece, name, value)).join("");
  const text = (await page.text())
    .replaceAll("%address%", () => escaped(url))
    .replace(/<input [^>]*%value%[^>]*>/, all(sent))
    .replace(/<h2>[^]*%label%[^]*%value%<\/p>\s*<\/div>/, (list) =>
      seen.length ? list.replace(/<div>[^]*<\/div>/, all(seen)) : "",
    );
  return new Response(text, { status: 503, headers: page.headers });
};

// A form that got no answer, or one that is not of the inbox: it has an ID on each of its own.
const answered = async (request) => {
  const copy = request.clone();
  let answer;
  try {
    answer = await fetch(request);
    if (![502, 503, 504].includes(answer.status) || answer.headers.has("X-Request-ID")) return answer;
  } catch {
    answer = Response.error();
  }
  try {
    return await givenBack(request.url, [...(await copy.formData())]);
  } catch {
    return answer;
  }
};

self.addEventListener("install", (event) => event.waitUntil(keep()));
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));
self.addEventListener("fetch", (event) => {
  const { method, mode, referrer } = event.request;
  const { pathname } = new URL(event.request.url);
  // From a page of ours alone: what another site has sent is not given back as if it were ours.
  const isForm = method === "POST" && mode === "navigate" && referrer.startsWith(`${location.origin}/`);
  if (isForm) event.respondWith(answered(event.request));
  else if (method !== "GET") return;
  else if (mode === "navigate") event.respondWith(fromServer(event, OFFLINE));
  else if (FILES.includes(pathname)) event.respondWith(fromServer(event, pathname));
});
