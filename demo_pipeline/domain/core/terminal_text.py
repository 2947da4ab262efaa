"""Text that a terminal shows and does not obey.

Strings of a database, a file, a file name, the environment or a library may hold control characters: they
would move the cursor, set the title of the window, or hide what is written. This is the one place that says
which characters those are and what is shown for them.
"""

from __future__ import annotations

import json
import re
from typing import Final

#: What changes how a terminal shows other text, or is shown as nothing: C0 (without line feed and tab), DEL
#: and C1; marks, embeddings, overrides and isolates of writing direction; invisible separators, tags and
#: annotations; line and paragraph separators; halves of surrogate pairs. Letters, accents, emoji and the
#: joiners of Persian and Indian scripts are text.
_CONTROLS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def neutral(text: str) -> str:
    r"""``text`` with an escape as in JSON, ``\u001b``, for each character that a terminal would obey.

    Within a JSON document the meaning stays the same.
    """
    return _CONTROLS.sub(_escape, text)


def neutral_line(text: str) -> str:
    """The same on one line: line feeds and tabs are escaped, too."""
    return neutral(text).replace("\n", "\\n").replace("\t", "\\t")


def _escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]
