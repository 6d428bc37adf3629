// Names for what Django's forms leave without one: fields that complete themselves, both halves of a
// date with its time, and boxes in a table, which only their column's heading describes.
(() => {
  "use strict";

  const heading = (element) => {
    const cell = element.closest("td");
    return cell?.closest("table").tHead?.rows[0].cells[cell.cellIndex]?.textContent;
  };
  const row = (element) => element.closest(".form-row")?.querySelector("label, legend")?.textContent;
  const named = (element, ...texts) =>
    element.setAttribute("aria-label", texts.filter(Boolean).join(" ").replace(/\s+/g, " ").trim());

  const name = () => {
    for (const select of document.querySelectorAll("select.admin-autocomplete")) {
      const text = select.labels[0]?.textContent ?? heading(select);
      for (const part of select.parentElement.querySelectorAll("[aria-labelledby], [role=textbox]")) {
        part.removeAttribute("aria-labelledby");
        named(part, text);
      }
    }
    for (const input of document.querySelectorAll(".datetime input"))
      named(input, row(input), input.previousSibling?.textContent);
    for (const box of document.querySelectorAll("td.delete input")) named(box, heading(box));
  };

  // An icon that stands for words; Django makes them as the last of all.
  addEventListener("load", () => {
    for (const icon of document.querySelectorAll(".help-tooltip[aria-label]")) icon.setAttribute("role", "img");
  });
  // Behind Django's own, which makes the fields that complete themselves once jQuery is ready.
  const { django } = window;
  django?.jQuery ? django.jQuery(name) : name();
})();
