"""What may come in and what goes out, as marshmallow schemas: one a resource, for the JSON API and the forms alike."""

from marshmallow import RAISE, Schema, fields, validate

from .fieldtypes import Amount, Line, Prose


class ResourceSchema(Schema):
    """What the schemas of all resources share: an id that only goes out, and no unknown field."""

    class Meta:
        unknown = RAISE

    id = fields.Integer(dump_only=True)


class PageSchema(Schema):
    """Which part of a list: the query of every list."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100))
    offset = fields.Integer(load_default=0, validate=validate.Range(0, 2**31 - 1))


class ItemSchema(ResourceSchema):
    """Item, as it comes in and goes out."""

    name = Line(required=True)
    description = Prose(load_default="")
    price = Amount(required=True)
    in_stock = fields.Boolean(load_default=False)
