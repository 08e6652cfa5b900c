"""Rich text: what a request may carry, and the full form that answers show."""

from typing import Any
from urllib.parse import urlsplit

from sandbox.notion.errors import invalid, unfit
from sandbox.notion.ids import body_id
from sandbox.notion.users import USERS

PLAIN = {"bold": False, "italic": False, "strikethrough": False, "underline": False, "code": False, "color": "default"}
HUES = ("gray", "brown", "orange", "yellow", "green", "blue", "purple", "pink", "red")
COLORS = frozenset(["default", "default_background", *HUES, *(f"{hue}_background" for hue in HUES)])
SCHEMES = frozenset(["http", "https", "mailto", "tel", "notion"])
ITEM_KEYS = frozenset(["type", "text", "mention", "equation", "annotations", "plain_text", "href"])


def units(text: str) -> int:
    """Length in UTF-16 code units: what Notion's limits count."""
    return len(text.encode("utf-16-le")) // 2


def plain(items: list[dict[str, Any]]) -> str:
    """The text alone."""
    return "".join(item["plain_text"] for item in items)


def written(text: str) -> list[dict[str, Any]]:
    """Unformatted text as rich text; empty text is an empty list. Cut into items of at most 2,000 UTF-16 units."""
    items = []
    while text:
        size = 2000
        while units(text[:size]) > 2000:
            size -= 1
        items.append(text_item(text[:size]))
        text = text[size:]
    return items


def text_item(content: str, link: str | None = None, marks: dict[str, Any] | None = None) -> dict[str, Any]:
    """One text item in full form; `marks` are the annotations that differ from plain ones."""
    return {
        "type": "text",
        "text": {"content": content, "link": {"url": link} if link else None},
        "annotations": {**PLAIN, **(marks or {})},
        "plain_text": content,
        "href": link,
    }


def check_address(address: Any, path: str) -> str:
    """A link's address; 400 for anything that no browser would open."""
    if not isinstance(address, str):
        raise unfit(path, "a string", address)
    if units(address) > 2000:
        raise unfit(f"{path}.length", "≤ `2000`", units(address))
    try:
        scheme = urlsplit(address).scheme.lower()
    except ValueError:
        raise invalid("Invalid URL for link.") from None
    if not address.startswith("/") and (scheme not in SCHEMES or " " in address):
        raise invalid("Invalid URL for link.")
    return address


def check_annotations(given: Any, path: str) -> dict[str, Any]:
    """Annotations in full form; 400 for unknown keys, colours or non-booleans."""
    if not isinstance(given, dict):
        raise unfit(path, "an object", given)
    for key, value in given.items():
        if key not in PLAIN:
            raise unfit(f"{path}.{key}", "not present", value)
        if key == "color" and value not in COLORS:
            raise unfit(f"{path}.color", "a color that Notion knows", value)
        if key != "color" and not isinstance(value, bool):
            raise unfit(f"{path}.{key}", "a boolean", value)
    return {**PLAIN, **given}


def check_text(given: Any, path: str) -> tuple[str, str | None]:
    """Content and link address of a text item."""
    if not isinstance(given, dict) or not isinstance(given.get("content"), str):
        raise unfit(f"{path}.content", "a string", given.get("content") if isinstance(given, dict) else given)
    if extra := given.keys() - {"content", "link"}:
        raise unfit(f"{path}.{min(extra)}", "not present", given[min(extra)])
    if units(given["content"]) > 2000:
        raise unfit(f"{path}.content.length", "≤ `2000`", units(given["content"]))
    link = given.get("link")
    if link is None:
        return given["content"], None
    if not isinstance(link, dict):
        raise unfit(f"{path}.link", "an object or `null`", link)
    return given["content"], check_address(link.get("url"), f"{path}.link.url")


def check_mention(given: Any, path: str) -> tuple[dict[str, Any], str]:
    """A mention in full form and its plain text. Users, pages and dates; nothing else is used here."""
    if isinstance(given, dict) and isinstance(given.get("user"), dict):
        user = USERS.get(body_id(f"{path}.user.id", given["user"].get("id")))
        if user is None:
            raise invalid(f"Could not find user with ID: {given['user']['id']}.")
        return {"type": "user", "user": user.in_property()}, f"@{user.name}"
    if isinstance(given, dict) and isinstance(given.get("page"), dict):
        page_id = body_id(f"{path}.page.id", given["page"].get("id"))
        return {"type": "page", "page": {"id": page_id}}, "Untitled"
    if isinstance(given, dict) and isinstance(given.get("date"), dict) and isinstance(given["date"].get("start"), str):
        date = {"start": given["date"]["start"], "end": given["date"].get("end"), "time_zone": None}
        return {"type": "date", "date": date}, date["start"]
    raise unfit(path, "a mention of a user, page or date", given)


def check_item(item: Any, path: str) -> dict[str, Any]:
    """One item in full form."""
    if not isinstance(item, dict):
        raise unfit(path, "an object", item)
    if extra := item.keys() - ITEM_KEYS:
        raise unfit(f"{path}.{min(extra)}", "not present", item[min(extra)])
    annotations = check_annotations(item.get("annotations", {}), f"{path}.annotations")
    kind = item.get("type") or next((key for key in ("text", "mention", "equation") if key in item), None)
    if kind == "text":
        content, link = check_text(item.get("text"), f"{path}.text")
        return text_item(content, link, annotations)
    if kind == "mention":
        mention, text = check_mention(item.get("mention"), f"{path}.mention")
        return {"type": "mention", "mention": mention, "annotations": annotations, "plain_text": text, "href": None}
    if kind == "equation":
        expression = (item.get("equation") or {}).get("expression")
        if not isinstance(expression, str) or units(expression) > 1000:
            raise unfit(f"{path}.equation.expression", "a string of at most 1000 characters", expression)
        equation = {"expression": expression}
        return {
            "type": "equation", "equation": equation, "annotations": annotations, "plain_text": expression, "href": None
        }  # fmt: skip
    raise unfit(f"{path}.text", "defined", None)


def check_rich_text(given: Any, path: str) -> list[dict[str, Any]]:
    """A request's rich text in full form; empty items vanish, as they do in Notion."""
    if not isinstance(given, list):
        raise unfit(path, "an array", given)
    if len(given) > 100:
        raise unfit(f"{path}.length", "≤ `100`", len(given))
    items = [check_item(item, f"{path}[{index}]") for index, item in enumerate(given)]
    return [item for item in items if item["plain_text"]]


def check_icon(icon: Any) -> Any:
    """An emoji or external icon in full form, or None."""
    if icon is None:
        return None
    kind = next((key for key in ("emoji", "external") if isinstance(icon, dict) and key in icon), None)
    if kind is None or not isinstance(icon[kind], str if kind == "emoji" else dict):
        raise unfit("icon", "an emoji, an external file or `null`", icon)
    if kind == "external":
        check_address(icon["external"].get("url"), "icon.external.url")
    return {"type": kind, kind: icon[kind]}
