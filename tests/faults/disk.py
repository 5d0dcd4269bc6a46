"""A disk that loses its power, made of what a real process asked its kernel to write (strace), call by call.

The model is the strictest that POSIX allows: of a file's content only what was flushed by fsync or fdatasync is there
afterwards, and of names only what stood in a folder when the folder was flushed. So each moment between two calls is a
moment at which the power can go, and `Disk.after` rebuilds what would be found then.
"""

import re
from collections.abc import Iterator
from pathlib import Path

CALLS = "write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,link,linkat,openat"
LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
OPENED = re.compile(r"<([^<>]*)>")


def plain(text: str) -> bytes:
    """Undo strace's -xx."""
    return bytes.fromhex(text.replace("\\x", ""))


def opened(words: str) -> Path:
    """Return the file behind a call's first descriptor (strace's -y), or an empty path."""
    found = OPENED.search(words)
    return Path(plain(found[1]).decode() if found[1].startswith("\\x") else found[1]) if found else Path()


class Inode:
    """A file: what a reader sees, and what would be there without power."""

    def __init__(self, content: bytes = b"") -> None:
        self.seen = bytearray(content)
        self.flushed = content

    def write(self, content: bytes, offset: int) -> None:
        if len(self.seen) < offset:
            self.seen.extend(bytes(offset - len(self.seen)))
        self.seen[offset : offset + len(content)] = content


class Disk:
    """One folder, flat, as it was before the process began; then as the process changes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = {path.name: Inode(path.read_bytes()) for path in folder.iterdir() if path.is_file()}
        self.flushed = dict(self.names)  # names that are found without power

    def after(self, log: str, acknowledged: str) -> Iterator[tuple[dict[str, bytes], int]]:
        """Give what is found, were the power to go after each call, and how much was acknowledged by then.

        ``acknowledged`` is a file outside the folder to which the process writes a line for each thing that it did.
        """
        count = 0
        for line in log.splitlines():
            found = LINE.match(line)
            if found is None or int(found[3]) < 0:
                continue
            call, words, result = found[1], found[2], int(found[3])
            if call == "write" and opened(words) == Path(acknowledged):
                count += 1
            elif self._apply(call, words, result):
                yield {name: inode.flushed for name, inode in self.flushed.items()}, count

    def _apply(self, call: str, words: str, result: int) -> bool:
        """Do what a call did; False where it is none of this folder's."""
        if call in ("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "openat"):
            return self._rename(call, words)
        path = opened(words)
        if path == self.folder and call in ("fsync", "fdatasync"):
            self.flushed = dict(self.names)
            return True
        inode = self.names.get(path.name) if path.parent == self.folder else None
        if inode is None:
            return False
        if call in ("fsync", "fdatasync"):
            inode.flushed = bytes(inode.seen)
        elif call == "ftruncate":
            size = int(words.rsplit(",", 1)[1])
            inode.seen[:] = inode.seen[:size].ljust(size, b"\0")
        else:
            text = TEXT.search(words)
            assert text, words[:100]
            content = plain(text[1])[:result]
            inode.write(content, int(words.rsplit(",", 1)[1]) if call == "pwrite64" else len(inode.seen))
        return True

    def _rename(self, call: str, words: str) -> bool:
        paths = [Path(plain(text).decode()) for text in TEXT.findall(words)]
        if any(path.parent != self.folder for path in paths):
            return False
        if call == "openat":
            if "O_CREAT" not in words:
                return False
            inode = self.names.setdefault(paths[0].name, Inode())
            if "O_TRUNC" in words:
                inode.seen.clear()
        elif call.startswith("unlink"):
            self.names.pop(paths[0].name, None)
        else:
            self.names[paths[1].name] = self.names[paths[0].name]
            if call.startswith("rename"):
                del self.names[paths[0].name]
        return True
