"""What a box of this version brings beside its first service: HTTPS, and the two services that it may be instead."""

import re
import socket
import ssl
import time

from appliance.guest import until
from appliance.story import BOOT_WITHIN, PAGE_WITHIN, Story, tnc

UNITS = ("edge.service", "edge-devices.service", "edge-web.service")
MOST_EXPOSED = 1.3  # of 10, as systemd-analyze counts
PAGES = "/usr/share/doc/edge/services.md"


def https(story: Story) -> None:
    """Port 443 answers with a certificate for which the box's own authority vouches."""
    authority = story.work / "ca.crt"
    authority.write_text(story.guest.ask("cat /var/lib/edge/tls/ca.crt"))
    trust = ssl.create_default_context(cafile=str(authority))
    address = ("127.0.0.1", story.guest.https_port)
    with (
        socket.create_connection(address, timeout=PAGE_WITHIN) as plain,
        trust.wrap_socket(plain, server_hostname="shack.local") as secured,
    ):
        secured.sendall(b"GET /login/ HTTP/1.1\r\nHost: shack.local\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: secured.recv(65536), b""))
        names = [name for _, name in secured.getpeercert()["subjectAltName"]]
        spoken = secured.version()
    assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    assert b"Sign in" in answer
    story.tell(f"https://shack.local/ answers by {spoken}, trusted by the box's authority, for {', '.join(names)}")


def two_services(story: Story) -> None:
    """The box becomes two services by the command of its own pages, and one again; packets keep coming."""
    exposed = story.guest.ask(
        f"for u in {' '.join(UNITS)}; do systemd-analyze security $u --no-pager | tail -n 1; done"
    )
    rated = [float(number) for number in re.findall(r": ([\d.]+)", exposed)]
    story.tell(f"systemd-analyze security: {dict(zip(UNITS, rated, strict=True))}")
    assert max(rated) <= MOST_EXPOSED
    there, back = _commands(story)
    with tnc(story) as port:
        story.guest.plug("tnc", port)
        story.tell(f"packets {_packets(story, 'one service')}; now: {there}")
        story.guest.ask(there, timeout=600)
        story.tell(f"packets {_packets(story, 'two services')}; {_memory(story)}")
        _restart_pages(story)
        story.guest.cut()
        story.boot("a cut with two services")
        story.guest.plug("tnc", port)
        story.tell(f"packets {_packets(story, 'two services, booted')}; now: {back}")
        story.guest.ask(back, timeout=600)
        story.tell(f"packets {_packets(story, 'one service again')}")
    story.guest.unplug("tnc")


def _commands(story: Story) -> tuple[str, str]:
    """Return the two commands that the pages on the box give for it."""
    text = story.guest.ask(f"cat {PAGES}")
    lines = re.findall(r"^    (systemctl (?:disable|enable) --now edge[^\n]+)$", text, re.MULTILINE)
    assert len(lines) == 4, "services.md says how to run two services, and how to go back"
    return " && ".join(lines[:2]), " && ".join(lines[2:])


def _packets(story: Story, what: str) -> str:
    """See that the page is there and that more and more is heard."""
    begin = time.monotonic()
    until(story.page_answers, BOOT_WITHIN, f"{what}: the page answers", every=1)
    first = until(lambda: story.devices().get("radio", {}).get("heard"), 300, f"{what}: packets are heard")
    until(lambda: story.devices().get("radio", {}).get("heard", 0) > first, 60, f"{what}: more packets are heard")
    return f"are heard by {what}, within {time.monotonic() - begin:.0f} s"


def _restart_pages(story: Story) -> None:
    """Restart the pages alone: the radio's process stays the same, and no packet is missed for it."""
    pid = story.guest.ask("systemctl show -P MainPID edge-devices")
    before = story.devices()["radio"]["heard"]
    begin = time.monotonic()
    story.guest.ask("systemctl restart edge-web", timeout=600)
    until(story.page_answers, BOOT_WITHIN, "the pages are back", every=1)
    seconds = time.monotonic() - begin
    heard = story.devices()["radio"]["heard"] - before
    assert story.guest.ask("systemctl show -P MainPID edge-devices") == pid
    story.tell(f"the pages were restarted in {seconds:.0f} s; {heard} packets were heard meanwhile")
    assert heard > seconds, "the radio heard on, about ten packets a second"


def _memory(story: Story) -> str:
    return " ".join(story.guest.ask("free -m | sed -n 2p").split()[:3])
