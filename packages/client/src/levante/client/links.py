"""The Link field (RFC 8288): targets with their parameters, keyed by relation. Lenient: what cannot be read is
skipped. No I/O."""

import re

from multidict import MultiDict, MultiDictProxy
from yarl import URL

_LINK = re.compile(r'\s*<([^<>]*)>((?:\s*;\s*[^\s=;,"]+\s*(?:=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)*)')
_PARAMETER = re.compile(r';\s*([^\s=;,"]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?')

Links = MultiDictProxy[MultiDictProxy[str | URL]]


def parse_links(values: list[str], base: URL) -> Links:
    """The links of the Link `values`, keyed by `rel` (by the target as written when there is none); each has `url`,
    made absolute against `base`, and its parameters as text."""
    links: MultiDict[MultiDictProxy[str | URL]] = MultiDict()
    for value in values:
        for match in _LINK.finditer(value):
            target, parameters = match.groups()
            link: MultiDict[str | URL] = MultiDict()
            for name, quoted, plain in _PARAMETER.findall(parameters):
                link.add(name, re.sub(r"\\(.)", r"\1", quoted) if quoted else plain)
            key = link.get("rel", target)
            try:
                link["url"] = base.join(URL(target))
            except ValueError:
                continue
            links.add(str(key), MultiDictProxy(link))
    return MultiDictProxy(links)
