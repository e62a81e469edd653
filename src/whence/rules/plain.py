"""Any Python object as plain JSON values: what a configuration may hold, defined case by case.

| object | becomes |
|---|---|
| dict and other mappings | an object; keys that are no text become their text |
| list, tuple, set | a list; a set in the order of its items' text |
| dataclass, attrs, pydantic, msgspec, NamedTuple, argparse and simple namespaces | an object of its fields |
| OmegaConf | the same with interpolations resolved, where they can be |
| path, UUID, decimal, fraction, complex number, torch dtype and device | its text |
| enum | its value if that is a text, number or truth value, else its name |
| date and time | ISO 8601; a time difference its seconds |
| not-a-number, infinity, an integer of more than 64 bits | its text |
| bytes | the text if it is UTF-8, else `{"bytes": n, "digest": …}` |
| numpy and torch scalar | the number |
| array, tensor | a list up to 1,000 items, else `{"array": dtype, "shape", "digest"}` |
| function, class, module | its qualified name; a partial `{"partial": name, "args", "keywords"}` |
| anything else, a cycle, what lies deeper than 64 levels | `{"object": "module.Class", "repr": …}` |

Nothing is imported for this: a class is known by its name and those of its bases. Nothing raises: an attribute that
cannot be read becomes `{"error": …}`. Nothing is cut but `repr` (1,000 characters, memory addresses left out).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from ..digests import digest_of
from ..handlers import let_pass
from ..records.encoding import number_text

DEEPEST = 64
ARRAY_ITEMS = 1000
REPR_LENGTH = 1000

Plain = Any
"""None, bool, int, float, str, or a list or dict of such."""


def to_plain(value: object) -> Plain:
    """The value as plain JSON values. Never raises."""
    return _Conversion().convert(value)


def to_values(value: object) -> dict[str, Plain]:
    """A whole configuration as an object: of a class or an instance that has no defined form, its attributes."""
    plain = to_plain(value)
    unknown = isinstance(plain, dict) and {"object", "repr"} <= plain.keys() and not isinstance(value, Mapping)
    if isinstance(plain, dict) and not unknown:
        return cast("dict[str, Plain]", plain)
    if isinstance(value, type) or unknown:
        return {name: to_plain(item) for name, item in _attributes(cast("object", value)).items()}
    return {"value": plain}


def as_mapping(value: Plain) -> dict[str, Plain]:
    """The object that a plain value is; an empty one for any other."""
    return cast("dict[str, Plain]", value) if isinstance(value, dict) else {}


def flatten(values: Mapping[str, Plain], at: str = "") -> dict[str, Plain]:
    """Dotted names to values; an empty mapping and a list are values."""
    flat: dict[str, Plain] = {}
    for key, value in values.items():
        name = f"{at}.{key}" if at else key
        if isinstance(value, dict) and value:
            flat |= flatten(cast("dict[str, Plain]", value), name)
        else:
            flat[name] = value
    return flat


def _attributes(value: object) -> dict[str, object]:
    """Public attributes that are data: of a class with its bases', of an instance its own over its class's."""
    kind = cast("type[object]", value) if isinstance(value, type) else type(value)
    found: dict[str, object] = {}
    for base in reversed(kind.__mro__[:-1]):
        found.update(vars(base))
    if kind is not value:
        found.update(_read(lambda: vars(value), {}))
    hidden = (staticmethod, classmethod, property)
    return {k: v for k, v in found.items() if not k.startswith("_") and not callable(v) and not isinstance(v, hidden)}


def qualified_name(value: object) -> str:
    """`module.name` of a function or class."""
    module = _read(lambda: cast("Any", value).__module__, None)
    name = _read(lambda: cast("Any", value).__qualname__, None) or _read(lambda: cast("Any", value).__name__, "?")
    return f"{module}.{name}" if isinstance(module, str) and module != "builtins" else str(name)


def _read(get: Callable[[], Any], otherwise: Any) -> Any:
    try:
        return get()
    except Exception as error:  # noqa: BLE001 - the user's own properties may raise anything; a configuration is still recorded
        let_pass(error)
        return otherwise


class _Conversion:
    """One walk through an object."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._forms: dict[type, Callable[[_Conversion, Any], Plain] | None] = {}

    def convert(self, value: Any) -> Plain:
        kind = cast("type[Any]", type(value))
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -(1 << 63) <= value < 1 << 64 else str(value)
        if kind is float:
            return value if value - value == 0 else number_text(value)
        return self._enter(value, kind)

    def _enter(self, value: Any, kind: type[Any]) -> Plain:
        if id(value) in self._open:
            return _unknown(value, "<contains itself>")
        if len(self._open) >= DEEPEST:
            return _unknown(value, f"<deeper than {DEEPEST} levels>")
        self._open.add(id(value))
        try:
            return self._form(kind)(self, value)
        except Exception as error:  # noqa: BLE001 - as in `_read`
            let_pass(error)
            return _unknown(value, None) | {"error": f"{type(error).__name__}: {_text_of(error)}"[:REPR_LENGTH]}
        finally:
            self._open.discard(id(value))

    def _form(self, kind: type[Any]) -> Callable[[_Conversion, Any], Plain]:
        form = self._forms.get(kind)
        if form is None:
            form = self._forms[kind] = _form_of(kind)
        return form

    def mapping(self, value: Mapping[Any, Any]) -> Plain:
        plain: dict[str, Plain] = {}
        for key in value:
            text = self._key(key)
            if text in plain:
                text = f"{text} ({cast('type[Any]', type(key)).__name__})"
            plain[text] = self.convert(value[key])
        return plain

    def _key(self, key: Any) -> str:
        if type(key) is str:
            return key
        plain = self.convert(key)
        return plain if isinstance(plain, str) else str(key) if isinstance(plain, int | float | None) else _repr(key)

    def items(self, value: Iterable[Any]) -> Plain:
        return [self.convert(item) for item in value]

    def set_items(self, value: Iterable[Any]) -> Plain:
        return sorted(self.items(value), key=_order)

    def fields(self, value: Any, names: Iterable[str]) -> Plain:
        return {name: self._field(value, name) for name in names}

    def _field(self, value: Any, name: str) -> Plain:
        try:
            item = getattr(value, name)
        except Exception as error:  # noqa: BLE001 - as in `_read`
            let_pass(error)
            return {"error": f"{type(error).__name__}: {_text_of(error)}"[:REPR_LENGTH]}
        return self.convert(item)

    def partial(self, value: Any) -> Plain:
        return {
            "partial": qualified_name(value.func),
            "args": self.items(value.args),
            "keywords": self.mapping(value.keywords),
        }

    def enum(self, value: Any) -> Plain:
        plain = self.convert(value.value)
        return value.name if isinstance(plain, dict | list) else plain

    def omegaconf(self, value: Any) -> Plain:
        omegaconf = sys.modules["omegaconf"].OmegaConf
        resolved = _read(lambda: omegaconf.to_container(value, resolve=True), None)
        return self.convert(omegaconf.to_container(value, resolve=False) if resolved is None else resolved)

    def array(self, value: Any) -> Plain:
        shape = [int(length) for length in value.shape]
        count = 1
        for length in shape:
            count *= length
        if count <= ARRAY_ITEMS:
            return self.convert(value.tolist())
        digest = _read(lambda: digest_of(value.tobytes()), None) if str(value.dtype) != "object" else None
        return {"array": str(value.dtype), "shape": shape, "digest": digest}

    def tensor(self, value: Any) -> Plain:
        here = value.detach().cpu()
        if here.numel() <= ARRAY_ITEMS:
            return self.convert(here.tolist())
        digest = _read(lambda: digest_of(here.contiguous().numpy().tobytes()), None)
        return {"array": str(value.dtype), "shape": list(value.shape), "digest": digest}

    def scalar(self, value: Any) -> Plain:
        item = value.item()
        return self.convert(float(item) if type(item) is type(value) else item)


def _form_of(kind: type[Any]) -> Callable[[_Conversion, Any], Plain]:
    """How objects of a class are converted: by the first of its bases that is known, else by what it offers."""
    for base in kind.__mro__:
        form = _FORMS.get(f"{base.__module__}.{base.__qualname__}")
        if form is not None:
            names: Any = getattr(kind, "_fields", None) if base is tuple else None
            return form if names is None else _fields_named(names)
        if (form := _form_by_fields(base)) is not None:
            return form
    return _form_by_offer(kind)


def _form_by_fields(base: type[Any]) -> Callable[[_Conversion, Any], Plain] | None:
    own: Mapping[str, Any] = vars(base)
    if (names := own.get("__dataclass_fields__")) is not None:
        return _fields_named(names)
    if (attributes := own.get("__attrs_attrs__")) is not None:
        return _fields_named(attribute.name for attribute in attributes)
    return None


def _fields_named(names: Iterable[str]) -> Callable[[_Conversion, Any], Plain]:
    names = tuple(names)
    return lambda walk, value: walk.fields(value, names)


def _form_by_offer(kind: type[Any]) -> Callable[[_Conversion, Any], Plain]:
    if hasattr(kind, "__fspath__"):
        return lambda _, value: str(value)
    if hasattr(kind, "dtype") and hasattr(kind, "shape") and hasattr(kind, "tolist"):
        return _Conversion.array
    if issubclass(kind, Mapping):
        return _Conversion.mapping
    return lambda _, value: _unknown(value, None)


def _text(_: _Conversion, value: Any) -> Plain:
    return str(value)


def _iso(_: _Conversion, value: Any) -> Plain:
    return value.isoformat()


def _name(_: _Conversion, value: Any) -> Plain:
    return qualified_name(value)


def _bytes(_: _Conversion, value: Any) -> Plain:
    content = bytes(value)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"bytes": len(content), "digest": digest_of(content)}


def _namespace(walk: _Conversion, value: Any) -> Plain:
    return walk.mapping(cast("dict[str, Any]", vars(value)))


def _model(walk: _Conversion, value: Any) -> Plain:
    dump = getattr(value, "model_dump", None) or value.dict
    fields = _read(dump, None)
    return walk.convert(vars(value) if fields is None else fields)


_FORMS: dict[str, Callable[[_Conversion, Any], Plain]] = {
    "builtins.dict": _Conversion.mapping,
    "builtins.mappingproxy": _Conversion.mapping,
    "builtins.list": _Conversion.items,
    "builtins.tuple": _Conversion.items,
    "collections.deque": _Conversion.items,
    "builtins.set": _Conversion.set_items,
    "builtins.frozenset": _Conversion.set_items,
    "builtins.bool": lambda _, value: bool(value),
    "builtins.int": lambda walk, value: walk.convert(int.__index__(value)),
    "builtins.float": lambda walk, value: walk.convert(float.__float__(value)),
    "builtins.str": lambda _, value: str.__str__(value),
    "builtins.complex": _text,
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "builtins.memoryview": _bytes,
    "builtins.range": _text,
    "builtins.slice": _text,
    "builtins.type": _name,
    "builtins.function": _name,
    "builtins.method": _name,
    "builtins.builtin_function_or_method": _name,
    "builtins.method_descriptor": _name,
    "builtins.module": lambda _, value: value.__name__,
    "numpy.ufunc": lambda _, value: f"numpy.{value.__name__}",
    "functools.partial": _Conversion.partial,
    "enum.Enum": _Conversion.enum,
    "types.SimpleNamespace": _namespace,
    "argparse.Namespace": _namespace,
    "datetime.date": _iso,
    "datetime.time": _iso,
    "datetime.timedelta": lambda _, value: value.total_seconds(),
    "datetime.timezone": _text,
    "zoneinfo.ZoneInfo": _text,
    "decimal.Decimal": _text,
    "fractions.Fraction": _text,
    "uuid.UUID": _text,
    "re.Pattern": lambda _, value: value.pattern,
    "msgspec.Struct": lambda walk, value: walk.fields(value, value.__struct_fields__),
    "pydantic.main.BaseModel": _model,
    "pydantic.v1.main.BaseModel": _model,
    "pydantic.types.SecretStr": _text,
    "pydantic.types.SecretBytes": _text,
    "pydantic_core._pydantic_core.Url": _text,
    "omegaconf.dictconfig.DictConfig": _Conversion.omegaconf,
    "omegaconf.listconfig.ListConfig": _Conversion.omegaconf,
    "ml_collections.config_dict.config_dict.ConfigDict": lambda walk, value: walk.convert(value.to_dict()),
    "numpy.generic": _Conversion.scalar,
    "numpy.ndarray": _Conversion.array,
    "numpy.dtype": _text,
    "torch.Tensor": _Conversion.tensor,
    "torch.dtype": _text,
    "torch.device": _text,
    "torch.Size": _Conversion.items,
}
"""By the qualified name of a class. A class's own entry wins over those of its bases."""


def _order(item: Plain) -> tuple[bool, float, str]:
    """Numbers before the rest, by size; the rest by its text."""
    number = isinstance(item, int | float)
    return not number, item if number else 0, repr(item)


def _unknown(value: object, text: str | None) -> dict[str, Plain]:
    return {"object": qualified_name(type(value)), "repr": _repr(value) if text is None else text}


_ADDRESS = r" at 0x[0-9a-fA-F]+"


def _repr(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - as in `_read`
        let_pass(error)
        return f"<repr failed: {type(error).__name__}>"
    return re.sub(_ADDRESS, "", text[: 2 * REPR_LENGTH])[:REPR_LENGTH]


def _text_of(error: BaseException) -> str:
    return str(_read(lambda: str(error), "?"))
