"""The book under Sphinx alone: its settings are those of _config.yml, which Jupyter Book reads."""

import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent
book = yaml.safe_load((HERE / "_config.yml").read_text(encoding="utf-8"))
sys.path += [str(HERE / folder) for folder in book["sphinx"]["local_extensions"].values()]

project, author, copyright = book["title"], book["author"], book["copyright"]
external_toc_path = str(HERE / "_toc.yml")
external_toc_exclude_missing = book["only_build_toc_files"]
globals().update(book["sphinx"]["config"])
