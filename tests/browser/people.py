"""People at the console, each in a browser context of their own."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import Group, Permission, User
from playwright.sync_api import Browser, Locator, Page, expect

PASSWORD = "a long enough password"


class People:
    """Everybody who has come, and their windows."""

    def __init__(self, browser: Browser, url: str, watch: Callable[[Page], None]) -> None:
        self.url = url
        self.pages: list[Page] = []
        self._browser = browser
        self._watch = watch

    def come(
        self, name: str, *, groups: tuple[str, ...] = (), may: tuple[str, ...] = (), is_superuser: bool = False
    ) -> Page:
        """The window of somebody new who has logged in: a member of `groups` with the permissions `may`."""
        user = User.objects.create_user(name, password=PASSWORD, is_staff=True, is_superuser=is_superuser)
        user.groups.set(Group.objects.filter(name__in=groups))
        user.user_permissions.set(Permission.objects.filter(codename__in=may))
        page = self._browser.new_context(base_url=self.url).new_page()
        self.pages.append(page)
        self._watch(page)
        page.goto("/admin/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(f"{self.url}/admin/")
        return page

    def leave(self) -> None:
        """Close every window, so that nobody asks for a page while the database is emptied."""
        for page in self.pages:
            page.context.close()


def told(page: Page, words: str) -> None:
    """The console has answered with this message."""
    expect(page.get_by_text(words).first).to_be_visible()


def row(page: Page, key: str) -> Locator:
    """One row of the checklist."""
    return page.locator(f'[id="{key}"]')


def unfold(area: Locator) -> None:
    """Open one area of the checklist, unless it is open."""
    if area.get_attribute("open") is None:
        area.locator("> summary").click()


def confirm(page: Page, key: str, words: str) -> None:
    """Confirm one row of the page as a person does: unfold its area and its form, write, press."""
    here = row(page, key)
    unfold(page.locator("details.ck-area", has=here))
    here.locator("summary").click()
    here.get_by_role("textbox", name="What you saw").fill(words)
    here.get_by_role("button", name="Confirm", exact=True).click()
    expect(row(page, key)).to_contain_text(words)


def overflow(page: Page) -> int:
    """How many pixels of the page lie beyond its right edge."""
    return int(page.evaluate("Math.max(0, document.documentElement.scrollWidth - innerWidth)"))
