// Keeps an open page fresh: the server says that something changed, the page is asked for again and its middle put in.
// Reading needs none of this; nothing is taken from elsewhere, and a form that somebody fills in is left alone.
"use strict";
const main = document.querySelector("main[data-live]");
if (main && window.EventSource) {
  let asking = false;
  const busy = () => document.activeElement && document.activeElement.closest("form, details, select");
  const refresh = async () => {
    if (asking || busy() || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
      if (answer.redirected) { location.reload(); return; }
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const middle = fresh.querySelector("main"), clock = fresh.querySelector(".clock");
      if (middle) main.replaceChildren(...middle.childNodes);
      if (clock) document.querySelector(".clock").replaceChildren(...clock.childNodes);
      document.title = fresh.title;
    } catch (error) {
      document.querySelector(".clock").classList.add("stale");
    } finally {
      asking = false;
    }
  };
  const events = new EventSource("/zdarzenia");
  events.addEventListener("change", refresh);
  setInterval(refresh, 30000);
  document.addEventListener("visibilitychange", refresh);
}
