// The chat page: text out, text in.

import { connect, shownIn } from "./connection.js";

const MOST_MESSAGES = 200;

const messages = document.getElementById("messages");
const say = document.getElementById("say");

function show(from, text) {
  const item = document.createElement("li");
  item.dataset.from = from;
  item.textContent = text;
  messages.append(item);
  while (messages.children.length > MOST_MESSAGES) messages.firstElementChild.remove();
  item.scrollIntoView({ block: "nearest" });
}

const send = connect("/ws/chat/", (text) => show("box", text), shownIn(document.getElementById("connection")));

document.getElementById("say-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!say.value.trim() || !send(say.value)) return;
  show("me", say.value);
  say.value = "";
});
