"""Known people and firms of countries that the scorecard has no list of, written apart from the packs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def _names(text: str) -> frozenset[str]:
    """Names that are separated by commas."""
    return frozenset(" ".join(name.split()) for name in text.split(","))


MORE_PEOPLE: Final[Mapping[str, frozenset[str]]] = {
    "FR": _names(
        """emmanuel macron, brigitte macron, françois hollande, nicolas sarkozy, jacques chirac, georges
        pompidou, françois fillon, alain juppé, laurent fabius, michel debré, jean castex, manuel valls,
        robert badinter, jean moulin, jean monnet, philippe pétain, pierre laval, paul touvier, klaus
        barbie, alfred dreyfus, guy georges, émile louis, michel fourniret, monique olivier, francis
        heaulme, patrick henry, marie curie, pierre curie, louis pasteur, claude bernard, victor hugo,
        émile zola, albert camus, alexandre dumas, blaise pascal, claude monet, claude françois, michel
        berger, jacques martin, michel blanc, michel simon, thierry henry, laurent blanc, emmanuel petit,
        didier deschamps, guy roux, philippe lucas, alain bernard, alain prost, tony parker, caroline
        garcia, thomas ramos, pierre richard, sophie marceau, jeanne moreau, vincent lambert, dominique
        bernard, adama traoré, bernard laroche, jacqueline sauvage, olivier faure, sandrine rousseau,
        fabien roussel, philippe martinez, laurent berger, bernard thibault"""
    )
}
#: Letters and digits only.
MORE_COMPANIES: Final[Mapping[str, frozenset[str]]] = {
    "FR": _names(
        """airfrance, axa, auchan, bouygues, bouyguesconstruction, bouyguesimmobilier, carrefour, casino,
        conforama, darty, decathlon, edf, eiffage, fleurymichon, garnier, groupebel, groupecasino,
        lafarge, laposte, legrand, leroymerlin, michelin, orange, pernodricard, petitbateau, peugeot,
        picard, publicis, renault, sncf, thales, valmont, vinci, vinciconstruction, yvesrocher"""
    )
}
