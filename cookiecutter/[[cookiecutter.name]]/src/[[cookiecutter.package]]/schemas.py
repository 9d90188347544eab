"""What may come in and what goes out, as marshmallow schemas: one a resource, for the JSON API and the forms alike."""

from marshmallow import RAISE, Schema, fields, validate


class ResourceSchema(Schema):
    """What the schemas of all resources share: an id that only goes out, and no unknown field."""

    class Meta:
        unknown = RAISE

    id = fields.Integer(dump_only=True)


class PageSchema(Schema):
    """Which part of a list: the query of every list."""

    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100))
    offset = fields.Integer(load_default=0, validate=validate.Range(0, 2**31 - 1))
