"""The console's shared bases, and the pages of the ground floor."""

from emm.admin import ledgers, secrets
from emm.admin.bases import (
    LONGEST_CAUSE,
    LONGEST_REASON,
    AuditedAdmin,
    JobAdmin,
    ReadOnlyAdmin,
    ReasonDialog,
    ReasonedAdmin,
    ReasonForm,
    change_page,
    done,
    person,
    pretty,
    shortened,
)
from emm.admin.secrets import SuperusersOnly

__all__ = [
    "LONGEST_CAUSE",
    "LONGEST_REASON",
    "AuditedAdmin",
    "JobAdmin",
    "ReadOnlyAdmin",
    "ReasonDialog",
    "ReasonForm",
    "ReasonedAdmin",
    "SuperusersOnly",
    "change_page",
    "done",
    "ledgers",
    "person",
    "pretty",
    "secrets",
    "shortened",
]
