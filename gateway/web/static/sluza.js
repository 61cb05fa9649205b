// Keeps an open page fresh: the server says that something changed, the page is asked for again and what differs is
// exchanged. Reading needs none of this; nothing is taken from elsewhere, and a form that somebody fills in is left alone.
"use strict";
const main = document.querySelector("main[data-live]");
if (main && window.EventSource) {
  let asking = false, events = null;
  const busy = () => main.contains(document.activeElement) && document.activeElement.closest("form");
  const blank = (node) => node.nodeType === Node.ELEMENT_NODE || !node.textContent.trim();
  // Focus, selection and what somebody unfolded stay wherever nothing changed.
  const renew = (old, fresh) => {
    if (old.tagName === "DETAILS" && fresh.tagName === "DETAILS") fresh.open = old.open;
    if (old.isEqualNode(fresh)) return;
    const before = [...old.children], after = [...fresh.children];
    const same = old.cloneNode(false).isEqualNode(fresh.cloneNode(false)) && before.length === after.length;
    if (same && before.length && [...old.childNodes, ...fresh.childNodes].every(blank)) {
      before.forEach((child, place) => renew(child, after[place]));
    } else {
      old.replaceWith(fresh);
    }
  };
  const put = (fresh) => {
    const held = main.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const before = [...main.children], after = [...fresh.querySelector("main").children];
    if (before.length === after.length) before.forEach((child, place) => renew(child, after[place]));
    else main.replaceChildren(...after);
    if (held && !main.contains(document.activeElement)) {
      const again = [...main.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === held);
      if (again) again.focus({ preventScroll: true });
    }
  };
  const refresh = async () => {
    if (asking || busy() || document.hidden) return;
    asking = true;
    const clock = document.querySelector(".clock");
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
      if (answer.redirected) { location.reload(); return; }
      clock.classList.toggle("stale", !answer.ok);
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (busy()) return;  // somebody has begun to fill something in since we asked
      put(fresh);
      clock.replaceChildren(...fresh.querySelector(".clock").childNodes);
      document.title = fresh.title;
    } catch (error) {
      clock.classList.add("stale");
    } finally {
      asking = false;
    }
  };
  // A browser has six connections to a server; pages that nobody looks at must not hold them.
  const listen = () => {
    if (events) events.close();
    events = null;
    if (document.hidden) return;
    events = new EventSource("/zdarzenia");
    events.addEventListener("open", refresh);
    events.addEventListener("change", refresh);
  };
  listen();
  setInterval(refresh, 30000);
  document.addEventListener("visibilitychange", listen);
}
