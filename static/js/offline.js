// On the page that stands in for one that could not be reached: goes there as soon as it can be.
(() => {
  "use strict";

  const INTERVAL = 5000; // milliseconds
  const isStandIn = location.pathname !== "/offline/";
  const look = async () => {
    try {
      await fetch("/healthz", { cache: "no-store", redirect: "manual" });
    } catch {
      return;
    }
    location.reload();
  };
  if (!isStandIn) return;
  addEventListener("online", look);
  setInterval(look, INTERVAL);
})();
