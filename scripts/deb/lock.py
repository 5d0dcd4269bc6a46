"""Print the lock of a folder of wheels for pip's --require-hashes: libraries, versions, and the hashes of each."""

import hashlib
import re
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Print it; raises SystemExit where two wheels differ in the version of one library."""
    found: dict[str, tuple[str, set[str]]] = {}
    for wheel in sorted(folder.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        name = re.sub(r"[-_.]+", "-", name).lower()
        known, hashes = found.setdefault(name, (version, set()))
        if known != version:
            raise SystemExit(f"{name}: {known} and {version}; a Python does not get the newest, so pin it")
        hashes.add(hashlib.sha256(wheel.read_bytes()).hexdigest())
    print("# What the Debian package carries. Made by scripts/build-deb --renew; do not edit.")  # noqa: T201  (its work)
    for name, (version, hashes) in sorted(found.items()):
        lines = [f"{name}=={version}", *(f"    --hash=sha256:{each}" for each in sorted(hashes))]
        print(" \\\n".join(lines))  # noqa: T201  (as above)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
