"""Requests to Notion, checked against Notion's own published description of them."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOT = "urn:notion"
METHODS = ("get", "post", "patch", "put", "delete")


def _possible(branches: list[dict[str, Any]], instance: object) -> list[dict[str, Any]]:
    """The branches whose required keys `instance` has; all where there is none, so that the error stays whole."""
    if not isinstance(instance, dict):
        return branches
    return [branch for branch in branches if all(key in instance for key in branch.get("required", ()))] or branches


def _quick(keyword: str) -> Any:
    check = Draft202012Validator.VALIDATORS[keyword]

    def checked(
        validator: Any, branches: list[dict[str, Any]], instance: object, schema: Any
    ) -> Iterator[ValidationError]:
        yield from check(validator, _possible(branches, instance), instance, schema)

    return checked


# A block may be any of thirty: trying each one in full takes ten times as long.
Quick: type[Draft202012Validator] = extend(  # type: ignore[no-untyped-call]  # its stubs leave it untyped
    Draft202012Validator, {"anyOf": _quick("anyOf"), "oneOf": _quick("oneOf")}
)


@dataclass(frozen=True)
class Operation:
    """One method on one path of the description."""

    path: re.Pattern[str]
    parameters: Mapping[tuple[str, str], tuple[bool, Draft202012Validator]]  # (in, name): (required, value)
    body: Draft202012Validator | None
    body_required: bool


class RequestContract:
    """The requests that `openapi-2026-03-11.json` in `directory` allows."""

    def __init__(self, directory: str | Path) -> None:
        self.document = json.loads((Path(directory) / "openapi-2026-03-11.json").read_text())
        resource: Resource[Any] = Resource.from_contents(self.document, default_specification=DRAFT202012)
        self.registry: Registry[Any] = Registry().with_resource(ROOT, resource).crawl()
        self.operations: dict[str, list[Operation]] = {method: [] for method in METHODS}
        # Literal paths first: `/v1/users/me` is not a user id.
        for path, methods in sorted(self.document["paths"].items(), key=lambda entry: entry[0].count("{")):
            for method in METHODS:
                if method in methods:
                    self.operations[method].append(self._operation(path, method, methods[method]))

    def errors(
        self, method: str, path: str, query: Mapping[str, str | list[str]] | None = None, body: object = None
    ) -> list[str]:
        """What the description says against this request, in words; empty where it is allowed.

        `path` begins with /v1; `query` holds decoded values; `body` is parsed JSON, None for no body.
        """
        for operation in self.operations.get(method.lower(), []):
            match = operation.path.fullmatch(path)
            if match:
                given = {("path", name): value for name, value in match.groupdict().items()}
                given |= {("query", name): value for name, value in (query or {}).items()}
                return [*_parameter_errors(operation, given), *_body_errors(operation, body)]
        return [f"{method} {path} is not in the description"]

    def schema_errors(self, name: str, value: object) -> list[str]:
        """What the schema of that name, in the description's components, says against `value`."""
        return _messages(name, self._validator("components", "schemas", name).iter_errors(value))

    def _operation(self, path: str, method: str, description: Mapping[str, Any]) -> Operation:
        parameters = {}
        for number, parameter in enumerate(description.get("parameters", [])):
            if parameter.get("in") in ("path", "query"):
                at = ("paths", path, method, "parameters", str(number), "schema")
                key = (parameter["in"], parameter["name"])
                parameters[key] = (bool(parameter.get("required")), self._validator(*at))
        request = description.get("requestBody", {})
        body = None
        if "application/json" in request.get("content", {}):
            body = self._validator("paths", path, method, "requestBody", "content", "application/json", "schema")
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
        return Operation(re.compile(pattern), parameters, body, bool(request.get("required")))

    def _validator(self, *at: str) -> Draft202012Validator:
        pointer = "/".join(quote(part.replace("~", "~0").replace("/", "~1"), safe="~") for part in at)
        return Quick({"$ref": f"{ROOT}#/{pointer}"}, registry=self.registry)


def _parameter_errors(operation: Operation, given: Mapping[tuple[str, str], str | list[str]]) -> list[str]:
    found = []
    for key, (required, _) in operation.parameters.items():
        if required and key not in given:
            found.append(f"{key[0]} {key[1]}: is required")
    for key, value in given.items():
        if key not in operation.parameters:
            found.append(f"{key[0]} {key[1]}: is not in the description")
            continue
        validator = operation.parameters[key][1]
        if not any(validator.is_valid(reading) for reading in _readings(value)):
            found.append(f"{key[0]} {key[1]}: {value!r} does not satisfy its schema")
    return found


def _readings(value: str | list[str]) -> list[object]:
    """What a value in an address may stand for: text, a number, true or false, or a list of one."""
    if isinstance(value, list):
        return [value, *_readings(value[0])] if len(value) == 1 else [value]
    number = [int(value)] if re.fullmatch(r"-?\d+", value) else []
    flag = [value == "true"] if value in ("true", "false") else []
    return [value, [value], *number, *flag]


def _body_errors(operation: Operation, body: object) -> list[str]:
    if operation.body is None:
        return [] if body is None else ["body: the description has none"]
    if body is None:
        return ["body: is required"] if operation.body_required else []
    return _messages("body", operation.body.iter_errors(body))


def _messages(name: str, errors: Iterable[ValidationError]) -> list[str]:
    found = []
    for error in errors:
        deepest = best_match([error]) or error
        where = "/".join(str(part) for part in (name, *deepest.absolute_path))
        found.append(f"{where}: {deepest.message[:300]}")
    return found
