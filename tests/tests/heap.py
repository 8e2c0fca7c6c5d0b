# Data of many kinds, each held by one variable. A child with the same memory finds out which
# variable reaches which objects, and prints that; the master stays unchanged.

import builtins
import collections
import functools
import gc
import json
import os
import sys
import threading
import types
import warnings

N = 6000
OWN = [0]


def text(n):
    OWN[0] += 1
    return "text %d of %d" % (OWN[0], n)


def texts(n):
    return [text(n) for _ in range(n)]


class User:
    def __init__(self):
        self.name = text(1)
        self.tags = [text(1)]


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self):
        self.a = text(1)
        self.b = (text(1),)


class Odd(User):
    def __init__(self, i):
        User.__init__(self)
        setattr(self, "x%d" % (i % 7), text(1))


class Half(Slotted):
    __slots__ = ("c", "__dict__")


class Listed(list):
    pass


class Cache:
    items = {i + 10**6: text(i) for i in range(N)}


def half_slotted():
    half = Half()
    half.c = text(1)
    half.d = text(1)
    return half


def closing():
    hidden = texts(N)
    return lambda: hidden


def generating():
    stuff = texts(N)
    yield stuff


def stored(x=texts(N)):
    return x


class Bound:
    def __init__(self):
        self.data = texts(N)

    def go(self):
        pass


def made_cyclic():
    cyclic = []
    for _ in range(N // 3):
        a, b = [text(1)], {}
        a.append(b)
        b["a"] = a
        cyclic.append(a)
    return cyclic


def made_deep():
    deep = ()
    for i in range(N * 2):
        deep = (deep, text(1)) if i % 10 == 0 else (deep,)
    return deep


def made_in_thread(ends):
    made, ready = [], threading.Event()

    def make():
        made.append(texts(N))
        made.append(list(made[0]))
        ready.set()
        if not ends:
            threading.Event().wait()

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    ready.wait()
    if ends:
        thread.join()
    # One thread takes references, another drops them.
    made.pop()
    return made.pop()


titles = texts(N)
id_title = {text(i): text(i) for i in range(N)}
numbers = {i + 1000: text(i) for i in range(N)}
sents = [texts(4) for _ in range(N // 3)]
users = [User() for _ in range(N // 2)]
slotted = [Slotted() for _ in range(N // 2)]
odd = [Odd(i) for i in range(N // 2)]
half = [half_slotted() for _ in range(N // 4)]
listed = Listed(texts(N))
listed.note = text(1)
queue = collections.deque(texts(N))
for _ in range(100):
    queue.popleft()
seen = set(texts(N))
frozen = frozenset((text(1), text(1)) for _ in range(N // 2))
ordered = collections.OrderedDict((text(1), text(1)) for _ in range(N // 2))
default = collections.defaultdict(list)
for i in range(N):
    default["key %d" % (i % 500)].append(text(1))
handler = closing()
part = functools.partial(print, texts(N))
generator = generating()
next(generator)
bound = Bound().go
deep = made_deep()
cyclic = made_cyclic()
nested = {"one": {"two": [{"three": texts(N)}]}}
large = [b"x" * 700 + b"%d" % i for i in range(N)]
wide = ["\u4e2d %d" % i for i in range(N)]
space = types.SimpleNamespace(settings={"data": texts(N)})
cached = functools.lru_cache(None)(lambda i: text(i))
for i in range(N):
    cached(i + 1000)
# Since 3.15 a type of its own.
settled = getattr(builtins, "frozendict", dict)({text(i): text(i) for i in range(N)})
ended = made_in_thread(True)
waiting = made_in_thread(False)

VARIABLES = """titles id_title numbers sents users slotted odd half listed queue seen frozen ordered
    default deep cyclic large wide settled ended waiting""".split()
try:
    import numpy

    array = numpy.array(texts(N), dtype=object)
except ImportError:
    numpy = None

SKIPPED = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.CodeType,
    types.FrameType,
)


def reachable(root):
    mine, waiting = set(), [root]
    while waiting:
        it = waiting.pop()
        if id(it) in mine or isinstance(it, SKIPPED):
            continue
        mine.add(id(it))
        if not isinstance(it, (str, bytes, int, float)):
            waiting.extend(gc.get_referents(it))
    return mine


def tables(lists):
    # The lists' tables, from their first byte on: without a global interpreter lock there is a word
    # before the items.
    try:
        import ctypes
    except ImportError:
        return set()
    members = [id(it) + list.__basicsize__ - 16 for it in lists]
    in_front = 8 if object.__basicsize__ == 32 else 0
    return {ctypes.c_void_p.from_address(it).value - in_front for it in members}


def values(objects):
    # The first attribute's value, if values follow the object.
    if sys.version_info < (3, 13):
        return set()
    return {id(it) + type(it).__basicsize__ + 8 for it in objects}


def truth(local_data):
    roots = {"__main__." + name: globals()[name] for name in VARIABLES}
    roots["main() local local_data"] = local_data
    roots["__main__.handler closure hidden"] = handler()
    roots["__main__.stored.__defaults__[0]"] = stored()
    roots["__main__.part.args[0]"] = part.args[0]
    roots["__main__.generator local stuff"] = generator.gi_frame.f_locals["stuff"]
    roots["__main__.bound.__self__.data"] = bound.__self__.data
    roots["__main__.nested['one']['two'][0]['three']"] = nested["one"]["two"][0]["three"]
    roots["__main__.space.settings['data']"] = space.settings["data"]
    roots["__main__.Cache.items"] = Cache.items
    roots["__main__.cached.<inside>"] = max(
        (it for it in gc.get_referents(cached) if type(it) is dict), key=len
    )
    found = {name: reachable(root) for name, root in roots.items()}
    if numpy is not None:
        # Such objects do not show the collector their references.
        found["__main__.array"] = set(map(id, array))
    found["__main__.sents"] |= tables(sents)
    found["__main__.users"] |= values(users)
    several = collections.Counter(it for ids in found.values() for it in ids)
    return {name: [it for it in ids if several[it] == 1] for name, ids in found.items()}


def churn():
    kept = [[] for _ in range(1000)]
    while True:
        for it in kept:
            it.append({"a": [1.5, "b" * 300], "c": object()})
            if len(it) > 20:
                del it[:]


def main():
    local_data = [texts(3) for _ in range(N // 3)]
    # Other threads hold only their own locks.
    warnings.simplefilter("ignore", DeprecationWarning)
    pid = os.fork()
    if pid == 0:
        gc.disable()
        print(json.dumps(truth(local_data)), flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
    for line in sys.stdin:
        if line == "churn\n":
            threading.Thread(target=churn, daemon=True).start()
        print(json.dumps({"done": line.strip()}), flush=True)
    os._exit(0 if local_data else 1)


main()
