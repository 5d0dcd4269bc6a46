"""What the screen says, and when it has to say it anew. Nothing here touches the box."""

from dataclasses import dataclass

MINUTES = 15  # that a link works
RENEW_AFTER = 13 * 60.0  # seconds; whoever reads the screen has two minutes at least
# agetty(8) fills the address in whenever it shows the prompt.
LOGIN_PROMPT = "\nEdge: http://\\4/   (\\n)\n\n"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a link on the screen depends on: where the box is, and whether its clock had jumped since."""

    address: str
    clock_set: bool


def due(shown: Seen | None, now: Seen, age: float) -> bool:
    """Tell whether the screen needs a new link: a clock that was set late makes the old one expire at once."""
    return shown != now or age >= RENEW_AFTER


def text(names: list[str], link: str) -> str:
    """Return the screen: the addresses of the page, and the link while nobody can sign in yet."""
    lines = ["", "Edge is at " + "  ".join(f"http://{name}/" for name in names)]
    if link:
        lines += [f"Nobody can sign in yet. Sign in once, within {MINUTES} minutes, with", f"    {link}"]
    return "\n".join([*lines, "", ""])


def first_address(addresses: list[dict[str, object]]) -> str:
    """Return the address to call the box by, of ``ip -json address``; loopback where it has no other."""
    for interface in addresses:
        for entry in interface.get("addr_info", []):  # type: ignore[attr-defined]  # ip's own JSON
            if entry.get("scope") == "global" and entry.get("family") == "inet":
                return str(entry["local"])
    return "127.0.0.1"
