from django.apps import AppConfig


class NotionSyncConfig(AppConfig):
    name = "notion_sync"
    verbose_name = "Notion"
    default_auto_field = "django.db.models.BigAutoField"
