"""How Sphinx builds the book: Markdown pages, and the reference from the docstrings."""

from typing import Any

project = "levante"
author = "the levante founders"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns: list[str] = []
html_theme = "alabaster"
html_title = "levante"
html_static_path: list[str] = []
html_theme_options = {
    "description": "Python microservices, brought up: a framework on engines of its own, and a generator",
    "fixed_sidebar": True,
    "page_width": "1080px",
}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
suppress_warnings = ["docutils", "ref.python", "autodoc"]


def skip_foreign(app: Any, what: str, _name: str, found: object, _skip: object, _options: object) -> bool | None:
    """Leave out names that a package only hands on: each is described once, where it is at home."""
    home = getattr(found, "__module__", None)
    package = ".".join(str(app.env.temp_data.get("autodoc:module", "")).split(".")[:2])
    handed_on = isinstance(home, str) and home.startswith("levante.") and not home.startswith(package)
    return True if what == "module" and handed_on else None


def setup(app: Any) -> None:
    app.connect("autodoc-skip-member", skip_foreign)
