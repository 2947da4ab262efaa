"""Reading the sources, and the words that no list may have."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from demo_pipeline.domain.reference.countries import ascii_label
from scripts.listbuild.blocklists import is_blocked

#: names and positive integer weights
Pairs = list[tuple[str, int]]

SOURCES = Path(__file__).resolve().parent.parent / "list_sources"

#: A visible word that begins so would give a tenant away.
TELLTALE = re.compile(r"(?:demo|test|fake|lorem|sample|generated|dummy)", re.IGNORECASE)
#: Surnames, stems and streets of the sources that read badly in an office, or that are too famous.
UNWANTED = frozenset(
    """
    adolf hitler goebbels göring himmler führer nazi neger mohr fick ficker fuck shit cunt bitch bastard
    bastarda whore slut fag faggot dick dickhaut dicker kock cock cocks cox-cocks hooker hoare hore cumming
    cummings cummins titts tits butt butts pratt prick wank wanker gay gays rape raper kuntz kunz-kot kot
    crap crapper dyke dykes slave slaves negron coon coons jew jude judas moron weiner wiener dildo boob
    boobs arsch assman asse anus bumm pimmel sack hurley-hure hure huren nutte schwanz schwuler popp pupp
    puff kotz kotze mist pisser piss pissarro seuche leiche tod mord mörder moerder satan teufel nixon-nix
    bin-laden laden osama niggemann stalin lenin
    """.split()
)
#: Known brands that the parts of company names would join to.
BRANDS = frozenset(
    """
    altera novara novalis solaris silverlake blackrock blackstone bridgewater redfin redwood bluestone
    redstone bridgestone stonebridge greenfield whitbread whiteside goldenstate silverline kingfisher
    fairfield fairmont clearview clearwater brightline northgate southwest northland westfield highland
    foxconn hawkeye redford bridgeport bridgeford kingston queensland lakeland eastland westland
    springfield summerfield winterfell greyhound castlepoint marketplace oakridge oakley ashley oakland
    velis corentra cordis veritas cargill nordsee nordland westpoint goldbach goldberg goldstein
    silberstein rheinland rheinhafen steinhof mainau moselland bergheim waldhof salzburg heidelberg
    adlerwerk sternwerk burgau hofburg morgenland abendland feldschlossen galeria valora ralexis maralis
    henkel schwarzkopf siemens bosch krupp thyssen bayer otto oetker rossmann würth beiersdorf porsche daimler
    benz opel boss deichmann miele bahlsen ritter storck merck linde springer burda bertelsmann braun zeiss
    leitz steiff vorwerk knorr jacobs dallmayr kärcher hilti stihl liebherr claas fendt deutz voith trumpf
    maggi sixt fielmann dussmann stark lange-uhren conrad neckermann quelle horten hertie adler brax gerry
    ford chase wells hilton marriott tiffany kellogg heinz campbell dell hewlett packard goodyear colgate
    gillette hershey mars morgan stanley schwab edison boeing walton nordstrom macy sears penney dyson cadbury
    tesco sainsbury morrison morrisons barclay barclays lloyd lloyds boots ladbroke burberry rolls royce
    bentley lotus cooper hudson gates jobs musk bezos disney wendy burger ritz sandler goldman sachs lehman
    nexis selenta torexis merida novelis aeria marexis peralis nexia belavia meridian mirion
    """.split()
)


class Sieve:
    """Lets words through or not, and counts what it kept back."""

    def __init__(self) -> None:
        self.kept_back: Counter[str] = Counter()

    def passes(self, text: str, reason_for: str) -> bool:
        """False if a word of ``text``, or its joined ASCII form, must not be seen."""
        words = re.findall(r"[^\W\d_]+", text)
        if any(TELLTALE.match(word) for word in (*words, ascii_label(text))):
            self.kept_back[f"{reason_for}: telltale"] += 1
            return False
        labels = {ascii_label(word) for word in words} | {ascii_label(text)}
        if any(word.lower() in UNWANTED for word in words) or any(is_blocked(label) for label in labels):
            self.kept_back[f"{reason_for}: unwanted"] += 1
            return False
        return True

    def keep(self, texts: Iterable[str], reason_for: str) -> list[str]:
        """Those that pass, doubles (and doubles in ASCII) left out, in order."""
        seen: set[str] = set()
        result: list[str] = []
        for text in texts:
            label = ascii_label(text)
            if label not in seen and self.passes(text, reason_for):
                seen.add(label)
                result.append(text)
        return result


def read_toml(name: str) -> dict[str, Any]:
    """One source file in TOML."""
    return tomllib.loads((SOURCES / name).read_text("utf-8"))


def read_words(name: str) -> list[str]:
    """A source file of words, one a line or between blanks, in order."""
    return (SOURCES / name).read_text("utf-8").split()


def read_rows(name: str) -> list[list[str]]:
    """A source file of tab-separated fields."""
    return [line.split("\t") for line in (SOURCES / name).read_text("utf-8").splitlines() if line]


def split(text: str) -> list[str]:
    """The parts of a text between commas; a line end is a blank."""
    return [part.strip() for part in " ".join(text.split()).split(",") if part.strip()]
