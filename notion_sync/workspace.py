"""The ten databases of the workspace, declared once: each property with its type, its options and its writer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from notion_sync.properties import canonical


class Writer(StrEnum):
    """Whose value a property holds."""

    PEOPLE = "people"  # a person's choice; we write it only where the desk or an intake carries it over for them
    US = "us"
    BOTH = "both"  # we write it first, people change it
    NOTION = "notion"


@dataclass(frozen=True)
class Property:
    """One property of one database; `name` is the name in Notion, also in workspaces that are adopted."""

    name: str
    type: str
    writer: Writer
    options: tuple[str, ...] = ()
    format: str | None = None  # of a number: Notion's name of the format
    to: str | None = None  # of a relation: key of the database it points to
    other_side: str | None = None  # of a two-way relation's child side: name of the property that appears on `to`
    other_side_of: tuple[str, str] | None = None  # this property appears by itself: (database key, its child side)
    prefix: str | None = None  # of a unique id
    help: str = ""


@dataclass(frozen=True)
class Database:
    """One database; `variable` is the environment variable that may name it."""

    key: str
    title: str
    variable: str
    help: str
    properties: tuple[Property, ...]
    each_cycle: bool = False  # read in every polling cycle, because people work there

    @property
    def we_create(self) -> bool:
        """True where we create pages: those carry our own key."""
        return any(declared.name == EMM_ID for declared in self.properties)

    def property(self, name: str) -> Property:
        """The property of that name; raises KeyError where there is none."""
        for declared in self.properties:
            if declared.name == name:
                return declared
        raise KeyError(f"{self.title} has no property {name!r}")


EMM_ID = "EMM_ID"
PERSONAS = ("The Entrepreneur", "The Quant", "The Auditor")
PRIORITIES = ("P0", "P1", "P2")
AREAS = (
    "Career",
    "Finance",
    "Health",
    "Relationships",
    "Learning",
    "Operations",
    "Business Development",
    "Personal Growth",
    "Technology",
    "Community",
)

PEOPLE, US, BOTH, NOTION = Writer.PEOPLE, Writer.US, Writer.BOTH, Writer.NOTION


def _text(name: str, writer: Writer, help: str = "") -> Property:
    return Property(name, "rich_text", writer, help=help)


def _number(name: str, writer: Writer, format: str = "number", help: str = "") -> Property:
    return Property(name, "number", writer, format=format, help=help)


def _select(name: str, writer: Writer, *options: str, help: str = "") -> Property:
    return Property(name, "select", writer, options=options, help=help)


def _relation(name: str, to: str, writer: Writer = US, other_side: str | None = None) -> Property:
    return Property(name, "relation", writer, to=to, other_side=other_side)


def _other_side(name: str, database: str, child: str, writer: Writer = NOTION) -> Property:
    return Property(name, "relation", writer, to=database, other_side_of=(database, child))


def _unique_id(name: str, prefix: str) -> Property:
    return Property(name, "unique_id", NOTION, prefix=prefix)


_KEY = _text(EMM_ID, US, "Our own key of this page; leave it as it is.")

_AREAS = Database(
    "areas",
    "Areas",
    "NOTION_DB_AREAS",
    "The parts of life and work that everything else belongs to.",
    (
        Property("Name", "title", BOTH),
        _select("Status", BOTH, "Active", "Archived"),
        _text("Vision", PEOPLE, "What good looks like here."),
        _KEY,
    ),
)

_AGENTS = Database(
    "agents",
    "Agent Registry",
    "NOTION_DB_AGENT_REGISTRY",
    "The personas that argue.",
    (
        Property("Agent_Name", "title", US),
        Property("Active", "checkbox", BOTH),
        _text("Focus_Area", US),
        _text("System_Prompt", US, "A copy of the prompt being served; change it in the console."),
        _select("Risk_Tolerance", BOTH, "Conservative", "Moderate", "Aggressive"),
        _text("API_Model", US),
        _number("Acceptance_Rate", US, "percent"),
        _KEY,
    ),
)

_INBOX = Database(
    "inbox",
    "System Inbox",
    "NOTION_DB_SYSTEM_INBOX",
    "Where everything starts: write here.",
    (
        Property("Input_Title", "title", BOTH),
        _text("Content", BOTH),
        _select("Source", BOTH, "Manual", "Email", "Slack", "Web Clipper", "API", "Webhook"),
        _select(
            "Status",
            BOTH,
            "Unprocessed",
            "Processing",
            "Triaged_to_Intent",
            "Triaged_to_Task",
            "Triaged_to_Node",
            "Needs_Review",
            "Skipped",
            help="Empty means Unprocessed.",
        ),
        _select(
            "Triage_Destination",
            BOTH,
            "Strategic (Intent)",
            "Operational (Task)",
            "Reference (Node)",
            help="Choose one yourself to overrule the triage.",
        ),
        _other_side("Routed_to_Intent", "intents", "Source"),
        _other_side("Routed_to_Task", "tasks", "DB_System_Inbox"),
        # Links to nodes that exist already ride on the inbox page's own update: the one other side that we write.
        _other_side("Routed_to_Node", "nodes", "Source_Inbox", writer=US),
        Property("Received_Date", "created_time", NOTION),
        _unique_id("Inbox_ID", "INBOX"),
        Property("Owner", "people", PEOPLE),
        Property("Urgent", "checkbox", PEOPLE),
        _select("Depth", PEOPLE, "Quick", "Standard", "Deep", help="How long to argue; empty: by rule."),
        _KEY,
    ),
    each_cycle=True,
)

_NODES = Database(
    "nodes",
    "Nodes",
    "NOTION_DB_NODES",
    "What is worth remembering: people, companies, knowledge, systems.",
    (
        Property("Name", "title", BOTH),
        _select("Node_Type", BOTH, "Entity_Person", "Entity_Company", "Knowledge_Asset", "System_Component"),
        _text("Content", BOTH),
        _other_side("Related_Intents", "intents", "Related_Nodes"),
        _relation("Areas", "areas", BOTH),
        _relation("Source_Inbox", "inbox", other_side="Routed_to_Node"),
        Property("URL", "url", BOTH),
        _KEY,
    ),
)

_INTENTS = Database(
    "intents",
    "Executive Intents",
    "NOTION_DB_EXECUTIVE_INTENTS",
    "Decisions to take, and how they turned out.",
    (
        Property("Name", "title", BOTH),
        _text("Description", BOTH),
        _select(
            "Status", BOTH, "Ready", "In_Analysis", "Pending_Approval", "Approved", "Rejected", "Executed", "Archived"
        ),
        _select("Risk_Level", BOTH, "Low", "Medium", "High"),
        _number("Projected_Impact", BOTH, help="From 1 to 10."),
        _select("Priority", BOTH, *PRIORITIES, help="P0 from impact 8, P1 from 6, P2 below."),
        _text("Success_Criteria", BOTH),
        _text("Decision_Made", BOTH),
        _select(
            "Conflict_Level",
            US,
            "None - Full Consensus",
            "Low - Minor Disagreement",
            "Medium - Split Opinion",
            "High - Major Conflict",
        ),
        _number("Confidence", US, "percent"),
        _select("Reversibility", US, "Two-way door", "One-way door"),
        Property("Due_Date", "date", BOTH),
        Property("Created_Date", "date", US),
        _relation("Agent_Persona", "agents"),
        _relation("Source", "inbox", other_side="Routed_to_Intent"),
        _relation("Area", "areas", BOTH),
        _relation("Related_Nodes", "nodes", BOTH, other_side="Related_Intents"),
        _other_side("Related_Actions", "actions", "Intent"),
        _other_side("Spawned_Tasks", "tasks", "Source Intent"),
        _other_side("Spawned_Project", "projects", "Source Intent"),
        _other_side("Execution_Record", "log", "Intent"),
        Property("Review_Date", "date", BOTH, help="When we ask how it went."),
        _select("Outcome", BOTH, "Better", "As expected", "Worse", "Unknown", help="How it went: set it yourself."),
        _unique_id("Intent_ID", "INTENT"),
        _KEY,
    ),
)

_ACTIONS = Database(
    "actions",
    "Action Pipes",
    "NOTION_DB_ACTION_PIPES",
    "Proposals that wait for a decision: decide here.",
    (
        Property("Action_Title", "title", US),
        _relation("Intent", "intents", other_side="Related_Actions"),
        _relation("Agent", "agents"),
        _select("Recommended_Option", BOTH, "Option A", "Option B", "Option C"),
        _text("Scenario_Options", BOTH),
        _text("Risk_Assessment", BOTH),
        _text("Required_Resources", BOTH),
        _text("Task_Generation_Template", BOTH, "One task a line."),
        _select("Approval_Status", BOTH, "Pending", "Approved", "Rejected", "Needs_Revision"),
        _select(
            "Rejection_Reason", PEOPLE, "Wrong facts", "Too risky", "Too costly", "Off strategy", "Bad timing", "Other"
        ),
        _text("User_Notes", PEOPLE),
        Property("Owner", "people", BOTH),
        Property("Approved_Date", "date", US),
        Property("Consensus", "checkbox", US),
        Property("Diff_Logged", "checkbox", US),
        _number("Acceptance_Rate", US, "percent"),
        _KEY,
    ),
    each_cycle=True,
)

_TRAINING = Database(
    "training",
    "Training Data",
    "NOTION_DB_TRAINING_DATA",
    "What people changed in our plans: one page for each settlement.",
    (
        Property("Title", "title", US),
        _relation("Intent", "intents"),
        _select("Agent_Name", US, *PERSONAS, "Synthesis", help="Whose advice the final plan is closest to."),
        Property("Timestamp", "date", US),
        _number("Acceptance_Rate", US, "percent"),
        _number("Modifications_Count", US),
        _text("Modifications", US),
        _select("Decision", US, "Approved", "Rejected", "Needs_Revision"),
        _KEY,
    ),
)

_PROJECTS = Database(
    "projects",
    "Projects",
    "NOTION_DB_PROJECTS",
    "Approved plans of three tasks or more.",
    (
        Property("Name", "title", BOTH),
        _select("Status", BOTH, "Planning", "Active", "Done"),
        _text("Context", BOTH),
        _relation("Source Intent", "intents", other_side="Spawned_Project"),
        _relation("Area", "areas", BOTH),
        _other_side("Tasks", "tasks", "Projects"),
        _KEY,
    ),
)

_TASKS = Database(
    "tasks",
    "Tasks",
    "NOTION_DB_TASKS",
    "What is to be done.",
    (
        Property("Name", "title", BOTH),
        Property("Status", "status", BOTH, options=("Not started", "In progress", "Done")),
        _relation("Source Intent", "intents", other_side="Spawned_Tasks"),
        _relation("Projects", "projects", BOTH, other_side="Tasks"),
        _relation("Area", "areas", BOTH),
        _relation("DB_System_Inbox", "inbox", other_side="Routed_to_Task"),
        Property("Auto Generated", "checkbox", US),
        Property("Date", "date", BOTH),
        _select("Priority", BOTH, *PRIORITIES),
        _KEY,
    ),
)

_LOG = Database(
    "log",
    "Execution Log",
    "NOTION_DB_EXECUTION_LOG",
    "What was decided and done, by whom.",
    (
        Property("Log_Entry_Title", "title", US),
        _unique_id("Log_ID", "LOG"),
        _text("Action_Taken", US),
        _select("Executor", US, "You", *PERSONAS, "System"),
        Property("Decision_Date", "date", US),
        _relation("Intent", "intents", other_side="Execution_Record"),
        _relation("Task", "tasks"),
        _relation("Inbox", "inbox"),
        _text("Outcome", BOTH),
        _text("Actual_vs_Projected", BOTH),
        _text("Lessons_Learned", PEOPLE),
        _KEY,
    ),
)

# In the order of set-up: every database comes after those its child sides point to.
DATABASES: Mapping[str, Database] = {
    database.key: database
    for database in (_AREAS, _AGENTS, _INBOX, _NODES, _INTENTS, _ACTIONS, _TRAINING, _PROJECTS, _TASKS, _LOG)
}


def creation_schema(database: Database, data_source_ids: Mapping[str, str]) -> dict[str, Any]:
    """The `initial_data_source.properties` of POST /databases, by property name.

    `data_source_ids`: key of each database made before, to its data source id; KeyError where one is missing. Other
    sides are left out: Notion makes them with the child side, and may name them otherwise than asked.
    """
    return {
        declared.name: {"type": declared.type, declared.type: _configuration(declared, data_source_ids)}
        for declared in database.properties
        if declared.other_side_of is None
    }


def _configuration(declared: Property, data_source_ids: Mapping[str, str]) -> dict[str, Any]:
    if declared.type == "relation":
        assert declared.to is not None
        kind = "dual_property" if declared.other_side else "single_property"
        names = {"synced_property_name": declared.other_side} if declared.other_side else {}
        return {"data_source_id": data_source_ids[declared.to], "type": kind, kind: names}
    if declared.type == "select":
        return {"options": [{"name": option} for option in declared.options]}
    if declared.type == "number":
        return {"format": declared.format}
    if declared.type == "unique_id":
        return {"prefix": declared.prefix}
    return {}  # a status too: Notion then makes its own three states, in their groups


def watched(database: Database) -> frozenset[str]:
    """Names of the properties whose change by a person may wake us: theirs and the shared ones, no other sides."""
    return frozenset(
        declared.name
        for declared in database.properties
        if declared.writer in (PEOPLE, BOTH) and declared.other_side_of is None
    )


def digest(properties: Mapping[str, Any], ids: Mapping[str, str], database: Database, *, in_trash: bool) -> str:
    """A hexadecimal SHA-256 that differs exactly where a watched value, or being in the bin, differs.

    `properties`: a page's properties as Notion gives them, under whatever names; `ids`: our name of each property to
    its Notion id. A watched property that the page lacks counts as null. Values that Notion cut at 25 entries must be
    completed first, or a change behind the cut stays unseen.
    """
    by_id = {found["id"]: found for found in properties.values()}
    wanted = {ids[name] for name in watched(database) if name in ids}
    values = {id: canonical(by_id[id]) if id in by_id else None for id in wanted}
    document = json.dumps({"in_trash": in_trash, "values": values}, sort_keys=True, ensure_ascii=True)
    return sha256(document.encode()).hexdigest()
