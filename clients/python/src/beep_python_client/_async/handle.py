"""Objects that a session keeps for this program."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, AsyncIterator, Dict, Optional, Tuple

    from .call import AsyncCaller


class AsyncHandle:
    """The name of an object in a session. The session releases the object when the program has no more use for the handle."""

    def __init__(self, caller: AsyncCaller, told: Dict[str, Any]) -> None:
        self._caller = caller
        self._is_owned = told.get("typeName") != "module"
        self._process = os.getpid()
        self._beep_python_handle_: str = told["handleId"]
        self.type_name: str = told.get("typeName", "")
        """Its type's `__name__`."""
        self.type_module: Optional[str] = told.get("typeModule")
        """The module of its type; None for builtins."""
        shape = told.get("shape")
        self.shape: Optional[Tuple[int, ...]] = tuple(shape) if shape is not None else None
        self.dtype: Optional[str] = told.get("dtype")

    @property
    def id(self) -> str:
        return self._beep_python_handle_

    def __repr__(self) -> str:
        module = f"{self.type_module}." if self.type_module else ""
        return f"<handle of a {module}{self.type_name}>"

    def __del__(self) -> None:
        # Nothing is sent here: the next call does that. A fork's copy is not the program's handle.
        if getattr(self, "_is_owned", False) and self._process == os.getpid():
            self._caller._released.append(self._beep_python_handle_)

    async def _on(self, command: str, **payload: Any) -> Any:
        return (await self._caller._call(command, {"handleId": self.id, **payload})).value

    async def get(self, name: str, *, as_handle: bool = False) -> Any:
        """An attribute, which may be dotted: its value, or a handle."""
        further = {"returnType": "handle"} if as_handle else {}
        return await self._on("getattr", attributeName=name, **further)

    async def set(self, name: str, value: Any) -> None:
        """Sets an attribute."""
        request = self._caller._request("setattr", {"handleId": self.id, "attributeName": name})
        request.payload["value"] = request.value(value)
        await self._caller._answer(request)

    async def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a method: its value, or a handle."""
        return await self._invoked("call", {"methodName": method}, args, kwargs, False)

    async def call_for_handle(self, method: str, /, *args: Any, **kwargs: Any) -> AsyncHandle:
        """Calls a method, for the object itself that it returns."""
        handle: AsyncHandle = await self._invoked("call", {"methodName": method}, args, kwargs, True)
        return handle

    async def create(self, name: str, /, *args: Any, **kwargs: Any) -> AsyncHandle:
        """Calls a class of a module, for a handle of the instance."""
        request = self._caller._request("create", {"moduleHandleId": self.id, "className": name})
        request.payload.update(args=[request.value(arg) for arg in args], kwargs=request.values(kwargs))
        handle: AsyncHandle = (await self._caller._answer(request)).value
        return handle

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the object itself: its value, or a handle."""
        return await self._invoked("invoke", {}, args, kwargs, False)

    async def invoke_for_handle(self, *args: Any, **kwargs: Any) -> AsyncHandle:
        """Calls the object itself, for the object that it returns."""
        handle: AsyncHandle = await self._invoked("invoke", {}, args, kwargs, True)
        return handle

    async def _invoked(self, command: str, payload: Dict[str, Any], args: Any, kwargs: Any, as_handle: bool) -> Any:
        request = self._caller._request(command, {"handleId": self.id, **payload})
        if args:
            request.payload["args"] = [request.value(arg) for arg in args]
        if kwargs:
            request.payload["kwargs"] = request.values(kwargs)
        if as_handle:
            request.payload["returnType"] = "handle"
        return (await self._caller._answer(request)).value

    async def item(self, key: Any, *, as_handle: bool = False) -> Any:
        """`object[key]`; a slice is a key, too."""
        request = self._caller._request("getitem", {"handleId": self.id})
        request.payload["key"] = _key(request, key)
        if as_handle:
            request.payload["returnType"] = "handle"
        return (await self._caller._answer(request)).value

    async def set_item(self, key: Any, value: Any) -> None:
        """`object[key] = value`."""
        request = self._caller._request("setitem", {"handleId": self.id})
        request.payload.update(key=_key(request, key), value=request.value(value))
        await self._caller._answer(request)

    async def delete_item(self, key: Any) -> None:
        """`del object[key]`."""
        request = self._caller._request("delitem", {"handleId": self.id})
        request.payload["key"] = _key(request, key)
        await self._caller._answer(request)

    async def length(self) -> int:
        """`len(object)`."""
        return int(await self._on("len"))

    async def contains(self, item: Any) -> bool:
        """`item in object`."""
        request = self._caller._request("contains", {"handleId": self.id})
        request.payload["item"] = request.value(item)
        return bool((await self._caller._answer(request)).value)

    async def dir(self) -> list[str]:
        """The names of its attributes."""
        names: list[str] = await self._on("dir")
        return names

    async def describe(self) -> Dict[str, Any]:
        """Type, documentation, signature and JSON Schemas, as the wire has them."""
        body: Dict[str, Any] = await self._caller._plain("describe", {"handleId": self.id})
        body.pop("sessionEpoch", None)
        return body

    async def value(self) -> Any:
        """The object as a value."""
        return await self._on("value")

    async def wait(self) -> Any:
        """Awaits a coroutine, a task or a future of the session: its value, or a handle."""
        return await self._on("await")

    async def floats(self) -> list[float]:
        """All numbers of it as 32-bit floats, flat."""
        return _single(await self._on("tofloatarray"))

    async def float_rows(self) -> list[list[float]]:
        """Its rows as 32-bit floats."""
        return [_single(row) for row in await self._on("tofloatarray2d")]

    async def items(self) -> AsyncIterator[Any]:
        """Iterates over the object."""
        async for item in self._caller._items(self._caller._request("stream", {"handleId": self.id})):
            yield item

    async def renew(self) -> None:
        """Begins its lease anew."""
        await self._on("renew")

    async def dispose(self) -> None:
        """Releases the object now."""
        self._is_owned = False
        await self._on("dispose")


def _single(items: Any) -> list[float]:
    """Numbers of 32 bits, which the wire writes as their shortest text; NaN comes as that."""
    from array import array

    return array("f", map(float, items)).tolist()


def _key(request: Any, key: Any) -> Any:
    if isinstance(key, slice):
        return {"$slice": [request.value(part) for part in (key.start, key.stop, key.step)]}
    if key is Ellipsis:
        return {"$ellipsis": True}
    if type(key) is tuple:
        return {"$tuple": [_key(request, part) for part in key]}
    return request.value(key)
