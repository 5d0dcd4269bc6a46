"""What its owner does to a box: back up, restore, update, see whether all is well. Chapters like those of `story`."""

import contextlib
import json
import random
import subprocess
import threading
import time
from pathlib import Path

from appliance.guest import until
from appliance.story import BOOT_WITHIN, Story, groups, tnc


def update(story: Story, good: Path, broken: Path) -> None:
    """A good version stays; one that does not get ready goes by itself; a cut in the middle of one harms nothing."""
    before = _version(story)
    story.guest.send(broken, "cat >broken.deb")
    begin = time.monotonic()
    said = story.guest.ask("edge-update /home/admin/broken.deb; true", timeout=2400)
    story.tell(f"a version that does not get ready: {said.splitlines()[-1]} ({time.monotonic() - begin:.0f} s)")
    assert "went back to the version before" in said
    until(story.page_answers, BOOT_WITHIN, "the page is back", every=1)
    assert _version(story) == before

    story.guest.send(good, "cat >good.deb")
    begin = time.monotonic()
    said = story.guest.ask("edge-update /home/admin/good.deb; true", timeout=2400)
    after = _version(story)
    story.tell(f"a good version: {before} → {after}: {said.splitlines()[-1]} ({time.monotonic() - begin:.0f} s)")
    assert "the new version runs" in said
    assert after != before
    lost = [name for name in story.kept["acked"] if name not in set(groups(story))]
    assert not lost

    threading.Timer(random.uniform(20, 60), story.guest.cut).start()
    with contextlib.suppress(subprocess.SubprocessError):
        story.guest.ask("edge-update /home/admin/broken.deb", timeout=2400)
    until(lambda: not story.guest.runs, 120, "the plug is out")
    story.boot("power cut in the middle of an update")
    idle = lambda: "idle" in story.guest.ask("cat /var/lib/edge-image/update.json", check=False)  # noqa: E731
    until(idle, 2400, "the update has come to its end", every=5)
    until(story.page_answers, BOOT_WITHIN, "the page is back", every=1)
    story.tell(f"after the cut: {story.guest.ask('edge-update --status; true')}")
    assert _version(story) == after


def backup(story: Story) -> None:
    """What is changed after a backup is as it was after the restore, and the box runs on it."""
    kept = story.work / "edge-backup.tar"
    story.browser.submit("/admin/auth/group/add/", name="cut-0-before-backup")
    before, devices = groups(story), sorted(story.devices())
    begin = time.monotonic()
    story.guest.fetch("sudo edge-backup", kept)
    story.tell(f"a backup: {kept.stat().st_size / 1e6:.1f} MB in {time.monotonic() - begin:.0f} s, the box running")

    story.browser.submit("/admin/auth/group/add/", name="cut-0-after-backup")
    assert "cut-0-after-backup" in groups(story)

    begin = time.monotonic()
    story.guest.send(kept, "sudo edge-restore")
    until(story.page_answers, BOOT_WITHIN, "the page is back", every=1)
    assert groups(story) == before, "the groups are those of the backup"
    assert sorted(story.devices()) == devices
    story.tell(f"restored in {time.monotonic() - begin:.0f} s: what was changed since is as it was")
    there = story.guest.ask("ls /var/lib/edge.replaced/edge.sqlite3; stat -c %U:%a /var/lib/edge")
    assert there.splitlines() == ["/var/lib/edge.replaced/edge.sqlite3", "edge:700"], there


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
