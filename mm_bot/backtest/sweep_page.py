"""The page of a sweep: the neighbourhood of the winner, not the winner alone."""

from __future__ import annotations

from typing import Any

from mm_bot.backtest.page import AMBER, BLUE, GREEN, RED, Figure, page
from mm_bot.backtest.study import Study

SCALE = [[0, RED], [0.5, "#f4efe1"], [1, GREEN]]
"""Of colours: the best is green."""


def page_of(study: Study, made: dict[str, Any]) -> str:
    """`made` as `judge.outcome` gives it."""
    winner = made["winner"]
    chosen = ", ".join(f"{name} {value}" for name, value in winner["variables"].items())
    judged = "nothing was kept back to judge it"
    if made["days_judged_on"]:
        worth = _told(winner["judged_total"])
        judged = f"{worth} on the {made['days_judged_on']} after them"
    figures = [_choice_and_judgement(made), _drawdowns(made)]
    names = list(study.parameters)
    if len(names) >= 2:
        figures.insert(0, _heat(study, made, names[0], names[1]))
    if len(names) > 1:
        figures.append(_parallel(study, made, names))
    return page(
        title=f"Sweep {study.name}",
        says=f"Of {made['trials']} trials the best is {chosen}: {made['goal']} "
        f"{winner['chosen_on']:g} on {made['days_chosen_on']} days, {judged}.",
        warnings=[
            f"The best of {made['trials']} trials looks better than it is; the days that judge "
            "are what counts, and its neighbours should be nearly as good.",
        ],
        cards=[
            (f"{winner['chosen_on']:g}", "on the days that chose", ""),
            (_told(winner["judged_total"]), "total on the days that judge", ""),
            (str(made["trials"]), "complete trials", ""),
        ],
        figures=figures,
        everything=made,
    )


def _told(total: float | None) -> str:
    return "not judged yet" if total is None else f"{total:g}"


def _a_day(total: float | None, days: int) -> float | None:
    return None if total is None or not days else total / days


def _heat(study: Study, made: dict[str, Any], across: str, up: str) -> Figure:
    """The best of all trials in each cell."""
    xs, ys = study.parameters[across], study.parameters[up]
    cells: dict[tuple[str, str], float] = {}
    for trial in made["all"]:
        key = (trial["variables"][across], trial["variables"][up])
        cells[key] = max(trial["value"], cells.get(key, trial["value"]))
    grid = [[cells.get((x, y)) for x in xs] for y in ys]
    return {
        "title": f"{made['goal']} by {across} and {up}",
        "note": "Each cell is the best of what was tried there; a winner alone on a peak is luck.",
        "data": [{"type": "heatmap", "x": xs, "y": ys, "z": grid, "colorscale": SCALE}],
        "layout": {
            "xaxis": {"type": "category", "title": {"text": across}},
            "yaxis": {"type": "category", "title": {"text": up}},
            "hovermode": "closest",
            "margin": {"l": 90, "r": 20, "t": 16, "b": 60},
        },
    }


def _choice_and_judgement(made: dict[str, Any]) -> Figure:
    best = [made["winner"], *made["runners_up"]]
    x = [", ".join(each["variables"].values()) for each in best]
    return {
        "title": "Chosen on, judged on",
        "note": "The best five by the days that chose, and what they earned on the days after; "
        "a day's average each.",
        "data": [
            {
                "type": "bar",
                "name": "chosen on",
                "x": x,
                "y": [each["chosen_on"] / made["days_chosen_on"] for each in best],
                "marker": {"color": BLUE},
            },
            {
                "type": "bar",
                "name": "judged on",
                "x": x,
                "y": [_a_day(each["judged_total"], made["days_judged_on"]) for each in best],
                "marker": {"color": AMBER},
            },
        ],
        "layout": {"barmode": "group", "xaxis": {"type": "category"}},
    }


def _drawdowns(made: dict[str, Any]) -> Figure:
    """Profit against the deepest drawdown of a day; the front is what nothing beats in both."""
    points = sorted(
        (
            max(float(day["max_drawdown"]) for day in trial["days"]),
            sum(float(day["total"]) for day in trial["days"]),
            ", ".join(f"{n} {v}" for n, v in trial["variables"].items()),
        )
        for trial in made["all"]
    )
    front: list[tuple[float, float, str]] = []
    for point in points:
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return {
        "title": "Profit against drawdown",
        "note": "Each point is a trial over the days that chose; the line is the Pareto front.",
        "data": [
            _points(points, "trials", "markers", BLUE),
            _points(front, "front", "lines+markers", GREEN),
        ],
        "layout": {
            "hovermode": "closest",
            "xaxis": {"title": {"text": "deepest drawdown of a day"}},
            "yaxis": {"title": {"text": "total"}},
        },
    }


def _points(points: list[tuple[float, float, str]], name: str, mode: str, colour: str) -> Figure:
    return {
        "x": [point[0] for point in points],
        "y": [point[1] for point in points],
        "text": [point[2] for point in points],
        "name": name,
        "mode": mode,
        "marker": {"color": colour},
    }


def _parallel(study: Study, made: dict[str, Any], names: list[str]) -> Figure:
    values = [trial["value"] for trial in made["all"]]
    dimensions = [
        {
            "label": name,
            "values": [study.parameters[name].index(t["variables"][name]) for t in made["all"]],
            "tickvals": list(range(len(study.parameters[name]))),
            "ticktext": list(study.parameters[name]),
        }
        for name in names
    ]
    dimensions.append({"label": made["goal"], "values": values})
    return {
        "title": "All trials",
        "note": "A line is a trial; drag along an axis to keep a part of it.",
        "data": [
            {
                "type": "parcoords",
                "line": {"color": values, "colorscale": SCALE},
                "dimensions": dimensions,
            }
        ],
        "layout": {"margin": {"l": 90, "r": 60, "t": 50, "b": 30}},
    }
