"""The image as a machine: QEMU (arm64, -M virt, translated), its console, its monitor, its network, its power plug."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

QEMU = "qemu-system-aarch64"
MEMORY = 1024  # MiB: a Pi 3, or half a Zero's swap
CARD = "4G"
BOOT_OFFSET = 4 * 1024 * 1024  # bytes; where the boot partition begins (image/assemble)
# The year of the build of QEMU's board: it has a clock, a Pi has none.
NO_CLOCK = "base=2020-01-01T00:00:00,clock=vm"


def run(*words, given=None, check=True, timeout=120):
    """Run a program, and return what it wrote."""
    return subprocess.run(words, input=given, check=check, capture_output=True, text=True, timeout=timeout).stdout


def prepare(image: Path, work: Path, wanted: str) -> None:
    """Make a card of the image, with a person's edge.toml on its boot partition, and take the kernel out of it."""
    boot = f"{image}@@{BOOT_OFFSET}"
    for name in re.findall(r"\b(?:vmlinuz|initrd\.img)-\S+", run("mdir", "-b", "-i", boot, "::/")):
        kept = work / ("kernel" if name.startswith("vmlinuz") else "initrd")
        kept.unlink(missing_ok=True)
        run("mcopy", "-i", boot, f"::/{name}", str(kept))
    card = work / "card.img"
    run("cp", "--sparse=always", str(image), str(card))
    run("truncate", "-s", CARD, str(card))
    (work / "edge.toml").write_text(wanted)
    run("mcopy", "-o", "-i", f"{card}@@{BOOT_OFFSET}", str(work / "edge.toml"), "::/edge.toml")


class Guest:
    """One machine with one card, switched on and off; at most one at a time in a working folder."""

    def __init__(self, work: Path, *, port: int, https: int, ssh: int) -> None:
        self.work, self.port, self.https_port, self.ssh_port = work, port, https, ssh
        self.console = work / "console.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._monitor: Monitor | None = None

    def switch_on(self) -> None:
        """Power."""
        self.console.unlink(missing_ok=True)
        qmp = self.work / "qmp.sock"
        qmp.unlink(missing_ok=True)
        ports = {self.port: 80, self.https_port: 443, self.ssh_port: 22}
        forward = ",".join(f"hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in ports.items())
        words = [QEMU, "-M", "virt,gic-version=3", "-cpu", "cortex-a72", "-smp", "2", "-m", str(MEMORY)]
        words += ["-accel", "tcg,thread=multi,tb-size=512", "-nodefaults", "-no-user-config", "-display", "none"]
        words += ["-kernel", str(self.work / "kernel"), "-initrd", str(self.work / "initrd"), "-rtc", NO_CLOCK]
        # systemd.watchdog_sec: a translated machine is too slow for the 14 s of the real one.
        words += ["-append", "root=LABEL=EDGEROOT rw console=ttyAMA0 net.ifnames=0 rootwait systemd.watchdog_sec=0"]
        words += ["-drive", f"if=none,id=card,file={self.work / 'card.img'},format=raw,cache=writeback"]
        words += ["-device", "virtio-blk-pci,drive=card", "-device", "virtio-rng-pci", "-device", "qemu-xhci,id=xhci"]
        words += ["-netdev", f"user,id=net,restrict=on,{forward}", "-device", "virtio-net-pci,netdev=net,romfile="]
        words += ["-qmp", f"unix:{qmp},server=on,wait=off"]
        words += ["-chardev", f"file,id=console,path={self.console}", "-serial", "chardev:console"]
        log = (self.work / "qemu.log").open("wb")
        self._process = subprocess.Popen(["nice", "-n", "2", *words], stdout=log, stderr=log)
        (self.work / "qemu.pid").write_text(str(self._process.pid))
        self._monitor = Monitor(qmp)

    def cut(self) -> None:
        """Pull the plug: the machine is gone between two instructions, and what it had not written with it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    @property
    def runs(self) -> bool:
        """Whether it is on."""
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, command: str, *, timeout: float = 300, check: bool = True, given: str | None = None) -> str:
        """Run a command on the box by SSH, as root by sudo."""
        words = self._words(f"sudo sh -c {_quoted(command)}")
        return run(*words, check=check, timeout=timeout, given=given).strip()

    def send(self, path: Path, command: str) -> None:
        """Run a command on the box, as its owner, that reads a file of ours."""
        with path.open("rb") as file:
            subprocess.run(self._words(command), stdin=file, check=True, timeout=1200)

    def fetch(self, command: str, path: Path) -> None:
        """Run a command on the box, as its owner, and keep what it writes."""
        with path.open("wb") as file:
            subprocess.run(self._words(command), stdin=subprocess.DEVNULL, stdout=file, check=True, timeout=600)

    def _words(self, command: str) -> list[str]:
        options = ["-q", "-i", str(self.work / "id"), "-p", str(self.ssh_port), "-o", "StrictHostKeyChecking=no"]
        options += ["-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=60", "-o", "BatchMode=yes"]
        return ["ssh", *options, "admin@127.0.0.1", command]

    def plug(self, name: str, port: int) -> None:
        """Plug an FTDI adapter in, behind which ``port`` of this machine is the TNC."""
        address = {"type": "inet", "data": {"host": "127.0.0.1", "port": str(port)}}
        backend = {"type": "socket", "data": {"addr": address, "server": False}}
        self._asked("chardev-add", id=f"{name}-line", backend=backend)
        serial = {"serial": "EDGE0001", "always-plugged": True, "bus": "xhci.0"}
        self._asked("device_add", driver="usb-serial", id=name, chardev=f"{name}-line", **serial)

    def unplug(self, name: str) -> None:
        """Pull it out."""
        self._asked("device_del", id=name)
        until(lambda: self._removed(f"{name}-line"), 10, "the adapter is out")

    def _removed(self, line: str) -> bool:
        with contextlib.suppress(RuntimeError):  # busy, for a moment
            self._asked("chardev-remove", id=line)
            return True
        return False

    def _asked(self, command: str, **arguments: object) -> object:
        assert self._monitor is not None
        return self._monitor.ask(command, **arguments)


class Monitor:
    """QEMU's machine protocol: a line of JSON each way."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        until(lambda: not self._socket.connect_ex(str(path)), 30, "QEMU answers")
        self._socket.settimeout(30)
        self._file = self._socket.makefile("rw")
        self._file.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: object) -> object:
        """Give a command, and return its answer."""
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            answer = json.loads(self._file.readline())
            if "error" in answer:
                raise RuntimeError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]


def until(wanted, seconds: float, what: str, every: float = 0.25):
    """Look until it is so, and return what was seen; AssertionError after the bound."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := wanted():
            return found
        time.sleep(every)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def free_port() -> int:
    """Return a port of this machine that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def end_leftover(work: Path) -> None:
    """End the machine of a run that was ended itself, if it is still that machine."""
    path = work / "qemu.pid"
    if path.exists():
        pid = int(path.read_text())
        with contextlib.suppress(OSError):
            if str(work).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        path.unlink()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
