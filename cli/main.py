"""The command line: one module for each command.

Only typer is imported up front, so that --help answers at once; each command imports what it
needs. Results go to stdout, progress and errors to stderr. Exit codes: 0 success; 1 some images
failed, or the demo's checks did; 2 wrong use.
"""

from typing import Annotated

from .console import echo, finish_streams, prepare_streams
from .failures import explain, fail

try:
    import typer
except ModuleNotFoundError as error:
    fail(explain(error))

from .convert import convert
from .demo import demo
from .directions import directions
from .evaluate import evaluate
from .export import export
from .familiarity import familiarity
from .info import info
from .inpaint import inpaint
from .page import page
from .scale import scale
from .train import train

app = typer.Typer(
    help="Erase part of an image and get many different believable completions.",
    no_args_is_help=True,
    rich_markup_mode=None,  # with rich, --help takes twice as long
    pretty_exceptions_enable=False,
)


def _print_version(is_given: bool) -> None:
    if is_given:
        from .. import __version__

        echo(f"diverse-inpainting {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


app.command()(demo)
app.command()(inpaint)
app.command()(scale)
app.command()(info)
app.command()(convert)
app.command()(export)
app.command()(page)
app.add_typer(directions, name="directions")
app.command()(train)
app.command()(familiarity)
app.command()(evaluate)


def main() -> None:
    """Run the command line; an error that the user can fix is one line, never a traceback."""
    prepare_streams()
    try:
        try:
            app(prog_name="diverse-inpainting")
        finally:
            finish_streams()
    except Exception as error:
        fail(explain(error))


if __name__ == "__main__":
    main()
