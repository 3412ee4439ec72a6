"""Passwords, keys and signatures replaced by `***`: in what is kept of a statement, in warnings and in errors.

Two ways: of a text that is one URL every value is masked that could be a secret (`mask_url`); of any other text what
looks like one (`mask_secrets`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

import duckdb

MASK = "***"

_SECRET_NAME = re.compile(
    r"signature|sig$|token|secret|passw(?:or)?d|pwd$|credential|access_?key|account_?key|api[_-]?key|key[_-]?(?:pair[_-]?)?id"
    r"|sas$|connection_string|headers?$|authorization",
    re.IGNORECASE,
)
_SECRET_PARAMETER = re.compile(rf"{_SECRET_NAME.pattern}|auth|^code$|key$|^policy$|^pass|^session|^jwt$", re.IGNORECASE)
"""The same for the parameters of URLs, whose names are shorter."""

_ONE_STRING = r"""(?:[eE]'(?:\\.|''|[^'\\])*'?|'(?:[^']|'')*'?|"[^"]*"?|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z))"""
_STRING = rf"{_ONE_STRING}(?:\s{{0,9}}\|\|\s{{0,9}}'(?:[^']|'')*'?)*"
_GAP = r"(?:\s|--[^\n]{0,200}\n|/\*(?:[^*]|\*(?!/)){0,200}\*/|\(){0,9}"
# Lengths are limited so that a long text takes no longer than its length.
_PATTERNS = (
    # https://user:password@host: up to the last `@` before the path, or, after a colon without a port, also farther
    re.compile(
        r"(?P<kept>[A-Za-z][A-Za-z0-9+.-]{0,20}://)"
        r"(?P<secret>[^\s/:@'\"]{0,100}:(?!\d{1,5}(?:[/\s'\"?#]|$))[^\n]{0,200}|[^\s/]+)(?=@)"
    ),
    # https://host/clip.wav?X-Amz-Signature=..&token=..  (a quote belongs to a value unless it ends it)
    re.compile(
        r"(?P<kept>[?&;#](?P<parameter>[\w.%\[\]-]{1,60})=)(?P<secret>(?!\*{3}(?:\W|$))(?:[^&\s'\"#]|['\"]{1,2}(?=\w))+)"
    ),
    # {"token": ".."}
    re.compile(rf"""(?P<kept>["'](?P<name>[\w.-]{{1,60}})["']\s{{0,9}}:\s{{0,9}})(?P<secret>{_STRING})""", re.DOTALL),
    # SECRET '..', and password = '..'
    re.compile(
        rf"(?P<kept>(?<![\w.-])(?P<name>[\w.-]{{1,60}}){_GAP}(?:=>|:=|=|:|){_GAP})(?P<secret>{_STRING})", re.DOTALL
    ),
)
_CREATE_SECRET = re.compile(r"\bCREATE\b(?P<between>[^;]{0,300}?)\bSECRET\b", re.IGNORECASE)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*\*/", re.DOTALL)
_CREATES_SOMETHING_ELSE = re.compile(
    r"\b(?:table|view|macro|function|schema|type|index|sequence|as|select)\b", re.IGNORECASE
)
_MAX_CREATE_SECRET_CHARS = 20_000
_URL = re.compile(
    r"\s*(?P<protocol>[A-Za-z][A-Za-z0-9+.-]*(?:::[A-Za-z][A-Za-z0-9+.-]*)*:/{1,3})(?P<rest>.*)", re.DOTALL
)
_HOST = re.compile(r"[^:]*(?::\d*)?|\[[^\]]*\](?::\d*)?")
_PARAMETER = re.compile(r"(?P<name>[\w.%\[\]-]{1,60})=(?P<value>.*)", re.DOTALL)


def mask_secrets(text: str) -> str:
    """`text` with the passwords and signatures of its URLs, and the secrets of its SQL, replaced by `***`.

    >>> from thano_duckdb.masking import mask_secrets
    >>> mask_secrets("s3://b/a.wav?X-Amz-Signature=0a1b&part=2")
    's3://b/a.wav?X-Amz-Signature=***&part=2'
    >>> mask_secrets("CREATE SECRET mine (TYPE s3, KEY_ID 'AKIA', SECRET 'x''y')")
    'CREATE SECRET mine (***)'
    """
    text = _mask_created_secrets(text)
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    return text


def mask_url(text: str) -> str:
    """`text` without the user, the password and all values of its query and its fragment, if it is a URL as a whole.

    Where a password holds an `@` or `/` that is not encoded, more than the password is masked.

    >>> from thano_duckdb.masking import mask_url
    >>> mask_url("https://ann:it's@host/a.wav?part=1&auth=x#t=9")
    'https://***@host/a.wav?part=***&auth=***#t=***'
    >>> mask_url("talk#1.wav")
    'talk#1.wav'
    """
    found = _URL.fullmatch(text)
    if found is None:
        return text
    rest = found["rest"]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    n_secret = 0
    if "@" not in authority and not _HOST.fullmatch(authority):  # the password holds a slash, `?` or `#`
        n_secret = rest.rfind("@") + 1
    elif {"@", ":"} & set(authority):
        n_secret = _without_query(rest).rfind("@") + 1
    address = _without_query(rest[n_secret:])
    query = re.sub(r"[^?&#]+", _masked_parameter, rest[n_secret + len(address) :])
    return f"{found['protocol']}{f'{MASK}@' if n_secret else ''}{address}{query}"


def _without_query(address: str) -> str:
    return re.split(r"[?#]", address, maxsplit=1)[0]


def _masked_parameter(found: re.Match[str]) -> str:
    parameter = _PARAMETER.fullmatch(found[0])
    return f"{parameter['name']}={MASK}" if parameter else MASK


def masked(value: Any) -> Any:
    """The same as `mask_secrets` for every text within lists and dicts."""
    match value:
        case str():
            return mask_secrets(value)
        case Mapping():
            return {name: masked(each) for name, each in value.items()}
        case list() | tuple():
            return [masked(each) for each in value]
        case _:
            return value


def _masked(found: re.Match[str]) -> str:
    names = found.groupdict()
    if (parameter := names.get("parameter")) is not None:
        is_secret = bool(_SECRET_PARAMETER.search(unquote_plus(parameter)))
    else:
        is_secret = bool(_SECRET_NAME.search(names.get("name", "token")))
    if not is_secret:
        return found[0]
    secret = found["secret"]
    quote = secret[0] if secret[0] in "'\"" and parameter is None else ""
    return f"{found['kept']}{quote}{MASK}{quote}"


def _mask_created_secrets(text: str) -> str:
    """`text` with `(***)` in place of all that CREATE SECRET has in parentheses, as DuckDB's own lexer finds them."""
    kept, done = [], 0
    while found := _CREATE_SECRET.search(text, done):
        is_other = _CREATES_SOMETHING_ELSE.search(_COMMENTS.sub(" ", found["between"]))
        body = None if is_other else _parenthesised(text[found.end() :])
        if body is None:
            kept.append(text[done : found.end()])
            done = found.end()
            continue
        start, end = body
        kept += [text[done : found.end() + start], f"({MASK})"]
        done = found.end() + end
    return "".join([*kept, text[done:]])


def _parenthesised(text: str) -> tuple[int, int] | None:
    """Where the first parenthesis of a statement opens, and the end of what it holds: that of the text if it is cut."""
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which DuckDB does not take
        text = text.encode(errors="replace").decode()
        data = text.encode()
    depth, start = 0, 0
    for offset, kind in duckdb.tokenize(text[:_MAX_CREATE_SECRET_CHARS]):
        if kind is not duckdb.token_type.operator:
            continue
        match data[offset : offset + 1]:
            case b"(":
                start = start if depth else offset
                depth += 1
            case b")" if depth:
                depth -= 1
                if not depth:
                    return len(data[:start].decode()), len(data[: offset + 1].decode())
            case b";" if not depth:
                return None
            case _:
                pass
    return (len(data[:start].decode()), len(text)) if depth else None
