// A WebSocket of this site that comes back by itself.

const FIRST_WAIT = 500; // milliseconds
const LONGEST_WAIT = 15000;

// Calls onMessage with each text, and onState with "connecting", "open" or "closed" and words for people.
// Returns a function that sends a text and says whether it could.
export function connect(path, onMessage, onState) {
  const address = new URL(path, location.href.replace(/^http/, "ws"));
  let socket;
  let tries = 0;
  let timer;

  function open() {
    clearTimeout(timer);
    onState("connecting", tries ? "Connecting again …" : "Connecting …");
    socket = new WebSocket(address);
    socket.onopen = () => { tries = 0; onState("open", "Connected"); };
    socket.onmessage = (event) => onMessage(event.data);
    socket.onclose = retry;
  }

  // A refused WebSocket does not say why. Whoever was signed out meanwhile is sent to sign in, and not left waiting.
  async function checkSignedIn() {
    const page = await fetch(location.pathname, { method: "HEAD", redirect: "manual" }).catch(() => null);
    if (page?.type === "opaqueredirect") location.reload();
  }

  function retry() {
    if (tries) checkSignedIn();
    // A share of chance, so that all pages do not come back to a restarted box in the same moment.
    const wait = Math.min(FIRST_WAIT * 2 ** tries, LONGEST_WAIT) * (0.75 + Math.random() / 2);
    tries += 1;
    onState("closed", navigator.onLine ? "No connection to the box. Trying again." : "This device is offline.");
    timer = setTimeout(open, wait);
  }

  addEventListener("online", () => { if (socket.readyState === WebSocket.CLOSED) open(); });
  open();
  return (text) => {
    if (socket.readyState !== WebSocket.OPEN) return false;
    socket.send(text);
    return true;
  };
}

// Shows the state of a connection in an element.
export function shownIn(element) {
  return (state, words) => {
    element.dataset.state = state;
    element.textContent = words;
  };
}
