"""The search page: its widgets, and which answer each of them asks for."""

from pathlib import Path
from typing import NamedTuple

import gradio as gr
from gradio.routes import App, ORJSONResponse
from gradio.themes import Default
from gradio.utils import get_upload_folder
from starlette.types import ASGIApp

from apps.access import SameMachineOnly, Uploads
from apps.live_search import cards as search_cards
from apps.live_search.answers import ANY, AUTOMATIC, INSTRUCTION_CHOICES, MOST, NOTHING, POOL, Answers, Catalogue
from core.data.images.file_kinds import PICTURE_SUFFIXES
from workbench.live_search.queries import MAX_TEXT, VIDEO_TYPES

MAX_UPLOAD = "20mb"
MAX_UPLOADS = 200_000_000
"""Bytes of all the uploads that a server keeps on the disk at a time."""
COLUMN_WIDTHS: list[str | int] = ["75px", "75px", "110px", "75px", "125px"]
THEME = Default(primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["monospace"])
STYLE = search_cards.STYLE


class QueryTab(NamedTuple):
    """The widgets for a query of one's own."""

    text: gr.Textbox
    image: gr.File
    preview: gr.HTML
    instruction: gr.Dropdown
    scope: gr.Dropdown
    button: gr.Button


class ExampleTab(NamedTuple):
    """The widgets for a query of the bundle."""

    dataset: gr.Dropdown
    number: gr.Number
    preview: gr.HTML
    scope: gr.Dropdown
    button: gr.Button


def query_tab() -> QueryTab:
    """Return a text, a picture, or both."""
    with gr.Tab("Your query"):
        text = gr.Textbox(
            label="Text", placeholder="a large red circle at the top left on navy", lines=2, max_length=MAX_TEXT
        )
        image = gr.File(
            label="Picture or video", type="binary", file_types=[*PICTURE_SUFFIXES, *VIDEO_TYPES], height=140
        )
        preview = gr.HTML(visible=False)
        instruction = gr.Dropdown(
            list(INSTRUCTION_CHOICES),
            value=AUTOMATIC,
            label="Instruction",
            info="What the model is told to look for.",
        )
        scope = gr.Dropdown([], label="Search among")
        button = gr.Button("Search", variant="primary")
    return QueryTab(text, image, preview, instruction, scope, button)


def example_tab() -> ExampleTab:
    """Return one of the bundle's own queries, whose right answers are known."""
    with gr.Tab("An example"):
        with gr.Row():
            dataset = gr.Dropdown([], label="Data set", scale=3, min_width=120)
            number = gr.Number(1, label="Query", precision=0, minimum=1, scale=2, min_width=90)
        preview = gr.HTML()
        scope = gr.Dropdown([POOL], value=POOL, label="Search among")
        button = gr.Button("Search", variant="primary")
    return ExampleTab(dataset, number, preview, scope, button)


def build_page(catalogue: Catalogue) -> gr.Blocks:
    """Return the page for what a catalogue holds; it looks again each time that somebody opens it."""
    answers = Answers(catalogue)
    with gr.Blocks(title="Live search", analytics_enabled=False, delete_cache=(3600, 3600), fill_width=True) as page:
        welcome = gr.HTML(search_cards.welcome(str(catalogue.root)), visible=False)
        with gr.Row(visible=False) as main:
            with gr.Column(scale=5, min_width=380):
                source = gr.Dropdown([], label="Search in")
                beside = gr.Dropdown([NOTHING], value=NOTHING, label="Beside it")
                query, example = query_tab(), example_tab()
                with gr.Row():
                    kind = gr.Dropdown([ANY], value=ANY, label="Show", scale=3, min_width=120)
                    count = gr.Slider(1, MOST, value=15, step=1, label="Results", scale=4, min_width=150)
            with gr.Column(scale=12):
                head = gr.HTML()
                with gr.Tab("Pictures"):
                    found = gr.HTML(elem_id="found")
                with gr.Tab("Table"):
                    rows = gr.Dataframe(
                        headers=list(search_cards.COLUMNS), interactive=False, wrap=True, column_widths=COLUMN_WIDTHS
                    )
        chosen = [head, query.scope, example.scope, kind, example.dataset, example.number, example.preview, found, rows]
        page.load(answers.load, None, [welcome, main, source, beside, *chosen], api_name="load")
        changed = source.input(answers.choose, source, chosen, api_name="choose", concurrency_id="model")
        wire_query(answers, source, query, [kind, count, beside], [found, rows])
        wire_example(answers, source, example, [kind, count, beside], [found, rows])
        shown = [example.number, example.preview]
        changed.then(answers.show_example, [source, example.dataset, example.number], shown, api_visibility="private")
    return page


def wire_query(
    answers: Answers, source: gr.Dropdown, query: QueryTab, options: list[gr.Component], results: list[gr.Component]
) -> None:
    """Show an upload at once; search by the button, or by Enter in the text."""
    query.image.change(answers.show_upload, query.image, query.preview, api_name="show_upload")
    inputs = [source, query.text, query.image, query.instruction, query.scope, *options]
    gr.on(
        [query.button.click, query.text.submit],
        answers.search_query,
        inputs,
        results,
        api_name="search",
        concurrency_id="model",
    )


def wire_example(
    answers: Answers, source: gr.Dropdown, example: ExampleTab, options: list[gr.Component], results: list[gr.Component]
) -> None:
    """Show the example that is chosen; search by the button."""
    inputs = [source, example.dataset, example.number]
    gr.on(
        [example.dataset.change, example.number.change],
        answers.show_example,
        inputs,
        [example.number, example.preview],
        api_name="show_example",
    )
    example.button.click(
        answers.search_example,
        [*inputs, example.scope, *options],
        results,
        api_name="search_example",
        concurrency_id="model",
    )


class SearchServer(App):
    """Gradio's application for a browser on this computer only. host: the address that it is served on."""

    def __init__(self, host: str) -> None:
        super().__init__(default_response_class=ORJSONResponse)
        self.served_on = host
        self.uploads = Uploads(Path(get_upload_folder()), MAX_UPLOADS)

    def build_middleware_stack(self) -> ASGIApp:
        """Put the check of who asks around everything, Gradio's leave for every page of localhost included."""
        return SameMachineOnly(super().build_middleware_stack(), [self.served_on], self.uploads)


def serve(page: gr.Blocks, host: str, port: int) -> str:
    """Serve the page from a thread and return its address. Nothing is shared, measured or fetched from elsewhere."""
    page.queue(max_size=16, default_concurrency_limit=1)
    name = f"[{host}]" if ":" in host else host  # as it stands in an address
    _, address, _ = page.launch(
        _app=SearchServer(host),
        server_name=name,
        server_port=port,
        share=False,
        prevent_thread_lock=True,
        quiet=True,
        theme=THEME,
        css=STYLE,
        max_file_size=MAX_UPLOAD,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        strict_cors=True,
    )
    return address
