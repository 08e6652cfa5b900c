"""Property configurations of a data source: what a request may ask for, and what is kept of it."""

import re
from dataclasses import dataclass, field
from typing import Any

from sandbox.notion.errors import invalid, unfit
from sandbox.notion.ids import body_id, new_id
from sandbox.notion.rich_text import HUES

EMPTY_CONFIG = frozenset([
    "title", "rich_text", "date", "people", "files", "checkbox", "url", "email", "phone_number",
    "created_time", "last_edited_time", "created_by", "last_edited_by",
])  # fmt: skip
TYPES = EMPTY_CONFIG | {"number", "select", "multi_select", "status", "relation", "unique_id"}
READ_ONLY = frozenset(["created_time", "last_edited_time", "created_by", "last_edited_by", "unique_id"])
OPTION_COLORS = frozenset(["default", *HUES])
NUMBER_FORMATS = frozenset(  # Notion's list
    """
    number number_with_commas percent dollar canadian_dollar euro pound yen ruble rupee won yuan real lira rupiah franc
    hong_kong_dollar new_zealand_dollar krona norwegian_krone mexican_peso rand new_taiwan_dollar danish_krone zloty
    baht forint koruna shekel chilean_peso philippine_peso dirham colombian_peso riyal ringgit leu argentine_peso
    uruguayan_peso singapore_dollar peruvian_sol australian_dollar
""".split()  # noqa: SIM905 - a list literal of forty strings would be forty lines
)
PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9]*")
DEFAULT_STATES = [
    ("Not started", "default", "To-do"),
    ("In progress", "blue", "In progress"),
    ("Done", "green", "Complete"),
]
GROUPS = [("To-do", "gray"), ("In progress", "blue"), ("Complete", "green")]


@dataclass
class Property:
    """A column. `config` is what stands under the type's key; for a relation it is
    {"data_source_id", "synced_property_id" (None: single)}, since names of other sides are looked up when shown."""

    id: str
    name: str
    type: str
    config: dict[str, Any] = field(default_factory=dict)
    description: str | None = None

    @property
    def options(self) -> list[dict[str, Any]]:
        """The options of a select, multi_select or status; empty for every other type."""
        found: list[dict[str, Any]] = self.config.get("options", [])
        return found

    def option(self, name: str) -> dict[str, Any] | None:
        """The option of that exact name, or None."""
        return next((option for option in self.options if option["name"] == name), None)


def property_type(given: dict[str, Any], path: str) -> str:
    """The type that a configuration names, by its `type` or by its only type key."""
    named = [key for key in given if key in TYPES]
    kind = given.get("type", named[0] if named else None)
    if not isinstance(kind, str) or kind not in TYPES:
        unknown = sorted(given.keys() - {"name", "description", "id"})
        raise unfit(f"{path}.{unknown[0]}" if unknown else path, "a property type the sandbox knows", given)
    if kind not in given:
        raise unfit(f"{path}.{kind}", "defined", None)
    if extra := given.keys() - {kind, "type", "name", "description", "id"}:
        raise unfit(f"{path}.{min(extra)}", "not present", given[min(extra)])
    return kind


def new_option(name: str, color: str = "default", description: str | None = None) -> dict[str, Any]:
    """An option with a fresh id."""
    return {"id": new_id(), "name": name, "color": color, "description": description}


def check_option_name(name: Any, path: str) -> str:
    """An option's name: 1 to 100 characters, no comma."""
    if not isinstance(name, str) or not 1 <= len(name) <= 100:
        raise unfit(f"{path}.name", "a string of 1 to 100 characters", name)
    if "," in name:
        raise invalid(f"Invalid select option, commas not allowed: {name}")
    return name


def check_options(given: Any, path: str, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The options after a write: the list replaces the old one; options named by id or name keep id and name."""
    if not isinstance(given, list):
        raise unfit(path, "an array", given)
    if len(given) > 100:
        raise unfit(f"{path}.length", "≤ `100`", len(given))
    options: list[dict[str, Any]] = []
    for index, item in enumerate(given):
        spot = f"{path}[{index}]"
        if not isinstance(item, dict):
            raise unfit(spot, "an object", item)
        if extra := item.keys() - {"id", "name", "color", "description"}:
            raise unfit(f"{spot}.{min(extra)}", "not present", item[min(extra)])
        if item.get("color", "default") not in OPTION_COLORS:
            raise unfit(f"{spot}.color", "a color that Notion knows", item["color"])
        old = next((o for o in known if o["id"] == item.get("id") or o["name"] == item.get("name")), None)
        if old is None and "name" not in item:
            raise invalid(f"Could not find select option with ID: {item.get('id')}.")
        name = old["name"] if old else check_option_name(item["name"], spot)
        if any(option["name"].lower() == name.lower() for option in options):
            raise invalid(f"Duplicate select option name: {name}")
        options.append(old or new_option(name, item.get("color", "default"), item.get("description")))
    return options


def status_config(given: dict[str, Any], path: str, known: Property | None) -> dict[str, Any]:
    """Options with their three fixed groups; no options given: those that are there, or Notion's default states."""
    group_of: dict[str, str] = {}
    if "options" in given:
        options = check_options(given["options"], f"{path}.options", known.options if known else [])
    elif known:
        return known.config
    else:
        options = [new_option(name, color) for name, color, _ in DEFAULT_STATES]
        group_of = {name: group for name, _, group in DEFAULT_STATES}
    groups = [
        {
            "id": new_id(), "name": name, "color": color,
            "option_ids": [o["id"] for o in options if group_of.get(o["name"], "To-do") == name],
        }
        for name, color in GROUPS
    ]  # fmt: skip
    return {"options": options, "groups": groups}


def relation_config(given: dict[str, Any], path: str, _: Property | None) -> dict[str, Any]:
    """{"data_source_id", "two_way", "other_name"} as asked for; whether the target exists is the caller's question."""
    if "data_source_id" not in given:
        raise unfit(f"{path}.data_source_id", "defined", None)
    two_way = given.get("type") == "dual_property" or "dual_property" in given
    if not two_way and "single_property" not in given:
        raise unfit(f"{path}.single_property", "defined", None)
    dual = given.get("dual_property") or {}
    return {
        "data_source_id": body_id(f"{path}.data_source_id", given["data_source_id"]),
        "two_way": two_way,
        "other_name": dual.get("synced_property_name"),
    }


def number_config(given: dict[str, Any], path: str, known: Property | None) -> dict[str, Any]:
    """A number's format."""
    number_format = given.get("format", known.config["format"] if known else "number")
    if number_format not in NUMBER_FORMATS:
        raise unfit(f"{path}.format", "a number format that Notion knows", number_format)
    return {"format": number_format}


def select_config(given: dict[str, Any], path: str, known: Property | None) -> dict[str, Any]:
    """The options of a select or multi_select; none given: those that are there."""
    old = known.options if known else []
    return {"options": check_options(given["options"], f"{path}.options", old) if "options" in given else old}


def unique_id_config(given: dict[str, Any], path: str, _: Property | None) -> dict[str, Any]:
    """A unique id's prefix, None for bare numbers."""
    prefix = given.get("prefix")
    if prefix is not None and not (isinstance(prefix, str) and PREFIX.fullmatch(prefix)):
        raise unfit(f"{path}.prefix", "letters and digits starting with a letter, or `null`", prefix)
    return {"prefix": prefix}


def empty_config(given: dict[str, Any], path: str, _: Property | None) -> dict[str, Any]:
    """The config of a type that has nothing to say."""
    if given:
        raise unfit(f"{path}.{min(given)}", "not present", given[min(given)])
    return {}


CONFIGS = {
    **dict.fromkeys(EMPTY_CONFIG, empty_config),
    "number": number_config, "select": select_config, "multi_select": select_config, "status": status_config,
    "relation": relation_config, "unique_id": unique_id_config,
}  # fmt: skip


def check_config(kind: str, given: Any, path: str, known: Property | None = None) -> dict[str, Any]:
    """What is kept under the type's key. `known` is the property as it stands when it is being changed."""
    if not isinstance(given, dict):
        raise unfit(path, "an object", given)
    return CONFIGS[kind](given, path, known)
