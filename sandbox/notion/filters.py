"""Query filters and sorts, over values in Notion's own form, so that recorded answers can be put to the same test.

`compile_filter` turns a filter into a predicate over a *reader*: a function that gives a page's inner value for a
Column. The server reads stored rows; anything that can answer for a Column serves as well.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sandbox.notion.errors import invalid, unfit
from sandbox.notion.times import span


@dataclass(frozen=True)
class Column:
    """What a condition looks at: a property by id, or a timestamp (id and type are its name)."""

    id: str
    type: str


Reader = Callable[[Column], Any]
Predicate = Callable[[Reader], bool]
Test = Callable[[Any], bool]
Columns = Callable[[str], Column | None]

TEXT = frozenset(["title", "rich_text", "url", "email", "phone_number"])
TIMES = frozenset(["created_time", "last_edited_time"])
# The keys under which a condition on a type may stand; Notion takes text conditions under any text type's name.
CONDITION_KEYS = {
    **dict.fromkeys(TEXT, TEXT),
    "created_by": frozenset(["people", "created_by"]),
    "last_edited_by": frozenset(["people", "last_edited_by"]),
    "created_time": frozenset(["date", "created_time"]),
    "last_edited_time": frozenset(["date", "last_edited_time"]),
}
DEPTH = 2
MOST_MEMBERS = 100


def compile_filter(given: Any, columns: Columns, now: datetime | None = None) -> Predicate:
    """The predicate for a request's filter. `columns` resolves a property's name or id; `now` decides this_week and
    its kin (None: the clock). 400 for unknown properties, operators of other types and more than 2 levels."""
    return compile_node(given, columns, now or datetime.now(UTC), "filter", 0)


def compile_node(given: Any, columns: Columns, now: datetime, path: str, depth: int) -> Predicate:
    """One node: a compound or a condition."""
    if not isinstance(given, dict):
        raise unfit(path, "an object", given)
    for word, combine in (("and", all), ("or", any)):
        if word in given:
            return compile_compound(given, word, combine, columns, now, path, depth)
    if "timestamp" in given:
        kind = given["timestamp"]
        if kind not in TIMES or not isinstance(given.get(kind), dict):
            raise unfit(f"{path}.{kind}", "defined", given.get(str(kind)))
        column, condition, path = Column(kind, kind), given[kind], f"{path}.{kind}"
    else:
        column, condition, path = property_condition(given, columns, path)
    test = compile_condition(column.type, condition, path, now)
    return lambda read: test(read(column))


def compile_compound(
    given: dict[str, Any], word: str, combine: Callable[[Any], bool], columns: Columns, now: datetime, path: str,
    depth: int,
) -> Predicate:  # fmt: skip
    """An `and` or an `or` with at most 100 members, at most two levels deep."""
    members = given[word]
    if len(given) > 1 or not isinstance(members, list):
        raise unfit(f"{path}.{word}", "an array that stands alone", members)
    if len(members) > MOST_MEMBERS:
        raise unfit(f"{path}.{word}.length", f"≤ `{MOST_MEMBERS}`", len(members))
    if depth >= DEPTH:
        raise unfit(f"{path}.{word}", "not present", members)
    tests = [compile_node(m, columns, now, f"{path}.{word}[{i}]", depth + 1) for i, m in enumerate(members)]
    return lambda read: combine(test(read) for test in tests)


def property_condition(given: dict[str, Any], columns: Columns, path: str) -> tuple[Column, dict[str, Any], str]:
    """The column and the condition of a property filter."""
    key = given.get("property")
    if not isinstance(key, str):
        raise unfit(f"{path}.property", "a string", key)
    column = columns(key)
    if column is None:
        raise invalid(f"Could not find property with name or id: {key}")
    named = [name for name in given if name not in ("property", "type")]
    allowed = CONDITION_KEYS.get(column.type, frozenset([column.type]))
    if len(named) != 1 or not isinstance(given[named[0]], dict):
        raise unfit(f"{path}.{column.type}", "defined", given.get(column.type))
    if named[0] not in allowed:
        raise invalid(f"database property {column.type} does not match filter {named[0]}")
    return column, given[named[0]], f"{path}.{named[0]}"


def compile_condition(kind: str, condition: dict[str, Any], path: str, now: datetime) -> Test:
    """One operator of a condition; several are all required."""
    if not condition:
        raise unfit(path, "one operator", condition)
    tests = [compile_operator(kind, word, wanted, f"{path}.{word}", now) for word, wanted in condition.items()]
    return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)


def compile_operator(kind: str, word: str, wanted: Any, path: str, now: datetime) -> Test:
    """The test behind one operator, by the type of the property."""
    if kind == "rollup":
        return compile_rollup(word, wanted, path, now)
    if kind == "formula":
        inner = compile_condition({"string": "rich_text"}.get(word, word), wanted, path, now)
        return lambda value: inner(value.get(word) if isinstance(value, dict) else None)
    if word in ("is_empty", "is_not_empty") and kind not in ("checkbox", "unique_id"):
        if wanted is not True:
            raise unfit(path, "`true`", wanted)
        return is_empty if word == "is_empty" else lambda value: not is_empty(value)
    if kind == "date" or kind in TIMES:
        return compile_date(word, wanted, path, now, whole_minutes=kind == "date")
    if kind in COMPILERS:
        return COMPILERS[kind](word, wanted, path)
    raise unfit(path, "an operator that the property's type has", wanted)


def is_empty(value: Any) -> bool:
    """Whether Notion calls a value empty."""
    return value is None or value == [] or value == ""


def text_of(value: Any) -> str:
    """Any text value as lower-case text, for operators that ignore case."""
    if isinstance(value, list):
        value = "".join(item["plain_text"] for item in value)
    return (value or "").lower()


def compile_text(word: str, wanted: Any, path: str) -> Test:
    """Text operators ignore case; the negative ones match empty values too."""
    tests: dict[str, Callable[[str, str], bool]] = {
        "equals": operator.eq,
        "does_not_equal": operator.ne,
        "contains": operator.contains,
        "does_not_contain": lambda text, part: part not in text,
        "starts_with": str.startswith,
        "ends_with": str.endswith,
    }
    if word not in tests or not isinstance(wanted, str):
        raise unfit(path, "a text operator with a string", wanted)
    test, sought = tests[word], wanted.lower()
    return lambda value: test(text_of(value), sought)


def compile_number(word: str, wanted: Any, path: str) -> Test:
    """Comparisons never match an empty number, except does_not_equal."""
    tests: dict[str, Callable[[Any, Any], bool]] = {
        "equals": operator.eq,
        "does_not_equal": operator.ne,
        "greater_than": operator.gt,
        "less_than": operator.lt,
        "greater_than_or_equal_to": operator.ge,
        "less_than_or_equal_to": operator.le,
    }
    if word not in tests or isinstance(wanted, bool) or not isinstance(wanted, int | float):
        raise unfit(path, "a number operator with a number", wanted)
    test = tests[word]

    def compare(value: Any) -> bool:
        number = value.get("number") if isinstance(value, dict) else value
        return word == "does_not_equal" if number is None else test(number, wanted)

    return compare


def compile_checkbox(word: str, wanted: Any, path: str) -> Test:
    """A box that was never ticked equals false."""
    if word not in ("equals", "does_not_equal") or not isinstance(wanted, bool):
        raise unfit(path, "equals or does_not_equal with a boolean", wanted)
    return lambda value: bool(value) == (wanted if word == "equals" else not wanted)


def compile_choice(word: str, wanted: Any, path: str) -> Test:
    """Select and status: an option by its exact name."""
    if word not in ("equals", "does_not_equal") or not isinstance(wanted, str):
        raise unfit(path, "equals or does_not_equal with an option's name", wanted)
    return lambda value: ((value or {}).get("name") == wanted) == (word == "equals")


def compile_membership(key: str, word: str, wanted: Any, path: str) -> Test:
    """Options by `key` name, people and pages by `key` id."""
    if word not in ("contains", "does_not_contain") or not isinstance(wanted, str):
        raise unfit(path, "contains or does_not_contain with a string", wanted)
    sought = wanted if key == "name" else wanted.replace("-", "").lower()

    def holds(value: Any) -> bool:
        members = [value] if isinstance(value, dict) else value or []
        found = {member[key] if key == "name" else member[key].replace("-", "") for member in members}
        return (sought in found) == (word == "contains")

    return holds


COMPILERS: dict[str, Callable[[str, Any, str], Test]] = {
    **dict.fromkeys(TEXT, compile_text),
    **dict.fromkeys(["number", "unique_id"], compile_number),
    **dict.fromkeys(["select", "status"], compile_choice),
    **dict.fromkeys(["people", "relation", "created_by", "last_edited_by"], partial(compile_membership, "id")),
    "multi_select": partial(compile_membership, "name"),
    "checkbox": compile_checkbox,
}


def shift_months(day: datetime, months: int) -> datetime:
    """The same day some months away, the last of the month where it has no such day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    for length in (day.day, 30, 29, 28):
        try:
            return day.replace(year=year, month=month + 1, day=length)
        except ValueError:
            continue
    raise ValueError(f"no such month: {year}-{month + 1}")


def window(word: str, now: datetime) -> tuple[datetime, datetime] | None:
    """First and last instant of a relative range, in UTC days; weeks begin on Sunday. None for an unknown word."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end_of = timedelta(days=1) - timedelta(milliseconds=1)
    if word == "this_week":
        sunday = today - timedelta(days=(today.weekday() + 1) % 7)
        return sunday, sunday + timedelta(days=6) + end_of
    ranges = {
        "past_week": (today - timedelta(days=7), today),
        "past_month": (shift_months(today, -1), today),
        "past_year": (shift_months(today, -12), today),
        "next_week": (today, today + timedelta(days=7)),
        "next_month": (today, shift_months(today, 1)),
        "next_year": (today, shift_months(today, 12)),
    }
    if word not in ranges:
        return None
    first, last = ranges[word]
    return first, last + end_of


def date_span(value: Any) -> tuple[datetime, datetime] | None:
    """What a stored date or timestamp means; None where empty."""
    text = value.get("start") if isinstance(value, dict) else value
    return span(text) if isinstance(text, str) else None


def compile_date(word: str, wanted: Any, path: str, now: datetime, whole_minutes: bool) -> Test:
    """Compared by milliseconds; a bare date means its whole UTC day. An empty date matches nothing.
    Date properties hold `whole_minutes`, and recorded answers show that Notion floors what they are compared with."""
    if bounds := window(word, now):
        if wanted != {}:
            raise unfit(path, "an empty object", wanted)
        first, last = bounds
        return within(lambda start, _: first <= start <= last)
    try:
        low, high = span(wanted) if isinstance(wanted, str) else span("")
    except ValueError:
        raise unfit(path, "a valid ISO 8601 date string", wanted) from None
    if whole_minutes and low == high:
        low = high = low.replace(second=0, microsecond=0)
    tests: dict[str, Callable[[datetime, datetime], bool]] = {
        "equals": lambda start, end: start <= high and end >= low,
        "before": lambda start, _: start < low,
        "after": lambda _, end: end > high,
        "on_or_before": lambda start, _: start <= high,
        "on_or_after": lambda _, end: end >= low,
    }
    if word not in tests:
        raise unfit(path, "an operator that dates have", wanted)
    return within(tests[word])


def within(test: Callable[[datetime, datetime], bool]) -> Test:
    """A test of a span as a test of a date value."""

    def check(value: Any) -> bool:
        found = date_span(value)
        return found is not None and test(*found)

    return check


def compile_rollup(word: str, wanted: Any, path: str, now: datetime) -> Test:
    """any, every and none look into an array; number and date at a single result."""
    if not isinstance(wanted, dict) or (len(wanted) != 1 and word in ("any", "every", "none")):
        raise unfit(path, "an object with one condition", wanted)
    if word in ("number", "date"):
        single = compile_condition(word, wanted, path, now)
        return lambda value: single((value or {}).get(word))
    (kind, condition), combine = next(iter(wanted.items())), {"any": any, "every": all, "none": any}.get(word)
    if combine is None or not isinstance(condition, dict):
        raise unfit(path, "any, every, none, number or date", wanted)
    test = compile_condition(kind, condition, path, now)

    def check(value: Any) -> bool:
        items = (value or {}).get("array", [])
        held = combine(test(item[item["type"]]) for item in items)
        return not held if word == "none" else held

    return check


def sort_key(column: Column, order: dict[str, int], value: Any) -> Any:
    """A comparable for a value in Notion's form, None where empty. `order` ranks option names."""
    if isinstance(value, dict) and column.type in ("select", "status"):
        return order.get(value["name"], len(order))
    if column.type == "multi_select":
        return [order.get(item["name"], len(order)) for item in value] if value else None
    if column.type == "date" or column.type in TIMES:
        found = date_span(value)
        return found and found[0]
    if column.type == "unique_id":
        return (value or {}).get("number")
    if column.type in TEXT:
        return text_of(value) or None
    if isinstance(value, list):
        return [item.get("name") or item.get("id") for item in value] or None
    if isinstance(value, dict):
        return value.get("name") or value.get("id")
    return value


def sort_rows(rows: list[Any], sorts: list[tuple[Callable[[Any], Any], bool]]) -> list[Any]:
    """Rows by several keys, the first weighing most; each is (key function, descending). Empty values go last."""
    for key, descending in reversed(sorts):
        filled = [(key(row), row) for row in rows]
        empty = [row for value, row in filled if value is None]
        full = sorted(((v, r) for v, r in filled if v is not None), key=operator.itemgetter(0), reverse=descending)
        rows = [row for _, row in full] + empty
    return rows


def compile_sorts(given: Any, columns: Columns) -> list[tuple[Column, bool]]:
    """A request's sorts as (column, descending)."""
    if not isinstance(given, list) or len(given) > MOST_MEMBERS:
        raise unfit("sorts", "an array of at most 100", given)
    return [compile_sort(item, f"sorts[{index}]", columns) for index, item in enumerate(given)]


def compile_sort(item: Any, path: str, columns: Columns) -> tuple[Column, bool]:
    """One sort."""
    if not isinstance(item, dict) or item.get("direction") not in ("ascending", "descending"):
        raise unfit(f"{path}.direction", "`ascending` or `descending`", item)
    descending = item["direction"] == "descending"
    if item.get("timestamp") in TIMES:
        return Column(item["timestamp"], item["timestamp"]), descending
    column = columns(item["property"]) if isinstance(item.get("property"), str) else None
    if column is None:
        raise invalid(f"Could not find sort property with name or id: {item.get('property')}")
    return column, descending


def key_for(column: Column, order: dict[str, int], read: Callable[[Any, Column], Any]) -> Callable[[Any], Any]:
    """A key function over rows for sort_rows."""
    return lambda row: sort_key(column, order, read(row, column))
