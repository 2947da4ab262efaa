"""Kinds of jobs: what follows from each."""

from __future__ import annotations

from demo_pipeline.domain.core.job_kinds import JobKind


def test_each_kind_has_its_abilities() -> None:
    """Changes can be undone by --last; repairs and undos delete rows; two kinds make what is expected."""
    changes = ["patch", "extend", "repair", "dedupe", "cleanup", "rewind"]
    assert [kind for kind in JobKind if kind.is_change] == changes
    assert [kind for kind in JobKind if kind.is_repair] == ["repair", "dedupe", "cleanup"]
    assert [kind for kind in JobKind if kind.deletes_rows] == [
        "patch",
        "undo",
        "repair",
        "dedupe",
        "cleanup",
    ]
    assert [kind for kind in JobKind if kind.reaches_expected] == ["materialise", "heal"]


def test_nouns_have_their_article() -> None:
    """Messages name a job by its kind."""
    nouns = {kind.value: kind.noun for kind in JobKind}
    assert nouns["materialise"] == "a materialisation"
    assert nouns["heal"] == "a healing job"
    assert nouns["extend"] == "an extend"
    assert nouns["undo"] == "an undo"
    assert nouns["patch"] == "a patch"
