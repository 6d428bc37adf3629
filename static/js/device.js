// What only the browser knows: the time zone of the person, and whether they are online.
// Every page works without this file: times are in the zone of the inbox then, and are named so.
(() => {
  "use strict";

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (/^[\w+/-]{1,64}$/.test(zone ?? "") && !document.cookie.split("; ").includes(`zone=${zone}`)) {
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax${secure}`;
  }

  if ("serviceWorker" in navigator)
    addEventListener("load", () => navigator.serviceWorker.register("/sw.js").catch(() => {}));

  // A form that nobody would receive is not sent: the browser's page of the failure would lose what
  // was typed. Where the last look failed, the server is asked first whether it is there.
  const notice = document.getElementById("unsent");
  const inReach = () =>
    fetch("/healthz", { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(3000) }).then(
      () => true,
      () => false,
    );
  const isLost = () => !navigator.onLine || document.getElementById("connection")?.textContent;
  let sure = false;
  let asking = false;

  document.addEventListener("submit", async (event) => {
    const { target: form, submitter } = event;
    if (!notice || form.method !== "post" || sure || !isLost()) return;
    event.preventDefault();
    if (asking) return;
    asking = true;
    sure = navigator.onLine && (await inReach());
    asking = false;
    notice.textContent = sure ? "" : notice.dataset.unsent;
    if (sure) form.requestSubmit(submitter);
    sure = false;
  });
  addEventListener("online", () => {
    if (notice) notice.textContent = "";
  });
})();
