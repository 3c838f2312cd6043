"""The cases that every client is held to, through the blocking and the asynchronous client, over the pipe and HTTP."""

import asyncio
import base64
import json
import sys
import unittest
from pathlib import Path

from beep_python_client import AsyncHandle, BeepPythonError, Datum, Handle, PythonError
from beep_python_client._async.batch import Step as AsyncStep
from beep_python_client._core.values import decode
from beep_python_client._sync.batch import Step

from .host import server

CASES = json.loads((Path(__file__).resolve().parents[2] / "conformance" / "cases.json").read_text())["cases"]
LONGEST = 60


async def settled(result):
    """What a call of either client has given."""
    return await result if hasattr(result, "__await__") else result


async def each(iterable):
    if hasattr(iterable, "__aiter__"):
        async for item in iterable:
            yield item
    else:
        for item in iterable:
            yield item


class Done:
    """What a step has given."""

    def __init__(self):
        self.result = self.error = None
        self.stdout = self.stderr = ""
        self.outputs, self.events, self.items = {}, [], []


class Outcome(str):
    pass


class Runner:
    """Carries out the steps of a case."""

    def __init__(self, own):
        self.own, self.is_async = own, type(own).__name__.startswith("Async")
        self.saved, self.sessions, self.started = {}, {"own": own.id}, {}

    async def step(self, step):
        if step["do"] == "join":
            done = await self.started.pop(step["started"])
        elif "start" in step:
            printed = asyncio.Event()
            loop = asyncio.get_running_loop()
            task = asyncio.ensure_future(self.perform(step, lambda: loop.call_soon_threadsafe(printed.set)))
            self.started[step["start"]] = task
            if "until" in step:
                waiting = asyncio.ensure_future(printed.wait())
                await asyncio.wait([waiting, task], return_when=asyncio.FIRST_COMPLETED, timeout=LONGEST)
                assert waiting.done(), f"it ended before it had printed that: {task}"
            return
        else:
            done = await self.perform(step, None)
        if "save" in step:
            assert done.error is None, f"it failed: {done.error!r}"
            where = self.sessions if step["do"] == "create_session" else self.saved
            where[step["save"]] = done.result
        self.check(done, step.get("expect", {}))

    async def perform(self, step, printed):
        if self.is_async:
            return await self.operation(step, printed)
        return await asyncio.to_thread(lambda: asyncio.run(self.operation(step, printed)))

    def read(self, value, session):
        if isinstance(value, list):
            return [self.read(item, session) for item in value]
        if not isinstance(value, dict):
            return value
        if "$saved" in value:
            return self.saved[value["$saved"]]
        if "$callback" in value:
            return self.callback(value["$callback"], session)
        if "$result" in value:
            return (AsyncStep if self.is_async else Step)(value["$result"])
        if "$slice" in value:
            return slice(*value["$slice"])
        if "$ellipsis" in value:
            return ...
        if "$tuple" in value:
            return tuple(self.read(value["$tuple"], session))
        if any(key.startswith("$") for key in value):
            return decode(value)
        return {key: self.read(item, session) for key, item in value.items()}

    def callback(self, does, session):
        if "raises" in does:
            def function(*_):
                raise RuntimeError(does["raises"])
        elif "echo" in does:
            def function(*args):
                return list(args)
        elif "returns" in does:
            def function(*_):
                return decode(does["returns"])
        elif self.is_async:
            async def function(*_):
                return await session.eval(does["evals"])
        else:
            def function(*_):
                return session.eval(does["evals"])
        return function

    def configured(self, step):
        session, does = self.own, step["do"]
        if "session" in step and not does.endswith("_session"):
            session = session.session(self.sessions[step["session"]])
        further = {}
        for key, name in (("timeoutMs", "timeout"), ("graceMs", "grace"), ("leaseMs", "lease")):
            if key in step:
                further[name] = step[key] / 1000
        for key, name in (("limits", "limits"), ("isolated", "isolated"), ("tracebackLocals", "traceback_locals")):
            if key in step:
                further[name] = step[key]
        if "requestId" in step and does != "cancel":
            further["request_id"] = self.request_id(step)
        return session.with_options(**further) if further else session

    def request_id(self, step):
        return f"{self.own.id}-{step['requestId']}"

    async def operation(self, step, printed):
        done = Done()
        try:
            await self.into(done, step, self.configured(step), printed)
        except BeepPythonError as error:
            done.error = error
            done.stdout, done.stderr = done.stdout or error.stdout, done.stderr or error.stderr
        return done

    async def into(self, done, step, session, printed):
        does = step["do"]
        object = self.saved.get(step.get("handle")) if isinstance(step.get("handle"), str) else None
        locals = {name: self.read(value, session) for name, value in step.get("locals", {}).items()} or None
        args = self.read(step.get("args", []), session)
        kwargs = self.read(step.get("kwargs", {}), session)
        value = self.read(step.get("value"), session)
        key = self.read(step.get("key"), session)
        as_handle = step.get("returnHandle", False)
        # Evaluations give more than their value.
        if does == "eval":
            answer = await settled(
                session.run(step["expression"], locals=locals, outputs=step.get("outputs", ()), stdin=step.get("stdin"), as_handle=as_handle)
            )
            done.result, done.stdout, done.stderr, done.outputs = answer.value, answer.stdout, answer.stderr, answer.outputs
            return
        if does == "execute":
            execution = session.execute(step["expression"], locals=locals, stdin=step.get("stdin"))
            async for event in each(execution):
                self.note(done, event)
                if printed is not None and step.get("until", "\0") in done.stdout:
                    printed()
            done.result = execution.value
            return
        if does == "stream":
            items = session.stream(step["expression"], locals=locals) if object is None else object.items()
            async for item in each(items):
                done.items.append(item)
            return
        if does == "batch":
            done.result = await self.batch(session, step)
            return
        operations = {
            "import": lambda: session.import_module(step["moduleName"]),
            "create": lambda: object.create(step["className"], *args, **kwargs),
            "call": lambda: (object.call_for_handle if as_handle else object.call)(step["methodName"], *args, **kwargs),
            "invoke": lambda: object.invoke_for_handle(*args, **kwargs) if as_handle else object(*args, **kwargs),
            "getattr": lambda: object.get(step["attributeName"], as_handle=as_handle),
            "setattr": lambda: object.set(step["attributeName"], value),
            "getitem": lambda: object.item(key, as_handle=as_handle),
            "setitem": lambda: object.set_item(key, value),
            "delitem": lambda: object.delete_item(key),
            "len": lambda: object.length(),
            "contains": lambda: object.contains(self.read(step["item"], session)),
            "dir": lambda: object.dir(),
            "describe": lambda: object.describe(),
            "value": lambda: object.value(),
            "await": lambda: object.wait(),
            "wrap": lambda: session.wrap(value),
            "dispose": lambda: object.dispose(),
            "renew": lambda: object.renew(),
            "module_available": lambda: session.is_module_available(step["moduleName"]),
            "tofloatarray": lambda: object.floats(),
            "tofloatarray2d": lambda: object.float_rows(),
            "list_sessions": lambda: session.sessions(),
            "create_session": lambda: session.create_session(**step.get("options", {})),
            "delete_session": lambda: self.named(step).delete(),
            "restart_session": lambda: self.named(step).restart(),
            "interrupt_session": lambda: self.named(step).interrupt(abort_queued=step.get("abortQueued", False)),
            "cancel": lambda: session.cancel(self.request_id(step)),
            "put": lambda: session.put(datum(step["datum"]), step.get("name")),
            "fetch": lambda: session.fetch(object if object is not None else step["expression"], locals=locals, kind=step["kind"], format="raw"),
            "health": lambda: session.health(),
        }
        result = await settled(operations[does]())
        if does in ("interrupt_session", "cancel"):
            result = Outcome(result)
        elif does == "create_session":
            result = result.id
        elif does == "list_sessions":
            result = [session["sessionId"] for session in result]
        elif does == "health":
            result = {"status": result["status"]}
        done.result = result

    def named(self, step):
        return self.own.session(self.sessions[step.get("session", "own")])

    @staticmethod
    def note(done, event):
        if event.event in ("stdout", "stderr"):
            setattr(done, event.event, getattr(done, event.event) + event.text)
            if done.events and done.events[-1]["event"] == event.event:
                done.events[-1]["text"] += event.text
                return
        done.events.append({"event": event.event, **event.fields})

    async def batch(self, session, step):
        batch, steps = session.batch(stop_on_error=step.get("stopOnError", True)), []
        for inner in step["steps"]:
            steps.append(self.add(batch, session, inner, steps))
            if inner.get("keep"):
                batch.keep(steps[-1])
        return await settled(batch.run())

    def add(self, batch, session, step, steps):
        named = step.get("handle")
        object = steps[named] if isinstance(named, int) else self.saved.get(named)
        args, kwargs = self.read(step.get("args", []), session), self.read(step.get("kwargs", {}), session)
        value, key = self.read(step.get("value"), session), self.read(step.get("key"), session)
        locals = {name: self.read(item, session) for name, item in step.get("locals", {}).items()}
        return {
            "eval": lambda: batch.eval(step["expression"], locals=locals),
            "import": lambda: batch.import_module(step["moduleName"]),
            "create": lambda: batch.create(object, step["className"], *args, **kwargs),
            "call": lambda: batch.call(object, step["methodName"], *args, **kwargs),
            "invoke": lambda: batch.invoke(object, *args, **kwargs),
            "getattr": lambda: batch.get(object, step["attributeName"]),
            "setattr": lambda: batch.set(object, step["attributeName"], value),
            "getitem": lambda: batch.item(object, key),
            "setitem": lambda: batch.set_item(object, key, value),
            "len": lambda: batch.length(object),
            "value": lambda: batch.value(object),
            "await": lambda: batch.wait(object),
        }[step["do"]]()

    def check(self, done, expected):
        if done.error is not None and "error" not in expected:
            raise AssertionError(f"it failed: {done.error!r}") from done.error
        for key, want in expected.items():
            if key in ("stdout", "stderr"):
                assert same(getattr(done, key), want), (key, getattr(done, key))
            elif key == "events":
                assert len(done.events) == len(want), done.events
                for got, named in zip(done.events, want):
                    assert all(name in got and loosely(got[name], value) for name, value in named.items()), (got, named)
            elif key == "items":
                assert len(done.items) == len(want) and all(map(matches, done.items, want)), done.items
            elif key == "outputs":
                assert done.outputs.keys() == want.keys() and all(matches(done.outputs[name], want[name]) for name in want), done.outputs
            elif key == "error":
                assert done.error is not None, f"it did not fail: {done.result!r}"
                fails_as(done.error, want)
            elif key == "results":
                assert len(done.result) == len(want), done.result
                for got, result in zip(done.result, want):
                    if "error" in result:
                        fails_as(got, result["error"])
                    elif result.get("skipped"):
                        assert getattr(got, "code", None) == "cancelled", got
                    elif result != {}:
                        assert matches(got, result), (got, result)
            elif key == "contains":
                missing = [name for name in want if self.sessions.get(name, name) not in done.result]
                assert not missing, (missing, done.result)
            elif key == "datum":
                got = done.result
                told = {"kind": got.kind, "bytes": base64.b64encode(got.to_bytes()).decode()}
                if got.kind == "array":
                    told.update(dtype=got.dtype, shape=list(got.shape))
                assert same(told, want), (told, want)
            elif key == "outcome":
                assert isinstance(done.result, Outcome) and done.result in (want if isinstance(want, list) else [want]), done.result
            else:
                assert matches(done.result, {key: want}), (done.result, {key: want})


def datum(told):
    return Datum(told["kind"], base64.b64decode(told["bytes"]), told.get("dtype"), told.get("shape"))


def fails_as(error, expected):
    assert isinstance(error, BeepPythonError), error
    for key, want in expected.items():
        if key == "detail":
            assert want in str(error), error
        elif key == "kept":
            assert error.state_kept == want, error.outcome
        else:
            assert key in ("code", "outcome") or isinstance(error, PythonError), error
            assert same(getattr(error, key), want), (key, getattr(error, key), want)


def matches(got, expected):
    """`{"value": …}`, `{"handle": {…}}`, or the value itself."""
    if isinstance(got, (Handle, AsyncHandle)):
        names = {"typeName": "type_name", "typeModule": "type_module", "shape": "shape", "dtype": "dtype"}
        told = {key: getattr(got, names[key]) for key in expected.get("handle", {})}
        told = {key: list(value) if isinstance(value, tuple) else value for key, value in told.items()}
        return "handle" in expected and same(told, expected["handle"])
    if isinstance(expected, dict) and "handle" in expected:
        return False
    return same(got, decode(expected["value"] if isinstance(expected, dict) and "value" in expected else expected))


def same(got, expected):
    if isinstance(expected, str) and expected == "…":
        return True
    if type(got) is not type(expected):
        return False
    if isinstance(expected, (list, tuple)):
        return len(got) == len(expected) and all(map(same, got, expected))
    if isinstance(expected, dict):
        return got.keys() == expected.keys() and all(same(got[key], expected[key]) for key in expected)
    return got == expected or (got != got and expected != expected)


def loosely(got, expected):
    """Events are plain JSON, where 1 and 1.0 are one number."""
    return got == expected if isinstance(expected, (int, float)) else same(got, expected)


class Conformance(unittest.TestCase):
    pass


def test_of(case, backend, is_async):
    async def carry_out():
        client = server().connect_async(backend) if is_async else server().connect(backend)
        try:
            own = await settled(client.create_session())
            runner = Runner(own)
            try:
                for at, step in enumerate(case["steps"]):
                    try:
                        await asyncio.wait_for(runner.step(step), LONGEST)
                    except AssertionError as wrong:
                        raise AssertionError(f"step {at}, {json.dumps(step)}: {wrong}") from wrong
            finally:
                await settled(own.delete())
        finally:
            client.close()

    oldest = tuple(map(int, case.get("python", "3.9").split(".")))
    return unittest.skipIf(sys.version_info < oldest, f"for Python {case.get('python')}")(lambda _: asyncio.run(carry_out()))


for case in CASES:
    for backend in ("pipe", "http"):
        for is_async in (False, True):
            name = f"test_{case['subject']}_{case['name']}_{backend}_{'asyncio' if is_async else 'blocking'}"
            setattr(Conformance, name, test_of(case, backend, is_async))

if __name__ == "__main__":
    unittest.main()
