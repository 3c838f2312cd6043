"""What runs in a process that multiprocessing spawned, before it unpickles what it is to do; nothing else of ours is there."""

from ._builtins import own as __builtins__


def shape(value):
    """What tells the values apart that different statements give to one name: the type, and where the code is. The child has this function too."""
    kind = type(value)
    if kind in (classmethod, staticmethod):
        value = value.__func__
    elif kind is property:
        value = value.fget
    code = getattr(value, "__code__", None) if type(value).__name__ == "function" else None
    return kind.__module__, kind.__qualname__, *((code.co_filename, code.co_firstlineno) if code is not None else ())


CHILD = """
def begin(steps, path, shape):
    import importlib, marshal, pickle, sys, types

    code = shape
    shape = types.FunctionType(marshal.loads(code), globals())
    why = {}
    operators = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or".split()
    uses = "call getitem setitem delitem iter next reversed len contains bool str format bytes fspath index int float complex round trunc neg pos abs invert "
    uses += "eq ne lt le gt ge enter exit aenter aexit aiter anext await setattr delattr instancecheck subclasscheck"
    uses = ["__%s__" % use for use in (*uses.split(), *[kind + each for each in operators for kind in ("", "r", "i")])]

    class Missing(type):
        def __new__(kind, name, bases, namespace):
            for base in bases:
                base.fail()
            return super().__new__(kind, name, bases, namespace)

        def fail(self, *args, **kwargs):
            reason = why.get(self.__name__) or "it was defined when this process had started"
            raise RuntimeError("%r of the session is not in this process, which multiprocessing spawned: %s" % (self.__name__, reason))

        __getattr__ = fail
        __hash__ = type.__hash__
        locals().update(dict.fromkeys(uses, fail))

    class Late(Missing):
        # unpickled without an error, which would end the process without a word; it fails where it is used
        def __getattr__(self, name):
            return late(name, self.__name__ + ".")

    def missing(name, kind=Missing):
        fail = lambda self, *args: Missing.fail(type(self))
        return kind(name, (), {"__module__": "__main__", "__setstate__": lambda *_: None, "__getattr__": fail, "__call__": fail})

    def late(name, of=""):
        if name.startswith("__"):
            raise AttributeError("the session's %s__main__ has no attribute %r" % (of, name))
        return missing(of + name, Late)

    def instead(expected, data, reason):
        if reason is not None:
            raise ValueError(reason)
        return pickle.loads(data)

    def run(kind, names, data, bare):
        space = main.__dict__
        if kind == "code":
            data, undecorated, shapes, states = data
            before = dict(space)
            try:
                exec(marshal.loads(bare and undecorated or data), space)
            except Exception as error:  # then it is the value that has been sent, if there is one
                if not (bare and shapes):
                    raise
                try:
                    for name in names:
                        space[name] = instead(*shapes[name])
                except AttributeError:  # it is sent by name
                    raise error
                return
            made = {name: space[name] for name in names if name in space}
            for name in [name for name in space if not name.startswith("__")]:
                del space[name]
            space.update(before)
            for name, value in list(made.items()):  # what it binds beyond its names is another statement's
                if name in shapes and shapes[name][0] != shape(value) and not (bare and undecorated):  # it was bound to something else then
                    made[name] = instead(*shapes[name])
            space.update(made)
            for name, state in states.items():
                try:
                    for attribute, data in pickle.loads(state).items():
                        setattr(made[name], attribute, data)
                except Exception:
                    del space[name]  # it is not itself without
                    raise
        elif kind == "class":
            owner = space[names[0]]
            for attribute, (expected, sent, reason, state) in data.items():
                present = vars(owner).get(attribute)
                if state is not None and shape(present) == expected:
                    for name, held in pickle.loads(state).items():
                        setattr(present, name, held)
                value = present if sent is None else pickle.loads(sent)
                if shape(present) == expected and (expected[2:] or sent is None or pickle.dumps(present, pickle.HIGHEST_PROTOCOL) == sent):
                    continue
                if shape(value) != expected:
                    name = "%s.%s" % (names[0], attribute)
                    why[name] = reason
                    value = missing(name)
                type.__setattr__(owner, attribute, value)
        elif kind == "module":
            space[names[0]] = importlib.import_module(data)
        elif kind == "value":
            space[names[0]] = pickle.loads(data)
        else:
            why[names[0]] = data
            space[names[0]] = missing(names[0])

    class Main:
        def __reduce__(self):
            return exec, (text, {"text": text, "steps": given, "path": path, "shape": code})

    def get_preparation_data(name):  # of the processes that this one starts
        data = theirs(name)
        data["session_main"] = Main()
        return data

    sys.path[:] = path
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main
    given, left, tried, bare = steps, steps, None, False
    while left and (len(left) != tried or not bare):  # one may need what a later one makes
        bare = len(left) == tried  # what registers a function may need what was registered
        steps, left, tried = left, [], len(left)
        for kind, names, data in steps:
            try:
                run(kind, names, data, bare)
            except Exception as error:
                left.append((kind, names, data))
                if kind != "class":
                    why.update(dict.fromkeys(names, "%s: %s" % (type(error).__name__, error)))
    for kind, names, data in left:
        for name in names:
            if not hasattr(main, name):
                setattr(main, name, missing(name))
    main.__getattr__ = late
    import multiprocessing.spawn as spawn

    theirs = spawn.get_preparation_data
    spawn.get_preparation_data = get_preparation_data

begin(steps, path, shape)
"""
