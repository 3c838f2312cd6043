"""What values of classes beyond the builtin ones are as builtin values, one level at a time: a numpy scalar is an int, a
dataclass a dict of its fields.

Classes are recognised by identity among those that `sys.modules` has already: nothing is imported here. What the user's own
code raises goes to the caller.
"""

import array
import collections
import sys
import types
from collections import abc
from datetime import date, datetime, timedelta
from enum import Enum

from ._builtins import own as __builtins__

ARRAY, RECORD = "array", "record"
GROUPS = {}  # by conversion: arrays and tables, which are values only inside others or when asked for; records of fields
_isoformat, _year_of = datetime.isoformat, datetime.year.__get__
_timestamp = None  # pandas' class, once it is there
_dict_of = type.__dict__["__dict__"].__get__
_mro_of = type.__dict__["__mro__"].__get__


class Tagged:
    """Text that the exact form gives under a tag."""

    def __init__(self, tag, text):
        self.tag, self.text = tag, text


def is_enum(kind):
    return Enum in _mro_of(kind)


def group(name):
    def mark(convert):
        GROUPS[convert] = name
        return convert

    return mark


# conversions: each takes the walk, which counts items, and the value


def _none(walk, value):
    return None


def _text(walk, value):
    return str.__str__(str(value))


def _list(walk, value):
    return walk.items_of(value)


def _pattern(walk, value):
    return value.pattern


def _tagged_text(tag):
    return lambda walk, value: Tagged(tag, str.__str__(str(value)))


def _memory(walk, value):
    if value.format in "Bbc" and value.ndim == 1:
        return bytes(value)
    walk.reserve(value.nbytes // value.itemsize)
    return value.tolist()


@group(RECORD)
def _namespace(walk, value):
    return dict(vars(value))


@group(RECORD)
def _dataclass(walk, value):
    names = [name for name, field in type(value).__dataclass_fields__.items() if field._field_type.name == "_FIELD"]
    return {name: getattr(value, name) for name in names}


@group(RECORD)
def _attrs(walk, value):
    return {field.name: getattr(value, field.name) for field in type(value).__attrs_attrs__}


@group(RECORD)
def _model(walk, value):
    dump = getattr(type(value), "model_dump", None) or type(value).dict  # pydantic 2, 1
    return dump(value)


def _mapping(walk, value):
    return dict(walk.pairs_of(value))


# numpy


def _integer(walk, value):
    return int(value)


def _float(walk, value):
    return float(value)


def _complex(walk, value):
    return complex(value)


def _bool(walk, value):
    return bool(value)


def _scalar(walk, value):
    return value.item()


def _datetime64(walk, value):
    numpy = sys.modules["numpy"]
    if numpy.isnat(value):
        return None
    unit = numpy.datetime_data(value.dtype)[0]
    if unit in "YMWD":
        text, builtin, tag = str(value.astype("M8[D]")), date, "$date"
    else:
        text, builtin, tag = str(value.astype("M8[s]") if unit in "hms" and len(unit) == 1 else value), datetime, "$datetime"
        whole, _, fraction = text.partition(".")
        fraction = fraction.rstrip("0")
        if len(fraction) > 6:
            text = "%s.%s" % (whole, fraction.ljust(-(-len(fraction) // 3) * 3, "0"))
            return Tagged(tag, text) if len(fraction) <= 9 and len(whole) == 19 else text
        text = "%s.%s" % (whole, fraction.ljust(6, "0")) if fraction else whole
    try:
        return builtin.fromisoformat(text)
    except ValueError:  # a year beyond those of Python's own
        return text


def _timedelta64(walk, value):
    numpy = sys.modules["numpy"]
    if numpy.isnat(value):
        return None
    unit = numpy.datetime_data(value.dtype)[0]
    if unit == "generic" or unit in "YM":
        raise ValueError("a time of %s has no fixed length" % unit)
    seconds = value / numpy.timedelta64(1, "s")
    exact = value.astype("m8[us]")
    if exact == value:
        try:
            return timedelta(microseconds=int(exact.astype("i8")))
        except OverflowError:
            pass
    return float(seconds)


@group(RECORD)
def _void(walk, value):
    if value.dtype.names is None:
        return value.tobytes()
    return {name: value[name] for name in value.dtype.names}


@group(ARRAY)
def _ndarray(walk, value):
    if value.ndim == 0:
        # Of a masked record `[()]` would be masked as a whole.
        return {name: value[name] for name in value.dtype.names} if value.dtype.names else value[()]
    walk.reserve(value.size)
    if value.dtype.isbuiltin == 2:  # of another package, which knows what they are
        return value.tolist()
    if value.dtype.kind in "biufUSO" and not (value.dtype.kind == "f" and value.dtype.itemsize > 8):
        return value.tolist()
    return list(value)  # scalars, or arrays of one dimension less, which have rules of their own


# pandas, polars, pyarrow, tensors


@group(ARRAY)
def _column(walk, value):
    """A Series, Index or extension array: what its `isna` says is missing is None."""
    walk.reserve(len(value))
    items = value.tolist()
    try:
        missing = value.isna().tolist()
    except NotImplementedError:  # of a MultiIndex
        return items
    return [None if gone else item for item, gone in zip(items, missing)] if any(missing) else items


@group(ARRAY)
def _frame(walk, value):
    by_name = columns(walk, value)
    if not by_name:
        return [{} for _ in range(len(value))]
    return [dict(zip(by_name, row)) for row in zip(*by_name.values())]


def _nanoseconds(walk, value):
    """A pandas Timedelta: Python's timedelta lacks its nanoseconds."""
    return value.total_seconds() if value.nanoseconds else value.to_pytimedelta()


def moment_text(value):
    """`value.isoformat()`, without the Python code that pandas' Timestamp spends on it where its base says the same."""
    if type(value) is _timestamp and not value.nanosecond and value.year == _year_of(value):
        return _isoformat(value)
    return str.__str__(value.isoformat())


@group(ARRAY)
def _tensor(walk, value):
    if value.is_quantized or value.is_sparse or value.device.type != "cpu":
        raise ValueError("it is quantised, sparse or not on the CPU")
    walk.reserve(value.numel())
    return value.detach().tolist()


@group(ARRAY)
def _polars_series(walk, value):
    walk.reserve(len(value))
    return value.to_list()


@group(ARRAY)
def _polars_frame(walk, value):
    walk.reserve(value.height * value.width)
    return value.to_dicts()


@group(ARRAY)
def _arrow_array(walk, value):
    walk.reserve(len(value))
    return value.to_pylist()


@group(ARRAY)
def _arrow_table(walk, value):
    walk.reserve(value.num_rows * value.num_columns)
    if len(set(value.schema.names)) < len(value.schema.names):
        raise ValueError("two columns have one name")
    return value.to_pylist()


def _arrow_scalar(walk, value):
    return value.as_py()


def _masked_constant(module):
    return {module.core.MaskedConstant: _none}


# for each module, the classes that it defines and what becomes of their values
_MODULES = {
    "uuid": lambda m: {m.UUID: _tagged_text("$uuid")},
    "pathlib": lambda m: {m.PurePath: _text, m.PurePosixPath: _tagged_text("$path")},
    "fractions": lambda m: {m.Fraction: _text},
    "re": lambda m: {m.Pattern: _pattern},
    "ipaddress": lambda m: {
        kind: _text for kind in (m.IPv4Address, m.IPv6Address, m.IPv4Network, m.IPv6Network)
    },
    "numpy": lambda m: {
        m.bool_: _bool,
        m.integer: _integer,
        m.floating: _float,
        m.complexfloating: _complex,
        m.datetime64: _datetime64,
        m.timedelta64: _timedelta64,
        m.void: _void,
        m.generic: _scalar,  # of another package, such as ml_dtypes
        m.ndarray: _ndarray,
    },
    "numpy.ma": _masked_constant,
    "pandas": lambda m: {
        type(m.NA): _none,
        type(m.NaT): _none,
        m.Timedelta: _nanoseconds,
        m.Period: _text,
        m.Interval: _text,
        m.Series: _column,
        m.Index: _column,
        m.api.extensions.ExtensionArray: _column,
        m.DataFrame: _frame,
    },
    "polars": lambda m: {m.Series: _polars_series, m.DataFrame: _polars_frame},
    "pyarrow": lambda m: {
        m.Scalar: _arrow_scalar,
        m.Array: _arrow_array,
        m.ChunkedArray: _arrow_array,
        m.Table: _arrow_table,
        m.RecordBatch: _arrow_table,
    },
    "torch": lambda m: {m.Tensor: _tensor},
    "pydantic": lambda m: {m.BaseModel: _model, m.SecretStr: _text, m.SecretBytes: _text, m.AnyUrl: _text},
    "pydantic_core": lambda m: {m.Url: _text, m.MultiHostUrl: _text},
    "yarl": lambda m: {m.URL: _text},
}
_known = {
    range: _list,
    collections.deque: _list,
    array.array: _list,
    type({}.keys()): _list,
    type({}.values()): _list,
    type({}.items()): _list,
    memoryview: _memory,
    types.SimpleNamespace: _namespace,
    collections.UserString: _text,
}
_loaded = {}  # the modules whose classes are in `_known`
_seen = 0  # how many modules there were at the last look


def known():
    """Conversions by class, with those of the modules that were imported meanwhile."""
    global _seen, _timestamp
    modules = sys.modules
    if len(modules) == _seen:
        return _known
    _seen = len(modules)
    for name, classes in _MODULES.items():
        module = modules.get(name)
        if module is not None and _loaded.get(name) is not module:
            try:
                if name == "pandas":
                    _timestamp = module.Timestamp
                _known.update({kind: convert for kind, convert in classes(module).items() if isinstance(kind, type)})
                _loaded[name] = module
            except KeyboardInterrupt:
                raise
            except BaseException:  # half imported, or no module of that kind at all
                _seen = 0
    return _known


def decide(kind, own):
    """Of the classes that the type derives from, the first that decides: one of `own`, or one with a conversion.

    Returns the class of `own` or None, and the conversion or None.
    """
    classes = known()
    for base in _mro_of(kind):
        if base in own:
            return base, None
        convert = classes.get(base) or _by_fields(base)
        if convert is not None:
            return None, convert
    return None, _by_interface(kind)


def _by_fields(kind):
    """The conversion of a class that declares its fields itself."""
    declared = _dict_of(kind)
    if "__dataclass_fields__" in declared:
        return _dataclass
    return _attrs if "__attrs_attrs__" in declared else None


def _by_interface(kind):
    """The conversion of a class that is registered as a collection."""
    try:
        if issubclass(kind, abc.Mapping):
            return _mapping
        return _list if issubclass(kind, (abc.Sequence, abc.Set)) else None
    except KeyboardInterrupt:
        raise
    except BaseException:  # a metaclass of the user's raised
        return None


def is_missing(value):
    """Whether it stands for a value that is not there: None, pandas' NA and NaT, numpy's masked."""
    return value is None or known().get(type(value)) is _none


def is_container(convert, value):
    """Whether a conversion makes a list or an object of the value."""
    if convert in GROUPS:
        return getattr(value, "shape", None) != ()
    return convert is _list or convert is _mapping


def is_table(convert):
    """Whether a conversion makes records of the rows of a table."""
    return convert in _TABLES


def columns(walk, frame):
    """The columns of a pandas DataFrame, by name."""
    if not frame.columns.is_unique:
        raise ValueError("two columns have one name")
    return {name: _column(walk, frame.iloc[:, at]) for at, name in enumerate(frame.columns.tolist())}


_TABLES = frozenset((_frame, _polars_frame, _arrow_table))
