[% for line in cookiecutter._schema_imports %]
[[ line ]]
[% endfor %]


class [[ cookiecutter.class_name ]]Schema(ResourceSchema):
    """[[ cookiecutter.title ]], as it comes in and goes out."""

[% for field in cookiecutter._fields %]
    [[ field.name ]] = [[ field.schema ]]
[% endfor %]
