"""What is shown of the image, chapter by chapter; each may be run again on the card that the last one left.

Here are those of a box that is used; `upkeep` has those of its owner, who backs up and updates.

A chapter fails by AssertionError. Figures go to `Story.tell`, and so into report.txt and progress.json.
"""

import contextlib
import http.client
import json
import random
import re
import subprocess
import threading
import time
from pathlib import Path

from appliance.guest import Guest, end_leftover, free_port, run, until
from transports import probes

ROOT = Path(__file__).parents[2]
BOOT_WITHIN = 900.0  # seconds; a translated machine on a busy one
PAGE_WITHIN = 90.0  # seconds for one page of it
SECTOR = 512  # bytes, in /sys/block/*/stat
PACKETS_A_MINUTE = 600  # ten a second
BYTES_AN_HOUR = 400_000_000  # the bound at ten packets a second; what was seen is in docs/appliance.md
ADAPTER = "serial:///dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL_EDGE0001-if00-port0"
WANTED = """\
[box]
name = "shack"
[owner]
name = "alice"
[ssh]
user = "admin"
keys = ["{key}"]
[wifi]
ssid = "Nowhere"
password = "there is no wlan0"
country = "DE"
[station]
callsign = "QQ1EDG-10"
link = "{link}"
"""


class Story:
    """One card, one guest, and what was seen so far."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.progress = work / "progress.json"
        self.kept = json.loads(self.progress.read_text()) if self.progress.exists() else {"done": [], "acked": []}
        end_leftover(work)
        self.guest = Guest(work, port=free_port(), https=free_port(), ssh=free_port())
        probes.TIMEOUT = PAGE_WITHIN
        self.browser = probes.Browser(self.guest.url)

    def keep(self, **news) -> None:
        """Remember, so that an ended run goes on from here."""
        self.kept |= news
        self.progress.write_text(json.dumps(self.kept, indent=1))

    def tell(self, text: str) -> None:
        """Say a figure, and write it down."""
        line = f"{time.strftime('%H:%M:%S')}  {text}"
        print(line, flush=True)  # noqa: T201  (a report)
        with (self.work / "report.txt").open("a") as file:
            file.write(line + "\n")

    def boot(self, what: str) -> float:
        """Switch on and wait until the page answers; return the seconds."""
        begin = time.monotonic()
        self.guest.switch_on()
        until(self.page_answers, BOOT_WITHIN, f"{what}: the page answers", every=1)
        seconds = time.monotonic() - begin
        self.tell(f"{what}: the page answers {seconds:.0f} s after power")
        return seconds

    def page_answers(self) -> bool:
        """Whether the page is there."""
        assert self.guest.runs, f"QEMU ended: {(self.work / 'qemu.log').read_text()[-500:]}"
        stranger = probes.Browser(self.guest.url)  # who is signed in is led on from there
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            return "Sign in" in stranger.get("/login/")
        return False

    def sign_in(self, link: str) -> None:
        """Use a link, and keep the session: it is the box's, and outlives its cuts."""
        page = self.browser.submit(link)
        assert "Live" in page, "the link did not lead to the live page"

    def sign_in_by_ssh(self) -> None:
        """Use a link that the box printed for its owner."""
        path = self.guest.ask("edge login --user alice --minutes 600 --url http://x").strip()
        self.sign_in(path.removeprefix("http://x"))

    def devices(self) -> dict:
        """Return the devices of ``edge status``, by name."""
        answer = json.loads(self.guest.ask("edge status --json", check=False) or '{"devices": []}')
        return {device["name"]: device for device in answer["devices"]}


def first_boot(story: Story) -> None:
    """The card boots into the box that edge.toml asks for, and the link on its screen signs in."""
    story.boot("first boot")
    console = lambda: story.guest.console.read_text(errors="replace")  # noqa: E731
    link = until(
        lambda: re.search(r"http://[0-9.]+(/login/[\w-]{40,}/)", console()), 300, "a link on the screen", every=2
    )
    story.sign_in(link[1])
    story.tell("the link on the screen signs the owner in")
    look = story.guest.ask(
        "cat /etc/hostname; findmnt -bno SIZE /; ls /boot/firmware; cat /boot/firmware/edge-toml-report.txt;"
        "cat /etc/machine-id; date +%Y; systemctl is-active mosquitto avahi-daemon ssh edge; swapon --noheadings"
    )
    lines = look.splitlines()
    assert lines[0] == "shack"
    assert int(lines[1]) > 3_000_000_000, "the root has grown"
    assert "edge.toml" not in lines
    assert "will join Nowhere" in look
    assert "alice owns the site" in look
    assert "could not be taken" not in look, look
    assert look.count("\nactive") == 4, look
    assert "/dev/zram0" in look
    unsafe = story.guest.ask("grep -r force-unsafe-io /etc/dpkg", check=False)
    assert not unsafe, f"an update would not wait for the card: {unsafe}"
    story.guest.ask("test -s /usr/share/doc/edge/services.md")
    failed = story.guest.ask("systemctl list-units --failed --plain --no-legend", check=False)
    assert not failed, failed
    rated = story.guest.ask("systemd-analyze security edge.service --no-pager | tail -n 1", check=False)
    story.tell(f"no unit failed; {' '.join(rated.split())}")
    story.tell(f"memory: {story.guest.ask('free -m | sed -n 2p')}")


def hot_plug(story: Story) -> None:
    """An adapter that is plugged in is opened, its packets reach the page; pulled out and back, it is up again."""
    with tnc(story) as port:
        begin = time.monotonic()
        story.guest.plug("tnc", port)
        until(lambda: story.devices().get("radio", {}).get("heard"), 300, "a packet is heard")
        story.tell(f"plugged in: packets are heard within {time.monotonic() - begin:.1f} s")
        assert story.devices()["radio"]["state"] == "up"
        source = json.loads(story.guest.ask("edge tap radio --json --count 1").splitlines()[0])["event"]["source"]
        until(lambda: source in story.browser.get("/stations/"), 60, f"{source} is on the page of stations")
        story.tell(f"{source} is on the page of stations, through the forwarded port")
        _count_bytes(story)
    # The TNC is silent by now: QEMU 7.2 may end by itself where an adapter goes that still hears something.
    story.guest.unplug("tnc")
    text = until(lambda: _state_but(story, "up"), 120, "the box sees that it is out")
    story.tell(f"pulled out: {text}")
    with tnc(story) as port:
        begin = time.monotonic()
        story.guest.plug("tnc", port)
        until(lambda: story.devices().get("radio", {}).get("state") == "up", 180, "the device is up again")
        story.tell(f"back: up again within {time.monotonic() - begin:.1f} s, as {story.guest.ask('ls /dev/ttyUSB*')}")
    story.guest.unplug("tnc")


def _count_bytes(story: Story, minutes: float = 2.0) -> None:
    """Count what reaches the card while ten packets a second are heard."""
    written = "awk '{print $7}' /sys/block/vda/stat; edge status --json"  # sectors (Documentation/block/stat.rst)

    def look():
        numbers, _, status = story.guest.ask(f"sync; {written}", check=False).partition("\n")
        heard = next(device["heard"] for device in json.loads(status)["devices"] if device["name"] == "radio")
        return time.monotonic(), int(numbers) * SECTOR, heard

    began, before, heard = look()
    time.sleep(minutes * 60)
    ended, after, since = look()
    seconds, packets = ended - began, since - heard
    an_hour = (after - before) * 3600 / seconds
    story.tell(f"{packets / seconds:.1f} packets/s for {seconds:.0f} s: {an_hour / 1e6:.1f} MB an hour reach the card")
    assert packets / seconds > PACKETS_A_MINUTE / 60 / 2, "the air was too quiet to tell"
    assert an_hour < BYTES_AN_HOUR


def power_cuts(story: Story, wanted: int) -> None:
    """The plug is pulled while somebody saves; whatever was acknowledged is there when the box is back."""
    done = int(story.kept.get("cuts", 0))
    with tnc(story) as port:
        while done < wanted:
            story.guest.plug("tnc", port)
            saved = _save_until_cut(story, done)
            acked = [*story.kept["acked"], *saved]
            story.keep(acked=acked)
            seconds = story.boot(f"cut {done + 1} of {wanted}, after {len(saved)} more acknowledged")
            there = set(groups(story))
            lost = [name for name in acked if name not in there]
            assert not lost, f"acknowledged and gone: {lost}"
            done += 1
            boots = [*story.kept.get("boots", []), round(seconds)]
            story.keep(cuts=done, boots=boots)
    checked = story.guest.ask(
        'for f in edge history; do runuser -u edge -- python3 -c "import sqlite3;'
        "print(sqlite3.connect('/var/lib/edge/$f.sqlite3').execute('PRAGMA quick_check').fetchone()[0])\"; done",
    )
    assert checked.split() == ["ok", "ok"], checked
    story.tell(f"{done} power cuts: {len(story.kept['acked'])} acknowledged, none lost; both databases ok")


def _save_until_cut(story: Story, number: int) -> list[str]:
    """Save groups in the admin, one after the other, until the power goes; return those that were acknowledged."""
    saved: list[str] = []
    timer = threading.Timer(random.uniform(5, 40), story.guest.cut)
    timer.start()
    with contextlib.suppress(OSError, ValueError, http.client.HTTPException):  # half a page is none
        while story.guest.runs:
            name = f"cut-{number}-{len(saved)}"
            if "“<a" in story.browser.submit("/admin/auth/group/add/", name=name):
                saved.append(name)
    timer.join()
    story.guest.cut()
    return saved


def groups(story: Story) -> list[str]:
    """Return the names of what was saved in the admin here."""
    found: list[str] = []
    for page in range(1, 100):
        more = re.findall(r">(cut-\d+-[\w-]+)</a>", story.browser.get(f"/admin/auth/group/?p={page}"))
        if not more or more[-1] in found:  # the admin gives the last page again
            break
        found += more
    return found


@contextlib.contextmanager
def tnc(story: Story):
    """Run the simulated TNC: KISS behind a TCP port, ten packets a second."""
    port = free_port()
    words = [str(ROOT / ".venv/bin/edge"), "simulate", "--link", f"tcp://127.0.0.1:{port}"]
    words += ["--rate", str(PACKETS_A_MINUTE), "--talk-to", ""]
    with (story.work / "tnc.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        until(lambda: b"TNC at" in (story.work / "tnc.log").read_bytes(), 30, "the simulated TNC is there")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _state_but(story: Story, state: str) -> str:
    radio = story.devices().get("radio", {"state": state})
    return "" if radio["state"] == state else f"{radio['state']}: {radio['text']}"


def wanted_file(work: Path) -> str:
    """Write the person's edge.toml, with a key made for this card."""
    key = work / "id"
    if not key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    return WANTED.format(key=key.with_suffix(".pub").read_text().strip(), link=ADAPTER)
