from notion_sync.models.calls import NotionCall, Standstill
from notion_sync.models.doors import Intake, PageRead, Refusal, WebhookDelivery
from notion_sync.models.doubles import Double, DoublesCheck
from notion_sync.models.mirrors import (
    Action,
    Area,
    InboxItem,
    Intent,
    LogEntry,
    Mirror,
    Node,
    PersonaPage,
    Project,
    Task,
    TrainingExample,
)
from notion_sync.models.outbox import OutboxEntry
from notion_sync.models.readings import ListedPage, Reconciliation, Window
from notion_sync.models.setting_up import Backlog, SchemaCheck, SetupRun
from notion_sync.models.sources import BodyRead, DataSource, PollCycle, Poller, Workspace

__all__ = [
    "Action",
    "Area",
    "Backlog",
    "BodyRead",
    "DataSource",
    "Double",
    "DoublesCheck",
    "InboxItem",
    "Intake",
    "Intent",
    "ListedPage",
    "LogEntry",
    "Mirror",
    "Node",
    "NotionCall",
    "OutboxEntry",
    "PageRead",
    "PersonaPage",
    "PollCycle",
    "Poller",
    "Project",
    "Reconciliation",
    "Refusal",
    "SchemaCheck",
    "SetupRun",
    "Standstill",
    "Task",
    "TrainingExample",
    "WebhookDelivery",
    "Window",
    "Workspace",
]
