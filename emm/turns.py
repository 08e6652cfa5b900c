"""Whose turn it is, among all processes."""

from django.db import connection


def take_turn(name: str) -> None:
    """Wait until nobody else has the turn of this name, and keep it until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
