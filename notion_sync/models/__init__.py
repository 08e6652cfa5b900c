from notion_sync.models.calls import NotionCall
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
from notion_sync.models.sources import BodyRead, DataSource, PollCycle, Poller, Workspace

__all__ = [
    "Action",
    "Area",
    "BodyRead",
    "DataSource",
    "InboxItem",
    "Intent",
    "LogEntry",
    "Mirror",
    "Node",
    "NotionCall",
    "OutboxEntry",
    "PersonaPage",
    "PollCycle",
    "Poller",
    "Project",
    "Task",
    "TrainingExample",
    "Workspace",
]
