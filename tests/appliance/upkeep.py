"""What its owner does to a box: back up, restore, update, see whether all is well. Chapters like those of `story`."""

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from appliance.guest import until
from appliance.story import BOOT_WITHIN, Story, groups, tnc

CUTS_IN_AN_UPDATE = (5, 15, 30, 60)  # seconds after it began: before it, while dpkg works, on trial
CUTS_IN_A_RESTORE = (4, 10)  # the same: while the archive is read, while the service stops or starts


def update(story: Story, good: Path, broken: Path) -> None:
    """A good version stays; one that does not get ready goes by itself; a cut in the middle of one harms nothing."""
    before = _version(story)
    story.guest.send(broken, "cat >broken.deb")
    said, seconds = _updated(story, "broken.deb")
    story.tell(f"a version that does not get ready: {said} ({seconds:.0f} s)")
    assert "went back to the version before" in said
    assert _version(story) == before

    story.guest.send(good, "cat >good.deb")
    said, seconds = _updated(story, "good.deb")
    after = _version(story)
    story.tell(f"a good version: {before} → {after}: {said} ({seconds:.0f} s)")
    assert "the new version runs" in said
    assert after != before
    _expect_all_acknowledged(story)


def cut_updates(story: Story) -> None:
    """The plug is pulled at several moments of an update that cannot get ready: the version before runs again."""
    before = _version(story)
    for seconds in CUTS_IN_AN_UPDATE:
        _cut_after(story, seconds, lambda: story.guest.ask("edge-update /home/admin/broken.deb", timeout=2400))
        story.boot(f"power cut {seconds} s into an update")
        idle = lambda: "idle" in story.guest.ask("cat /var/lib/edge-image/update.json", check=False)  # noqa: E731
        until(idle, 2400, "the update has come to its end", every=5)
        until(story.page_answers, BOOT_WITHIN, "the page is back", every=1)
        found = story.guest.ask("journalctl -b -u edge-update -o cat --grep ^update: | head -n 1", check=False)
        came = story.guest.ask("edge-update --status; true")
        story.tell(f"found at the boot: {found.removeprefix('update: ') or 'nothing'}; what came of it: {came}")
        assert _version(story) == before
    _expect_all_acknowledged(story)


def backup(story: Story) -> None:
    """What is changed after a backup is as it was after the restore, and the box runs on it."""
    kept = story.work / "edge-backup.tar"
    story.browser.submit("/admin/auth/group/add/", name="cut-0-before-backup")
    before, devices = groups(story), sorted(story.devices())
    begin = time.monotonic()
    story.guest.fetch("sudo edge-backup", kept)
    story.tell(f"a backup: {kept.stat().st_size / 1e6:.1f} MB in {time.monotonic() - begin:.0f} s, the box running")

    changed = _change(story)
    begin = time.monotonic()
    story.guest.send(kept, "sudo edge-restore")
    until(story.page_answers, BOOT_WITHIN, "the page is back", every=1)
    assert groups(story) == before, "the groups are those of the backup"
    assert sorted(story.devices()) == devices
    story.tell(f"restored in {time.monotonic() - begin:.0f} s: what was changed since is as it was")
    there = story.guest.ask("ls /var/lib/edge.replaced/edge.sqlite3; stat -c %U:%a /var/lib/edge")
    assert there.splitlines() == ["/var/lib/edge.replaced/edge.sqlite3", "edge:700"], there

    for seconds in CUTS_IN_A_RESTORE:
        _change(story)
        _cut_after(story, seconds, lambda: story.guest.send(kept, "sudo edge-restore"))
        story.boot(f"power cut {seconds} s into a restore")
        until(lambda: not story.guest.ask("ls /var/lib/edge-image/halted", check=False), 600, "the box may run")
        until(story.page_answers, BOOT_WITHIN, "the page is back", every=1)
        there = groups(story)
        assert there in (before, changed), there
        story.tell(f"the data is that {'of the backup' if there == before else 'of before the restore'}")


def _change(story: Story) -> list[str]:
    """Save something that the backup does not have, and return what there is by then."""
    name = "cut-0-after-backup"
    if name not in groups(story):
        story.browser.submit("/admin/auth/group/add/", name=name)
    there = groups(story)
    assert name in there
    return there


def _cut_after(story: Story, seconds: float, work: Callable[[], object]) -> None:
    """Do it, and pull the plug so many seconds after it began."""
    timer = threading.Timer(seconds, story.guest.cut)
    timer.start()
    with contextlib.suppress(subprocess.SubprocessError):
        work()
    timer.join()
    story.guest.cut()


def _updated(story: Story, package: str) -> tuple[str, float]:
    """Update to its end; return what was said of it last, and the seconds that it took."""
    begin = time.monotonic()
    said = story.guest.ask(f"edge-update /home/admin/{package}; true", timeout=2400)
    seconds = time.monotonic() - begin
    until(story.page_answers, BOOT_WITHIN, "the page is back", every=1)
    return said.splitlines()[-1], seconds


def _expect_all_acknowledged(story: Story) -> None:
    there = set(groups(story))
    assert not [name for name in story.kept["acked"] if name not in there]


def healthy(story: Story) -> None:
    """At the end of all of it the box has nothing to complain of but the network that it was not given."""
    with tnc(story) as port:
        story.guest.plug("tnc", port)
        until(lambda: story.devices().get("radio", {}).get("state") == "up", 180, "the device is up")
        found = json.loads(story.guest.ask("edge doctor --json", check=False))
        ill = [finding for finding in found if finding["level"] != "ok"]
        assert [finding["about"] for finding in ill] == ["clock"], ill
        failed = story.guest.ask("systemctl list-units --failed --plain --no-legend", check=False)
        assert not failed, failed
    story.guest.unplug("tnc")
    story.tell(f"edge doctor: {len(found) - 1} things are well, and of the clock: {ill[0]['text']}; no unit failed")
    story.tell(f"memory: {story.guest.ask('free -m | sed -n 2p')}")


def _version(story: Story) -> str:
    return story.guest.ask("dpkg-query -W -f '${Version} ${Status}' edge")
