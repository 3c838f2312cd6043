"""Several operations in one request."""

from __future__ import annotations

from .._core.errors import BeepPythonError, Cancelled, error_of
from .call import Caller
from .handle import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Union

    Object = Union[Handle, "Step"]


class Step:
    """A step of a batch, whose result later steps may use."""

    __slots__ = ("_beep_python_result_",)

    def __init__(self, index: int) -> None:
        self._beep_python_result_ = index


class Batch:
    """Collects steps; `run` carries them out in order, with one place in the queue and one deadline."""

    def __init__(self, caller: Caller, stop_on_error: bool) -> None:
        self._caller = caller
        self._request = caller._request("batch", {"steps": []})
        if not stop_on_error:
            self._request.payload["stopOnError"] = False
        self._steps: List[Dict[str, Any]] = self._request.payload["steps"]

    def _add(self, operation: str, keep: bool, **fields: Any) -> Step:
        self._steps.append({"operation": operation, **fields, **({"keep": True} if keep else {})})
        return Step(len(self._steps) - 1)

    def _object(self, named: Object) -> Any:
        return named.id if isinstance(named, Handle) else {"$result": named._beep_python_result_}

    def _args(self, args: Any, kwargs: Dict[str, Any]) -> Dict[str, Any]:
        return {"args": [self._request.value(arg) for arg in args], "kwargs": self._request.values(kwargs)}

    def eval(self, code: str, *, locals: Dict[str, Any] | None = None, keep: bool = False) -> Step:
        return self._add("eval", keep, expression=code, locals=self._request.values(locals or {}))

    def import_module(self, name: str, *, keep: bool = False) -> Step:
        return self._add("import", keep, moduleName=name)

    def create(self, module: Object, name: str, /, *args: Any, **kwargs: Any) -> Step:
        return self._add("create", False, moduleHandleId=self._object(module), className=name, **self._args(args, kwargs))

    def call(self, object: Object, method: str, /, *args: Any, **kwargs: Any) -> Step:
        return self._add("call", False, handleId=self._object(object), methodName=method, **self._args(args, kwargs))

    def invoke(self, object: Object, /, *args: Any, **kwargs: Any) -> Step:
        return self._add("invoke", False, handleId=self._object(object), **self._args(args, kwargs))

    def get(self, object: Object, name: str) -> Step:
        return self._add("getattr", False, handleId=self._object(object), attributeName=name)

    def set(self, object: Object, name: str, value: Any) -> Step:
        return self._add("setattr", False, handleId=self._object(object), attributeName=name, value=self._request.value(value))

    def item(self, object: Object, key: Any) -> Step:
        return self._add("getitem", False, handleId=self._object(object), key=self._request.value(key))

    def set_item(self, object: Object, key: Any, value: Any) -> Step:
        return self._add("setitem", False, handleId=self._object(object), key=self._request.value(key), value=self._request.value(value))

    def length(self, object: Object) -> Step:
        return self._add("len", False, handleId=self._object(object))

    def value(self, object: Object) -> Step:
        return self._add("value", False, handleId=self._object(object))

    def wait(self, object: Object) -> Step:
        return self._add("await", False, handleId=self._object(object))

    def keep(self, step: Step) -> None:
        """Keeps the object of a step, though a later step refers to it."""
        self._steps[step._beep_python_result_]["keep"] = True

    def run(self) -> List[Any]:
        """A result for each step: a value, a handle, an exception where it failed or was skipped, None where a later step has it."""
        reply = self._caller._whole(self._request)
        if reply.problem is not None:
            raise error_of(reply.problem)
        return [self._result(result) for result in reply.body["results"]]

    def _result(self, result: Dict[str, Any]) -> Union[Any, BeepPythonError]:
        if "error" in result:
            return error_of(result["error"])
        if result.get("skipped"):
            return Cancelled("the step was skipped, since an earlier one has failed", {"code": "cancelled", "outcome": "not_started"})
        return self._caller._object(result)
