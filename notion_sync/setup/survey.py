"""What there is in Notion, and what stands in the way. Nothing here writes, neither there nor in our database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from emm.jobs import Misconfigured
from notion_sync import client, installation, names, properties, workspace
from notion_sync.failures import NotShared, capability
from notion_sync.models import DataSource, Workspace
from notion_sync.rich_text import plain
from notion_sync.setup.addresses import id_in, notion_id
from notion_sync.workspace import DATABASES, Database, Property

Report = Callable[[str], None]
AGAIN = "then run set-up again"
SEARCHED = 500  # pages among which those outside databases are looked for: five calls
FIELDS = "under Databases of other names in the console"
# The selects on which we act when people set them, and to what: by database and property.
CHOICES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "inbox": {
        "Status": ("Unprocessed",),
        "Triage_Destination": DATABASES["inbox"].property("Triage_Destination").options,
        "Depth": DATABASES["inbox"].property("Depth").options,
    },
    "intents": {"Outcome": DATABASES["intents"].property("Outcome").options},
    "actions": {
        "Recommended_Option": DATABASES["actions"].property("Recommended_Option").options,
        "Approval_Status": DATABASES["actions"].property("Approval_Status").options,
    },
}


@dataclass(frozen=True)
class Wishes:
    """What a person chose. `databases`: key to id, address or name; `data_sources`: key to the id or name of one."""

    adopt: bool = False
    take_over: bool = False
    databases: Mapping[str, str] = field(default_factory=dict)
    data_sources: Mapping[str, str] = field(default_factory=dict)


class Unfit(Misconfigured):
    """Several things that a person must mend first, all at once. `problems`: what, and its fix."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = list(problems)
        if len(problems) == 1:
            super().__init__(*problems[0])
        else:
            lines = [f"{n}. {what} {fix}" for n, (what, fix) in enumerate(problems, 1)]
            super().__init__(f"{len(problems)} things must be mended first.\n" + "\n".join(lines), "")


@dataclass
class Found:
    """One of the ten, as it stands in Notion. `ids`: our property name to Notion's id. `called`: its title there.
    `made`: in this run."""

    database: Database
    database_id: str
    data_source_id: str
    url: str
    properties: dict[str, Any]
    ids: dict[str, str]
    by_us: bool
    called: str = ""
    made: bool = False

    @property
    def name(self) -> str:
        """Our name of the database, and what people call it where that differs."""
        return names.both(self.database.title, self.called)

    @property
    def missing(self) -> list[str]:
        """Names of the properties that we have to add: those that do not come with the other side of a relation."""
        return [p.name for p in self.database.properties if p.other_side_of is None and p.name not in self.ids]


@dataclass
class Survey:
    """`found`: what exists, by key. `problems`: what a person must mend first. `lacks`: what goes on without.

    `served_by`: the other installation that serves this workspace; empty where none does.
    """

    bot: dict[str, Any]
    parent_id: str
    center: installation.Center
    found: dict[str, Found] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    served_by: str = ""
    gone: dict[str, str] = field(default_factory=dict)  # key to the data source id of one that we knew
    unclear: set[str] = field(default_factory=set)  # keys of databases of which a person must say first which it is

    def refuse(self) -> None:
        """Raises Unfit where there is a problem."""
        if self.problems:
            raise Unfit(self.problems)


def look(parent: str, report: Report, wishes: Wishes) -> Survey:
    """See what stands below the page `parent`. Raises as client does; what a person can mend is in `problems`."""
    bot = client.me()
    report(f"Connected to {properties.clean(bot['bot']['workspace_name'] or 'Notion')}.")
    parent_id = notion_id(parent, "The parent page")
    if _parent(parent_id)["in_trash"]:
        raise Misconfigured("The parent page is in Notion's trash.", "Restore it, or name another one.")
    children = client.block_children(parent_id)
    survey = Survey(bot, parent_id, installation.find_center(children), lacks=_lacking(parent_id))
    if any(installation.marked(block) for block in children):
        survey.problems.append((f"This page is a {installation.TITLE} itself.", "Choose the page above it."))
    for line in survey.lacks:
        report(line)
    search = _Search(survey, wishes, children)
    for database in DATABASES.values():
        search.find(database)
    for key in survey.gone:
        report(f"{DATABASES[key].title}: the one we knew is in Notion's trash, or no longer shared.")
    for found in survey.found.values():
        survey.problems += differences(found, survey)
    survey.served_by = survey.center.foreign
    if not survey.served_by and (wishes.adopt or search.chosen):
        survey.served_by = installation.other_center(_ids(survey), survey.center)
    if survey.served_by and not wishes.take_over:
        survey.problems.insert(0, installation.refusal(survey.served_by))
    named = ", ".join(found.name for found in survey.found.values())
    report(f"Found {len(survey.found)} of the {len(DATABASES)} databases{f': {named}' if named else ''}.")
    return survey


def _parent(parent_id: str) -> dict[str, Any]:
    try:
        return client.retrieve_page(parent_id)
    except NotShared as error:
        shared = [title for _, title in shared_pages()[:5]]
        known = f"Shared with it are: {', '.join(shared)}." if shared else "Notion's search names no page that is."
        raise NotShared(f"The parent page: {error.what}", f"{error.fix} {known}") from error


def shared_pages() -> list[tuple[str, str]]:
    """Id and title of the pages outside databases that are shared with us, as far as Notion's search knows by now. It lists
    the pages of databases as well, so that in a large workspace others may come only after many.

    The page that we serve comes first, and what is called like a Command Center last; our own is none to choose.
    """
    row = Workspace.objects.filter(pk=1).first()
    served, center = (str(row.parent_page_id), str(row.command_center_page_id)) if row else ("", "")
    pages = [page for page in client.search("", "page", most=SEARCHED) if page["parent"]["type"] != "data_source_id"]
    found = [
        (page["id"], properties.title(page) or "Untitled")
        for page in pages
        if not page["in_trash"] and page["id"] != center
    ]
    return sorted(found, key=lambda page: (page[0] != served, page[1] == installation.TITLE))


def _lacking(parent_id: str) -> list[str]:
    """What the integration was not given, each with its fix. Inserting comments cannot be tried without doing it."""
    lacks = []
    for asked, ask, what in (
        ("GET /v1/users", client.users, "people who own an item cannot be named"),
        ("GET /v1/comments", lambda: client.comments(parent_id), "comments cannot be read"),
    ):
        try:
            ask()
        except NotShared:
            raise
        except Misconfigured as error:
            lacks.append(f"Without the capability {capability(asked)} {what}. {error.fix}")
    return lacks


def _ids(survey: Survey) -> set[str]:
    return {found.database_id for found in survey.found.values()}


@dataclass
class _Search:
    """The search for the ten databases: named by a person, by a variable, known from before, or by title."""

    survey: Survey
    wishes: Wishes
    children: Sequence[Mapping[str, Any]]

    @property
    def chosen(self) -> bool:
        """Whether a person or a variable says of any database which it is: it may stand where another installation serves it."""
        return any(self._named(database) for database in DATABASES.values())

    def find(self, database: Database) -> None:
        """Add the database to the survey, or a problem, or nothing where it is to be made."""
        try:
            there = self._locate(database)
            source_id = there and self._choose(database, there)
        except Misconfigured as error:
            self.survey.problems.append((error.what, error.fix))
            self.survey.unclear.add(database.key)
            return
        if not there or not source_id:
            return
        answer = client.retrieve_data_source(source_id)
        by_us = answer.get("created_by", {}).get("id") == self.survey.bot["id"]
        stored = self._stored(database)
        known = stored.property_ids if stored and str(stored.data_source_id) == source_id else {}
        found = Found(
            database, there["id"], source_id, there["url"], answer["properties"], {}, by_us, plain(there["title"])
        )
        found.ids = match(database, answer["properties"], known)
        self.survey.found[database.key] = found
        if not (by_us or known):
            self.survey.problems += lacking_options(found)
        if not (by_us or stored or self.wishes.adopt or self._named(database)):
            self.survey.problems.append(
                (
                    f"The database {database.title} on this page was made by a person.",
                    "Tick Adopt in the console, or use --adopt: what is in its inbox then waits for your release. Or rename it.",
                )
            )

    def _named(self, database: Database) -> tuple[str, str] | None:
        """What a person or a variable says, and who says it."""
        if value := self.wishes.databases.get(database.key):
            return value, f"Your choice for {database.title}"
        if value := settings.NOTION_DATABASES.get(database.variable):
            return value, database.variable
        return None

    def _stored(self, database: Database) -> DataSource | None:
        if not Workspace.objects.filter(pk=1, parent_page_id=self.survey.parent_id).exists():
            return None  # of another place
        return DataSource.objects.filter(key=database.key).first()

    def _locate(self, database: Database) -> dict[str, Any] | None:
        named = self._named(database)
        if named is not None:
            return self._by_name(database, *named)
        stored = self._stored(database)
        if stored is not None:
            try:
                there = client.retrieve_database(stored.database_id)
            except NotShared:
                there = {"in_trash": True}
            if not there["in_trash"]:
                return there
            self.survey.gone[database.key] = str(stored.data_source_id)
        for block in self.children:
            if block["type"] == "child_database" and block["child_database"]["title"] == database.title:
                with suppress(NotShared):  # a linked view of a database: the API has no database behind it
                    return client.retrieve_database(block["id"])
        return self._shared(database.title, database.key) if self.wishes.adopt else None

    def _by_name(self, database: Database, value: str, who: str) -> dict[str, Any]:
        found = id_in(value)
        if found is None:
            there = self._shared(value, database.key)
            if there is None:
                raise Misconfigured(
                    f"{who} names no database that is shared with the integration: {value}.",
                    "Share it under its menu, Connections, or use its link: Notion's search finds new names late.",
                )
            return there
        try:
            there = client.retrieve_database(found)
        except NotShared as error:
            raise NotShared(f"{who}: {error.what}", error.fix) from error
        if there["in_trash"]:
            raise Misconfigured(f"{who} names a database in Notion's trash.", "Restore it, or name another one.")
        return there

    def _shared(self, title: str, key: str) -> dict[str, Any] | None:
        """The one shared database of exactly that title. Raises Misconfigured where there are several."""
        parents = {}
        for source in client.search(title, "data_source"):
            name = plain(source["title"])
            if name.strip().casefold() == title.strip().casefold() and not source["in_trash"]:
                parents[source["parent"]["database_id"]] = source["url"]
        if len(parents) > 1:
            listed = ", ".join(str(url) for url in parents.values())
            raise Misconfigured(
                f"Several databases are called {title}: {listed}.",
                f"Choose one: paste its link {FIELDS}, or use --database {key}=ADDRESS.",
            )
        return client.retrieve_database(next(iter(parents))) if parents else None

    def _choose(self, database: Database, there: Mapping[str, Any]) -> str:
        """The id of the data source: the only one, the one that we knew, or the one that a person chose."""
        ids = {str(source["id"]): str(source["name"]) for source in there["data_sources"]}
        wish = self.wishes.data_sources.get(database.key, "")
        chosen = [one for one, name in ids.items() if wish and (one == id_in(wish) or name == wish)]
        stored = self._stored(database)
        if len(chosen) == 1:
            return chosen[0]
        if not wish and stored is not None and str(stored.data_source_id) in ids:
            return str(stored.data_source_id)
        if not wish and len(ids) == 1:
            return next(iter(ids))
        if not ids:
            raise Misconfigured(f"{database.title} has no data source.", f"Delete the database, {AGAIN}.")
        listed = ", ".join(f"{name} ({one})" for one, name in ids.items())
        raise Misconfigured(
            f"{database.title} has these data sources: {listed}.",
            f"Choose one: name it {FIELDS}, or use --data-source {database.key}=ID.",
        )


def match(database: Database, existing: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    """Our property names to Notion's ids: the id we knew, else the name; a title, whatever its name."""
    by_id = {prop["id"]: prop for prop in existing.values()}
    title = next(prop for prop in existing.values() if prop["type"] == "title")
    ids = {}
    for declared in database.properties:
        prop = by_id.get(known.get(declared.name, "")) or existing.get(declared.name)
        if declared.type == "title":
            prop = title
        if prop is not None:
            ids[declared.name] = str(prop["id"])
    return ids


def lacking_options(found: Found) -> list[tuple[str, str]]:
    """What people could not choose although we act on it, each with its fix. Looked at when a database is first taken
    in; later people may do as they like. An option that only we write needs no look: Notion adds it with the value."""
    by_id = {prop["id"]: prop for prop in found.properties.values()}
    problems = []
    for name, needed in CHOICES.get(found.database.key, {}).items():
        prop = by_id.get(found.ids.get(name, ""), {})
        there = {option["name"] for option in prop.get("select", {}).get("options", [])}
        lacking = ", ".join(option for option in needed if option not in there)
        if prop.get("type") == "select" and lacking:
            what = f"{name} in {found.name} cannot be set to {lacking}, which we act on."
            problems.append((what, f"Add that in Notion as an option, written just so, {AGAIN}."))
    return problems


def differences(found: Found, survey: Survey) -> list[tuple[str, str]]:
    """What is there under our names but is not what we need, each with its fix."""
    by_id = {prop["id"]: prop for prop in found.properties.values()}
    problems = []
    for declared in found.database.properties:
        prop = by_id.get(found.ids.get(declared.name, ""))
        problem = prop and _difference(found, declared, prop, survey)
        if problem:
            problems.append(problem)
    return problems


def _difference(found: Found, declared: Property, prop: Mapping[str, Any], survey: Survey) -> tuple[str, str] | None:
    name, title = declared.name, found.name
    rename = f"Rename that property in Notion, {AGAIN}: it adds its own."
    if prop["type"] != declared.type:
        return f"{name} in {title} is of type {prop['type']}; we need {declared.type}.", rename
    if declared.to is None or declared.type != "relation":
        return None
    wanted, relation = workspace.DATABASES[declared.to].title, prop["relation"]
    target = survey.found.get(declared.to)
    if declared.other_side_of is None and relation["data_source_id"] == survey.gone.get(declared.to):
        return (
            f"{name} in {title} leads to the {wanted} that we knew, which is in Notion's trash or no longer shared.",
            f"Restore {wanted}, or add the integration under its menu, Connections, {AGAIN}. Or rename that property: "
            "set-up then makes both anew.",
        )
    if declared.other_side_of is None and (target is None or relation["data_source_id"] != target.data_source_id):
        return (
            f"{name} in {title} leads to another database than our {wanted}.",
            f"{rename} Or choose the database that it leads to: {FIELDS}, or with --database {declared.to}=ADDRESS.",
        )
    if declared.other_side and relation["type"] != "dual_property":
        return (
            f"{name} in {title} does not show in {wanted}.",
            f"Edit that property in Notion, switch on its showing in {wanted}, {AGAIN}.",
        )
    return None
