"""What completion reads of tables and arrays of packages that are loaded: their columns, items, indexers and accessors."""

from ._builtins import own as __builtins__
from ._static import MISSING, Instance, Unknown, is_a, is_of, is_plain, lookup, module_of, static_dict

MAX_LABELS = 100_000
_FRAMES = ("pandas", "DataFrame", "Series")
_INDEXES = ("pandas", "Index", "RangeIndex", "DatetimeIndex", "CategoricalIndex", "MultiIndex")
_LABELLED = ("pandas.core.indexing", "_LocIndexer", "_AtIndexer")
_BY_PLACE = ("pandas.core.indexing", "_iLocIndexer", "_iAtIndexer")
_WITH_ITEMS = (_FRAMES, _INDEXES, ("numpy", "ndarray", "void"), ("polars", "DataFrame", "Series"), ("pyarrow", "Table", "RecordBatch"))
_READ = ("at", "columns", "iat", "iloc", "index", "loc")
_ACCESSORS = ("pandas.core.accessor", "Accessor", "CachedAccessor")


def has_items(value):
    return any([is_of(value, *one) for one in (*_WITH_ITEMS, _LABELLED, _BY_PLACE)])


def item(value, key):
    """What a table has by a key of plain values."""
    owner = value.obj if is_of(value, *_LABELLED) or is_of(value, *_BY_PLACE) else value
    if not is_plain(key) or not all(map(_is_known, _types(owner))) or not all(map(_is_plain_axis, _searched(value, owner, key))):
        raise Unknown
    if is_of(value, "pandas", "DataFrame") and type(key) is list:
        value = value[:0]  # the columns without their data
    return value[key]


def _types(value):
    """The classes of values in it, of which one may be the user's."""
    return [*value.dtypes] if is_of(value, "pandas", "DataFrame") else [value.dtype] if is_of(value, *_FRAMES) else []


def _searched(value, owner, key):
    """The axes in which the key is looked for."""
    if is_of(value, *_BY_PLACE) or not is_of(owner, *_FRAMES):
        return []
    return owner.axes[1:] if owner is value and is_of(value, "pandas", "DataFrame") and type(key) is not slice else owner.axes


def _is_plain_axis(labels):
    """Whether a label is found without code of the user's, and at once."""
    if is_of(labels, "pandas", "RangeIndex"):
        return True
    return len(labels) <= MAX_LABELS and _is_known(labels.dtype) and (labels.dtype != object or is_plain([*labels]))


def _is_known(dtype):
    return module_of(type(dtype)).partition(".")[0] in ("numpy", "pandas")


def attribute(value, name):
    """A column, or what finds items."""
    if is_of(value, *_FRAMES):
        is_own = lookup(type(value), name) is not MISSING
        if is_own and name in _READ:
            return getattr(value, name)
        if not is_own and is_of(value, "pandas", "DataFrame") and any([type(one) is str and one == name for one in labels_of(value, 1)]):
            return item(value, name)
    return MISSING


def accessor(found):
    """The instance that an accessor as `.str` makes."""
    if not is_of(found, *_ACCESSORS):
        return MISSING
    cls = static_dict(found).get("_accessor")
    return Instance(cls) if is_a(cls, type) else MISSING


def keys(value, place):
    """The keys at this place of its brackets; None where it has none of its own."""
    if is_of(value, "pandas", "DataFrame"):
        return [] if place else labels_of(value, 1)
    if is_of(value, *_LABELLED):
        return labels_of(value.obj, place)
    if is_of(value, "numpy", "ndarray", "void"):
        return [*(value.dtype.names or ())]
    return None


def labels_of(frame, axis):
    labels = frame.axes[axis] if axis < len(frame.axes) else ()
    return [*labels[:MAX_LABELS]] if len(labels) and _is_known(labels.dtype) else []
