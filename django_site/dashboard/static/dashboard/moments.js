// Moments in words, as the server writes them too (devices/templatetags/moments.py).

const STEPS = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [Infinity, 86400, "d"]];
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export function ago(epoch) {
  if (!epoch) return "never";
  const span = Math.max(Date.now() / 1000 - epoch, 0);
  const [, divisor, unit] = STEPS.find(([limit]) => span < limit);
  return `${Math.floor(span / divisor)} ${unit} ago`;
}

export function clock(epoch) {
  return CLOCK.format(new Date(epoch * 1000));
}
