from ops.models.backups import Backup, RestoreDrill
from ops.models.evidence import Confirmation, DutyReminder, Evidence, ProbeRun, State, Waiver
from ops.models.incidents import FollowUp, Incident, IncidentEntry
from ops.models.levels import Alert, Reading, RuleState
from ops.models.money import BudgetNotice, Spend
from ops.models.people import Channel, Contact, Notice, Shift, on_call
from ops.models.releases import Recommendation, Release, Rollback, RollbackStep, SignOff
from ops.models.telling import Call, CommandCenter, Digest, NoticePolicy

__all__ = [
    "Alert",
    "Backup",
    "BudgetNotice",
    "Call",
    "Channel",
    "CommandCenter",
    "Confirmation",
    "Contact",
    "Digest",
    "DutyReminder",
    "Evidence",
    "FollowUp",
    "Incident",
    "IncidentEntry",
    "Notice",
    "NoticePolicy",
    "ProbeRun",
    "Reading",
    "Recommendation",
    "Release",
    "RestoreDrill",
    "Rollback",
    "RollbackStep",
    "RuleState",
    "Shift",
    "SignOff",
    "Spend",
    "State",
    "Waiver",
    "on_call",
]
