"""Answers shaped by a JSON schema: fills what an answer lacks, drops what the schema does not know."""

from typing import Any

Schema = dict[str, Any]


def fit(value: Any, schema: Schema, root: Schema | None = None) -> Any:
    """`value` in the schema's shape. None is no value yet: then a plain one is made from the types alone."""
    root = schema if root is None else root
    schema = resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return value if value in schema["enum"] else schema["enum"][0]
    if schema.get("type") == "object":
        given = value if isinstance(value, dict) else {}
        return {name: fit(given.get(name), part, root) for name, part in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [fit(part, schema.get("items", {}), root) for part in (value if isinstance(value, list) else [None])]
    return _plain(schema.get("type")) if value is None else value


def resolved(schema: Schema, root: Schema) -> Schema:
    """Follows references into $defs and takes the first alternative that is not null."""
    while "$ref" in schema or "anyOf" in schema or "allOf" in schema:
        if "$ref" in schema:
            schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        elif "anyOf" in schema:
            schema = next((part for part in schema["anyOf"] if part.get("type") != "null"), {"type": "null"})
        else:
            schema = schema["allOf"][0]
    return schema


def _plain(kind: str | None) -> Any:
    plain = {"integer": 1, "number": 0.5, "boolean": True, "null": None}
    return plain.get(kind or "string", "Sandbox analysis, made by rules.")
