// While an execution is active the page is read again; scroll, focus and opened details stay.
"use strict";
const PAUSE = 2000;
const main = document.getElementById("main");

function prepare() {
  for (const button of document.querySelectorAll(".copier")) {
    button.hidden = !navigator.clipboard;
    button.onclick = async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = "Copied";
    };
  }
}

// What has an id is found by it, all else by its place.
function path(element) {
  const places = [];
  if (element.id) return [element.id];
  for (let each = element; each && each !== main; each = each.parentElement) {
    places.unshift(Array.prototype.indexOf.call(each.parentElement.children, each));
  }
  return places;
}

function follow(places) {
  const [first] = places;
  if (typeof first === "string") return document.getElementById(first);
  return places.reduce((each, at) => each && each.children[at], main);
}

async function refresh() {
  let next = true;
  if (!document.hidden && window.getSelection().isCollapsed) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (answer.ok && fresh.innerHTML !== main.innerHTML) {
        const open = [...main.querySelectorAll("details[open]")].map(path);
        const focus = main.contains(document.activeElement) && path(document.activeElement);
        main.replaceChildren(...fresh.children);
        for (const each of open.map(follow)) if (each) each.open = true;
        if (focus) follow(focus)?.focus({ preventScroll: true });
        if (document.title !== page.title) {
          document.title = page.title;
          document.getElementById("news").textContent = page.title;
        }
        prepare();
      }
      next = "active" in page.documentElement.dataset;
    } catch {
      // The emulator is being started again: look again later.
    }
  }
  if (next) setTimeout(refresh, PAUSE);
}

prepare();
if ("active" in document.documentElement.dataset) setTimeout(refresh, PAUSE);
