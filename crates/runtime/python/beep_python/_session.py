"""A session: its namespace, its handles, and the operations on them."""

import importlib
import importlib.util
import operator
import sys
import types
from contextlib import ExitStack

from . import _arrays, _current, _exceptions, _type_name, _unawaited, _wire
from ._answers import ATTRIBUTE, CALL, Answers
from ._builtins import own as __builtins__
from ._client import ClientProxy
from ._decode import arguments, body_of, code_name, text, value_of, values_of, wrong
from ._batch import Batch
from ._compiler import Compiler
from ._encode import ESCAPED, dumps
from ._handles import Handles, describe
from ._exec import WARNED, run, run_async
from ._objects import Objects
from ._origin import Origin
from ._streams import Stream, Streams
from ._repr import named
from ._variables import set_variables
from ._wire import Rejected


# what a batch can run: the words of the routes, and the numbers of the operations
_STEPS = {
    **{"eval": 1, "import": 2, "create": 3, "call": 4, "getattr": 5, "setattr": 6, "dispose": 7, "module_available": 10},
    **{"wrap": 11, "renew": 16, "getitem": 17, "setitem": 18, "delitem": 19, "len": 20, "contains": 21, "invoke": 22},
    **{"dir": 23, "describe": 24, "value": 25, "await": 26},
}


def parsed(operation):
    """An operation that takes the parsed body, as one that takes the raw one."""
    return lambda data, exact: operation(body_of(data), exact)


class Operations(dict):
    """Methods by operation number."""

    def __missing__(self, number):
        raise Rejected("unknown_operation", "this worker knows no operation %d" % number)


class Session:
    """Its namespace is a real `__main__` module, where pickle, inspect and classes look for it."""

    def __init__(self, session_loop, client=None, streams=Streams):
        self.handles = Handles()
        self.client = client or ClientProxy(Origin(session_loop.gate))
        self.client.handles = self.handles
        self.handles.callback = self.client.callback
        self.handles.is_stopping = self.client.is_stopping
        self.streams = streams(self.handles, session_loop, self.client)
        self.answers = Answers(self.handles, session_loop, self.client, self.streams.result_limit)
        self.answer = self.answers.answer
        self.data = self.answers.data
        self.compiler = Compiler()
        self.prepared = self.compiler.prepared
        self.session_loop = session_loop
        self.module = self.namespace = None
        self.begin()
        objects = Objects(self.handles, session_loop, self.answer, self.invoke, _object)
        self.operations = Operations(
            {
                1: self.evaluate,
                2: self.import_module,
                3: self.create,
                4: self.call,
                5: self.get_attribute,
                6: self.set_attribute,
                7: self.dispose,
                8: self.to_float_array,
                9: self.to_float_array_2d,
                10: self.module_available,
                11: self.wrap,
                12: self.execute,
                13: self.stream,
                14: self.next_items,
                16: self.renew,
                17: parsed(objects.get_item),
                18: parsed(objects.set_item),
                19: parsed(objects.delete_item),
                20: parsed(objects.length),
                21: parsed(objects.contains),
                22: parsed(objects.invoke),
                23: parsed(objects.directory),
                24: parsed(objects.describe),
                25: parsed(objects.value),
                26: parsed(objects.wait),
                27: self.run_batch,
                28: self.fetch,
                29: self.put,
            }
        )
        steps = {name: self.operations[number] for name, number in _STEPS.items()}
        self.batch = Batch(steps, self.release_if_held, self.streams.result_limit)

    def begin(self):
        self.module = types.ModuleType("__main__")
        self.namespace = self.module.__dict__
        self.namespace["__builtins__"] = sys.modules["builtins"]

    def enter(self, tag, epoch, handle_limit=None):
        """Makes this the session of the process."""
        self.handles.enter(tag, epoch, handle_limit)
        self.begin()  # once more: what was made before a fork is never collected
        sys.modules["__main__"] = self.module
        _current.session, _current.compiler = self, self.compiler
        _unawaited.follow()

    def end(self):
        """Gives up everything that it holds, but for its modules, `__main__` among them."""
        self.module = self.namespace = None
        self.client.shown.clear()
        self.streams.open.clear()
        self.handles.clear()
        self.data.channel.forget()  # a socket that is left open would be warned of

    def set_up(self, data):
        """Sets variables of the environment, and runs the code that begins every worker of this session."""
        body = body_of(data)
        set_variables(body.get("env") or {})
        if body.get("setup"):
            self.run(self.compiler.program(body["setup"]), self.namespace)

    # Each operation takes the raw request body and whether the answer is exact; it returns the answer's type and body.

    def evaluate(self, data, exact):
        program = self.prepared.get(data) if type(data) is not dict else None
        if program is not None:
            asked = program.asked.get(data) if program.asked else None
            if program.is_async:
                return self.answer(self.session_loop.run(run_async(program, self.namespace)), exact, asked)
            return self.answer(run(program, self.namespace), exact, asked)
        body = body_of(data)
        outputs = self.outputs_of(body)
        if outputs is not None or type(data) is dict:
            data = None
        return self.answer_with(self.value_from(body, exact, data, outputs), exact, body, outputs)

    def outputs_of(self, body):
        """The names whose objects the request wants beside the value; None if it wants none."""
        names = body.get("outputs")
        if names is None:
            return None
        if type(names) is not list or not all([type(name) is str for name in names]):
            raise wrong("outputs", "a list of names", names)
        self.client.flags &= ~_wire.TAKES_DATUM  # data beside others would have no place: a handle instead
        return dict.fromkeys(names)

    def answer_with(self, value, exact, body, outputs):
        answer = self.answer(value, exact, body)
        return answer if outputs is None else self.answers.with_outputs(answer, outputs, exact)

    def value_from(self, body, exact, data=None, outputs=None):
        """Runs the code of a request. `data` is the raw body, given if the request may be prepared for next time. Of the names in
        `outputs` those stay that are bound then, with their objects."""
        source = text(body, "expression")
        given = body.get("locals")
        if given is not None and type(given) is not dict:
            raise wrong("locals", "an object", given)
        program = self.compiler.program(source)
        is_unread = program.is_quiet and body.get("returnType") == "text"  # as at a prompt
        if given:
            given = values_of(given, self.handles, exact)
            value = self.run_apart(program, {code_name(name): value for name, value in given.items()}, outputs)
        else:
            if data is not None and not is_unread:
                self.compiler.prepare(data, program, body)
            value = self.run(program, self.namespace, outputs)
        return None if is_unread else value

    def run(self, program, namespace, outputs=None):
        value = self.session_loop.run(run_async(program, namespace)) if program.is_async else run(program, namespace)
        if outputs:
            bound = [(name, code_name(name)) for name in outputs]
            outputs.clear()
            outputs.update([(name, namespace[key]) for name, key in bound if key in namespace])
        return value

    def run_apart(self, program, given, outputs):
        """Runs code with names of its own, in a copy: a separate dict of locals would be invisible to functions and comprehensions.
        While it runs, the copy is `__main__`, where pickle, dataclasses and type hints look for what the code defines."""
        self.namespace.pop(WARNED, None)  # the functions that it calls have theirs there
        module = types.ModuleType("__main__")
        module.__dict__.update(self.namespace)
        module.__dict__.update(given)
        before, sys.modules["__main__"] = sys.modules.get("__main__", self.module), module
        try:
            return self.run(program, module.__dict__, outputs)
        finally:
            sys.modules["__main__"] = before

    def execute(self, data, exact):
        body = body_of(data)
        outputs = self.outputs_of(body)
        client = self.client
        client.shown.clear()
        try:
            value = self.value_from(body, exact, None, outputs)
        except BaseException:
            client.show_figures()  # of an interrupted call too
            raise
        client.show_last(value, _is_held(body.get("returnType")), self.compiler.program(body["expression"]).is_quiet)
        return self.answer_with(value, exact, body, outputs)

    def stream(self, data, exact):
        body = body_of(data)
        credit = _credit(body)
        if "handleId" not in body:
            obj = self.value_from(body, exact)
        else:
            obj = self.handles.get(text(body, "handleId"))
            if body.get("methodName") is not None:
                obj = self.invoke(_attribute(obj, text(body, "methodName")), body, exact)
        return _wire.OBJECT, self.streams.run(Stream(obj, body.get("keep") is True), None, credit, exact)

    def next_items(self, data, exact):
        body = body_of(data)
        credit = _credit(body)
        handle_id = text(body, "handleId")
        self.handles.get(handle_id)
        stream = self.streams.open.get(handle_id)
        if stream is None:
            raise Rejected("invalid_request", "the object of handle '%s' is no stream; open one on it" % handle_id)
        return _wire.OBJECT, self.streams.run(stream, handle_id, credit, exact)

    def run_batch(self, data, exact):
        self.client.flags &= ~_wire.TAKES_DATUM  # a step gives a handle instead
        return self.batch.run(body_of(data), exact)

    def fetch(self, data, exact):
        """The value of an expression, an object, an attribute of it or what a method returns, as a datum."""
        body = body_of(data)
        if "handleId" not in body:
            obj = self.value_from(body, exact)
        else:
            obj = self.handles.get(text(body, "handleId"))
            if body.get("methodName") is not None:
                obj = self.invoke(_attribute(obj, text(body, "methodName")), body, exact)
            elif body.get("attributeName") is not None:
                obj = _attribute(obj, text(body, "attributeName"))
        return self.data.fetch(obj, body, exact)

    def put(self, data, exact):
        """Makes an object of the datum that came with the request, and holds it or gives it a name in the namespace."""
        name, obj = self.data.put(body_of(data))
        if name is None:
            return _wire.HANDLE, _json(self.handles.keep(obj))
        self.namespace[name] = obj
        return _object({"success": True, "name": name, **describe(obj)})

    def import_module(self, data, exact):
        name = text(body_of(data), "moduleName")
        if not name:
            raise Rejected("invalid_request", "'moduleName' must not be empty")
        module = importlib.import_module(name)
        root = name.partition(".")[0]
        self.namespace[code_name(root)] = sys.modules.get(root, module)
        return _object({"handleId": self.handles.add_module(module), "moduleName": name, "typeName": "module"})

    def create(self, data, exact):
        body = body_of(data)
        module = self.handles.get(text(body, "moduleHandleId"))
        made = self.invoke(_attribute(module, text(body, "className")), body, exact)
        return _object({"handleId": self.handles.add(made), **named(type(made))})

    def call(self, data, exact):
        body = body_of(data)
        obj = self.handles.get(text(body, "handleId"))
        name = text(body, "methodName")
        # The attribute of a class is the method of its instances.
        value = self.invoke(obj if name == "__call__" else _attribute(obj, name), body, exact)
        return self.answer(value, exact, body, CALL)

    def get_attribute(self, data, exact):
        body = body_of(data)
        obj = self.handles.get(text(body, "handleId"))
        return self.answer(_attribute(obj, text(body, "attributeName")), exact, body, ATTRIBUTE)

    def set_attribute(self, data, exact):
        body = body_of(data)
        obj = self.handles.get(text(body, "handleId"))
        owner, _, name = text(body, "attributeName").rpartition(".")
        if not name:
            raise _no_name()
        value = value_of(body.get("value"), self.handles, exact)
        setattr(_attribute(obj, owner) if owner else obj, name, value)
        return _wire.OBJECT, b'{"success":true}'

    def dispose(self, data, exact):
        body = body_of(data)
        if "handleIds" not in body:
            self.release(text(body, "handleId"))
            return _wire.OBJECT, b'{"success":true}'
        held = self.handles.held.keys() & _handle_ids(body)
        with ExitStack() as releases:  # all of them, also where the end of one raises
            for handle_id in held:
                releases.callback(self.release, handle_id)
        return _object({"success": True, "disposed": len(held)})

    def renew(self, data, exact):
        body = body_of(data)
        if "handleIds" not in body:
            handle_id = text(body, "handleId")
            self.handles.get(handle_id)
            self.handles.passing.discard(handle_id)
            return _wire.OBJECT, b'{"success":true}'
        held = self.handles.held.keys() & _handle_ids(body)
        for handle_id in held:
            self.handles.get(handle_id)
        self.handles.passing -= held
        return _object({"success": True, "renewed": len(held)})

    def release_expired(self):
        """Releases the objects whose leases have expired."""
        for handle_id in self.handles.leases.expire():
            try:
                self.release(handle_id)
            except BaseException:
                _exceptions.report("an object that was released, since its lease had run out, raised at its end")

    def release_if_held(self, handle_id):
        if handle_id in self.handles.held:
            self.release(handle_id)

    def release(self, handle_id):
        self.handles.drop(handle_id)
        stream = self.streams.open.get(handle_id)
        if stream is not None:
            self.streams.end(stream, handle_id)

    def to_float_array(self, data, exact):
        return _wire.FLOATS, _arrays.one_row(self.handles.get(text(body_of(data), "handleId")))

    def to_float_array_2d(self, data, exact):
        return _wire.FLOAT_ROWS, _arrays.rows(self.handles.get(text(body_of(data), "handleId")))

    def module_available(self, data, exact):
        name = text(body_of(data), "moduleName")
        try:
            # None in sys.modules forbids the import
            found = sys.modules[name] if name in sys.modules else name and importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):  # the parent is missing or not a package
            found = None
        return _object({"available": bool(name) and found is not None})

    def wrap(self, data, exact):
        value = value_of(body_of(data).get("value"), self.handles, exact)
        return _object({"handleId": self.handles.add_own(value), **named(type(value))})

    def invoke(self, function, body, exact):
        args, kwargs = arguments(body, self.handles, exact)
        made = function(*args, **kwargs)
        return self.session_loop.run(made) if type(made) is types.CoroutineType else made


def _is_held(hint):
    """Whether the hint asks for a handle."""
    return type(hint) is str and _type_name.parse(hint).is_handle


def _handle_ids(body):
    handle_ids = body["handleIds"]
    if type(handle_ids) is not list or not all(type(handle_id) is str for handle_id in handle_ids):
        raise wrong("handleIds", "an array of strings", handle_ids)
    return handle_ids


def _credit(body):
    """How many items the client accepts; None if the request does not say."""
    credit = body.get("credit")
    if credit is not None and (type(credit) is not int or credit < 0):
        raise wrong("credit", "a whole number that is not negative", credit)
    return credit


def _attribute(obj, path):
    if not path:
        raise _no_name()
    return operator.attrgetter(path)(obj)


def _no_name():
    return Rejected("invalid_request", "the name of an attribute must not be empty")


def _json(obj):
    return dumps(obj).encode("utf-8", ESCAPED)


def _object(answer):
    return _wire.OBJECT, _json(answer)
