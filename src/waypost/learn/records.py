"""Rows of a file: parquet, JSON lines or CSV, each with its number."""

from __future__ import annotations

import csv
import sys
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from waypost.errors import ArtefactError


def records_of(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of a ``.parquet``, ``.csv`` or any other file, which is read as JSON lines, with their numbers from 1 on.

    The number of a row is, in JSON lines, the number of its line, and in CSV that of its last line. Raises ArtefactError where
    the file cannot be read.
    """
    if path.is_dir():
        raise ArtefactError(f"{path} is a folder: name a file in it")
    if not path.is_file():
        raise ArtefactError(f"there is no file {path.name}")
    readers = {".parquet": _parquet, ".csv": _csv}
    return readers.get(path.suffix, _jsonl)(path)


def _parquet(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415  only training needs it, from an extra
    except ImportError as error:
        raise ArtefactError("reading parquet needs pyarrow: pip install 'waypost[train]'") from error
    try:
        batches = parquet.ParquetFile(path).iter_batches()
        yield from enumerate((record for batch in batches for record in batch.to_pylist()), 1)
    except (ArrowException, OSError) as error:
        raise ArtefactError(f"{path.name} cannot be read as parquet: {error}") from error


def _jsonl(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        lines = path.read_bytes().removeprefix(BOM_UTF8).splitlines()
    except OSError as error:
        raise ArtefactError(f"{path.name} cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except ValueError as error:
            raise ArtefactError(f"row {number} of {path.name} is not JSON: {error}") from None
        if not isinstance(record, dict):
            raise ArtefactError(f"row {number} of {path.name} is not a JSON object")
        yield number, record


def _csv(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The first line names the columns. An empty cell is ``None``."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            twice = [name for name, count in Counter(reader.fieldnames or ()).items() if count > 1]
            if twice:
                raise ArtefactError(f"row 1 of {path.name} names the column `{twice[0]}` twice")
            for record in reader:
                if None in record or None in record.values():
                    raise ArtefactError(f"row {reader.line_num} of {path.name} has not as many cells as the first line")
                yield reader.line_num, {name: cell or None for name, cell in record.items()}
    except OSError as error:
        raise ArtefactError(f"{path.name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ArtefactError(f"{path.name} is not UTF-8: save it in this encoding") from None
    except csv.Error as error:
        raise ArtefactError(f"{path.name} cannot be read as CSV: {error}") from None
