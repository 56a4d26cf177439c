"""What to show while there is nothing to look into: what this is, how to begin, and how far the training is."""

from pathlib import Path

import streamlit as st

from apps.views.address import go_to, put
from apps.views.captions import escaped
from workbench.bundles.bundle import Bundle
from workbench.runs import jobs
from workbench.runs.runs import Run, list_runs, read_run

REFRESH = 2.0


def show_welcome(root: Path) -> None:
    """Return the page of an empty root folder."""
    st.title("Nothing trained yet")
    st.markdown(
        "This explorer looks into embedding models that turn text, images and video into vectors: which wrong answers "
        "fool a model, and what each pair weighs in its loss.  \n"
        "It shows the runs and evaluations that training writes to a folder; there are none in the folder below.  \n"
        "The quickest way to one is the miniature: a small but real model, trained on generated pictures on this "
        "machine, in a few minutes."
    )
    st.code(str(root), language=None)
    if (root / "bundles").is_dir() or (root / "checkpoints").is_dir():
        st.info("That folder is itself a run. Start the explorer with the folder above it as --root.")
    offer_training(root)


def offer_training(root: Path) -> None:
    """Return a button that starts the miniature training, or its progress where it has been started."""
    job = jobs.state(root)
    if job is None or job.failed:
        st.button("Train the miniature on this machine", type="primary", on_click=start, args=(root,), key="start")
    if error := st.session_state.pop("start-error", None):
        st.error(f"It could not be started. {escaped(error)}")
    if job is not None:
        show_progress(root)


def start(root: Path) -> None:
    """Return the button's callback."""
    try:
        jobs.start(root)
    except (jobs.AlreadyRunning, OSError) as error:
        st.session_state["start-error"] = str(error)


@st.fragment(run_every=REFRESH)
def show_progress(root: Path) -> None:
    """Say where the started training stands, refreshed every two seconds."""
    job = jobs.state(root)
    run = next((run for run in list_runs(root) if run.name == jobs.NAME), None)
    if job is None:
        return
    if run is not None:
        show_bar(run)
    elif job.running:
        st.progress(0.0, text="Starting: the first step comes after half a minute or so.")
    if job.failed:
        st.error("The training stopped before it was done. The last lines of its log say why:")
    elif not job.running and run is not None and run.bundles:
        st.success("Trained and evaluated.")
        if st.button("Look at the result", type="primary", key="result"):
            put({"run": jobs.NAME, "bundle": "", "view": ""})
            st.rerun(scope="app")
    elif job.running and run is not None and run.state == "finished":
        st.info("Trained. Now it is being evaluated ...")
    with st.expander(f"Log: {jobs.log_path(root)}", expanded=job.failed):
        st.code(job.tail, language=None)


def show_bar(run: Run) -> None:
    """Return steps done, pairs a second and time left."""
    planned = run.planned or max(1, run.done)
    rate = run.last.get("pairs_per_second")
    words = [f"Step {run.done} of {run.planned if run.planned is not None else 'an unknown number'}"]
    if rate:
        words.append(f"{rate:.0f} pairs a second")
    if run.seconds_left and run.state == "running":
        words.append(f"about {duration(run.seconds_left)} left")
    st.progress(min(1.0, run.done / planned), text=", ".join(words))
    if run.metrics:
        for column, (label, field, form) in zip(st.columns(3), NUMBERS, strict=True):
            value = run.last.get(field)
            column.metric(label, "not logged" if value is None else format(value, form))


NUMBERS = (
    ("Loss", "loss", ".3f"),
    ("Margin to the hardest", "margin", "+.3f"),
    ("Learning rate", "learning_rate", ".2g"),
)


def duration(seconds: float) -> str:
    """Return a time in minutes and seconds."""
    return f"{int(seconds) // 60} min {int(seconds) % 60} s" if seconds >= 60 else f"{max(1, int(seconds))} s"


def show_unevaluated(root: Path, run: Run) -> None:
    """Return the page of a run without a bundle: its state, and what to do next."""
    st.title(run.name)
    if run.name == jobs.NAME and (job := jobs.state(root)) is not None and not job.failed:
        show_progress(root)
        return
    if run.state == "running":
        st.info("This run is training. When it is done, evaluate it to see more.")
        follow(root, run.folder)
        return
    if run.problem:
        st.warning(f"This run is half-written: {escaped(run.problem)}.")
    show_bar(run)
    if run.state != "finished" and run.planned is not None:
        st.markdown("It stopped before its last step. To go on with it, type:")
        st.code(run.resume_command, language="sh")
    if run.checkpoints:
        st.markdown(f"It has not been evaluated. To evaluate its checkpoint of step {run.checkpoints[-1].step}, type:")
        st.code(run.evaluate_command, language="sh")
    elif run.planned is None:
        st.markdown("There is nothing in it that could be shown or gone on with; it can be deleted.")
    if run.name == jobs.NAME:
        offer_training(root)


@st.fragment(run_every=REFRESH)
def follow(root: Path, folder: Path) -> None:
    """Return the progress of a run that somebody else started."""
    run = read_run(folder)
    show_bar(run)
    if run.state != "running" or run.bundles:
        st.rerun(scope="app")


def show_unpaired(bundle: Bundle) -> None:
    """Return the page of a view that needs queries with right answers, for vectors that came without."""
    st.title(f"{len(bundle.items):,} items, no pairs")
    st.markdown(
        "These vectors were imported without pairs of queries and right answers, so there is nothing to score.  \n"
        "**Map** and **Items** (neighbours, doubles, search by words) work as they are. For the rest, import them "
        "again with a table of pairs (columns `query` and `positive`, ids of items), or, where each row of the items "
        "has both a text and a picture, with `--queries_from text --targets_from image`:"
    )
    suite, out = bundle.manifest["suite"], bundle.folder.parents[1]
    vectors = suite.get("embeddings", "...")
    files = f"--embeddings {vectors} --items {suite.get('items', vectors)} --pairs pairs.csv"
    st.code(f"python core/import_embeddings.py {files} --out {out} --name paired", language="sh")
    with st.container(horizontal=True):
        st.button("Look: Map", type="primary", on_click=go_to, args=("map", {}), key="go-map")
        st.button("Look: Items", on_click=go_to, args=("items", {}), key="go-items")
