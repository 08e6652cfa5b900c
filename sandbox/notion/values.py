"""Property values: what a write may carry, what is kept of it, and how answers show it.

Kept values are keyed by property id and hold the inner value: rich text in full form, a number, an option's id, a list
of ids, a date in Notion's form. Relations are kept as links, apart.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sandbox.notion.errors import invalid, unfit
from sandbox.notion.ids import body_id
from sandbox.notion.rich_text import HUES, check_address, check_rich_text, units
from sandbox.notion.schema import READ_ONLY, Property, check_option_name, new_option
from sandbox.notion.times import is_day, parse_moment
from sandbox.notion.users import USERS

SHOWN = 25
TEXT_LIMITS = {"url": 2000, "email": 200, "phone_number": 200}


def inner(prop: Property, given: Any, path: str) -> Any:
    """The value under the type's key of a request; 400 where the value is of another type or read-only."""
    if prop.type in READ_ONLY:
        raise invalid(f"{prop.name} is a read-only property: {prop.type} values are set by Notion.")
    if prop.type == "title" and isinstance(given, list):
        return given
    if not isinstance(given, dict):
        raise unfit(path, "an object", given)
    if prop.type not in given:
        raise invalid(f"{prop.name} is expected to be {prop.type}.")
    if given.get("type", prop.type) != prop.type:
        raise invalid(f"{prop.name} is expected to be {prop.type}.")
    if extra := given.keys() - {prop.type, "type", "id", "name", "has_more"}:
        raise unfit(f"{path}.{min(extra)}", "not present", given[min(extra)])
    return given[prop.type]


def check_value(prop: Property, given: Any, path: str) -> Any:
    """The value to keep. A select or multi_select may gain an option on the way (the caller saves the schema);
    of a relation the page ids are returned."""
    value = inner(prop, given, path)
    return CHECKS[prop.type](prop, value, f"{path}.{prop.type}")


def check_list(value: Any, path: str) -> list[Any]:
    """A list of at most 100."""
    if not isinstance(value, list):
        raise unfit(path, "an array", value)
    if len(value) > 100:
        raise unfit(f"{path}.length", "≤ `100`", len(value))
    return value


def check_number(_: Property, value: Any, path: str) -> float | int | None:
    """A finite number or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) == float("inf"):
        raise unfit(path, "a number or `null`", value)
    return value


def check_checkbox(_: Property, value: Any, path: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise unfit(path, "a boolean", value)
    return value


def check_string(prop: Property, value: Any, path: str) -> str | None:
    """Text of 1 UTF-16 unit up to the type's limit, or None."""
    limit = TEXT_LIMITS[prop.type]
    if value is None:
        return None
    if not isinstance(value, str):
        raise unfit(path, "a string or `null`", value)
    if not 1 <= units(value) <= limit:
        raise unfit(f"{path}.length", f"≥ `1` and ≤ `{limit}`", units(value))
    return value


def pick_option(prop: Property, given: Any, path: str) -> str:
    """The option's id. An unknown name makes a new option of a select or multi_select; a status refuses it."""
    if not isinstance(given, dict):
        raise unfit(path, "an object or `null`", given)
    if extra := given.keys() - {"id", "name", "color", "description"}:
        raise unfit(f"{path}.{min(extra)}", "not present", given[min(extra)])
    if "id" in given and "name" not in given:
        if all(option["id"] != given["id"] for option in prop.options):
            raise invalid(f"Could not find select option with ID: {given['id']}.")
        return str(given["id"])
    name = check_option_name(given.get("name"), path)
    option = prop.option(name)
    if option is None and prop.type == "status":
        raise invalid(f'Invalid status option. Status option "{name}" does not exist".')
    if option is None:
        option = new_option(name, given.get("color") or HUES[len(prop.options) % len(HUES)])
        prop.config["options"] = [*prop.options, option]
    return str(option["id"])


def check_choice(prop: Property, value: Any, path: str) -> str | None:
    """The chosen option's id, or None."""
    return None if value is None else pick_option(prop, value, path)


def check_choices(prop: Property, value: Any, path: str) -> list[str]:
    """The chosen options' ids, each once."""
    picked = [pick_option(prop, item, f"{path}[{index}]") for index, item in enumerate(check_list(value, path))]
    return list(dict.fromkeys(picked))


def check_relation(_: Property, value: Any, path: str) -> list[str]:
    """The related pages' ids, each once."""
    ids = [item.get("id") if isinstance(item, dict) else item for item in check_list(value, path)]
    return list(dict.fromkeys(body_id(f"{path}[{index}].id", page_id) for index, page_id in enumerate(ids)))


def check_moment(text: Any, path: str, zone: str | None) -> str:
    """A date as given, or a moment cut to its minute with its offset, as Notion keeps both."""
    if isinstance(text, str) and is_day(text):
        return text
    moment = parse_moment(text, zone) if isinstance(text, str) else None
    if moment is None:
        raise unfit(path, "a valid ISO 8601 date string", text)
    return moment.replace(second=0, microsecond=0).isoformat(timespec="milliseconds")


def check_date(_: Property, value: Any, path: str) -> dict[str, Any] | None:
    """{"start", "end", "time_zone": None}: a zone given is worked into the offsets. None for no date."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise unfit(path, "an object or `null`", value)
    if extra := value.keys() - {"start", "end", "time_zone"}:
        raise unfit(f"{path}.{min(extra)}", "not present", value[min(extra)])
    zone = value.get("time_zone")
    if zone is not None:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, TypeError):
            raise unfit(f"{path}.time_zone", "a time zone that Notion knows", zone) from None
    start = check_moment(value.get("start"), f"{path}.start", zone)
    end = None if value.get("end") is None else check_moment(value["end"], f"{path}.end", zone)
    if end is not None and as_instant(end) < as_instant(start):
        raise invalid(f"{path}: the end date must not lie before the start date.")
    return {"start": start, "end": end, "time_zone": None}


def as_instant(text: str) -> datetime:
    """A kept date or moment as an aware datetime."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def check_people(_: Property, value: Any, path: str) -> list[str]:
    """The ids of users of this workspace."""
    ids = []
    for index, item in enumerate(check_list(value, path)):
        user_id = body_id(f"{path}[{index}].id", item.get("id") if isinstance(item, dict) else item)
        if user_id not in USERS:
            raise invalid(f"Could not find user with ID: {user_id}.")
        ids.append(user_id)
    return list(dict.fromkeys(ids))


def check_file(item: Any, path: str) -> dict[str, Any]:
    """An external file; uploads are not served here."""
    if not isinstance(item, dict) or not isinstance(item.get("external"), dict):
        raise unfit(f"{path}.external", "defined", item)
    address = check_address(item["external"].get("url"), f"{path}.external.url")
    name = item.get("name", address)
    if not isinstance(name, str) or not 1 <= len(name) <= 100:
        raise unfit(f"{path}.name", "a string of 1 to 100 characters", name)
    return {"name": name, "type": "external", "external": {"url": address}}


def check_files(_: Property, value: Any, path: str) -> list[dict[str, Any]]:
    """External files."""
    return [check_file(item, f"{path}[{index}]") for index, item in enumerate(check_list(value, path))]


def check_items(_: Property, value: Any, path: str) -> list[dict[str, Any]]:
    """Rich text."""
    return check_rich_text(value, path)


CHECKS: dict[str, Callable[[Property, Any, str], Any]] = {
    **dict.fromkeys(["title", "rich_text"], check_items),
    **dict.fromkeys(["select", "status"], check_choice),
    **dict.fromkeys(TEXT_LIMITS, check_string),
    "number": check_number, "checkbox": check_checkbox, "multi_select": check_choices, "date": check_date,
    "people": check_people, "relation": check_relation, "files": check_files,
}  # fmt: skip


def empty(prop: Property) -> Any:
    """What a page keeps for a property that was never written."""
    if prop.type == "checkbox":
        return False
    return [] if prop.type in ("title", "rich_text", "multi_select", "people", "files", "relation") else None


def shown_value(prop: Property, kept: Any, page: Any) -> Any:
    """The inner value in Notion's form, whole. `page` is the page's row; a relation's `kept` are its target ids."""
    if prop.type in ("select", "status"):
        return next((brief(option) for option in prop.options if option["id"] == kept), None)
    if prop.type == "multi_select":
        return [brief(option) for chosen in kept or [] for option in prop.options if option["id"] == chosen]
    if prop.type == "people":
        return [USERS[user_id].in_property() for user_id in kept or []]
    if prop.type == "relation":
        return [{"id": target} for target in kept or []]
    if prop.type == "unique_id":
        return {"prefix": prop.config["prefix"], "number": kept}
    if prop.type == "created_time":
        return page["created"]
    if prop.type == "last_edited_time":
        return page["edited"]
    if prop.type == "created_by":
        return USERS[page["created_by"]].in_property()
    if prop.type == "last_edited_by":
        return USERS[page["edited_by"]].in_property()
    return empty(prop) if kept is None else kept


def brief(option: dict[str, Any]) -> dict[str, Any]:
    """An option as page values show it."""
    return {"id": option["id"], "name": option["name"], "color": option["color"]}


def page_value(prop: Property, kept: Any, page: Any) -> dict[str, Any]:
    """The property value of a page object: long lists are cut at 25, a relation says so in has_more."""
    value = shown_value(prop, kept, page)
    if prop.type == "relation":
        return {"id": prop.id, "type": "relation", "relation": value[:SHOWN], "has_more": len(value) > SHOWN}
    if prop.type in ("title", "rich_text", "people"):
        value = value[:SHOWN]
    return {"id": prop.id, "type": prop.type, prop.type: value}
