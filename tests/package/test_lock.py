"""What the package carries is what the project asks for."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "scripts/deb/wheels.lock").read_text()


def test_each_library_that_edge_needs_is_in_the_package_in_a_version_that_will_do():
    locked = dict(re.findall(r"^([\w-]+)==(\S+)", LOCK, re.MULTILINE))
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for requirement in map(Requirement, wanted):
        version = locked.get(requirement.name.lower().replace("_", "-"))
        assert version, f"{requirement.name} is not in the package: scripts/build-deb --renew"
        assert requirement.specifier.contains(version), f"{requirement} is {version} in the package"


def test_each_library_is_held_to_its_content():
    for entry in re.split(r"\n(?=\w)", LOCK.strip())[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
