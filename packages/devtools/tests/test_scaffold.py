"""Templates are found in the repository and in an installed package, and rendered without asking or keeping
anything."""

import json
from pathlib import Path

import pytest

from levante.devtools import scaffold
from levante.devtools.scaffold import Template, part_template, service_template


def make_template(root: Path) -> Template:
    """A template of one file, with the tags of the real ones."""
    options = {"name": "x", "_tags": {"variable_start_string": "[[", "variable_end_string": "]]"}}
    options["_jinja2_env_vars"] = options.pop("_tags")
    folder = root / "[[cookiecutter.name]]"
    folder.mkdir(parents=True)
    (root / "cookiecutter.json").write_text(json.dumps(options))
    (folder / ".hidden").write_text("{{ kept }} [[ cookiecutter.name ]]\n")
    return Template(root)


def test_rendered_with_dot_files_and_other_tags_kept(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    rendered = make_template(tmp_path / "in").render(tmp_path / "out", name="shop")
    assert rendered == tmp_path / "out" / "shop"
    assert (rendered / ".hidden").read_text() == "{{ kept }} shop\n"


def test_variable_that_no_template_knows_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="does not know colour"):
        make_template(tmp_path / "in").render(tmp_path, colour="red")


def test_nothing_of_the_home_folder_is_read_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / ".cookiecutterrc").write_text("default_context: {name: theirs}\nnot: [valid\n")
    (tmp_path / "out").mkdir()
    make_template(tmp_path / "in").render(tmp_path / "out", name="shop")
    assert [path.name for path in home.iterdir()] == [".cookiecutterrc"]


def test_templates_of_the_repository() -> None:
    assert service_template().options["name"] == "my-shop"
    assert "src/*/models.py" in part_template("resource").options["_merge"]


def test_templates_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaffold, "_PACKAGED", tmp_path)
    assert service_template().folder == tmp_path / "service"
    assert part_template("resource").folder == tmp_path / "parts" / "resource"
