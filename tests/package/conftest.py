"""A Debian to install into: this machine's own, with a layer above it that takes every change and is thrown away.

In namespaces of its own: no process, mount or file of the machine is touched. It needs root, as dpkg does.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENTER = Path(__file__).with_name("enter.sh")
RELEASES = {(3, 11): "bookworm", (3, 13): "trixie"}
LONG = 240  # seconds for dpkg and a box to do one story, on a machine that has other things to do


def release():
    """Name the Debian that this machine is, by the Python of its own."""
    told = subprocess.run(["/usr/bin/python3", "-V"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"Python (\d+)\.(\d+)", told)
    return RELEASES.get((int(found[1]), int(found[2]))) if found else None


@pytest.fixture(scope="session")
def debian():
    """Run a shell script on the thrown-away Debian; the folder that is given is at /given."""
    if os.geteuid() != 0 or release() is None:
        pytest.skip("needs root on Debian 12 or 13 to install a package into namespaces")
    probe = subprocess.run(["unshare", "-m", "-p", "-f", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"this machine makes no namespaces: {probe.stderr.strip()}")

    def run(script, given):
        return subprocess.run(
            ["unshare", "-m", "-p", "-f", "--kill-child", "bash", ENTER, given],
            input=script,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG": "C.UTF-8",
                "OUTSIDE": str(Path("/proc/self/ns/mnt").readlink()),
            },
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def package(tmp_path_factory, debian):
    """The package of this checkout for this machine, built once."""
    del debian  # only where it can be installed is it worth building
    return build(tmp_path_factory.mktemp("deb"))


def build(folder):
    folder.mkdir(exist_ok=True)
    built = subprocess.run(
        [
            ROOT / "scripts/build-deb",
            "--arch",
            "amd64",
            "--release",
            release() or "bookworm",
            "--out",
            folder,
            "--fast",
        ],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
        env={**os.environ, "EDGE_PYTHON": sys.executable},
    )
    assert built.returncode == 0, built.stderr[-3000:]
    return Path(built.stdout.split()[-1])


def changed(package, folder, version, files):
    """Make the package of another version out of one: the same, and some files beside."""
    tree = folder / f"tree-{version}"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True, timeout=LONG)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*", f"Version: {version}", control.read_text()))
    init = tree / "usr/lib/edge/app/edge/__init__.py"
    init.write_text(re.sub(r"(?m)^__version__ = .*", f'__version__ = "{version}"', init.read_text()))
    for name, text in files.items():
        (tree / "usr/lib/edge/app" / name).write_text(text)
    made = folder / f"edge_{version}_amd64.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, made],
        check=True,
        timeout=LONG,
        stdout=subprocess.DEVNULL,
    )
    shutil.rmtree(tree)
    return made
