"""Corpora, splits, windows and batches: everything between a file and a model's input.

    from zh import data
    words = data.names()                        # given names that travel with the book
    train, dev, test = data.split(words)        # 80/10/10, no name in two parts
    X, Y = data.windows(train, block=3)         # X (N, 3) contexts, Y (N,) next letters
    x, y = data.batch(X, Y, 32, generator)      # one random minibatch

`names()` and `text()` need no network.  The lectures' corpora, `names("makemore")` and
`text("tinyshakespeare")`, are fetched when asked for, checked against a SHA-256 sum and
kept in the user's cache folder.  Three environment variables change where data comes from:

    ZH_DATA     a folder with names.txt or tinyshakespeare.txt, looked in before anything
                is fetched (the sum is checked there too)
    ZH_CACHE    the folder that fetched files are kept in, instead of the user's cache
    ZH_CORPUS   "bundled" (the default) or "lectures": what names() and text() give when
                they are called without a source

Left out: tokens longer than a character (zh.tokenizers) and anything that does not fit
in memory.  The names: names.md beside this file says where they come from.
"""

import hashlib
import os
import re
import time
import unicodedata
from importlib import resources
from pathlib import Path

import torch

ALPHABET = ".abcdefghijklmnopqrstuvwxyz"  # index 0 is the mark before and after a name

# The lectures' corpora (A. Karpathy, 2015 and 2022): pinned address, file name, SHA-256.
GITHUB = "https://raw.githubusercontent.com/karpathy/"
CORPORA = {
    "makemore": (
        GITHUB + "makemore/988aa59e4d8fefa526d06f3b453ad116258398d4/names.txt",
        "names.txt",
        "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
    ),
    "tinyshakespeare": (
        GITHUB + "char-rnn/d1d7aa34fdb3626174bce1d753e6cc6845ce7087/data/tinyshakespeare/input.txt",
        "tinyshakespeare.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
}


class CorpusError(RuntimeError):
    """A corpus cannot be had or used; the message says why and what to do next."""


# ---------------------------------------------------------------------------------------
# Corpora


def names(source=None, *, locale=None, distinct=True, skip=False):
    """A list of given names in lower case, letters a-z only.

    source: None for the default corpus (see ZH_CORPUS), "bundled", "makemore", or your own:
        the path of a text file with one name a line, a pasted text (a string with line
        breaks), or a list of strings.
    locale: bundled names only: a code such as "is_IS", or a list of codes (see `locales`).
    distinct: False keeps a name as often as the source has it: "makemore" has 32,033 lines
        and 29,494 names.  A list with doubles leaks from one part of a split to another.

    skip: True leaves out the lines that cannot be used, instead of raising for them.

    In a list of your own, blank lines are skipped, capitals become small letters, accents go
    (José -> jose) and so do characters that cannot be seen.  What is still not a-z is an
    error that says which line.  Raises CorpusError.
    """
    if source is None:
        source = "makemore" if _default() == "lectures" else "bundled"
    if locale is not None and not _is(source, "bundled"):
        raise CorpusError(
            f"only the bundled names know their locale, and the source is {source!r}: "
            'call names("bundled", locale=...)'
        )
    if _is(source, "bundled"):
        return _bundled(locale)
    if _is(source, "makemore"):
        lines, where = fetch("makemore").read_text(encoding="utf-8").splitlines(), "makemore"
    elif isinstance(source, str) and (not source.strip() or set(source) & set("\r\n")):
        lines, where = source.splitlines(), "the pasted text"
    elif isinstance(source, str | os.PathLike):
        lines, where = _read(source, "names").splitlines(), str(source)
    else:
        try:
            lines, where = list(source), "the list"
        except TypeError:
            raise CorpusError(
                f"names({source!r}): a source is 'bundled', 'makemore', the path of a text file, "
                "a pasted text with one name a line, or a list of names"
            ) from None
    found = _clean(lines, where, skip)
    return list(dict.fromkeys(found)) if distinct else found


def text(source=None):
    """A long string to learn characters from.

    source: None for the default corpus (see ZH_CORPUS), "bundled", "tinyshakespeare", or
        the path of a text file (UTF-8).

    The bundled text is the language reference that every CPython carries in
    `pydoc_data.topics`.  Its wording and length follow the version of Python: 465,000
    characters in 3.11, 492,000 in 3.12, 511,000 in 3.13.  What can be kept stable is: topics
    in the order of their names, typographic quotes and dashes made plain, and a vocabulary
    of 96 characters at most, printable ASCII and newline.
    Raises CorpusError.
    """
    if source is None:
        source = "tinyshakespeare" if _default() == "lectures" else "bundled"
    if _is(source, "tinyshakespeare"):
        return fetch("tinyshakespeare").read_text(encoding="utf-8")
    if not _is(source, "bundled"):
        found = _read(source, "text")
        if not found.strip():
            raise CorpusError(f"{source} is empty: a text needs characters to learn from")
        return found
    from pydoc_data.topics import topics

    plain = str.maketrans("“”‘’–—", "\"\"''--", "\r\t\f") | {ord("…"): "..."}
    joined = "\n".join(topics[name].strip() + "\n" for name in sorted(topics))
    return "".join(c for c in joined.translate(plain) if c == "\n" or " " <= c <= "~")


def locales():
    """{locale: how many bundled names it has}, for `names(locale=...)`."""
    codes, _, owners = _names_file()
    counts = {locale: 0 for locale in codes.values()}
    for marks in owners.values():
        for mark in marks:
            counts[codes[mark]] += 1
    return counts


def places():
    """{locale: where it is, in words}: "is_IS" -> "Iceland"."""
    return dict(_names_file()[1])


def locales_of(name):
    """The locales that have this bundled name, in order; () where none has it.

    >>> locales_of("fintan")
    ('en_IE', 'ga_IE')
    """
    codes, _, owners = _names_file()
    return tuple(codes[mark] for mark in owners.get(name, ""))


def fetch(corpus):
    """The path of a lectures' corpus on this machine, its sum checked.

    Looked for in ZH_DATA, then in the cache (ZH_CACHE, or the user's cache folder), then
    at the pinned address.  A download is written beside its place and renamed when its sum
    is right, so a stopped one is never taken for the file, and the next call starts again.
    Raises CorpusError with the next step.
    """
    url, file, sha256 = CORPORA[corpus]
    if folder := os.environ.get("ZH_DATA"):
        if not Path(folder).is_dir():
            raise CorpusError(
                f"ZH_DATA names the folder {folder!r}, and there is no such folder: "
                f"make it and put {file} in it, or unset ZH_DATA"
            )
        if (path := Path(folder) / file).is_file():
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if found != sha256:
                raise CorpusError(
                    f"{path} is not the {corpus} corpus: its SHA-256 is {found} and "
                    f"{sha256} is expected. Take the file from {url}, or unset ZH_DATA"
                )
            return path
    try:
        import pooch
    except ImportError as error:
        raise CorpusError(
            f"{corpus} is fetched with the package pooch, which is not installed: "
            f"pip install pooch, or {_by_hand(url, file)}"
        ) from error
    cache = Path(os.environ.get("ZH_CACHE") or pooch.os_cache("zh"))
    try:
        for left in cache.glob("tmp*"):  # what a killed download left an hour ago or more
            if time.time() - left.stat().st_mtime > 3600:
                left.unlink(missing_ok=True)
        store = pooch.create(
            cache, base_url="", registry={file: sha256}, urls={file: url}, retry_if_failed=1
        )
        return Path(store.fetch(file))
    except ValueError as error:  # pooch's word for a wrong sum
        raise CorpusError(
            f"what came from {url} is not the {corpus} corpus (its SHA-256 is not {sha256}): "
            f"nothing was kept. Try again later, or {_by_hand(url, file)}"
        ) from error
    except OSError as error:  # requests' errors are OSErrors, and so is a full disk
        raise CorpusError(
            f"{corpus} could not be fetched from {url} into {cache} "
            f"({type(error).__name__}): nothing was kept. Connect and try again, or "
            f'{_by_hand(url, file)}. names("bundled") and text("bundled") need no network'
        ) from error


# ---------------------------------------------------------------------------------------
# From names to numbers


def encode(name):
    """The indices of a name's letters in ALPHABET, without the marks.

    >>> encode("emma")
    [5, 13, 13, 1]
    """
    try:
        return [ALPHABET.index(letter) for letter in name]
    except ValueError:
        odd = sorted(set(name) - set(ALPHABET))
        raise ValueError(f"{name!r} holds {odd}: letters a-z and '.' have a number") from None


def decode(indices):
    """The letters of these indices (numbers or a tensor), as one string.

    >>> decode([5, 13, 13, 1])
    'emma'
    """
    return "".join(ALPHABET[int(index)] for index in indices)


def split(items, parts=(0.8, 0.1, 0.1), seed=0):
    """Cut a list into parts by distinct item: nothing stands in two parts.

    Items are ordered by the SHA-256 of "seed:item" and the order is cut.  So the parts are
    the same on every machine and every version of Python and torch, whatever order the
    items come in; an item added to the list moves only the few at the cuts; and within a
    part the order is as good as random.  Doubles count once.

    Returns one list a part.  Sizes are the shares of the whole, rounded; the last part has
    what is left.  Raises ValueError where the shares do not sum to 1 or a part is empty.
    """
    if min(parts) <= 0 or abs(sum(parts) - 1) > 1e-9:
        raise ValueError(f"parts are shares above 0 that sum to 1, not {tuple(parts)}")
    once = set(items)
    order = sorted(once, key=lambda item: hashlib.sha256(f"{seed}:{item}".encode()).digest())
    cuts, share = [0], 0.0
    for part in parts:
        share += part
        cuts.append(round(share * len(order)))
    cut = [order[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
    if not all(cut):
        raise ValueError(
            f"{len(once)} distinct items are too few for the parts {tuple(parts)}: each part "
            "gets one item at least. Give more items, or do without the split"
        )
    return cut


def windows(names, block):
    """Every context of `block` letters with the letter that follows it.

    A name of n letters gives n + 1 rows: the contexts start as `block` marks,
    and the last row's answer is the mark.  For "bo" and block 3:

        ...  -> b
        ..b  -> o
        .bo  -> .

    Returns X (N, block) and Y (N,), int64 indices in ALPHABET.
    """
    if block < 1:
        raise ValueError(f"a context has 1 letter or more, not {block}")
    if isinstance(names, str):
        raise TypeError(f"names is a list of names, not the string {names!r}")
    X, Y = [], []
    for name in names:
        context = [0] * block
        for index in [*encode(name), 0]:
            X.append(context)
            Y.append(index)
            context = [*context[1:], index]
    if not Y:
        raise ValueError("the list of names is empty: no window can be made")
    return torch.tensor(X), torch.tensor(Y)  # (N, block), (N,)


def batch(X, Y, size, generator):
    """One minibatch of `size` rows drawn with replacement, as in the lectures.

    X (N, ...), Y (N, ...) -> (size, ...), (size, ...).
    """
    rows = torch.randint(len(X), (size,), generator=generator)  # (size,)
    return X.index_select(0, rows), Y.index_select(0, rows)


def batches(X, Y, size, generator):
    """Every row once, in a random order, `size` at a time; the last batch may be smaller."""
    if size < 1:
        raise ValueError(f"a batch has 1 row or more, not {size}")
    order = torch.randperm(len(X), generator=generator)  # (N,)
    for rows in order.split(size):
        yield X[rows], Y[rows]


def moons(n, noise, generator):
    """Two half circles, each with its end in the other's bowl: the classic toy of two classes.

    n: how many points in all.  noise: standard deviation added to both coordinates.
    Returns X (n, 2) float64 and y (n,) int64 of 0 (upper arc) and 1 (lower), in random
    order.  Without noise the arcs are (cos t, sin t) and (1 - cos t, 1/2 - sin t) for t
    from 0 to pi, as in scikit-learn's make_moons.
    """
    if n < 2 or noise < 0:
        raise ValueError(f"moons takes 2 points or more and a noise of 0 or more: {n}, {noise}")
    t = torch.linspace(0, torch.pi, n - n // 2, dtype=torch.float64)
    s = torch.linspace(0, torch.pi, n // 2, dtype=torch.float64)
    upper = torch.stack([t.cos(), t.sin()], 1)  # (n - n//2, 2)
    lower = torch.stack([1 - s.cos(), 0.5 - s.sin()], 1)  # (n//2, 2)
    X = torch.cat([upper, lower])  # (n, 2)
    y = torch.cat([torch.zeros(len(t)), torch.ones(len(s))]).long()  # (n,)
    X = X + noise * torch.randn(n, 2, generator=generator, dtype=torch.float64)
    order = torch.randperm(n, generator=generator)  # (n,)
    return X[order], y[order]


# ---------------------------------------------------------------------------------------
# Helpers


def _default():
    chosen = os.environ.get("ZH_CORPUS") or "bundled"
    if chosen not in ("bundled", "lectures"):
        raise CorpusError(f'ZH_CORPUS is "bundled" or "lectures", not {chosen!r}')
    return chosen


def _is(source, corpus):
    return isinstance(source, str) and source == corpus


def _by_hand(url, file):
    return (
        f"take the file from {url} on another machine, put it in a folder as {file}, "
        "and name the folder in the environment variable ZH_DATA"
    )


def _read(source, function):
    try:
        return Path(source).expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{source} is not UTF-8 text ({error}): save it as UTF-8") from error
    except TypeError as error:  # not even what a path is made of
        raise CorpusError(
            f"{function}({source!r}): a source is a string or the path of a text file"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:  # ValueError: what is not even a path
        own = "makemore" if function == "names" else "tinyshakespeare"
        given = str(source) if len(str(source)) <= 60 else f"{str(source)[:57]}..."
        more = "; a single name goes in a list: names(['emma'])" if function == "names" else ""
        if more and "," in given:
            more = "; a pasted text has one name a line: names(text.split(','))"
        raise CorpusError(
            f"{function}({given!r}): {getattr(error, 'strerror', None) or error}. A source is "
            f"'bundled', '{own}' or the path of a text file{more}"
        ) from error


def _clean(lines, where, skip=False):
    """Lines as names a-z, or a CorpusError that says which line is not one."""
    found, odd = [], []
    for number, line in enumerate(lines, 1):
        if not isinstance(line, str):
            raise CorpusError(f"{where}, item {number}: a name is a string, not {line!r}")
        parts = unicodedata.normalize("NFKD", line.lower())
        # accents go, and what has no width: a soft hyphen, the mark at the start of a file
        gone = ("Mn", "Mc", "Me", "Cf")
        name = "".join(c for c in parts if unicodedata.category(c) not in gone).strip()
        if re.fullmatch("[a-z]+", name):
            found.append(name)
        elif name:
            odd.append(f"line {number}: {line.strip()!r}")
    if odd and not skip:
        more = f", and {len(odd) - 3} more" if len(odd) > 3 else ""
        raise CorpusError(
            f"{where}: a name is letters a-z once capitals and accents are gone, one a line; "
            f"not so {', '.join(odd[:3])}{more}. Change or remove these lines, or leave them out "
            "with names(..., skip=True)"
        )
    if not found:
        left = f" ({len(odd)} lines that are not a-z were left out)" if odd else ""
        raise CorpusError(f"{where} holds no names{left}: put one name on each line")
    return found


_read_once = []


def _names_file():
    """The bundled file as ({code: locale}, {locale: place}, {name: codes}), read once."""
    if not _read_once:
        lines = resources.files(__name__).joinpath("names.txt").read_text("utf-8").splitlines()
        head = [line[2:].split(" = ") for line in lines if line.startswith("#") and " = " in line]
        codes = {code: locale for code, locale, _ in head}
        places = {locale: place for _, locale, place in head}
        owners = dict(line.split(" ") for line in lines if not line.startswith("#"))
        _read_once.extend([codes, places, owners])
    return _read_once


def _bundled(locale):
    codes, _, owners = _names_file()
    if locale is None:
        return list(owners)
    wanted = [locale] if isinstance(locale, str) else list(locale)
    if unknown := sorted(set(wanted) - set(codes.values())):
        raise CorpusError(
            f"no bundled names for {', '.join(unknown)}: the locales are "
            f"{', '.join(codes.values())}"
        )
    marks = {code for code, known in codes.items() if known in wanted}
    return [name for name, has in owners.items() if marks & set(has)]
