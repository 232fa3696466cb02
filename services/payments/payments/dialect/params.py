"""What a route takes: fields that read a value from the form, or say in Stripe's words what is wrong with it.

A field is declared once a parameter: `{"amount": Integer(1, required=True), "metadata": Metadata()}`.
`''` unsets a nullable field (it reads None) and is refused by the others. What the caller did not send is not
in the result. Nested names are told in brackets: `card[exp_month]`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from payments.dialect.errors import InvalidRequest
from payments.dialect.form import Raw
from payments.dialect.metadata import (
    METADATA_KEYS_MAX,
    METADATA_VALUE_CHARS_MAX,
    checked_value,
    too_much_metadata,
)
from payments.dialect.shapes import INT64_MAX, hash_of, integer_of, scalar, shown

TEXT_CHARS_MAX: Final = 5_000
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
END: Final = datetime(9999, 1, 1, tzinfo=UTC)
_TIME_MAX: Final = int(END.timestamp()) - 1
_SECOND: Final = timedelta(seconds=1)
# Python's spelling too: the official SDK sends it for what stands in an array.
_BOOLEANS: Final = {"true": True, "false": False, "True": True, "False": False, "1": True, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(ABC):
    """`read` gets what the form holds under the field's name, which may be of any shape."""

    required: bool = False
    nullable: bool = False

    def read(self, raw: Raw, name: str) -> Any:
        """Raises InvalidRequest with `name`, or a name inside it, as its param."""
        if raw == "" and self.nullable:
            return None
        return self.parse(raw, name)

    @abstractmethod
    def parse(self, raw: Raw, name: str) -> Any: ...

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Of the OpenAPI document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Field):
    max: int = TEXT_CHARS_MAX

    def parse(self, raw: Raw, name: str) -> str:
        text = scalar(raw, name)
        if len(text) > self.max:
            raise InvalidRequest(
                f"Invalid string: {shown(text)}; must be at most {self.max} characters", name
            )
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.max}


@dataclass(frozen=True, slots=True, kw_only=True)
class Id(Text):
    """The id of another object, `Id("cus")`; whether there is such an object is the use case's to say."""

    prefix: str = field(default="", kw_only=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer(Field):
    """`Integer(1, 99_999_999)`: bounds inclusive; without them any 64-bit integer."""

    min: int = field(default=-INT64_MAX, kw_only=False)
    max: int = field(default=INT64_MAX, kw_only=False)

    def parse(self, raw: Raw, name: str) -> int:
        return integer_of(raw, name, self.min, self.max)

    def schema(self) -> dict[str, Any]:
        bounds = {"minimum": self.min, "maximum": self.max}
        return {"type": "integer"} | {key: at for key, at in bounds.items() if abs(at) != INT64_MAX}


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean(Field):
    def parse(self, raw: Raw, name: str) -> bool:
        text = scalar(raw, name)
        value = _BOOLEANS.get(text)
        if value is None:
            raise InvalidRequest(f"Invalid boolean: {shown(text)}", name)
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice(Field):
    """`Choice("automatic", "manual")`."""

    values: tuple[str, ...] = ()

    def __init__(self, *values: str, required: bool = False, nullable: bool = False) -> None:
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "required", required)
        object.__setattr__(self, "nullable", nullable)

    def parse(self, raw: Raw, name: str) -> str:
        text = scalar(raw, name)
        if text not in self.values:
            *first, last = self.values
            words = f"one of {', '.join(first)} or {last}" if first else last
            raise InvalidRequest(f"Invalid {name}: must be {words}", name)
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency(Field):
    """Three letters, in lower case; which ones are taken is the use case's to say."""

    def parse(self, raw: Raw, name: str) -> str:
        text = scalar(raw, name)
        if len(text) != len("usd") or not (text.isascii() and text.isalpha()):
            raise InvalidRequest(f"Invalid currency: {shown(text)}", name)
        return text.lower()

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 3, "maxLength": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp(Field):
    """Unix seconds, as an int."""

    def parse(self, raw: Raw, name: str) -> int:
        text = scalar(raw, name)
        if (
            not text.isascii()
            or not text.isdigit()
            or len(text) > len(str(_TIME_MAX))
            or int(text) > _TIME_MAX
        ):
            raise InvalidRequest("Invalid timestamp: must be an integer Unix timestamp", name)
        return int(text)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "description": "Unix seconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange(Field):
    """`created=1` or `created[gte]=1&created[lt]=2`: read as (since, until), since inclusive, until not."""

    def parse(self, raw: Raw, name: str) -> tuple[datetime, datetime]:
        if isinstance(raw, str):
            at = _moment(raw, name)
            return at, at + _SECOND
        since, until = BEGINNING, END
        for sign, value in hash_of(raw, name).items():
            within = f"{name}[{sign}]"
            if sign not in {"gt", "gte", "lt", "lte"}:
                raise unknown_parameters([within])
            at = _moment(value, within)
            if sign in {"gt", "gte"}:
                since = max(since, at if sign == "gte" else at + _SECOND)
            else:
                until = min(until, at if sign == "lt" else at + _SECOND)
        return since, until

    def schema(self) -> dict[str, Any]:
        signs = {sign: {"type": "integer"} for sign in ("gt", "gte", "lt", "lte")}
        ranged = {"type": "object", "properties": signs, "additionalProperties": False}
        return {"anyOf": [{"type": "integer"}, ranged]}


def _moment(raw: Raw, name: str) -> datetime:
    return BEGINNING + Timestamp().parse(raw, name) * _SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata(Field):
    """Read as {key: value}; a value of '' unsets the key, `metadata=''` reads None and unsets all."""

    nullable: bool = True

    def parse(self, raw: Raw, name: str) -> dict[str, str]:
        found = hash_of(raw, name)
        if len(found) > METADATA_KEYS_MAX:
            raise too_much_metadata(name)
        return {key: checked_value(key, value, f"{name}[{key}]") for key, value in found.items()}

    def schema(self) -> dict[str, Any]:
        value = {"type": "string", "maxLength": METADATA_VALUE_CHARS_MAX}
        return {"type": "object", "maxProperties": METADATA_KEYS_MAX, "additionalProperties": value}


@dataclass(frozen=True, slots=True)
class ListOf(Field):
    """`ListOf(Text(), 100)`: `a[]=x`, `a[0]=x` or, of hashes, `a[0][k]=x`; at most `max` items."""

    item: Field
    max: int = 100

    def parse(self, raw: Raw, name: str) -> list[Any]:
        items = _items(raw, name)
        if len(items) > self.max:
            raise InvalidRequest(f"Array too long: at most {self.max} items are taken here.", name)
        return [self.item.read(item, f"{name}[{index}]") for index, item in enumerate(items)]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "maxItems": self.max, "items": self.item.schema()}


def _items(raw: Raw, name: str) -> list[Raw]:
    """The items in the order of their indices; gaps close."""
    if isinstance(raw, list):
        return raw
    if isinstance(raw, dict) and all(key.isascii() and key.isdigit() for key in raw):
        return [raw[key] for key in sorted(raw, key=int)]
    raise InvalidRequest("Invalid array", name)


@dataclass(frozen=True, slots=True)
class Hash(Field):
    """`Hash({"number": Text(required=True)})`: the fields within follow the same rules."""

    fields: Mapping[str, Field]

    def parse(self, raw: Raw, name: str) -> dict[str, Any]:
        return read_fields(self.fields, hash_of(raw, name), name)

    def schema(self) -> dict[str, Any]:
        return object_schema(self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyHash(Field):
    """A hash that is taken and not looked into."""

    def parse(self, raw: Raw, name: str) -> dict[str, Raw]:
        return hash_of(raw, name)

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


def read_fields(fields: Mapping[str, Field], tree: Mapping[str, Raw], within: str = "") -> dict[str, Any]:
    """The parameters of a hash, or of the whole request. Raises InvalidRequest for the first wrong one."""
    unknown = tree.keys() - fields.keys()
    if unknown:
        raise unknown_parameters([_name(within, key) for key in tree if key in unknown])
    for key, wanted in fields.items():
        if wanted.required and key not in tree:
            name = _name(within, key)
            raise InvalidRequest(f"Missing required param: {name}.", name, "parameter_missing")
    return {key: fields[key].read(raw, _name(within, key)) for key, raw in tree.items()}


def _name(within: str, key: str) -> str:
    return f"{within}[{key}]" if within else key


def unknown_parameters(names: list[str]) -> InvalidRequest:
    noun = "parameter" if len(names) == 1 else "parameters"
    return InvalidRequest(f"Received unknown {noun}: {', '.join(names)}", names[0], "parameter_unknown")


def object_schema(fields: Mapping[str, Field]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "type": "object",
        "properties": {key: wanted.schema() for key, wanted in fields.items()},
        "additionalProperties": False,
    }
    required = [key for key, wanted in fields.items() if wanted.required]
    return document | {"required": required} if required else document
