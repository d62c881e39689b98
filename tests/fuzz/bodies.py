"""Bodies made from a JSON Schema, and bodies that break it in one place."""

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.hostile import VALUES, written

Schema = dict[str, Any]
MAX_OPTIONAL = 5
"""Fields of an object besides the required ones: with all of them at once hardly a body were ever sound."""


class Bodies:
    """Strategies for the bodies that a description's components allow."""

    def __init__(self, components: dict[str, Schema], ids: Callable[[], list[str]]) -> None:
        """`ids` tells those that there are; a body may refer to them."""
        self._components = components
        self._ids = ids
        self._named: dict[str, st.SearchStrategy[Any]] = {}

    def sound(self, schema: Schema) -> st.SearchStrategy[Any]:
        """Values that fit `schema`; rules that it does not tell may be broken."""
        if reference := schema.get("$ref"):
            return self._component(reference.rpartition("/")[2])
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        for word in ("oneOf", "anyOf"):
            if word in schema:
                return st.one_of([self.sound(each) for each in schema[word]])
        typed = self._typed(schema)
        examples = schema.get("examples") or []
        return st.one_of(st.sampled_from(examples), typed) if examples else typed

    def bent(self, schema: Schema) -> st.SearchStrategy[Any]:
        """Sound ones with one value replaced by a hostile one."""
        return st.builds(_bent, self.sound(schema), st.integers(0, 10_000), st.sampled_from(VALUES))

    def torn(self, schema: Schema) -> st.SearchStrategy[bytes]:
        """Sound ones cut off, or with something in their midst that does not belong there."""
        strange = st.sampled_from([b"", b'"', b"\\", b"\x00", b"\xff", b",", b"}", b"NaN", b"\xef\xbb\xbf"])
        return st.builds(_torn, self.sound(schema), st.integers(0, 10_000), strange, st.booleans())

    def _component(self, name: str) -> st.SearchStrategy[Any]:
        if name not in self._named:
            self._named[name] = st.deferred(lambda: self.sound(self._components[name]))
        return self._named[name]

    def _typed(self, schema: Schema) -> st.SearchStrategy[Any]:
        match schema.get("type"):
            case "string":
                return self._text(schema)
            case "integer":
                return st.integers(int(schema.get("minimum", -1000)), int(schema.get("maximum", 1000)))
            case "number":
                low, high = schema.get("minimum", -1000), schema.get("maximum", 1000)
                return st.integers(int(low) + 1, int(high)) | st.floats(low, high)
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
            case "array":
                largest = min(3, schema.get("maxItems", 3))
                return st.lists(
                    self.sound(schema.get("items", {})), min_size=schema.get("minItems", 0), max_size=largest
                )
            case "object":
                return self._object(schema)
            case _:
                return _anything

    def _text(self, schema: Schema) -> st.SearchStrategy[str]:
        if schema.get("format") == "uuid":
            return st.deferred(lambda: st.sampled_from([*self._ids(), "6f0c2c1e-5d1f-4f6c-9f5e-0d5c8f0b7a11"]))
        if schema.get("format") == "date-time":
            return st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")
        if "pattern" in schema:
            return st.from_regex(schema["pattern"], fullmatch=True)
        shortest = schema.get("minLength", 0)
        return st.text(min_size=shortest, max_size=min(shortest + 20, schema.get("maxLength", 20)))

    def _object(self, schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
        fields = {name: self.sound(field) for name, field in schema.get("properties", {}).items()}
        if not fields:
            return st.dictionaries(st.text(max_size=10), _anything, max_size=3)
        required = schema.get("required", [])
        optional = [name for name in fields if name not in required]
        chosen = st.lists(st.sampled_from(optional), unique=True, max_size=MAX_OPTIONAL) if optional else st.just([])
        return chosen.flatmap(
            lambda names: st.fixed_dictionaries({name: fields[name] for name in (*required, *names) if name in fields})
        )


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every value inside `value`: what holds it, and under which key."""
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield value, key
        yield from _places(item)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _bent(body: Any, place: int, value: Any) -> Any:
    body = _copied(body)
    places = list(_places(body))
    if not places:
        return {"x": value}
    holder, key = places[place % len(places)]
    holder[key] = value
    return body


def _torn(body: Any, place: int, strange: bytes, cut: bool) -> bytes:
    text = written(body)
    place %= len(text) + 1
    return text[:place] + strange + (b"" if cut else text[place:])
