"""`{{ text|linked }}`: a text of ours with a link on each document that it names."""

from django import template

from ops import papers

register = template.Library()
register.filter("linked", papers.linked)
