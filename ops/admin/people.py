"""Who may work here, and what runs when."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django_celery_beat import admin as beat
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from emm.admin import AuditedAdmin, person
from emm.audit import record

for model in (User, Group, PeriodicTask, IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(AuditedAdmin, BaseUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """A new password is no change of the form: it is noted here, where its page reports it."""
        if request.resolver_match and request.resolver_match.url_name == "auth_user_password_change":
            record("user.password", obj, by=person(request))
        return super().log_change(request, obj, message)


@admin.register(Group)
class GroupAdmin(AuditedAdmin, BaseGroupAdmin, ModelAdmin):
    pass


class TaskSelect(UnfoldAdminSelectWidget, beat.TaskSelectWidget):
    """The registered tasks, in the console's look."""


class PeriodicTaskForm(beat.PeriodicTaskForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskSelect()


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(AuditedAdmin, beat.PeriodicTaskAdmin, ModelAdmin):
    form = PeriodicTaskForm
    # The library's own template has an inline script, which our Content-Security-Policy would refuse.
    change_form_template = None
    date_hierarchy = None
    list_display = ("name", "enabled", "interval", "queue", "last_run_at")
    list_filter = ("enabled", "queue")


class PeriodicTaskInline(TabularInline):
    model = PeriodicTask
    fields = readonly_fields = ("name", "task", "args", "enabled")
    can_delete = False
    extra = 0
    show_change_link = True
    verbose_name_plural = "tasks on this schedule"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ScheduleAdmin(AuditedAdmin):
    inlines = (PeriodicTaskInline,)


@admin.register(IntervalSchedule, SolarSchedule, ClockedSchedule)
class PlainScheduleAdmin(ScheduleAdmin):
    pass


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(ScheduleAdmin):
    list_display = ("__str__", "human_readable")
    readonly_fields = ("human_readable",)
