"""A batch: steps that run one after the other in one request, each an operation.

`{"$result": 0}` in a step stands for the result of an earlier one. Such a result is kept under a handle until the batch ends.
"""

from . import _exceptions
from ._builtins import own as __builtins__
from ._decode import loads, wrong
from ._encode import ESCAPED, dumps
from ._interrupts import is_cancel
from ._wire import HANDLE, OBJECT, VALUE, Rejected

MAX_STEPS = 100_000
_HANDLE_FIELDS = ("handleId", "moduleHandleId")
_CONTAINERS = (dict, list)


class Batch:
    """`operations` by the words of their routes; `release` ends a handle; `limit` says how many bytes the results may have."""

    def __init__(self, operations, release, limit):
        self.operations, self.release, self.limit = operations, release, limit
        self.interrupted = b""  # the results of one that was interrupted, until the client gets them

    def take_interrupted(self):
        results, self.interrupted = self.interrupted, b""
        return results

    def run(self, body, exact):
        steps = body.get("steps")
        if type(steps) is not list or not all([type(step) is dict for step in steps]):
            raise wrong("steps", "an array of objects", steps)
        if len(steps) > MAX_STEPS:
            raise Rejected("invalid_request", "a batch has at most %d steps; this one has %d" % (MAX_STEPS, len(steps)))
        stop_on_error = body.get("stopOnError", True)
        if type(stop_on_error) is not bool:
            raise wrong("stopOnError", "a boolean", stop_on_error)
        try:
            references = self.checked(steps)
        except RecursionError:
            raise Rejected("invalid_request", "a step of the batch is nested too deeply") from None
        return _Run(self, steps, references, stop_on_error, exact).to_its_end()

    def checked(self, steps):
        """By step, the earlier ones that it refers to. Rejects the whole batch for a step that no batch could run."""
        references = []
        for at, step in enumerate(steps):
            name = step.get("operation")
            if type(name) is not str or name not in self.operations:
                known = ", ".join(sorted(self.operations))
                detail = "step %d of the batch has the operation %s; a batch knows %s" % (at, dumps(name), known)
                raise Rejected("invalid_request", detail)
            others = referred(step)
            for other in others:
                if type(other) is not int or not 0 <= other < at:
                    detail = "step %d of the batch refers to the result %s; it can refer to an earlier step only"
                    raise Rejected("invalid_request", detail % (at, dumps(other)))
            references.append(others)
        return references


class _Run:
    def __init__(self, batch, steps, references, stop_on_error, exact):
        self.batch, self.steps, self.references, self.stop_on_error, self.exact = batch, steps, references, stop_on_error, exact
        self.needed = {other for others in references for other in others}
        self.results = []  # what the client gets of each step
        self.found = {}  # by step, what a later one gets in place of its `$result`
        self.made = []  # handles that the batch made
        self.kept = set()  # those of them that outlive it
        self.size, self.limit = 0, batch.limit()

    def to_its_end(self):
        failed = False
        try:
            for at, step in enumerate(self.steps):
                others = self.references[at]
                if failed and self.stop_on_error or (others and any([other not in self.found for other in others])):
                    self.results.append(b'{"skipped":true}')
                    continue
                try:
                    self.run(at, step)
                except Rejected as error:
                    failed = True
                    self.results.append(b'{"error":%s}' % _json({"code": error.code, "detail": error.detail}))
                except BaseException as error:
                    if is_cancel(error):
                        raise
                    failed = True
                    self.results.append(b'{"error":{"code":"python_exception",%s}' % _exceptions.encode(error)[1:])
        except BaseException:
            self.kept.clear()
            self.batch.interrupted = b"[%s]" % b",".join(self.results)
            raise
        finally:
            for handle_id in self.made:
                if handle_id not in self.kept:
                    self.batch.release(handle_id)
        return OBJECT, b'{"results":[%s]}' % b",".join(self.results)

    def run(self, at, step):
        needed, keep = at in self.needed, step.get("keep") is True
        body = {key: replaced(value, self.found) for key, value in step.items()} if self.references[at] else step
        for field in _HANDLE_FIELDS:
            given = body.get(field)
            if type(given) is dict and type(given.get("$handle")) is str:
                body[field] = given["$handle"]
        if needed:
            body["returnType"] = "handle"
        kind, answer = self.batch.operations[step["operation"]](body, self.exact)
        if kind == VALUE:
            self.add(b'{"value":%s}' % answer)
            if needed:  # a length, say: of an operation that makes no handles
                self.found[at] = loads(str(answer, "utf-8"))
            return
        if kind not in (HANDLE, OBJECT):
            raise Rejected("invalid_request", "a batch cannot answer with what this operation gives")
        told = loads(str(answer, "utf-8"))
        handle_id = told.get("handleId")
        if type(handle_id) is str:
            self.made.append(handle_id)
            self.found[at] = {"$handle": handle_id}
        else:
            self.found[at] = told
        if needed and not keep:
            self.add(b"{}")
            return
        self.kept.add(handle_id)
        self.add(bytes(answer))

    def add(self, result):
        size = self.size + len(result) + 1
        if self.limit is not None and size > self.limit:
            detail = "the results of the batch have more than the %d bytes that this call may send"
            raise Rejected("result_too_large", detail % self.limit)
        self.size = size
        self.results.append(result)


def referred(value):
    """The steps whose results a step refers to."""
    if type(value) is dict:
        if len(value) == 1 and "$result" in value:
            return [value["$result"]]
        return [other for item in value.values() if type(item) in _CONTAINERS for other in referred(item)]
    if type(value) is list:
        return [other for item in value if type(item) in _CONTAINERS for other in referred(item)]
    return []


def replaced(value, found):
    """A part of a step with what was found in the place of each `$result`."""
    if type(value) is dict:
        if len(value) == 1 and "$result" in value:
            return found[value["$result"]]
        return {key: replaced(item, found) for key, item in value.items()}
    if type(value) is list and any([type(item) in _CONTAINERS for item in value]):
        return [replaced(item, found) for item in value]
    return value


def _json(value):
    return dumps(value).encode("utf-8", ESCAPED)
