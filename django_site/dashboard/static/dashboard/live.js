// The live page: packets as they come, newest on top. What comes from the air is hostile: it is only ever textContent.

import { connect, shownIn } from "./connection.js";
import { clock } from "./moments.js";
import { showAbsent, showStatus } from "./status.js";

const MOST_ROWS = 200; // on the page, and waiting while it is paused

const places = document.getElementById("devices");
const problems = document.getElementById("problems");
const rows = document.getElementById("packets");
const filter = document.getElementById("filter");
const pause = document.getElementById("pause");
const dropped = document.getElementById("dropped");
const count = document.getElementById("count");

let waiting = []; // packets that are not on the page yet, oldest first
const known = new Set(); // what is on the page or waits for it: history and traffic overlap, above all after a break
let paused = false;
let drawing = false;

const handlers = {
  status: ({ devices }) => { matchCards(devices); showStatus(devices); },
  problems: ({ problems: list, absent }) => { showProblems(list); if (absent) showAbsent(absent); },
  history: ({ packets }) => { packets.forEach(take); draw(); },
  packet: ({ packet }) => { take(packet); draw(); },
  dropped: ({ count: number }) => {
    dropped.hidden = false;
    dropped.textContent = `${number} not shown: more came than this page could take`;
  },
};

// A card for each device that was added meanwhile, and none for those that are gone. No devices at all: no box runs.
function matchCards(devices) {
  const cards = new Map([...places.querySelectorAll("[data-device]")].map((place) => [place.dataset.device, place.closest(".card")]));
  const names = devices.map((device) => device.name);
  for (const [name, card] of cards) if (names.length && !names.includes(name)) card.remove();
  for (const name of names) {
    if (cards.has(name)) continue;
    const card = document.getElementById("new-device").content.cloneNode(true);
    card.querySelector("h2").textContent = name;
    card.querySelector("[data-device]").dataset.device = name;
    places.append(card);
  }
}

function showProblems(list) {
  problems.replaceChildren(...list.map((words) => {
    const note = document.createElement("p");
    note.className = "note bad";
    note.role = "alert";
    note.textContent = words.charAt(0).toUpperCase() + words.slice(1);
    return note;
  }));
}

function take(packet) {
  if (known.has(identity(packet))) return;
  known.add(identity(packet));
  waiting.push(packet);
}

// Milliseconds, because the history rounds its times.
function identity(packet) {
  const { time, device, direction, source, via, text } = packet;
  return [time.toFixed(3), device, direction, source, via, text].join("\n");
}

function draw() {
  const surplus = waiting.splice(0, Math.max(0, waiting.length - MOST_ROWS));
  surplus.forEach((packet) => known.delete(identity(packet)));
  if (paused) pause.textContent = `Go on (${waiting.length} waiting)`;
  if (paused || drawing) return;
  drawing = true; // a flood is drawn once a frame, not once a packet
  requestAnimationFrame(() => {
    drawing = false;
    const made = waiting.map(row).reverse();
    waiting = [];
    rows.prepend(...made);
    while (rows.children.length > MOST_ROWS) {
      known.delete(rows.lastElementChild.dataset.identity);
      rows.lastElementChild.remove();
    }
    tally();
  });
}

function row(packet) {
  const line = document.createElement("tr");
  line.dataset.packet = packet.direction;
  line.dataset.identity = identity(packet);
  const to = [packet.destination, packet.via && `via ${packet.via}`].filter(Boolean).join(" ");
  const what = [packet.reason && `Refused: ${packet.reason}.`, packet.text].filter(Boolean).join(" ");
  cell(line, "time", clock(packet.time)).title = new Date(packet.time * 1000).toISOString();
  cell(line, "way", packet.direction);
  cell(line, "device", packet.device);
  cell(line, "from", packet.source);
  cell(line, "to", to);
  doubt(cell(line, "what", what), packet.doubts);
  line.hidden = !wanted(line);
  return line;
}

function cell(line, name, text) {
  const place = line.insertCell();
  place.className = name;
  place.dataset.cell = name;
  place.textContent = text;
  return place;
}

function doubt(place, doubts) {
  if (!doubts) return; // all fields are as the standard has them
  const words = document.createElement("small");
  words.className = "doubts";
  words.textContent = doubts;
  place.append(" ", words);
}

function wanted(line) {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = [...line.cells].map((place) => place.textContent).join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function tally() {
  const all = rows.children.length;
  const hidden = rows.querySelectorAll("tr[hidden]").length;
  count.hidden = all > 0 && hidden === 0;
  if (all) count.textContent = `${all - hidden} of ${all} packets match the filter.`;
}

filter.addEventListener("input", () => {
  for (const line of rows.children) line.hidden = !wanted(line);
  tally();
});

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = "Pause";
  draw();
});

connect("/ws/live/", (text) => {
  const message = JSON.parse(text);
  handlers[message.type]?.(message);
}, shownIn(document.getElementById("connection")));
