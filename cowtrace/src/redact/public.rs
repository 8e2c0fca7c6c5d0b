//! Names that say nothing about who uses them: of systems, interpreters and their parts.

/// Folders of every system, and of Python's installations.
const FOLDERS: &[&str] = &[
    "aarch64-linux-gnu",
    "bin",
    "dev",
    "dist-packages",
    "etc",
    "home",
    "lib",
    "lib-dynload",
    "lib64",
    "local",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "shm",
    "site-packages",
    "srv",
    "tmp",
    "usr",
    "var",
    "x86_64-linux-gnu",
];

/// Programs that run services, and shells.
const PROGRAMS: &[&str] = &[
    "apache2",
    "bash",
    "beam.smp",
    "celery",
    "cowtrace",
    "dash",
    "gunicorn",
    "httpd",
    "java",
    "nginx",
    "node",
    "perl",
    "php",
    "php-fpm",
    "postgres",
    "puma",
    "python",
    "python3",
    "redis-server",
    "ruby",
    "sh",
    "starman",
    "supervisord",
    "systemd",
    "uvicorn",
    "uwsgi",
];

/// Shared libraries, without `.so` and versions.
const LIBRARIES: &[&str] = &[
    "ld-linux-aarch64",
    "ld-linux-x86-64",
    "ld-musl-aarch64",
    "ld-musl-x86_64",
    "libR",
    "libbz2",
    "libc",
    "libc.musl-aarch64",
    "libc.musl-x86_64",
    "libcrypt",
    "libcrypto",
    "libdl",
    "libexpat",
    "libffi",
    "libgcc_s",
    "libjemalloc",
    "libjvm",
    "liblzma",
    "libm",
    "libmimalloc",
    "libncursesw",
    "libperl",
    "libphp",
    "libpq",
    "libpthread",
    "libreadline",
    "libresolv",
    "librt",
    "libruby",
    "libsqlite3",
    "libssl",
    "libstdc++",
    "libtcmalloc",
    "libtcmalloc_minimal",
    "libtinfo",
    "libutil",
    "libuv",
    "libz",
];

/// Mappings that the kernel or cowtrace names.
const MAPPINGS: &[&str] = &[
    "[anon]",
    "[anon:glibc: malloc]",
    "[heap]",
    "[jemalloc]",
    "[kernel]",
    "[malloc arena]",
    "[stack]",
    "[thread stack]",
    "[vdso]",
    "[vsyscall]",
    "[vvar]",
    "[vvar_vclock]",
    "[zend heap]",
];

/// Words of paths to variables, and names that CPython or widespread libraries give to types, attributes and code.
const WORDS: &[&str] = &[
    "BaseException",
    "BufferedReader",
    "BufferedWriter",
    "BytesIO",
    "DataFrame",
    "Exception",
    "FileIO",
    "NoneType",
    "OrderedDict",
    "Series",
    "StringIO",
    "TextIOWrapper",
    "_io",
    "__annotations__",
    "__closure__",
    "__code__",
    "__defaults__",
    "__dict__",
    "__func__",
    "__globals__",
    "__init__",
    "__kwdefaults__",
    "__main__",
    "__self__",
    "__wrapped__",
    "_mgr",
    "async_generator",
    "blocks",
    "bool",
    "builtin_function_or_method",
    "builtins",
    "bytearray",
    "bytes",
    "cell",
    "classmethod",
    "closure",
    "code",
    "collections",
    "complex",
    "coroutine",
    "defaultdict",
    "deque",
    "dict",
    "dict_items",
    "dict_keys",
    "dict_values",
    "dictcomp",
    "ellipsis",
    "enumerate",
    "filter",
    "float",
    "frame",
    "frozenset",
    "function",
    "generator",
    "genexpr",
    "getset_descriptor",
    "inside",
    "int",
    "interpreter",
    "lambda",
    "list",
    "list_iterator",
    "listcomp",
    "local",
    "locals",
    "map",
    "mappingproxy",
    "member_descriptor",
    "memoryview",
    "method",
    "method_descriptor",
    "module",
    "more",
    "ndarray",
    "numpy",
    "object",
    "pandas",
    "partial",
    "property",
    "range",
    "set",
    "setcomp",
    "slice",
    "staticmethod",
    "str",
    "super",
    "temporary",
    "traceback",
    "tuple",
    "type",
    "weakref",
    "wrapper_descriptor",
    "zip",
];

/// Modules of Python's standard library, and folders beside them.
const STANDARD_MODULES: &str = "__future__ _abc _aix_support _ast _asyncio _bisect _blake2 _bootsubprocess _bz2 \
    _codecs _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _collections _collections_abc \
    _colorize _compat_pickle _compression _contextvars _crypt _csv _ctypes _curses _curses_panel _datetime _dbm \
    _decimal _elementtree _frozen_importlib _frozen_importlib_external _functools _gdbm _hashlib _heapq _imp _io \
    _json _locale _lsprof _lzma _markupbase _md5 _multibytecodec _multiprocessing _opcode _operator _pickle \
    _posixshmem _posixsubprocess _py_abc _pydatetime _pydecimal _pyio _pyrepl _queue _random _sha1 _sha2 _sha256 \
    _sha3 _sha512 _signal _sitebuiltins _socket _sqlite3 _sre _ssl _stat _statistics _string _strptime _struct \
    _symtable _sysconfig _thread _threading_local _tkinter _tokenize _tracemalloc _typing _uuid _warnings _weakref \
    _weakrefset _zoneinfo _zstd abc aifc annotationlib antigravity argparse array ast asynchat asyncio asyncore \
    atexit audioop base64 bdb binascii bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath cmd code codecs \
    codeop collections colorsys compileall compression concurrent configparser contextlib contextvars copy copyreg \
    crypt csv ctypes curses dataclasses datetime dbm decimal difflib dis distutils doctest email encodings ensurepip \
    enum errno faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc genericpath getopt getpass \
    gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp importlib inspect io \
    ipaddress itertools json keyword lib-dynload lib2to3 linecache locale logging lzma mailbox mailcap marshal math \
    mimetypes mmap modulefinder multiprocessing netrc nis nntplib ntpath nturl2path numbers opcode operator optparse \
    os pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib posix posixpath pprint profile pstats \
    pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib resource rlcompleter \
    runpy sched secrets select selectors shelve shlex shutil signal site smtpd smtplib sndhdr socket socketserver \
    spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct subprocess sunau \
    symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios textwrap this threading time timeit \
    tkinter token tokenize tomllib trace traceback tracemalloc tty turtle types typing unicodedata unittest urllib \
    uu uuid venv warnings wave weakref webbrowser wsgiref xdrlib xml xmlrpc xxlimited zipapp zipfile zipimport zlib \
    zoneinfo";

/// What cowtrace itself says in a run, of any machine alike.
const MESSAGES: &[&str] = &[
    "KSM",
    "cowtrace found no CPython in it that it can read",
    "first writes to private files",
    "hugetlbfs",
    "it ended while it was read",
    "it has ended",
    "more processes passed memory on than cowtrace reads",
    "the processes that had this memory have exited",
    "which objects were written",
    "writes by other processes",
];

/// Backends.
const BACKENDS: &[&str] = &["trampoline", "kprobe", "tracepoint"];

/// Architectures.
const ARCHITECTURES: &[&str] = &["x86_64", "aarch64"];

/// Distributions, as `os-release` calls them.
const DISTRIBUTIONS: &[&str] = &[
    "almalinux",
    "alpine",
    "amzn",
    "arch",
    "centos",
    "debian",
    "fedora",
    "ol",
    "opensuse-leap",
    "rhel",
    "rocky",
    "sles",
    "ubuntu",
];

/// Debian packages of interpreters and libraries, beside those of Python.
const PACKAGES: &[&str] = &[
    "libc6",
    "libjemalloc2",
    "libssl3",
    "libstdc++6",
    "nodejs",
    "perl-base",
    "r-base-core",
];

/// Groups of every machine that systemd sets up.
const CGROUPS: &[&str] = &[
    "init.scope",
    "system.slice",
    "user.slice",
    "kubepods.slice",
    "docker",
];

pub(super) fn is_public_folder(name: &str) -> bool {
    FOLDERS.contains(&name) || is_python_release(name)
}

pub(super) fn is_public_program(name: &str) -> bool {
    PROGRAMS.contains(&name) || is_python_release(name)
}

/// `python3.11`.
pub(super) fn is_python_release(name: &str) -> bool {
    let version = name.strip_prefix("python3.").unwrap_or_default();
    let digits = version.trim_end_matches(['d', 't']);
    !digits.is_empty() && digits.len() <= 2 && digits.bytes().all(|it| it.is_ascii_digit())
}

/// A library without `.so` and what follows: `libc`, `libc-2.31`, `libpython3.11`, `_json.cpython-311-x86_64-linux-gnu`.
pub(super) fn is_public_library(stem: &str) -> bool {
    let is_version = |text: &str| text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    let without_version = match stem.rsplit_once('-') {
        Some((name, version)) if is_version(version) => name,
        _ => stem,
    };
    let module = stem.split_once('.');
    LIBRARIES.contains(&without_version)
        || stem.strip_prefix("lib").is_some_and(is_python_release)
        || module.is_some_and(|(name, tag)| is_standard_module(name) && is_python_tag(tag))
}

/// What stands between the name of an extension module and `.so` (PEP 3149).
pub(super) fn is_python_tag(tag: &str) -> bool {
    let platforms = [
        "x86_64-linux-gnu",
        "aarch64-linux-gnu",
        "x86_64-linux-musl",
        "aarch64-linux-musl",
    ];
    let version = tag
        .strip_prefix("cpython-")
        .and_then(|it| it.split_once('-'));
    let is_version = |text: &str| {
        let digits = text.trim_end_matches(['d', 't']);
        !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit())
    };
    let is_full = |(version, platform)| is_version(version) && platforms.contains(&platform);
    tag == "abi3" || version.is_some_and(is_full)
}

pub(super) fn is_public_mapping(name: &str) -> bool {
    MAPPINGS.contains(&name)
}

pub(super) fn is_public_word(word: &str) -> bool {
    WORDS.contains(&word)
}

pub(super) fn is_standard_module(name: &str) -> bool {
    STANDARD_MODULES.split(' ').any(|it| it == name)
}

pub(super) fn is_public_message(text: &str) -> bool {
    MESSAGES.contains(&text)
}

pub(super) fn is_known_backend(name: &str) -> bool {
    BACKENDS.contains(&name)
}

pub(super) fn is_known_architecture(name: &str) -> bool {
    ARCHITECTURES.contains(&name)
}

pub(super) fn is_known_distribution(name: &str) -> bool {
    DISTRIBUTIONS.contains(&name)
}

/// `python3.11-minimal`, `libpython3.11-stdlib`.
pub(super) fn is_public_package(name: &str) -> bool {
    let python = name.strip_prefix("lib").unwrap_or(name);
    let parts = ["-minimal", "-stdlib"].iter();
    let python = parts.fold(python, |name, part| name.strip_suffix(part).unwrap_or(name));
    PACKAGES.contains(&name) || is_python_release(python)
}

pub(super) fn is_public_cgroup(name: &str) -> bool {
    CGROUPS.contains(&name)
}
