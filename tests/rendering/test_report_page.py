"""A report as a page: what it says is what it is given, escaped, in the same bytes every time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from functools import cache
from html.parser import HTMLParser

import pytest

from demo_pipeline.domain.core.figures import METRICS, FiguresByMonth, figure_text
from demo_pipeline.domain.heroes.talk_track import talk_track
from demo_pipeline.domain.scorecard.catalogue import MEASURES
from demo_pipeline.domain.scorecard.measure import Figure, Range, Score
from demo_pipeline.rendering.report_page import overview_page, tenant_page
from demo_pipeline.rendering.report_plots import short_number, tenant_plots
from demo_pipeline.rendering.report_story import story
from demo_pipeline.services.scorecard.score import Scorecard
from demo_pipeline.services.tenants.report import MonthClosings, Overview, TenantOverview, TenantReport
from demo_pipeline.services.tenants.verify import VERIFIED, Check, Finding, Verdict
from tests.builders.reports import HOSTILE, empty_report, report_of

MOST_BYTES = 2_000_000
#: elements without an end
VOID = {"meta", "br", "link"}
REPORTS = {
    "twelve months": report_of(),
    "one month": report_of(month_count=1),
    "no rows": empty_report(),
}
every_report = pytest.mark.parametrize("name", REPORTS)


@cache
def page_of(name: str) -> str:
    """The page of a report; drawing one takes half a second."""
    return tenant_page(REPORTS[name])


class Page(HTMLParser):
    """The elements of a page, with their text; a page whose elements do not close is refused."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open = list[str]()
        self.found = list[tuple[str, dict[str, str | None]]]()
        self.text = list[str]()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of that name."""
        return [attributes for name, attributes in self.found if name == tag]


def overview_of(*reports: TenantReport) -> Overview:
    """The overview of tenants ``t0``, ``t1`` and so on."""
    return Overview(
        as_of=reports[0].as_of,
        tenants=tuple(
            TenantOverview(
                slug=f"t{place}",
                verdict=report.verdict,
                spec=report.spec,
                end_month=report.end_month,
                freshness=report.freshness,
                months=report.months,
            )
            for place, report in enumerate(reports)
        ),
    )


@every_report
def test_a_page_is_whole_small_and_needs_nothing_else(name: str) -> None:
    """Elements close, nothing is loaded from anywhere, no script, ids are unique, less than 2 MB."""
    text = page_of(name)
    page = Page(text)
    assert len(text.encode()) < MOST_BYTES
    assert not page.all("script") + page.all("link") + page.all("iframe") + page.all("img")
    for _, attributes in page.found:
        assert not {name for name in attributes if name.startswith("on") or name in {"src", "srcset"}}
        address = attributes.get("href") or attributes.get("xlink:href") or "#"
        assert address.startswith("#"), address
    assert "url(http" not in text
    named = [attributes for tag, attributes in page.found if tag in {"title", "desc", "h2"}]
    ids = [attributes["id"] for attributes in named if "id" in attributes]
    assert len(ids) == len(set(ids))
    policies = [one["content"] for one in page.all("meta") if "http-equiv" in one]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


@every_report
def test_every_picture_has_a_name_a_description_and_its_figures(name: str) -> None:
    """Each is an image with a title and a sentence; figures that are no KPI are in a table of their own."""
    text = page_of(name)
    page = Page(text)
    pictures = [one for one in page.all("svg") if one.get("class") != "bars"]
    count = 0 if name == "no rows" else len(METRICS) + 4
    assert [len(pictures), len(page.all("figcaption")), len(page.all("figure"))] == [count] * 3
    assert len(page.all("details")) == (4 if count else 0)
    named = {one["id"] for one in (*page.all("title"), *page.all("desc")) if "id" in one}
    for picture in pictures:
        assert picture["role"] == "img"
        assert set(str(picture["aria-labelledby"]).split()) <= named
    assert "matplotlib" not in text.lower()


def test_the_figures_of_the_page_are_those_of_the_report() -> None:
    """Every figure of every month and the totals are in the table of KPIs; off target, the target as well."""
    report = report_of(month_count=3)
    first = min(report.months)
    missed = replace(report.months[first], deals_created=report.months[first].deals_created + 1)
    shown = Page(tenant_page(replace(report, expected=report.expected | FiguresByMonth({first: missed}))))
    text = " ".join(" ".join(shown.text).split())
    for month, figures in report.months.items():
        row = " ".join(figure_text(name, figures[name], report.currency) for name in METRICS)
        note = " running" if month == report.running_month else ""
        if month == first:
            deals = figures.deals_created
            row = row.replace(f" {deals} ", f" {deals} target {missed.deals_created} ", 1)
        assert f"{month}{note} {row}" in text
    total = " ".join(figure_text(name, report.months.total[name], report.currency) for name in METRICS)
    assert f"total {total}" in text
    assert "1 month off target." in text


def test_the_same_data_give_the_same_bytes() -> None:
    """Neither the hashes of a process nor a user's settings of the plotting library change the page."""
    program = (
        "import sys\n"
        "from demo_pipeline.rendering.report_page import tenant_page\n"
        "from tests.builders.reports import report_of\n"
        "import matplotlib; matplotlib.rcParams['axes.facecolor'] = 'red'\n"
        "sys.stdout.buffer.write(tenant_page(report_of()).encode())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode() == page_of("twelve months")


def test_hero_accounts_are_on_the_page() -> None:
    """A heading and five sentences each; kinds without an account are named with the reason."""
    page = " ".join(Page(page_of("twelve months")).text)
    for account in REPORTS["twelve months"].heroes.accounts:
        for sentence in talk_track(account):
            assert sentence in page
    assert "Big win at risk: Kranz Logistik" in page
    empty = " ".join(Page(page_of("no rows")).text)
    assert "No account for comeback, big win at risk and upsell: " in empty


def test_text_of_the_database_is_escaped() -> None:
    """Markup and template code of names is shown as text; what reverses writing is shown as an escape."""
    report = report_of(text=HOSTILE)
    finding = Finding(check=Check.LIFE_CYCLES, message=HOSTILE)
    report = replace(report, verdict=Verdict(tenant="t", findings=(finding,), pending=(), notes=(HOSTILE,)))
    plain = Page(page_of("twelve months"))
    pages = [tenant_page(report), overview_page(overview_of(report), {})]
    for text in pages:
        page = Page(text)
        assert not page.all("script")
        assert "\u202e" not in text
        assert "{{ 7 * 7 }}" in text
        shown = "".join(page.text)
        assert (
            "<script>alert(1)</script> & \"Söhne\" 'x' \\u202eevil\\u202c {{ 7 * 7 }} </title></svg>" in shown
        )
    assert [tag for tag, _ in Page(pages[0]).found if tag == "svg"] == [
        tag for tag, _ in plain.found if tag == "svg"
    ]


def test_every_check_is_on_the_page_with_what_it_found() -> None:
    """A check without findings has passed; months that are not loaded are named."""
    report = empty_report()
    finding = Finding(check=Check.DRIFT, message="2021-01 deals: 1 instead of 2")
    report = replace(report, verdict=replace(report.verdict, findings=(finding,)))
    text = " ".join(" ".join(Page(tenant_page(report)).text).split())
    assert "✗ checked: 1 finding" in text
    assert "✗ no drift: 1 finding 2021-01 deals: 1 instead of 2" in text
    assert text.count("✓") == len(VERIFIED) - 1
    assert "Not loaded yet, 3 months: 2021-01 to 2021-03." in text


def test_an_overview_has_a_line_for_each_tenant() -> None:
    """State, drift, totals, bars, and a link to the tenant's page where there is one, else the command."""
    drifted = [
        Finding(check=Check.DRIFT, message="less", month="2021-01", metric=metric)
        for metric in ("deals_created", "leads_created")
    ]
    other = replace(report_of(), verdict=Verdict(tenant="t1", findings=tuple(drifted), pending=()))
    overview = overview_of(report_of(), other, empty_report())
    unreadable = Finding(check=Check.DOCUMENTS, message="the plan is unreadable")
    broken = TenantOverview(
        slug="t3",
        verdict=Verdict(tenant="t3", findings=(unreadable,), pending=()),
        spec=None,
        end_month=None,
        freshness=None,
        months=FiguresByMonth(),
    )
    page = Page(overview_page(replace(overview, tenants=(*overview.tenants, broken)), {"t0": "t0.html"}))
    assert {one["href"] for one in page.all("a")} == {"t0.html"}
    text = " ".join(" ".join(page.text).split())
    assert "demo-pipeline report t1 -o t1.html" in text
    assert "2 findings drift in 1 month" in text
    assert "living, fresh" in text
    assert "not loaded: 3 months: 2021-01 to 2021-03" in text
    assert "t3: 1 finding the plan is unreadable" in text
    bars = [one for one in page.all("svg") if one.get("class") == "bars"]
    assert len(bars) == 3 * 3
    assert "There is no demo tenant yet" in overview_page(replace(overview, tenants=()), {})


# -- the story -------------------------------------------------------------------------------------------


def test_the_story_is_made_of_the_figures() -> None:
    """Growth from the first to the last month that is over, the best month, win rate, pipeline, work."""
    assert "\n".join(story(report_of())).replace("\u00a0", " ") == (
        "From January 2021 to December 2021 Kranz Logistik gained 678 contacts at 66 companies and opened "
        "174 deals.\n"
        "New contacts a month went from 40 in January 2021 to 70 in November 2021, 75 % more.\n"
        "The best month was December 2021: 4 deals opened then were won, worth 12,455.67 EUR.\n"
        "Of 210 closed deals 78 were won, a win rate of 37 %.\n"
        "A won deal is worth 3,100.16 EUR on average; half of the won deals close within 34 days.\n"
        "4 deals are still open, worth 1,234.56 EUR; by the probability of each, 65.43 EUR can be expected.\n"
        "The team logged 1,621 activities; the busiest hour of the week is Wednesday from 16:00 to 16:59 "
        "local time."
    )


def test_one_of_something_is_singular() -> None:
    """One deal is open, one was won, and a cycle of less than a day is a day."""
    [month] = report_of(month_count=1).months
    report = report_of(
        month_count=1,
        closings={month: MonthClosings(won_count=1)},
        median_cycle=timedelta(hours=2),
        activity_hours={(4, 8): 1},
        open_stages=(replace(report_of().open_stages[0], count=1),),
    )
    sentences = " ".join(story(report))
    assert "In January 2021 Kranz Logistik gained 40 contacts at 0 companies and opened 9 deals." in sentences
    assert "Of 1 closed deal 1 was won" in sentences
    assert "half of the won deals close within a day." in sentences
    assert "1 deal is still open" in sentences
    assert "The team logged 1 activity;" in sentences
    assert "New contacts a month" not in sentences


def test_a_tenant_without_rows_has_no_story_and_no_picture() -> None:
    """The page says so and does not invent anything."""
    assert story(empty_report()) == ("Kranz Logistik has no rows yet.",)
    assert tenant_plots(empty_report()) == ()


# -- pictures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (0.25, "0.25"), (7, "7"), (999, "999"), (1000, "1k"), (1250, "1.25k"), (20_000, "20k"),
        (1_500_000, "1.5M"), (3e9, "3B"), (2e12, "2T"), (10**15, "1.0e+15"),
    ],
)  # fmt: skip
def test_numbers_of_axes_are_short(number: float, text: str) -> None:
    """Three digits that count, with a suffix."""
    assert short_number(number) == text


def test_a_scorecard_is_a_section_of_its_own() -> None:
    """Counts, what is outside its range, and all measures; a page without a scorecard has no such section."""
    assert "How believable it is" not in page_of("one month")
    measured = [measure for measure in MEASURES if measure.name in {"in_london", "benford", "reachable_mail"}]
    figures = (Figure(0.02, 900), Figure(0.0, 50, HOSTILE), None)
    scores = tuple(
        Score(measure=measure, expected=expected, figure=figure, size=50)
        for measure, expected, figure in zip(
            measured, (Range(high=0.015), Range(high=0.0), Range(0.17, 0.33)), figures, strict=True
        )
    )
    report = report_of(month_count=1)
    page = tenant_page(
        replace(report, scorecard=Scorecard(tenant=HOSTILE, as_of=report.as_of, scores=scores))
    )
    text = " ".join(Page(page).text)
    assert "1 green, 1 red, 1 not measured" in text
    assert text.count("mean deviation of first digits from Benford's law") == 2
    assert text.count("companies in London") == 1
