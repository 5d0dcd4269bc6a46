"""A bench of USB sockets that are not there: umockdev's sysfs, udev and ptys, worked by lines of JSON on stdin.

To be run under ``umockdev-wrapper``; speaks to the library by ctypes, so that any Python does. A process of its own,
for the library can change only those that were started with it: the box is another such, pointed at this one's folder.

    {"do": "plug", "name": "ttyUSB0", …}   {"do": "unplug", "name": "ttyUSB0"}   {"do": "feed", …}   {"do": "read", …}

Each line is answered by one.
"""

import contextlib
import ctypes
import json
import os
import sys
from pathlib import Path


class Testbed:
    def __init__(self):
        self.lib = ctypes.CDLL("libumockdev.so.0")
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        self.lib.umockdev_testbed_new.restype = pointer
        for name, result, *arguments in (
            ("get_root_dir", text, pointer),
            ("add_from_string", ctypes.c_int, pointer, text, pointer),
            ("uevent", None, pointer, text, text),
            ("remove_device", None, pointer, text),
            ("get_dev_fd", ctypes.c_int, pointer, text),
        ):
            function = getattr(self.lib, f"umockdev_testbed_{name}")
            function.restype, function.argtypes = result, arguments
        self.bed = pointer(self.lib.umockdev_testbed_new())
        self.root = Path(self.lib.umockdev_testbed_get_root_dir(self.bed).decode())
        self.plugged = {}
        self.count = 0

    # umockdev takes each name once.
    def plug(self, name, *, vendor="0403", product="6001", serial="", maker="FTDI", model="FT232R USB UART", socket=1):
        """Plug an adapter into a socket; the kernel calls its port ``name``. All three devices and a pty are made."""
        self.count += 1
        bus = f"/devices/pci0000:00/0000:00:14.0/usb1/1-{socket}"
        place = f"pci-0000:00:14.0-usb-0:{socket}:1.0"
        short = f"E: ID_SERIAL_SHORT={serial}\n" if serial else ""
        known = f"{maker}_{model}{'_' + serial if serial else ''}".replace(" ", "_")
        links = f"/dev/serial/by-id/usb-{known}-if00-port0 /dev/serial/by-path/{place}-port0"
        between = f"/{name}" if name.startswith("ttyUSB") else ""
        device = name if between else f"1-{socket}:1.0"
        described = [
            f"P: {bus}\nN: bus/usb/001/{self.count:03d}\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\n"
            f"A: idVendor={vendor}\nA: idProduct={product}\nA: manufacturer={maker}\nA: product={model}\n"
            + (f"A: serial={serial}\n" if serial else "")
            + f"A: busnum=1\nA: devnum={self.count}\nA: bNumInterfaces= 1\n",
            f"P: {bus}/1-{socket}:1.0\nE: DEVTYPE=usb_interface\nE: SUBSYSTEM=usb\nE: DRIVER=ftdi_sio\n",
        ]
        if between:
            described.append(f"P: {bus}/1-{socket}:1.0/{name}\nE: SUBSYSTEM=usb-serial\nA: port_number=0\n")
        described.append(
            f"P: {bus}/1-{socket}:1.0{between}/tty/{name}\nN: {name}\nL: device=../../../{device}\n"
            f"E: DEVNAME=/dev/{name}\nE: SUBSYSTEM=tty\n"
            f"E: MAJOR=188\nE: MINOR={self.count}\nE: ID_BUS=usb\nE: ID_VENDOR_ID={vendor}\nE: ID_MODEL_ID={product}\n"
            f"E: ID_USB_INTERFACE_NUM=00\nE: ID_PATH={place}\nE: DEVLINKS={links}\n{short}A: dev=188:{self.count}\n"
        )
        error = ctypes.c_void_p()
        done = self.lib.umockdev_testbed_add_from_string(self.bed, "\n".join(described).encode(), ctypes.byref(error))
        if not done:
            raise RuntimeError("umockdev took no such device")
        self.plugged[name] = [
            f"/sys{line[3:]}" for text in described for line in text.splitlines() if line[:3] == "P: "
        ]
        os.set_blocking(self.master(name), False)

    def master(self, name):
        return self.lib.umockdev_testbed_get_dev_fd(self.bed, f"/dev/{name}".encode())

    def unplug(self, name, *, silent=False):
        """Pull it out. The driver hangs the port up, but for ``silent``: then udev's event alone tells."""
        pty = str((self.root / "dev" / name).readlink())
        if not silent:
            os.close(self.master(name))
        for path in reversed(self.plugged.pop(name)):
            self.lib.umockdev_testbed_uevent(self.bed, path.encode(), b"remove")
            self.lib.umockdev_testbed_remove_device(self.bed, path.encode())
        if not silent:  # left behind, and then it takes no pty of that number again
            (self.root / "dev/.ptymap" / pty.replace("/", "_")).unlink()

    def feed(self, name, *, hex):
        os.write(self.master(name), bytes.fromhex(hex))

    def read(self, name):
        with contextlib.suppress(OSError):
            return os.read(self.master(name), 65_536).hex()
        return ""


def main():
    bed = Testbed()
    sys.stdout.write(json.dumps(str(bed.root)) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        wish = json.loads(line)
        sys.stdout.write(json.dumps(getattr(bed, wish.pop("do"))(**wish)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
