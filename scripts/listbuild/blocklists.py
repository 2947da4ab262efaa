"""Words that no list may have, by the language in which they are notorious or crude.

Every list of every country is held against all of them: a name that is infamous in one language is infamous
in the office of a company that works in another. Words that would betray a tenant, and brands, are in
``words``.
"""

from __future__ import annotations

import re
from typing import Final

#: Camps and other places of crimes; compounds of harmless parts can spell them ("Buchen" + "wald"). No name
#: and no name of a company joined with its descriptor may contain one.
PLACES: Final = frozenset(
    """
    auschwitz belsen belzec birkenau buchenwald chelmno dachau esterwegen flossenbuerg grossrosen gusen
    hadamar kulmhof lichtenburg majdanek mauthausen mittelbau natzweiler neuengamme obersalzberg
    ravensbrueck sachsenhausen sobibor sonnenburg sonnenstein stutthof theresienstadt treblinka westerbork
    """.split()
)
#: Whole words only, in the form of ``ascii_label``.
WORDS: Final = {
    "de": frozenset(
        """
        adlerhorst adolf berghof bormann doenitz eichmann eicke flick freisler fritzl globke goebbels goering
        goeth heydrich himmler hitler hoess honecker jodl kaltenbrunner keitel mengele mielke nordmark
        ostland ostmark ribbentrop rommel sauckel schirach speer streicher suedmark tannenberg westmark
        wolfsschanze hure hell dickmann
        """.split()
    ),
    "en": frozenset(
        """
        bang bangs blow boner boners bugg buggs bump bumpus bundy buttram butters coonrod cosby crippen crook
        crooks cumbie dahmer deatherage dick dicke dicken dicks dickus epstein gacy gaylor gaylord gein
        hooker kaczynski koon koons koresh madoff manson mcveigh nutter seaman slaughter unabomber weinstein
        """.split()
    ),
}
#: How a word may not begin, in the form of ``ascii_label``.
BEGINNINGS: Final = re.compile(r"(?:cock|cunt|fuck|jizz|nigg|penis|rape|rapist|shit|slut|twat|wank(?!e$|el))")


def is_blocked(label: str) -> bool:
    """Whether a word, as ``ascii_label`` writes it, is notorious or crude in any language."""
    return (
        any(label in words for words in WORDS.values())
        or any(place in label for place in PLACES)
        or BEGINNINGS.match(label) is not None
    )
