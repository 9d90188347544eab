from .[[ cookiecutter.plural ]] import [[ cookiecutter.plural | upper ]]

RESOURCES = [[ "[" ~ cookiecutter.plural | upper ~ "]" ]]
