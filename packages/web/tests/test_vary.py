from multidict import CIMultiDict

from levante.web.vary import vary_by


def test_names_are_added_once() -> None:
    headers: CIMultiDict[str] = CIMultiDict()
    vary_by(headers, "Origin")
    vary_by(headers, "Accept", "origin")
    assert headers.getall("Vary") == ["Origin, Accept"]
    vary_by(headers, "ACCEPT")
    assert headers["Vary"] == "Origin, Accept"
    several = CIMultiDict([("Vary", "a"), ("Vary", "b, *")])
    vary_by(several, "c")
    assert several.getall("Vary") == ["a", "b, *"]
