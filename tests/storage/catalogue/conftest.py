"""The contract's example, and what is said of it when a part is changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from domain.catalogue import Catalogue
from storage.catalogue import CatalogueError, Templates, build_catalogue, load_templates

HERE = Path(__file__).parent
TEMPLATES = HERE.parents[2] / "config" / "templates"


@pytest.fixture(scope="session")
def templates_folder() -> Path:
    return TEMPLATES


@pytest.fixture(scope="session")
def templates() -> Templates:
    return load_templates(TEMPLATES)


@pytest.fixture(scope="session")
def example_file() -> Path:
    return HERE / "example.yaml"


@pytest.fixture(scope="session")
def example(example_file) -> str:
    return example_file.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def build(templates) -> Callable[..., Catalogue]:
    def of(*texts: str | bytes, **options) -> Catalogue:
        data = [text.encode() if isinstance(text, str) else text for text in texts]
        names = ["city.yaml", "more.yaml", "third.yaml"]
        return build_catalogue(list(zip(names, data, strict=False)), templates, **options)

    return of


@pytest.fixture(scope="session")
def faults_of(build, example) -> Callable[..., list[str]]:
    """Return what is said of the example with ``old`` replaced by ``new`` (or of ``text``)."""

    def of(old: str, new: str, *more: str, text: str | bytes | None = None, **options) -> list[str]:
        assert text is not None or example.count(old) == 1, f"{old!r} must stand once"
        changed = example.replace(old, new) if text is None else text
        try:
            build(changed, *more, **options)
        except CatalogueError as error:
            return [str(fault) for fault in error.faults]
        return []

    return of
