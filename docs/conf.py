"""How Sphinx builds the book: Markdown pages, and the reference from the docstrings."""

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
