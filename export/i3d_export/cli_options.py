"""Options that several of the commands take, said once."""

from __future__ import annotations

from pathlib import Path

import click

repository_option = click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("model_repository"),
    show_default=True,
    help="Triton's model repository.",
)

engines_option = click.option(
    "--engine",
    "engines",
    multiple=True,
    type=click.Choice(["openvino", "tensorrt"]),
    default=["openvino"],
    show_default=True,
    help="What will execute the models: one or several.",
)

annotations_option = click.option(
    "--annotations",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV of video,start_s,stop_s,label: judge by balanced accuracy and each class's recall.",
)
