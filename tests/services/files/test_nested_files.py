"""YAML from people: taken as written, and refused in a sentence where it is none."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.domain.parsing.document import NestedDocument, Problems
from demo_pipeline.domain.parsing.document import Path as KeyPath
from demo_pipeline.services.files.blueprint_files import BLUEPRINT
from demo_pipeline.services.files.reader import MOST_BYTES, read_content, read_document


def read_yaml(path: Path) -> NestedDocument:
    """The document of a file, read as a blueprint is."""
    content = read_content(path, path.name, BLUEPRINT)
    document = read_document(content, "yaml", BLUEPRINT, path.name, Problems())
    assert isinstance(document, NestedDocument)
    return document


def test_scalars_are_text_as_written(tmp_path: Path) -> None:
    """No Norway problem, no octal, no date, no float; only nothing is nothing."""
    path = tmp_path / "a.yaml"
    path.write_text(
        "country: NO\non: yes\nzip: 007\nmonth: 2025-01\nday: 2025-01-01\nrate: 1e3\nhex: 0x1F\n"
        "empty:\ntilde: ~\nnull1: null\nquoted: 'null'\nblank: ''\n"
        "text: |\n  two\n  lines\nlist: [a, ~, 1.0]\n"
        "sexagesimal: 12:30:45\n",
        "utf-8",
    )
    assert read_yaml(path).tree == {
        "country": "NO",
        "on": "yes",
        "zip": "007",
        "month": "2025-01",
        "day": "2025-01-01",
        "rate": "1e3",
        "hex": "0x1F",
        "empty": None,
        "tilde": None,
        "null1": None,
        "quoted": "null",
        "blank": "",
        "text": "two\nlines\n",
        "list": ["a", None, "1.0"],
        "sexagesimal": "12:30:45",
    }


def test_every_value_has_its_line(tmp_path: Path) -> None:
    """Of a value that is not there, the line is that of what it belongs into."""
    path = tmp_path / "a.yaml"
    path.write_text("# head\na:\n  b: 1\n  c.d: 2\nlist:\n  - x: 1\n    y: 2\n  - 3\n", "utf-8")
    file = read_yaml(path)
    places: tuple[KeyPath, ...] = (
        ("a",),
        ("a", "b"),
        ("a", "c.d"),
        ("a", "zz"),
        ("list", 0),
        ("list", 0, "y"),
        ("list", 1),
        ("nowhere",),
        (),
    )
    assert [file.line_of(place) for place in places] == [2, 3, 4, 2, 6, 7, 8, None, None]


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"", "not_a_mapping", 1),
        (b"# nothing\n", "not_a_mapping", 1),
        (b"- a\n- b\n", "not_a_mapping", 1),
        (b"just text", "not_a_mapping", 1),
        (b"a: 1\nb: [1, 2\nc: 3\n", "not_yaml", 3),
        (b"a: 1\n  b: 2\n", "not_yaml", 2),
        (b"a: 'open\n", "not_yaml", 2),
        (b"a: 1\n\tb: 2\n", "not_yaml", 2),
        (b"a: {b: 1}}\n", "not_yaml", 1),
        (b"%PDF-1.7\n", "other_kind", None),
        (b"a: 1\nb: \xff\n", "not_utf8", 2),
        (b"\x89PNG\r\n\x1a\n\0\0", "other_kind", None),
        ("a: 1".encode("utf-16")[:-1], "not_utf8", None),
        ("a: 1".encode("utf-16-le"), "control_character", 1),
        (b"a: 1\nb: \x07\n", "control_character", 2),
        (b"a: \0\n", "control_character", 1),
        (b"a: 1\n---\nb: 2\n", "several_documents", 2),
        (b"a: &x 1\nb: *x\n", "yaml_alias", 2),
        (b"a: &x 1\n*x : 2\n'': 3\n", "yaml_alias", 2),
        (b"a: &x [*x]\n", "yaml_alias", 1),
        (b"a: *nothing\n", "yaml_alias", 1),
        (b"a: 1\nb: !!python/object/apply:os.system [ls]\n", "yaml_tag", 2),
        (b"a: !!int '3'\n", "yaml_tag", 1),
        (b"? [a, b]\n: 1\n", "bad_key", 1),
        (b"a: " + b"[" * 500_000, "too_deep", 1),
        (b"{a: " * 100, "too_deep", 1),
        (b"a: 1\nb:\n" + b"  - 1\n" * 6000, "too_many_values", 4998),
        (b"a: " + b"x" * MOST_BYTES, "file_too_large", None),
    ],
)
def test_what_is_no_mapping_of_plain_values_is_refused(
    tmp_path: Path, content: bytes, code: str, line: int | None
) -> None:
    """With a code, the line, and at once: no input takes seconds."""
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    assert (caught.value.problems[0].code, caught.value.problems[0].line) == (code, line)
    assert str(caught.value).startswith("a.yaml: ")
    assert len(str(caught.value)) < 2000
    assert time.process_time() - started < 30


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    """No file, a directory, a name that cannot be one."""
    for name, code in (("no.yaml", "file_not_found"), (".", "is_a_directory"), ("a\0b", "unreadable_file")):
        with pytest.raises(InputError) as caught:
            read_yaml(tmp_path / name)
        assert [problem.code for problem in caught.value.problems] == [code]


def test_a_key_given_twice_keeps_the_first_and_is_named(tmp_path: Path) -> None:
    """With both lines; what is below the second one does not count."""
    path = tmp_path / "a.yaml"
    path.write_text("a: {x: 1}\nb: 2\na:\n  x: 3\n  y: 4\n", "utf-8")
    file = read_yaml(path)
    assert file.tree == {"a": {"x": "1"}, "b": "2"}
    assert file.line_of(("a", "x")) == 1
    (double,) = file.doubles
    assert (double.path, double.line, double.first_line) == (("a",), 3, 1)
    assert "line 1" in double.problem("a").message


def test_all_aliases_and_tags_are_named_at_once(tmp_path: Path) -> None:
    """A short file that would unfold to gigabytes is refused where it begins to, and everywhere."""
    path = tmp_path / "a.yaml"
    path.write_text("a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]\nd: !x 1\n", "utf-8")
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    assert [(p.line, p.code) for p in caught.value.problems] == [
        (2, "yaml_alias"),
        (2, "yaml_alias"),
        (3, "yaml_alias"),
        (3, "yaml_alias"),
        (4, "yaml_tag"),
    ]


@given(
    st.one_of(st.binary(max_size=60), st.text("ab:-[]{}&*!|>'\"#%@`,? \n\t0~", max_size=60).map(str.encode))
)
def test_no_bytes_end_in_anything_but_a_tree_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Whatever a file holds, a person gets an answer and no traceback."""
    path = tmp_path_factory.mktemp("yaml") / "a.yaml"
    path.write_bytes(content)
    try:
        tree = read_yaml(path).tree
    except InputError as error:
        tree = {"refused": str(error.problems[0])}
    assert isinstance(tree, dict)
