// Keeps the status on an admin page live. Where this does not run, what the server wrote stays.

import { connect } from "./connection.js";
import { showAbsent, showStatus } from "./status.js";

if (document.querySelector("[data-device]")) {
  connect("/ws/live/?only=status", (text) => {
    const message = JSON.parse(text);
    if (message.type === "status") showStatus(message.devices);
    if (message.type === "problems" && message.absent) showAbsent(message.absent);
  }, () => {});
}
