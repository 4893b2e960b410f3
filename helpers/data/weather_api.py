"""An archive of the weather of 2013 behind HTTP, from which lesson 21 collects it page by page.

    with running(weather_api()) as address:
        ...

``running`` of ``helpers.disruption.server`` starts it on loopback. Both doors want the header ``Authorization: Bearer``
with ``TOKEN``, and give at most ``LARGEST_PAGE`` rows at a time, each row an object with the columns of
``load_weather`` (a missing value is null, ``time_hour`` is ISO 8601 in UTC):

``GET /v1/observations?limit=&offset=``
    The newest first, leaving out ``offset`` rows: ``{"total": 26115, "rows": [...]}``.
``GET /v2/observations?limit=&cursor=``
    The oldest first, from the first row that comes after the cursor: ``{"rows": [...], "next": "..."}``. Without a
    cursor from the beginning; ``next`` is the next page's cursor, null behind the last row.

The archive behaves as archives do: hours can come in while it is read, it answers no more than its budget of requests
without a pause, and now and then a request fails. All of that goes by the count of requests and not by a clock, so
that a client meets the same faults on every machine.
"""

import base64
import json
import time
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from functools import cache
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response

from helpers.data import load_weather

TOKEN = "new-york-2013"
LARGEST_PAGE = 1000  # rows
PAUSE = 1  # seconds

Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]
Offset = Annotated[int, Query(ge=0)]


def weather_api(arriving: int = 0, budget: int | None = None, faults: Mapping[int, str] | None = None) -> FastAPI:
    """The archive as an app.

    Args:
        arriving: so many of the last hours are not observed yet; one comes in after each page that was given.
        budget: after so many requests the next is refused with 429 and ``Retry-After``, and so is each that follows
            before that time is over. None is no limit.
        faults: what goes wrong with the request of a number (1 is the first; refused ones do not count): "busy" is
            answered with 503, "cut" with a page that breaks off in the middle.
    """
    archive = Archive(arriving)
    gate = Gate(budget, faults or {})
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/v1/observations", dependencies=[Depends(identify), Depends(gate.admit)])
    async def by_offset(limit: Limit = LARGEST_PAGE, offset: Offset = 0) -> Response:
        return gate.answer(archive.newest_first(limit, offset))

    @app.get("/v2/observations", dependencies=[Depends(identify), Depends(gate.admit)])
    async def by_cursor(limit: Limit = LARGEST_PAGE, cursor: str | None = None) -> Response:
        return gate.answer(archive.oldest_first(limit, cursor))

    return app


async def identify(request: Request) -> None:
    """Refuse a request without the token."""
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        raise HTTPException(401, "send your token: Authorization: Bearer ...", {"WWW-Authenticate": "Bearer"})


class Gate:
    """Who has to wait, and what goes wrong."""

    def __init__(self, budget: int | None, faults: Mapping[int, str]) -> None:
        """Nothing was asked yet."""
        self.budget, self.faults = budget, faults
        self.requests = self.since_pause = 0
        self.closed_until = 0.0

    async def admit(self) -> None:
        """Count a request, or refuse it because the budget is spent or the service is busy."""
        if self.budget is not None and self.since_pause >= self.budget:
            # A little less than is asked for: on some systems the clock ticks in steps of 16 ms.
            self.since_pause, self.closed_until = 0, time.monotonic() + 0.9 * PAUSE
        if time.monotonic() < self.closed_until:
            raise HTTPException(429, "too many requests", {"Retry-After": str(PAUSE)})
        self.since_pause += 1
        self.requests += 1
        if self.faults.get(self.requests) == "busy":
            raise HTTPException(503, "busy")

    def answer(self, page: str) -> Response:
        """The page, or half of it."""
        end = len(page) // 2 if self.faults.get(self.requests) == "cut" else len(page)
        return Response(page[:end], media_type="application/json")


class Archive:
    """The rows in order of time, of which the first ``observed`` can be read so far."""

    def __init__(self, arriving: int) -> None:
        """Hold back the last hours."""
        self.keys, self.rows = observations()
        hours = sorted({key.split()[0] for key in self.keys})
        self.coming = iter(hours[len(hours) - arriving :])
        self.observed = len(self.keys)
        if arriving:
            self.observed = bisect_left(self.keys, hours[-arriving])

    def newest_first(self, limit: int, offset: int) -> str:
        """A page by offset."""
        last = max(self.observed - offset, 0)
        rows = self.rows[max(last - limit, 0) : last][::-1]
        page = f'{{"total": {self.observed}, "rows": [{",".join(rows)}]}}'
        self.one_hour_later()
        return page

    def oldest_first(self, limit: int, cursor: str | None) -> str:
        """A page by cursor: the key of the last row that was given."""
        first = bisect_right(self.keys, key_of(cursor)) if cursor else 0
        last = min(first + limit, self.observed)
        following = f'"{cursor_of(self.keys[last - 1])}"' if last < self.observed else "null"
        page = f'{{"rows": [{",".join(self.rows[first:last])}], "next": {following}}}'
        self.one_hour_later()
        return page

    def one_hour_later(self) -> None:
        """The observations of the next hour come in."""
        hour = next(self.coming, None)
        if hour is not None:
            self.observed = bisect_right(self.keys, f"{hour} ~")


def cursor_of(key: str) -> str:
    """A cursor that nobody is tempted to take apart."""
    return base64.urlsafe_b64encode(key.encode()).decode()


def key_of(cursor: str) -> str:
    """The key in a cursor. Raises HTTPException for a text that is none."""
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise HTTPException(422, "this is no cursor: send what `next` gave, as it is") from None


@cache
def observations() -> tuple[list[str], list[str]]:
    """Key ("2013-01-01T06:00:00Z EWR") and JSON of each row, in order of the keys."""
    weather = load_weather().sort_values(["time_hour", "origin"], ignore_index=True)
    weather["time_hour"] = weather.time_hour.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    # Not by to_json of pandas: it rounds the last digit of a float away.
    rows = weather.astype(object).where(weather.notna(), None).to_dict("records")
    return (weather.time_hour + " " + weather.origin).tolist(), [json.dumps(row) for row in rows]
