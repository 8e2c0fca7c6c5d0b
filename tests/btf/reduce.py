"""Cuts a kernel's types down to what cowtrace looks up, for tests that need several kernels.

    python3 reduce.py /sys/kernel/btf/vmlinux 6.12-amd64.btf

Keeps the structures and functions named below. Members keep their names and offsets; their types
are dropped, but for anonymous structures and unions, whose members belong to the structure around
them, and for the members named below. Format: Documentation/bpf/btf.rst in the kernel's sources.
"""

import struct
import sys

STRUCTS = {"task_struct", "pt_regs", "vm_fault", "vm_area_struct", "mm_struct", "page", "folio",
           "signal_struct", "thread_struct"}
# Members that have members of their own to look up.
WITH_MEMBERS = {"uw"}
FUNCTIONS = {
    "do_wp_page", "finish_fault", "hugetlb_wp", "hugetlb_cow",
    "folio_add_new_anon_rmap", "page_add_new_anon_rmap",
    "hugetlb_add_new_anon_rmap", "hugepage_add_new_anon_rmap",
    "fred_entry_from_user",
}
ARRAY, STRUCT, UNION, FUNC, PROTO = 3, 4, 5, 12, 13
MODIFIERS = {9, 10}  # volatile, const


def read(blob):
    """Types as (name, info, size_or_type, words), by id; the strings."""
    _, _, _, header, type_off, type_len, str_off, str_len = struct.unpack_from("<HBBIIIII", blob)
    strings = blob[header + str_off:header + str_off + str_len]
    types, at = [None], header + type_off
    while at < header + type_off + type_len:
        name, info, size = struct.unpack_from("<III", blob, at)
        kind, count = (info >> 24) & 31, info & 0xFFFF
        words = {1: 1, 14: 1, 17: 1, ARRAY: 3, STRUCT: 3 * count, UNION: 3 * count, 15: 3 * count,
                 19: 3 * count, 6: 2 * count, PROTO: 2 * count}.get(kind, 0)
        types.append((name, info, size, list(struct.unpack_from(f"<{words}I", blob, at + 12))))
        at += 12 + 4 * words
    return types, strings


def main(source, target):
    with open(source, "rb") as file:
        types, strings = read(file.read())
    text = lambda at: strings[at:strings.index(b"\0", at)].decode()
    kept, ids, names = [], {}, {"": 0}
    pool = bytearray(b"\0")

    def intern(at):
        name = text(at)
        if name not in names:
            names[name] = len(pool)
            pool.extend(name.encode() + b"\0")
        return names[name]

    def keep(number):
        """Copies a type and what is anonymous in it; the new id."""
        if number in ids:
            return ids[number]
        name, info, size, words = types[number]
        kind, step = (info >> 24) & 31, 3 if (info >> 24) & 31 != PROTO else 2
        ids[number] = len(kept) + 1
        kept.append(None)
        place = len(kept) - 1
        words = list(words)
        for member in range(0, len(words), step):
            inside = kind != PROTO and text(words[member]) in WITH_MEMBERS | {""}
            words[member] = intern(words[member])
            words[member + 1] = keep_anonymous(words[member + 1]) if inside else 0
        if kind in MODIFIERS or kind == FUNC:
            size = keep(size)
        elif kind == PROTO:
            size = 0
        kept[place] = (intern(name), info, size, words)
        return place + 1

    def keep_anonymous(number):
        kind = (types[number][1] >> 24) & 31 if number else 0
        return keep(number) if kind in MODIFIERS | {STRUCT, UNION} else 0

    for number, entry in enumerate(types):
        if entry is None:
            continue
        kind, name = (entry[1] >> 24) & 31, text(entry[0])
        if (kind == STRUCT and name in STRUCTS and entry[3]) or (kind == FUNC and name in FUNCTIONS):
            keep(number)
    body = b"".join(struct.pack(f"<III{len(w)}I", n, i, s, *w) for n, i, s, w in kept)
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(body), len(body), len(pool))
    with open(target, "wb") as file:
        file.write(header + body + bytes(pool))


if __name__ == "__main__":
    main(*sys.argv[1:])
