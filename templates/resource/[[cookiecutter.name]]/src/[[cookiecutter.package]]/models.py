[% for line in cookiecutter._model_imports %]
[[ line ]]
[% endfor %]
from sqlalchemy.orm import Mapped, mapped_column


class [[ cookiecutter.class_name ]](Base):
    """The rows that /[[ cookiecutter.plural ]] shows."""

    __tablename__ = "[[ cookiecutter.plural ]]"

[% for field in cookiecutter._fields %]
    [[ field.name ]]: [[ "Mapped[" ~ field.annotation ~ "]" ]] = [[ field.column ]]
[% endfor %]
