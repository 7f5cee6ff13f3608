"""The command `report`: a run as a page and as Markdown, and surveys: their pages, and the count of their answers."""

from pathlib import Path
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.show import Show


def report(
    context: options.Context,
    run: Annotated[Path, typer.Argument(help="The folder of a run, or answers to a survey with --key.")],
    public: Annotated[bool, typer.Option("--public", help="Without pictures of real people.")] = False,
    survey: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--survey", metavar="A B", help="A page as well on which people choose between two of its spaces."
        ),
    ] = None,
    seed: options.Seed = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="Count answers to a survey by its key instead of writing a report.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Write the report of a run: a page of one file and Markdown.

    With --survey, a page of pairs for people to judge, and apart from it the key to what they saw.
    """
    from zplus.benchmark.report import write_report
    from zplus.benchmark.survey import count_survey, key_of, sentence, write_survey

    show = Show(as_json)
    if key is not None:
        options.refuse(context, "answers are counted, and no report is written", "public", "survey", "seed")
        count = count_survey(sorted(run.glob("*.json")) if run.is_dir() else [run], key)
        show.result(count._asdict(), sentence(count))
        return
    if survey is None:
        options.refuse(context, "only a survey is drawn at random", "seed")
    with show.stage("Writing the report"):
        html, markdown = write_report(run, public)
    made = {"report": html, "markdown": markdown}
    if survey is not None:
        key = key_of(run)
        made |= {"survey": write_survey(run, *survey, key, seed or 0, public=public), "key": key}
    show.result(made, "\n".join(map(str, made.values())))
