"""The report of a run: one HTML file that holds everything and opens offline."""

import base64
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.figures import SavedFigure, by_likelihood
from experiments.report.cycles import cycles_section
from experiments.report.style import SCRIPT, STYLE
from experiments.runs.directory import Run, write_text


class Quantity(NamedTuple):
    """What a column of `models.csv` holds, in HTML."""

    symbol: str
    unit: str
    meaning: str


QUANTITIES = {
    "model": Quantity("model", "", "number of the model, counted from 0"),
    "log_likelihood": Quantity(
        "<i>L</i>", "nats", "mean log-probability of a data point after training"
    ),
    "entropy_production_rate": Quantity(
        "<i>σ</i>",
        "nats per double&nbsp;step",
        "entropy production rate of the latent chain",
    ),
    "relaxation_time": Quantity(
        "<i>τ</i>",
        "double steps",
        "relaxation time, −1 / ln |λ₂| of the latent kernel M",
    ),
    "mean_self_transition": Quantity(
        "⟨<i>M<sub>zz</sub></i>⟩",
        "",
        "mean probability of returning to the same latent state",
    ),
    "kl_divergence": Quantity(
        "KL", "nats", "divergence of the model's classes from those of the data"
    ),
    "min_occupancy": Quantity(
        "min <i>p̄</i>", "", "stationary probability of the rarest latent state"
    ),
    "entropy_production_rate_counts": Quantity(
        "<i>σ</i> counted",
        "nats per double&nbsp;step",
        "the same rate from transitions counted on one long chain",
    ),
    "one_way_pairs": Quantity(
        "one-way pairs", "", "pairs of latent states counted in one direction only"
    ),
}
SUMMARISED = (
    "log_likelihood",
    "entropy_production_rate",
    "relaxation_time",
    "mean_self_transition",
    "kl_divergence",
)


def write_report(run: Run, figures: Sequence[SavedFigure], path: Path) -> None:
    """Write the report of a run with its figures inside, and no reference outside."""
    write_text(path, _page(run, figures))


def _page(run: Run, figures: Sequence[SavedFigure]) -> str:
    count = len(run.models["model"])
    dataset = escape(str(run.config.get("dataset", "unnamed data")))
    models = "1 model" if count == 1 else f"{count} models"
    sections = {
        "Results": f"{_headline(run)}\n{_quartiles(run)}",
        "Figures": "".join(map(figure_block, figures)),
        "Cycles": cycles_section(run),
        "Models": _models(run),
        "Settings": settings_table(run.config),
    }
    return document(
        "Nonequilibrium latent cycles",
        f"{models.capitalize()} of {dataset}",
        _explanation(run),
        {name: content for name, content in sections.items() if content},
    )


def document(kicker: str, heading: str, lead: str, sections: Mapping[str, str]) -> str:
    """A whole report page: its head, the lead below the heading, and the sections."""
    body = "".join(
        f"""<section aria-labelledby="{name.lower()}">
<h2 id="{name.lower()}">{name}</h2>
{content}
</section>
"""
        for name, content in sections.items()
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{kicker}: {heading}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<header>
<p class="kicker">{kicker}</p>
<h1>{heading}</h1>
<p>{lead}</p>
</header>
{body}</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _explanation(run: Run) -> str:
    text = (
        "Each model is a Markov chain that alternates between visible states x and "
        "latent states z, trained to give the data a high log-likelihood <i>L</i> "
        "(the mean log-probability of a data point, in nats; higher is better). "
        "Its entropy production rate <i>σ</i>, in nats per double step x → z → x, "
        "measures how far from equilibrium it runs: a reversible chain has <i>σ</i> = "
        "0. The relaxation time <i>τ</i>, in double steps, says how long the chain "
        "remembers its latent state."
    )
    if "kl_divergence" in run.models:
        text += (
            " KL, in nats, compares the classes of what the model generates with those "
            "of the data: 0 if their frequencies agree."
        )
    return text


def _headline(run: Run) -> str:
    best = int(by_likelihood(run)[0])
    count = len(run.models["model"])
    num_states = run.arrays["latent_kernel"].shape[-1]
    fewer = int(np.sum(run.models["mean_self_transition"] < 1 / num_states))
    numbers = [
        (
            "best <i>L</i>",
            _typeset("log_likelihood", run.models["log_likelihood"][best]),
            f"nats, model {run.models['model'][best]}",
        ),
        *(
            (
                f"median {QUANTITIES[name].symbol}",
                _typeset(name, quantiles(run.models[name])[2]),
                QUANTITIES[name].unit,
            )
            for name in ("log_likelihood", "entropy_production_rate", "relaxation_time")
        ),
        (
            "self-transition below 1/<i>S</i>",
            f"{fewer} of {count}",
            f"models; <i>S</i> = {num_states} latent states",
        ),
    ]
    items = "".join(
        f"<div><dt>{label}</dt>"
        f'<dd><span class="number">{value}</span> {unit}</dd></div>'
        for label, value, unit in numbers
    )
    return f'<dl class="headline">{items}</dl>'


def quantiles(values: np.ndarray) -> list[float]:
    """Minimum, quartiles and maximum of the defined values; all nan without any.

    With infinite values they are not interpolated between neighbours.
    """
    defined = np.sort(values[~np.isnan(values)].astype(float))
    if not defined.size:
        return [np.nan] * 5
    method = "linear" if np.isfinite(defined).all() else "nearest"
    return np.quantile(defined, (0, 0.25, 0.5, 0.75, 1), method=method).tolist()


def _quartiles(run: Run) -> str:
    rows = []
    for name in SUMMARISED:
        if name in run.models:
            cells = "".join(
                f"<td>{_typeset(name, value)}</td>"
                for value in quantiles(run.models[name])
            )
            rows.append(f'<tr><th scope="row">{_heading(name)}</th>{cells}</tr>')
    names = ("minimum", "lower quartile", "median", "upper quartile", "maximum")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return f"""<div class="scroll" role="region" aria-label="Quartiles" tabindex="0">
<table class="numbers">
<caption>Distribution over the models</caption>
<thead><tr><td></td>{head}</tr></thead>
<tbody>{"".join(rows)}</tbody>
</table>
</div>"""


def figure_block(figure: SavedFigure) -> str:
    """A figure with its caption, the image inside."""
    png = figure.png.read_bytes()
    # The size of an image stands at a fixed place of its PNG header.
    width, height = struct.unpack(">II", png[16:24])
    source = base64.b64encode(png).decode()
    title = escape(figure.title)
    caption = re.sub(r"_(\w)", r"<sub>\1</sub>", escape(figure.caption))
    return f"""<figure>
<div class="scroll" role="region" aria-label="{title}" tabindex="0">
<img src="data:image/png;base64,{source}"
 alt="{title}" width="{width}" height="{height}">
</div>
<figcaption><strong>{title}.</strong> {caption}
<span class="file">figures/{escape(figure.pdf.name)}</span></figcaption>
</figure>
"""


def _models(run: Run) -> str:
    names = list(run.models)
    head = "".join(
        f'<th scope="col"{_SORTED if name == "model" else ""}>'
        f'<button type="button">{_heading(name)}</button></th>'
        for name in names
    )
    body = "\n".join(
        "<tr>"
        + "".join(_cell(*pair) for pair in zip(names, row, strict=True))
        + "</tr>"
        for row in zip(*run.models.values(), strict=True)
    )
    meanings = "".join(
        f"<div><dt>{QUANTITIES[name].symbol}</dt><dd>{QUANTITIES[name].meaning}</dd></div>"
        for name in names
        if name in QUANTITIES
    )
    return f"""<p class="hint">Press a heading to sort by it, and again to reverse.</p>
<div class="scroll tall" role="region" aria-label="Models" tabindex="0">
<table class="numbers sortable">
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
</div>
<dl class="meanings">{meanings}</dl>"""


_SORTED = ' aria-sort="ascending"'


def _heading(name: str) -> str:
    quantity = QUANTITIES.get(name, Quantity(escape(name).replace("_", " "), "", ""))
    unit = f' <span class="unit">{quantity.unit}</span>' if quantity.unit else ""
    return f"<span>{quantity.symbol}</span>{unit}"


def _cell(name: str, value: float) -> str:
    # As JavaScript reads numbers.
    sortable = "NaN" if np.isnan(value) else f"{value}".replace("inf", "Infinity")
    tag, scope = ("th", ' scope="row"') if name == "model" else ("td", "")
    return f'<{tag}{scope} data-value="{sortable}">{_plain(name, value)}</{tag}>'


def _plain(name: str, value: float) -> str:
    """A number as a program would read it."""
    if isinstance(value, int | np.integer):
        return str(value)
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "-∞"
    if name.startswith("log_likelihood"):
        return f"{value:.2f}"
    # Zeros at the end are kept, and then a point after three digits as well.
    return f"{value:#.3g}".rstrip(".")


def _typeset(name: str, value: float) -> str:
    return _plain(name, value).replace("-", "−")


def settings_table(config: Mapping) -> str:
    """Every setting of a run, nested ones with their path."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in _flat(config)
    )
    return f'<table class="settings"><tbody>{rows}</tbody></table>'


def _flat(config: Mapping, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in config.items():
        name = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}: ")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value)) or "–"
        elif isinstance(value, float):
            yield name, f"{value:.6g}"
        else:
            yield name, "–" if value is None else str(value)
