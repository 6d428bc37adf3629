// Single keys for whoever would rather not reach for the mouse; `?` lists them. No answer is sent by
// one key: `a` and `r` go to the button, and only Enter presses it. Every page works without this.
(() => {
  "use strict";

  const help = document.getElementById("keys");
  const find = (selector) => [...document.querySelectorAll(selector)].find((found) => found.checkVisibility());

  // --- lists ---
  const rows = () => [...document.querySelectorAll("main .rows > *")].filter((row) => row.querySelector("a[href]"));
  const current = () => document.activeElement.closest(".rows > *");
  const enter = (row) => row?.querySelector("a[href]").focus();

  const move = (step) => {
    const list = rows();
    const at = list.indexOf(current());
    enter(at < 0 ? list.at(step > 0 ? 0 : -1) : list[at + step]);
  };

  // Whoever reads a row that leaves the list goes on at its place.
  let place = -1;
  document.addEventListener("htmx:beforeSwap", () => {
    place = rows().indexOf(current());
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (place < 0 || document.activeElement !== document.body) return;
    const list = rows();
    if (list.length) enter(list[Math.min(place, list.length - 1)]);
    else document.getElementById("main").focus();
  });

  // --- answers ---
  let chosen = null; // the button that Ctrl+Enter means, where a form has several
  const leave = ({ target }) => {
    document.getElementById("key-hint")?.remove();
    const kept = (target.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id !== "key-hint");
    target.setAttribute("aria-describedby", kept.join(" "));
    if (!kept.join("")) target.removeAttribute("aria-describedby");
  };

  const aim = (button) => {
    if (!button) return;
    chosen = button;
    if (document.activeElement === button) return;
    const hint = Object.assign(document.createElement("p"), { id: "key-hint", className: "key-hint" });
    hint.textContent = help.dataset.confirm;
    const option = button.closest(".option");
    option ? option.append(hint) : button.after(hint);
    button.setAttribute("aria-describedby", `${button.getAttribute("aria-describedby") ?? ""} key-hint`.trim());
    button.addEventListener("blur", leave, { once: true });
    button.focus();
  };

  const answer = (value) => {
    const found = find(`#decision [name="outcome"][value="${value}"]`);
    if (found?.type === "radio") {
      found.checked = true;
      aim(submitters(found.form)[0]);
    } else aim(found);
  };

  const submitters = (form) => [...form.elements].filter((each) => each.type === "submit" && each.checkVisibility());

  const send = (form) => {
    const buttons = submitters(form);
    const meant = buttons.find((button) => button === chosen || button === document.activeElement);
    if (meant || buttons.length < 2) form.requestSubmit(meant ?? buttons[0]);
    else aim(buttons[0]); // which of them, nobody has said yet
  };

  const show = () => {
    document.getElementById("account").hidePopover();
    help.showModal();
  };

  const KEYS = {
    j: () => move(1),
    k: () => move(-1),
    o: () => current()?.querySelector("a[href]").click(),
    x: () => current()?.querySelector("input[type=checkbox]")?.click(),
    a: () => answer("approved"),
    r: () => answer("rejected"),
    c: () => (find("#comment") ?? find("#say textarea"))?.focus(),
    u: () => find('form[action$="/take-back/"] button')?.click(),
    "/": () => find("input[type=search]")?.select(),
    "?": show,
  };

  // --- which key it is ---
  const isOff = () => localStorage.getItem("keys") === "off";
  const isTyped = (target) =>
    target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio])");

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.repeat || event.isComposing || event.defaultPrevented || event.altKey) return;
    const form = target.form ?? target.closest("form");
    if (event.ctrlKey || event.metaKey) {
      if (key !== "Enter" || !form || form.method === "dialog") return;
      event.preventDefault();
      send(form);
    } else if (key === "Escape") {
      const isAimed = document.getElementById("key-hint");
      if (isAimed) chosen = null;
      if (isAimed || isTyped(target)) target.blur(); // so that single keys can follow
    } else {
      const act = KEYS[event.shiftKey ? key : key.toLowerCase()];
      if (!act || isOff() || isTyped(target) || document.querySelector("dialog[open], :popover-open")) return;
      event.preventDefault(); // or the key would be typed into the field it leads to
      act();
    }
  });

  const opener = document.getElementById("show-keys");
  opener.hidden = false;
  opener.addEventListener("click", show);
  const box = document.getElementById("keys-on");
  box.checked = !isOff();
  box.addEventListener("change", () => localStorage.setItem("keys", box.checked ? "on" : "off"));
})();
