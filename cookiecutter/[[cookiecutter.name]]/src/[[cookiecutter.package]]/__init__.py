"""The [[ cookiecutter.name ]] service."""
