// What htmx has no attribute for: rest in hidden tabs, leave alone what has not changed, say
// when the server is out of reach, and never replace the page by the sign-in form.
// Every page works without this file.
(() => {
  "use strict";

  const changed = (input) =>
    input.options
      ? [...input.options].some((option) => option.selected !== option.defaultSelected)
      : input.value !== input.defaultValue || input.checked !== input.defaultChecked;
  const typing = () =>
    [...document.querySelectorAll("textarea")].some((area) => area.value.trim()) ||
    [...document.querySelectorAll(".approval :is(input, select)")].some(changed);

  // On a phone the tabs scroll sideways; the open one is in sight.
  const showTab = () => document.querySelector(".tab[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  showTab();
  document.addEventListener("htmx:afterSwap", showTab);

  // Whoever asked for the new rows goes on in the list; the button that they pressed has gone.
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    if (detail.requestConfig?.elt.id === "show-new") document.getElementById("rows")?.focus();
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden) event.preventDefault();
  });

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const element of document.querySelectorAll("[hx-get]")) window.htmx.trigger(element, "refresh");
  });

  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const asked = new URL(detail.requestConfig.path, location.href).pathname;
    if (new URL(detail.xhr.responseURL).pathname !== asked) {
      // The session has ended. What was typed stays; otherwise the sign-in page is shown.
      detail.shouldSwap = false;
      if (!typing()) location.reload();
      return;
    }
    const asker = detail.requestConfig.elt; // detail.elt is what is replaced
    const select = asker.getAttribute("hx-select");
    if (!detail.shouldSwap || !select || asker.hasAttribute("hx-select-oob")) return;
    const fresh = new DOMParser().parseFromString(detail.serverResponse, "text/html").querySelector(select);
    if (!fresh || fresh.innerHTML === detail.target.innerHTML) detail.shouldSwap = false;
  });

  // What was selected stays selected when the list comes anew.
  let picked = [];
  document.addEventListener("htmx:beforeSwap", () => {
    picked = [...document.querySelectorAll(".pick input:checked")].map((box) => box.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of picked) {
      const box = document.getElementById(id);
      if (box) box.checked = true;
    }
  });

  // No answer, a late one, or a failure of the server: what is shown may be out of date.
  const reached = (answered) => {
    const bar = document.getElementById("connection");
    const text = answered ? "" : bar.dataset.lost;
    if (bar.textContent !== text) bar.textContent = text;
  };
  document.addEventListener("htmx:sendError", () => reached(false));
  document.addEventListener("htmx:timeout", () => reached(false));
  document.addEventListener("htmx:beforeOnLoad", ({ detail }) => reached(detail.xhr.status < 500));

  // Equal text is not swapped: it would be read out again, and focus would be lost.
  document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
    // What replaces an element as a whole comes in a fragment, which has no HTML of its own.
    const fresh = detail.fragment.innerHTML === undefined ? detail.fragment.firstElementChild : detail.fragment;
    const alike = fresh === detail.fragment || fresh.className === detail.target.className;
    if (alike && fresh.innerHTML === detail.target.innerHTML) detail.shouldSwap = false;
  });
})();
