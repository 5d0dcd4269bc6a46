// Writes what the devices do into every [data-device] on the page. Text goes in as text, never as markup.

import { ago } from "./moments.js";

const TICK = 1000; // milliseconds

export function showStatus(devices) {
  for (const device of devices) {
    for (const place of document.querySelectorAll(`[data-device="${CSS.escape(device.name)}"]`)) show(place, device);
  }
}

// Nobody runs the devices: what was last told of them is no longer so.
export function showAbsent(words) {
  for (const place of document.querySelectorAll("[data-device]")) {
    const state = place.querySelector("[data-state]");
    state.dataset.state = state.textContent = "unknown";
    place.querySelector("[data-text]").textContent = words;
  }
}

function show(place, device) {
  const state = place.querySelector("[data-state]");
  state.dataset.state = device.state;
  state.textContent = device.state;
  place.querySelector("[data-text]").textContent = device.text === device.state ? "" : device.text;
  for (const name of ["heard", "sent", "refused"]) place.querySelector(`[data-field=${name}]`).textContent = device[name];
  place.querySelector("[data-field=refused]").title = device.refusal;
  const heard = place.querySelector("[data-field=last_heard]");
  heard.dataset.epoch = device.last_heard ?? "";
  heard.textContent = ago(device.last_heard);
  place.querySelector("[data-routes]")?.replaceChildren(...device.routes.map(route));
}

function route({ consumer, match, text, dropped, errors }) {
  const words = [consumer.slice(consumer.lastIndexOf(".") + 1), match, text];
  if (dropped) words.push(`${dropped} dropped`);
  if (errors) words.push(`${errors} errors`);
  const item = document.createElement("li");
  item.textContent = words.filter(Boolean).join(" · ");
  return item;
}

setInterval(() => {
  for (const place of document.querySelectorAll("[data-epoch]")) place.textContent = ago(Number(place.dataset.epoch));
}, TICK);
