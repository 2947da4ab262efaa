"""Words that the scorecard looks for: names of one origin or of known people, regions, spellings, forms.

Written for the scorecard from general knowledge of each country, and on purpose not taken from the packs: a
list that names are drawn from cannot show that they are the wrong ones. Comparisons ignore case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
    "FR": _words(
        "martin bernard thomas petit robert richard durand dubois moreau laurent simon michel lefebvre "
        "leroy roux david bertrand morel fournier girard"
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


def _names(text: str) -> frozenset[str]:
    """Names that are separated by commas."""
    return frozenset(" ".join(name.split()) for name in text.split(","))


#: The best-known people whose names chance can make, in small letters: of all countries (""), and of one.
KNOWN_PEOPLE: Final[Mapping[str, frozenset[str]]] = {
    "": _names(
        """adolf hitler, eva braun, hermann göring, anne frank, margot frank, albert einstein, karl marx,
        charles taylor, imran khan, ayub khan, ali bongo, pedro sanchez, mario monti, antonio costa,
        felipe gonzalez, hugo chavez, alan garcia, pedro castillo, juan hernandez, juan santos, andres
        lopez, mary robinson, michael collins, simon harris, paul martin, kim campbell, joe clark, john
        turner, scott morrison, tony abbott, john howard, helen clark, bill english, ian smith, martin
        bryant, ned kelly, nelson mandela, elon musk, bill gates, steve jobs, tim cook, larry page, paul
        allen, michael jackson, janet jackson, george harrison, keith richards, michael jordan, lewis
        hamilton, serena williams, mike tyson, bruce lee, muhammad ali, neil young, bryan adams, taylor
        swift, michael schumacher, naomi watts, walter white, fernando alonso, fernando cardoso"""
    ),
    "US": _names(
        """george washington, john adams, thomas jefferson, andrew jackson, abraham lincoln, andrew johnson,
        woodrow wilson, john kennedy, robert kennedy, ted kennedy, lyndon johnson, richard nixon, gerald
        ford, jimmy carter, george bush, barbara bush, laura bush, bill clinton, hillary clinton, donald
        trump, joe biden, kamala harris, mike pence, mike johnson, paul ryan, john edwards, bernie
        sanders, elizabeth warren, jesse jackson, clarence thomas, john roberts, james baker, robert lee,
        charles manson, jeffrey dahmer, richard ramirez, lee oswald, mark chapman, john booth, eric
        harris, nikolas cruz, terry nichols, jim jones, susan smith, andrea yates, casey anthony, scott
        peterson, nicole brown, michael brown, trayvon martin, george floyd, breonna taylor, elizabeth
        smart, jesse james, bonnie parker, aaron hernandez, james brown, ray charles, diana ross, tina
        turner, whitney houston, jennifer lopez, katy perry, chris brown, will smith, samuel jackson,
        harrison ford, robin williams, james dean, elizabeth taylor, grace kelly, bill murray, steve
        martin, emma stone, anthony davis, alex rodriguez, henry ford, sam walton, stephen king, dan brown"""
    ),
    "GB": _names(
        """margaret thatcher, tony blair, gordon brown, sarah brown, david cameron, theresa may, boris
        johnson, stanley johnson, john major, harold wilson, edward heath, john smith, robin cook, alan
        johnson, charles kennedy, priti patel, sadiq khan, george osborne, harold shipman, fred west, rose
        west, rosemary west, ian brady, myra hindley, peter sutcliffe, thomas hamilton, ian huntley, holly
        wells, jessica chapman, sarah payne, stephen lawrence, damilola taylor, rachel nickell, jo cox,
        kate mccann, madeleine mccann, lucy letby, stephen ward, john christie, ruth ellis, mary bell,
        robert thompson, paul smith, david smith, matt smith, tom jones, elton john, george michael, david
        bowie, brian may, robbie williams, gary barlow, phil collins, emma thompson, emma watson, hugh
        grant, roger moore, michael owen, bobby moore, andy murray, james anderson, steve davis, diana
        spencer, harry potter, james bond, dev patel, amir khan"""
    ),
    "DE": _names(
        """angela merkel, gerhard schröder, helmut schmidt, helmut kohl, olaf scholz, friedrich merz, martin
        schulz, christian lindner, robert habeck, markus söder, christian wulff, roman herzog, claudia
        roth, franz strauß, peter müller, michael müller, willy brandt, ulrike meinhof, andreas baader,
        christian klar, verena becker, stephan ernst, stefan ernst, rudolf heß, josef mengele, erich koch,
        hans frank, klaus barbie, sophie scholl, hans scholl, markus braun, thomas müller, gerd müller,
        lothar matthäus, michael ballack, oliver kahn, manuel neuer, jürgen klopp, mario götze, boris
        becker, barbara becker, steffi graf, ralf schumacher, harald schmidt, helene fischer, roland
        kaiser, dieter bohlen, thomas gottschalk, günther jauch, romy schneider, magda schneider, til
        schweiger, thomas mann, hermann hesse, gerhard richter, richard wagner, katharina wagner, robert
        koch, martin luther, max weber"""
    ),
}
#: The best-known firms and brands whose names chance can make, likewise; letters and digits only.
KNOWN_COMPANIES: Final[Mapping[str, frozenset[str]]] = {
    "": _words(
        "3m adidas airbus allianz amazon amd apple audi bain baincapital bayer basf blackrock "
        "blackstone bmw boeing bosch burgerking canon cartier cisco citigroup deloitte dell dhl disney "
        "dyson ford fordmotor fordmotors fordmotorcompany gillette google hilton honda ibm ikea intel "
        "johnsonjohnson kellogg kelloggs loreal marriott mars mcdonalds mckinsey mckinseycompany merck "
        "miele microsoft morganstanley nestle nike nokia oracle pepsi pfizer porsche proctergamble "
        "rollsroyce sap shell siemens siemensenergy sony starbucks tesla toyota unilever ups volvo "
        "vodafone warnerbrothers"
    ),
    "US": _words(
        "adp bakerhughes barnesnoble bathbodyworks baxter berkshirehathaway blackdecker brightview "
        "broadridge brooksbrothers brownbrown chevron cmsenergy costco cvs dominionenergy dteenergy "
        "dukeenergy dunbradstreet fisherprice goldmansachs harleydavidson hersheys highgate homedepot "
        "jacobsengineering jonesday kirklandellis kochindustries kraftfoods lehmanbrothers nrgenergy "
        "parkerhannifin prattwhitney salomonbrothers smithbarney smithwesson target texaco tysonfoods "
        "walmart wellsfargo westernunion whitecase"
    ),
    "GB": _words(
        "aviva barclays berrybros berrybrothers boots bovishomes britishgas cadbury costacoffee "
        "evanscycles fortnummason fosterpartners greeneking hollandbarrett johnlewis kingfisher "
        "laingorourke lloyds marksspencer mitchellsbutlers morganmotors mossbros mossbrothers "
        "perkinsengines redgate reedrecruitment russellhobbs sainsburys slatergordon smithnephew "
        "smithwilliamson tatelyle taylorfrancis taylorwimpey tedbaker tesco travisperkins walkers "
        "wilkinsons williamsracing"
    ),
    "DE": _words(
        "aldi baywa beckermaschinenbau burdaverlag claas daimler dallmayrkaffee deutschebahn edeka "
        "ergoversicherungen fielmann fischerverlag goldbeckbau henkel heraeus klettverlag krupp "
        "kwssaatgut lidl linde lufthansa mannhummel müllermilch müllermolkerei neckermannversand "
        "ottobock ottogruppe ottoversand rewe rossmann rowohltverlag schwarzgruppe siemensgruppe "
        "smasolartechnik springerverlag suhrkampverlag thyssenkrupp trumpf ullsteinverlag vorwerk "
        "wiesenhof würth wüstenrot zeiss"
    ),
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
#: A made-up word that only a program would coin; French words end in -aux, -eux, -oux and -oix.
COINED: Final = re.compile(
    r"\b[A-Za-z]*(?:x[aeiou]r[aeio]|(?<![aeo])[aeiou]x|onex|trix|zeo|qu?or|ixon|yxis)\b", re.IGNORECASE
)
#: legal forms at the end of a name
LEGAL_FORM: Final = re.compile(
    r"[,\s]+(?:GmbH(?: & Co\. ?(?:KG|OHG))?|AG|SE|KGaA|KG|OHG|GbR|UG(?: \(haftungsbeschränkt\))?|e\. ?K\.|"
    r"e\. ?Kfr\.|gGmbH|eG|(?:Group |Holdings )?(?:Ltd|Limited|plc|PLC)\.?|LLP|Inc\.?|LLC|L\.L\.C\.|Corp\.?|"
    r"Corporation|Co\.?|LP|PLLC|PC|SASU?|SARL|EURL|SA|SNC|[Ss][Cc][Oo][Pp])$"
)
#: forms of large companies, and those of one or a few people
LARGE_FORM: Final = re.compile(r"[,\s](?:AG|SE|KGaA|plc|PLC|SA)$")
SMALL_FORM: Final = re.compile(
    r"[,\s](?:e\. ?K\.|e\. ?Kfr\.|GbR|UG(?: \(haftungsbeschränkt\))?|PLLC|EURL|SASU)$"
)
#: A part of an address inside a building or an estate.
UNIT: Final = re.compile(
    r"(?<!\w)(?:unit|suite|ste|floor|flat|studio|office|bldg|building|room|etage|haus|halle|"
    r"aufgang|gebäude|bâtiment|bât|appartement|escalier|lot|local|z\.?[ai]\.?)\.? "
    r"(?:[A-Z]|\d+[A-Za-z]?)(?!\w)|(?:\d+(?:st|nd|rd|th)|first|second|third|ground|top) floor|\d\. ?og(?!\w)|"
    r"hinterhaus|\d+(?:er|e) étage|rez-de-chaussée|z\.?[ai]\.? (?:de|du|des|la|le|les)(?!\w)|"
    r"parc d[’']activités|"
    r"(?:\w*park|gebiet|estate|centre|center|works|wharf|mill|house|court|quay|yard)(?=,|$)",
    re.IGNORECASE,
)
#: What an activity says where a deal is agreed; a regular expression of PostgreSQL, case ignored.
AGREED: Final = (
    r"\m((has |have |was |is |been )signed|signed, thanks|the signed papers|signature received|"
    r"accepted (the|our) (offer|proposal|quote)|confirmed the (order|deal)|order placed|"
    r"ordered and paid|order (is )?paid|sagt zu|zusage (über|für|steht)|bestellt und bezahlt|"
    r"so i will go ahead|is going ahead|wants to start|verbal (agreement|yes)|agreed to (buy|sign)|"
    r"(nothing|no \w+) that speaks against going ahead|nothing else \w+ in the way|"
    r"(hat|haben|ist) unterschrieben|unterschrift (liegt|ist) (vor|da)|hat zugesagt|zusage lag schon vor|"
    r"nimmt das angebot an|angebot angenommen|auftrag erteilt|bestellung bestätigt|"
    r"kann also weitergehen|spricht nichts dagegen|"
    r"(a|ont|est) signé|signature reçue|commandé et payé|accord (donné|confirmé)|offre acceptée)\M"
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


@dataclass(frozen=True)
class ClockWords:
    """Words of a language that only some hours and days allow, as patterns."""

    good_morning: re.Pattern[str]
    #: what is to come in the afternoon of the day
    this_afternoon: re.Pattern[str]
    #: Monday first, each as another day than the one on which it is said
    weekdays: tuple[re.Pattern[str], ...]
    season: re.Pattern[str]
    invoice: re.Pattern[str]


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_ENGLISH: Final = ClockWords(
    good_morning=_pattern(r"^(?:good )?morning \w+,"),
    this_afternoon=_pattern(r"\bthis afternoon\b"),
    weekdays=tuple(
        _pattern(rf"\bon {day}day\b") for day in ["Mon", "Tues", "Wednes", "Thurs", "Fri", "Satur", "Sun"]
    ),
    season=_pattern(
        r"\b(?:after the holidays|over the summer|christmas|easter|this (?:summer|winter|spring))\b"
    ),
    invoice=_pattern(r"^(?:re: )?invoice\b"),
)
_GERMAN: Final = ClockWords(
    good_morning=_pattern(r"^guten morgen\b"),
    this_afternoon=_pattern(r"\bheute nachmittag\b"),
    weekdays=tuple(
        _pattern(rf"\bam {day}\b")
        for day in ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"]
    ),
    season=_pattern(r"\b(?:nach den feiertagen|weihnachten|ostern|diesen (?:sommer|winter))\b"),
    invoice=_pattern(r"^(?:aw: |re: )?rechnung\b"),
)
_FRENCH: Final = ClockWords(
    good_morning=_pattern(r"\bbon(?:ne)? matin\w*\b"),
    this_afternoon=_pattern(r"\bcet après-midi\b"),
    weekdays=tuple(
        _pattern(rf"(?<!le )(?<!chaque )\b{day}\b(?! prochain| dernier)")
        for day in ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"]
    ),
    season=_pattern(r"\b(?:après les fêtes|noël|pâques|cet (?:été|hiver))\b"),
    invoice=_pattern(r"^(?:re ?: )?facture\b"),
)
#: country → what its texts may say when
CLOCK_WORDS: Final[Mapping[str, ClockWords]] = {
    "US": _ENGLISH,
    "GB": _ENGLISH,
    "DE": _GERMAN,
    "FR": _FRENCH,
}
