"""Puts the generator's templates into the distributions. They live at the root of the repository, outside this package,
where people look for them; a wheel and an sdist carry a copy in levante/devtools/scaffold, which is where an installed
generator finds them."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
PLACE = Path("levante", "devtools", "scaffold")
UNPACKED = HERE / "src" / PLACE
"""Where an unpacked sdist has the templates."""

SOURCES = (
    {"service": UNPACKED / "service", "parts": UNPACKED / "parts"}
    if UNPACKED.is_dir()
    else {"service": HERE.parents[1] / "cookiecutter", "parts": HERE.parents[1] / "templates"}
)


def copy_templates(target: Path) -> None:
    for name, source in SOURCES.items():
        if not source.is_dir():
            raise FileNotFoundError(f"the generator's templates are missing: expected a folder {source}")
        shutil.rmtree(target / name, ignore_errors=True)
        shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))


class BuildWithTemplates(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            copy_templates(Path(self.build_lib) / PLACE)


class SdistWithTemplates(sdist):
    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        copy_templates(Path(base_dir) / "src" / PLACE)


setup(cmdclass={"build_py": BuildWithTemplates, "sdist": SdistWithTemplates})
