"""Form encoding with brackets: `a[b]=1&c[]=2&d[0][e]=3` to a tree of dicts, lists and strings."""

from typing import Final
from urllib.parse import unquote_to_bytes

from payments.dialect.errors import InvalidRequest

Raw = str | dict[str, "Raw"] | list["Raw"]
"""`a[0]=x` reads {"0": "x"} here: only the field knows whether it is an array or a hash."""

_SHAPES: Final = "Invalid form: '{0}' is given as two different shapes (a value, a hash or an array)."


def parse(text: bytes, *, parameters_max: int, depth_max: int, chars_max: int) -> dict[str, Raw]:
    """The tree of a body or a query string; of a name given twice the last counts. Raises InvalidRequest."""
    tree: dict[str, Raw] = {}
    if not text:
        return tree
    if text.count(b"&") >= parameters_max:
        raise InvalidRequest(f"Too many parameters: at most {parameters_max} are taken in one request.")
    for pair in text.split(b"&"):
        if not pair:
            continue
        encoded_name, _, encoded_value = pair.partition(b"=")
        name, value = _decoded(encoded_name), _decoded(encoded_value)
        if len(value) > chars_max and name != "":
            raise InvalidRequest(
                f"Invalid string: {value[:20]}...; must be at most {chars_max} characters", name
            )
        if "[" in name:
            _put(tree, _path(name, depth_max), name, value)
        elif name == "" or "]" in name:
            raise InvalidRequest(f"Invalid parameter name: '{name}'.")
        else:
            if not isinstance(tree.get(name, ""), str):
                raise InvalidRequest(_SHAPES.format(name), name)
            tree[name] = value
    return tree


def _decoded(text: bytes) -> str:
    """Raises InvalidRequest for what is no UTF-8 and for NUL, which no text column can hold."""
    if b"+" in text:
        text = text.replace(b"+", b" ")
    if b"%" in text:
        text = unquote_to_bytes(text)
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("Invalid request: parameters must be UTF-8, percent-encoded.") from None
    if "\x00" in decoded:
        raise InvalidRequest("Invalid request: parameters must not hold the NUL character.")
    return decoded


def _path(name: str, depth_max: int) -> list[str]:
    """`a[b][]` to ["a", "b", ""]."""
    head, _, rest = name.partition("[")
    if not head or "]" in head or not rest.endswith("]"):
        raise InvalidRequest(f"Invalid parameter name: '{name}'.")
    parts = [head, *rest[:-1].split("][")]
    if len(parts) > depth_max:
        raise InvalidRequest(f"Invalid parameter name: '{name[:60]}' is nested too deeply.")
    if any("[" in part or "]" in part for part in parts):
        raise InvalidRequest(f"Invalid parameter name: '{name}'.")
    return parts


def _put(tree: dict[str, Raw], path: list[str], name: str, value: str) -> None:
    node: Raw = tree
    for step, following in zip(path, [*path[1:], None], strict=True):
        node = _step(node, step, following, name, value)


def _step(node: Raw, step: str, following: str | None, name: str, value: str) -> Raw:
    """Goes one step down, and makes what the next step needs: a list for "", a dict for a name."""
    if isinstance(node, list):
        return _append(node, step, following, name, value)
    if not isinstance(node, dict) or step == "":
        raise InvalidRequest(_SHAPES.format(name), name)
    if following is None:
        if not isinstance(node.get(step, ""), str):
            raise InvalidRequest(_SHAPES.format(name), name)
        node[step] = value
        return value
    child = node.get(step)
    if child is None:
        child = node[step] = [] if following == "" else {}
    elif not isinstance(child, list if following == "" else dict):
        raise InvalidRequest(_SHAPES.format(name), name)
    return child


def _append(items: list[Raw], step: str, following: str | None, name: str, value: str) -> Raw:
    """`a[]=x` adds a value; `a[][k]=x` goes to the last hash, or to a new one when that has `k` already."""
    last = items[-1] if items else None
    if step != "" or following == "":
        raise InvalidRequest(_SHAPES.format(name), name)
    if following is None:
        if isinstance(last, dict):
            raise InvalidRequest(_SHAPES.format(name), name)
        items.append(value)
        return value
    if isinstance(last, str):
        raise InvalidRequest(_SHAPES.format(name), name)
    if last is None or following in last:
        last = {}
        items.append(last)
    return last
