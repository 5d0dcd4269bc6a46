"""Which serial ports are there now: read from udev, or from the kernel's own files where udev does not run.

Blocks for milliseconds: not for the loop. `transports.hotplug` tells of changes, `transports.ports` decides.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from serial.tools import list_ports

from transports.ports import Port

MAX_PORTS = 256  # that are looked at; more than the kernel gives to one kind of adapter
CONTROL = Path("/run/udev/control")  # udev's daemon runs where it is
NAMES = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttyS*", "rfcomm*")  # of the kernel, for what TNCs are plugged into
BY_UDEV = "udev"
BY_POLLING = "polling"


def way() -> str:
    """Say how ports are found here: by udev, or by polling."""
    return BY_UDEV if CONTROL.exists() and _context() is not None else BY_POLLING


def scan() -> tuple[Port, ...]:
    """Read what serial ports are there now, by path. At most `MAX_PORTS`."""
    with _one_at_a_time:
        found = list(_scan_udev(_context()) if way() == BY_UDEV else _scan_kernel())
    return tuple(sorted(found, key=lambda port: port.path))[:MAX_PORTS]


def new_context() -> Any:
    """Load libudev. Once for each user of it, for it may not be shared by threads; looking for it starts a process.

    ImportError where it is not installed.
    """
    import pyudev  # noqa: PLC0415  (Linux only, and worth nothing without udev's daemon)

    return pyudev.Context()


_one_at_a_time = threading.Lock()


@cache
def _context() -> Any:
    """Return the context of `scan`, or None without libudev."""
    try:
        return new_context()
    except (ImportError, OSError):
        return None


def _scan_udev(context: Any) -> Iterator[Port]:
    import pyudev  # noqa: PLC0415  (as above)

    devices = context.list_devices(subsystem="tty")
    for name in NAMES:
        devices.match_sys_name(name)
    for device in devices:
        with contextlib.suppress(pyudev.DeviceNotFoundError, OSError):  # it went while it was looked at
            if device.device_node and Path(device.device_node).exists() and _is_real(Path(device.sys_path)):
                yield _port_of(device)


def _port_of(device: Any) -> Port:  # a pyudev.Device, which ships no types
    told = device.properties
    usb, adapter = device.find_parent("usb", "usb_device"), device.find_parent("usb-serial")
    stated = usb.attributes if usb is not None else {}
    by_id = (link for link in told.get("DEVLINKS", "").split() if link.startswith("/dev/serial/by-id/"))
    interface = device.find_parent("usb", "usb_interface")
    return Port(
        path=device.device_node,
        vendor=_hex(told.get("ID_VENDOR_ID") or _text(stated, "idVendor")),
        product=_hex(told.get("ID_MODEL_ID") or _text(stated, "idProduct")),
        serial=told.get("ID_SERIAL_SHORT") or _text(stated, "serial"),
        interface=_hex(told.get("ID_USB_INTERFACE_NUM", "")) or 0,
        number=int(_text(adapter.attributes, "port_number") or 0) if adapter is not None else 0,
        at=told.get("ID_PATH", ""),
        manufacturer=_text(stated, "manufacturer") or told.get("ID_VENDOR", ""),
        product_name=_text(stated, "product") or told.get("ID_MODEL", ""),
        by_id=Path(next(by_id, "")).name,
        driver=(interface.properties.get("DRIVER", "") if interface is not None else ""),
        plugged=_plugged(device.device_node, f"{_text(stated, 'busnum')}-{_text(stated, 'devnum')}"),
    )


def _scan_kernel() -> Iterator[Port]:
    """Look without udev: at the kernel's own files, as pyserial does."""
    for found in list_ports.comports():
        path = Path("/sys/class/tty") / found.name
        if _is_real(path):
            interface = Path(getattr(found, "usb_interface_path", None) or "").name
            usb = getattr(found, "usb_device_path", None) or ""
            yield Port(
                path=found.device,
                vendor=found.vid,
                product=found.pid,
                serial=found.serial_number or "",
                interface=int(interface.rpartition(".")[2]) if "." in interface else 0,
                at=interface,
                manufacturer=found.manufacturer or "",
                product_name=found.product or "",
                plugged=_plugged(found.device, _read(Path(usb) / "devnum")),
            )


def _is_real(sys_path: Path) -> bool:
    """Tell whether there is a chip behind a port: the kernel makes ttyS nodes in advance, of type 0."""
    return _read(sys_path / "type") != "0"


def _plugged(path: str, number: str) -> str:
    """Describe this plugging in: the bus counts its devices up, and the node is a new one each time."""
    try:
        return f"{number}:{Path(path).stat().st_ino}"
    except OSError:
        return number


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _text(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name) or b""
    return value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else str(value)


def _hex(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None
