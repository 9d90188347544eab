// Development only: keep one WebSocket to the server; swap style sheets, or reload the page when the server says so or is a new one.
(() => {
  "use strict";
  const script = document.currentScript;
  const boot = new URL(script.src).searchParams.get("boot"); // which server process rendered this page
  const address = new URL("/_levante/livereload", script.src);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const FIRST_DELAY = 50, LAST_DELAY = 1000; // milliseconds between attempts to connect
  let delay = FIRST_DELAY;

  const fresh = (link) => {
    const url = new URL(link.href);
    url.searchParams.set("_levante", Date.now().toString());
    const copy = link.cloneNode();
    copy.href = url.href;
    copy.addEventListener("load", () => link.remove(), { once: true }); // the old one goes when the new one is there: no flash
    copy.addEventListener("error", () => copy.remove(), { once: true });
    link.after(copy);
  };

  const styles = (names) => {
    const links = [...document.querySelectorAll('link[rel~="stylesheet"]')]
      .filter((link) => new URL(link.href).host === location.host);
    const named = links.filter((link) => names.some((name) => new URL(link.href).pathname.endsWith("/" + name)));
    (named.length ? named : links).forEach(fresh); // an imported sheet is not named: refresh all of ours
  };

  const connect = () => {
    const socket = new WebSocket(address);
    socket.addEventListener("message", (event) => {
      const message = JSON.parse(event.data);
      delay = FIRST_DELAY;
      if (message.type === "hello" ? message.boot !== boot : message.type === "page") location.reload();
      else if (message.type === "style") styles(message.names);
    });
    socket.addEventListener("close", () => {
      setTimeout(connect, delay);
      delay = Math.min(delay * 2, LAST_DELAY);
    });
  };
  connect();
})();
