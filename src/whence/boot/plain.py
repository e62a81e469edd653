"""Values as JSON can hold them, by the table of `rules/plain.py`, as far as that can be done without a side effect.

A class is known by its name and those of its bases; nothing is imported. Of an object without a defined form only the
class is told, no `repr`: that of a lazy table or a query would compute it. Data of arrays on a device are not fetched.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Form = Callable[[Any, "_Walk"], Any]

DEEPEST = 64
MOST = 100_000
"""Values that are not numbers or texts; one that holds more is told by its class alone."""

ITEMS = 1000
"""Of an array; a larger one is told by its type and shape."""


def plain(value: Any) -> Any:
    """The value as JSON can hold it. Raises what a property of the user's raises."""
    try:
        return _Walk().plain(value)
    except _TooLarge:
        return {"object": _class_name(value)}


def mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    """A mapping with keys of text; each of its values is told as far as it can be, whatever the others are."""
    found: dict[str, Any] = {}
    for key in list(value):
        found[_key(key, found)] = plain(value[key])
    return found


class _TooLarge(Exception):
    """There is more than is worth keeping."""


class _Walk:
    """One walk through a value."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._left = MOST

    def plain(self, value: Any) -> Any:
        kind = _class_of(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -(1 << 63) <= value < 1 << 64 else str(value)
        if kind is float:
            return value if value - value == 0 else _not_finite(value)
        self._left -= 1
        if self._left < 0:
            raise _TooLarge
        if id(value) in self._open or len(self._open) >= DEEPEST:
            return {"object": _class_name(value)}
        self._open.add(id(value))
        try:
            return _form_of(value, kind)(value, self)
        finally:
            self._open.discard(id(value))


def _class_of(value: Any) -> type[Any]:
    asked: Any = type
    return asked(value)


def _form_of(value: Any, kind: type[Any]) -> Form:
    for base in kind.__mro__:
        form = _FORMS.get(f"{base.__module__}.{base.__qualname__}") or _form_by_fields(base)
        if form is not None:
            return form
    if hasattr(kind, "__fspath__"):
        return _text
    return _array if hasattr(kind, "dtype") else lambda value, walk: {"object": _class_name(value)}


def _not_finite(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def attributes(value: Any) -> dict[str, Any]:
    """An object's own attributes. Raises AttributeError, or what its class does."""
    return value.__dict__


def is_dict(value: object) -> bool:
    """Whether a value is a dict; asked so, a type checker does not take it for one of unknown contents."""
    return isinstance(value, dict)


def _class_name(value: object) -> str:
    return qualified_name(type(value))


def qualified_name(value: Any) -> str:
    """`module.name` of a function or class."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "?")
    module = getattr(value, "__module__", None)
    return f"{module}.{name}" if isinstance(module, str) and module != "builtins" else str(name)


def _form_by_fields(base: type) -> Form | None:
    own = vars(base)
    if "__dataclass_fields__" in own:
        return _fields(own["__dataclass_fields__"])
    if "__attrs_attrs__" in own:
        return _fields(attribute.name for attribute in own["__attrs_attrs__"])
    return _fields(own["_fields"]) if issubclass(base, tuple) and "_fields" in own else None


def _fields(names: Iterable[str]) -> Form:
    return lambda value, walk: {name: walk.plain(getattr(value, name)) for name in names if hasattr(value, name)}


def _key(key: Any, found: Mapping[str, Any]) -> str:
    text = key if type(key) is str else str(key.value) if hasattr(key, "value") else str(key)
    return f"{text} ({type(key).__name__})" if text in found else text


def _mapping(value: Any, walk: _Walk) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in list(value):
        found[_key(key, found)] = walk.plain(value[key])
    return found


def _items(value: Any, walk: _Walk) -> Any:
    return [walk.plain(item) for item in value]


def _set(value: Any, walk: _Walk) -> Any:
    return sorted(_items(value, walk), key=lambda item: (type(item).__name__, repr(item)))


def _text(value: Any, walk: _Walk) -> Any:
    return str(value)


def _name(value: Any, walk: _Walk) -> Any:
    return qualified_name(value)


def _enum(value: Any, walk: _Walk) -> Any:
    return value.value if isinstance(value.value, (bool, int, float, str)) else value.name


def _bytes(value: Any, walk: _Walk) -> Any:
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        return {"bytes": len(value)}


def _scalar(value: Any, walk: _Walk) -> Any:
    return walk.plain(value.item())


def _array(value: Any, walk: _Walk) -> Any:
    shape = [int(length) for length in value.shape]
    count = 1
    for length in shape:
        count *= length
    small = count <= ITEMS and type(value).__module__.partition(".")[0] == "numpy"
    return walk.plain(value.tolist()) if small else {"array": str(value.dtype), "shape": shape}


def _namespace(value: Any, walk: _Walk) -> Any:
    return _mapping(attributes(value), walk)


def _model(value: Any, walk: _Walk) -> Any:
    # Not `model_dump`: a serializer of the user's may do anything.
    return {name: walk.plain(item) for name, item in attributes(value).items() if not name.startswith("_")}


def _omegaconf(value: Any, walk: _Walk) -> Any:
    import sys

    omegaconf: Any = sys.modules["omegaconf"]
    try:
        return walk.plain(omegaconf.OmegaConf.to_container(value, resolve=True))
    except omegaconf.errors.OmegaConfBaseException:
        return walk.plain(omegaconf.OmegaConf.to_container(value, resolve=False))


def _partial(value: Any, walk: _Walk) -> Any:
    keywords = _mapping(value.keywords, walk)
    return {"partial": qualified_name(value.func), "args": _items(value.args, walk), "keywords": keywords}


_FORMS: dict[str, Form] = {
    "builtins.dict": _mapping,
    "builtins.mappingproxy": _mapping,
    "builtins.list": _items,
    "builtins.tuple": _items,
    "collections.deque": _items,
    "builtins.set": _set,
    "builtins.frozenset": _set,
    "builtins.int": lambda value, walk: walk.plain(int(value)),
    "builtins.float": lambda value, walk: walk.plain(float(value)),
    "builtins.str": lambda value, walk: str.__str__(value),
    "builtins.complex": _text,
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "builtins.range": _text,
    "builtins.slice": _text,
    "builtins.type": _name,
    "builtins.function": _name,
    "builtins.method": _name,
    "builtins.builtin_function_or_method": _name,
    "builtins.module": lambda value, walk: value.__name__,
    "functools.partial": _partial,
    "enum.Enum": _enum,
    "types.SimpleNamespace": _namespace,
    "argparse.Namespace": _namespace,
    "jsonargparse._namespace.Namespace": lambda value, walk: walk.plain(value.as_dict()),
    "datetime.date": lambda value, walk: value.isoformat(),
    "datetime.time": lambda value, walk: value.isoformat(),
    "datetime.timedelta": lambda value, walk: value.total_seconds(),
    "pathlib.PurePath": _text,
    "decimal.Decimal": _text,
    "fractions.Fraction": _text,
    "uuid.UUID": _text,
    "re.Pattern": lambda value, walk: value.pattern,
    "pydantic.main.BaseModel": _model,
    "pydantic.v1.main.BaseModel": _model,
    "pydantic.types.SecretStr": _text,
    "pydantic.types.SecretBytes": _text,
    "omegaconf.dictconfig.DictConfig": _omegaconf,
    "omegaconf.listconfig.ListConfig": _omegaconf,
    "ml_collections.config_dict.config_dict.ConfigDict": lambda value, walk: walk.plain(value.to_dict()),
    "numpy.generic": _scalar,
    "numpy.ndarray": _array,
    "numpy.dtype": _text,
    "torch.Tensor": _array,
    "torch.dtype": _text,
    "torch.device": _text,
}
"""By the qualified name of a class; the first of its bases that is here decides."""
