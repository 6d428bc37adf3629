// The answer is checked before anything is sent, in the browser's own words where it has some, and
// the time for taking it back runs down. Every page works without this file: the server checks too.
(() => {
  "use strict";

  const number = (name, input) => (name in input.dataset ? Number(input.dataset[name]) : null);

  // What is beyond the limits of a field; its help says them in words.
  const beyond = (input) => {
    const text = input.value.trim();
    const longest = number("longest", input);
    if (longest !== null && text.length > longest) return true;
    const given = Number(text);
    if (text === "" || Number.isNaN(given)) return false;
    const [least, most] = [number("least", input), number("most", input)];
    const [above, below] = [number("above", input), number("below", input)];
    return (
      (least !== null && given < least) ||
      (most !== null && given > most) ||
      (above !== null && given <= above) ||
      (below !== null && given >= below)
    );
  };

  const decision = document.getElementById("decision");
  if (decision) {
    const comment = decision.elements.comment;
    const lacking = (chosen) => chosen?.hasAttribute("data-needs-comment") && !comment.value.trim();
    const tooLong = () => comment.value.trim().length > Number(comment.dataset.longest);
    const check = (chosen) => {
      const said = lacking(chosen) ? decision.dataset.why : tooLong() ? decision.dataset.tooLong : "";
      comment.setCustomValidity(said);
    };

    // Before the browser's own check, so that it reports ours with the first wrong field.
    decision.addEventListener("click", ({ target }) => {
      const button = target.closest("button[type=submit]");
      if (!button) return;
      const chosen = button.name === "outcome" ? button : decision.querySelector("[name=outcome]:checked");
      check(chosen);
      for (const input of decision.elements) {
        if (input === comment || !input.matches("input, textarea")) continue;
        input.setCustomValidity(beyond(input) ? input.title || " " : "");
      }
      if (chosen && chosen !== button) button.formNoValidate = chosen.hasAttribute("data-needs-no-form");
    });
    decision.addEventListener("input", ({ target }) => target.setCustomValidity?.(""));
    // Fields of the form stand outside of it.
    document.addEventListener("input", ({ target }) => {
      if (target.form === decision) target.setCustomValidity?.("");
    });

    // Where the form is not checked, as for sending back, the comment is all the same.
    decision.addEventListener("submit", (event) => {
      const button = event.submitter;
      if (!button?.formNoValidate || comment.checkValidity()) return;
      event.preventDefault();
      comment.focus();
      comment.reportValidity();
    });

    // An answer is sent once, and its button says that it is on the way. The button stays a part of
    // what is sent, which one that is disabled is not. At the window, behind all that may hold an
    // answer back. Who stops the page from loading may send it again after a while.
    const AT_MOST = 30_000; // milliseconds, beyond what a database that is locked takes
    let sent = null;
    const rest = () => {
      sent?.removeAttribute("aria-busy");
      sent = null;
    };
    addEventListener("submit", (event) => {
      if (event.target !== decision || event.defaultPrevented) return;
      if (sent) return event.preventDefault();
      sent = event.submitter ?? decision;
      sent.setAttribute("aria-busy", "true");
      setTimeout(rest, AT_MOST);
    });
    addEventListener("pageshow", rest);
  }

  // The seconds that are left, counted from when the page was written.
  const ends = new WeakMap();
  const tick = () => {
    for (const element of document.querySelectorAll("[data-left][data-unit]")) {
      const now = performance.now();
      if (!ends.has(element)) ends.set(element, now + 1000 * Number(element.dataset.left));
      const left = Math.ceil((ends.get(element) - now) / 1000);
      if (left > 0) {
        element.querySelector("strong").textContent = `${left} ${element.dataset.unit}`;
      } else if (!("undo" in element.dataset)) {
        element.dataset.undo = "over";
        const look = document.getElementById("look");
        if (look) window.htmx?.trigger(look, "refresh");
      }
    }
  };
  if (document.querySelector("[data-left]")) setInterval(tick, 500);
})();
