"""Names of services and resources: what becomes of the good ones, and why the others are refused."""

import sys
from pathlib import Path

import pytest

from levante.devtools.names import InvalidName, check_resource_name, check_service_name, pluralise


@pytest.mark.parametrize(
    ("name", "package"), [("shop", "shop"), ("my-shop", "my_shop"), ("a1-b2_c3", "a1_b2_c3"), ("x" * 40, "x" * 40)]
)
def test_service_name(tmp_path: Path, name: str, package: str) -> None:
    names = check_service_name(name, tmp_path)
    assert (names.name, names.package) == (name, package)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "NAME is missing: write for example `make new-service NAME=shop`"),
        ("Shop", "upper case; write 'shop'"),
        ("1shop", "expected a-z"),
        ("shop-", "expected a-z"),
        ("my--shop", "expected a-z"),
        ("my shop", "expected a-z"),
        ("café", "expected a-z"),
        ("../shop", "not a path"),
        ("a/b", "not a path"),
        ("a\\b", "not a path"),
        ("~shop", "not a path"),
        (".shop", "not a path"),
        ("a\0b", "not a path"),
        ("class", "a keyword of Python"),
        ("json", "the standard library has a module of that name"),
        ("pytest", "an installed module has that name"),
        ("levante", "reserved"),
        ("tests", "reserved"),
        ("x" * 41, "41 characters; at most 40"),
    ],
)
def test_refused_service_name(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(InvalidName) as caught:
        check_service_name(name, tmp_path)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_folder_that_exists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    with pytest.raises(InvalidName, match="exists; choose another name"):
        check_service_name("shop", tmp_path)


def test_folder_whose_package_would_be_the_same_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my_shop").mkdir()
    with pytest.raises(InvalidName, match="exists"):
        check_service_name("my-shop", tmp_path)


def test_parent_that_is_a_file_is_refused(tmp_path: Path) -> None:
    parent = tmp_path / "services"
    parent.touch()
    with pytest.raises(InvalidName, match="is not a folder"):
        check_service_name("shop", parent)


def test_parent_that_is_not_there_is_fine(tmp_path: Path) -> None:
    assert check_service_name("shop", tmp_path / "services").name == "shop"


def test_plain_folder_of_the_working_directory_is_not_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plainfolder").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert check_service_name("plainfolder", tmp_path / "services").name == "plainfolder"


def test_resource_name() -> None:
    resource = check_resource_name("order-line")
    assert (resource.singular, resource.plural, resource.class_name) == ("order_line", "order_lines", "OrderLine")
    assert (resource.title, resource.plural_title) == ("Order line", "Order lines")
    assert check_resource_name("person", plural="people").plural == "people"


@pytest.mark.parametrize(
    ("name", "plural", "reason"),
    [
        ("", None, "RESOURCE is missing"),
        ("Order", None, "upper case"),
        ("sheep", "sheep", "the plural must differ"),
        ("home", None, "reserved"),
        ("thing", "static", "reserved"),
        ("base", None, "reserved"),
        ("decimal", None, "the class would be called Decimal"),
        ("thing", "Things", "upper case"),
    ],
)
def test_refused_resource_name(name: str, plural: str | None, reason: str) -> None:
    with pytest.raises(InvalidName, match=reason):
        check_resource_name(name, plural=plural)


@pytest.mark.parametrize(
    ("word", "many"),
    [("order", "orders"), ("category", "categories"), ("day", "days"), ("box", "boxes"), ("dish", "dishes")],
)
def test_plural(word: str, many: str) -> None:
    assert pluralise(word) == many
