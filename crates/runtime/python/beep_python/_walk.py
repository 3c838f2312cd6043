"""Rewrites a value in a form of JSON, container by container, into builtin values that the C encoder takes.

A form is a table of rules by class. The most derived class of a type for which the form, or `_classes`, has a rule decides.
"""

from enum import Enum
from itertools import islice

from . import _classes
from ._builtins import own as __builtins__
from ._repr import name_of

CONTAINER = 30  # a container counts like so many items: without any it takes time and space too
_NUMBERS = frozenset((int, float))


class NotRepresentable(Exception):
    """The form cannot represent the value."""


class Number(str):
    """The text of a JSON number that no float or int of Python writes: `1.10`, `1e999`."""


class Form:
    """`rules` by class; each takes the walk, the value and its depth, and returns what the C encoder takes.

    `as_is`: types whose values need no rule. `numbers_fit` says of the items of a list, and their types, whether the floats
    and ints among them need none either.
    """

    def __init__(self, rules, max_depth, as_is, numbers_fit):
        self.rules = rules
        self.max_depth = max_depth
        self.as_is = as_is
        self.numbers_fit = numbers_fit


class Walk:
    """The rewriting of one value. `limit` bounds the items of all its containers together."""

    def __init__(self, form, limit):
        self.form = form
        self.rules = dict(form.rules)  # and those that are found; of this walk alone, since code may redefine its classes
        self.left = limit
        self.path = set()  # the ids of the containers around
        self.has_numbers = False  # whether a `Number` was made

    def rewrite(self, value, depth=1):
        kind = type(value)
        return (self.rules.get(kind) or self.find(kind))(self, value, depth)

    def each(self, items, depth):
        """The items of a list, rewritten."""
        kinds = set(map(type, items))
        as_is = self.form.as_is
        if kinds <= as_is or (kinds <= as_is | _NUMBERS and self.form.numbers_fit(items, kinds)):
            return items
        get, find = self.rules.get, self.find
        return [
            item if type(item) in as_is else (get(type(item)) or find(type(item)))(self, item, depth) for item in items
        ]

    def find(self, kind):
        base, convert = (Enum, None) if _classes.is_enum(kind) else _classes.decide(kind, self.form.rules)
        rule = self.form.rules[base] if base is not None else _refused if convert is None else converted(convert)
        self.rules[kind] = rule
        return rule

    def conversion(self, kind):
        """What makes a builtin value of the values of this type, if the form has no rule for them."""
        return getattr(self.rules.get(kind) or self.find(kind), "convert", None)

    def reserve(self, count):
        """Counts items before they are expanded."""
        self.left -= count
        if self.left < 0:
            raise NotRepresentable("it has too many items")

    def number(self, text):
        self.has_numbers = True
        return Number(text)

    def enter(self, value, depth, levels=1):
        """A container begins, in which so many levels of JSON are needed. `leave` ends it."""
        self.reserve(CONTAINER)
        if depth + levels - 1 > self.form.max_depth:
            raise NotRepresentable("it is nested too deeply")
        if id(value) in self.path:
            raise NotRepresentable("it contains itself")
        self.path.add(id(value))

    def leave(self, value):
        self.path.discard(id(value))

    def items_of(self, value):
        """The items of a container as a list. At most as many as its `len`, whatever its iterator gives."""
        count = len(value)
        self.reserve(count)
        return value if type(value) is list or type(value) is tuple else list(islice(value, count))

    def pairs_of(self, value):
        """The pairs of a mapping, in its own order."""
        count = len(value)
        self.reserve(count)
        return value.items() if type(value) is dict else list(islice(value.items(), count))


def rewrite_sequence(walk, value, depth):
    """The rule of what both forms write as an array."""
    walk.enter(value, depth)
    try:
        return walk.each(walk.items_of(value), depth + 1)
    finally:
        walk.leave(value)


def converted(convert):
    """The rule of a class outside the form: what `convert` makes of the value is rewritten in its place."""

    def rule(walk, value, depth):
        walk.enter(value, depth)
        try:
            return walk.rewrite(convert(walk, value), depth)
        finally:
            walk.leave(value)

    rule.convert = convert
    return rule


def _refused(walk, value, depth):
    raise NotRepresentable("a %s has no form" % name_of(type(value)))
