"""Objects of a session that are used as if they were here."""

from __future__ import annotations

from .handle import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator


class Proxy:
    """An object of a session: attributes, calls, items, `len`, `in` and `for` go there. What has a value form comes as a value, anything
    else, and an instance of a class that is called, as a proxy."""

    __slots__ = ("_beep_python_handle_", "_handle")

    _handle: Handle
    _beep_python_handle_: str

    def __init__(self, handle: Handle) -> None:
        object.__setattr__(self, "_handle", handle)
        object.__setattr__(self, "_beep_python_handle_", handle.id)

    def __getattr__(self, name: str) -> Any:
        return _wrapped(self._handle.get(name))

    def __setattr__(self, name: str, value: Any) -> None:
        self._handle.set(name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # An instance of a class is an object, also where it would have a value form, as a Counter has.
        is_class = self._handle.type_name == "type" or self._handle.type_name.endswith("Meta")
        return _wrapped((self._handle.invoke_for_handle if is_class else self._handle)(*args, **kwargs))

    def __getitem__(self, key: Any) -> Any:
        return _wrapped(self._handle.item(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._handle.set_item(key, value)

    def __delitem__(self, key: Any) -> None:
        self._handle.delete_item(key)

    def __len__(self) -> int:
        return self._handle.length()

    def __bool__(self) -> bool:
        return True

    def __contains__(self, item: Any) -> bool:
        return self._handle.contains(item)

    def __iter__(self) -> Iterator[Any]:
        return map(_wrapped, self._handle.items())

    def __dir__(self) -> list[str]:
        return self._handle.dir()

    def __repr__(self) -> str:
        return f"<proxy of {self._handle!r}>"


def _wrapped(result: Any) -> Any:
    return Proxy(result) if isinstance(result, Handle) else result


def proxy(handle: Handle) -> Any:
    """The object of a handle, to be used as if it were here."""
    return Proxy(handle)
