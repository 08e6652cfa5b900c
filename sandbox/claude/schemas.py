"""What structured outputs accept: https://platform.claude.com/docs/en/build-with-claude/structured-outputs."""

from typing import Any

from sandbox.claude.errors import invalid

WHERE = "output_config.format.schema"
NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
SIZES = {"minLength", "maxLength", "maxItems", "uniqueItems", "minProperties", "maxProperties"}
CONDITIONS = {"patternProperties", "propertyNames", "contains", "oneOf", "not", "if", "then", "else"}
UNSUPPORTED = NUMBERS | SIZES | CONDITIONS
TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")


def check(schema: Any) -> None:
    """Raises ApiError 400 for a schema that the real API refuses: open objects, bounds, recursion."""
    if not isinstance(schema, dict):
        raise invalid(f"{WHERE}: Input should be a valid dictionary")
    _check(schema, schema, ())


def _check(schema: Any, root: dict[str, Any], inside: tuple[str, ...]) -> None:
    if not isinstance(schema, dict):
        raise invalid(f"{WHERE}: a schema must be an object")
    if "$ref" in schema:
        _check_reference(str(schema["$ref"]), root, inside)
        return
    _check_keywords(schema)
    parts = [*schema.get("anyOf", []), *schema.get("allOf", [])]
    if schema.get("type") == "object":
        parts += _properties(schema)
    elif "items" in schema:
        parts.append(schema["items"])
    for part in parts:
        _check(part, root, inside)


def _check_keywords(schema: dict[str, Any]) -> None:
    kind = schema.get("type")
    refused = sorted(UNSUPPORTED & schema.keys())
    if refused:
        raise invalid(f"{WHERE}: For '{kind}' type, properties {', '.join(refused)} are not supported")
    if schema.get("minItems", 0) not in (0, 1):
        raise invalid(f"{WHERE}: For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    if "format" in schema and schema["format"] not in FORMATS:
        raise invalid(f"{WHERE}: String format '{schema['format']}' is not supported")
    if kind not in TYPES and not schema.keys() & {"anyOf", "allOf", "const", "enum"}:
        raise invalid(f"{WHERE}: Schema type {kind!r} is not supported")


def _properties(schema: dict[str, Any]) -> list[Any]:
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") is not False:
        raise invalid(f"{WHERE}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    if not isinstance(properties, dict):
        raise invalid(f"{WHERE}: 'properties' must be an object")
    return list(properties.values())


def _check_reference(reference: str, root: dict[str, Any], inside: tuple[str, ...]) -> None:
    name = reference.removeprefix("#/$defs/")
    if name in inside:
        raise invalid(f"{WHERE}: Circular reference detected in schema definitions: {name}")
    if name not in root.get("$defs", {}):
        raise invalid(f"{WHERE}: Invalid reference: {reference}")
    _check(root["$defs"][name], root, (*inside, name))
