"""Write the typed Python client in `clients/python` from the API's own OpenAPI document.

    python scripts/generate_client.py            write the files
    python scripts/generate_client.py --check    fail where the files are not what would be written

Types become TypedDicts, so that answers stay plain dictionaries and an absent field differs from a null one; every tag
of the document becomes a resource with one method per operation.
"""

import argparse
import re
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from keyword import iskeyword
from pathlib import Path
from typing import Any

Schema = Mapping[str, Any]

PACKAGE = Path(__file__).parent.parent / "clients" / "python" / "src" / "dialtone_client"
METHODS = ("get", "post", "put", "patch", "delete")
WIDTH = 120
_REF = "#/components/schemas/"
_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_GENERATED = '"""{what}\n\nMade from the OpenAPI document by scripts/generate_client.py; do not edit.\n"""\n'


def document() -> dict[str, Any]:
    """The OpenAPI document of this checkout."""
    from dialtone.server import create_app
    from dialtone.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        return create_app(Settings(data_dir=Path(folder))).openapi()


def camel(words: str) -> str:
    """`api keys` as `ApiKeys`."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", words))


def snake(name: str) -> str:
    """`createApiKey` or `API keys` as `create_api_key`, `api_keys`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).lower()


def docstring(text: str, indent: str) -> str:
    """A docstring line or block, wrapped."""
    text = re.sub(r"\s+", " ", text).strip().replace("\\", "\\\\").replace('"""', "'''")
    if text.endswith('"'):
        text += " "
    if len(text) + len(indent) + 6 <= WIDTH:
        return f'{indent}"""{text}"""\n'
    lines = textwrap.wrap(text, WIDTH - len(indent) - 6)
    return f'{indent}"""{lines[0]}\n' + "".join(f"{indent}{line}\n" for line in lines[1:]) + f'{indent}"""\n'


class Types:
    """The TypedDicts and unions of a document's schemas, each made once and only where something refers to it."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas
        self._made: dict[str, str] = {}

    def source(self) -> str:
        body = "\n\n".join(self._made[name].rstrip("\n") + "\n" for name in sorted(self._made, key=str.lower))
        return (
            _GENERATED.format(what="What the API takes and answers.")
            + "\nfrom __future__ import annotations\n\n"
            + "from typing import Any, Literal, NotRequired, TypeAlias, TypedDict\n\n\n"
            + body
        )

    def of(self, schema: Schema, name: str) -> str:
        """The Python type of a schema; an object within it is named `name`."""
        if "$ref" in schema:
            return self._component(schema["$ref"].removeprefix(_REF))
        if "const" in schema:
            return "bool" if isinstance(schema["const"], bool) else f"Literal[{schema['const']!r}]"
        if "enum" in schema:
            return f"Literal[{', '.join(repr(value) for value in schema['enum'])}]"
        typed = bool(schema.get("properties")) or schema.get("type") in ("string", "integer", "number", "boolean")
        for union in ("anyOf", "oneOf"):
            if union in schema and not typed:  # else the alternatives only narrow what is said already
                return self._union(schema[union], name)
        if "allOf" in schema and len(schema["allOf"]) == 1:
            return self.of(schema["allOf"][0], name)
        kind = schema.get("type")
        if isinstance(kind, list):
            return " | ".join(dict.fromkeys(self.of({**schema, "type": one}, name) for one in kind))
        if kind == "array":
            return f"list[{self.of(schema.get('items', {}), name + 'Item')}]"
        if kind == "object":
            return self._object(schema, name)
        return _SCALARS.get(str(kind), "Any")

    def _component(self, name: str) -> str:
        python_name = camel(name)
        if python_name not in self._made:
            self._made[python_name] = ""  # known from here on, so that a schema may refer to itself
            schema = self._schemas[name]
            made = self.of(schema, python_name)
            if made != python_name:
                text = docstring(schema["description"], "") if "description" in schema else ""
                self._made[python_name] = f"{python_name}: TypeAlias = {made!r}\n{text}"
        return python_name

    def _union(self, members: list[Schema], name: str) -> str:
        found = [self.of(one, name + camel(one.get("title", str(index)))) for index, one in enumerate(members)]
        distinct = list(dict.fromkeys(part for one in found for part in one.split(" | ")))
        if "None" in distinct:
            distinct.remove("None")
            distinct.append("None")
        return "Any" if "Any" in distinct else " | ".join(distinct)

    def _object(self, schema: Schema, name: str) -> str:
        properties = schema.get("properties")
        if not properties:
            values = schema.get("additionalProperties")
            return f"dict[str, {self.of(values, name + 'Value') if isinstance(values, dict) else 'Any'}]"
        required = set(schema.get("required", ()))
        fields = {
            key: (value if key in required else f"NotRequired[{value}]", one.get("description", ""))
            for key, one in properties.items()
            for value in [self.of(one, name + camel(key))]
        }
        self._made[name] = self._typed_dict(name, fields, schema.get("description", ""))
        return name

    def _typed_dict(self, name: str, fields: Mapping[str, tuple[str, str]], text: str) -> str:
        if any(iskeyword(key) or not key.isidentifier() for key in fields):
            items = "".join(f'    "{key}": "{python_type}",\n' for key, (python_type, _) in fields.items())
            return f'{name} = TypedDict(\n    "{name}",\n    {{\n{textwrap.indent(items, "    ")}    }},\n)\n' + (
                docstring(text, "") if text else ""
            )
        lines = [f"class {name}(TypedDict):\n"]
        if text:
            lines.append(docstring(text, "    ") + "\n")
        for key, (python_type, described) in fields.items():
            lines.append(f"    {key}: {python_type}\n")
            if described:
                lines.append(docstring(described, "    "))
        return "".join(lines)


@dataclass
class Operation:
    """One method of the client."""

    name: str
    verb: str
    path: str
    summary: str
    path_parameters: list[str]
    query: str | None
    """TypedDict of the query parameters."""
    body: str | None
    is_union: bool
    """The body is one of several objects, so that its fields can't be arguments."""
    answer: str
    unwrap: str | None
    """The only property of the answer, which the method returns by itself."""
    paged: tuple[str, str] | None
    """Property that holds the items of a page, and the items' type."""


@dataclass
class Resource:
    tag: str
    operations: list[Operation] = field(default_factory=list)

    @property
    def attribute(self) -> str:
        return snake(self.tag)

    @property
    def class_name(self) -> str:
        return camel(self.tag)


class Reader:
    """Reads a document's operations."""

    def __init__(self, api: Schema) -> None:
        self._api = api
        self._schemas: Mapping[str, Schema] = api["components"]["schemas"]
        self.types = Types(self._schemas)

    def resources(self) -> list[Resource]:
        found: dict[str, Resource] = {}
        for path, item in self._api["paths"].items():
            for verb in METHODS:
                operation = item.get(verb)
                if operation is None or operation.get("deprecated") or self._answer(operation) is None:
                    continue  # what answers no JSON is no call of this API
                tag = operation["tags"][-1]
                resource = found.setdefault(tag, Resource(tag))
                resource.operations.append(self._operation(verb, path, operation, tag))
        return sorted(found.values(), key=lambda one: one.attribute)

    def _operation(self, verb: str, path: str, operation: Schema, tag: str) -> Operation:
        identity = operation["operationId"]
        parameters = operation.get("parameters", [])
        answer = self._answer(operation) or {}
        schema = self._resolved(answer)
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        properties = list(schema.get("properties", ()))
        unwrap = properties[0] if len(properties) == 1 else None
        python_type = self.types.of(schema["properties"][unwrap], camel(identity) + "Answer") if unwrap else ""
        text = operation.get("summary", "")
        if "description" in operation:
            text = f"{text.rstrip('.')}. {operation['description']}"
        return Operation(
            name=method_name(identity, tag),
            verb=verb.upper(),
            path=path.removeprefix("/api/v1"),
            summary=text,
            path_parameters=[one["name"] for one in parameters if one["in"] == "path"],
            query=self._query(camel(identity), [one for one in parameters if one["in"] == "query"]),
            body=self.types.of(body, camel(identity) + "Body") if body is not None else None,
            is_union="properties" not in self._resolved(body or {"properties": {}}),
            answer=python_type or self.types.of(answer, camel(identity) + "Answer"),
            unwrap=unwrap,
            paged=self._paged(schema, parameters, camel(identity)),
        )

    def _answer(self, operation: Schema) -> Schema | None:
        for status, response in operation["responses"].items():
            content = response.get("content", {})
            if status.startswith("2") and "application/json" in content:
                found: Schema = content["application/json"]["schema"]
                return found
        return None

    def _resolved(self, schema: Schema) -> Schema:
        return self._schemas[schema["$ref"].removeprefix(_REF)] if "$ref" in schema else schema

    def _query(self, name: str, parameters: list[Schema]) -> str | None:
        if not parameters:
            return None
        properties = {one["name"]: {**one["schema"], "description": one.get("description", "")} for one in parameters}
        required = [one["name"] for one in parameters if one.get("required")]
        return self.types.of({"type": "object", "properties": properties, "required": required}, f"{name}Query")

    def _paged(self, schema: Schema, parameters: list[Schema], name: str) -> tuple[str, str] | None:
        if "pagination" not in schema.get("properties", {}) or "offset" not in {one["name"] for one in parameters}:
            return None
        for key, one in schema["properties"].items():
            if one.get("type") == "array":
                return key, self.types.of(one["items"], f"{name}Item")
        return None


def method_name(operation_id: str, tag: str) -> str:
    """`listSipTrunks` of the tag `SIP trunks` is `list`, `createOutboundCall` of `Calls` is `create_outbound`."""
    noun = snake(tag).removesuffix("s")
    return re.sub(rf"_{noun}s?(?=_|$)", "", snake(operation_id))


def method(operation: Operation, *, is_async: bool) -> Iterator[str]:
    """The source of one method, and of the iteration over its pages where it has them."""
    call_types = [f"{name}: str" for name in operation.path_parameters]
    arguments = list(call_types)
    inputs = operation.body or operation.query
    if inputs is not None and operation.is_union:
        arguments.append(f"body: types.{operation.body}")
    elif inputs is not None:
        arguments.append(f"**{'body' if operation.body else 'query'}: Unpack[types.{inputs}]")
    signature = ", ".join(["self", *arguments])
    answer = qualified(operation.answer)
    yield f"    {'async ' if is_async else ''}def {operation.name}({signature}) -> {answer}:\n"
    if operation.summary:
        yield docstring(operation.summary, "        ")
    path = re.sub(r"{(\w+)}", r"{quote(\1)}", operation.path)
    sent = [f'"{operation.verb}"', f'{"f" if operation.path_parameters else ""}"{path}"']
    if operation.body:
        sent.append("body=body")
    elif operation.query:
        sent.append("query=query")
    call = f"{'await ' if is_async else ''}self._http.request({', '.join(sent)})"
    yield f"        answer: Any = {call}\n"
    result = f'answer["{operation.unwrap}"]' if operation.unwrap else "answer"
    yield f"        return cast({answer!r}, {result})\n\n"
    if operation.paged:
        yield from pages(operation, is_async=is_async)


def pages(operation: Operation, *, is_async: bool) -> Iterator[str]:
    assert operation.paged is not None
    key, item = operation.paged
    item = qualified(item)
    kind, wait, keyword = ("AsyncIterator", "await ", "async ") if is_async else ("Iterator", "", "")
    yield f"    {keyword}def {operation.name}_all(self, **query: Unpack[types.{operation.query}]) -> {kind}[{item}]:\n"
    yield docstring(f"Every one that `{operation.name}` finds, page by page.", "        ")
    items = (
        f"            for one in page['{key}']:\n                yield one\n"
        if is_async
        else (f"            yield from page['{key}']\n")
    )
    yield "        while True:\n"
    yield f"            page = {wait}self.{operation.name}(**query)\n"
    yield items
    yield f"            query['offset'] = query.get('offset', 0) + len(page['{key}'])\n"
    yield f"            if not page['{key}'] or query['offset'] >= page['pagination']['total']:\n"
    yield "                return\n\n"


def qualified(python_type: str) -> str:
    """A type of `types.py` as another module names it."""
    known = {"Any", "None", "str", "int", "float", "bool", "dict", "Literal"}

    def qualify(name: re.Match[str]) -> str:
        if name[0] == "list":  # in these classes a bare `list` is a method
            return "builtins.list"
        return name[0] if name[0] in known else f"types.{name[0]}"

    parts = re.split(r"('[^']*')", python_type)
    return "".join(part if part.startswith("'") else re.sub(r"\b[A-Za-z_]\w*", qualify, part) for part in parts)


def resources_source(resources: list[Resource], *, is_async: bool) -> str:
    transport = "AsyncTransport" if is_async else "Transport"
    iterator = "AsyncIterator" if is_async else "Iterator"
    prefix = "Async" if is_async else ""
    parts = [
        _GENERATED.format(what="One class per resource of the API" + (", for asyncio." if is_async else ".")),
        f"\nfrom __future__ import annotations\n\nimport builtins\nfrom collections.abc import {iterator}\n",
        "from typing import Any, Literal, Unpack, cast  # noqa: F401\n\n",
        f"from dialtone_client import types\nfrom dialtone_client.transport import {transport}, quote\n\n\n",
    ]
    for resource in resources:
        parts.append(f"class {prefix}{resource.class_name}:\n")
        parts.append(docstring(f"The operations of {resource.tag}.", "    "))
        parts.append(f"\n    def __init__(self, http: {transport}) -> None:\n        self._http = http\n\n")
        for operation in resource.operations:
            parts += method(operation, is_async=is_async)
        parts.append("\n")
    parts.append(f"class {prefix}Resources:\n" + docstring("Every resource, as an attribute.", "    "))
    parts.append(f"\n    def __init__(self, http: {transport}) -> None:\n")
    parts += [f"        self.{one.attribute} = {prefix}{one.class_name}(http)\n" for one in resources]
    return "".join(parts)


def formatted(source: str) -> str:
    """`source` as ruff formats it."""
    import subprocess

    command = [sys.executable, "-m", "ruff", "format", "--line-length", str(WIDTH), "-"]
    done = subprocess.run(command, input=source, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def generated(api: Schema) -> dict[str, str]:
    """The generated files by name."""
    reader = Reader(api)
    resources = reader.resources()
    return {
        "types.py": formatted(reader.types.source()),
        "resources.py": formatted(resources_source(resources, is_async=False)),
        "async_resources.py": formatted(resources_source(resources, is_async=True)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args().check
    stale = []
    for name, source in generated(document()).items():
        path = PACKAGE / name
        if path.exists() and path.read_text() == source:
            continue
        stale.append(name)
        if not check:
            path.write_text(source)
    if stale:
        print(f"{'differ from the document' if check else 'written'}: {', '.join(stale)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
