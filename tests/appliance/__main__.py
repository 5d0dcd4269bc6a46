"""The command behind scripts/appliance-test."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from appliance import services, upkeep
from appliance import story as tale
from appliance.guest import prepare, run


def main() -> int:
    made = argparse.ArgumentParser(
        prog="scripts/appliance-test", description="Boot the image in QEMU and pull it about."
    )
    made.add_argument("image", type=Path, help="what image/build made: FILE.img")
    made.add_argument(
        "--work", type=Path, default=Path("/var/tmp/edge-appliance-test"), help="card, console, report (%(default)s)"
    )
    made.add_argument(
        "--cuts", type=int, default=20, help="power cuts (%(default)s); more than before go on from there"
    )
    made.add_argument(
        "--good", type=Path, help="a .deb of a newer version, for the update; without it that is left out"
    )
    made.add_argument("--fresh", action="store_true", help="begin anew, with a new card")
    options = made.parse_args()
    if options.fresh:
        shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True, exist_ok=True)
    if not (options.work / "card.img").exists():
        prepare(options.image, options.work, tale.wanted_file(options.work))
    story = tale.Story(options.work)
    chapters = {"first boot": tale.first_boot, "hot-plug": tale.hot_plug}
    chapters["cuts"] = lambda story: tale.power_cuts(story, options.cuts)
    chapters["backup"] = upkeep.backup
    if options.good:
        chapters["update"] = lambda story: upkeep.update(story, options.good, broken(options.good, options.work))
        chapters["cut updates"] = upkeep.cut_updates
    if (tale.ROOT / "systemd/edge-https.socket").exists():
        chapters["https"] = services.https
    if (tale.ROOT / "systemd/edge-devices.service").exists():
        chapters["two services"] = services.two_services
    chapters["healthy"] = upkeep.healthy
    try:
        for name, chapter in chapters.items():
            again = name == "healthy" or (name == "cuts" and story.kept.get("cuts", 0) < options.cuts)
            if name in story.kept["done"] and not again:
                continue
            if not story.guest.runs and name != "first boot":
                story.boot("boot")
                story.sign_in_by_ssh()
            chapter(story)
            story.keep(done=[*(each for each in story.kept["done"] if each != name), name])
    except AssertionError as failure:
        story.tell(f"FAILED: {failure}")
        return 1
    finally:
        story.guest.cut()
    story.tell("All of it held.")
    return 0


def broken(good: Path, work: Path) -> Path:
    """Make a version of the package that installs and never gets ready."""
    made, root = work / "broken.deb", Path(tempfile.mkdtemp(dir=work))
    run("dpkg-deb", "--raw-extract", str(good), str(root / "x"), timeout=300)
    module = next((root / "x").rglob("django_site/commands/serve.py"))
    module.write_text("raise RuntimeError('this version does not get ready')\n")
    control = root / "x/DEBIAN/control"
    lines = control.read_text().splitlines()
    lines = [f"{line}+broken" if line.startswith("Version:") else line for line in lines]
    control.write_text("\n".join([*lines, ""]))
    run("dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", str(root / "x"), str(made), timeout=600)
    shutil.rmtree(root)
    return made


if __name__ == "__main__":
    sys.exit(main())
