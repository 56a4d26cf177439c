"""What is wrong, how many failures each fault explains, and what would help: tried now, or as a command."""

import pandas as pd
import streamlit as st

from apps.views import cached
from apps.views.address import go_to, put
from apps.views.captions import escaped
from apps.views.choose import VIEWS
from apps.views.export import download_table
from apps.views.looking import Against, Looking
from apps.views.overview_cards import ALL_SETS, all_pass
from core.evaluation.metrics import PairedDifference
from workbench.measures.finding import Finding, Measured, percent
from workbench.measures.findings_of_answers import distribution_known
from workbench.measures.prescriptions import Examined
from workbench.runs.proposals import Proposal, arguments, commands, propose, runs_with
from workbench.runs.table import evaluation


def show_findings(looking: Looking, found: Examined) -> None:
    """Say what is wrong, by the failures that it explains."""
    st.markdown("##### What is wrong")
    if not found.findings:
        st.success("Nothing stands out.")
        return
    st.caption(
        "By the share of the failures that each explains; a query may fail by several. A failure is a query whose "
        "first answer is not surely right."
    )
    for number, finding in enumerate(found.findings):
        with st.container(border=True, gap="xxsmall"):
            st.markdown(f"**{escaped(share_words(looking, found, finding))}**")
            st.markdown(escaped(finding.text))
            for each in finding.measured:
                st.markdown(f"Tried now: **{escaped(each.name)}** ({escaped(each.what)}). {change_words(each.change)}")
            show_proposal(looking, finding, number)
            st.button(
                f"Look: {VIEWS[finding.view][0]}",
                key=f"finding-{number}",
                on_click=go_to,
                args=(finding.view, finding.state),
                type="tertiary",
                icon=":material/arrow_forward:",
            )


def share_words(looking: Looking, found: Examined, finding: Finding) -> str:
    """Say how many failures a finding explains, and of which: "36.8 % of all 480 failures (177 queries)"."""
    if not finding.base:
        return "No query fails"
    failing = int((looking.bundle.rankings["hit"].to_numpy()[looking.queries] < 1).sum())
    base = f"all {finding.base:,} failures" if all_pass(looking) else f"the {finding.base:,} failures looked at"
    if finding.base != failing:
        base = f"the {finding.base:,} failures in an even sample of {found.pools:,} of {found.queries:,} queries"
    return f"{percent(finding.share)} of {base} ({finding.failures:,} queries)"


def change_words(change: PairedDifference) -> str:
    """Say what a cure changes: P@1 before and after, and the paired difference with its interval."""
    return (
        f"P@1 {percent(change.before)} -> {percent(change.after)}: **{100 * change.value:+.1f} points** "
        f"({100 * change.low:+.1f} to {100 * change.high:+.1f}, paired 95 % interval, {change.n:,} queries; "
        f"{change.gains:,} better, {change.losses:,} worse)."
    )


def show_proposal(looking: Looking, finding: Finding, number: int) -> None:
    """Say what to train with, as a command where the run's settings are known, and what runs with it have reached."""
    run = looking.run
    concerned = finding.datasets
    if concerned and distribution_known(looking.bundle):
        trained = looking.bundle.rankings.loc[looking.bundle.rankings["in_distribution"], "dataset"].unique()
        concerned = tuple(name for name in concerned if name in trained)
    elif concerned:
        concerned = ()
    proposal = propose(finding.cause, run.settings, concerned)
    if proposal is None:
        st.caption(escaped(finding.note))
        return
    st.markdown(f"To train with: {escaped(proposal.why)} ({escaped(' '.join(arguments(proposal)))}).")
    if run.settings:
        st.code("\n".join(commands(run, proposal)), language="sh", wrap_lines=True)
        show_runs_with(looking, proposal, number)
    else:
        st.caption("How this model was trained is not known here; the setting is one of core/train.py.")
    st.caption(escaped(finding.note))


def show_runs_with(looking: Looking, proposal: Proposal, number: int) -> None:
    """Say what runs reached that differ from this one by the proposed setting alone."""
    own = evaluation(looking.bundle.folder)
    for place, run in enumerate(runs_with(looking.run, looking.runs, proposal)):
        same = [folder for folder in run.bundles if folder.name == looking.bundle.folder.name]
        for folder in same:
            name = f"{run.name}/{folder.name}"
            there = evaluation(folder)
            if "P@1 all" not in own or "P@1 all" not in there:
                continue
            st.markdown(
                f"A run that differs in this alone: **{escaped(run.name)}**, P@1 {interval_words(there)}, this one "
                f"{interval_words(own)}."
            )
            if looking.against is not None and looking.against.name == name:
                show_change(looking, looking.against)
            else:
                st.button(
                    "Show the paired difference", key=f"with-{number}-{place}", type="tertiary",
                    icon=":material/compare_arrows:", on_click=put, args=({"against": name},),
                )  # fmt: skip


def show_change(looking: Looking, against: Against) -> None:
    """Say what a training with the cure changed, on the queries that are looked at and both evaluations have."""
    bundle, other = looking.bundle, against.bundle
    found = cached.matches(bundle.digest, other.digest, bundle, other).among(looking.queries)
    if len(found.own):
        key = f"{looking.key} {ALL_SETS}"
        st.markdown(
            f"What it changed: {change_words(cached.difference(key, other.digest, bundle, other, found).turned)}"
        )


def interval_words(row: dict[str, object]) -> str:
    """Return P@1 over all data sets with its interval."""
    value, low, high = (100 * float(str(row[f"P@1 all{end}"])) for end in ("", " low", " high"))
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"


def show_cures(looking: Looking, found: Examined) -> None:
    """Return what could be changed without training, each tried on the stored vectors."""
    st.markdown("##### Without training")
    table = cure_table(cached.cures(looking.key, looking.bundle, looking.queries))
    shown = table.copy()
    for name in ("before", "after", "change", "low", "high"):
        shown[name] = 100 * shown[name]
    points = st.column_config.NumberColumn(format="%+.1f")
    st.dataframe(
        shown,
        hide_index=True,
        column_config={
            "before": st.column_config.NumberColumn("P@1 before", format="%.1f %%"),
            "after": st.column_config.NumberColumn("P@1 after", format="%.1f %%"),
            "change": st.column_config.NumberColumn("change, points", format="%+.1f"),
            "low": points,
            "high": points,
        },
    )
    sample = f"an even sample of {found.pools:,} of {found.queries:,} queries" if found.pools < found.queries else ""
    st.caption(
        "Each is tried on the stored vectors, on the same queries before and after; low and high are the paired 95 % "
        f"bootstrap interval of the change. {sample and f'Over {sample}. '}CSLS and centring take their means from the "
        "queries that are ranked; a search would take them from earlier ones."
    )
    download_table(table, "cures", "cures")


def cure_table(cures: list[Measured]) -> pd.DataFrame:
    """Return cures as a table, P@1 in [0, 1]."""
    rows = [
        {
            "cure": each.name,
            "before": each.change.before,
            "after": each.change.after,
            "change": each.change.value,
            "low": each.change.low,
            "high": each.change.high,
            "better": each.change.gains,
            "worse": each.change.losses,
            "queries": each.change.n,
            "what": each.what,
        }
        for each in cures
    ]
    return pd.DataFrame(rows)
