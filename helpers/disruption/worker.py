"""The thread that does the service's work: in the order in which it came, and together what can be done together."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


class NotReady(Exception):
    """The service cannot answer now: there is no model, or too much to do; one line says which."""


class Worker:
    """One thread that does the work in the order in which it came, and sends away what would wait too long."""

    def __init__(self, max_waiting: int) -> None:
        """Idle."""
        self.thread = ThreadPoolExecutor(1, "worker")
        self.waiting, self.max_waiting = 0, max_waiting

    async def __call__(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """The result of ``work(*arguments)``. Raises NotReady when too much is waiting."""
        with self.place():
            return await self.do(work, *arguments)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue. Raises NotReady when there is none."""
        if self.waiting >= self.max_waiting:
            raise NotReady("too many requests are waiting: try again in a second")
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    async def do(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """The result of ``work(*arguments)``. Who hangs up does not stop it: it is stored, and found by its key."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self.thread, work, *arguments))


class Together:
    """Does in one go what several clients wait for: a model scores eight flights in little more time than one.

    Nobody waits for company. What comes while the worker is busy is its next piece of work, so that the batches grow
    with the load: Crankshaw and others, "Clipper: a low-latency online prediction serving system", 2017.
    """

    def __init__(self, worker: Worker, work: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """``work`` takes what was asked for and gives a result for each, or raises; it may be asked the same again."""
        self.worker, self.work = worker, work
        self.asked: list[tuple[Any, asyncio.Future]] = []
        self.working: asyncio.Task | None = None

    async def __call__(self, asked: Any) -> Any:
        """The result for one. Raises what the work raises for it alone, and NotReady when too much is waiting."""
        with self.worker.place():
            waiting = asyncio.get_running_loop().create_future()
            self.asked.append((asked, waiting))
            if self.working is None:
                self.working = asyncio.create_task(self.work_off())
            return await waiting

    async def work_off(self) -> None:
        """Work until nobody waits."""
        try:
            while self.asked:
                batch, self.asked = self.asked, []
                await self.answer(batch)
        finally:
            self.working = None

    async def answer(self, batch: Sequence[tuple[Any, asyncio.Future]]) -> None:
        """Tell each its result. Who would hear nothing, since this was cancelled or went wrong, is cancelled too."""
        try:
            results = await self.results([asked for asked, _ in batch])
            for (_, waiting), result in zip(batch, results, strict=True):
                tell(waiting, result)
        finally:
            for _, waiting in batch:
                waiting.cancel()  # does nothing to one who was told

    async def results(self, batch: Sequence[Any]) -> Sequence[Any]:
        """The results; where the work fails, each is done by itself, so that it fails alone."""
        try:
            return await self.worker.do(self.work, batch)
        except Exception as error:  # whatever it is, it is for the client who asked
            if len(batch) == 1:
                return [error]
            return [result for asked in batch for result in await self.results([asked])]


def tell(waiting: asyncio.Future, result: Any) -> None:
    """Hand a result, or an exception, to whoever waits for it; one who hung up hears nothing."""
    if waiting.done():
        return
    if isinstance(result, Exception):
        waiting.set_exception(result)
    else:
        waiting.set_result(result)
