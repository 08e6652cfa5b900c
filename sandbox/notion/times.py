"""Times as Notion writes them. Pages, blocks and data sources carry whole minutes, database objects milliseconds."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})?", re.IGNORECASE)


def minute(moment: datetime) -> str:
    """A moment floored to its minute, as in page.last_edited_time: 2026-11-22T22:44:00.000Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:00.000Z")


def stored_form(moment: datetime) -> str:
    """A moment in the form of stored times with its milliseconds, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Clock:
    """Notion's clock, which need not go as ours does. `skew`: how far it is ahead."""

    skew = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.skew


clock = Clock()


def this_minute() -> str:
    """Now, floored to the minute."""
    return minute(clock.now())


def exact() -> str:
    """Now with milliseconds, as database objects carry it: 2026-11-22T22:44:12.345+00:00."""
    return clock.now().isoformat(timespec="milliseconds")


def earlier(stamp: str, seconds: float) -> str:
    """A stored stamp moved back, in the form it had: whole minutes stay whole."""
    moved = datetime.fromisoformat(stamp) - timedelta(seconds=seconds)
    return minute(moved) if stamp.endswith("Z") else moved.isoformat(timespec="milliseconds")


def is_day(text: str) -> bool:
    """Whether the text is a bare date that exists."""
    if not DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def parse_moment(text: str, zone: str | None = None) -> datetime | None:
    """An aware datetime from ISO text (no zone: `zone`, else UTC), or None where it is not one."""
    if not MOMENT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
    except (ValueError, ZoneInfoNotFoundError):
        return None


def span(text: str) -> tuple[datetime, datetime]:
    """The first and last millisecond that a date or moment means: a bare date is its whole day in UTC."""
    if is_day(text):
        start = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        return start, start + timedelta(days=1) - timedelta(milliseconds=1)
    moment = parse_moment(text)
    if moment is None:
        raise ValueError(f"not an ISO 8601 date: {text}")
    cut = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return cut, cut
