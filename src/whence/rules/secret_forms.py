"""The forms by which a secret is known in any text: its issuer's prefix, or what stands before it.

Patterns are texts here, compiled when first needed.
"""

from __future__ import annotations

import functools
import re


@functools.cache
def compiled(pattern: str) -> re.Pattern[str]:
    # Compiled when first needed: all of them together would cost the launch of every run several milliseconds.
    return re.compile(pattern)


_END = r"(?![A-Za-z0-9])"
_START = r"(?<![A-Za-z0-9])"

_FORMS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("AKIA", "ASIA", "ABIA", "ACCA"), rf"{_START}A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{{16}}{_END}"),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), rf"{_START}gh[pousr]_[A-Za-z0-9]{{20,}}"),
    (("github_pat_",), rf"{_START}github_pat_\w{{20,}}"),
    (("glpat-", "gldt-", "glrt-", "glptt-", "glcbt-"), rf"{_START}gl(?:pat|dt|rt|ptt|cbt)-[\w.-]{{16,}}"),
    (("xox", "xapp-"), rf"{_START}(?:xox[abeoprs]|xapp)-[\w-]{{10,}}"),
    (("hooks.slack.com/",), r"(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[\w/-]{10,}"),
    (("/api/webhooks/",), r"(?<=/api/webhooks/)\d+/[\w-]{20,}"),
    (("_live_", "_test_"), rf"{_START}[sr]k_(?:live|test)_[A-Za-z0-9]{{10,}}"),
    (("whsec_",), rf"{_START}whsec_[A-Za-z0-9]{{20,}}"),
    (("sk-",), rf"{_START}sk-(?=[\w-]{{0,80}}\d)[\w-]{{20,}}"),
    (("hf_", "api_org_"), rf"{_START}(?:hf_|api_org_)[A-Za-z0-9]{{30,}}"),
    (("gsk_", "nvapi-", "xai-"), rf"{_START}(?:gsk_|nvapi-|xai-)[\w-]{{32,}}"),
    (("AIza",), rf"{_START}AIza[\w-]{{35}}"),
    (("ya29.",), rf"{_START}ya29\.[\w-]{{20,}}"),
    (("GOCSPX-",), rf"{_START}GOCSPX-[\w-]{{20,}}"),
    (("eyJ",), r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{2,}\.[\w.-]+"),
    (("eyJhcGlf",), r"(?<![\w-])eyJhcGlf[\w+/=-]{20,}"),
    (("pypi-Ag",), rf"{_START}pypi-Ag[\w-]{{50,}}"),
    (("npm_",), rf"{_START}npm_[A-Za-z0-9]{{36}}"),
    (("dapi",), rf"{_START}dapi[0-9a-f]{{32}}(?:-\d)?{_END}"),
    (("dop_v1_",), rf"{_START}dop_v1_[0-9a-f]{{64}}"),
    (("SG.",), rf"{_START}SG\.[\w-]{{16,}}\.[\w-]{{16,}}"),
    (("hvs.", "hvb."), rf"{_START}hv[sb]\.[\w-]{{20,}}"),
    (("r8_",), rf"{_START}r8_[A-Za-z0-9]{{30,}}"),
    (("AGE-SECRET-KEY-",), r"AGE-SECRET-KEY-1[A-Z0-9]{20,}"),
    (
        ("PRIVATE KEY",),
        (
            r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
            r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
        ),
    ),
    (("PuTTY-User-Key-File",), r"(?s)PuTTY-User-Key-File-\d:.*"),
)
"""(what the text must contain, the pattern). Sources: the issuers' pages on the format of their tokens; JWT is
RFC 7519, the PEM labels RFC 7468."""

MARKED = tuple((marker, pattern) for markers, pattern in _FORMS for marker in markers)

AFTER_SCHEME = r"(?<=://)[^\s/?#\"'<>]*@|(?<=://)[^\s/?#:@\"'<>]*:(?!\d{1,5}(?:/|$))[^\s@\"'<>]*@"
AUTHORIZATION = (
    r"(?i)(authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:(?:basic|bearer|token|digest|apikey|negotiate)\s+)?)"
    r"(?!(?:basic|bearer|token|digest|apikey|negotiate)\s)([^\s\"',;<>]{3,})"
)
SCHEMES = frozenset(("basic", "bearer", "token", "digest", "apikey", "negotiate"))
BEARER = r"(?i)(\bbearer\s+)([\w.~+/=-]{16,})"
COOKIE = r"(?i)((?<![\w-])(?:set-)?cookie:\s*)([^\r\n\"'<>]{4,})"
ASSIGNMENT = r"(?<![\w.-])([\w.-]{1,100})(?:\\?[\"'])?[ \t]{0,3}(?::=|=>|[:=])[ \t]{0,3}"
ASSIGNED_VALUE = (
    r"<secret keyed:[0-9a-f]{32}>|\\\"(?:[^\"\\]|\\[^\"])*\\\"|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
    r"|[^\s\"'&;,(){}\[\]|]+"
)
OPTION = r"(?<![\w-])(--[\w-]{1,100})(\s+)(\"[^\"]*\"|'[^']*'|[^\s\"'&;|-][^\s\"'&;|]*)"
LOGIN = r"((?<!\S)(?:-u|-U|--user|--proxy-user)[ =]?[\"']?)([^\s:\"']+:[^\s\"']+)"
"""The login of `curl -u user:password` (curl(1)); elsewhere `-u` is a user and a group as often."""
BLOCK = (
    r"(?m)(?<![\w.-])([\w.-]{1,100})[\"']?[ \t]{0,3}(?:[:=][ \t]{0,3}(?:[\[{|>](?!\s*[\]}])|\r?\n(?=[ \t-]))|\][ \t]*$)"
)
"""A name in a file of settings whose value is a list, a block or on the next lines, or a section's."""
HINTS = ("key", "token", "pass", "pw", "secret", "cred", "auth", "cookie", "bearer", "sig", "pat", "connection")
"""What a text in lower case must contain before the costlier patterns for named values are tried."""
SIGNATURES = frozenset(("sig", "signature", "x-amz-signature", "x-goog-signature", "awsaccesskeyid"))
"""Query parameters of a presigned URL that grant access."""


def holds_token(text: str) -> bool:
    """Whether a token of a known form stands in the text."""
    return any(marker in text and compiled(pattern).search(text) for marker, pattern in MARKED)
