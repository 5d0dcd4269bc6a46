"""Radio in a box: Direwolf stations that hear each other's AFSK, on a machine that needs no sound card.

A PulseAudio of our own carries the audio. Each station has a sink to speak into and one to listen at, and each path is
a loopback from one station's mouth to another's ear: a station hears those it should, never itself, and two that are
not joined are hidden from each other. Direwolf is the judge of what is on the air; nothing here shares code with our
codecs.

    with RadioLab(folder, "A-B B-C") as lab:
        a, b = lab.station("A"), lab.station("B", "DIGIPEAT 0 0 ^WIDE[3-7]-[1-7]$ ^WIDE[12]-[12]$")
        a.pty, a.port, a.agwpe  # three ways in: a serial KISS TNC, KISS over TCP, AGWPE
        a.transmit(">hello")  # a packet of QQ1TST-1
    b.heard(r"QQ1TST-1>.*")  # wait until Direwolf B has decoded it
        a.kill()                # the cable is pulled: whoever has the pty open gets EIO

The air is real time: a short packet takes about 0.7 s, so send few. Debian packages: direwolf, pulseaudio,
pulseaudio-utils, libasound2-plugins.
"""

import contextlib
import os
import re
import socket
import subprocess
from pathlib import Path

from tests.scenarios.running import SOON, Process, frame, free_port, until
from transports.simulator.kiss import encode_kiss

PROGRAMS = ("direwolf", "pulseaudio", "pactl", "pacat", "parec")
RATE = 44_100  # samples a second
VOLUME = 42_600  # of 65,536; brings what Direwolf calls the audio level near 50, where it wants it
LATENCY = 60  # ms of a path; enough for a machine that is busy with other tests
SHARED_LINK = Path("/tmp/kisstnc")  # every Direwolf points it at its own pty, and leaves it there when killed

CONFIGURATION = """ADEVICE {name}_ear {name}_mouth
ARATE {rate}
ACHANNELS 1
CHANNEL 0
MYCALL {callsign}
MODEM 1200
DWAIT 0
TXDELAY 20
TXTAIL 5
SLOTTIME 5
PERSIST 255
AGWPORT {agwpe}
KISSPORT {port}
{more}
"""


def alsa_speaks_pulse():
    """Tell whether libasound2-plugins is there: a library, so no program tells."""
    return any(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))


class RadioLab:
    """The air, and the stations on it. A context manager: whatever happens, nothing is left running."""

    def __init__(self, folder, paths):
        self.folder = folder
        self.paths = [tuple(path.split("-")) for path in paths.split()]  # both ways
        self.names = sorted({name for path in self.paths for name in path})
        self.stations = {}
        self._socket = folder / "pulse.sock"
        self._pulse = None
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "DBUS_"))},
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "XDG_CONFIG_HOME": str(folder),
        }

    def __enter__(self):
        (self.folder / "air.pa").write_text(self._air())
        (self.folder / ".asoundrc").write_text(self._devices())
        words = ["--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes", "--realtime=no"]
        command = ["pulseaudio", "-n", *words, "-F", self.folder / "air.pa"]
        self._pulse = Process(*command, folder=self.folder, env=self._environment, name="pulse")
        self._environment["PULSE_SERVER"] = f"unix:{self._socket}"  # from here on; PulseAudio itself would not start
        try:
            until(lambda: self._socket.exists() or self._ended(), self._pulse.words)
            assert not self._ended(), f"pulseaudio ended: {self._pulse.words()}"
            self._try_the_air()
        except BaseException:
            self._pulse.kill()
            raise
        return self

    def __exit__(self, *_):
        for station in list(self.stations.values()):
            station.kill()
        self._pulse.kill()

    def station(self, name, *configuration, callsign=None):
        """Switch a station on, or off and on: it keeps its ports. ``configuration`` are more lines of direwolf.conf."""
        callsign = callsign or f"QQ1LAB-{1 + self.names.index(name)}"
        before = self.stations.get(name)
        ports = (before.port, before.agwpe) if before else (free_port(), free_port())
        if before:
            before.kill()
        for _ in range(3):  # a port that was free may be another's by now
            station = self.stations[name] = Station(
                self.folder, name, callsign, ports, configuration, environment=self._environment
            )
            if station.is_ready():
                return station
            station.kill()
            ports = (free_port(), free_port())
        raise AssertionError(f"Direwolf {name} does not come up: {station.words()}")

    def cut(self, speaker, listener):
        """Let a listener hear a speaker no more; the way back stays."""
        wanted = f"source={speaker}_mouth.monitor sink={listener}_ear"
        modules = [line.split("\t") for line in self._control("list", "short", "modules").splitlines()]
        [number] = [module[0] for module in modules if wanted in module[2]]
        self._control("unload-module", number)

    def _try_the_air(self):
        """Wait until noise comes through to every ear: in its first second a loopback carries nothing."""
        sound = ["--raw", f"--rate={RATE}", "--channels=1", "--format=s16le", "--latency-msec=50"]
        with contextlib.ExitStack() as stack:

            def run(*command, name):
                process = Process(*command, *sound, folder=self.folder, env=self._environment, name=name)
                stack.callback(process.kill)
                return process

            for name in self.names:
                run("pacat", "-d", f"{name}_mouth", "/dev/urandom", name=f"noise-{name}")
            ears = [run("parec", "-d", f"{name}_ear.monitor", name=f"ear-{name}") for name in self.names]
            until(lambda: all(any(ear.out.read_bytes()) for ear in ears), lambda: [ear.words() for ear in ears])

    def _control(self, *words):
        command = ["pactl", *words]
        return subprocess.run(
            command, env=self._environment, check=True, capture_output=True, text=True, timeout=SOON
        ).stdout

    def _ended(self):
        return self._pulse.process.poll() is not None

    def _air(self):
        """What PulseAudio does at its start; the socket comes last, so that who sees it finds all."""
        sinks = [f"{name}_{part}" for name in self.names for part in ("mouth", "ear")]
        lines = [f"load-module module-null-sink sink_name={sink} rate={RATE} channels=1 format=s16le" for sink in sinks]
        lines += [f"set-sink-volume {name}_mouth {VOLUME}" for name in self.names]
        for one, other in self.paths:
            for speaker, listener in ((one, other), (other, one)):
                ends = f"source={speaker}_mouth.monitor sink={listener}_ear"
                lines.append(f"load-module module-loopback {ends} latency_msec={LATENCY} adjust_time=0")
        lines.append(f"load-module module-native-protocol-unix auth-anonymous=1 socket={self._socket}")
        return "\n".join(lines) + "\n"

    def _devices(self):
        """ALSA's names for the sinks; Direwolf speaks ALSA only."""
        line = 'pcm.{part} {{ type pulse server "unix:{socket}" device {device} }}\n'
        ends = [(f"{name}_mouth", f"{name}_mouth") for name in self.names]
        ends += [(f"{name}_ear", f"{name}_ear.monitor") for name in self.names]
        return "".join(line.format(part=part, socket=self._socket, device=device) for part, device in ends)


class Station(Process):
    """A Direwolf on the air. `port` and `agwpe` are its TCP ports, `pty` its serial KISS TNC."""

    def __init__(self, folder, name, callsign, ports, configuration, *, environment):
        self.name = name
        self.callsign = callsign
        self.port, self.agwpe = ports
        file = folder / f"{name}.conf"
        more = "\n".join(configuration)
        file.write_text(
            CONFIGURATION.format(name=name, rate=RATE, callsign=callsign, agwpe=self.agwpe, port=self.port, more=more)
        )
        words = ["-c", file, "-t", "0", "-q", "d", "-p"]
        super().__init__("direwolf", *words, folder=folder, env=environment, name=f"station-{name}")

    @property
    def pty(self):
        """The pty by Direwolf's own word; see `SHARED_LINK`."""
        return self.says(r"available on (/dev/pts/\d+)", SOON)[1]

    def is_ready(self):
        """Wait until all ways in are open; False where Direwolf could not have one of them."""
        ready = [
            f"Ready to accept AGW client application 0 on port {self.agwpe}",
            f"KISS TCP client application 0 on port {self.port}",
        ]
        until(
            lambda: (
                all(words in self.said for words in ready)
                or "Bind failed" in self.said
                or self.process.poll() is not None
            ),
            self.words,
        )
        return all(words in self.said for words in ready) and bool(self.pty)

    def heard(self, pattern, limit=SOON):
        """Wait until it has decoded a packet, as ``SOURCE>DESTINATION,PATH:info``; return the match."""
        return self.says(rf"(?m)^\[0\.[^]]*\] {pattern}", limit)

    def sent(self, pattern, limit=SOON):
        """Wait until it has transmitted a packet; return the match."""
        return self.says(rf"(?m)^\[0[HL][^]]*\] {pattern}", limit)

    def transmit(self, info, source="QQ1TST-1", path=()):
        """Let another program than ours transmit a packet here, by the simulator's encoder; wait until it is sent."""
        with socket.create_connection(("127.0.0.1", self.port), SOON) as client:
            client.sendall(encode_kiss(frame(info, source=source, path=path)))
            self.sent(f"{re.escape(source)}>.*:{re.escape(info)}")

    def kill(self):
        """Pull its cable: SIGKILL, and take away the link that it would leave for others to fall over."""
        mine = re.search(r"available on (/dev/pts/\d+)", self.said)
        super().kill()
        with contextlib.suppress(OSError):
            if mine and str(SHARED_LINK.readlink()) == mine[1]:
                SHARED_LINK.unlink()
