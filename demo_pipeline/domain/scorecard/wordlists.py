"""Words that the scorecard looks for: names of one origin, rivers and regions, spellings, legal forms.

Written for the scorecard from general knowledge of each country, and on purpose not taken from the packs: a
list that names are drawn from cannot show that they are the wrong ones. Comparisons ignore case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final


def _words(text: str) -> frozenset[str]:
    """Words that are separated by blanks."""
    return frozenset(text.split())


#: the twenty most frequent surnames of a country, as far as they are undisputed
FREQUENT_SURNAMES: Final[Mapping[str, frozenset[str]]] = {
    "US": _words(
        "smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez "
        "gonzalez wilson anderson thomas taylor moore jackson martin"
    ),
    "GB": _words(
        "smith jones williams taylor brown davies evans wilson thomas johnson roberts robinson "
        "thompson wright walker white edwards hughes green hall"
    ),
    "DE": _words(
        "müller schmidt schneider fischer weber meyer wagner becker schulz hoffmann schäfer koch "
        "bauer richter klein wolf schröder neumann schwarz zimmermann"
    ),
}
#: Surnames that are common in the United States and rare in Britain.
AMERICAN_SURNAMES: Final = _words(
    "garcia rodriguez martinez hernandez lopez gonzalez perez sanchez ramirez torres flores "
    "rivera gomez diaz reyes cruz ortiz morales gutierrez ramos chavez mendoza castillo vasquez "
    "jimenez moreno romero alvarez ruiz washington hoover mosely ousley ricker amundson "
    "mclendon mcclellan branham schroeder snyder schultz schmidt wagner becker weber hoffman "
    "meyer keller kramer swanson olson larson hanson peterson carlson gustafson jorgensen "
    "vanderbilt hostetler yoder stoltzfus boudreaux landry thibodeaux hebert broussard fontenot "
    "guidry dupree krueger koch koenig schaefer schwartz klein zimmerman bauer fischer schmitt "
    "vogel hahn kaiser stein hoffmann mueller werner huber petersen olsen larsen jensen nielsen "
    "christensen sorensen johansen knudsen lindquist lundgren nordstrom vega salazar delgado rios "
    "soto vargas navarro aguilar cervantes orozco velasquez figueroa trujillo villarreal esparza "
    "brandt bergman hartman hauser heller hess kessler kirchner kline krause lehman "
    "lutz metzger neumann pfeiffer reinhardt ritter rosenberg rosenthal sauer schaffer scherer "
    "schilling schreiber schuler schulz schumacher seifert spangler staley stauffer "
    "steiner swenson thorson trautman ulrich voss weiss wentz werner "
    "whisenhunt winkler wolff yost ziegler zeigler zook brasfield creekmore culpepper dillard "
    "fennell freeland hinkle holcomb ledbetter mccafferty mayfield "
    "pettigrew pruitt ragsdale satterfield stubblefield tidwell  yarbrough"
)
#: surnames and given names of one origin, by country of the tenant
ORIGINS: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    "US": (
        _words(
            "garcia rodriguez martinez hernandez lopez gonzalez perez sanchez ramirez torres flores "
            "rivera gomez diaz reyes cruz ortiz morales gutierrez ramos chavez mendoza castillo vasquez "
            "jimenez moreno romero alvarez ruiz fernandez vargas castro guzman"
        ),
        _words(
            "jose juan luis carlos jesus antonio miguel angel manuel francisco pedro jorge javier "
            "ricardo fernando eduardo alejandro roberto mario sergio raul ramon enrique alberto cesar "
            "andres diego maria guadalupe rosa carmen juana ana esperanza lourdes yolanda luz alejandra "
            "gabriela adriana veronica leticia silvia patricia claudia sofia isabel elena marisol "
            "yesenia xiomara"
        ),
    ),
    "GB": (
        _words(
            "khan ahmed ali hussain patel singh begum kaur shah akhtar mahmood malik iqbal mohammed "
            "miah rahman chowdhury bibi sharma kumar mistry desai hassan rashid aziz mirza"
        ),
        _words(
            "mohammed muhammad mohammad ahmed ali hassan hussain ibrahim imran omar usman bilal amir "
            "tariq fatima aisha ayesha zainab maryam sana nadia samina shazia farah rukhsana priya "
            "anjali deepa sunita neha raj ravi sanjay amit rahul vijay arjun harpreet gurpreet manjit "
            "jaspreet simran rajesh rakesh nisha meera pooja kiran"
        ),
    ),
    "DE": (
        _words(
            "yilmaz yılmaz kaya demir celik çelik sahin şahin yildiz yıldız yildirim yıldırım öztürk "
            "ozturk aydin aydın arslan dogan doğan kilic kılıç aslan cetin çetin kara koc koç kurt "
            "özdemir simsek polat korkmaz özkan"
        ),
        _words(
            "mehmet mustafa ahmet ali hüseyin hasan ibrahim osman murat ömer yusuf emre can cem kemal "
            "serkan volkan hakan fatih burak onur ayse ayşe fatma emine hatice zeynep elif meryem özlem "
            "derya sevgi gül yasemin aylin esra tugba tuğba selin melek nurcan"
        ),
    ),
}
#: beginning of a word that names a region → states in which a firm of that name may be
REGIONS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "DE": {
        "mosel": frozenset({"Rheinland-Pfalz", "Saarland"}),
        "isar": frozenset({"Bayern"}),
        "alster": frozenset({"Hamburg", "Schleswig-Holstein"}),
        "spree": frozenset({"Berlin", "Brandenburg", "Sachsen"}),
        "neckar": frozenset({"Baden-Württemberg", "Hessen"}),
        "allgäu": frozenset({"Bayern", "Baden-Württemberg"}),
        "harz": frozenset({"Niedersachsen", "Sachsen-Anhalt", "Thüringen"}),
        "eifel": frozenset({"Rheinland-Pfalz", "Nordrhein-Westfalen"}),
        "ruhr": frozenset({"Nordrhein-Westfalen"}),
        "weser": frozenset({"Bremen", "Niedersachsen", "Nordrhein-Westfalen", "Hessen"}),
        "havel": frozenset({"Berlin", "Brandenburg", "Sachsen-Anhalt", "Mecklenburg-Vorpommern"}),
        "taunus": frozenset({"Hessen", "Rheinland-Pfalz"}),
        "sauerland": frozenset({"Nordrhein-Westfalen"}),
        "schwarzwald": frozenset({"Baden-Württemberg"}),
        "franken": frozenset({"Bayern", "Baden-Württemberg", "Thüringen"}),
        "hanse": frozenset(
            {"Hamburg", "Bremen", "Schleswig-Holstein", "Mecklenburg-Vorpommern", "Niedersachsen"}
        ),
        "nordsee": frozenset({"Schleswig-Holstein", "Niedersachsen", "Bremen", "Hamburg"}),
        "ostsee": frozenset({"Schleswig-Holstein", "Mecklenburg-Vorpommern"}),
    },
    "GB": {
        "mersey": frozenset({"Merseyside", "Cheshire", "Greater Manchester"}),
        "tyne": frozenset({"Tyne and Wear", "Northumberland", "County Durham"}),
        "clyde": frozenset({"Glasgow", "Glasgow City", "Scotland", "Lanarkshire", "Renfrewshire"}),
        "thames": frozenset(
            {
                "Greater London",
                "London",
                "Berkshire",
                "Oxfordshire",
                "Surrey",
                "Essex",
                "Kent",
                "Buckinghamshire",
            }
        ),
    },
    "US": {
        "hudson": frozenset({"NY", "NJ", "OH", "WI", "FL", "MA", "NH"}),
        "cascade": frozenset({"WA", "OR", "CA", "ID", "MT"}),
        "ozark": frozenset({"MO", "AR", "OK", "KS"}),
        "bayou": frozenset({"LA", "TX", "MS", "AL"}),
        "chesapeake": frozenset({"MD", "VA", "DC", "DE", "PA"}),
    },
}
#: Spellings and forms that belong to the other English.
_AMERICAN: Final = (
    r"harbor|center|color|theater|labor|neighbor|favorite|organization|apartments?|condo(?:minium)?s?|realty|"
    r"inc\.?|llc|corp\.?|zip code|checkout clerk|drugstore|aluminum|jewelry|tires?"
)
_BRITISH: Final = (
    r"harbour|centre|colour|theatre|labour|neighbour|favourite|organisation|flats?|maisonettes?|ltd\.?|plc|llp|"
    r"postcode|aluminium|jewellery|tyres?|solicitors?|estate agents?"
)
FOREIGN_ENGLISH: Final[Mapping[str, re.Pattern[str]]] = {
    "GB": re.compile(rf"(?<!\w)(?:{_AMERICAN})(?!\w)", re.IGNORECASE),
    "US": re.compile(rf"(?<!\w)(?:{_BRITISH})(?!\w)", re.IGNORECASE),
}
#: A made-up word that only a program would coin.
COINED: Final = re.compile(
    r"\b[A-Za-z]*(?:x[aeiou]r[aeio]|[aeiou]x|onex|trix|zeo|qu?or|ixon|yxis)\b", re.IGNORECASE
)
#: legal forms at the end of a name
LEGAL_FORM: Final = re.compile(
    r"[,\s]+(?:GmbH(?: & Co\. ?(?:KG|OHG))?|AG|SE|KGaA|KG|OHG|GbR|UG(?: \(haftungsbeschränkt\))?|e\. ?K\.|"
    r"e\. ?Kfr\.|gGmbH|eG|(?:Group |Holdings )?(?:Ltd|Limited|plc|PLC)\.?|LLP|Inc\.?|LLC|L\.L\.C\.|Corp\.?|"
    r"Corporation|Co\.?|LP|PLLC|PC)$"
)
#: forms of large companies, and those of one or a few people
LARGE_FORM: Final = re.compile(r"[,\s](?:AG|SE|KGaA|plc|PLC)$")
SMALL_FORM: Final = re.compile(r"[,\s](?:e\. ?K\.|e\. ?Kfr\.|GbR|UG(?: \(haftungsbeschränkt\))?|PLLC)$")
#: A part of an address inside a building or an estate.
UNIT: Final = re.compile(
    r"(?<!\w)(?:unit|suite|ste|floor|flat|studio|office|bldg|building|room|etage|haus|halle|"
    r"aufgang|gebäude)\.? "
    r"(?:[A-Z]|\d+[A-Za-z]?)(?!\w)|(?:\d+(?:st|nd|rd|th)|first|second|third|ground|top) floor|\d\. ?og(?!\w)|"
    r"hinterhaus|(?:\w*park|gebiet|estate|centre|center|works|wharf|mill|house|court|quay|yard)(?=,|$)",
    re.IGNORECASE,
)
#: What an activity says where a deal is agreed; a regular expression of PostgreSQL, case ignored.
AGREED: Final = (
    r"\m((has |have |was |is |been )signed|signed, thanks|the signed papers|signature received|"
    r"accepted (the|our) (offer|proposal|quote)|confirmed the (order|deal)|order placed|"
    r"so i will go ahead|is going ahead|wants to start|verbal (agreement|yes)|agreed to (buy|sign)|"
    r"(nothing|no \w+) that speaks against going ahead|nothing else \w+ in the way|"
    r"(hat|haben|ist) unterschrieben|unterschrift (liegt|ist) (vor|da)|hat zugesagt|zusage lag schon vor|"
    r"nimmt das angebot an|angebot angenommen|auftrag erteilt|bestellung bestätigt|"
    r"kann also weitergehen|spricht nichts dagegen)\M"
)
#: postcodes of Great Britain; inward codes never contain C I K M O V
GB_POSTCODE: Final = re.compile(
    r"(?:[A-PR-UWYZ]\d{1,2}|[A-PR-UWYZ][A-HK-Y]\d{1,2}|[A-PR-UWYZ]\d[A-HJKPSTUW]|"
    r"[A-PR-UWYZ][A-HK-Y]\d[ABEHMNPRVWXY]) \d[ABD-HJLNP-UW-Z]{2}"
)
#: reserved domains (RFC 2606, RFC 6761)
RESERVED_DOMAIN: Final = re.compile(
    r"(?:^|[.@])(?:[^.@]+\.)*(?:example|test|invalid|localhost|example\.(?:com|net|org))$", re.IGNORECASE
)
