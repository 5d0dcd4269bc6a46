"""The way of an update from phase to phase, and back. Each step may be the last before the power goes.

    staged ──▶ installing ──▶ trial ──▶ accepted ──▶ idle
                   │            │
                   └─▶ returning ◀┘ ──▶ idle, as before

An interrupted installation goes back: the old package is installed again, over whatever there is. An interrupted trial
begins anew, `MOST_TRIES` times at most: a version that takes the whole machine down is one that does not get ready.
"""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from .progress import Phase, Progress

MOST_TRIES = 2


class Box(Protocol):
    """What is needed of a box; `machine.Machine` says what each does."""

    def progress(self) -> Progress: ...  # noqa: D102
    def remember(self, progress: Progress) -> None: ...  # noqa: D102
    def halt(self) -> None: ...  # noqa: D102
    def start(self) -> None: ...  # noqa: D102
    def snapshot(self) -> None: ...  # noqa: D102
    def put_back_data(self) -> list[str]: ...  # noqa: D102
    def install(self, name: str) -> None: ...  # noqa: D102
    def accept(self) -> None: ...  # noqa: D102
    def trouble(self) -> str: ...  # noqa: D102


def carry_on(box: Box, say: Callable[[str], None]) -> Progress:
    """Go on from where the last run was ended, until nothing is left to do; return what came of it."""
    interrupted = True  # whatever is found here, another run began
    while (progress := box.progress()).phase is not Phase.IDLE:
        say(f"update: {progress.phase.value}{f' ({progress.text})' if progress.text else ''}")
        box.remember(_STEPS[progress.phase](box, progress, interrupted))
        interrupted = False
    return progress


def _staged(box: Box, progress: Progress, interrupted: bool) -> Progress:  # noqa: ARG001, FBT001  (every step's form)
    box.halt()
    box.snapshot()
    return Progress(phase=Phase.INSTALLING)


def _installing(box: Box, progress: Progress, interrupted: bool) -> Progress:  # noqa: ARG001, FBT001  (as above)
    if interrupted:
        return Progress(phase=Phase.RETURNING, text="its installation was interrupted")
    try:
        box.install("next.deb")
    except subprocess.CalledProcessError as error:
        return Progress(phase=Phase.RETURNING, text=f"it could not be installed: {_last_line(error)}")
    return Progress(phase=Phase.TRIAL)


def _trial(box: Box, progress: Progress, interrupted: bool) -> Progress:  # noqa: ARG001, FBT001  (as above)
    if progress.tries >= MOST_TRIES:
        return Progress(phase=Phase.RETURNING, text=f"the box went down {progress.tries} times while it was tried")
    box.remember(Progress(phase=Phase.TRIAL, tries=progress.tries + 1))
    box.start()
    if trouble := box.trouble():
        return Progress(phase=Phase.RETURNING, text=trouble)
    return Progress(phase=Phase.ACCEPTED)


def _accepted(box: Box, progress: Progress, interrupted: bool) -> Progress:  # noqa: ARG001, FBT001  (as above)
    box.accept()
    return Progress(text="the new version runs")


def _returning(box: Box, progress: Progress, interrupted: bool) -> Progress:  # noqa: ARG001, FBT001  (as above)
    box.halt()
    try:
        box.install("running.deb")
    except subprocess.CalledProcessError as error:
        if progress.tries < MOST_TRIES:
            return replace(progress, tries=progress.tries + 1)
        box.start()  # whatever there is: a page that limps can be repaired from afar
        return Progress(text=f"could not go back: {_last_line(error)}; before that: {progress.text}")
    replaced = box.put_back_data()
    box.start()
    data = f"; put back as before: {', '.join(replaced)}" if replaced else "; nothing that was saved since is lost"
    return Progress(text=f"went back to the version before: {progress.text}{data}")


def _last_line(error: subprocess.CalledProcessError) -> str:
    """Return what dpkg said last, without the list of packages that it ends with."""
    said, _, _ = str(error.stderr or error).partition("Errors were encountered while processing:")
    lines = said.strip().splitlines()
    return lines[-1].strip() if lines else "dpkg said nothing"


_STEPS: dict[Phase, Callable[[Box, Progress, bool], Progress]] = {
    Phase.STAGED: _staged,
    Phase.INSTALLING: _installing,
    Phase.TRIAL: _trial,
    Phase.ACCEPTED: _accepted,
    Phase.RETURNING: _returning,
}
