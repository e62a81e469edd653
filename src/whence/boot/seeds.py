"""Seeds that the code sets: which generator, which value, and where in the program.

A function that seeds a generator of the whole process is noted whoever calls it; one that makes a generator only when
the program's own code calls it. A place is noted once; that it seeded again, with what at last, is told at the end.
"""

from __future__ import annotations

import sys

from .caller import caller_of, calling_frame
from .guard import Guard
from .plain import is_dict
from .table import Notes, is_method, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType
    from typing import Any

PLACES = 1000
"""Places that are told apart in one process."""

_times: dict[tuple[Any, ...], list[Any]] = {}
"""By generator and place in the code: [how often, the last value, how the place is written]."""


def adapt_random(module: ModuleType, notes: Notes) -> None:
    """The standard library's."""
    at = int(is_method(module, "seed"))
    replace(module, "seed", lambda original: _seeding(original, "random.seed", notes, at=at))
    replace(module.Random, "__init__", lambda original: _making_random(original, notes))


def adapt_numpy(module: ModuleType, notes: Notes) -> None:
    """Of `numpy.random`."""
    replace(module, "seed", lambda original: _seeding(original, "numpy.random.seed", notes))
    replace(module, "default_rng", lambda original: _seeding(original, "numpy.random.default_rng", notes, own=True))


def adapt_torch(module: ModuleType, notes: Notes) -> None:
    """The generator of every device, and whether deterministic algorithms are asked for."""
    replace(module, "manual_seed", lambda original: _seeding(original, "torch.manual_seed", notes))
    if hasattr(module, "random"):
        module.random.manual_seed = module.manual_seed
    name = "use_deterministic_algorithms"
    replace(module, name, lambda original: _seeding(original, "torch." + name, notes))


def adapt_jax(module: ModuleType, notes: Notes) -> None:
    """Of `jax.random`: keys that the program's own code makes of a number."""
    for name in ("PRNGKey", "key"):
        replace(module, name, lambda original, name=name: _seeding(original, "jax.random." + name, notes, own=True))


def adapt_tensorflow(module: ModuleType, notes: Notes) -> None:
    """Of `tensorflow.python.framework.random_seed`: `tf.random.set_seed`, and what it was called before."""
    for name, known in (("set_seed", "tensorflow.random.set_seed"), ("set_random_seed", "tensorflow.set_random_seed")):
        replace(module, name, lambda original, known=known: _seeding(original, known, notes))


def adapt_keras(module: ModuleType, notes: Notes) -> None:
    """Of `keras.src.utils.rng_utils`."""
    replace(module, "set_random_seed", lambda original: _seeding(original, "keras.utils.set_random_seed", notes))


def adapt_lightning(module: ModuleType, notes: Notes) -> None:
    """`seed_everything`, which gives the seed: it may have been in the environment."""
    replace(module, "seed_everything", lambda original: _giving(original, "lightning.seed_everything", notes))


def _giving(original: Any, name: str, notes: Notes) -> Any:
    def seed(*args: Any, **named: Any) -> Any:
        value = original(*args, **named)
        with Guard("seeds"):
            _see(notes, name, value, calling_frame(1), own=False)
        return value

    return seed


def _seeding(original: Any, name: str, notes: Notes, own: bool = False, at: int = 0) -> Any:
    """`at`: where the seed stands among the arguments."""

    def seed(*args: Any, **named: Any) -> Any:
        with Guard("seeds"):
            _see(notes, name, next(iter((*args[at:], *named.values())), None), calling_frame(1), own)
        return original(*args, **named)

    return seed


def _making_random(original: Any, notes: Notes) -> Any:
    def __init__(self: Any, *args: Any, **named: Any) -> None:
        if args and args[0] is not None:
            with Guard("seeds"):
                _see(notes, "random.Random", args[0], calling_frame(1), own=True)
        original(self, *args, **named)

    return __init__


def _see(notes: Notes, name: str, value: Any, frame: FrameType | None, own: bool) -> None:
    if value is None or frame is None:
        return  # From the operating system: nothing that could be set again.
    key = (name, frame.f_code, frame.f_lineno)
    known = _times.get(key)
    if known is not None:
        known[0] += 1
        known[1] = value
        return
    if len(_times) >= PLACES:
        return
    caller = caller_of(frame)
    _times[key] = [1, value, caller.place]
    if own and caller.whose is None:
        _times[key][2] = ""
        return
    told = _value(value)
    if not (own and is_dict(told)):  # Within a function that JAX traces there is no number yet.
        notes.report.note("seeded", name=name, value=told, place=caller.place)


def _value(value: Any) -> Any:
    from .plain import plain

    found = plain(value)
    entropy = getattr(value, "entropy", None)  # numpy's SeedSequence
    return plain(entropy) if entropy is not None else found


def tell_repeated(notes: Notes) -> None:
    """At the end: which places seeded more than once, and the flags of torch as they are then."""
    for (name, *_), (times, last, place) in _times.items():
        if times > 1 and place:
            notes.report.note("seeded", name=name, value=_value(last), place=place, times=times)
    cudnn = getattr(getattr(sys.modules.get("torch"), "backends", None), "cudnn", None)
    for flag in ("deterministic", "benchmark"):
        value = getattr(cudnn, flag, None)
        if isinstance(value, bool) and value:
            notes.report.note("seeded", name="torch.backends.cudnn." + flag, value=value, place="")
