"""Random generators that preloaded modules hold: sessions that inherit one would all draw the same numbers.

A generator that was made without a seed is seeded anew in each worker; one with a seed repeats, as in any program. So while modules are
preloaded, it is noted which seeds a program gave: `random` tells by its methods, numpy by whether it drew the seed itself, from
`secrets`.
"""

import gc
import random
import secrets
import sys

from . import _exceptions
from ._builtins import own as __builtins__

# Without a seed torch takes 53 random bits: it is hardly ever less than this, and a seed that a person chose is hardly ever more.
MAX_SEED_OF_PEOPLE = 1 << 32


class RandomSeeds:
    """Made in the zygote before modules are imported, so that `random` and numpy find what is watched."""

    def __init__(self):
        self.seeded = {}  # generators of `random` with a seed of the code's, by id; held, so that no other gets the id
        self.drawn = set()  # the seeds that were asked of the system
        self.watching = True
        self.state = None  # of the generator behind the functions of `random`, if the code seeded it
        self.python, self.numpy, self.torch = [], [], []
        self.watch_random()
        self.watch_secrets()

    def watch_random(self):
        shared = random.seed.__self__
        class_ = random.Random
        self.methods = class_.seed, class_.setstate, random.seed, random.setstate
        seed, setstate = class_.seed, class_.setstate

        def noted_seed(generator, a=None, *rest, **more):
            if a is None:
                self.seeded.pop(id(generator), None)
            elif self.watching:
                self.seeded[id(generator)] = generator
            return seed(generator, a, *rest, **more)

        def noted_setstate(generator, state):
            if self.watching:
                self.seeded[id(generator)] = generator
            return setstate(generator, state)

        class_.seed, class_.setstate = noted_seed, noted_setstate
        random.seed, random.setstate = noted_seed.__get__(shared), noted_setstate.__get__(shared)

    def watch_secrets(self):
        randbits = secrets.randbits

        def noted(k):
            bits = randbits(k)
            if self.watching:
                self.drawn.add(bits)
            return bits

        secrets.randbits = noted  # numpy keeps it
        self.randbits = randbits

    def find(self):
        """After the imports: finds the generators, and watches no longer."""
        self.watching = False
        random.Random.seed, random.Random.setstate, random.seed, random.setstate = self.methods
        secrets.randbits = self.randbits
        shared = random.seed.__self__
        if id(shared) in self.seeded:
            self.state = shared.getstate()
        objects = gc.get_objects()
        kinds = set(map(type, objects))
        python = {kind for kind in kinds if random.Random in kind.__mro__ and random.SystemRandom not in kind.__mro__}
        base = getattr(sys.modules.get("numpy.random"), "BitGenerator", None)
        numpy = {kind for kind in kinds if base in kind.__mro__} if isinstance(base, type) else set()
        for obj in objects:
            if type(obj) in python and obj is not shared and id(obj) not in self.seeded:
                self.python.append(obj)
            elif type(obj) in numpy and self.drew(obj):
                self.numpy.append(obj)
        default = getattr(sys.modules.get("torch"), "default_generator", None)
        if default is not None and default.initial_seed() >= MAX_SEED_OF_PEOPLE:
            self.torch.append(default)
        self.drawn.clear()

    def drew(self, generator):
        """Whether the generator's seed is one that numpy drew; numpy forgets that one where code gives another."""
        sequence = getattr(generator, "seed_seq", None) or getattr(generator, "_seed_seq", None)
        entropy = getattr(sequence, "entropy", None)
        return type(entropy) is int and entropy in self.drawn

    def renew(self):
        """In a forked worker. Python has reseeded the generator behind its functions already, also where the code had seeded it."""
        if self.state is not None:
            random.setstate(self.state)
        for generator in self.numpy:
            generator.state = type(generator)().state
        for generator in self.python + self.torch:
            try:
                generator.seed()
            except BaseException:  # a class of the module's own
                _exceptions.report("a random generator of a preloaded module gives all sessions the same numbers")
