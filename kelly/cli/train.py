"""``kelly train``: one of five nets or all, and the commands around that."""

from __future__ import annotations

import click

from kelly.cli.train_data import data
from kelly.cli.train_evaluate import command as evaluate
from kelly.cli.train_nets import command as nets
from kelly.cli.train_personal import command as personal


class Nameless(click.Context):
    """Of the command that trains, whose name nobody types: no gap in its usage."""

    @property
    def command_path(self) -> str:
        return super().command_path.rstrip()


nets.context_class = Nameless


class DefaultGroup(click.Group):
    """A group whose first word, where it is none of its commands, belongs to the command that trains."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [nets.name or "", *args]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name, found, rest = super().resolve_command(ctx, args)
        return (None if found is nets else name), found, rest  # nobody types its name, so no message may say it

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        click.Command.format_options(nets, click.Context(nets, parent=ctx), formatter)
        self.format_commands(ctx, formatter)


@click.group("train", cls=DefaultGroup, subcommand_metavar="NET|all [OPTIONS] | COMMAND [ARGS]...")
def command() -> None:
    """Train the nets, and look at what they would learn from.

    Every figure stands beside a baseline on the same held-out pieces. Ctrl-C at any time leaves a checkpoint, plots and
    a model; --resume RUN goes on. What is made plays with `kelly live --models RUN`.
    """


command.add_command(nets)
command.add_command(evaluate)
command.add_command(personal)
command.add_command(data)
