"""A figure with a slider: its frames say everything, so every position looks the same however it is reached."""

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import pytest

from workbench.figures.slider import BELOW, extents, padded, with_slider
from workbench.figures.theme import styled


def still(slope, marks=0, **layout):
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=np.array([0.0, slope]), name="line")
    figure.update_xaxes(range=[-1, 8]).update_yaxes(range=[0, 4])
    figure.add_bar(x=[0, 1], y=[slope, 1], name="bars")
    for place in range(marks):
        figure.add_annotation(x=place, y=slope, text=f"mark {place} of {slope}")
        figure.add_vline(x=place * slope)
    return styled(figure, f"The slope is {slope}", 300).update_layout(**layout)


STILLS = {str(slope): still(slope) for slope in (1, 2, 3)}


def frames(figure):
    return {frame["name"]: frame for frame in figure.to_plotly_json()["frames"]}


def test_there_is_a_frame_and_a_step_a_still_in_order():
    made = with_slider(STILLS, "slope").to_plotly_json()
    assert [frame["name"] for frame in made["frames"]] == ["1", "2", "3"]
    (slider,) = made["layout"]["sliders"]
    assert [step["label"] for step in slider["steps"]] == ["1", "2", "3"]
    assert [step["args"][0] for step in slider["steps"]] == [["1"], ["2"], ["3"]]
    assert {step["method"] for step in slider["steps"]} == {"animate"}
    assert slider["currentvalue"]["prefix"] == "slope = "
    for frame, one in zip(made["frames"], STILLS.values(), strict=True):
        assert frame["traces"] == [0, 1]
        assert frame["layout"]["title"]["text"] == one.layout.title.text
        assert pio.to_json(go.Figure(frame["data"])) == pio.to_json(go.Figure(one.data))


@pytest.mark.parametrize("start", [None, "1", "3"])
def test_the_start_is_what_is_shown_first(start):
    made = with_slider(STILLS, "slope", start)
    first = start or "1"
    assert made.layout.title.text == f"The slope is {first}"
    assert list(made.data[0].y) == [0, int(first)]
    assert made.layout.sliders[0].active == int(first) - 1


def test_the_slider_has_its_own_room():
    made = with_slider(STILLS, "slope", play=True)
    assert made.layout.height == 300 + BELOW
    assert made.layout.margin.b == 10 + BELOW
    assert made.layout.margin.t == 70
    assert STILLS["1"].layout.height == 300, "the stills stay as they are"
    assert not STILLS["1"].layout.sliders


def test_play_buttons_only_where_asked():
    assert not with_slider(STILLS, "slope").layout.updatemenus
    (buttons,) = with_slider(STILLS, "slope", play=True).layout.updatemenus
    assert [button.label for button in buttons.buttons] == ["play", "stop"]
    assert buttons.buttons[0].args[0] is None
    assert list(buttons.buttons[1].args[0]) == [None]


def test_only_what_differs_moves():
    ranged = {str(top): still(2, 0, yaxis_range=[0, top], title_text="same") for top in (1, 5)}
    assert "yaxis" not in next(iter(frames(with_slider(STILLS, "slope")).values()))["layout"]
    made = frames(with_slider(ranged, "top"))
    assert set(made["1"]["layout"]) == {"yaxis"}
    assert made["5"]["layout"]["yaxis"]["range"] == [0, 5]


def test_size_and_template_never_move():
    stills = {"a": still(1), "b": still(1, height=500, margin_t=90, template="plotly_dark", title_text="b")}
    for frame in frames(with_slider(stills, "x")).values():
        assert set(frame["layout"]) == {"title"}


def test_marks_that_are_fewer_are_hidden_not_left_over():
    made = frames(with_slider({"few": still(1, 1), "many": still(2, 3), "none": still(3)}, "marks"))
    for part in ("annotations", "shapes"):
        shown = {name: [mark["visible"] for mark in frame["layout"][part]] for name, frame in made.items()}
        assert shown == {"few": [True, False, False], "many": [True] * 3, "none": [False] * 3}
    assert padded([{"visible": False}], 2) == [{"visible": False}, {"visible": False}]


def test_no_stills_and_an_unknown_start_are_told():
    with pytest.raises(ValueError, match="at least one still"):
        with_slider({}, "slope")
    with pytest.raises(ValueError, match=r"start = '9' is no label of the slider; there are 1, 2, 3"):
        with_slider(STILLS, "slope", "9")


def test_traces_that_do_not_agree_are_told():
    with pytest.raises(ValueError, match=r"still 'b' has traces \['Scatter'\]; the first has \['Scatter', 'Bar'\]"):
        with_slider({"a": still(1), "b": go.Figure(go.Scatter(y=[1]))}, "x")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda figure: figure.update_traces(marker_color="red"), r"data\[0\].marker.color"),
        (lambda figure: figure.update_traces(text=["a", "b"], selector=1), r"data\[1\].text"),
        (lambda figure: figure.update_layout(title_font_color="red"), r"layout.title.font.color"),
        (lambda figure: figure.update_xaxes(dtick=1), r"layout.xaxis.dtick"),
        (lambda figure: figure.update_layout(barmode="stack"), r"layout.barmode"),
    ],
)
def test_what_one_still_leaves_unsaid_is_told(change, path):
    stills = {"plain": still(1), "changed": change(still(2))}
    with pytest.raises(ValueError, match=rf"still 'plain' does not say {path}, which 'changed' sets"):
        with_slider(stills, "x")


def line(top, **axis):
    return styled(go.Figure(go.Scatter(x=[0, 1], y=[0, top])), f"up to {top}").update_yaxes(**axis)


def test_what_would_lie_out_of_view_is_told():
    with pytest.raises(
        ValueError, match=r"still '5' reaches from 0 to 5 on its yaxis, which has no range and shows 0 to 2"
    ):
        with_slider({"2": line(2), "5": line(5)}, "top")
    assert with_slider({"2": line(2), "5": line(5)}, "top", start="5").frames
    assert with_slider({"2": line(2, range=[0, 5]), "5": line(5, range=[0, 5])}, "top").frames
    assert with_slider({"2": line(2, range=[0, 2]), "5": line(5, range=[0, 5])}, "top").frames, "the axis moves too"
    assert with_slider({"2": line(2), "2.1": line(2.09)}, "top").frames, "plotly leaves some room"


def test_extents_are_of_numbers_on_their_own_axes():
    figure = go.Figure(
        [go.Bar(x=["a", "b"], y=[2.0, 3.0]), go.Scatter(x=[1, np.nan, np.inf], y=[5, 6, -7], yaxis="y2")]
    )
    assert extents(figure) == {"yaxis": (0.0, 3.0), "xaxis": (1.0, 1.0), "yaxis2": (-7.0, 6.0)}
    assert extents(go.Figure([go.Heatmap(z=[[1, 2]]), go.Pie(values=[1])])) == {}


@pytest.fixture(scope="module")
def page(chromium, tmp_path_factory):
    stills = {"few": still(1, 1), "many": still(2, 3), "none": still(3)}
    file = tmp_path_factory.mktemp("page") / "figure.html"
    file.write_text(
        pio.to_html(with_slider(stills, "marks", play=True), include_plotlyjs=True, auto_play=False, div_id="figure")
    )
    page = chromium.new_page(viewport={"width": 700, "height": 600})
    page.goto(file.as_uri())
    page.wait_for_selector(".slider-group")
    yield page
    page.close()


SEEN = """() => [document.querySelector('.gtitle').textContent,
  [...document.querySelectorAll('.annotation')].map(mark => mark.textContent).filter(text => text != ''),
  document.querySelectorAll('.shapelayer path').length]"""


@pytest.mark.slow
def test_every_position_looks_the_same_however_it_is_reached(page):
    expected = {
        "few": ["The slope is 1", ["mark 0 of 1"], 1],
        "many": ["The slope is 2", ["mark 0 of 2", "mark 1 of 2", "mark 2 of 2"], 3],
        "none": ["The slope is 3", [], 0],
    }
    for label in ("many", "none", "few", "none", "many", "few"):
        page.locator(".slider-label", has_text=label).click(force=True)
        page.wait_for_function(
            "title => document.querySelector('.gtitle').textContent == title", arg=expected[label][0]
        )
        page.wait_for_timeout(100)
        assert page.evaluate(SEEN) == expected[label]


@pytest.mark.slow
def test_slider_and_buttons_cover_neither_axis_nor_each_other(page):
    box = (
        "selector => { const b = document.querySelector(selector).getBoundingClientRect();"
        " return [b.left, b.top, b.right, b.bottom] }"
    )
    axis, slider, buttons = (
        page.evaluate(box, selector) for selector in (".xtick:last-of-type", ".slider-group", ".updatemenu-container")
    )
    assert axis[3] < slider[1]
    assert axis[3] < buttons[1]
    assert buttons[2] < page.evaluate(box, ".slider-rail-rect")[0]
    assert slider[2] <= 700
    assert slider[3] <= 300 + BELOW + 10
