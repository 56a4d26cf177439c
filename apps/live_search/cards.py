"""What the search page shows of items and results, as HTML. Words and file names are data: everything is escaped."""

import base64
import html
from collections.abc import Sequence

from workbench.search.search import Hit, ShownPart

STYLE = """
.search-head h1 {font-size: 1.5rem; margin: 0 0 .2rem 0}
.search-head p, .search-note {opacity: .75; margin: .1rem 0; font-size: .95rem}
.search-problem {border-left: 4px solid #b45309; padding: .4rem .8rem; margin: .3rem 0; font-size: .95rem;
  background: var(--background-fill-secondary); white-space: pre-line}
.search-welcome {max-width: 46rem; margin: 3rem auto; font-size: 1.05rem; line-height: 1.6}
.search-welcome code {white-space: nowrap; background: var(--background-fill-secondary); padding: .15rem .4rem;
  border-radius: 4px}
.search-asked {display: flex; align-items: center; gap: .8rem; flex-wrap: wrap; margin-bottom: .9rem;
  padding: .6rem .8rem; border-radius: 8px; background: var(--background-fill-secondary); font-size: 1.05rem}
.search-asked b {font-weight: 600}
.search-asked img {height: 84px; width: auto; max-width: 100%; border-radius: 4px; margin: 0; object-fit: contain}
.search-cards {display: grid; grid-template-columns: repeat(auto-fill, minmax(160px, 1fr)); gap: .8rem}
.search-card {border: 1px solid var(--border-color-primary); border-radius: 8px; overflow: hidden;
  display: flex; flex-direction: column; background: var(--background-fill-primary)}
.search-card.right {border: 3px solid #15803d}
.search-head-line {display: flex; justify-content: space-between; align-items: baseline; gap: .4rem;
  padding: .4rem .6rem .15rem; font-variant-numeric: tabular-nums; font-size: 1rem}
.search-head-line span {white-space: nowrap}
.search-badge {font-size: .85rem; opacity: .8}
.right .search-badge {opacity: 1; color: #fff; background: #15803d; border-radius: 4px; padding: 0 .4rem;
  font-weight: 600}
.search-bar {height: 4px; margin: 0 .6rem .4rem; background: var(--border-color-primary); border-radius: 2px}
.search-bar span {display: block; height: 100%; border-radius: 2px; background: #2563eb}
.search-tie {font-size: .8rem; padding: 0 .6rem; opacity: .75}
.search-there {font-size: .85rem; padding: 0 .6rem; opacity: .8}
.search-pair {display: grid; grid-template-columns: 1fr 1fr; gap: 1.6rem}
.search-pair h2 {font-size: 1.1rem; margin: 0}
.search-pair .search-cards {grid-template-columns: repeat(auto-fill, minmax(145px, 1fr)); margin-top: .5rem}
.search-body {padding: .2rem .6rem .6rem; display: flex; flex-direction: column; gap: .4rem; flex: 1;
  align-items: center; justify-content: center; text-align: center; overflow-wrap: anywhere}
.search-body img {width: 100%; height: 108px; object-fit: contain; margin: 0; border-radius: 4px}
.search-body span {display: -webkit-box; -webkit-line-clamp: 5; -webkit-box-orient: vertical; overflow: hidden}
.search-gone {padding: 1rem; border: 1px dashed var(--border-color-primary); border-radius: 4px}
"""

WELCOME = """<div class="search-welcome"><h1>Nothing to search yet</h1>
<p>Search needs a trained model and what it embedded: a <b>run</b> with a <b>bundle</b> under <code>{root}</code>.
There is none so far.</p>
<p>To make one, in the project's folder:<br><code>make demo</code><br>It trains a small model in some minutes on this
computer, scores it and writes the bundle. Then reload this page.</p>
<p>For a run that you have:<br><code>python core/eval.py --checkpoint {root}/&lt;run&gt;</code></p>
<p>For your own pictures:<br>
<code>python apps/search.py --folder &lt;pictures&gt; --checkpoint &lt;run&gt;</code></p></div>"""

# Braces, dollars and backticks mean something to the page's templates; as entities they are only characters.
TEMPLATE_SIGNS = str.maketrans({sign: f"&#{ord(sign)};" for sign in "{}$`\\"})


def escaped(text: str) -> str:
    """Return text that shows as its characters, whatever they are."""
    return html.escape(text).translate(TEMPLATE_SIGNS)


def head(title: str, problems: Sequence[str]) -> str:
    """Return the page's title, what is searched, and what stands in the way of it."""
    notes = "".join(f'<div class="search-problem">{escaped(each)}</div>' for each in problems)
    return f'<div class="search-head"><h1>Live search</h1><p>{escaped(title)}</p>{notes}</div>'


def welcome(root: str) -> str:
    """Return the page while there is nothing to search: how to make a run."""
    return WELCOME.format(root=escaped(root))


def note(text: str) -> str:
    """Return a line of explanation."""
    return f'<p class="search-note">{escaped(text)}</p>'


def part(shown: ShownPart) -> str:
    """Return a text, or a picture with its bytes in the page."""
    if shown.kind == "text":
        return f"<span>{escaped(shown.text)}</span>"
    if shown.picture is None:
        return f'<span class="search-gone">this {escaped(shown.kind)} is gone</span>'
    encoded = base64.b64encode(shown.picture).decode()
    return f'<img alt="{escaped(shown.kind)}" src="data:image/webp;base64,{encoded}">'


def asked(label: str, parts: Sequence[ShownPart]) -> str:
    """Return a query, its parts in reading order."""
    return f'<div class="search-asked"><b>{escaped(label)}</b>{"".join(part(each) for each in parts)}</div>'


def cards(hits: Sequence[Hit]) -> str:
    """Return the results as a grid, most similar first."""
    if not hits:
        return note("Nothing to rank: no item of this kind lies in what is searched.")
    return f'<div class="search-cards">{"".join(card(place, hit) for place, hit in enumerate(hits, 1))}</div>'


def places(hits: Sequence[Hit], others: Sequence[Hit]) -> list[int | None]:
    """For each result the place at which another list has the same item; None where it has not."""
    there: dict[tuple[ShownPart, ...], int] = {}
    for place, other in enumerate(others, 1):
        there.setdefault(other.parts, place)
    return [there.get(hit.parts) for hit in hits]


def side_by_side(first: tuple[str, Sequence[Hit]], second: tuple[str, Sequence[Hit]]) -> str:
    """Return two lists of results in two columns; each result says where the other list has it."""
    columns = []
    for (name, hits), (_, others) in ((first, second), (second, first)):
        shared = places(hits, others)
        notes = ["only here" if place is None else f"place {place} there" for place in shared]
        count = sum(place is not None for place in shared)
        title = f"<h2>{escaped(name)}</h2>{note(f'{count} of {len(hits)} found by both')}"
        grid = "".join(card(place, hit, said) for (place, hit), said in zip(enumerate(hits, 1), notes, strict=True))
        columns.append(f'<div>{title}<div class="search-cards">{grid}</div></div>')
    return f'<div class="search-pair">{"".join(columns)}</div>'


def card(place: int, hit: Hit, there: str = "") -> str:
    """Return one result: place, similarity, whether it is right, the item, and where another list has it."""
    other = f'<div class="search-there">{escaped(there)}</div>' if there else ""
    tie = f'<div class="search-tie">{hit.tied} tied, rank {hit.rank:g}</div>' if hit.tied > 1 else ""
    width = 100 * min(1.0, max(0.0, hit.similarity))
    body = "".join(part(each) for each in hit.parts)
    return (
        f'<div class="search-card {verdict(hit) if hit.right else ""}"><div class="search-head-line">'
        f'<span>{place}. {hit.similarity:.3f}</span><span class="search-badge">{verdict(hit)}</span></div>'
        f'<div class="search-bar"><span style="width:{width:.1f}%"></span></div>{tie}{other}'
        f'<div class="search-body">{body}</div></div>'
    )


def verdict(hit: Hit) -> str:
    """Tell whether a result is right: "right", "wrong", or "-" where nobody knows."""
    return {True: "right", False: "wrong", None: "-"}[hit.right]


def table(hits: Sequence[Hit]) -> list[list[str | int | float]]:
    """Return the results as rows of `COLUMNS`."""
    return [
        [place, f"{hit.rank:g}", f"{hit.similarity:.4f}", verdict(hit), hit.modality, hit.text]
        for place, hit in enumerate(hits, 1)
    ]


COLUMNS = ("place", "rank", "similarity", "right", "modality", "text")
