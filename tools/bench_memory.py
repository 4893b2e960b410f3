"""The most memory that some processes held at once."""

import threading
from collections.abc import Callable, Sequence

import psutil


class PeakMemory:
    """Looks ten times a second; ``processes`` says which ones there are. Afterwards ``bytes`` holds the peak."""

    def __init__(self, processes: Callable[..., Sequence[psutil.Process]]) -> None:
        """``processes`` is called as ``psutil.Process.children`` is."""
        self.processes, self.bytes, self._end = processes, 0, threading.Event()

    def __enter__(self) -> "PeakMemory":
        """Start to look."""
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.1):
            self.bytes = max(self.bytes, sum(map(_resident, self.processes(recursive=True))))


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0
