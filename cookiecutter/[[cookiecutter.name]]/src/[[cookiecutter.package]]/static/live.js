// Keeps a list as the server has it: every change arrives on a WebSocket, as the row that the server rendered. Whenever the socket opens
// the rows are fetched once, because changes may have been missed since they were last shown.

const list = document.querySelector("[data-live]");
const rows = list.querySelector("[data-rows]");
const total = document.querySelector("[data-total]");
const onFirstPage = list.dataset.page === "1";
const pageSize = Number(list.dataset.pageSize);

const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
let wait = FIRST_WAIT;
let changes = 0;

function rowOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  const row = template.content.firstElementChild;
  row.classList.add("fresh");
  return row;
}

function apply({ action, id, html, total: count }) {
  changes += 1;
  total.textContent = count;
  const present = rows.querySelector(`[data-id="${Number(id)}"]`);
  if (action === "deleted") {
    present?.remove();
  } else if (present) {
    present.replaceWith(rowOf(html));
  } else if (action === "created" && onFirstPage) {
    rows.prepend(rowOf(html));
    while (rows.children.length > pageSize) rows.lastElementChild.remove();
  }
}

async function refresh() {
  const before = changes;
  // Without cookies: the rows are everybody's, and a message that waits for this person is not used up unseen.
  const response = await fetch(location.href, { credentials: "omit", headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (changes !== before) return refresh(); // this answer may be older than what has arrived meanwhile
  const fetched = page.querySelector("[data-rows]");
  if (fetched.innerHTML !== rows.innerHTML) rows.replaceChildren(...fetched.children);
  total.textContent = page.querySelector("[data-total]").textContent;
}

function connect() {
  const url = new URL(list.dataset.live, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  socket.addEventListener("open", () => {
    wait = FIRST_WAIT;
    list.dataset.state = "live";
    refresh();
  });
  socket.addEventListener("message", (event) => apply(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    list.dataset.state = "waiting";
    setTimeout(connect, wait * (0.5 + Math.random() / 2)); // spread out, or all browsers return at once
    wait = Math.min(wait * 2, LONGEST_WAIT);
  });
}

connect();
