"""Plots: data in, plotly figure out. Shared by the app and the demo; every number in them comes from `infnet`.

Backgrounds are left open and texts take the page's colour, so that a plot is readable on light and dark pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from infnet.measure.change import LESION, TOTAL, TrendRow
from infnet.measure.densities import BAND_EDGES, HuHistogram
from infnet.measure.statistics import Region
from infnet.measure.thresholds import InvolvementRange
from infnet.overlay import COLOURS
from infnet.study import CLASS_NAMES, CONSOLIDATION, GGO

HEIGHT = 260  # pixels
GREY = "rgb(128, 140, 150)"  # readable on white and on near black
COLOUR = {c: "rgb({}, {}, {})".format(*rgb) for c, rgb in COLOURS.items()}
SPLITS = (("upper", "middle", "lower"), ("peripheral", "central"), ("ventral", "dorsal"))


def hu_histogram(histogram: HuHistogram) -> go.Figure:
    """Share of voxels by HU: lung without lesion, GGO, consolidation, each as % of its own; lines at the HU bands."""
    figure = _figure("HU", "% of its voxels")
    curves = (
        ("lung without lesion", histogram.lung, GREY, "dot"),
        (CLASS_NAMES[GGO], histogram.ggo, COLOUR[GGO], "solid"),
        (CLASS_NAMES[CONSOLIDATION], histogram.consolidation, COLOUR[CONSOLIDATION], "dash"),
    )
    for name, counts, colour, dash in curves:
        total = int(counts.sum())
        if total:
            figure.add_scatter(
                x=histogram.centres,
                y=100 * counts / total,
                name=name,
                mode="lines",
                line={"color": colour, "width": 2.5, "shape": "hvh", "dash": dash},
                hovertemplate="%{x:.0f} HU: %{y:.1f} %<extra>" + name + "</extra>",
            )
    for edge in BAND_EDGES:
        figure.add_vline(edge, line={"color": GREY, "width": 1, "dash": "dot"})
    return figure


def involvement(by_threshold: InvolvementRange) -> go.Figure:
    """Involvement at each threshold, of the study and of its mirror image, with the range shaded."""
    figure = _figure("infection from probability", "% of the lungs")
    if by_threshold.low is not None and by_threshold.high is not None:
        figure.add_hrect(by_threshold.low, by_threshold.high, fillcolor=GREY, opacity=0.15, line_width=0)
    names = ("as it is", *("mirrored" for _ in by_threshold.flipped))
    curves = (by_threshold.percents, *by_threshold.flipped)
    for name, percents, dash in zip(names, curves, ("solid", "dash"), strict=False):
        figure.add_scatter(
            x=by_threshold.thresholds,
            y=percents,
            name=name,
            mode="lines+markers",
            line={"color": COLOUR[GGO] if name == "as it is" else COLOUR[CONSOLIDATION], "width": 2.5, "dash": dash},
            hovertemplate="%{x:.2f}: %{y:.1f} %<extra>" + name + "</extra>",
        )
    figure.update_yaxes(rangemode="tozero")
    return figure


def shares(regions: Mapping[str, Region]) -> go.Figure:
    """Involvement of each region of the lungs in %, GGO and consolidation stacked."""
    names = [name for split in SPLITS for name in split if name in regions][::-1]
    figure = _figure("% of the region", "")
    for kind in (GGO, CONSOLIDATION):
        percents = [regions[name].by_class[kind].involvement_percent or 0.0 for name in names]
        figure.add_bar(
            y=names,
            x=percents,
            name=CLASS_NAMES[kind],
            orientation="h",
            marker={"color": COLOUR[kind]},
            hovertemplate="%{y}: %{x:.1f} %<extra>" + CLASS_NAMES[kind] + "</extra>",
        )
    figure.update_layout(barmode="stack", height=HEIGHT + 40, legend_traceorder="normal")
    return figure


def trend(rows: Sequence[TrendRow]) -> go.Figure:
    """Lesion of both lungs over the dates, in ml or, where there is no volume, in %."""
    shown = [row for row in rows if row.region == TOTAL]
    in_ml = all(row.ml is not None for row in shown)
    figure = _figure("", "ml" if in_ml else "% of the lungs")
    kinds = (
        (LESION, GREY, "dot"),
        (CLASS_NAMES[GGO], COLOUR[GGO], "solid"),
        (CLASS_NAMES[CONSOLIDATION], COLOUR[CONSOLIDATION], "dash"),
    )
    for kind, colour, dash in kinds:
        line = [row for row in shown if row.kind == kind]
        figure.add_scatter(
            x=[row.label for row in line],
            y=[row.ml if in_ml else row.percent for row in line],
            name=kind,
            mode="lines+markers",
            line={"color": colour, "width": 2.5, "dash": dash},
            hovertemplate="%{x}: %{y:.1f}<extra>" + kind + "</extra>",
        )
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(type="category")
    return figure


def _figure(across: str, up: str) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis_title=across,
        yaxis_title=up,
        hovermode="closest",
        dragmode=False,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0.0},
    )
    figure.update_xaxes(automargin=True, zeroline=False, gridcolor="rgba(128, 140, 150, .2)")
    figure.update_yaxes(automargin=True, zeroline=False, gridcolor="rgba(128, 140, 150, .2)")
    return figure
