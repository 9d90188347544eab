"""The storefront service."""
